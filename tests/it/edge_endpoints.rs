//! The endpoints at their edges: paths, names, limits, what is laid over and what is written by the operator.

use std::sync::Arc;

use serde_json::{Value, json};
use switchyard::clock::SystemClock;

use crate::support::entry::until;
use crate::support::{Gateway, entry};

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "us.amazon.nova-pro-v1:0";
const TITAN: &str = "amazon.titan-embed-text-v2:0";
const CANVAS: &str = "amazon.nova-canvas-v1:0";
const RERANK: &str = "cohere.rerank-v3-5:0";

/// An entry of `model_list`, for `model` with further parameters.
fn model(name: &str, model: &str, fault: &str, params: &str) -> String {
    entry(name, name, fault, params).replace(&format!("converse/{CLAUDE}"), model)
}

/// A gateway with these entries and further sections.
async fn of(entries: &[String], rest: &str) -> Gateway {
    let yaml = format!("model_list:\n{}{rest}", entries.concat());
    Gateway::with(&yaml, Arc::new(SystemClock)).await
}

/// A gateway with a model of each kind.
async fn gateway(rest: &str) -> Gateway {
    let models = [("claude", CLAUDE), ("nova", NOVA), ("rerank", RERANK)];
    of(&models.map(|(name, id)| model(name, id, "", "")), rest).await
}

fn said(model: &str) -> Value {
    json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]})
}

/// The table of the documentation is held to the endpoints: what it calls unknown is unknown.
#[tokio::test]
async fn what_is_documented_as_not_here_is_answered_so() {
    let gateway = gateway("").await;
    let text = std::fs::read_to_string("docs/compatibility.md").unwrap();
    let (_, rest) = text
        .split_once("## Endpoints of LiteLLM's that are not here\n")
        .unwrap();
    let (chapter, _) = rest.split_once("\n## ").unwrap();
    let rows = chapter.lines().filter(|line| line.starts_with("| `/"));
    let mut asked = 0;
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for path in cells[1]
            .split(", ")
            .map(|path| path.trim_matches('`').replace('*', "x"))
        {
            let answer = gateway.post_to(&path, &json!({}), &[]).await;
            assert_eq!(
                answer.status.to_string(),
                cells[2],
                "{path}: {}",
                answer.body
            );
            assert_eq!(
                answer.json()["error"]["type"],
                "invalid_request_error",
                "{path}"
            );
            asked += 1;
        }
    }
    assert!(asked > 50, "{asked}");
}

#[tokio::test]
async fn every_path_is_open_to_a_key_without_a_list() {
    let gateway = gateway("virtual_keys: [{key: sk-one-and-long-enough}]\n").await;
    let key = ("authorization", "Bearer sk-one-and-long-enough");
    let messages = said("claude");
    let response = json!({"model": "claude", "input": "hi"});
    let count = json!({"model": "claude", "messages": [{"role": "user", "content": "hi"}]});
    for (path, body) in [
        ("/anthropic/v1/messages", &messages),
        ("/v1/v1/messages", &messages),
        ("/anthropic/v1/messages/count_tokens", &count),
        ("/openai/v1/responses", &response),
        ("/openai/v1/responses/input_tokens", &response),
    ] {
        let answer = gateway.post_to(path, body, &[key]).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn an_unknown_model_is_refused_by_the_path_that_was_asked() {
    let gateway = gateway("").await;
    let chat =
        json!({"model": "nope", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]});
    let rerank = json!({"model": "nope", "query": "q", "documents": ["a"]});
    for (path, body, named) in [
        ("/v1/chat/completions", &chat, "/chat/completions:"),
        ("/v1/messages", &chat, "/messages:"),
        (
            "/v1/messages/count_tokens",
            &chat,
            "/messages/count_tokens:",
        ),
        ("/v1/rerank", &rerank, "/rerank:"),
    ] {
        let answer = gateway.post_to(path, body, &[]).await;
        let error = answer.json();
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(named), "{path}: {message}");
    }
}

#[tokio::test]
async fn several_names_are_understood_in_chat_alone() {
    let gateway = gateway("").await;
    let body = json!({"model": "claude,nova", "input": "hi"});
    let answer = gateway.post_to("/v1/responses", &body, &[]).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(
        answer.body.contains("claude,nova"),
        "one name with a comma: {}",
        answer.body
    );
}

