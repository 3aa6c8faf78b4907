//! `allowed_routes` of a virtual key: paths, patterns of paths, and LiteLLM's names for sets of them.

use percent_encoding::percent_decode_str;

/// Beginnings of the paths that call models, behind any `/v1` (one client puts two of them).
const MODEL_CALLS: [&str; 16] = [
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/images/",
    "/messages",
    "/anthropic/v1/messages",
    "/responses",
    "/openai/v1/responses",
    "/rerank",
    "/moderations",
    "/engines/",
    "/openai/deployments/",
    "/prompts/",
    "/bedrock/",
    "/v2/rerank",
    "/utils/token_counter",
];

/// Beginnings of the paths that tell a key what it may use, behind an optional `/v1`.
const INFORMATION: [&str; 5] = [
    "/models",
    "/model/info",
    "/model_group/info",
    "/key/info",
    "/v2/key/info",
];

/// How often a path may be encoded and still be known. More than once is taken in what is passed through only.
const MOST_ENCODINGS: usize = 4;

/// Says whether a key may call `path`; an empty list allows what every client's key may.
pub(super) fn allows(routes: &[String], path: &str) -> bool {
    if routes.is_empty() {
        return is_model_call(path) || is_information(path);
    }
    let has = |route: &String| is_of_set(route, path).unwrap_or_else(|| names(route, path));
    routes.iter().any(has)
}

/// Says whether `path` belongs to a set of paths; `None` where `route` is no name of a set.
fn is_of_set(route: &str, path: &str) -> Option<bool> {
    match route {
        "llm_api_routes" | "openai_routes" => {
            Some(is_model_call(path) || begins(path, &["/models"]))
        }
        "info_routes" => Some(is_information(path)),
        "management_routes" => Some(begins(path, &["/key/"])),
        _ => None,
    }
}

/// Says whether a list names `path` itself, as administrators' paths must be.
pub(super) fn names_path(routes: &[String], path: &str) -> bool {
    routes.iter().any(|route| names(route, path))
}

/// Says whether a list that is not empty lets `path` be served: by itself, with or without `/v1`, as a part of a set, or as
/// what begins with the text before `*`.
pub fn allows_path(routes: &[String], path: &str) -> bool {
    let has = |route: &String| {
        // `/v1/*` is no `/*`: of the two paths of an endpoint only those count that are written so.
        if route.ends_with('*') {
            names(route, bare(path))
        } else {
            bare(route) == bare(path)
        }
    };
    allows(routes, path) || routes.iter().any(has)
}

/// Says whether an entry of a list of what is guarded means `path`: itself, what begins with the text before `*`, or a set.
///
/// How either of the two is spelled does not matter: a guard of one spelling would be none.
pub fn guards_path(route: &str, path: &str) -> bool {
    let served = served_path(path);
    if let Some(is_guarded) = is_of_set(route, &served) {
        return is_guarded;
    }
    let Some(start) = route.strip_suffix('*') else {
        return served_path(route).trim_end_matches('/') == served.trim_end_matches('/');
    };
    // A beginning may end within what a served path leaves out: `/v1*`, `/bedrock/v*`.
    let with_version = format!("/v1{served}");
    let of_bedrock = served.strip_prefix("/bedrock/");
    let of_bedrock = of_bedrock.map(|rest| format!("/bedrock/v2/{rest}"));
    let starts = [start, &served_path(start)];
    let begins = |path: &str| starts.iter().any(|start| path.starts_with(start));
    begins(path)
        || begins(&served)
        || begins(&with_version)
        || of_bedrock.is_some_and(|path| begins(&path))
}

/// Returns the spelling of a path that stands for all under which the same is served: decoded, without `/v1`, and without
/// the `/v2` behind `/bedrock`. A slash at its end stays, because the beginning of a path may end with one.
fn served_path(path: &str) -> String {
    let mut decoded = path.to_owned();
    for _ in 0..MOST_ENCODINGS {
        if !decoded.contains('%') {
            break;
        }
        let next = percent_decode_str(&decoded).decode_utf8_lossy();
        decoded = next.into_owned();
    }
    let mut served = bare(&decoded);
    while bare(served).len() < served.len() {
        served = bare(served);
    }
    match served.strip_prefix("/bedrock/v2/") {
        Some(rest) => format!("/bedrock/{rest}"),
        None => served.to_owned(),
    }
}

