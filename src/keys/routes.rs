//! `allowed_routes` of a virtual key: paths, patterns of paths, and LiteLLM's names for sets of them.

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

/// Says whether a key may call `path`; an empty list allows what every client's key may.
pub(super) fn allows(routes: &[String], path: &str) -> bool {
    if routes.is_empty() {
        return is_model_call(path) || is_information(path);
    }
    routes.iter().any(|route| match route.as_str() {
        "llm_api_routes" | "openai_routes" => is_model_call(path) || begins(path, &["/models"]),
        "info_routes" => is_information(path),
        "management_routes" => begins(path, &["/key/"]),
        route => names(route, path),
    })
}

/// Says whether a list names `path` itself, as administrators' paths must be.
pub(super) fn names_path(routes: &[String], path: &str) -> bool {
    routes.iter().any(|route| names(route, path))
}

/// Says whether a list that is not empty lets `path` be served: by itself, with or without `/v1`, as a part of a set, or as
/// what begins with the text before `*`.
pub fn allows_path(routes: &[String], path: &str) -> bool {
    let has = |route: &String| match route.ends_with('*') {
        // `/v1/*` is no `/*`: of the two paths of an endpoint only those count that are written so.
        true => names(route, bare(path)),
        false => bare(route) == bare(path),
    };
    allows(routes, path) || routes.iter().any(has)
}

/// Says whether an entry of a list of what is guarded means `path`: one path with and without `/v1`, or all that begin with
/// the text before `*`.
pub fn guards_path(route: &str, path: &str) -> bool {
    names(route, path) || names(bare(route), bare(path))
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
