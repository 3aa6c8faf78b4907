//! The recorded calls of `tests/conformance/messages.jsonl`: what must reach AWS, and what the client must see of the answer.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value, json};
use switchyard::dialect::Dialect as _;
use switchyard::dialect::messages::Messages;
use switchyard::provider::bedrock::fault::classify;

use crate::support::{Case, Sent, reassemble, stated};

fn exchanges() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/messages.jsonl");
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn name(exchange: &Value) -> String {
    let how = if exchange["streamed"] == true {
        "stream"
    } else {
        "whole"
    };
    format!("{} ({how})", exchange["name"].as_str().unwrap())
}

fn case(exchange: &Value) -> Case {
    const PDF: &str = "JVBERi0xLjQKMSAwIG9iajw8L1R5cGUvQ2F0YWxvZz4+ZW5kb2JqCnRyYWlsZXI8PC9Sb290IDEgMCBSPj4KJSVFT0YK";
    let model = exchange["entry"]["litellm_params"]["model"].as_str();
    let body = exchange["client"]["body"].to_string();
    let body = body.replace("${SIM}", "https://sim.test");
    let mut case = Case::new(model.unwrap())
        .body(&body)
        .fetches(&[("application/pdf", PDF)]);
    for (name, value) in exchange["client"]["headers"]
        .as_object()
        .into_iter()
        .flatten()
    {
        case = case.header(name, value.as_str().unwrap());
    }
    case
}

/// Takes away what may differ between two bodies: ids that pair up, a string in place of one text, the limit of a count.
#[derive(Default)]
struct Canonical(HashMap<String, String>);

impl Canonical {
    fn of(body: &Value) -> Value {
        let mut body = Self::default().value(body, "");
        if let Some(Value::String(counted)) = body.pointer("/input/invokeModel/body") {
            let counted = STANDARD.decode(counted).unwrap();
            let mut counted: Value = serde_json::from_slice(&counted).unwrap();
            counted.as_object_mut().unwrap().remove("max_tokens");
            body = json!({"counted": Self::default().value(&counted, "")});
        }
        body
    }

    fn value(&mut self, value: &Value, name: &str) -> Value {
        match value {
            Value::Object(members) => {
                let mut out = Map::new();
                for (name, value) in members {
                    out.insert(name.clone(), self.value(value, name));
                }
                Value::Object(out)
            }
            Value::Array(list) => list.iter().map(|value| self.value(value, "")).collect(),
            Value::String(id) if matches!(name, "id" | "tool_use_id" | "toolUseId") => {
                let next = format!("id {}", self.0.len());
                json!(self.0.entry(id.clone()).or_insert(next))
            }
            Value::String(text) if matches!(name, "content" | "system") => {
                json!([{"type": "text", "text": text}])
            }
            Value::Number(number) => json!(number.as_f64()),
            _ => value.clone(),
        }
    }
}

fn check_request(exchange: &Value, path: &str, body: &Value) -> Result<(), String> {
    let aws = &exchange["aws"][0];
    if aws["path"] != path {
        return Err(format!("{}: went to {path}", name(exchange)));
    }
    let (sent, shown) = (Canonical::of(body), Canonical::of(&aws["body"]));
    if sent == shown {
        Ok(())
    } else {
        Err(format!(
            "{}:\n  sent  {sent}\n  shown {shown}",
            name(exchange)
        ))
    }
}

fn is_count(exchange: &Value) -> bool {
    exchange["client"]["path"] == "/v1/messages/count_tokens"
}

fn check_count(exchange: &Value) -> Result<(), String> {
    let answer = &exchange["aws"][0]["answer"]["json"];
    let (wire, read) = case(exchange).count(answer).unwrap();
    let path = wire
        .url
        .replace("%3A", ":")
        .replace("https://bedrock.test", "");
    check_request(
        exchange,
        &path,
        &serde_json::from_slice(&wire.body).unwrap(),
    )?;
    assert_eq!(read["litellm_count_source"], "provider");
    let shown = exchange["sees"].pointer("/json/input_tokens");
    assert_eq!(
        &read["input_tokens"],
        shown.unwrap_or(&exchange["sees"]["input_tokens"])
    );
    Ok(())
}

