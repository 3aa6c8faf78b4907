//! Credentials, places and ids that a request brings: what is taken, and what is never sent where the caller says.

use std::sync::Arc;

use serde_json::{Value, json};
use switchyard::clock::SystemClock;
use switchyard::simulator::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

use crate::support::Gateway;

const MODEL: &str = "bedrock/converse/anthropic.claude-3-5-sonnet-20240620-v1:0";

/// Deployments without keys: `open` lets callers choose a local endpoint, `half` is a group of which one does, `shut` none.
fn entries() -> String {
    let entry = |name: &str, more: &str| {
        format!("  - model_name: {name}\n    litellm_params:\n      model: {MODEL}\n{more}")
    };
    let listed = "      configurable_clientside_auth_params: [{aws_bedrock_runtime_endpoint: 'http://127\\.0\\.0\\.1:\\d+'}, model_id]\n";
    let headers = "      extra_headers: {x-operator: canary}\n";
    [
        entry("half", ""),
        entry("half", &format!("{listed}{headers}")),
        entry("open", &format!("{listed}{headers}")),
        entry("shut", ""),
    ]
    .concat()
}

const ENVIRONMENT: &str = "environment_variables:\n  AWS_BEARER_TOKEN_BEDROCK: canary\n";

async fn start() -> Gateway {
    Gateway::start(&entries(), ENVIRONMENT).await
}

fn request(model: &str, members: Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
    let (Value::Object(body_members), Value::Object(members)) = (&mut body, members) else {
        panic!("objects");
    };
    body_members.extend(members);
    body
}

#[tokio::test]
async fn endpoint_of_the_callers_choice_gets_the_callers_credentials_and_nothing_else() {
    let gateway = start().await;
    let endpoint = gateway.simulator.url();
    for model in ["open", "half"] {
        let without = json!({"aws_bedrock_runtime_endpoint": endpoint});
        let answer = gateway.post(&request(model, without), &[]).await;
        assert_eq!(answer.status, 401, "{model}: {}", answer.body);
        assert_eq!(gateway.simulator.calls_total(), 0);
    }
    for model in ["open", "half"] {
        let with = json!({
            "aws_bedrock_runtime_endpoint": endpoint,
            "aws_access_key_id": ACCESS_KEY_ID,
            "aws_secret_access_key": SECRET_ACCESS_KEY,
        });
        let answer = gateway.post(&request(model, with), &[]).await;
        assert_eq!(answer.status, 200, "{model}: {}", answer.body);
    }
    for call in gateway.simulator.calls() {
        assert!(!format!("{:?}", call.headers).contains("canary"));
    }
    assert_eq!(gateway.simulator.calls_total(), 2);
}

#[tokio::test]
async fn what_is_not_allowed_is_named() {
    let gateway = start().await;
    for (model, name, value) in [
        (
            "open",
            "aws_bedrock_runtime_endpoint",
            "http://127.0.0.1:80@evil.test",
        ),
        ("open", "aws_sts_endpoint", "https://evil.test"),
        ("open", "aws_region_name", "eu-west-1"),
        ("open", "aws_region_name", "evil.test/#"),
        (
            "shut",
            "model_id",
            "arn:aws:bedrock:us-west-2:1:provisioned-model/p",
        ),
        (
            "shut",
            "aws_bedrock_runtime_endpoint",
            "http://127.0.0.1:80",
        ),
        ("m", "model_id", "other"),
        ("m", "aws_role_name", "arn:aws:iam::1:role/r"),
        (
            "shut",
            "aws_web_identity_token",
            "oidc/env/AWS_BEARER_TOKEN_BEDROCK",
        ),
    ] {
        let answer = gateway
            .post(&request(model, json!({name: value})), &[])
            .await;
        assert_eq!(answer.status, 400, "{model} {name}: {}", answer.body);
        assert_eq!(answer.json()["error"]["param"], name, "{}", answer.body);
    }
    assert_eq!(gateway.simulator.calls_total(), 0);
}

