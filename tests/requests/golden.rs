//! Every request under `golden/requests/`, read from a client and written for Bedrock: for Converse, for `InvokeModel`
//! where `expect` says `"operation": "invoke"`, or for an API that is `path` alone where it says `"none"`.
//!
//! A fixture is a JSON file with a deployment (`model`, `model_id`, `base_model`, `defaults`, `modify_params`), what the client sends
//! (`headers`, `request`; by `dialect` in chat completions or Responses), how it asks (`asked`: whole or as a stream, which must not change the body) and what Bedrock
//! must be sent, or the status of the refusal (`expect`). Spelling of JSON, ids of calls, names of documents and words that
//! do not come from the client are free.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::entry::ENDPOINT;
use crate::fixtures::fixtures;
use crate::support::Case;

/// Takes away what may differ.
struct Canonical {
    ids: HashMap<String, String>,
    documents: usize,
}

impl Canonical {
    fn body(body: &Value) -> Value {
        let mut canonical = Self {
            ids: HashMap::new(),
            documents: 0,
        };
        let mut body = canonical.value(body, "");
        let members = body.as_object_mut().unwrap();
        if let Some(Value::Array(paths)) = members.get_mut("additionalModelResponseFieldPaths") {
            paths.retain(|path| path != "/usage/output_tokens_details");
        }
        let is_empty = |value: &Value| [json!(null), json!({}), json!([])].contains(value);
        members.retain(|_, value| !is_empty(value));
        body
    }

    fn value(&mut self, value: &Value, name: &str) -> Value {
        match value {
            Value::Object(members) => self.object(members),
            Value::Array(list) => list.iter().map(|value| self.value(value, "")).collect(),
            Value::String(id) if name == "toolUseId" => {
                let next = format!("id {}", self.ids.len());
                json!(self.ids.entry(id.clone()).or_insert(next))
            }
            // A schema within a string is compared as JSON.
            Value::String(text) if name == "schema" => {
                serde_json::from_str(text).unwrap_or_else(|_| value.clone())
            }
            Value::Number(number) => json!(number.as_f64()),
            _ => value.clone(),
        }
    }

    fn object(&mut self, members: &Map<String, Value>) -> Value {
        let mut out = Map::new();
        for (name, value) in members {
            out.insert(name.clone(), self.value(value, name));
        }
        if let Some(Value::Object(document)) = out.get_mut("document") {
            self.documents += 1;
            let name = format!("document {}", self.documents);
            document.insert("name".to_owned(), json!(name));
        }
        Value::Object(out)
    }
}

/// Says whether `sent` has all that `shown` has.
fn has(sent: &Value, shown: &Value) -> bool {
    match (sent, shown) {
        (Value::Object(sent), Value::Object(shown)) => shown
            .iter()
            .all(|(name, shown)| sent.get(name).is_some_and(|sent| has(sent, shown))),
        _ => sent == shown,
    }
}

fn check(name: &str, case: &Value, how: &str) -> Result<(), String> {
    let stream = how == "stream";
    let sent = Case::from_fixture(case).stream(stream).send();
    let expect = &case["expect"];
    if let Some(status) = expect["status"].as_u64() {
        return match sent {
            Err(error) if u64::from(error.status().as_u16()) == status => Ok(()),
            Err(error) => Err(format!("{name}: {} {error}", error.status())),
            Ok(_) => Err(format!("{name}: was sent, but must be refused")),
        };
    }
    let sent = sent.map_err(|error| format!("{name}: {error:?}"))?;
    let operation = match (expect["operation"].as_str(), stream) {
        (Some("invoke"), true) => "invoke-with-response-stream",
        (Some(whole_only), _) => whole_only.trim_end_matches("-only"),
        (None, true) => "converse-stream",
        (None, false) => "converse",
    };
    let path = expect["path"].as_str().unwrap();
    let url = sent.wire.url.replace("%3A", ":").replace("%2F", "/");
    let path = match operation {
        "none" => path.to_owned(),
        operation => format!("{path}/{operation}"),
    };
    if url != format!("{ENDPOINT}{path}") {
        return Err(format!("{name} ({how}): went to {url}"));
    }
    for (header, value) in expect["headers"].as_object().into_iter().flatten() {
        let found = sent
            .wire
            .headers
            .iter()
            .find(|(known, _)| known.as_str() == header);
        if found.is_none_or(|(_, found)| value != found.to_str().unwrap()) {
            return Err(format!("{name}: header {header} is {found:?}"));
        }
    }
    let (sent, shown) = (
        Canonical::body(&sent.body),
        Canonical::body(&expect["body"]),
    );
    let fits = if case["match"] == "subset" {
        has(&sent, &shown)
    } else {
        sent == shown
    };
    if fits {
        return Ok(());
    }
    Err(format!("{name} ({how}):\n  sent  {sent}\n  shown {shown}"))
}

#[test]
fn every_request_is_written_as_its_fixture_shows() {
    let fixtures = fixtures("requests", 151);
    let mut problems = Vec::new();
    for (name, case) in &fixtures {
        for how in case["asked"].as_array().unwrap() {
            problems.extend(check(name, case, how.as_str().unwrap()).err());
        }
    }
    assert!(
        problems.is_empty(),
        "{} of {} differ:\n{}",
        problems.len(),
        fixtures.len(),
        problems.join("\n")
    );
}
