//! Every model of the catalog's table, asked for what it does: each resolves to a route, and answers.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use switchyard::clock::SystemClock;
use switchyard::provider::bedrock::embed::EmbedFamily;
use switchyard::provider::bedrock::image::ImageFamily;
use switchyard::provider::bedrock::model_id::{ModelId, Route};
use switchyard::simulator::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

use crate::support::Gateway;

/// The table, as the program has it.
const TABLE: &str = include_str!("../../src/catalog/models.csv");
/// A picture of one pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// How many requests are under way at a time.
const AT_ONCE: usize = 16;

/// One row: its key, and what the model is for.
#[derive(Debug, Clone)]
struct Row {
    key: String,
    mode: String,
}

impl Row {
    /// The model string of a deployment; a key with any region stands for one with some region.
    fn model(&self) -> String {
        let key = self.key.replace('*', "us-east-1");
        if key.starts_with("bedrock") {
            key
        } else {
            format!("bedrock/{key}")
        }
    }

    fn says(&self, what: &str) -> String {
        format!("{} ({}): {what}", self.key, self.mode)
    }
}

fn rows() -> Vec<Row> {
    let mut lines = TABLE.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let mode = header.iter().position(|name| *name == "mode").unwrap();
    assert_eq!(header[0], "key");
    let rows: Vec<Row> = lines
        .map(|line| {
            // Quotes come later in a line, if at all.
            let cells: Vec<&str> = line.split(',').collect();
            Row {
                key: cells[0].to_owned(),
                mode: cells[mode].to_owned(),
            }
        })
        .collect();
    assert_eq!(rows.len(), 591);
    rows
}

#[test]
fn every_model_resolves_to_a_route_and_a_family() {
    for row in rows() {
        let model = ModelId::parse(&row.model(), None, None).unwrap();
        assert!(model.facts().known, "{}", row.says("unknown"));
        let id = row.key.rsplit('/').next().unwrap();
        let id = match id {
            "claude-sonnet-4-5-20250929-v1:0" => "anthropic.claude-sonnet-4-5-20250929-v1:0",
            "anthropic.claude-haiku-4-5@20251001" => "anthropic.claude-haiku-4-5-20251001-v1:0",
            id => id,
        };
        assert_eq!(model.wire, id, "{}", row.key);
        match row.mode.as_str() {
            "chat" | "responses" => match model.route {
                Route::Invoke => assert!(model.family.is_some(), "{}", row.says("no family")),
                Route::Mantle => assert!(row.key.starts_with("bedrock_mantle/")),
                Route::Converse | Route::ChatCompletions => {}
                other => panic!("{}", row.says(other.name())),
            },
            "embedding" => assert!(EmbedFamily::of(&model).is_some(), "{}", row.says("-")),
            "image_generation" | "image_edit" => {
                assert!(ImageFamily::of(&model).is_some(), "{}", row.says("-"));
            }
            "rerank" | "realtime" | "guardrail" => {}
            other => panic!("a mode that this test does not know: {other}"),
        }
    }
}

async fn gateway(rows: &[Row]) -> Gateway {
    let entries = rows.iter().map(|row| {
        format!(
            "  - {{model_name: \"{}\", litellm_params: {{model: \"{}\", aws_access_key_id: {ACCESS_KEY_ID}, \
             aws_secret_access_key: {SECRET_ACCESS_KEY}, api_base: \"$URL\"}}}}\n",
            row.key.replace('*', "any"),
            row.model(),
        )
    });
    let yaml = format!(
        "model_list:\n{}router_settings: {{num_retries: 0, disable_cooldowns: true}}\n",
        entries.collect::<String>()
    );
    Gateway::with(&yaml, Arc::new(SystemClock)).await
}

/// What a row is asked, by which path.
fn asked(row: &Row) -> Vec<(&'static str, Value)> {
    let model = row.key.replace('*', "any");
    match row.mode.as_str() {
        "embedding" => vec![(
            "/v1/embeddings",
            json!({"model": model, "input": ["red", "blue"]}),
        )],
        "image_generation" => vec![(
            "/v1/images/generations",
            json!({"model": model, "prompt": "an otter"}),
        )],
        "image_edit" => vec![("/v1/images/edits", edit(&model))],
        "rerank" => vec![(
            "/v1/rerank",
            json!({"model": model, "query": "red car", "documents": ["a boat", "a red car"]}),
        )],
        _ => [false, true]
            .map(|stream| ("/v1/chat/completions", chat(&model, stream)))
            .to_vec(),
    }
}

