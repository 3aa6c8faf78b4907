//! Answers that the simulator never gives: an AWS, or something before it, that does not keep to the rules.

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::{Answer, Gateway, ONCE};

/// An AWS that answers everything with these bytes, and a gateway whose model `scripted` is there.
async fn asked(head: &str, body: &[u8], stream: bool) -> Answer {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut answer = format!(
        "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut piece = [0; 4096];
        // The requests here are small and end with the body's last brace.
        while !request.ends_with(b"}") {
            let count = client.read(&mut piece).unwrap();
            request.extend_from_slice(&piece[..count]);
        }
        client.write_all(&answer).unwrap();
    });
    let entry = format!(
        "  - model_name: scripted\n    litellm_params: {{model: bedrock/converse/amazon.nova-lite-v1:0, aws_region_name: us-west-2, \
         aws_access_key_id: AKIA, aws_secret_access_key: s, aws_bedrock_runtime_endpoint: \"{url}\"}}"
    );
    let gateway = Gateway::start(&entry, ONCE).await;
    let request = json!({"model": "scripted", "stream": stream, "messages": [{"role": "user", "content": "hello"}]});
    gateway.post(&request, &[]).await
}

fn hello(usage: &Value) -> Vec<u8> {
    let message = json!({"role": "assistant", "content": [{"text": "hello"}]});
    json!({"output": {"message": message}, "stopReason": "end_turn", "usage": usage})
        .to_string()
        .into_bytes()
}

#[tokio::test]
async fn stream_that_nobody_asked_for_is_a_bad_gateway() {
    let head = "200 OK\r\ncontent-type: application/vnd.amazon.eventstream";
    let answer = asked(head, b"", false).await;
    assert_eq!(answer.status, 502, "{}", answer.body);
    assert_eq!(answer.json()["error"]["type"], "internal_server_error");
}

#[tokio::test]
async fn stream_without_an_event_is_a_bad_gateway() {
    let head = "200 OK\r\ncontent-type: Application/VND.amazon.eventstream";
    let answer = asked(head, b"", true).await;
    assert_eq!(answer.status, 502, "{}", answer.body);
    assert!(answer.body.contains("messageStop"), "{}", answer.body);
}

#[tokio::test]
async fn whole_answer_reaches_a_client_that_streams() {
    let usage = json!({"inputTokens": 3, "outputTokens": 1});
    let answer = asked(
        "200 OK\r\ncontent-type: application/json",
        &hello(&usage),
        true,
    )
    .await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert_eq!(answer.events().last(), Some(&"[DONE]"));
}

#[tokio::test]
async fn cache_counts_under_both_names_are_read() {
    let usage = json!({
        "inputTokens": 3, "outputTokens": 1, "totalTokens": 6, "cacheReadInputTokens": 2, "cacheReadInputTokenCount": 2,
        "cacheWriteInputTokens": 0, "cacheWriteInputTokenCount": 0,
    });
    let answer = asked(
        "200 OK\r\ncontent-type: application/json",
        &hello(&usage),
        false,
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let usage = &answer.json()["usage"];
    assert_eq!(usage["prompt_tokens"], 5);
    assert_eq!(usage["cache_read_input_tokens"], 2);
}

#[tokio::test]
async fn every_header_of_aws_is_copied_on_errors_too() {
    let head = "400 Bad Request\r\nx-amzn-requestid: r1\r\nx-twice: a\r\nx-twice: b\r\nx-litellm-model-id: spoof";
    let answer = asked(head, br#"{"Message":"own words"}"#, false).await;
    assert_eq!(
        (answer.status, answer.json()["error"]["message"].as_str()),
        (400, Some("own words"))
    );
    assert_eq!(answer.header("llm_provider-x-amzn-requestid"), "r1");
    let twice: Vec<_> = answer
        .headers
        .get_all("llm_provider-x-twice")
        .iter()
        .collect();
    assert_eq!(twice, ["a", "b"]);
    assert_ne!(answer.header("x-litellm-model-id"), "spoof");
}
