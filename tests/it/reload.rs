//! Reload: by the endpoint, by what happens to the files, and what callers see of it: nothing, until it is in force.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use switchyard::simulator::{ACCESS_KEY_ID, Options, SECRET_ACCESS_KEY, Simulator};
use switchyard::state::{Outcome, Trigger};

use crate::support::{Answer, Gateway};

/// An entry for the group `m`.
fn entry(id: &str, url: &str, more: &str) -> String {
    format!(
        "  - model_name: m\n    litellm_params: {{model: bedrock/converse/anthropic.claude-3-5-sonnet-20240620-v1:0, \
         aws_access_key_id: {ACCESS_KEY_ID}, aws_secret_access_key: {SECRET_ACCESS_KEY}, aws_region_name: us-west-2, \
         aws_bedrock_runtime_endpoint: '{url}'{more}}}\n    model_info: {{id: {id}}}\n"
    )
}

fn config(entries: &[String], rest: &str) -> String {
    format!("model_list:\n{}{rest}", entries.concat())
}

fn one(url: &str, id: &str) -> String {
    config(&[entry(id, url, "")], "")
}

async fn reload(gateway: &Gateway) -> Answer {
    gateway.call(Method::POST, "/config/reload", None).await
}

async fn readiness(gateway: &Gateway) -> Value {
    let path = "/health/readiness/details";
    gateway.call(Method::GET, path, None).await.json()
}

fn ids(gateway: &Gateway) -> Vec<String> {
    let snapshot = gateway.app.live.load();
    let groups = snapshot.router.groups();
    groups
        .iter()
        .flat_map(|group| &group.deployments)
        .map(|deployment| deployment.id.clone())
        .collect()
}

/// Asks until it holds: what files do is told by the machine, in its own time.
async fn eventually(gateway: &Gateway, what: &str, holds: impl Fn(&Value) -> bool) {
    let asking = async { while !holds(&readiness(gateway).await) {} };
    let limit = Duration::from_secs(20);
    let answer = tokio::time::timeout(limit, asking).await;
    assert!(answer.is_ok(), "{what}: {}", readiness(gateway).await);
}

async fn eventually_serves(gateway: &Gateway, id: &str) {
    let live = &gateway.app.live;
    let serves = |_: &Value| live.load().router.deployment(id).is_some();
    eventually(gateway, id, serves).await;
}

fn replace(path: &Path, text: &str) {
    let other = path.with_extension("new");
    fs::write(&other, text).unwrap();
    fs::rename(other, path).unwrap();
}

#[tokio::test]
async fn endpoint_answers_what_changed_when_it_is_in_effect() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let url = simulator.url();
    let first = config(
        &[entry("stays", &url, ", rpm: 5"), entry("goes", &url, "")],
        "router_settings: {num_retries: 1}\n",
    );
    fs::write(&path, first).unwrap();
    let gateway = Gateway::from_file_unwatched(&path, simulator).await;
    let old_hash = gateway.app.live.load().config.hash.clone();
    let same = reload(&gateway).await;
    let nothing = json!({"result": "unchanged", "generation": 1, "config_hash": old_hash, "added": [], "removed": [], "changed": [],
        "settings_changed": [], "needs_restart": [], "warnings": same.json()["warnings"]});
    assert_eq!((same.status, same.json()), (200, nothing));
    let second = config(
        &[
            entry("stays", &url, ", rpm: 6, weight: 2"),
            entry("comes", &url, ""),
        ],
        "router_settings: {num_retries: 2, redis_host: elsewhere}\n",
    );
    fs::write(&path, second).unwrap();
    let reloader = gateway.app.reloader.as_ref().unwrap();
    let answer = reload(&gateway).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = answer.json();
    assert_eq!(body["result"], "applied");
    assert_eq!(body["generation"], 2);
    assert_ne!(body["config_hash"], old_hash);
    assert_eq!(body["added"], json!([{"id": "comes", "group": "m"}]));
    assert_eq!(body["removed"], json!([{"id": "goes", "group": "m"}]));
    let keys = json!([{"id": "stays", "group": "m", "keys": ["rpm", "weight"]}]);
    assert_eq!(body["changed"], keys);
    let settings = json!(["router_settings.num_retries"]);
    assert_eq!(body["settings_changed"], settings);
    assert_eq!(body["needs_restart"], json!(["router_settings.redis_host"]));
    assert_eq!(ids(&gateway), ["stays", "comes"]);
    let again = reloader.reload(Trigger::Signal).await;
    assert!(matches!(again, Some(Outcome::Unchanged(report)) if report.generation == 2));
}

