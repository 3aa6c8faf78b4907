//! What the headers of a chat request say of the request itself.

use http::HeaderMap;

use crate::canonical::{ChatRequest, split_betas};

/// The prefixes of Portkey's and Obiguard's headers.
const PREFIXES: [&str; 2] = ["x-portkey", "x-obiguard"];

const BETA: &str = "anthropic-beta";

/// Notes the betas and the wish for `content_blocks` that the headers ask for.
pub(super) fn apply(headers: &HeaderMap, request: &mut ChatRequest) {
    let concerns =
        |name: &str| name == BETA || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if !headers.keys().any(|name| concerns(name.as_str())) {
        return;
    }
    let plain = headers.get_all(BETA).iter();
    let prefixed = PREFIXES
        .iter()
        .flat_map(|prefix| headers.get_all(format!("{prefix}-anthropic-beta")));
    for value in plain.chain(prefixed) {
        if let Ok(value) = value.to_str() {
            request.betas.extend(split_betas(value));
        }
    }
    for prefix in PREFIXES {
        let says_false = |name: String| {
            headers
                .get(name)
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"false"))
        };
        request.content_blocks |= says_false(format!("{prefix}-strict-open-ai-compliance"))
            || says_false(format!("{prefix}-strict-openai-compliance"));
        request.portkey |= headers.contains_key(format!("{prefix}-provider"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn betas_come_as_commas_or_json() {
        assert_eq!(split_betas("a, b,,"), ["a", "b"]);
        assert_eq!(split_betas(r#"["a","b"]"#), ["a", "b"]);
    }

    #[test]
    fn both_spellings_and_prefixes_ask_for_content_blocks() {
        for name in [
            "x-portkey-strict-open-ai-compliance",
            "x-portkey-strict-openai-compliance",
            "x-obiguard-strict-open-ai-compliance",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, "false".parse().unwrap());
            let mut request = ChatRequest::default();
            apply(&headers, &mut request);
            assert!(request.content_blocks, "{name}");
        }
    }
}
