//! What a request says to get around what its operator or its key allows: names with routes inside, later targets of a
//! configuration, guardrails without a name, and kept answers of deployments that are for others.

use std::sync::Arc;

use serde_json::{Value, json};
use switchyard::clock::SystemClock;
use switchyard::simulator::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

use crate::support::entry::{Entry, serving};
use crate::support::{Answer, Gateway};

const KEY: (&str, &str) = ("authorization", "Bearer sk-some-and-long-enough");
const HAIKU: &str = "anthropic.claude-3-haiku-20240307-v1:0";
const LLAMA: &str = "meta.llama3-70b-instruct-v1:0";
const GUARDED: &str = ", guardrailConfig: {guardrailIdentifier: gr1, guardrailVersion: \"1\"}";

/// A key that may call these models only.
fn keys(models: &str) -> String {
    format!(
        "general_settings: {{master_key: sk-master-and-long-enough}}\n\
         virtual_keys:\n  - {{key: sk-some-and-long-enough, models: [{models}]}}\n"
    )
}

fn body(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "hello"}]})
}

/// Names that begin as what is allowed and go on to something else.
fn names() -> [String; 4] {
    [
        format!("bedrock/anthropic.x/converse/{LLAMA}"),
        format!("bedrock/anthropic.x/invoke/{LLAMA}"),
        "bedrock/anthropic.x/mantle/openai.gpt-oss-20b".to_owned(),
        "bedrock/anthropic.x/agent/AGENTAGENT/ALIASALIAS".to_owned(),
    ]
}

