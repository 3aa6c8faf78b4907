//! Response headers: who served, and how often AWS was asked.

use serde_json::json;

use crate::support::Gateway;

#[tokio::test]
async fn success_says_who_served() {
    let gateway = Gateway::start("", "").await;
    let answer = gateway.ask("hello", false).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-litellm-model-group"), "m");
    assert_eq!(
        answer.header("x-litellm-model-name"),
        "bedrock/converse/anthropic.claude-3-5-sonnet-20240620-v1:0"
    );
    assert_eq!(answer.header("x-switchyard-total-attempts"), "1");
    assert_ne!(answer.header("llm_provider-x-amzn-requestid"), "");
    let overhead: f64 = answer
        .header("x-litellm-overhead-duration-ms")
        .parse()
        .unwrap();
    let duration: f64 = answer
        .header("x-litellm-response-duration-ms")
        .parse()
        .unwrap();
    assert!(overhead <= duration);
    assert_eq!(answer.json()["model"], "m");
}

#[tokio::test]
async fn call_id_of_the_client_is_kept() {
    let gateway = Gateway::start("", "").await;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
    let answer = gateway
        .post(&body, &[("x-litellm-call-id", "mine-1")])
        .await;
    assert_eq!(answer.header("x-litellm-call-id"), "mine-1");
}

#[tokio::test]
async fn unknown_model_is_the_callers_mistake() {
    let gateway = Gateway::start("", "").await;
    let body = json!({"model": "nope", "messages": [{"role": "user", "content": "hello"}]});
    let answer = gateway.post(&body, &[]).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("model=nope")
    );
    assert_eq!(answer.header("x-switchyard-total-attempts"), "0");
    assert_eq!(gateway.simulator.calls_total(), 0);
}

#[tokio::test]
async fn wrong_key_is_refused_before_the_body_is_read() {
    let gateway = Gateway::start(
        "",
        "general_settings:\n  master_key: sk-right-and-long-enough\n",
    )
    .await;
    let refused = gateway.ask("hello", false).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["error"]["type"], "auth_error");
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
    let served = gateway
        .post(
            &body,
            &[("authorization", "Bearer sk-right-and-long-enough")],
        )
        .await;
    assert_eq!(served.status, 200, "{}", served.body);
}

#[tokio::test]
async fn traceparent_and_routing_details_go_where_the_operator_wants_them() {
    let settings = "litellm_settings:\n  forward_traceparent_to_llm_provider: true\n  expose_router_debug_in_errors: true\n";
    let gateway = Gateway::start("", settings).await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let body =
        json!({"model": "m", "messages": [{"role": "user", "content": "hello [[sim:throttle]]"}]});
    let answer = gateway.post(&body, &[("traceparent", parent)]).await;
    assert!(
        answer.body.contains("model group 'm' failed"),
        "{}",
        answer.body
    );
    let calls = gateway.simulator.calls();
    let sent = calls.last().unwrap();
    assert!(
        sent.headers
            .iter()
            .any(|(name, value)| name == "traceparent" && value == parent)
    );
}

/// Says whether a page needs leave to read a header of ours, and is to have it.
fn is_ours(name: &str) -> bool {
    let ours = [
        "x-litellm-",
        "x-ratelimit-",
        "x-switchyard-",
        "x-portkey-",
        "x-obiguard-",
    ];
    let alone = [
        "retry-after",
        "rate_limit_type",
        "reset_at",
        "llm_provider-x-amzn-requestid",
    ];
    (ours.iter().any(|begin| name.starts_with(begin)) || alone.contains(&name))
        // A model group is in the name.
        && !name.starts_with("x-litellm-key-remaining-")
}

#[tokio::test]
async fn pages_may_read_every_header_of_ours() {
    let params = "      rpm: 100\n      tpm: 100000";
    let rest = "router_settings: {num_retries: 1, retry_after: 0}\n\
                litellm_settings: {cache: true, cache_params: {type: local}}\n\
                virtual_keys:\n  - {key: sk-right-and-long-enough, rpm_limit: 3, tpm_limit: 100000, max_parallel_requests: 9, \
                model_rpm_limit: {m: 100}, user_id: u, user_rpm_limit: 100, team_id: t, team_tpm_limit: 100000}\n";
    for credentials in [false, true] {
        let gateway = Gateway::start_with(params, rest, |config| {
            config.general.cors_allow_credentials = credentials;
        })
        .await;
        let mut told = std::collections::BTreeSet::new();
        for (text, stream) in [
            ("hello", false),
            ("hello", true),
            ("[[sim:throttle]]", false),
            ("one too many", false),
        ] {
            let body = json!({"model": "m", "stream": stream, "priority": 1, "messages": [{"role": "user", "content": text}]});
            let headers = [
                ("authorization", "Bearer sk-right-and-long-enough"),
                ("origin", "https://app.example.com"),
                ("x-obiguard-trace-id", "trace"),
                (
                    "x-obiguard-config",
                    r#"{"strategy": {"mode": "single"}, "targets": [{"override_params": {"model": "m"}}]}"#,
                ),
            ];
            let answer = gateway.post(&body, &headers).await;
            assert!([200, 429].contains(&answer.status), "{}", answer.body);
            let exposed = answer.header("access-control-expose-headers");
            let exposed: Vec<&str> = exposed.split(',').collect();
            for name in answer.headers.keys() {
                let may_read =
                    exposed.contains(&name.as_str()) || (!credentials && exposed.contains(&"*"));
                assert!(may_read || !is_ours(name.as_str()), "{text}: {name}");
                told.insert(name.to_string());
            }
        }
        // Else it shows nothing.
        for name in [
            "retry-after",
            "reset_at",
            "x-litellm-cache-key",
            "x-litellm-request-prioritization-used",
            "x-obiguard-trace-id",
            "x-portkey-cache-status",
            "x-ratelimit-reset-tokens",
            "x-ratelimit-team-remaining-tokens",
        ] {
            assert!(told.contains(name), "{name}: {told:?}");
        }
    }
}

#[tokio::test]
async fn pages_are_told_what_they_may_read_and_nobody_else_is() {
    let gateway = Gateway::start("", "").await;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
    let page = ("origin", "https://app.example.com");
    for (headers, is_page) in [(&[][..], false), (&[page][..], true)] {
        let answer = gateway.post(&body, headers).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let has = |name: &str| answer.headers.contains_key(name);
        assert_eq!(has("access-control-allow-origin"), is_page);
        assert_eq!(has("access-control-expose-headers"), is_page);
        assert!(has("x-frame-options"), "fixed headers are for all");
    }
}
