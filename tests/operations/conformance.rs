//! Recorded exchanges of embeddings, images and rerank (`tests/conformance/`), replayed without a network: the client's
//! body must become the requests to AWS, and AWS's answers what the client sees.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use switchyard::canonical::RawJson;

use crate::entry::Entry;
use crate::support::{Deployment, Next, Reply, What, numbers, shown};

const FILES: [&str; 3] = ["embeddings", "image-generation", "rerank"];

/// Members of `litellm_params` that say where a deployment is, not what it asks.
const PLACE: [&str; 5] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_bedrock_runtime_endpoint",
    "aws_region_name",
    "model_id",
];

fn deployment(line: &Value) -> Deployment {
    let params = line["entry"]["litellm_params"].as_object().unwrap();
    let text = |name: &str| params.get(name).and_then(Value::as_str).map(str::to_owned);
    let is_own = |name: &str| name != "model" && !PLACE.contains(&name);
    Deployment {
        entry: Entry {
            model: text("model").unwrap(),
            model_id: text("model_id"),
            region: line["aws"][0]["signed"]["region"]
                .as_str()
                .map(str::to_owned),
            defaults: params
                .iter()
                .filter(|(name, _)| is_own(name))
                .map(|(name, value)| (name.clone(), RawJson::from_value(value)))
                .collect(),
            ..Entry::default()
        },
        ..Deployment::default()
    }
}

fn what(path: &str) -> What {
    match path {
        "/v1/embeddings" => What::Embed,
        "/v1/images/generations" => What::Generate,
        "/v1/images/edits" => What::Edit,
        "/v1/rerank" => What::Rerank,
        _ => panic!("{path}"),
    }
}

/// Leaves out members that say nothing.
fn without_empty(value: &Value) -> Value {
    let mut value = numbers(value);
    if let Some(members) = value.as_object_mut() {
        let is_empty = |value: &Value| [json!(null), json!({}), json!([])].contains(value);
        members.retain(|_, value| !is_empty(value));
    }
    value
}

/// Says whether `sent` has all that `shown` has.
fn has(sent: &Value, shown: &Value) -> bool {
    match (sent, shown) {
        (Value::Object(sent), Value::Object(shown)) => shown.iter().all(|(name, shown)| {
            shown.is_null() || sent.get(name).is_some_and(|sent| has(sent, shown))
        }),
        (Value::Array(sent), Value::Array(shown)) => {
            sent.len() == shown.len()
                && sent.iter().zip(shown).all(|(sent, shown)| has(sent, shown))
        }
        (Value::Number(sent), Value::Number(shown)) => {
            let (sent, shown) = (sent.as_f64().unwrap(), shown.as_f64().unwrap());
            (sent - shown).abs() <= 1e-6 * shown.abs().max(1.0)
        }
        _ => sent == shown,
    }
}

fn matches(request: &Value, call: &Value, subset: bool) -> bool {
    let (sent, expected) = (
        without_empty(&request["body"]),
        without_empty(&call["body"]),
    );
    request["path"] == call["path"]
        && if subset {
            has(&sent, &expected)
        } else {
            sent == expected
        }
}

fn vectors(given: &Value, is_base64: bool) -> Vec<Value> {
    let data = given["data"].as_array().unwrap();
    data.iter()
        .map(|datum| {
            if !is_base64 {
                return datum["embedding"].clone();
            }
            let bytes = STANDARD
                .decode(datum["embedding"].as_str().unwrap())
                .unwrap();
            bytes
                .chunks_exact(4)
                .map(|four| json!(f32::from_le_bytes(four.try_into().unwrap())))
                .collect()
        })
        .collect()
}

fn check_seen(given: &Value, sees: &Value) -> Result<(), String> {
    let fail = |what: &str| Err(format!("{what}: {given} is not {sees}"));
    if let Some(json) = sees.get("json") {
        let mut expected = json.clone();
        let members = expected.as_object_mut().unwrap();
        // The name of the model is checked apart, and tokens are compared only where Bedrock counted them.
        members.remove("model");
        members.remove("usage");
        if !has(given, &expected) {
            return fail("answer");
        }
    }
    if let Some(embeddings) = sees.get("embeddings") {
        let found = vectors(given, sees["base64"] == true);
        if !has(&Value::Array(found), embeddings) {
            return fail("vectors");
        }
    }
    if let Some(results) = sees.get("results")
        && !has(&given["results"], results)
    {
        return fail("results");
    }
    if let Some(images) = sees.get("images") {
        let count = given["data"].as_array().map_or(0, Vec::len);
        if json!(count) != *images {
            return fail("images");
        }
    }
    Ok(())
}

fn replay(line: &Value) -> Result<(), String> {
    let what = what(line["client"]["path"].as_str().unwrap());
    let mut call = deployment(line)
        .call(what, &line["client"]["body"])
        .map_err(|error| format!("{error:?}"))?;
    let calls = line["aws"].as_array().unwrap();
    let subset = line["aws_match"] == "subset";
    let sent: Vec<Value> = call.requests.iter().map(shown).collect();
    if sent.len() != calls.len() {
        return Err(format!("{} requests were sent", sent.len()));
    }
    let mut replies = Vec::new();
    for sent in &sent {
        let Some(expected) = calls.iter().find(|call| matches(sent, call, subset)) else {
            return Err(format!("sent {sent}\n  shown {calls:?}"));
        };
        let answer = &expected["answer"];
        if answer["status"] != 200 {
            // What AWS refuses never reaches the decoder.
            return Ok(());
        }
        replies.push(Reply::new(&answer["headers"], &answer["json"]));
    }
    match (call.read)(&replies) {
        Ok(Next::Give(given)) => check_seen(&given, &line["sees"]),
        Ok(Next::Send(_)) => Err("more was asked for".to_owned()),
        Err(error) => Err(format!("{error:?}")),
    }
}

#[test]
fn recorded_exchanges_are_written_and_read_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut problems = Vec::new();
    let mut count = 0;
    for file in FILES {
        let text = fs::read_to_string(folder.join(format!("{file}.jsonl"))).unwrap();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            count += 1;
            if let Err(problem) = replay(&line) {
                problems.push(format!("{}: {problem}", line["name"]));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count >= 29, "exchanges are missing: {count}");
}
