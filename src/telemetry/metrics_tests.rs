//! Series come with the first event and go with their owner; every metric of the table can be made and is named.

use std::time::Duration;

use super::*;
use crate::error::{Error, ErrorKind};
use crate::telemetry::events;
use crate::telemetry::levels::{DeploymentLevels, DeploymentState, GroupLevels};

fn key(id: &str) -> DeploymentKey {
    DeploymentKey {
        group: "m".to_owned(),
        id: id.to_owned(),
        model: "bedrock/nova".to_owned(),
    }
}

fn has(text: &str, line: &str) -> bool {
    text.lines().any(|found| found == line)
}

#[test]
fn every_metric_is_named_even_when_nothing_happened() {
    let text = Metrics::new().text(&Levels::default());
    for metric in METRICS {
        let line = format!("# TYPE {} {}", metric.name, metric.kind.name());
        assert!(has(&text, &line), "{line}");
        assert_eq!(text.matches(&line).count(), 1, "{line}");
    }
}

#[test]
fn attempts_are_counted_by_outcome() {
    let metrics = Metrics::new();
    let deployment = metrics.deployment(&key("one"));
    let error = Error::new(ErrorKind::Throttled, "slow down");
    events::attempt_finished(&deployment, Ok(()), Duration::from_millis(30));
    events::attempt_finished(&deployment, Ok(()), Duration::from_millis(30));
    events::attempt_finished(&deployment, Err(&error), Duration::from_millis(1));
    let text = metrics.text(&Levels::default());
    for line in [
        "switchyard_attempts_total{model_group=\"m\",model_id=\"one\",outcome=\"ok\"} 2",
        "switchyard_attempts_total{model_group=\"m\",model_id=\"one\",outcome=\"throttled\"} 1",
        "litellm_deployment_total_requests_total{api_provider=\"bedrock\",litellm_model_name=\"bedrock/nova\",model_id=\"one\",requested_model=\"m\"} 3",
        "litellm_deployment_failure_responses_total{api_provider=\"bedrock\",exception_class=\"throttled\",exception_status=\"429\",litellm_model_name=\"bedrock/nova\",model_id=\"one\",requested_model=\"m\"} 1",
        "litellm_llm_api_latency_metric_bucket{api_provider=\"bedrock\",model=\"bedrock/nova\",model_id=\"one\",requested_model=\"m\",le=\"0.05\"} 2",
    ] {
        assert!(has(&text, line), "{line}\n{text}");
    }
}

#[test]
fn handle_is_the_same_for_the_same_owner_and_its_series_go_with_the_last() {
    let metrics = Metrics::new();
    let first = metrics.deployment(&key("one"));
    let second = metrics.deployment(&key("one"));
    assert!(Arc::ptr_eq(&first, &second));
    events::attempt_finished(&first, Ok(()), Duration::ZERO);
    events::retry_made(&first.group, ErrorKind::Timeout);
    drop(first);
    let name = "model_id=\"one\"";
    assert!(metrics.text(&Levels::default()).contains(name));
    drop(second);
    let text = metrics.text(&Levels::default());
    assert!(
        !text.contains(name) && !text.contains("model_group=\"m\""),
        "{text}"
    );
    let again = metrics.deployment(&key("one"));
    events::attempt_finished(&again, Ok(()), Duration::ZERO);
    let line = "switchyard_attempts_total{model_group=\"m\",model_id=\"one\",outcome=\"ok\"} 1";
    assert!(has(&metrics.text(&Levels::default()), line));
}

#[test]
fn series_of_one_owner_are_bounded() {
    let metrics = Metrics::new();
    let group = metrics.group("m");
    for target in 0..1000 {
        events::fallback_made(&group, &target.to_string(), ErrorKind::Timeout);
    }
    let text = metrics.text(&Levels::default());
    assert_eq!(text.matches("switchyard_fallbacks_total{").count(), 256);
}

#[test]
fn levels_are_written_as_gauges() {
    let levels = Levels {
        groups: vec![GroupLevels {
            name: "m".to_owned(),
            in_flight: 3,
            queued: 1,
            retry_tokens: Some(486.5),
        }],
        deployments: vec![DeploymentLevels {
            id: "one".to_owned(),
            model: "bedrock/nova".to_owned(),
            state: DeploymentState::Outage,
            rpm: Some(60),
            tpm: None,
        }],
        config_hash: "abc".to_owned(),
        last_reload_successful: true,
        store_up: Some(false),
    };
    let text = Metrics::new().text(&levels);
    for line in [
        "switchyard_inflight{model_group=\"m\"} 3",
        "switchyard_queued{model_group=\"m\"} 1",
        "switchyard_retry_budget_tokens{model_group=\"m\"} 486.5",
        "litellm_deployment_state{api_provider=\"bedrock\",litellm_model_name=\"bedrock/nova\",model_id=\"one\"} 2",
        "litellm_deployment_rpm_limit{api_provider=\"bedrock\",litellm_model_name=\"bedrock/nova\",model_id=\"one\"} 60",
        "switchyard_config_info{hash=\"abc\"} 1",
        "switchyard_config_last_reload_successful 1",
        "switchyard_store_up 0",
    ] {
        assert!(has(&text, line), "{line}\n{text}");
    }
    assert!(!text.contains("litellm_deployment_tpm_limit{"));
}
