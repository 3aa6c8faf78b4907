//! The list of models, who may read it, and paths that nothing serves.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Gateway};

const KEY: &str = "Bearer sk-right-and-long-enough";

/// A gateway with an alias, a model that is blocked, and a list that everyone may read.
async fn gateway() -> Gateway {
    let blocked = "  - model_name: paused\n    litellm_params: {model: bedrock/converse/amazon.nova-lite-v1:0, aws_region_name: us-west-2}\n    \
         model_info: {blocked: true}";
    let rest = "router_settings: {model_group_alias: {also: m, halted: paused}}\n\
         general_settings: {master_key: sk-right-and-long-enough, public_routes: [/v1/models], include_call_id_in_error_body: true}\n";
    Gateway::start(blocked, rest).await
}

async fn call(gateway: &Gateway, method: Method, path: &str, key: Option<&str>) -> Answer {
    let mut request = gateway
        .client
        .request(method, format!("{}{path}", gateway.url))
        .header("x-litellm-call-id", "mine");
    if let Some(key) = key {
        request = request.header("authorization", key);
    }
    let response = request.send().await.unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    }
}

#[tokio::test]
async fn list_has_aliases_first_and_nothing_that_is_blocked() {
    let gateway = gateway().await;
    let public = call(&gateway, Method::GET, "/v1/models", None).await;
    let model = |id: &str| json!({"id": id, "object": "model", "created": 1_677_610_602, "owned_by": "openai"});
    let expected = json!({"data": [model("also"), model("m")], "object": "list"});
    assert_eq!((public.status, public.json()), (200, expected));
    assert_eq!(public.header("x-litellm-call-id"), "mine");
    let refused = call(&gateway, Method::GET, "/models", None).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["error"]["litellm_call_id"], "mine");
    let one = call(&gateway, Method::GET, "/models/also", Some(KEY)).await;
    assert_eq!((one.status, one.json()), (200, model("also")));
}

#[tokio::test]
async fn what_is_not_there_is_an_openai_error_with_a_call_id() {
    let gateway = gateway().await;
    for (method, path, status) in [
        (Method::GET, "/v1/models/nope", 404),
        (Method::GET, "/v1/models/paused", 404),
        (Method::GET, "/v1/models/%ff", 404),
        (Method::POST, "/engines/%ff/chat/completions", 404),
        (Method::POST, "/v1/prompts/%ff/completions", 404),
        (Method::GET, "/v1/nothing", 404),
        (Method::GET, "/v1/chat/completions", 405),
        (Method::DELETE, "/v1/models", 405),
    ] {
        let answer = call(&gateway, method, path, Some(KEY)).await;
        let error = &answer.json()["error"];
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(error["type"], "invalid_request_error", "{path}");
        assert_eq!(error["code"], status.to_string(), "{path}");
        assert_eq!(answer.header("x-litellm-call-id"), "mine", "{path}");
    }
}

#[tokio::test]
async fn blocked_model_is_forbidden_and_named() {
    let gateway = gateway().await;
    let body = json!({"model": "paused", "messages": [{"role": "user", "content": "hello"}]});
    let answer = gateway.post(&body, &[("authorization", KEY)]).await;
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert_eq!(answer.json()["error"]["type"], "permission_error");
    assert_eq!(answer.header("x-litellm-model-group"), "paused");
}

#[tokio::test]
async fn answer_names_the_model_that_was_asked_for() {
    let rest = "general_settings: {completion_model: m}\nrouter_settings: {model_group_alias: {team/also: m}}\n";
    let forced = Gateway::start("", rest).await;
    let body = json!({"model": "theirs", "messages": [{"role": "user", "content": "hello"}]});
    let answer = forced.post(&body, &[]).await;
    assert_eq!(
        (answer.status, &answer.json()["model"]),
        (200, &json!("theirs"))
    );
    assert_eq!(answer.header("x-litellm-model-group"), "m");
}
