//! Retries, fallbacks and what the headers say of them (router.md §4, §5, §13.1).

use serde_json::json;

use crate::support::Gateway;

#[tokio::test]
async fn retry_goes_to_the_other_deployment_and_is_counted() {
    let two = [("m", "bad", "throttle", ""), ("m", "good", "", "")];
    let gateway = Gateway::of(&two, "router_settings: {num_retries: 1}").await;
    for _ in 0..6 {
        let answer = gateway.chat("m", json!({})).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("x-litellm-model-id"), "good");
        if answer.header("x-litellm-attempted-retries") == "1" {
            assert_eq!(answer.header("x-litellm-max-retries"), "1");
            assert_eq!(answer.header("x-switchyard-total-attempts"), "2");
        }
    }
}

#[tokio::test]
async fn fallback_answers_when_the_group_cannot_and_is_counted() {
    let two = [("a", "a1", "error500", ""), ("b", "b1", "", "")];
    let rest = "router_settings: {num_retries: 0, fallbacks: [{a: [b]}]}";
    let gateway = Gateway::of(&two, rest).await;
    for stream in [false, true] {
        let answer = gateway.chat("a", json!({"stream": stream})).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
        assert_eq!(answer.header("x-litellm-model-group"), "b");
        assert_eq!(answer.header("x-litellm-model-id"), "b1");
        assert_eq!(answer.header("x-switchyard-total-attempts"), "2");
        assert!(answer.body.contains("\"model\":\"a\""), "{}", answer.body);
    }
}

#[tokio::test]
async fn broken_stream_continues_elsewhere_as_one_stream() {
    let two = [
        ("m", "cuts", "cut,at=2", ", order: 1"),
        ("m", "good", "", ", order: 1"),
    ];
    let rest = "router_settings: {stream_recovery: resume, disable_cooldowns: true}";
    let gateway = Gateway::of(&two, rest).await;
    let whole = gateway.chat("m", json!({})).await.json()["choices"][0]["message"]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut resumed = 0;
    for _ in 0..8 {
        let body = json!({"stream": true, "stream_options": {"include_usage": true}});
        let answer = gateway.chat("m", body).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-switchyard-stream-recovery"), "resume");
        assert_eq!(answer.text(), whole, "{}", answer.body);
        assert_eq!(answer.events().last(), Some(&"[DONE]"));
        assert_eq!(answer.body.matches("\"role\"").count(), 1);
        assert_eq!(answer.body.matches("\"finish_reason\":\"stop\"").count(), 1);
        if answer.body.contains("\"switchyard\"") {
            resumed += 1;
            let finish = "\"switchyard\":{\"resumed\":1,\"deployments\":[\"cuts\",\"good\"]}";
            assert!(answer.body.contains(finish), "{}", answer.body);
        }
    }
    assert!(resumed > 0);
}

#[tokio::test]
async fn fallback_without_room_in_its_first_tier_is_answered_by_its_second() {
    let three = [
        ("a", "a1", "error500", ", order: 2"),
        ("b", "b1", "", ", order: 1, rpm: 1"),
        ("b", "b2", "", ", order: 2"),
    ];
    let rest = "router_settings: {num_retries: 0, fallbacks: [{a: [b]}], optional_pre_call_checks: [enforce_model_rate_limits]}";
    let gateway = Gateway::of(&three, rest).await;
    let first = gateway.chat("b", json!({})).await;
    assert_eq!(first.header("x-litellm-model-id"), "b1");
    // The order of the deployment that failed in `a` says nothing of the tiers of `b`.
    let answer = gateway.chat("a", json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-litellm-model-id"), "b2");
    assert_eq!((gateway.calls_of("b1"), gateway.calls_of("b2")), (1, 1));
}
