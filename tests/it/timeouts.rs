//! Bounds on waiting: per attempt, between events, and the caller's own.

use serde_json::{Value, json};

use crate::support::Gateway;

#[tokio::test]
async fn attempt_that_never_answers_is_a_timeout() {
    let gateway = Gateway::start("      timeout: 0.1", "").await;
    let answer = gateway.ask("hello [[sim:stall]]", false).await;
    assert_eq!(answer.status, 408, "{}", answer.body);
    assert_eq!(answer.json()["error"]["type"], "timeout_error");
    assert_eq!(answer.header("x-litellm-timeout"), "0.1");
}

#[tokio::test]
async fn stream_that_goes_silent_is_cut() {
    // A deployment's own bound is for the first event.
    let gateway = Gateway::start(
        "      stream_timeout: 300",
        "router_settings:\n  stream_idle_timeout: 0.1\n",
    )
    .await;
    let answer = gateway
        .ask("one two three four five [[sim:stall-mid]]", true)
        .await;
    assert_eq!(answer.status, 200);
    let last: Value = serde_json::from_str(answer.events().last().unwrap()).unwrap();
    assert_eq!(last["error"]["type"], "timeout_error", "{last}");
    assert!(!answer.body.contains("[DONE]"));
}

#[tokio::test]
async fn callers_timeout_and_deadline_bound_the_call() {
    let gateway = Gateway::start("", "").await;
    let body =
        json!({"model": "m", "messages": [{"role": "user", "content": "hello [[sim:stall]]"}]});
    for header in ["x-litellm-timeout", "x-switchyard-deadline"] {
        let answer = gateway.post(&body, &[(header, "0.1")]).await;
        assert_eq!(answer.status, 408, "{header}: {}", answer.body);
    }
    let wrong = gateway
        .post(&body, &[("x-switchyard-deadline", "soon")])
        .await;
    assert_eq!(wrong.status, 400);
}

#[tokio::test]
async fn wait_beyond_what_clocks_can_say_is_no_bound() {
    let gateway = Gateway::start("", "").await;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
    for header in ["x-litellm-timeout", "x-switchyard-deadline"] {
        let answer = gateway.post(&body, &[(header, "1e19")]).await;
        assert_eq!(answer.status, 200, "{header}: {}", answer.body);
    }
}

#[tokio::test]
async fn callers_timeout_comes_before_the_operators() {
    let gateway = Gateway::start("      timeout: 0.001\n      stream_timeout: 0.001", "").await;
    let ask = |stream: bool| {
        let text = "hello [[sim:slow-start=50]]";
        json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}]})
    };
    for (stream, header, status) in [
        (false, "x-litellm-timeout", 200),
        (true, "x-litellm-stream-timeout", 200),
        // Of a stream the operator said something of its own.
        (true, "x-litellm-timeout", 408),
        (false, "x-litellm-stream-timeout", 408),
    ] {
        let answer = gateway.post(&ask(stream), &[(header, "30")]).await;
        assert_eq!(answer.status, status, "{stream} {header}: {}", answer.body);
    }
}

#[tokio::test]
async fn stream_ends_at_its_deadline_although_it_might_be_silent_for_longer() {
    let rest = "router_settings: {deadline: 2, stream_idle_timeout: 300, num_retries: 0}";
    let gateway = Gateway::start("", rest).await;
    for fault in ["stall-mid", "long=100000,slow=20"] {
        let text = format!("hello [[sim:{fault}]]");
        let asking = gateway.ask(&text, true);
        let answer = tokio::time::timeout(std::time::Duration::from_secs(60), asking);
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 200, "{fault}: {}", answer.body);
        let last: Value = serde_json::from_str(answer.events().last().unwrap()).unwrap();
        assert_eq!(last["error"]["type"], "timeout_error", "{fault}: {last}");
        let message = last["error"]["message"].as_str().unwrap();
        assert!(message.contains("deadline"), "{fault}: {message}");
    }
}
