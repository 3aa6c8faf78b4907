//! What every fault at or around the commit point comes to, with retries and a fallback at hand: who is called how often, and
//! how the answer ends.

use serde_json::json;

use crate::support::scenes::{Refusing, Waits, entry_at, way};
use crate::support::{Answer, Gateway, entry};

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// The fallback answers, after so many calls of the group.
    Fallback(usize),
    /// An HTTP error with this status, after so many calls.
    Error(u16, usize),
    /// An error event after content, with this `code` and `type`.
    Event(&'static str, &'static str),
}

use End::{Error, Event, Fallback};

/// Fault, end of a stream, end of a whole answer. One retry is allowed; `b` answers what falls back.
const MATRIX: [(&str, End, End); 21] = [
    ("validation", Error(400, 1), Error(400, 1)),
    // Refused credentials may be accepted elsewhere, but there is nobody else in the group.
    ("access-denied", Fallback(1), Fallback(1)),
    ("unauthorized", Fallback(1), Fallback(1)),
    ("missing", Fallback(1), Fallback(1)),
    ("throttle", Fallback(2), Fallback(2)),
    ("error500", Fallback(2), Fallback(2)),
    ("error503", Fallback(2), Fallback(2)),
    ("timeout408", Fallback(2), Fallback(2)),
    ("exception-first", Fallback(2), Fallback(2)),
    (
        "exception-first=validationException",
        Error(400, 1),
        Error(400, 1),
    ),
    ("exception-start", Fallback(2), Fallback(2)),
    ("cut-first", Fallback(2), Fallback(2)),
    ("corrupt-first", Fallback(2), Fallback(2)),
    ("empty-stream", Fallback(2), Fallback(2)),
    ("not-json", Fallback(2), Fallback(2)),
    ("reset", Fallback(2), Fallback(2)),
    (
        "exception-mid",
        Event("424", "invalid_request_error"),
        Fallback(2),
    ),
    (
        "exception-mid=throttlingException",
        Event("429", "throttling_error"),
        Fallback(2),
    ),
    ("cut", Event("502", "internal_server_error"), Fallback(2)),
    (
        "cut-end",
        Event("502", "internal_server_error"),
        Fallback(2),
    ),
    (
        "corrupt",
        Event("502", "internal_server_error"),
        Fallback(2),
    ),
];

const REST: &str =
    "router_settings: {num_retries: 1, disable_cooldowns: true, fallbacks: [{a: [b]}]}\n";

fn assert_end(answer: &Answer, end: End, gateway: &Gateway, case: &str) {
    match end {
        Fallback(calls) => {
            let sends = (calls + 1).to_string();
            assert_eq!(
                way(answer),
                (200, "b", "0", "1", &*sends),
                "{case}: {}",
                answer.body
            );
            assert_eq!(answer.header("x-litellm-model-id"), "b1", "{case}");
            assert_eq!(
                (gateway.calls_of("a1"), gateway.calls_of("b1")),
                (calls, 1),
                "{case}"
            );
        }
        Error(status, calls) => {
            let (retries, sends) = ((calls - 1).to_string(), calls.to_string());
            assert_eq!(
                way(answer),
                (status, "a", &*retries, "0", &*sends),
                "{case}: {}",
                answer.body
            );
            assert_eq!(answer.header("x-litellm-model-id"), "a1", "{case}");
            assert_eq!(
                (gateway.calls_of("a1"), gateway.calls_of("b1")),
                (calls, 0),
                "{case}"
            );
            assert_eq!(answer.json()["error"]["code"], status.to_string(), "{case}");
        }
        Event(code, kind) => {
            assert_eq!(
                way(answer),
                (200, "a", "0", "0", "1"),
                "{case}: {}",
                answer.body
            );
            assert_eq!(
                (gateway.calls_of("a1"), gateway.calls_of("b1")),
                (1, 0),
                "{case}"
            );
            let error = answer.error_event(case);
            assert_eq!(
                (&error["code"], &error["type"]),
                (&json!(code), &json!(kind)),
                "{case}: {error}"
            );
            assert!(!answer.text().is_empty(), "{case}");
        }
    }
}

