//! Requests in Portkey's and Obiguard's style: configurations, slugs, virtual keys, and the headers of their answers.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use switchyard::clock::{ManualClock, SystemClock};
use switchyard::simulator::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

use crate::support::{Answer, Gateway, ONCE};

/// A Bedrock id.
const HAIKU: &str = "anthropic.claude-3-haiku-20240307-v1:0";

/// Model groups by what is wrong with them.
const GROUPS: [(&str, &str, &str, &str); 5] = [
    ("good", "good1", "", ""),
    ("other", "other1", "", ""),
    ("down", "down1", "error500", ""),
    ("busy", "busy1", "throttle", ""),
    ("wrong", "wrong1", "validation", ""),
];

/// The file's sections beside its models; `$URL` is the simulator.
fn rest(more: &str) -> String {
    format!(
        "{ONCE}\n\
         credential_list:\n  - credential_name: prod\n    credential_values: {{aws_access_key_id: {ACCESS_KEY_ID}, \
         aws_secret_access_key: {SECRET_ACCESS_KEY}, aws_region_name: us-west-2, aws_bedrock_runtime_endpoint: $URL}}\n  \
         - credential_name: broken\n    credential_values: {{aws_access_key_id: {ACCESS_KEY_ID}, \
         aws_secret_access_key: {SECRET_ACCESS_KEY}, aws_region_name: us-west-2, \
         aws_bedrock_runtime_endpoint: $URL/fault/error500}}\n{more}"
    )
}

async fn start() -> Gateway {
    Gateway::of(&GROUPS, &rest("")).await
}

fn body(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "hello"}]})
}

/// Asks with a configuration.
async fn ask(gateway: &Gateway, config: &Value) -> Answer {
    let config = config.to_string();
    gateway
        .post(&body("good"), &[("x-portkey-config", &config)])
        .await
}

/// A target that is a model group.
fn to(group: &str) -> Value {
    json!({"override_params": {"model": group}})
}

fn strategy(mode: &str, targets: &[Value]) -> Value {
    json!({"strategy": {"mode": mode}, "targets": targets})
}

fn index(answer: &Answer) -> &str {
    answer.header("x-portkey-last-used-option-index")
}

#[tokio::test]
async fn single_takes_the_first_target() {
    let gateway = start().await;
    let answer = ask(&gateway, &strategy("single", &[to("other"), to("good")])).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-litellm-model-id"), "other1");
    assert_eq!(index(&answer), "config.targets[0]");
    assert_eq!(
        answer.header("x-portkey-last-used-option-params"),
        r#"{"model":"other"}"#
    );
    assert_eq!(answer.header("x-portkey-provider"), "bedrock");
    assert_eq!(answer.header("x-portkey-retry-attempt-count"), "0");
    assert_eq!(answer.header("x-portkey-cache-status"), "DISABLED");
    assert_eq!(
        answer.header("x-portkey-trace-id"),
        answer.header("x-litellm-call-id")
    );
    assert_eq!(answer.json()["model"], "good");
}

#[tokio::test]
async fn loadbalance_goes_by_weight_and_never_elsewhere() {
    let gateway = start().await;
    let weighted = |group: &str, weight: f64| {
        let mut target = to(group);
        target["weight"] = json!(weight);
        target
    };
    let targets = [weighted("down", 0.0), weighted("good", 0.2), to("other")];
    let config = strategy("loadbalance", &targets);
    for _ in 0..40 {
        assert_eq!(ask(&gateway, &config).await.status, 200);
    }
    let (good, other) = (gateway.calls_of("good1"), gateway.calls_of("other1"));
    assert_eq!(gateway.calls_of("down1"), 0);
    assert!(good > 0 && good < other, "{good} {other}");
    let failing = strategy("loadbalance", &[to("down"), weighted("good", 0.0)]);
    let answer = ask(&gateway, &failing).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(index(&answer), "config.targets[0]");
    assert_eq!(gateway.calls_of("good1"), good);
}

#[tokio::test]
async fn fallback_goes_on_while_targets_fail() {
    let gateway = start().await;
    let config = strategy("fallback", &[to("down"), to("wrong"), to("good")]);
    let text = config.to_string();
    for stream in [false, true] {
        let mut body = body("good");
        body["stream"] = json!(stream);
        let answer = gateway.post(&body, &[("x-portkey-config", &text)]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(index(&answer), "config.targets[2]");
        assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "2");
        assert_eq!(answer.header("x-switchyard-total-attempts"), "3");
        assert!(!answer.body.contains("\"error\""), "{}", answer.body);
    }
    let all = ask(&gateway, &strategy("fallback", &[to("down"), to("wrong")])).await;
    assert_eq!(all.status, 400, "{}", all.body);
    assert_eq!(index(&all), "config.targets[1]");
}