#[tokio::test]
async fn bad_file_changes_nothing_and_is_told_until_it_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let gateway = Gateway::from_file(&path, |url| one(url, "one")).await;
    let good = fs::read_to_string(&path).unwrap();
    for bad in [
        "model_list: [",
        "",
        "model_list: 5\n",
        "model_list:\n  - litellm_params: {}\n",
    ] {
        fs::write(&path, bad).unwrap();
        let answer = reload(&gateway).await;
        assert_eq!(answer.status, 400, "{bad}");
        let body = answer.json();
        assert_eq!(body["error"]["type"], "invalid_config", "{bad}");
        assert!(body["error"]["message"].is_string() && body["error"]["code"] == "400");
        let findings = body["findings"].as_array().unwrap();
        let is_error = |finding: &&Value| finding["severity"] == "error";
        let error = findings.iter().find(is_error).unwrap();
        assert!(error["line"].is_u64(), "{bad}");
        assert_eq!(gateway.ask("hello", false).await.status, 200);
    }
    let status = readiness(&gateway).await;
    assert_eq!(status["status"], "healthy");
    assert_eq!(status["config"]["status"], "rejected");
    assert_eq!(status["config"]["generation"], 1);
    assert!(status["config"]["rejected_at"].is_string());
    assert!(status["config"]["problems"].as_u64().unwrap() > 0);
    assert!(status["findings"].to_string().contains("\"error\""));
    let public = gateway.call(Method::GET, "/health/readiness", None).await;
    assert_eq!(public.status, 200);
    assert!(public.json().get("findings").is_none());
    let metrics = gateway.call(Method::GET, "/metrics", None).await.body;
    assert!(metrics.contains("switchyard_config_last_reload_successful 0"));
    fs::write(&path, good).unwrap();
    assert_eq!(reload(&gateway).await.json()["result"], "unchanged");
    let status = readiness(&gateway).await;
    assert_eq!(status["config"]["status"], "ok");
    assert_eq!(status["config"]["rejected_at"], Value::Null);
    let metrics = gateway.call(Method::GET, "/metrics", None).await.body;
    assert!(metrics.contains("switchyard_config_last_reload_successful 1"));
}

#[tokio::test]
async fn file_that_is_written_or_replaced_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let gateway = Gateway::from_file(&path, |url| one(url, "one")).await;
    let url = gateway.simulator.url();
    fs::write(&path, one(&url, "two")).unwrap();
    eventually_serves(&gateway, "two").await;
    replace(&path, &one(&url, "three"));
    eventually_serves(&gateway, "three").await;
    // Once more: the file is another one now.
    replace(&path, &one(&url, "four"));
    eventually_serves(&gateway, "four").await;
    fs::write(&path, one(&url, "five")).unwrap();
    eventually_serves(&gateway, "five").await;
    assert_eq!(gateway.ask("hello", false).await.status, 200);
}

#[tokio::test]
async fn torn_and_deleted_files_keep_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    let path = home.join("config.yaml");
    let gateway = Gateway::from_file(&path, |url| one(url, "one")).await;
    let url = gateway.simulator.url();
    let whole = one(&url, "two");
    fs::write(&path, &whole.as_bytes()[..whole.len() / 2]).unwrap();
    eventually(&gateway, "the torn file is rejected", |status| {
        status["config"]["status"] == "rejected"
    })
    .await;
    assert_eq!(ids(&gateway), ["one"]);
    fs::write(&path, &whole).unwrap();
    eventually_serves(&gateway, "two").await;
    fs::remove_dir_all(&home).unwrap();
    eventually(&gateway, "the missing file is rejected", |status| {
        status["config"]["status"] == "rejected"
    })
    .await;
    assert_eq!(gateway.ask("hello", false).await.status, 200);
    fs::create_dir(&home).unwrap();
    fs::write(&path, one(&url, "three")).unwrap();
    eventually_serves(&gateway, "three").await;
    // The folder is another one now.
    fs::write(&path, one(&url, "four")).unwrap();
    eventually_serves(&gateway, "four").await;
}

