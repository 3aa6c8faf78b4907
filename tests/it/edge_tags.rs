//! Who may serve a call: tags, access groups, teams, routing groups.

use serde_json::{Value, json};

use crate::support::entry::{Entry, serving};
use crate::support::{Answer, Gateway};

const ON: &str = "num_retries: 0, enable_tag_filtering: true";

fn tagged<'a>(id: &'a str, params: &'a str) -> Entry<'a> {
    Entry::of("m", id).params(params)
}

/// Calls until every deployment that can be picked was picked.
async fn picked(gateway: &Gateway, more: &Value) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..12 {
        let answer = gateway.chat("m", more.clone()).await;
        assert_eq!(answer.status, 200, "{more}: {}", answer.body);
        ids.push(answer.header("x-litellm-model-id").to_owned());
    }
    ids.sort();
    ids.dedup();
    ids
}

fn is_refused_by_tags(answer: &Answer) {
    let error = &answer.json()["error"];
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(error["type"], "invalid_request_error");
    let message = error["message"].as_str().unwrap();
    let expected = "Not allowed to access model due to tags configuration";
    assert!(message.starts_with(expected), "{message}");
    assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "0");
}

#[tokio::test]
async fn tags_choose_among_the_deployments() {
    let entries = [
        tagged("free", ", tags: [free]"),
        tagged("paid", ", tags: [paid, eu]"),
        tagged("other", ", tags: [default]"),
    ];
    let gateway = serving(&entries, &format!("router_settings: {{{ON}}}")).await;
    for (tags, ids) in [
        (json!(["free"]), vec!["free"]),
        (json!(["free", "eu"]), vec!["free", "paid"]),
        (json!(["nobody-knows"]), vec!["other"]),
        (json!([]), vec!["other"]),
        (json!("free"), vec!["other"]),
        (json!(["paid", "free", "!eu"]), vec!["free"]),
        (json!(["&paid"]), vec!["paid"]),
        (json!(["!eu"]), vec!["other"]),
    ] {
        assert_eq!(
            picked(&gateway, &json!({"tags": tags})).await,
            ids,
            "{tags}"
        );
        let metadata = json!({"metadata": {"tags": tags}});
        assert_eq!(picked(&gateway, &metadata).await, ids, "{metadata}");
    }
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let by_header = gateway.post(&body, &[("x-litellm-tags", "x, paid")]).await;
    assert_eq!(by_header.header("x-litellm-model-id"), "paid");
}

#[tokio::test]
async fn refusal_by_tags_is_400_and_falls_back_nowhere() {
    let entries = [
        tagged("free", ", tags: [free]"),
        tagged("other", ", tags: [default]"),
        Entry::of("spare", "spare"),
    ];
    let rest = format!(
        "router_settings: {{{ON}, fallbacks: [{{m: [spare]}}], default_fallbacks: [spare], fallback_on_4xx: true}}"
    );
    let gateway = serving(&entries, &rest).await;
    for tags in [
        json!(["!default"]),
        json!(["free", "!free"]),
        json!(["&free", "&default"]),
    ] {
        is_refused_by_tags(&gateway.chat("m", json!({"tags": tags})).await);
    }
    let own = json!({"tags": ["!default"], "fallbacks": ["spare"]});
    is_refused_by_tags(&gateway.chat("m", own).await);
    assert_eq!(gateway.simulator.calls_total(), 0);
}

#[tokio::test]
async fn tag_that_is_known_but_cooling_is_an_error() {
    let entries = [
        tagged("free", ", tags: [free]").fault("unauthorized"),
        tagged("other", ", tags: [default]"),
    ];
    let gateway = serving(&entries, &format!("router_settings: {{{ON}}}")).await;
    let free = json!({"tags": ["free"]});
    assert_eq!(gateway.chat("m", free.clone()).await.status, 401);
    is_refused_by_tags(&gateway.chat("m", free).await);
    assert_eq!(picked(&gateway, &json!({})).await, ["other"]);
}

#[tokio::test]
async fn without_defaults_unknown_tags_are_refused_and_no_tags_reach_all() {
    let entries = [tagged("a", ", tags: [x]"), tagged("b", "")];
    let gateway = serving(&entries, &format!("router_settings: {{{ON}}}")).await;
    is_refused_by_tags(&gateway.chat("m", json!({"tags": ["zzz"]})).await);
    assert_eq!(picked(&gateway, &json!({})).await, ["a", "b"]);
    assert_eq!(picked(&gateway, &json!({"tags": ["!x"]})).await, ["b"]);
}

