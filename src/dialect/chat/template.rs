//! Named prompt templates: `prompt_id` in a request stands for messages and parameters that the operator wrote.
//!
//! The template's members are the request's defaults, and its messages come first. `{{name}}` in the template's text is
//! replaced by the request's `prompt_variables`; what was put in is not looked at again. Nothing else is a template
//! language. Requests without `prompt_id` pay one search for that word.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::config::PromptTemplate;
use crate::error::{Error, Result};

/// Returns the body that a request with a template stands for; `None` when it names none.
///
/// `named` is the id that the path gives (Portkey's `/v1/prompts/{id}/completions`).
///
/// # Errors
///
/// An unknown template, or a variable that the request does not set.
pub fn expand(
    body: &Bytes,
    templates: &[PromptTemplate],
    named: Option<&str>,
) -> Result<Option<Bytes>> {
    if named.is_none() && memchr::memmem::find(body, b"\"prompt_id\"").is_none() {
        return Ok(None);
    }
    // What is wrong with a body that is no object is said by whoever reads it next.
    let Ok(Value::Object(mut request)) = serde_json::from_slice::<Value>(body) else {
        return Ok(None);
    };
    let id = match (named, request.remove("prompt_id")) {
        (Some(id), _) => id.to_owned(),
        (None, Some(Value::String(id))) => id,
        (None, None | Some(Value::Null)) => return Ok(None),
        (None, Some(_)) => {
            return Err(Error::bad_request(
                "prompt_id",
                "prompt_id: expected a string",
            ));
        }
    };
    let template = templates
        .iter()
        .find(|template| template.id == id)
        .ok_or_else(|| {
            let shown: String = id.chars().take(128).collect();
            Error::bad_request(
                "prompt_id",
                format!("prompt_id: no prompt is called `{shown}`"),
            )
        })?;
    let expanded = apply(template, request)?;
    Ok(Some(Bytes::from(Value::Object(expanded).to_string())))
}

fn apply(template: &PromptTemplate, mut request: Map<String, Value>) -> Result<Map<String, Value>> {
    let variables = ["prompt_variables", "variables"]
        .into_iter()
        .filter_map(|name| request.remove(name))
        .find_map(|value| match value {
            Value::Object(variables) => Some(variables),
            _ => None,
        })
        .unwrap_or_default();
    let mut out = template.members.clone();
    if let Some(Value::Array(messages)) = out.get_mut("messages") {
        let known = names_in(messages);
        for message in messages.iter_mut() {
            fill_message(message, &variables, &known)?;
        }
        match request.remove("messages") {
            None | Some(Value::Null) => {}
            Some(Value::Array(own)) => messages.extend(own),
            Some(_) => return Err(Error::bad_request("messages", "messages: expected a list")),
        }
    }
    for (name, value) in request {
        out.insert(name, value);
    }
    Ok(out)
}

/// The names that the template's text has, each once.
fn names_in(messages: &[Value]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for message in messages {
        let parts = message["content"].as_array().map(Vec::as_slice);
        let parts = parts.unwrap_or_default().iter().map(|part| &part["text"]);
        let texts = std::iter::once(&message["content"]).chain(parts);
        for text in texts.filter_map(Value::as_str) {
            let mut rest = text;
            while let Some((name, behind)) =
                (rest.split_once("{{")).and_then(|(_, after)| after.split_once("}}"))
            {
                let name = name.trim();
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
                rest = behind;
            }
        }
    }
    names
}

/// Fills the text of one message: plain, or in parts.
fn fill_message(
    message: &mut Value,
    variables: &Map<String, Value>,
    known: &[String],
) -> Result<()> {
    match message.get_mut("content") {
        Some(Value::String(text)) => *text = fill(text, variables, known)?,
        Some(Value::Array(parts)) => {
            for part in parts {
                if let Some(Value::String(text)) = part.get_mut("text") {
                    *text = fill(text, variables, known)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn fill(text: &str, variables: &Map<String, Value>, known: &[String]) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else {
            break;
        };
        out.push_str(before);
        let name = name.trim();
        match variables.get(name) {
            Some(Value::String(value)) => out.push_str(value),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => out.push_str(&value.to_string()),
            Some(_) => {
                let message =
                    format!("prompt_variables.{name}: expected text, a number or a boolean");
                return Err(Error::bad_request("prompt_variables", message));
            }
            None => {
                let message = format!(
                    "prompt_variables: the prompt needs `{name}`; its variables are `{}`",
                    known.join("`, `")
                );
                return Err(Error::bad_request("prompt_variables", message));
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn templates() -> Vec<PromptTemplate> {
        let members = json!({
            "model": "claude",
            "temperature": 0.2,
            "messages": [{"role": "system", "content": "Speak {{ language }}."}],
        });
        let Value::Object(members) = members else {
            panic!()
        };
        vec![PromptTemplate {
            id: "greet".to_owned(),
            members,
        }]
    }

    fn expanded(request: &Value, named: Option<&str>) -> Result<Option<Value>> {
        let body = Bytes::from(request.to_string());
        let out = expand(&body, &templates(), named)?;
        Ok(out.map(|out| serde_json::from_slice(&out).unwrap()))
    }

    #[test]
    fn template_gives_messages_and_defaults() {
        let request = json!({
            "prompt_id": "greet", "temperature": 1, "prompt_variables": {"language": "{{x}}"},
            "messages": [{"role": "user", "content": "{{hello}}"}],
        });
        let out = expanded(&request, None).unwrap().unwrap();
        assert_eq!(
            out,
            json!({
                "model": "claude", "temperature": 1,
                "messages": [{"role": "system", "content": "Speak {{x}}."}, {"role": "user", "content": "{{hello}}"}],
            })
        );
    }

    #[test]
    fn path_names_the_template_too() {
        let out = expanded(&json!({"variables": {"language": "French"}}), Some("greet"))
            .unwrap()
            .unwrap();
        assert_eq!(out["messages"][0]["content"], "Speak French.");
    }

    #[test]
    fn what_is_missing_is_named() {
        let unknown = expanded(&json!({"prompt_id": "nope"}), None).unwrap_err();
        assert_eq!(unknown.param(), Some("prompt_id"));
        let wrong = json!({"prompt_id": "greet", "prompt_variables": {"lang": "French"}});
        for request in [json!({"prompt_id": "greet"}), wrong] {
            let missing = expanded(&request, None).unwrap_err();
            assert_eq!(
                missing.message(),
                "prompt_variables: the prompt needs `language`; its variables are `language`"
            );
        }
    }

    #[test]
    fn other_requests_are_left_alone() {
        assert_eq!(expanded(&json!({"model": "m"}), None).unwrap(), None);
        let text = json!({"messages": [{"role": "user", "content": "what is \"prompt_id\"?"}]});
        assert_eq!(expanded(&text, None).unwrap(), None);
    }
}