#[cfg(unix)]
#[tokio::test]
async fn swapped_link_of_a_mounted_volume_is_followed() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let mount = folder.path();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let url = simulator.url();
    let publish = |name: &str| {
        fs::create_dir(mount.join(name)).unwrap();
        fs::write(mount.join(name).join("config.yaml"), one(&url, name)).unwrap();
        symlink(name, mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    publish("first");
    symlink("..data/config.yaml", mount.join("config.yaml")).unwrap();
    let gateway = Gateway::from_file_as_it_is(&mount.join("config.yaml"), simulator).await;
    for name in ["second", "third"] {
        publish(name);
        eventually_serves(&gateway, name).await;
    }
    fs::remove_dir_all(mount.join("first")).unwrap();
    publish("fourth");
    eventually_serves(&gateway, "fourth").await;
}

#[tokio::test]
async fn included_files_are_watched_wherever_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let parts = folder.path().join("parts");
    fs::create_dir(&parts).unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let url = simulator.url();
    fs::write(parts.join("models.yaml"), one(&url, "one")).unwrap();
    fs::write(&path, "include: [parts/models.yaml]\n").unwrap();
    let gateway = Gateway::from_file_as_it_is(&path, simulator).await;
    fs::write(parts.join("models.yaml"), one(&url, "two")).unwrap();
    eventually_serves(&gateway, "two").await;
    // An include that is missing is an error, until it comes.
    let others = folder.path().join("others");
    fs::create_dir(&others).unwrap();
    fs::write(others.join("more.yaml"), one(&url, "more")).unwrap();
    let both = "include: [parts/models.yaml, others/more.yaml]\n";
    replace(&path, both);
    eventually_serves(&gateway, "more").await;
    replace(&others.join("more.yaml"), &one(&url, "other"));
    eventually_serves(&gateway, "other").await;
}

#[tokio::test]
async fn call_under_way_ends_on_the_configuration_it_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let gateway = Gateway::from_file(&path, |url| one(url, "one")).await;
    let body = json!({"model": "m", "stream": true,
        "messages": [{"role": "user", "content": "[[sim:long=40]] [[sim:slow=10]]"}]});
    let request = gateway
        .client
        .post(format!("{}/v1/chat/completions", gateway.url))
        .header("content-type", "application/json")
        .body(body.to_string());
    let mut stream = request.send().await.unwrap();
    let mut text = stream.chunk().await.unwrap().unwrap().to_vec();
    let url = gateway.simulator.url();
    fs::write(&path, one(&url, "two")).unwrap();
    assert_eq!(reload(&gateway).await.status, 200);
    assert_eq!(ids(&gateway), ["two"]);
    let next = gateway.ask("hello", false).await;
    assert_eq!(next.header("x-litellm-model-id"), "two");
    while let Some(chunk) = stream.chunk().await.unwrap() {
        text.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(text).unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert_eq!(stream.headers()["x-litellm-model-id"], "one");
}

#[tokio::test]
async fn what_was_learned_stays_with_the_id_and_weights_count_from_the_next_pick() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let two = |url: &str, first: u32, second: u32| {
        config(
            &[
                entry("a", url, &format!(", weight: {first}")),
                entry("b", url, &format!(", weight: {second}")),
            ],
            "",
        )
    };
    let gateway = Gateway::from_file(&path, |url| two(url, 1, 0)).await;
    let runtime = || {
        let snapshot = gateway.app.live.load();
        let deployment = snapshot.router.deployment("a").unwrap();
        (
            Arc::clone(&deployment.runtime),
            Arc::clone(&deployment.metrics),
        )
    };
    let before = runtime();
    for _ in 0..5 {
        assert_eq!(
            gateway
                .ask("hello", false)
                .await
                .header("x-litellm-model-id"),
            "a"
        );
    }
    let url = gateway.simulator.url();
    fs::write(&path, two(&url, 0, 1)).unwrap();
    assert_eq!(reload(&gateway).await.status, 200);
    for _ in 0..5 {
        assert_eq!(
            gateway
                .ask("hello", false)
                .await
                .header("x-litellm-model-id"),
            "b"
        );
    }
    let after = runtime();
    assert!(Arc::ptr_eq(&before.0, &after.0) && Arc::ptr_eq(&before.1, &after.1));
}