#[tokio::test]
async fn all_tags_must_match_where_the_operator_says_so() {
    let entries = [
        tagged("one", ", tags: [a]"),
        tagged("both", ", tags: [a, b]"),
    ];
    let rest = format!("router_settings: {{{ON}, tag_filtering_match_any: false}}");
    let gateway = serving(&entries, &rest).await;
    assert_eq!(
        picked(&gateway, &json!({"tags": ["a", "b"]})).await,
        ["both"]
    );
    assert_eq!(
        picked(&gateway, &json!({"tags": ["a"]})).await,
        ["both", "one"]
    );
    is_refused_by_tags(&gateway.chat("m", json!({"tags": ["a", "zzz"]})).await);
}

#[tokio::test]
async fn prefix_user_agent_and_fail_open() {
    let entries = [
        tagged(
            "cli",
            ", tags: [x, default], tag_regex: [\"^User-Agent: claude-code/\"]",
        )
        .info(", allow_fail_open: true"),
        tagged("other", ", tags: [y]"),
    ];
    let rest = format!("router_settings: {{{ON}, tag_routing_prefix: \"route:\"}}");
    let gateway = serving(&entries, &rest).await;
    assert_eq!(
        picked(&gateway, &json!({"tags": ["route:y"]})).await,
        ["other"]
    );
    assert_eq!(
        picked(&gateway, &json!({"tags": ["!x", "!y"]})).await,
        ["cli"]
    );
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let answer = gateway
        .post(&body, &[("user-agent", "claude-code/2.0")])
        .await;
    assert_eq!(answer.header("x-litellm-model-id"), "cli");
}

#[tokio::test]
async fn group_can_turn_tags_on_and_a_client_cannot_turn_them_off() {
    let entries = [
        tagged("a", ", tags: [x]").info(", enable_tag_filtering: true"),
        tagged("b", ", tags: [default]"),
    ];
    let gateway = serving(&entries, "").await;
    let asked = json!({"tags": ["x"], "enable_tag_filtering": false});
    assert_eq!(picked(&gateway, &asked).await, ["a"]);
    let off = serving(&[tagged("a", ", tags: [x]"), tagged("b", "")], "").await;
    let asked = json!({"tags": ["x"], "enable_tag_filtering": true});
    assert_eq!(picked(&off, &asked).await, ["a", "b"]);
}

const KEYS: &str = "
general_settings: {master_key: sk-master-and-long-enough}
virtual_keys:
  - {key: sk-beta-and-long-enough, models: [beta]}
  - {key: sk-named-and-long-enough, models: [m]}
  - {key: sk-tagged-and-long-enough, tags: [x], router_settings: {enable_tag_filtering: true}}
  - {key: sk-red-and-long-enough, team_id: red}
";

async fn with_key(gateway: &Gateway, key: &str, model: &str) -> Answer {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
    let key = format!("Bearer sk-{key}-and-long-enough");
    gateway.post(&body, &[("authorization", &key)]).await
}

async fn picked_by(gateway: &Gateway, key: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..12 {
        let answer = with_key(gateway, key, "m").await;
        assert_eq!(answer.status, 200, "{key}: {}", answer.body);
        ids.push(answer.header("x-litellm-model-id").to_owned());
    }
    ids.sort();
    ids.dedup();
    ids
}

#[tokio::test]
async fn key_with_an_access_group_alone_gets_its_deployments() {
    let entries = [
        tagged("new", "").info(", access_groups: [beta]"),
        tagged("old", ""),
        Entry::of("n", "n1"),
    ];
    let gateway = serving(&entries, KEYS).await;
    assert_eq!(picked_by(&gateway, "beta").await, ["new"]);
    assert_eq!(picked_by(&gateway, "named").await, ["new", "old"]);
    let denied = with_key(&gateway, "beta", "n").await;
    assert_eq!(denied.status, 403, "{}", denied.body);
    assert_eq!(denied.json()["error"]["type"], "key_model_access_denied");
    assert_eq!(denied.json()["error"]["param"], "model");
}

#[tokio::test]
async fn key_can_turn_tag_filtering_on_for_itself() {
    let entries = [tagged("a", ", tags: [x]"), tagged("b", "")];
    let gateway = serving(&entries, KEYS).await;
    assert_eq!(picked_by(&gateway, "tagged").await, ["a"]);
    assert_eq!(picked_by(&gateway, "named").await, ["a", "b"]);
}

