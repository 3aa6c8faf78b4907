//! What a name stands for: patterns, aliases and ids.

use std::time::Duration;

use serde_json::json;

use crate::support::entry::{CLAUDE, Entry, serving, timed};
use crate::support::{Answer, Gateway};

const BARE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

async fn ask(gateway: &Gateway, model: &str) -> Answer {
    gateway.chat(model, json!({})).await
}

/// The model id in the path of the newest call.
fn upstream_model(gateway: &Gateway) -> String {
    let calls = gateway.simulator.calls();
    let path = calls.last().unwrap().path.replace("%3A", ":");
    let (_, rest) = path.split_once("/model/").unwrap();
    rest.rsplit_once('/').unwrap().0.to_owned()
}

async fn listed(gateway: &Gateway) -> Vec<String> {
    let list = gateway.call(reqwest::Method::GET, "/v1/models", None).await;
    let list = list.json();
    let ids = list["data"].as_array().unwrap().iter();
    ids.map(|model| model["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn pattern_matches_the_whole_name() {
    let wild = Entry::of("wild-*-v1", "m1");
    let gateway = serving(&[wild], "").await;
    let matched = ask(&gateway, "wild-abc-v1").await;
    assert_eq!(matched.status, 200, "{}", matched.body);
    assert_eq!(matched.header("x-litellm-model-id"), "m1");
    assert_eq!(matched.json()["model"], "wild-abc-v1");
    for other in ["wild-abc-v1-extra", "a-wild-abc-v1", "wild-v1"] {
        let answer = ask(&gateway, other).await;
        assert_eq!(answer.status, 400, "{other}: {}", answer.body);
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
    }
}

#[tokio::test]
async fn longest_pattern_wins_and_an_exact_name_beats_all() {
    let named = |name, id| Entry::of(name, id);
    let entries = [
        named("*", "all"),
        named("bedrock/*", "bedrock"),
        named("bedrock/anthropic.*", "anthropic"),
        named("bedrock/anthropic.exact", "exact"),
    ];
    let gateway = serving(&entries, "").await;
    for (name, id) in [
        ("bedrock/anthropic.exact", "exact"),
        ("bedrock/anthropic.other", "anthropic"),
        ("bedrock/amazon.nova-lite-v1:0", "bedrock"),
        ("anything at all", "all"),
    ] {
        let answer = ask(&gateway, name).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        assert_eq!(answer.header("x-litellm-model-id"), id, "{name}");
    }
    assert_eq!(listed(&gateway).await.len(), 4);
}

#[tokio::test]
async fn captures_fill_the_stars_and_a_bare_id_is_bedrocks() {
    let entries = [
        Entry::of("bedrock/*", "pass").model("bedrock/converse/*"),
        Entry::of("my-*-of-*", "two").model("bedrock/converse/*.*"),
    ];
    let gateway = serving(&entries, "").await;
    let claude = "anthropic.claude-3-haiku-20240307-v1:0";
    for (name, upstream) in [
        (format!("bedrock/{claude}"), claude),
        (claude.to_owned(), claude),
        (
            "my-anthropic-of-claude-3-haiku-20240307-v1:0".to_owned(),
            claude,
        ),
    ] {
        let answer = ask(&gateway, &name).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        assert_eq!(upstream_model(&gateway), upstream, "{name}");
        assert_eq!(answer.json()["model"], name.as_str());
    }
}

#[tokio::test]
async fn more_captures_than_stars_send_the_requested_name() {
    let entry = Entry::of("*.claude-*", "m1").model("bedrock/*");
    let gateway = serving(&[entry], "").await;
    let name = "anthropic.claude-3-haiku-20240307-v1:0";
    let answer = ask(&gateway, name).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(upstream_model(&gateway), name);
}

#[tokio::test]
async fn pattern_cools_down_model_by_model() {
    let entry = Entry::of("bedrock/*", "m1")
        .model("bedrock/converse/*")
        .fault("unauthorized=1");
    let (gateway, clock) = timed(&[entry], "router_settings: {num_retries: 0}").await;
    let (haiku, nova) = (
        "bedrock/anthropic.claude-3-haiku-20240307-v1:0",
        "bedrock/amazon.nova-lite-v1:0",
    );
    assert_eq!(ask(&gateway, haiku).await.status, 401);
    let cooling = ask(&gateway, haiku).await;
    assert_eq!(cooling.status, 429, "{}", cooling.body);
    assert_eq!(
        cooling.json()["error"]["type"],
        "all_deployments_in_cooldown"
    );
    assert_eq!(cooling.header("retry-after"), "5");
    assert_eq!(ask(&gateway, nova).await.status, 200);
    clock.advance(Duration::from_secs(5));
    assert_eq!(ask(&gateway, haiku).await.status, 200);
}

#[tokio::test]
async fn alias_goes_one_step_and_keeps_its_name() {
    let rest = "router_settings: {model_group_alias: {ali: m, chain: ali, quiet: {model: m, hidden: true}}}";
    let gateway = serving(&[Entry::default()], rest).await;
    for alias in ["ali", "quiet"] {
        let answer = ask(&gateway, alias).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("x-litellm-model-group"), alias);
        assert_eq!(answer.json()["model"], alias);
    }
    assert_eq!(ask(&gateway, "chain").await.status, 400);
    assert_eq!(listed(&gateway).await, ["ali", "m"]);
}

#[tokio::test]
async fn alias_of_an_alias_falls_through_to_a_pattern() {
    let entries = [Entry::default(), Entry::of("*", "all")];
    let rest = "router_settings: {model_group_alias: {ali: m, chain: ali}}";
    let gateway = serving(&entries, rest).await;
    let answer = ask(&gateway, "chain").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-litellm-model-id"), "all");
}

#[tokio::test]
async fn alias_wins_over_a_model_of_its_name() {
    let entries = [Entry::default(), Entry::of("n", "n1")];
    let rest = "router_settings: {model_group_alias: {m: n}}";
    let gateway = serving(&entries, rest).await;
    let answer = ask(&gateway, "m").await;
    assert_eq!(answer.header("x-litellm-model-id"), "n1");
    assert_eq!(answer.header("x-litellm-model-group"), "m");
}

#[tokio::test]
async fn id_is_called_past_cooldown_tags_and_order() {
    let entries = [
        Entry::of("m", "first")
            .fault("unauthorized=1")
            .params(", tags: [a], order: 1"),
        Entry::of("m", "second").params(", tags: [b], order: 2"),
    ];
    let rest = "router_settings: {num_retries: 0, enable_tag_filtering: true}";
    let (gateway, _clock) = timed(&entries, rest).await;
    assert_eq!(ask(&gateway, "first").await.status, 401);
    // It cools down now, and its tag was not asked for.
    let answer = gateway.chat("first", json!({"tags": ["b"]})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-litellm-model-group"), "first");
    assert_eq!(answer.header("x-litellm-model-id"), "first");
    assert_eq!(answer.json()["model"], "first");
    assert_eq!(ask(&gateway, "second").await.status, 200);
}

#[tokio::test]
async fn id_is_retried_there_by_the_policy() {
    let entries = [
        Entry::of("m", "bad").fault("error503=2"),
        Entry::of("m", "good"),
    ];
    let rest = "router_settings: {num_retries: 0, retry_policy: {InternalServerErrorRetries: 2, ServiceUnavailableErrorRetries: 2}}";
    let gateway = serving(&entries, rest).await;
    let answer = ask(&gateway, "bad").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-litellm-attempted-retries"), "2");
    assert_eq!((gateway.calls_of("bad"), gateway.calls_of("good")), (3, 0));
}

#[tokio::test]
async fn blocked_id_is_forbidden() {
    let entries = [
        Entry::of("m", "shut").info(", blocked: true"),
        Entry::of("m", "open"),
    ];
    let gateway = serving(&entries, "").await;
    let answer = ask(&gateway, "shut").await;
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert_eq!(
        ask(&gateway, "m").await.header("x-litellm-model-id"),
        "open"
    );
}

#[tokio::test]
async fn text_of_the_model_calls_what_has_it() {
    let gateway = serving(&[Entry::default()], "").await;
    let answer = ask(&gateway, CLAUDE).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(upstream_model(&gateway), BARE);
}
