//! What is said of a reload, by configurations that differ in one way each.

use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use tokio_util::task::TaskTracker;

use super::*;
use crate::clock::{ManualClock, SharedClock};
use crate::config::{Environment, Overrides, load_bytes};
use crate::state::Parts;
use crate::upstream::{CredentialStore, Upstream, UpstreamOptions};

fn parts() -> Parts {
    let clock: SharedClock = Arc::new(ManualClock::at(UNIX_EPOCH));
    let upstream = Upstream::new(UpstreamOptions::default(), Arc::clone(&clock)).unwrap();
    let upstream = Arc::new(upstream);
    let credentials = CredentialStore::new(Arc::clone(&upstream), TaskTracker::new());
    Parts::new(upstream, Arc::new(credentials), clock)
}

fn snapshot(text: &str, variables: &[(&str, &str)], parts: &Parts) -> Snapshot {
    let environment: Environment = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let path = Path::new("config.yaml");
    let overrides = Overrides::default();
    let config = load_bytes(path, text.as_bytes(), environment, &overrides).unwrap();
    Snapshot::build(config, None, None, parts).unwrap()
}

fn entry(name: &str, params: &str) -> String {
    format!(
        "  - model_name: {name}\n    litellm_params: {{model: bedrock/amazon.nova-lite-v1:0, aws_region_name: us-east-1{params}}}\n"
    )
}

fn compared(old: &str, new: &str) -> Difference {
    let parts = parts();
    let old = snapshot(old, &[], &parts);
    let new = snapshot(new, &[], &parts);
    difference(&old, &new, &old.config.settings)
}

#[test]
fn tuning_keeps_the_id_and_names_the_keys() {
    let old = format!("model_list:\n{}{}", entry("a", ", rpm: 1"), entry("b", ""));
    let new = format!(
        "model_list:\n{}{}",
        entry("a", ", rpm: 2, weight: 1"),
        entry("b", "")
    );
    let found = compared(&old, &new);
    let [changed] = found.changed.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!((changed.group.as_str(), changed.id.len()), ("a", 32));
    assert_eq!(changed.keys, ["rpm", "weight"]);
    assert!(found.added.is_empty() && found.removed.is_empty());
}

#[test]
fn another_model_is_another_deployment() {
    let old = format!("model_list:\n{}", entry("a", ""));
    let found = compared(&old, &old.replace("nova-lite", "nova-pro"));
    assert_eq!((found.added.len(), found.removed.len()), (1, 1));
    assert_eq!(found.added[0].group, "a");
    assert_ne!(found.added[0].id, found.removed[0].id);
    assert!(found.changed.is_empty());
}

#[test]
fn rotated_secret_is_a_changed_key_without_its_value() {
    let text = format!(
        "model_list:\n{}",
        entry(
            "a",
            ", aws_access_key_id: AKID, aws_secret_access_key: os.environ/KEY"
        )
    );
    let parts = parts();
    let old = snapshot(&text, &[("KEY", "first-secret")], &parts);
    let new = snapshot(&text, &[("KEY", "second-secret")], &parts);
    let found = difference(&old, &new, &old.config.settings);
    assert_eq!(found.changed[0].keys, ["aws_secret_access_key"]);
    assert!(!serde_json::to_string(&found).unwrap().contains("-secret"));
    assert_eq!(
        old.router.groups()[0].deployments[0].id,
        found.changed[0].id
    );
}

#[test]
fn what_is_read_at_the_start_needs_another_one_until_it_is_as_it_was() {
    let parts = parts();
    let first = snapshot("router_settings: {num_retries: 1}\n", &[], &parts);
    let text = "router_settings: {num_retries: 2, redis_host: a, redis_port: 1}\nlitellm_settings: {json_logs: true}\n";
    let second = snapshot(text, &[], &parts);
    let at_start = &first.config.settings;
    let found = difference(&first, &second, at_start);
    assert_eq!(found.settings_changed, ["router_settings.num_retries"]);
    let keys = [
        "litellm_settings.json_logs",
        "router_settings.redis_host",
        "router_settings.redis_port",
    ];
    assert_eq!(found.needs_restart, keys);
    let third = snapshot(
        &text.replace("num_retries: 2", "num_retries: 3"),
        &[],
        &parts,
    );
    let found = difference(&second, &third, at_start);
    assert_eq!(found.settings_changed, ["router_settings.num_retries"]);
    assert_eq!(found.needs_restart, keys, "it still does");
    let fourth = difference(&third, &first, at_start);
    assert!(fourth.needs_restart.is_empty());
}