#[tokio::test]
async fn tags_of_the_key_stay_beside_those_of_the_request() {
    let entries = [
        tagged("free", ", tags: [free]"),
        tagged("both", ", tags: [free, eu, x]"),
        tagged("paid", ", tags: [paid]"),
    ];
    let all = "tag_filtering_match_any: false";
    let keys = "virtual_keys: [{key: sk-free-and-long-enough, tags: [free]}]\n";
    let rest = format!("router_settings: {{{ON}, {all}}}\n{keys}");
    let gateway = serving(&entries, &rest).await;
    let asked = |more: &Value| {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let key = ("authorization", "Bearer sk-free-and-long-enough");
    let eu = json!({"tags": ["eu"]});
    let two = json!({"metadata": {"tags": ["eu"]}, "litellm_metadata": {"tags": ["x"]}});
    for more in [eu.clone(), json!({"metadata": eu}), two] {
        let answer = gateway.post(&asked(&more), &[key]).await;
        assert_eq!(answer.header("x-litellm-model-id"), "both", "{more}");
    }
    let by_header = [key, ("x-litellm-tags", "eu")];
    let answer = gateway.post(&asked(&json!({})), &by_header).await;
    assert_eq!(answer.header("x-litellm-model-id"), "both");
    // No tag of the request leads away from the key's.
    for more in [json!({"tags": ["paid"]}), json!({"tags": ["!free"]})] {
        is_refused_by_tags(&gateway.post(&asked(&more), &[key]).await);
    }
}

#[tokio::test]
async fn tags_of_callers_are_refused_where_the_operator_says_so() {
    let entries = [
        tagged("free", ", tags: [free]"),
        tagged("paid", ", tags: [paid]"),
    ];
    let rest = format!(
        "router_settings: {{{ON}}}\ngeneral_settings: {{reject_clientside_metadata_tags: true}}\n\
         virtual_keys: [{{key: sk-free-and-long-enough, tags: [free]}}]\n"
    );
    let gateway = serving(&entries, &rest).await;
    let body = |more: &Value| {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        body["metadata"] = more.clone();
        body
    };
    let key = ("authorization", "Bearer sk-free-and-long-enough");
    let (plain, own) = (body(&json!({})), body(&json!({"tags": ["paid"]})));
    let header = ("x-litellm-tags", "paid");
    for (body, headers) in [(&own, vec![key]), (&plain, vec![key, header])] {
        let answer = gateway.post(body, &headers).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert_eq!(answer.json()["error"]["param"], "tags");
    }
    let answer = gateway.post(&plain, &[key]).await;
    assert_eq!(answer.header("x-litellm-model-id"), "free");
}

#[tokio::test]
async fn deployment_of_a_team_is_for_its_keys() {
    let entries = [
        tagged("reds", "").info(", team_id: red"),
        tagged("everyones", ""),
        Entry::of("red-only", "r1").info(", team_id: red"),
    ];
    let gateway = serving(&entries, KEYS).await;
    assert_eq!(picked_by(&gateway, "named").await, ["everyones"]);
    assert_eq!(picked_by(&gateway, "red").await, ["everyones", "reds"]);
    assert_eq!(with_key(&gateway, "red", "red-only").await.status, 200);
    let refused = with_key(&gateway, "tagged", "red-only").await;
    assert_eq!(refused.status, 400, "{}", refused.body);
}

#[tokio::test]
async fn routing_group_is_called_by_its_name_and_by_priority() {
    let named = |name, id, fault| Entry::of(name, id).fault(fault);
    let entries = [
        named("a", "a1", ""),
        named("b", "b1", "throttle"),
        named("c", "c1", ""),
    ];
    let rest = "
router_settings:
  num_retries: 0
  routing_groups:
    - {group_name: any, models: [a, c], routing_strategy: least-busy}
    - {group_name: tiered, models: [a, b], routing_strategy: priority, model_priorities: {b: 1, a: 2}}
";
    let gateway = serving(&entries, rest).await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        let answer = gateway.chat("any", json!({})).await;
        assert_eq!(answer.header("x-litellm-model-group"), "any");
        ids.push(answer.header("x-litellm-model-id").to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids, ["a1", "c1"]);
    let first = gateway.chat("tiered", json!({})).await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(first.header("x-litellm-model-id"), "a1");
    assert_eq!(first.header("x-litellm-attempted-fallbacks"), "1");
    assert_eq!(gateway.calls_of("b1"), 1);
    // It cools down now, so the next tier serves directly.
    let second = gateway.chat("tiered", json!({})).await;
    assert_eq!(second.header("x-litellm-attempted-fallbacks"), "0");
    assert_eq!(gateway.calls_of("b1"), 1);
    // A member called by its own name knows nothing of priorities.
    assert_eq!(
        gateway
            .chat("a", json!({}))
            .await
            .header("x-litellm-model-id"),
        "a1"
    );
}

#[tokio::test]
async fn nobody_without_tags_is_led_to_others_while_the_default_cools() {
    let entries = [
        tagged("paid", ", tags: [paid]"),
        tagged("free", ", tags: [default]"),
    ];
    let gateway = serving(&entries, &format!("router_settings: {{{ON}}}")).await;
    let throttled = json!({"messages": [{"role": "user", "content": "[[sim:throttle]]"}]});
    assert_eq!(
        gateway
            .chat("m", throttled)
            .await
            .header("x-litellm-model-id"),
        "free"
    );
    let waiting = gateway.chat("m", json!({})).await;
    assert_eq!(waiting.status, 429, "{}", waiting.body);
    assert!(!waiting.header("retry-after").is_empty());
    assert_eq!(gateway.calls_of("paid"), 0);
}