#[tokio::test]
async fn route_inside_a_name_leads_nowhere() {
    let pattern = |name| {
        Entry::of(name, "m1")
            .model(name)
            .params(", use_in_pass_through: true")
    };
    for (name, models) in [
        ("bedrock/anthropic.*", "\"bedrock/anthropic.*\""),
        ("bedrock/*", "\"bedrock/anthropic.*\""),
    ] {
        let gateway = serving(&[pattern(name)], &keys(models)).await;
        for asked in names() {
            let answer = gateway.post(&body(&asked), &[KEY]).await;
            assert_eq!(answer.status, 400, "{name} {asked}: {}", answer.body);
        }
        assert_eq!(gateway.simulator.calls_total(), 0);
        let honest = format!("bedrock/{HAIKU}");
        assert_eq!(gateway.post(&body(&honest), &[KEY]).await.status, 200);
    }
    let own = Entry::default().params(", use_in_pass_through: true");
    let gateway = serving(&[own], &keys("\"anthropic.*\"")).await;
    let asked = json!({"messages": [{"role": "user", "content": [{"text": "hello"}]}]});
    for (name, status) in [
        (format!("anthropic.x/converse/{LLAMA}"), 400),
        (format!("anthropic.x%2Fconverse%2F{LLAMA}"), 400),
        (HAIKU.to_owned(), 200),
    ] {
        let path = format!("/bedrock/model/{name}/converse");
        let answer = gateway.post_to(&path, &asked, &[KEY]).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
    assert_eq!(gateway.simulator.calls_total(), 1);
}

#[tokio::test]
async fn name_changes_neither_region_nor_route_of_a_pattern() {
    let pattern = |name, id, model| Entry::of(name, id).model(model);
    let entries = [
        pattern("east/*", "east", "bedrock/us-east-1/*"),
        pattern("mantle/*", "mantle", "bedrock/mantle/*"),
        pattern("converse/*", "converse", "bedrock/converse/*"),
    ];
    let gateway = serving(&entries, "").await;
    for asked in [
        format!("east/eu-west-1/{HAIKU}"),
        "mantle/agent/AGENTAGENT/ALIASALIAS".to_owned(),
        format!("mantle/invoke/{HAIKU}"),
        format!("converse/invoke/{HAIKU}"),
    ] {
        let answer = gateway.post(&body(&asked), &[]).await;
        assert_eq!(answer.status, 400, "{asked}: {}", answer.body);
    }
    assert_eq!(gateway.simulator.calls_total(), 0);
    for asked in ["east", "converse"] {
        let answer = gateway.post(&body(&format!("{asked}/{HAIKU}")), &[]).await;
        assert_eq!(answer.status, 200, "{asked}: {}", answer.body);
    }
}

/// A configuration of two targets with the same keys, of which the first names a model that the key may call.
fn two_targets(mode: &str, first: &str) -> Value {
    let target = json!({
        "aws_access_key_id": ACCESS_KEY_ID, "aws_secret_access_key": SECRET_ACCESS_KEY, "aws_region": "us-west-2",
    });
    let mut named = target.clone();
    named["override_params"] = json!({"model": HAIKU});
    named["weight"] = json!(1e-12);
    if !first.is_empty() {
        named["override_params"]["messages"] = json!([{"role": "user", "content": first}]);
    }
    json!({"strategy": {"mode": mode}, "targets": [named, target]})
}

async fn walk(gateway: &Gateway, model: &str, config: &str) -> Answer {
    let headers = [KEY, ("x-portkey-config", config)];
    gateway.post(&body(model), &headers).await
}

#[tokio::test]
async fn models_of_a_key_hold_for_every_target_of_a_configuration() {
    let configs = [
        ("loadbalance", two_targets("loadbalance", "")),
        ("fallback", two_targets("fallback", "[[sim:error500]]")),
    ];
    let of_file = (configs.iter()).fold(String::new(), |file, (name, config)| {
        file + &format!("  pc-{name}: {config}\n")
    });
    let yaml = format!(
        "model_list: []\ngateway_configs:\n{of_file}{}environment_variables: {{AWS_BEDROCK_RUNTIME_ENDPOINT: \"$URL\"}}\n{}\n",
        keys(HAIKU),
        crate::support::ONCE
    );
    let gateway = Gateway::with(&yaml, Arc::new(SystemClock)).await;
    for (mode, config) in &configs {
        for config in [format!("pc-{mode}"), config.to_string()] {
            let allowed = walk(&gateway, HAIKU, &config).await;
            assert_eq!(allowed.status, 200, "{config}: {}", allowed.body);
            let other = walk(&gateway, LLAMA, &config).await;
            assert_eq!(other.status, 403, "{config}: {}", other.body);
        }
    }
    let calls = gateway.simulator.calls();
    assert!(calls.iter().all(|call| !call.path.contains("llama")));
}

/// What the simulator was sent last.
fn sent(gateway: &Gateway) -> Value {
    let call = gateway.simulator.calls().pop().unwrap();
    serde_json::from_slice(&call.body).unwrap()
}

#[tokio::test]
async fn guardrail_of_a_deployment_is_not_switched_off_by_one_without_a_name() {
    let guarded = Entry::default().params(GUARDED);
    let gateway = serving(&[guarded], "").await;
    for none in [
        json!({}),
        json!({"trace": "enabled"}),
        json!({"guardrailIdentifier": "", "guardrailVersion": ""}),
        json!({"guardrailIdentifier": " "}),
        json!({"guardrailIdentifier": null}),
        json!({"guardrail_identifier": "gr2", "guardrailIdentifier": ""}),
    ] {
        for member in ["guardrailConfig", "guardrail_config"] {
            let answer = gateway.chat("m", json!({member: none})).await;
            assert_eq!(answer.status, 400, "{none}: {}", answer.body);
            let param = format!("{member}.guardrailIdentifier");
            assert_eq!(answer.json()["error"]["param"], param);
        }
    }
    assert_eq!(gateway.simulator.calls_total(), 0);
    let own = json!({"guardrailIdentifier": "gr1", "guardrailVersion": "1"});
    for path in [
        "guardrailConfig",
        "guardrailConfig.guardrailIdentifier",
        "guardrail_config.guardrailIdentifier",
    ] {
        let asked = json!({"additional_drop_params": [path, "guardrailConfig.guardrailVersion"]});
        let answer = gateway.chat("m", asked).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert_eq!(sent(&gateway)["guardrailConfig"], own, "{path}");
    }
}

#[tokio::test]
async fn blank_header_is_no_guardrail_of_the_callers() {
    let guarded = Entry::default().params(GUARDED);
    let gateway = serving(&[guarded], "").await;
    let asked = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
    for (theirs, named) in [("", "gr1"), (" ", "gr1"), ("gr2", "gr2")] {
        let headers = [
            ("x-amzn-bedrock-guardrailidentifier", theirs),
            ("x-amzn-bedrock-guardrailversion", theirs),
        ];
        let path = "/bedrock/model/m/invoke";
        let answer = gateway.post_to(path, &asked, &headers).await;
        assert_eq!(answer.status, 200, "{theirs:?}: {}", answer.body);
        let call = gateway.simulator.calls().pop().unwrap();
        let headers = call.headers.get_all("x-amzn-bedrock-guardrailidentifier");
        let sent: Vec<_> = headers.iter().collect();
        assert_eq!(sent, [named], "{theirs:?}");
    }
}

#[tokio::test]
async fn kept_answer_is_not_for_those_whom_another_deployment_serves() {
    let entries = [
        Entry::of("m", "cli").params(", tag_regex: [\"^User-Agent: claude-code/\"]"),
        Entry::of("m", "everyone").params(", tags: [default]"),
    ];
    let rest = "litellm_settings: {cache: true, cache_params: {type: local}}\n\
                router_settings: {num_retries: 0, enable_tag_filtering: true}";
    let gateway = serving(&entries, rest).await;
    for (agent, id, hit) in [
        ("claude-code/2.0", "cli", "false"),
        ("curl/8", "everyone", "false"),
        ("wget/1", "", "true"),
        ("claude-code/2.1", "", "true"),
    ] {
        let answer = gateway.post(&body("m"), &[("user-agent", agent)]).await;
        assert_eq!(answer.status, 200, "{agent}: {}", answer.body);
        assert_eq!(answer.header("x-litellm-cache-hit"), hit, "{agent}");
        if !id.is_empty() {
            assert_eq!(answer.header("x-litellm-model-id"), id, "{agent}");
        }
    }
    // Under way at one time they share nothing either.
    let slow =
        json!({"model": "m", "messages": [{"role": "user", "content": "[[sim:slow-start=100]]"}]});
    let (curl, claude) = (
        [("user-agent", "curl/8")],
        [("user-agent", "claude-code/2.0")],
    );
    let (one, other) = tokio::join!(gateway.post(&slow, &curl), gateway.post(&slow, &claude));
    assert_eq!(one.header("x-litellm-model-id"), "everyone");
    assert_eq!(other.header("x-litellm-model-id"), "cli");
}
