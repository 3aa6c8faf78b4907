//! Which deployment a call goes to, and when it is sent again.

use reqwest::Method;
use serde_json::{Value, json};

use super::{MASTER, before, call, claude_says, hello, own_identity, post, settings};
use crate::support::entry::{CLAUDE, Entry, serving};
use crate::support::upstream::Upstream;

#[tokio::test]
async fn another_deployment_and_another_group_answer_before_the_first_byte() {
    let entry = |name, id, fault| Entry::of(name, id).fault(fault);
    let rest = settings("").replace(
        "disable_cooldowns: true",
        "disable_cooldowns: true, fallbacks: [{ill: [m]}]",
    );
    for fault in ["throttle", "error500", "reset", "exception-first"] {
        let group = [
            entry("m", "bad", fault),
            entry("m", "good", ""),
            entry("ill", "ill", fault),
        ];
        let gateway = serving(&group, &rest).await;
        for _ in 0..4 {
            let answer = post(&gateway, "/model/m/converse-stream", &hello("x")).await;
            assert_eq!(answer.status, 200, "{fault}");
            assert_eq!(answer.header("x-litellm-model-id"), "good", "{fault}");
        }
        let answer = post(&gateway, "/model/ill/converse-stream", &hello("x")).await;
        assert_eq!(
            (answer.status, answer.header("x-litellm-model-id")),
            (200, "good"),
            "{fault}"
        );
        assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
        gateway.comes_to_rest().await;
    }
}

#[tokio::test]
async fn body_of_one_family_is_not_sent_to_another() {
    let claude = Entry::default().fault("throttle");
    let nova = Entry::of("n", "n1").model("bedrock/us.amazon.nova-pro-v1:0");
    let rest = settings("").replace(
        "disable_cooldowns: true",
        "disable_cooldowns: true, fallbacks: [{m: [n]}]",
    );
    let gateway = serving(&[claude, nova], &rest).await;
    let body = claude_says("x");
    let answer = post(&gateway, "/model/m/invoke", &body).await;
    assert_eq!(answer.status, 429);
    assert!(
        answer
            .header("x-amzn-errortype")
            .starts_with("ThrottlingException")
    );
    assert_eq!(gateway.calls_of("n1"), 0);
    // Converse is one format for all.
    let answer = post(&gateway, "/model/m/converse", &hello("x")).await;
    assert_eq!(
        (answer.status, answer.header("x-litellm-model-id")),
        (200, "n1")
    );
}

#[tokio::test]
async fn deployments_that_cannot_take_the_call_are_passed_over() {
    let entry = |name, id, model| Entry::of(name, id).model(model);
    let elsewhere = "bedrock/converse_like/anything";
    let group = [
        entry("m", "like", elsewhere),
        entry("m", "claude", CLAUDE),
        entry("m", "nova", "bedrock/us.amazon.nova-pro-v1:0"),
        entry("none", "none", elsewhere),
    ];
    let gateway = serving(&group, &settings("")).await;
    let body = claude_says("x");
    for _ in 0..12 {
        let answer = post(&gateway, "/model/m/invoke", &body).await;
        let by = answer.header("x-litellm-model-id");
        assert_eq!((answer.status, by), (200, "claude"));
        let answer = post(&gateway, "/model/m/converse", &hello("x")).await;
        assert_eq!(answer.status, 200);
        assert_ne!(answer.header("x-litellm-model-id"), "like");
    }
    let answer = post(&gateway, "/model/none/converse", &hello("x")).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["param"], "model");
}

#[tokio::test]
async fn what_changes_something_is_sent_once() {
    let failing = Entry::default()
        .fault("error500")
        .params(", use_in_pass_through: true");
    let rest = settings("").replace(
        "AWS_ENDPOINT_URL_BEDROCK: $URL",
        "AWS_ENDPOINT_URL_BEDROCK: $URL/fault/error500",
    );
    let gateway = serving(&[failing], &rest).await;
    let guardrail =
        json!({"name": "g", "blockedInputMessaging": "no", "blockedOutputsMessaging": "no"});
    assert_eq!(post(&gateway, "/guardrails", &guardrail).await.status, 500);
    assert_eq!(gateway.simulator.calls_total(), 1);
    let retrieve = json!({"retrievalQuery": {"text": "fox"}});
    let answer = post(&gateway, "/knowledgebases/KB12345678/retrieve", &retrieve).await;
    assert_eq!(answer.status, 500);
    assert_eq!(
        gateway.simulator.calls_total(),
        3,
        "the first attempt and one retry"
    );
}

#[tokio::test]
async fn what_acts_is_sent_again_only_where_it_cannot_have_acted() {
    let agent = "/agents/SIMAGENT01/agentAliases/SIMALIAS01/sessions/12345/text";
    let inline = json!({"inputText": "hi", "foundationModel": "m", "instruction": "x".repeat(40)});
    for (fault, sent) in [("error500", 1), ("throttle", 2), ("reset", 1)] {
        let failing = Entry::default()
            .fault(fault)
            .params(", use_in_pass_through: true");
        // Whatever the operator says of retries.
        let rest = settings("").replace(
            "num_retries: 1",
            "num_retries: 1, retry_policy: {InternalServerErrorRetries: 1}",
        );
        let gateway = serving(&[failing], &rest).await;
        for (path, body) in [
            (agent, &json!({"inputText": "hi"})),
            ("/agents/s1", &inline),
        ] {
            let before = gateway.simulator.calls_total();
            let answer = post(&gateway, path, body).await;
            assert!(answer.status >= 429, "{fault} {path}");
            let calls = gateway.simulator.calls_total() - before;
            assert_eq!(calls, sent, "{fault} {path}");
        }
    }
}

#[tokio::test]
async fn what_aws_does_not_have_cools_nobody() {
    let rest = settings("").replace(", disable_cooldowns: true", "");
    let gateway = serving(&[own_identity()], &rest).await;
    for (method, path) in [
        (Method::POST, "/model/m/nonsense"),
        (Method::GET, "/model/m/converse"),
    ] {
        let answer = call(&gateway, MASTER, method, path, &Value::Null).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    assert_eq!(gateway.simulator.calls_total(), 0);

    let told = "Unable to determine service/operation name to be authorized";
    let upstream =
        Upstream::answering(move |_| (404, json!({ "message": told }).to_string())).await;
    let gateway = before(&upstream, &rest).await;
    for calls in 1..=3 {
        let answer = post(&gateway, "/model/m/converse", &hello("x")).await;
        assert_eq!((answer.status, upstream.calls()), (404, calls));
        assert_eq!(answer.json()["message"], told);
    }
}