fn chat(model: &str, stream: bool) -> Value {
    let mut body = json!({"model": model, "max_tokens": 200, "stream": stream, "messages": [
        {"role": "user", "content": "How are you? [[sim:say Good day to you.]]"}]});
    if stream {
        body["stream_options"] = json!({"include_usage": true});
    }
    if model.contains("pegasus") {
        body["mediaSource"] =
            json!({"s3Location": {"uri": "s3://bucket/v.mp4", "bucketOwner": "123456789012"}});
    }
    body
}

fn edit(model: &str) -> Value {
    let mut body = json!({"model": model, "prompt": "an otter", "image": PIXEL});
    for (word, member, value) in [
        ("recolor", "select_prompt", json!("the boat")),
        ("replace", "search_prompt", json!("the boat")),
        ("style-transfer", "style_image", json!(PIXEL)),
        ("outpaint", "left", json!(20)),
    ] {
        if model.contains(word) {
            body[member] = value;
        }
    }
    body
}

/// Says what is wrong with an answer; `None` if nothing is.
fn wrong(row: &Row, body: &Value, status: u16, text: &str) -> Option<String> {
    let fail = |what: &str| Some(row.says(&format!("{what}: {status} {text}")));
    let reason = match row.mode.as_str() {
        "realtime" => Some("in both directions"),
        "guardrail" => Some("a guardrail"),
        _ => None,
    };
    if let Some(reason) = reason {
        let is_said = status == 400 && text.contains(reason);
        return if is_said { None } else { fail("no reason") };
    }
    if status != 200 {
        return fail("refused");
    }
    if body["stream"] == true {
        return streamed(text).and_then(|what| fail(&what));
    }
    let answer: Value = serde_json::from_str(text).unwrap();
    let is_good = match row.mode.as_str() {
        "embedding" => {
            let data = answer["data"].as_array();
            data.is_some_and(|data| {
                data.len() == 2 && data.iter().all(|one| !one["embedding"][0].is_null())
            })
        }
        "image_generation" | "image_edit" => answer["data"][0]["b64_json"].is_string(),
        "rerank" => answer["results"][0]["index"] == 1,
        _ => {
            let choice = &answer["choices"][0];
            choice["message"]["content"] == "Good day to you."
                && choice["finish_reason"] == "stop"
                && answer["usage"]["completion_tokens"].as_u64() > Some(0)
        }
    };
    if is_good {
        None
    } else {
        fail("another answer")
    }
}

/// Says what is wrong with a stream.
fn streamed(text: &str) -> Option<String> {
    let events: Vec<&str> = (text.lines())
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    if events.last() != Some(&"[DONE]") {
        return Some("no end".to_owned());
    }
    let chunks: Vec<Value> = (events.iter())
        .filter_map(|event| serde_json::from_str(event).ok())
        .collect();
    let said: String = (chunks.iter())
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    let finish = |chunk: &Value| chunk["choices"][0]["finish_reason"] == "stop";
    let usage = |chunk: &Value| chunk["usage"]["completion_tokens"].as_u64() > Some(0);
    if said != "Good day to you." {
        return Some(format!("said `{said}`"));
    }
    if !chunks.iter().any(finish) || !chunks.iter().any(usage) {
        return Some("no finish or no usage".to_owned());
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn every_model_answers() {
    let rows = rows();
    let gateway = gateway(&rows).await;
    let calls = (rows.iter()).flat_map(|row| {
        let calls = asked(row).into_iter();
        calls.map(move |(path, body)| (row, path, body))
    });
    let calls = calls.map(|(row, path, body)| {
        let gateway = &gateway;
        async move {
            let answer = gateway.post_to(path, &body, &[]).await;
            wrong(row, &body, answer.status, &answer.body)
        }
    });
    let calls: Vec<_> = calls.collect();
    assert!(calls.len() > 1000);
    let wrong: Vec<String> = stream::iter(calls)
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(
        wrong.is_empty(),
        "{} of the table:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