/// Ids are compared by their presence.
fn content(given: &Value) -> Value {
    let mut content = given.clone();
    for block in content.as_array_mut().into_iter().flatten() {
        if let Some(id) = block.get_mut("id") {
            *id = json!(true);
        }
    }
    content
}

/// A refusal of AWS's comes in Anthropic's shape, in AWS's words.
fn check_refusal(exchange: &Value) -> Result<(), String> {
    let answer = &exchange["aws"][0]["answer"];
    let expected = &exchange["sees"];
    let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        let name = HeaderName::try_from(name.as_str()).unwrap();
        headers.insert(name, value.as_str().unwrap().parse().unwrap());
    }
    let status = http::StatusCode::from_u16(status).unwrap();
    let body = answer["json"].to_string();
    let error = classify(status, &headers, body.as_bytes(), SystemTime::UNIX_EPOCH);
    let seen: Value = serde_json::from_slice(&Messages.error(&error, Some("id"))).unwrap();
    let words = expected["error"]["message_contains"].as_str().unwrap();
    if expected["status"] == error.status().as_u16()
        && seen["type"] == "error"
        && seen["error"]["type"] == "rate_limit_error"
        && seen["error"]["message"].as_str().unwrap().contains(words)
    {
        Ok(())
    } else {
        Err(format!("{}: {} {seen}", name(exchange), error.status()))
    }
}

fn check_answer(exchange: &Value, sent: &mut Sent, size: usize) -> Result<(), String> {
    let answer = &exchange["aws"][0]["answer"];
    let expected = &exchange["sees"];
    if expected["status"] != 200 {
        return check_refusal(exchange);
    }
    let seen = if exchange["streamed"] == true {
        let stream = STANDARD
            .decode(answer["body_b64"].as_str().unwrap())
            .unwrap();
        reassemble(&name(exchange), &sent.stream(&stream, size))
    } else {
        let mut headers = HeaderMap::new();
        for (name, value) in answer["headers"].as_object().into_iter().flatten() {
            let name = HeaderName::try_from(name.as_str()).unwrap();
            headers.insert(name, value.as_str().unwrap().parse().unwrap());
        }
        sent.whole(&answer["json"], &headers).unwrap()
    };
    let mut problems = Vec::new();
    let mut compare = |what: &str, seen: &Value, shown: &Value| {
        if seen != shown {
            problems.push(format!("{}: {what} is {seen}, not {shown}", name(exchange)));
        }
    };
    if let Some(shown) = expected.get("content") {
        compare("content", &content(&seen["content"]), shown);
    }
    if let Some(shown) = expected.get("stop_reason") {
        compare("stop_reason", &seen["stop_reason"], shown);
    }
    if let Some(shown) = expected.get("usage") {
        let counts = [
            "input_tokens",
            "output_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
        ];
        let mut said = stated(&seen["usage"]);
        said.retain(|name, _| counts.contains(&name.as_str()));
        if !seen["error"].is_null() {
            // The count at the start of a message is no count of its end.
            said.remove("output_tokens");
        }
        compare("usage", &Value::Object(said), &Value::Object(stated(shown)));
    }
    if expected["error_event"] == true && seen["error"].is_null() {
        problems.push(format!("{}: no error event", name(exchange)));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n"))
    }
}

#[test]
fn requests_reach_aws_as_recorded() {
    let mut problems = Vec::new();
    let mut played = 0;
    for exchange in exchanges() {
        played += 1;
        let checked = if is_count(&exchange) {
            check_count(&exchange)
        } else {
            let sent = case(&exchange).send().unwrap();
            check_request(&exchange, &sent.path(), &sent.body)
        };
        problems.extend(checked.err());
    }
    assert!(
        problems.is_empty(),
        "{} of {played}:\n{}",
        problems.len(),
        problems.join("\n")
    );
    assert_eq!(played, 39);
}

#[test]
fn answers_reach_the_client_as_recorded() {
    let mut problems = Vec::new();
    for exchange in exchanges().iter().filter(|exchange| !is_count(exchange)) {
        for size in [usize::MAX, 1, 7] {
            let mut sent = case(exchange).send().unwrap();
            problems.extend(check_answer(exchange, &mut sent, size).err());
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
