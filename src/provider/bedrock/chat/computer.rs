//! Claude's tools for using a computer, which Converse takes only as the model's own fields.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/computer-use.html>

use serde_json::{Map, Value, json};

/// How the types of these tools begin.
const PREFIXES: [&str; 4] = ["computer_use_preview", "computer_", "bash_", "text_editor_"];

/// Names of the types without their date, as Portkey's clients write them.
const UNDATED: [&str; 3] = ["computer", "bash", "text_editor"];

/// Says whether a tool of this type may be one for using a computer.
pub(crate) fn is_native(kind: &str) -> bool {
    UNDATED.contains(&kind) || PREFIXES.iter().any(|prefix| kind.starts_with(prefix))
}

/// Returns the tool in Anthropic's form, if it is one for using a computer.
pub(crate) fn native(kind: &str, tool: &Map<String, Value>) -> Option<Value> {
    if UNDATED.contains(&kind) {
        return from_portkey(kind, tool);
    }
    if !PREFIXES.iter().any(|prefix| kind.starts_with(prefix)) {
        return None;
    }
    let mut out = match tool.get("function") {
        Some(Value::Object(function)) => from_function(kind, function),
        _ => tool.clone(),
    };
    if !out.get("name").is_some_and(Value::is_string) {
        out.insert("name".to_owned(), json!(default_name(kind)));
    }
    Some(Value::Object(out))
}

fn from_function(kind: &str, function: &Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("type".to_owned(), json!(kind));
    if let Some(name) = function.get("name") {
        out.insert("name".to_owned(), name.clone());
    }
    if let Some(Value::Object(parameters)) = function.get("parameters") {
        out.extend(parameters.clone());
    }
    out
}

/// `{"type": "computer", "computer": {"name": "computer_20250124", …}}`.
fn from_portkey(kind: &str, tool: &Map<String, Value>) -> Option<Value> {
    let Some(Value::Object(options)) = tool.get(kind) else {
        return None;
    };
    let dated = options.get("name")?.as_str()?;
    let mut out = options.clone();
    out.insert("name".to_owned(), json!(default_name(dated)));
    out.insert("type".to_owned(), json!(dated));
    Some(Value::Object(out))
}

fn default_name(kind: &str) -> &'static str {
    if kind.starts_with("bash") {
        "bash"
    } else if kind.starts_with("text_editor") {
        if kind.ends_with("20250429") || kind.ends_with("20250728") {
            "str_replace_based_edit_tool"
        } else {
            "str_replace_editor"
        }
    } else {
        "computer"
    }
}

/// Returns the beta that a tool needs: by the date in its type, else by the model.
pub(crate) fn beta(tool: &Value, base: &str) -> &'static str {
    const NEWEST: [&str; 4] = ["opus-4-5", "opus-4-6", "opus-4-7", "sonnet-4-6"];
    const MIDDLE: [&str; 4] = ["sonnet-4", "haiku-4-5", "opus-4", "3-7-sonnet"];
    let kind = tool.get("type").and_then(Value::as_str).unwrap_or("");
    let is_one_of = |names: &[&str]| names.iter().any(|name| base.contains(name));
    match kind.rsplit('_').next().unwrap_or("") {
        "20241022" => "computer-use-2024-10-22",
        "20250124" | "20250429" | "20250728" => "computer-use-2025-01-24",
        "20251124" => "computer-use-2025-11-24",
        _ if is_one_of(&NEWEST) => "computer-use-2025-11-24",
        _ if is_one_of(&MIDDLE) => "computer-use-2025-01-24",
        _ => "computer-use-2024-10-22",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tool: Value) -> Value {
        let Value::Object(tool) = tool else { panic!() };
        let kind = tool["type"].as_str().unwrap().to_owned();
        native(&kind, &tool).unwrap()
    }

    #[test]
    fn every_form_becomes_anthropics() {
        assert_eq!(
            read(json!({"type": "computer_20250124", "function": {
                "name": "computer", "parameters": {"display_width_px": 10}}})),
            json!({"type": "computer_20250124", "name": "computer", "display_width_px": 10})
        );
        assert_eq!(
            read(json!({"type": "computer", "computer": {"name": "computer_20250124", "x": 1}})),
            json!({"name": "computer", "x": 1, "type": "computer_20250124"})
        );
        assert_eq!(read(json!({"type": "bash_20250124"}))["name"], "bash");
        assert_eq!(
            read(json!({"type": "text_editor_20241022"}))["name"],
            "str_replace_editor"
        );
        assert_eq!(
            read(json!({"type": "text_editor_20250728"}))["name"],
            "str_replace_based_edit_tool"
        );
    }

    #[test]
    fn beta_follows_the_date() {
        let beta = |kind: &str| beta(&json!({ "type": kind }), "anthropic.claude-opus-4-6-v1");
        assert_eq!(beta("computer_20241022"), "computer-use-2024-10-22");
        assert_eq!(beta("text_editor_20250728"), "computer-use-2025-01-24");
        assert_eq!(beta("computer_20251124"), "computer-use-2025-11-24");
        assert_eq!(beta("computer_use_preview"), "computer-use-2025-11-24");
    }
}