#[tokio::test]
async fn fallback_with_codes_goes_on_with_those_only() {
    let gateway = start().await;
    for (codes, failing, status) in [
        (json!([429]), "busy", 200),
        (json!([429]), "down", 503),
        (json!([500]), "down", 200),
        (json!([500, 429]), "wrong", 400),
        (json!([]), "down", 503),
    ] {
        let mut config = strategy("fallback", &[to(failing), to("good")]);
        config["strategy"]["on_status_codes"] = codes.clone();
        let answer = ask(&gateway, &config).await;
        assert_eq!(answer.status, status, "{codes} {failing} {}", answer.body);
    }
}

#[tokio::test]
async fn conditions_choose_by_metadata_parameters_and_path() {
    let gateway = start().await;
    let named = |name: &str| json!({"name": name, "override_params": {"model": name}});
    let config = json!({
        "strategy": {
            "mode": "conditional",
            "conditions": [
                {"query": {"$and": [{"metadata.tier": {"$eq": "paid"}}, {"url": {"$regex": "chat"}}]}, "then": "other"},
                {"query": {"params.max_tokens": {"$gt": 100}}, "then": "busy"},
            ],
            "default": "good",
        },
        "targets": [named("good"), named("other"), named("busy")],
    });
    let ask = async |config: &Value, metadata: &str, tokens: u32| {
        let config = config.to_string();
        let mut body = body("good");
        body["max_tokens"] = json!(tokens);
        let headers = [
            ("x-portkey-config", config.as_str()),
            ("x-portkey-metadata", metadata),
        ];
        gateway.post(&body, &headers).await
    };
    let paid = ask(&config, r#"{"tier":"paid"}"#, 500).await;
    assert_eq!(paid.header("x-litellm-model-id"), "other1");
    assert_eq!(index(&paid), "config.targets[1]");
    let long = ask(&config, "{}", 500).await;
    assert_eq!((long.status, index(&long)), (429, "config.targets[2]"));
    let rest = ask(&config, "{}", 5).await;
    assert_eq!((rest.status, index(&rest)), (200, "config.targets[0]"));
    let mut without = config.clone();
    without["strategy"]
        .as_object_mut()
        .unwrap()
        .remove("default");
    let none = ask(&without, "{}", 5).await;
    assert_eq!(
        (none.status, &none.json()["status"]),
        (400, &json!("failure"))
    );
}

#[tokio::test]
async fn nested_strategies_take_over_what_stands_above_them() {
    let gateway = start().await;
    let mut inner = strategy("fallback", &[to("busy"), to("other")]);
    inner["override_params"] = json!({"max_tokens": 7});
    let mut outer = strategy("fallback", &[to("down"), strategy("single", &[inner])]);
    outer["overrideParams"] = json!({"temperature": 0.25, "max_tokens": 9});
    let answer = ask(&gateway, &outer).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(index(&answer), "config.targets[1].targets[0].targets[1]");
    let sent = gateway.simulator.calls();
    let body: Value = serde_json::from_slice(&sent.last().unwrap().body).unwrap();
    assert_eq!(
        body["inferenceConfig"],
        json!({"maxTokens": 7, "temperature": 0.25})
    );
    let first: Value = serde_json::from_slice(&sent[0].body).unwrap();
    assert_eq!(first["inferenceConfig"]["maxTokens"], 9);
}

#[tokio::test]
async fn retries_wait_one_second_then_two() {
    let clock = Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(1_000_000)));
    let gateway = Gateway::at(&GROUPS, &rest(""), Arc::clone(&clock) as _).await;
    let config = json!({"retry": {"attempts": 2}, "override_params": {"model": "down"}});
    let waits = async {
        for seconds in [1, 2] {
            clock.until_asleep(1).await;
            clock.advance(Duration::from_millis(seconds * 1000 - 1));
            tokio::task::yield_now().await;
            clock.until_asleep(1).await;
            clock.advance(Duration::from_millis(1));
            while gateway.calls_of("down1") as u64 <= seconds {
                tokio::task::yield_now().await;
            }
        }
    };
    let (answer, ()) = tokio::join!(ask(&gateway, &config), waits);
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(gateway.calls_of("down1"), 3);
    assert_eq!(answer.header("x-portkey-retry-attempt-count"), "2");
    assert_eq!(answer.header("x-litellm-max-retries"), "2");
}