/// A path without its version.
fn bare(path: &str) -> &str {
    match path.strip_prefix("/v1") {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// Says whether `path` calls a model, so that a key without a list of its own may call it.
pub(crate) fn is_model_call(path: &str) -> bool {
    begins(path, &MODEL_CALLS)
}

fn is_information(path: &str) -> bool {
    begins(path, &INFORMATION)
}

fn begins(path: &str, beginnings: &[&str]) -> bool {
    let bare = path.trim_start_matches("/v1");
    let matches = |start: &&str| bare.starts_with(*start) || path.starts_with(*start);
    beginnings.iter().any(matches)
}

/// A path, or the beginning of one before `*`.
fn names(route: &str, path: &str) -> bool {
    match route.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => route == path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(routes: &[&str], path: &str) -> bool {
        let routes: Vec<String> = routes.iter().map(|route| (*route).to_owned()).collect();
        allows(&routes, path)
    }

    #[test]
    fn a_key_without_a_list_may_call_models_and_ask_about_them() {
        for path in [
            "/v1/chat/completions",
            "/chat/completions",
            "/v1/models/a/b",
            "/bedrock/model/x/converse",
            "/engines/a/chat/completions",
        ] {
            assert!(may(&[], path), "{path}");
        }
        for path in [
            "/key/generate",
            "/config/reload",
            "/router/state",
            "/cache/flushall",
        ] {
            assert!(!may(&[], path), "{path}");
        }
    }

    #[test]
    fn an_entry_means_its_path_with_and_without_the_version() {
        for (route, path, is_meant) in [
            ("/v1/models", "/models", true),
            ("/models", "/v1/models", true),
            ("/models", "/models/a", false),
            ("/v1/models*", "/models/a", true),
            ("/v1/*", "/models", true),
            ("/bedrock/*", "/bedrock/model/a/converse", true),
            ("/v1", "/v1", true),
            ("/v1", "/models", false),
            ("/chat/completions", "/completions", false),
        ] {
            assert_eq!(guards_path(route, path), is_meant, "{route} {path}");
        }
        let only = ["llm_api_routes".to_owned(), "/metrics".to_owned()];
        for (path, is_served) in [
            ("/v1/chat/completions", true),
            ("/metrics", true),
            ("/v1/metrics", true),
            ("/config/reload", false),
            ("/router/state", false),
        ] {
            assert_eq!(allows_path(&only, path), is_served, "{path}");
        }
    }

    #[test]
    fn an_entry_guards_every_spelling_under_which_the_same_is_served() {
        for (route, path) in [
            ("/v1/chat/completions", "/v1/chat/completions/"),
            ("/v1/chat/completions", "/chat/completions//"),
            ("/v1/models", "/models/"),
            ("/metrics", "/metrics/"),
            ("/metrics/", "/metrics"),
            ("/", "/"),
            ("/v1/messages", "/v1/v1/messages"),
            ("/v1/v1/messages", "/messages"),
            ("/v1/messages/*", "/v1/v1/messages/count_tokens"),
            ("/bedrock/model/*", "/bedrock/v2/model/x/converse"),
            ("/bedrock/v2/*", "/bedrock/model/x/converse"),
            ("/bedrock/v2/model/x/*", "/bedrock/model/x/converse"),
            ("/bedrock/v*", "/bedrock/model/x/converse"),
            ("/bedrock/model/a/*", "/bedrock/model/%61/converse"),
            ("/bedrock/model/a/*", "/bedrock/model/%2561/converse"),
            ("/bedrock/model/a:0/*", "/bedrock/v2/model/a%3A0/converse"),
            ("/bedrock/model/a%3a0/*", "/bedrock/model/a:0/converse"),
            (
                "/engines/m/chat/completions",
                "/engines/%6d/chat/completions",
            ),
            (
                "/engines/m/chat/completions",
                "/engines/m%2Fchat%2fcompletions",
            ),
            (
                "/engines/m/chat/completions",
                "/v1/engines/m/chat/completions%2F",
            ),
            ("/engines/m/*", "/engines/m%2Fchat/completions"),
            ("/models/a/b", "/v1/models/a%2Fb"),
            ("/prompts/p/completions", "/v1/prompts/%70/completions"),
            ("/models/*", "/v1/models/"),
            ("/v1*", "/models"),
            ("/v1/v1*", "/models"),
            ("/*", "/"),
        ] {
            assert!(guards_path(route, path), "{route} {path}");
        }
        for (route, path) in [
            ("/models", "/models/a"),
            ("/engines/m/*", "/engines/%6e/chat/completions"),
            ("/bedrock/model/a/*", "/bedrock/v2/model/b/converse"),
            ("/bedrock/v2/*", "/metrics"),
            ("/metrics", "/"),
        ] {
            assert!(!guards_path(route, path), "{route} {path}");
        }
    }

    #[test]
    fn sets_guard_their_paths() {
        for (route, path, is_guarded) in [
            ("llm_api_routes", "/v1/chat/completions", true),
            ("llm_api_routes", "/bedrock/v2/model/x/converse", true),
            ("llm_api_routes", "/%6dodels", true),
            ("llm_api_routes", "/metrics", false),
            ("openai_routes", "/v1/embeddings", true),
            ("info_routes", "/v1/models/", true),
            ("info_routes", "/v1/embeddings", false),
            ("management_routes", "/key/generate", true),
            ("management_routes", "/models", false),
        ] {
            assert_eq!(guards_path(route, path), is_guarded, "{route} {path}");
        }
    }

    #[test]
    fn a_path_that_is_encoded_without_end_is_read_a_few_times_only() {
        let path = format!("/engines/%{}", "25".repeat(20));
        assert_eq!(served_path(&path), format!("/engines/%{}", "25".repeat(16)));
    }

    #[test]
    fn a_pattern_with_a_version_serves_no_more_than_it_says() {
        let versioned = ["/v1/*".to_owned()];
        assert!(allows_path(&versioned, "/v1/chat/completions"));
        assert!(!allows_path(&versioned, "/config/reload"));
        let plain = ["/chat/*".to_owned()];
        assert!(allows_path(&plain, "/v1/chat/completions"));
    }

    #[test]
    fn lists_name_sets_paths_and_patterns() {
        assert!(may(&["llm_api_routes"], "/v1/embeddings"));
        assert!(!may(&["info_routes"], "/v1/embeddings"));
        assert!(may(&["info_routes"], "/v1/models"));
        assert!(may(&["management_routes"], "/key/generate"));
        assert!(!may(&["management_routes"], "/config/reload"));
        assert!(may(&["/config/reload"], "/config/reload"));
        assert!(may(&["/cache/*"], "/cache/ping"));
        assert!(!may(&["/cache/*"], "/cachet"));
    }
}