#[tokio::test]
async fn deployment_with_keys_keeps_them() {
    let gateway = Gateway::start("", "").await;
    let brought = json!({
        "aws_access_key_id": "AKIAOTHER",
        "aws_secret_access_key": "other",
        "aws_region_name": "eu-west-1",
    });
    let answer = gateway.post(&request("m", brought), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-litellm-model-region"), "us-west-2");
}

#[tokio::test]
async fn portkeys_caller_is_never_lent_the_servers_credentials() {
    let gateway = Gateway::start(
        "",
        &format!("{ENVIRONMENT}general_settings:\n  allow_client_side_credentials: true\n"),
    )
    .await;
    let endpoint = gateway.simulator.url();
    let body = request("us.anthropic.claude-3-7-sonnet-20250219-v1:0", json!({}));
    let role = "arn:aws:iam::111122223333:role/r";
    let headers = [
        ("x-portkey-provider", "bedrock"),
        ("x-portkey-custom-host", endpoint.as_str()),
        ("x-portkey-aws-role-arn", role),
    ];
    let answer = gateway.post(&body, &headers).await;
    assert_eq!(answer.status, 401, "{}", answer.body);
    assert_eq!(gateway.simulator.calls_total(), 0);
}

/// Where the operator's credentials pay, its limits hold, wherever the caller wants to be served.
#[tokio::test]
async fn region_of_the_callers_choice_is_taken_from_the_operators_limits() {
    let entry = format!(
        "model_list:\n  - model_name: m\n    litellm_params:\n      model: {MODEL}\n      aws_access_key_id: {ACCESS_KEY_ID}\n      \
         aws_secret_access_key: {SECRET_ACCESS_KEY}\n      aws_bedrock_runtime_endpoint: $URL\n      \
         configurable_clientside_auth_params: [aws_region_name]\n"
    );
    let rest = "environment_variables: {AWS_REGION: us-west-2}\n\
                router_settings: {num_retries: 0, optional_pre_call_checks: [enforce_model_rate_limits]}\n";
    let elsewhere = request("m", json!({"aws_region_name": "eu-west-1"}));
    let usual = request("m", json!({}));
    let ways = [
        (&elsewhere, &usual, "eu-west-1"),
        (&usual, &elsewhere, "us-west-2"),
    ];
    let budget =
        "      max_budget: 5\n      input_cost_per_token: 1\n      output_cost_per_token: 1\n";
    for limit in ["      rpm: 1\n", budget] {
        for (first, second, region) in ways {
            let file = format!("{entry}{limit}{rest}");
            let gateway = Gateway::with(&file, Arc::new(SystemClock)).await;
            let answer = gateway.post(first, &[]).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert_eq!(answer.header("x-litellm-model-region"), region);
            let full = gateway.post(second, &[]).await;
            assert_eq!(full.status, 429, "{}", full.body);
            assert_eq!(gateway.simulator.calls_total(), 1);
        }
    }
}

#[tokio::test]
async fn tags_of_a_caller_are_refused_where_the_operator_says_so() {
    let rest = "general_settings: {reject_clientside_metadata_tags: true}\n\
                virtual_keys:\n  - {key: sk-one-and-long-enough, tags: [own]}\n";
    let gateway = Gateway::start("", rest).await;
    let key = ("authorization", "Bearer sk-one-and-long-enough");
    let answer = gateway.post(&request("m", json!({})), &[key]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let by_header = ("x-litellm-tags", "mine");
    for (members, headers) in [
        (json!({"tags": ["mine"]}), vec![key]),
        (json!({"metadata": {"tags": ["mine"]}}), vec![key]),
        (json!({}), vec![key, by_header]),
    ] {
        let refused = gateway.post(&request("m", members.clone()), &headers).await;
        assert_eq!(refused.status, 400, "{members}: {}", refused.body);
        assert_eq!(refused.json()["error"]["param"], "tags", "{}", refused.body);
    }
    assert_eq!(gateway.simulator.calls_total(), 1);
}