#[tokio::test]
async fn calls_do_not_notice_a_thousand_reloads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let gateway = Arc::new(Gateway::from_file(&path, |url| one(url, "0")).await);
    let url = gateway.simulator.url();
    let asking = async {
        for place in 0..200 {
            let answer = gateway.ask("hello", place % 2 == 0).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    };
    let changing = async {
        let reloader = gateway.app.reloader.as_ref().unwrap();
        for place in 1..=1000 {
            let text = one(&url, &(place % 7).to_string());
            match place % 4 {
                0 => fs::write(&path, &text.as_bytes()[..text.len() / 2]).unwrap(),
                1 => fs::write(&path, text).unwrap(),
                2 => replace(&path, &text),
                _ => fs::write(&path, "model_list: [").unwrap(),
            }
            let outcome = reloader.reload(Trigger::Signal).await.unwrap();
            let is_bad = matches!(outcome, Outcome::Rejected(_));
            assert_eq!(is_bad, matches!(place % 4, 0 | 3), "{place}");
        }
    };
    tokio::join!(asking, changing);
}

#[tokio::test]
async fn a_virtual_key_administrates_only_what_its_routes_name() {
    let rest = "
general_settings: {master_key: sk-right-and-long-enough}
virtual_keys:
  - {key: sk-client}
  - {key: sk-dashboard, allowed_routes: [/router/state, /metrics]}
";
    let gateway = Gateway::start("", rest).await;
    for (method, path, of_dashboard) in [
        (Method::POST, "/config/reload", 403),
        (Method::GET, "/router/state", 200),
        (Method::GET, "/metrics", 200),
        (Method::GET, "/health/readiness/details", 403),
    ] {
        let client = gateway.call(method.clone(), path, Some("sk-client")).await;
        assert_eq!(client.status, 403, "{path}");
        let dashboard = gateway.call(method, path, Some("sk-dashboard")).await;
        assert_eq!(dashboard.status, of_dashboard, "{path}");
    }
}

#[tokio::test]
async fn administrators_endpoints_ask_for_the_key() {
    let rest = "general_settings: {master_key: sk-right-and-long-enough}\n";
    let gateway = Gateway::start("", rest).await;
    for (method, path) in [
        (Method::POST, "/config/reload"),
        (Method::GET, "/router/state"),
        (Method::GET, "/metrics"),
        (Method::GET, "/health/readiness/details"),
    ] {
        for key in [None, Some("sk-wrong")] {
            let answer = gateway.call(method.clone(), path, key).await;
            assert_eq!(answer.status, 401, "{path}");
            assert_eq!(answer.json()["error"]["type"], "auth_error", "{path}");
        }
    }
    let key = Some("sk-right-and-long-enough");
    let state = gateway.call(Method::GET, "/router/state", key).await;
    assert_eq!(state.status, 200);
    let state = state.json();
    let deployment = &state["groups"][0]["deployments"][0];
    assert_eq!(state["generation"], 1);
    assert_eq!(state["groups"][0]["name"], "m");
    assert_eq!(deployment["route"], "converse");
    assert_eq!(deployment["region"], "us-west-2");
    assert_eq!(deployment["cooldown"], Value::Null);
    assert!(!state.to_string().contains(SECRET_ACCESS_KEY));
    let details = gateway
        .call(Method::GET, "/health/readiness/details", key)
        .await;
    assert!(details.json()["findings"].is_array());
    let nothing = gateway.call(Method::POST, "/config/reload", key).await;
    assert_eq!(nothing.status, 400, "there is no file");
}