/// Nothing is sent twice, nothing is left out, and every stream or answer has one end.
#[tokio::test]
async fn every_fault_has_its_calls_and_its_one_end() {
    for (fault, streamed, whole) in MATRIX {
        for (stream, end) in [(true, streamed), (false, whole)] {
            let entries = [("a", "a1", fault, ""), ("b", "b1", "", "")];
            let gateway = Gateway::at(&entries, REST, Waits::new()).await;
            let answer = gateway.chat("a", json!({"stream": stream})).await;
            let case = format!("{fault}, stream {stream}");
            assert_end(&answer, end, &gateway, &case);
            if let (true, Fallback(_)) = (stream, end) {
                assert_eq!(answer.events().last(), Some(&"[DONE]"), "{case}");
                assert_eq!(answer.body.matches("\"role\"").count(), 1, "{case}");
                assert_eq!(
                    answer.body.matches("\"finish_reason\":\"stop\"").count(),
                    1,
                    "{case}"
                );
            }
        }
    }
}

/// A reset after content ends the stream with an error event.
#[tokio::test]
async fn reset_after_content_is_an_error_event() {
    let entries = [("a", "a1", "reset,at=2", ""), ("b", "b1", "", "")];
    let gateway = Gateway::at(&entries, REST, Waits::new()).await;
    let answer = gateway.chat("a", json!({"stream": true})).await;
    assert_end(
        &answer,
        Event("502", "internal_server_error"),
        &gateway,
        "reset",
    );
}

/// A refused connection is retried and falls back; where nobody else is, it is a 503.
#[tokio::test]
async fn refused_connection_is_retried_falls_back_and_is_a_503_in_the_end() {
    let nowhere = Refusing::new();
    let refused = entry_at("a", "a1", &nowhere.url);
    for (stream, alone) in [(false, false), (true, false), (false, true), (true, true)] {
        let rest = if alone {
            "router_settings: {num_retries: 1}\n"
        } else {
            REST
        };
        let yaml = format!("model_list:\n{refused}{}{rest}", entry("b", "b1", "", ""));
        let gateway = Gateway::with(&yaml, Waits::new()).await;
        let answer = gateway.chat("a", json!({"stream": stream})).await;
        if alone {
            assert_eq!(way(&answer), (503, "a", "1", "0", "2"), "{}", answer.body);
            assert_eq!(answer.header("x-litellm-model-id"), "a1");
            assert_eq!(answer.json()["error"]["type"], "internal_server_error");
            assert!(!answer.body.contains("127.0.0.1"), "{}", answer.body);
        } else {
            assert_eq!(way(&answer), (200, "b", "0", "1", "3"), "{}", answer.body);
        }
    }
}

/// Where the fallback fails as well, the error and every header but the totals are the first group's.
#[tokio::test]
async fn every_fault_before_content_is_the_first_groups_error_when_all_fail() {
    for (fault, streamed, whole) in MATRIX {
        for (stream, end) in [(true, streamed), (false, whole)] {
            let Fallback(calls) = end else { continue };
            let entries = [("a", "a1", fault, ""), ("b", "b1", "error503,slow=0", "")];
            let gateway = Gateway::at(&entries, REST, Waits::new()).await;
            let answer = gateway.chat("a", json!({"stream": stream})).await;
            let (status, group, retries, fallbacks, sends) = way(&answer);
            let case = format!("{fault}, stream {stream}: {}", answer.body);
            assert!((401..=503).contains(&status), "{case}");
            assert_eq!((group, fallbacks), ("a", "1"), "{case}");
            assert_eq!(retries, (calls - 1).to_string(), "{case}");
            assert_eq!(sends, (calls + 2).to_string(), "{case}");
            assert_eq!(answer.header("x-litellm-model-id"), "a1", "{case}");
            assert_eq!(answer.json()["error"]["code"], status.to_string(), "{case}");
            assert_eq!(answer.header("content-type"), "application/json", "{case}");
        }
    }
}

/// An answer that says who served it says so on every kind of refusal too, before any attempt as well.
#[tokio::test]
async fn refusals_before_an_attempt_have_the_headers_too() {
    let gateway = Gateway::at(&[("a", "a1", "", "")], "", Waits::new()).await;
    for body in [
        json!({"model": "a"}),
        json!({"model": 3, "messages": []}),
        json!({"model": "nobody", "messages": [{"role": "user", "content": "hi"}]}),
    ] {
        let answer = gateway.post(&body, &[]).await;
        let (status, _, retries, fallbacks, sends) = way(&answer);
        assert_eq!(
            (status, retries, fallbacks, sends),
            (400, "0", "0", "0"),
            "{body}"
        );
        assert_ne!(answer.header("x-litellm-call-id"), "", "{body}");
    }
}
