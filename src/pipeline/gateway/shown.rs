//! What the client is told of the parameters that a target laid over its request.

use serde_json::{Map, Value};

/// Longest text of parameters that the client is told of.
const LONGEST_PARAMS: usize = 1024;

/// Members that may hold what somebody wrote: they are in no header.
const CONTENT: [&str; 12] = [
    "messages",
    "system",
    "prompt",
    "input",
    "instructions",
    "query",
    "documents",
    "image",
    "image[]",
    "mask",
    "style_image",
    "init_image",
];

/// What was laid over the request, as far as it fits into a header; no text of the conversation.
pub(super) fn shown(overrides: &Map<String, Value>) -> Option<String> {
    let is_shown = |name: &str| !CONTENT.contains(&name);
    let shown: Map<_, _> = (overrides.iter())
        .filter(|(name, _)| is_shown(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if shown.is_empty() {
        return None;
    }
    let text = Value::Object(shown).to_string();
    (text.len() <= LONGEST_PARAMS && text.is_ascii()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_shown_without_the_conversation() {
        let members = |text: &str| serde_json::from_str(text).unwrap();
        for name in CONTENT {
            let text = format!(r#"{{"{name}":["secret"]}}"#);
            assert_eq!(shown(&members(&text)), None, "{name}");
        }
        let told = shown(&members(r#"{"model":"m","messages":[]}"#));
        assert_eq!(told.as_deref(), Some(r#"{"model":"m"}"#));
    }
}