#[tokio::test]
async fn counting_takes_nothing_from_a_limit_of_the_model() {
    let entry = entry("m", "m", "", ", max_parallel_requests: 1");
    let gateway = of(&[entry], "router_settings: {num_retries: 0}\n").await;
    let asked =
        json!({"model": "m", "messages": [{"role": "user", "content": "hi [[sim:stall]]"}]});
    let counting = gateway.post_to("/v1/messages/count_tokens", &asked, &[]);
    tokio::pin!(counting);
    tokio::select! {
        answer = &mut counting => panic!("{}", answer.body),
        () = until(|| gateway.simulator.calls_total() == 1) => {}
    }
    // A chat while tokens are counted, and a count while a chat is under way.
    let chat = gateway.chat("m", json!({})).await;
    assert_eq!(chat.status, 200, "{}", chat.body);
    let chatting = gateway.post(&asked, &[]);
    tokio::pin!(chatting);
    tokio::select! {
        answer = &mut chatting => panic!("{}", answer.body),
        () = until(|| gateway.simulator.calls_total() == 3) => {}
    }
    let counted = gateway
        .post_to("/v1/messages/count_tokens", &said("m"), &[])
        .await;
    assert_eq!(counted.status, 200, "{}", counted.body);
    assert_eq!(gateway.simulator.calls_total(), 4, "AWS was asked");
}

#[tokio::test]
async fn what_a_fallback_lays_over_is_read_as_the_operation_reads_it() {
    let entries = [
        model("bad-canvas", CANVAS, "error503", ""),
        model("canvas", CANVAS, "", ""),
        model("bad-titan", TITAN, "error503", ""),
        model("titan", TITAN, "", ""),
    ];
    let rest = "router_settings:\n  num_retries: 0\n  disable_cooldowns: true\n  fallbacks:\n    \
                - {bad-canvas: [{model: canvas, response_format: b64_json}]}\n    \
                - {bad-titan: [{model: titan, input: other, dimensions: 256}]}\n";
    let gateway = of(&entries, rest).await;
    let image = json!({"model": "bad-canvas", "prompt": "x"});
    let answer = gateway.post_to("/v1/images/generations", &image, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let embed = json!({"model": "bad-titan", "input": "x"});
    let answer = gateway.post_to("/v1/embeddings", &embed, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let calls = gateway.simulator.calls();
    let sent: Value = serde_json::from_slice(&calls.last().unwrap().body).unwrap();
    assert_eq!(sent["inputText"], "other", "{sent}");
    assert_eq!(sent["dimensions"], 256);
    assert!(sent.get("input").is_none(), "{sent}");
}

#[tokio::test]
async fn what_the_operator_wrote_is_answered_without_a_call() {
    let results =
        "{results: [{index: 1, relevance_score: 0.75}, {index: 9, relevance_score: 0.5}]}";
    let entries = [
        ("c", CLAUDE, "hello"),
        ("v", TITAN, "[0.5, 0.25]"),
        ("w", TITAN, "hello"),
        ("i", CANVAS, "aGVsbG8="),
        ("r", RERANK, results),
        ("s", RERANK, "hello"),
    ]
    .map(|(name, id, mock)| model(name, id, "", &format!(", mock_response: {mock}")));
    let gateway = of(&entries, "").await;
    let ask = async |path: &str, body: Value| {
        let answer = gateway.post_to(path, &body, &[]).await;
        (answer.status, answer.json())
    };
    let messages = json!([{"role": "user", "content": "one two three"}]);
    let (status, count) = ask(
        "/v1/messages/count_tokens",
        json!({"model": "c", "messages": messages}),
    )
    .await;
    assert_eq!(status, 200);
    assert!(count["input_tokens"].as_u64().unwrap() > 0);
    let (status, embedded) =
        ask("/v1/embeddings", json!({"model": "v", "input": ["a", "b"]})).await;
    assert_eq!(status, 200);
    assert_eq!(embedded["data"][1]["embedding"], json!([0.5, 0.25]));
    assert_eq!(embedded["usage"]["total_tokens"], 10);
    let (status, image) = ask(
        "/v1/images/generations",
        json!({"model": "i", "prompt": "x"}),
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(image["data"], json!([{"b64_json": "aGVsbG8="}]));
    let documents = json!(["a", "b"]);
    let (status, ranked) = ask(
        "/v1/rerank",
        json!({"model": "r", "query": "q", "documents": documents}),
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(
        ranked["results"],
        json!([{"index": 1, "relevance_score": 0.75}])
    );
    // What is no answer to the operation is refused, not passed on.
    for (path, body) in [
        ("/v1/embeddings", json!({"model": "w", "input": "a"})),
        (
            "/v1/rerank",
            json!({"model": "s", "query": "q", "documents": ["a"]}),
        ),
    ] {
        let (status, error) = ask(path, body).await;
        assert_eq!(status, 400, "{error}");
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains("mock_response"), "{message}");
    }
    assert_eq!(gateway.simulator.calls_total(), 0);
}
