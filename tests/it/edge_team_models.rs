//! Models of teams: `team_public_model_name` is what the team's keys call their own deployments by, and nobody else's name.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::entry::{Entry, serving, timed};
use crate::support::{Answer, Gateway};

const MASTER: &str = "sk-master-and-long-enough";
const RED: &str = "sk-red-and-long-enough";
const BLUE: &str = "sk-blue-and-long-enough";
const NONE: &str = "sk-none-and-long-enough";

const KEYS: &str = "general_settings: {master_key: sk-master-and-long-enough}\nvirtual_keys:\n  \
    - {key: sk-red-and-long-enough, team_id: red}\n  - {key: sk-blue-and-long-enough, team_id: blue}\n  \
    - {key: sk-none-and-long-enough}\n";

fn of<'a>(name: &'a str, id: &'a str, info: &'a str) -> Entry<'a> {
    Entry::of(name, id).info(info)
}

/// `claude` for everyone and one of each team's own; `nova` of one team alone.
async fn teams(rest: &str) -> Gateway {
    let entries = [
        of("claude", "all", ""),
        of(
            "claude-red",
            "red1",
            ", team_id: red, team_public_model_name: claude",
        ),
        of(
            "claude-blue",
            "blue1",
            ", team_id: blue, team_public_model_name: claude",
        ),
        of(
            "nova-red",
            "red2",
            ", team_id: red, team_public_model_name: nova",
        ),
        of("x", "red3", ", team_id: red, team_public_model_name: both"),
        of(
            "y",
            "blue3",
            ", team_id: blue, team_public_model_name: both",
        ),
    ];
    serving(&entries, &format!("{KEYS}{rest}")).await
}

async fn ask(gateway: &Gateway, key: &str, model: &str) -> Answer {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
    let key = format!("Bearer {key}");
    gateway.post(&body, &[("authorization", &key)]).await
}

/// Who answers, or the status of the error.
async fn served(gateway: &Gateway, key: &str, model: &str) -> String {
    let answer = ask(gateway, key, model).await;
    if answer.status != 200 {
        return answer.status.to_string();
    }
    assert_eq!(answer.json()["model"], model);
    assert_eq!(answer.header("x-litellm-model-group"), model);
    answer.header("x-litellm-model-id").to_owned()
}

