//! Agents as deployments: each call is told to them once, for one caller, in a session of its own.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};
use switchyard::clock::SystemClock;

use crate::support::entry::CLAUDE;
use crate::support::{Gateway, entry};

const CACHE: &str = "litellm_settings: {cache: true, cache_params: {type: local}}\n";

/// A deployment of the group `name`: an agent, of which the simulator does `fault` wrong.
fn agent(name: &str, id: &str, fault: &str) -> String {
    let place = if fault.is_empty() {
        String::new()
    } else {
        format!("/fault/{fault}")
    };
    let params = format!(", api_base: \"$URL{place}\"");
    let model = format!("bedrock/agent/AGENTAGENT/ALIASALI{}", id.to_uppercase());
    entry(name, id, fault, &params).replace(CLAUDE, &model)
}

async fn gateway(entries: &[String], rest: &str) -> Gateway {
    let yaml = format!("model_list:\n{}{rest}", entries.concat());
    Gateway::with(&yaml, Arc::new(SystemClock)).await
}

/// The sessions in which agents were asked, in order.
fn sessions(gateway: &Gateway) -> Vec<String> {
    let calls = gateway.simulator.calls();
    let sessions = calls.iter().filter_map(|call| {
        let (_, rest) = call.path.split_once("/sessions/")?;
        Some(rest.strip_suffix("/text")?.to_owned())
    });
    sessions.collect()
}

fn are_distinct(sessions: &[String]) -> bool {
    let distinct: HashSet<&String> = sessions.iter().collect();
    distinct.len() == sessions.len()
}

/// Asks twice at one time, and then once more.
async fn asked_thrice(gateway: &Gateway, model: &str, stream: bool) -> Vec<String> {
    let body = json!({"stream": stream, "messages": [
        {"role": "user", "content": "book the room [[sim:slow-start=50]]"}]});
    let ask = || gateway.chat(model, body.clone());
    let (one, two) = tokio::join!(ask(), ask());
    let three = ask().await;
    let bodies = [one, two, three].map(|answer| {
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    });
    bodies.into()
}

#[tokio::test]
async fn what_an_agent_answers_is_neither_kept_nor_shared() {
    for stream in [false, true] {
        let gateway = gateway(&[agent("agent", "a1", "")], CACHE).await;
        let answers = asked_thrice(&gateway, "agent", stream).await;
        let sessions = sessions(&gateway);
        assert_eq!(sessions.len(), 3, "{stream}");
        assert!(are_distinct(&sessions));
        for session in &sessions {
            let told = answers.iter().filter(|answer| answer.contains(session));
            assert_eq!(told.count(), 1, "{stream}");
        }
    }
}

#[tokio::test]
async fn what_an_agent_answers_as_a_fallback_is_neither_kept_nor_shared() {
    for stream in [false, true] {
        let entries = [entry("m", "m1", "error503", ""), agent("agent", "a1", "")];
        let rest = format!(
            "{CACHE}router_settings: {{num_retries: 0, disable_cooldowns: true, fallbacks: [{{m: [agent]}}]}}\n"
        );
        let gateway = gateway(&entries, &rest).await;
        let answers = asked_thrice(&gateway, "m", stream).await;
        let sessions = sessions(&gateway);
        assert_eq!(sessions.len(), 3, "{stream}");
        for answer in &answers {
            let told = sessions.iter().filter(|session| answer.contains(*session));
            assert_eq!(told.count(), 1, "{stream}: {answer}");
        }
    }
}

#[tokio::test]
async fn prompts_of_one_request_are_sessions_of_their_own() {
    let gateway = gateway(&[agent("agent", "a1", "")], "").await;
    let body = json!({"model": "agent", "prompt": ["one", "two", "three"]});
    let answer = gateway.post_to("/v1/completions", &body, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let sessions = sessions(&gateway);
    assert_eq!(sessions.len(), 3);
    assert!(are_distinct(&sessions), "{sessions:?}");
}

#[tokio::test]
async fn an_agent_is_asked_again_only_where_it_cannot_have_acted() {
    for (fault, sent, elsewhere) in [
        ("error500", 1, 0),
        ("reset", 1, 0),
        ("exception-start", 1, 0),
        ("cut-first", 1, 0),
        ("throttle", 2, 1),
    ] {
        for stream in [false, true] {
            let entries = [agent("agent", "a1", fault), entry("m", "m1", "", "")];
            // Whatever the operator says of retries.
            let rest = "router_settings: {num_retries: 1, disable_cooldowns: true, fallbacks: [{agent: [m]}], \
                 retry_policy: {InternalServerErrorRetries: 1}}\n";
            let gateway = gateway(&entries, rest).await;
            let answer = gateway.chat("agent", json!({"stream": stream})).await;
            let what = format!("{fault} {stream}: {}", answer.body);
            assert_eq!(sessions(&gateway).len(), sent, "{what}");
            assert_eq!(gateway.calls_of("m1"), elsewhere, "{what}");
            assert_eq!(answer.status == 200, elsewhere == 1, "{what}");
        }
    }
}

#[tokio::test]
async fn an_agent_that_nobody_reached_has_fallbacks() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let unreached = agent("agent", "a1", "").replace("$URL", &nobody);
    let rest =
        "router_settings: {num_retries: 0, disable_cooldowns: true, fallbacks: [{agent: [m]}]}\n";
    let entries = [unreached, entry("m", "m1", "", "")];
    let gateway = gateway(&entries, rest).await;
    let answer = gateway.chat("agent", json!({})).await;
    assert_eq!(
        (answer.status, gateway.calls_of("m1")),
        (200, 1),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn nothing_is_tried_behind_an_agent_that_may_have_acted() {
    let entries = [
        entry("m", "m1", "error503", ""),
        agent("agent", "a1", "error500"),
        entry("last", "l1", "", ""),
    ];
    let rest = "router_settings: {num_retries: 0, disable_cooldowns: true, fallbacks: [{m: [agent, last]}]}\n";
    let gateway = gateway(&entries, rest).await;
    let answer = gateway.chat("m", json!({})).await;
    assert!(answer.status >= 500, "{}", answer.body);
    assert_eq!((sessions(&gateway).len(), gateway.calls_of("l1")), (1, 0));
}

#[tokio::test]
async fn an_agent_that_is_slow_is_not_hedged() {
    let entries = [agent("agent", "a1", ""), agent("agent", "a2", "")];
    let rest = "router_settings: {num_retries: 0, hedge_after: 0.01}\n";
    let gateway = gateway(&entries, rest).await;
    let messages: Value = json!([{"role": "user", "content": "hi [[sim:slow-start=150]]"}]);
    let answer = gateway.chat("agent", json!({"messages": messages})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(sessions(&gateway).len(), 1);
}