#[tokio::test]
async fn retries_are_only_those_of_the_configuration() {
    let settings = rest("").replace("num_retries: 0", "num_retries: 3");
    let gateway = Gateway::of(&GROUPS, &settings).await;
    for (config, sends) in [
        (to("down"), 1),
        (
            json!({"retry": {"attempts": 0}, "override_params": {"model": "down"}}),
            1,
        ),
        (
            json!({"retry": {"attempts": 3, "on_status_codes": [429]}, "override_params": {"model": "down"}}),
            1,
        ),
        (
            json!({"retry": {"attempts": 3}, "override_params": {"model": "wrong"}}),
            1,
        ),
    ] {
        let config = strategy("single", &[config]);
        let answer = ask(&gateway, &config).await;
        let total = answer.header("x-switchyard-total-attempts");
        assert_eq!(total, sends.to_string(), "{config}");
    }
}

#[tokio::test]
async fn timeout_of_a_target_is_408_and_not_tried_again() {
    let groups = [("slow", "slow1", "stall", ""), ("good", "good1", "", "")];
    let gateway = Gateway::of(&groups, &rest("")).await;
    let slow = json!({"request_timeout": 50, "retry": {"attempts": 2}, "override_params": {"model": "slow"}});
    let answer = ask(&gateway, &slow).await;
    assert_eq!(answer.status, 408, "{}", answer.body);
    assert_eq!(gateway.calls_of("slow1"), 1);
    let answer = ask(&gateway, &strategy("fallback", &[slow, to("good")])).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn slug_and_virtual_key_are_credentials_of_the_file() {
    let gateway = start().await;
    let slug = format!("@prod/{HAIKU}");
    let in_config = json!({"virtual_key": "prod"}).to_string();
    let by_provider = strategy("single", &[json!({"provider": "@prod"})]).to_string();
    for (model, headers) in [
        (slug.as_str(), vec![]),
        (HAIKU, vec![("x-portkey-provider", "@prod")]),
        (HAIKU, vec![("x-obiguard-provider", "@prod")]),
        (HAIKU, vec![("x-portkey-virtual-key", "prod")]),
        (HAIKU, vec![("x-obiguard-virtual-key", "prod")]),
        (HAIKU, vec![("x-portkey-config", in_config.as_str())]),
        (HAIKU, vec![("x-portkey-config", by_provider.as_str())]),
        // A client that must have a key of its own has a dummy.
        (
            HAIKU,
            vec![
                ("x-portkey-provider", "@prod"),
                ("x-portkey-api-key", "k"),
                ("x-api-key", "dummy"),
            ],
        ),
    ] {
        let before = gateway.simulator.calls_total();
        let answer = gateway.post(&body(model), &headers).await;
        assert_eq!(answer.status, 200, "{model} {headers:?} {}", answer.body);
        assert_eq!(answer.json()["model"], model);
        assert_eq!(answer.header("x-portkey-provider"), "bedrock");
        let is_obiguard = headers
            .iter()
            .any(|(name, _)| name.starts_with("x-obiguard"));
        assert_eq!(
            !answer.header("x-obiguard-provider").is_empty(),
            is_obiguard
        );
        assert_eq!(gateway.simulator.calls_total(), before + 1);
        assert!(answer.header("x-litellm-model-name").contains("haiku"));
    }
    let group = gateway.post(&body("@other/anything"), &[]).await;
    assert_eq!(group.header("x-litellm-model-id"), "other1");
}

#[tokio::test]
async fn unknown_names_are_refused_where_they_were_said() {
    let gateway = start().await;
    for (model, header, value, param) in [
        ("@none/m", "x-team", "red", "model"),
        (HAIKU, "x-portkey-provider", "@none", "x-portkey-provider"),
        (
            HAIKU,
            "x-obiguard-virtual-key",
            "none",
            "x-obiguard-virtual-key",
        ),
        (HAIKU, "x-portkey-provider", "openai", "x-portkey-provider"),
    ] {
        let answer = gateway.post(&body(model), &[(header, value)]).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert_eq!(answer.json()["error"]["param"], param);
    }
    for config in [
        strategy("fallback", &[json!({"provider": "@none"}), to("good")]),
        json!({"virtual_key": "none"}),
        strategy("single", &[json!({"provider": "openai", "api_key": "k"})]),
    ] {
        let answer = ask(&gateway, &config).await;
        assert_eq!(
            (answer.status, &answer.json()["status"]),
            (400, &json!("failure"))
        );
    }
    assert_eq!(gateway.simulator.calls_total(), 0);
}

#[tokio::test]
async fn configurations_of_the_file_are_called_by_id() {
    let configs = "gateway_configs:\n  pc-two:\n    strategy: {mode: fallback}\n    targets:\n      - provider: '@gone'\n      - provider: '@broken'\n      \
                   - {virtual_key: prod, overrideParams: {max_tokens: 11}}\n";
    let gateway = Gateway::of(&GROUPS, &rest(configs)).await;
    let headers = [
        ("x-portkey-config", "pc-two"),
        ("x-portkey-trace-id", "t-1"),
    ];
    let answer = gateway.post(&body(HAIKU), &headers).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(index(&answer), "config.targets[2]");
    assert_eq!(answer.header("x-portkey-trace-id"), "t-1");
    let unknown = gateway
        .post(&body(HAIKU), &[("x-portkey-config", "pc-3")])
        .await;
    assert_eq!(
        (unknown.status, &unknown.json()["status"]),
        (400, &json!("failure"))
    );
    assert!(
        unknown.json()["message"]
            .as_str()
            .unwrap()
            .contains("gateway_configs")
    );
}

#[tokio::test]
async fn wrong_configurations_are_refused_in_portkeys_shape() {
    let gateway = start().await;
    let zero = json!({"weight": 0, "override_params": {"model": "good"}});
    for (config, problem) in [
        ("{".to_owned(), "not JSON"),
        ("{}".to_owned(), "nothing is said"),
        (
            json!({"strategy": {"mode": "best"}, "targets": [to("good")]}).to_string(),
            "strategy.mode",
        ),
        (
            strategy("loadbalance", &[zero]).to_string(),
            "every target has the weight 0",
        ),
        (strategy("single", &[]).to_string(), "there is no target"),
        (
            json!({"retry": {"attempts": "many"}}).to_string(),
            "retry.attempts",
        ),
        (
            json!({"virtual_key": "prod", "override_params": {"api_base": "http://evil"}})
                .to_string(),
            "api_base",
        ),
    ] {
        let answer = gateway
            .post(&body("good"), &[("x-portkey-config", &config)])
            .await;
        assert_eq!(answer.status, 400, "{config}");
        let told = answer.json();
        assert_eq!(told["status"], "failure");
        assert!(
            told["message"].as_str().unwrap().contains(problem),
            "{told}"
        );
    }
    assert_eq!(gateway.simulator.calls_total(), 0);
}

#[tokio::test]
async fn no_one_sends_the_operators_credentials_elsewhere() {
    let gateway = start().await;
    let elsewhere = gateway.simulator.url();
    for headers in [
        vec![
            ("x-portkey-provider", "@prod"),
            ("x-portkey-custom-host", elsewhere.as_str()),
        ],
        vec![
            ("x-portkey-virtual-key", "prod"),
            ("x-portkey-aws-role-arn", "arn:aws:iam::1:role/r"),
        ],
        vec![
            ("x-portkey-provider", "bedrock"),
            ("x-portkey-custom-host", elsewhere.as_str()),
        ],
    ] {
        let answer = gateway.post(&body(HAIKU), &headers).await;
        assert_eq!(answer.status, 400, "{headers:?} {}", answer.body);
        assert!(answer.body.contains("not allowed"), "{}", answer.body);
    }
    let own = json!({"provider": "bedrock", "aws_access_key_id": "A", "aws_secret_access_key": "S", "custom_host": elsewhere});
    for config in [
        own.clone(),
        strategy("fallback", &[to("good"), own]),
        strategy(
            "fallback",
            &[
                to("good"),
                json!({"provider": "@prod", "custom_host": elsewhere}),
            ],
        ),
    ] {
        let answer = ask(&gateway, &config).await;
        assert_eq!(
            (answer.status, &answer.json()["status"]),
            (400, &json!("failure"))
        );
        assert!(answer.body.contains("not allowed"), "{}", answer.body);
    }
    assert_eq!(gateway.simulator.calls_total(), 0);
    // With the operator's leave, a place of the caller's gets the caller's keys, and never the file's.
    let more = "general_settings: {allow_client_side_credentials: true}\n";
    let lenient = Gateway::of(&GROUPS, &rest(more)).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let elsewhere = format!("http://{}", listener.local_addr().unwrap());
    let headers = [
        ("x-portkey-provider", "@prod"),
        ("x-portkey-custom-host", elsewhere.as_str()),
    ];
    let answer = lenient.post(&body(HAIKU), &headers).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(listener.accept().is_err());
}

#[tokio::test]
async fn gateway_key_is_asked_for_in_this_style_too() {
    let more = "general_settings: {master_key: sk-master}\n";
    let gateway = Gateway::of(&GROUPS, &rest(more)).await;
    let aws = [
        ("x-portkey-provider", "bedrock"),
        ("x-portkey-aws-access-key-id", ACCESS_KEY_ID),
        ("x-portkey-aws-secret-access-key", SECRET_ACCESS_KEY),
    ];
    let slug = [("x-portkey-provider", "@prod")];
    for headers in [&aws[..], &slug] {
        assert_eq!(gateway.post(&body(HAIKU), headers).await.status, 401);
    }
    assert_eq!(gateway.simulator.calls_total(), 0);
    let config = json!({"provider": "bedrock", "retry": {"attempts": 1}}).to_string();
    for headers in [
        [
            ("x-portkey-provider", "@prod"),
            ("x-portkey-api-key", "sk-master"),
        ],
        [
            ("x-obiguard-provider", "@prod"),
            ("authorization", "Bearer sk-master"),
        ],
    ] {
        let answer = gateway.post(&body(HAIKU), &headers).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    // Nothing of the operator's is used for a Bedrock id that no credentials go with.
    let headers = [
        ("x-portkey-config", config.as_str()),
        ("x-portkey-api-key", "sk-master"),
    ];
    let answer = gateway.post(&body(HAIKU), &headers).await;
    assert_eq!(answer.status, 401, "{}", answer.body);
}

#[tokio::test]
async fn named_headers_are_sent_on() {
    let gateway = start().await;
    let config = json!({"virtual_key": "prod", "forward_headers": ["X-Team"]}).to_string();
    for headers in [
        vec![
            ("x-portkey-provider", "@prod"),
            ("x-portkey-forward-headers", "x-team,x-portkey-api-key"),
        ],
        vec![("x-portkey-config", config.as_str())],
    ] {
        let mut headers = headers;
        headers.extend([
            ("x-team", "red"),
            ("x-portkey-api-key", "secret"),
            ("x-not", "sent"),
        ]);
        assert_eq!(gateway.post(&body(HAIKU), &headers).await.status, 200);
        let calls = gateway.simulator.calls();
        let sent = &calls.last().unwrap().headers;
        assert_eq!(sent.get("x-team").unwrap(), "red");
        assert!(sent.get("x-not").is_none() && sent.get("x-portkey-api-key").is_none());
    }
}

#[tokio::test]
async fn other_requests_hear_nothing_of_this() {
    let gateway = Gateway::with(
        &format!("model_list: []\n{}", rest("")),
        Arc::new(SystemClock),
    )
    .await;
    let answer = gateway
        .post(&body("m"), &[("x-portkey-trace-id", "t")])
        .await;
    assert_eq!(answer.status, 400);
    let told = answer
        .headers
        .keys()
        .any(|name| name.as_str().starts_with("x-portkey"));
    assert!(!told && answer.json()["error"]["message"].is_string());
}

/// A condition may go by what the model never sees: calls that differ in it have answers of their own.
#[tokio::test]
async fn what_conditions_look_at_tells_kept_answers_apart() {
    let cache = "litellm_settings: {cache: true, cache_params: {type: local}}\n";
    let gateway = Gateway::of(&GROUPS, &rest(cache)).await;
    let named = |name: &str, tokens: u32| {
        let params = json!({"model": "good", "max_tokens": tokens});
        json!({"name": name, "override_params": params})
    };
    let config = json!({
        "strategy": {
            "mode": "conditional",
            "conditions": [{"query": {"params.num_retries": {"$eq": 1}}, "then": "long"}],
            "default": "short",
        },
        "targets": [named("short", 5), named("long", 500)],
    });
    let config = config.to_string();
    let ask = async |retries: u32| {
        let mut body = body("good");
        body["num_retries"] = json!(retries);
        let headers = [("x-portkey-config", config.as_str())];
        let answer = gateway.post(&body, &headers).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.header("x-litellm-cache-hit").to_owned()
    };
    for hit in ["false", "true"] {
        assert_eq!(ask(0).await, hit);
        assert_eq!(ask(1).await, hit);
    }
    assert_eq!(gateway.calls_of("good1"), 2);
}