async fn listed(gateway: &Gateway, key: &str) -> Vec<String> {
    let answer = gateway.call(Method::GET, "/v1/models", Some(key)).await;
    let list = answer.json();
    let names = list["data"].as_array().unwrap().iter();
    names
        .map(|model| model["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn teams_mean_their_own_deployments_by_a_name_that_others_have_too() {
    let gateway = teams("").await;
    for (key, model, id) in [
        (RED, "claude", "red1"),
        (BLUE, "claude", "blue1"),
        (NONE, "claude", "all"),
        (MASTER, "claude", "all"),
        (RED, "nova", "red2"),
        (BLUE, "nova", "400"),
        (NONE, "nova", "400"),
        // Only one team can be meant.
        (MASTER, "nova", "red2"),
        (RED, "both", "red3"),
        (MASTER, "both", "400"),
        // Neither the group nor the id leads another team there.
        (RED, "nova-red", "red2"),
        (BLUE, "nova-red", "400"),
        (BLUE, "red2", "400"),
        (NONE, "red2", "400"),
    ] {
        assert_eq!(served(&gateway, key, model).await, id, "{key} {model}");
    }
    let answer = ask(&gateway, MASTER, "both").await;
    let error: Value = answer.json()["error"].clone();
    assert_eq!(
        (&error["type"], &error["param"]),
        (&json!("invalid_request_error"), &json!("model"))
    );
}

#[tokio::test]
async fn models_of_a_team_are_listed_for_its_keys() {
    let gateway = teams("").await;
    assert_eq!(listed(&gateway, RED).await, ["claude", "both", "nova"]);
    assert_eq!(listed(&gateway, BLUE).await, ["claude", "both"]);
    assert_eq!(listed(&gateway, NONE).await, ["claude"]);
    let all = listed(&gateway, MASTER).await;
    assert!(all.contains(&"nova".to_owned()) && all.contains(&"nova-red".to_owned()));
    for (key, model, status) in [
        (RED, "nova", 200),
        (BLUE, "nova", 404),
        (BLUE, "nova-red", 404),
        (NONE, "red2", 404),
        (MASTER, "nova", 200),
    ] {
        let path = format!("/v1/models/{model}");
        let answer = gateway.call(Method::GET, &path, Some(key)).await;
        assert_eq!(answer.status, status, "{key} {model}");
    }
}

#[tokio::test]
async fn kept_answer_of_one_team_is_not_given_to_another() {
    let cache = "litellm_settings: {cache: true, cache_params: {type: local}}\n";
    let gateway = teams(cache).await;
    for (key, hit) in [
        (RED, "false"),
        (BLUE, "false"),
        (NONE, "false"),
        (RED, "true"),
    ] {
        let answer = ask(&gateway, key, "claude").await;
        assert_eq!(answer.header("x-litellm-cache-hit"), hit, "{key}");
    }
}

#[tokio::test]
async fn fallbacks_lists_of_keys_and_aliases_go_by_the_names_of_the_team() {
    let broken = [
        of("m", "m1", "").fault("error500"),
        of("claude", "all", ""),
        of(
            "claude-red",
            "red1",
            ", team_id: red, team_public_model_name: claude",
        ),
    ];
    let rest = format!(
        "{KEYS}  - {{key: sk-some-and-long-enough, team_id: red, models: [claude]}}\n\
         router_settings: {{num_retries: 0, fallbacks: [{{m: [claude]}}], model_group_alias: {{ali: claude}}}}\n"
    );
    let gateway = serving(&broken, &rest).await;
    for (key, id) in [(RED, "red1"), (BLUE, "all")] {
        for model in ["m", "ali"] {
            let answer = ask(&gateway, key, model).await;
            let served = answer.header("x-litellm-model-id");
            assert_eq!((answer.status, served), (200, id), "{model}");
        }
    }
    let some = "sk-some-and-long-enough";
    assert_eq!(served(&gateway, some, "claude").await, "red1");
    assert_eq!(served(&gateway, some, "claude-red").await, "403");
}

/// Where there are keys, who comes without one by a public path has no team's models, by no name.
#[tokio::test]
async fn who_needs_no_key_is_of_no_team() {
    let keys = KEYS.replace(
        "{master_key: sk-master-and-long-enough}",
        "{master_key: sk-master-and-long-enough, public_routes: [/v1/models, /v1/chat/completions]}",
    );
    let entries = [
        of("m", "m1", ""),
        of("x", "red1", ", team_id: red, team_public_model_name: nova"),
        of("plain", "red2", ", team_id: red"),
    ];
    let gateway = serving(&entries, &keys).await;
    let list = gateway.call(Method::GET, "/v1/models", None).await;
    assert!(
        list.body.contains("\"m\"")
            && !["nova", "plain", "\"x\""]
                .iter()
                .any(|name| list.body.contains(name)),
        "{}",
        list.body
    );
    for (model, status) in [
        ("m", 200),
        ("nova", 400),
        ("x", 400),
        ("red1", 400),
        ("plain", 400),
    ] {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
        let answer = gateway.post_to("/v1/chat/completions", &body, &[]).await;
        assert_eq!(answer.status, status, "{model}: {}", answer.body);
    }
    assert_eq!(gateway.simulator.calls_total(), 1);
}

/// By a group's name, a deployment's id and a model's text all teams mean the same, but not all of it is for each of them.
#[tokio::test]
async fn kept_answer_of_a_teams_deployment_is_its_own_by_every_name() {
    let cache = "litellm_settings: {cache: true, cache_params: {type: local}}\n\
                 router_settings: {num_retries: 0, fallbacks: [{broken: [nova]}]}\n";
    let text = "bedrock/converse/us.amazon.nova-pro-v1:0";
    let entries = [
        of("nova", "red1", ", team_id: red").model(text),
        of("m", "m1", ""),
        of("broken", "b1", "").fault("error500"),
    ];
    let gateway = serving(&entries, &format!("{KEYS}{cache}")).await;
    for (model, content) in [
        ("nova", "one"),
        ("red1", "two"),
        (text, "three"),
        ("broken", "four"),
    ] {
        for extra in [json!({}), json!({"cache": {"key": content}})] {
            let ask = async |key: &str| {
                let mut body =
                    json!({"model": model, "messages": [{"role": "user", "content": content}]});
                body.as_object_mut()
                    .unwrap()
                    .extend(extra.as_object().unwrap().clone());
                let key = format!("Bearer {key}");
                gateway.post(&body, &[("authorization", &key)]).await
            };
            let first = ask(RED).await;
            assert_eq!(first.status, 200, "{model}: {}", first.body);
            for key in [BLUE, NONE, MASTER] {
                let other = ask(key).await;
                assert_ne!(other.status, 200, "{model} {key}: {}", other.body);
            }
            // A fallback's is kept for nobody: others come to the same model by that name.
            let hit = (model != "broken").to_string();
            assert_eq!(ask(RED).await.header("x-litellm-cache-hit"), hit, "{model}");
        }
    }
    // What is everyone's is kept for all.
    for (key, hit) in [(RED, "false"), (BLUE, "true")] {
        assert_eq!(
            ask(&gateway, key, "m").await.header("x-litellm-cache-hit"),
            hit
        );
    }
}

#[tokio::test]
async fn default_limit_of_a_teams_own_model_is_that_teams() {
    let entries = [
        of("claude", "all", ""),
        of(
            "claude-red",
            "red1",
            ", team_id: red, team_public_model_name: claude",
        )
        .params(", default_api_key_rpm_limit: 1"),
        of(
            "claude-blue",
            "blue1",
            ", team_id: blue, team_public_model_name: claude",
        )
        .params(", default_api_key_rpm_limit: 2"),
    ];
    let rest = format!(
        "{KEYS}  - {{key: sk-more-and-long-enough, team_id: red, model_rpm_limit: {{claude: 3}}}}\n"
    );
    let (gateway, _clock) = timed(&entries, &rest).await;
    for (key, most) in [(RED, 1), (BLUE, 2), ("sk-more-and-long-enough", 3)] {
        for _ in 0..most {
            assert_eq!(ask(&gateway, key, "claude").await.status, 200, "{key}");
        }
        assert_eq!(ask(&gateway, key, "claude").await.status, 429, "{key}");
    }
    for _ in 0..4 {
        assert_eq!(ask(&gateway, NONE, "claude").await.status, 200);
    }
}
