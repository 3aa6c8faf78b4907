//! What a client sees when AWS fails: before the first content an HTTP error with its true status, after it one error
//! event and nothing that pretends success.

use serde_json::Value;

use crate::support::{Answer, Gateway, ONCE};

/// Faults that come before any content: name, status, `error.type`.
const BEFORE_CONTENT: [(&str, u16, &str); 14] = [
    ("throttle", 429, "throttling_error"),
    ("error500", 503, "internal_server_error"),
    ("error503", 503, "internal_server_error"),
    ("not-ready", 429, "throttling_error"),
    ("timeout408", 408, "timeout_error"),
    ("model-error", 424, "invalid_request_error"),
    ("access-denied", 403, "permission_error"),
    ("context-window", 400, "invalid_request_error"),
    ("validation", 400, "invalid_request_error"),
    ("quota", 429, "throttling_error"),
    ("exception-first", 429, "throttling_error"),
    ("exception-start", 429, "throttling_error"),
    ("cut-first", 502, "internal_server_error"),
    ("corrupt-first", 502, "internal_server_error"),
];

/// Faults of streams only: those of the framing.
const STREAM_ONLY: [&str; 4] = [
    "exception-first",
    "exception-start",
    "cut-first",
    "corrupt-first",
];

fn assert_openai_error(answer: &Answer, fault: &str, status: u16, kind: &str) {
    assert_eq!(answer.status, status, "{fault}: {}", answer.body);
    let body = answer.json();
    assert_eq!(body["error"]["type"], kind, "{fault}");
    assert_eq!(body["error"]["code"], status.to_string(), "{fault}");
    assert!(
        body["error"]["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{fault}"
    );
    assert_eq!(answer.header("x-litellm-attempted-retries"), "0", "{fault}");
    assert_ne!(answer.header("x-litellm-call-id"), "", "{fault}");
}

#[tokio::test]
async fn fault_before_content_is_an_http_error_with_its_status() {
    let gateway = Gateway::start("", ONCE).await;
    for (fault, status, kind) in BEFORE_CONTENT {
        let text = format!("hello [[sim:{fault}]]");
        let streamed = gateway.ask(&text, true).await;
        assert_openai_error(&streamed, fault, status, kind);
        if !STREAM_ONLY.contains(&fault) {
            assert_openai_error(&gateway.ask(&text, false).await, fault, status, kind);
        }
    }
}

#[tokio::test]
async fn fault_after_content_ends_the_stream_with_an_error_event() {
    let gateway = Gateway::start("", ONCE).await;
    for fault in ["cut", "cut-end", "corrupt", "exception-mid"] {
        let answer = gateway
            .ask(&format!("one two three four five [[sim:{fault}]]"), true)
            .await;
        assert_eq!(answer.status, 200, "{fault}");
        assert!(
            answer.text().starts_with("This is"),
            "{fault}: {}",
            answer.body
        );
        let events = answer.events();
        let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
        assert!(last["error"]["message"].is_string(), "{fault}: {last}");
        assert!(!answer.body.contains("[DONE]"), "{fault}");
        assert!(!answer.body.contains("finish_reason"), "{fault}");
    }
}

#[tokio::test]
async fn whole_answer_that_is_no_json_is_a_bad_gateway() {
    let gateway = Gateway::start("", ONCE).await;
    let answer = gateway.ask("hello [[sim:not-json]]", false).await;
    assert_openai_error(&answer, "not-json", 502, "internal_server_error");
}

#[tokio::test]
async fn empty_answer_is_an_answer() {
    let gateway = Gateway::start("", ONCE).await;
    let answer = gateway.ask("[[sim:empty]] hello", true).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains(r#""finish_reason":"stop""#));
    assert_eq!(answer.events().last(), Some(&"[DONE]"));
}

#[tokio::test]
async fn retry_after_of_aws_reaches_the_client() {
    let gateway = Gateway::start("", ONCE).await;
    let answer = gateway
        .ask("hello [[sim:throttle,throttle-after=7]]", false)
        .await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "7"));
}
