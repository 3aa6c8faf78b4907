//! `switchyard check`: everything that is wrong with a configuration, without serving it.

use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use tokio_util::task::TaskTracker;

use super::{count, exposure, say};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{self, Config, Environment, Finding, Findings, Severity};
use crate::router::Router;
use crate::telemetry::metrics::Metrics;
use crate::upstream::{CredentialStore, Upstream, UpstreamOptions};

/// Prints everything that is wrong with `file`, served on `host` where that is known. Exit status 1 if any of it is an error.
pub(super) fn check(file: &Path, host: Option<IpAddr>, as_json: bool) -> ExitCode {
    let (deployments_total, findings) = inspect(file, host, Environment::of_process());
    let is_usable = !findings.has_errors();
    if as_json {
        say(&config::to_json(&findings).to_string());
    } else {
        if !findings.0.is_empty() {
            say(&findings.to_string());
        }
        if is_usable {
            let total = count(deployments_total, "deployment");
            say(&format!("{}: ok, {total}", file.display()));
        }
    }
    if is_usable {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Counts the deployments that a file makes, and finds what is wrong with it: what the reader says, and what building the
/// deployments would say, even if the reader has said enough to refuse it.
fn inspect(file: &Path, host: Option<IpAddr>, environment: Environment) -> (usize, Findings) {
    let mut total = 0;
    let (mut config, mut findings) = config::inspect(file, environment);
    if let Some(config) = &mut config {
        config.warnings.clone_from(&findings.0);
        if let Some(refusal) = host.and_then(|host| exposure::refusal(config, host)) {
            // It says the same of another address.
            let is_said = |finding: &Finding| exposure::is_about_it(finding);
            findings
                .0
                .retain(|finding| !is_said(finding) || finding.severity == Severity::Error);
            findings.merge([refusal], &config.files);
        }
        match offline_router(config) {
            Ok(router) => {
                total = router.deployments_total();
                findings.merge(router.warnings().iter().cloned(), &config.files);
                let nothing = (total == 0 && !findings.has_errors()).then(|| no_deployment(config));
                findings.merge(nothing, &config.files);
            }
            Err(later) => findings.merge(later.0, &config.files),
        }
    }
    (total, findings)
}

/// What to say of a file that makes no deployment. Callers who bring credentials and name Bedrock's own ids need none.
pub(super) fn no_deployment(config: &Config) -> Finding {
    Finding {
        file: config
            .files
            .first()
            .map(|file| file.display().to_string())
            .unwrap_or_default(),
        line: 1,
        column: 1,
        severity: Severity::Warning,
        key: "model_list".to_owned(),
        message: "no deployment: nothing can be served under a name".to_owned(),
        hint: Some(
            "add entries with `model_name` and `litellm_params` to `model_list:`".to_owned(),
        ),
    }
}

/// Builds the router of a configuration as serving it would; nothing is sent, no credentials are fetched.
///
/// # Errors
///
/// What is wrong with the deployments.
pub(super) fn offline_router(config: &Config) -> Result<Router, Findings> {
    let clock: SharedClock = Arc::new(SystemClock);
    let Ok(upstream) = Upstream::new(UpstreamOptions::default(), clock) else {
        // Without a client there is nothing to say about deployments.
        return Ok(Router::default());
    };
    let credentials = CredentialStore::new(Arc::new(upstream), TaskTracker::new());
    Router::build(config, &credentials, &Metrics::new(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> String {
        found_on(None, text)
    }

    fn found_on(host: Option<&str>, text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.yaml");
        std::fs::write(&file, text).unwrap();
        let host = host.map(|host| host.parse().unwrap());
        let (_, findings) = inspect(&file, host, Environment::default());
        findings
            .to_string()
            .replace(&file.display().to_string(), "c.yaml")
    }

    #[test]
    fn deployments_that_cannot_answer_are_warned_about_each() {
        let text = found(
            "model_list:
  - model_name: \"*\"
    litellm_params: {model: bedrock/*}
  - model_name: nova/*
    litellm_params: {model: bedrock/us.amazon.nova-pro-v1:0}
  - model_name: embed
    litellm_params:
      model: bedrock/amazon.titan-embed-text-v2:0
  - model_name: old
    litellm_params: {model: bedrock/agentcore/RUNTIME}
general_settings: {master_key: a-long-random-key}
",
        );
        assert_eq!(
            text,
            "c.yaml:10:29: warning: model_list[3].litellm_params.model: not served here: `agentcore/`, whose runtimes have an API of their own each; `agent/` is for agents of Bedrock"
        );
    }

    #[test]
    fn address_that_would_open_the_server_is_an_error_where_it_is_known() {
        const MODEL: &str = "model_list: [{model_name: a, litellm_params: {model: bedrock/us.amazon.nova-pro-v1:0}}]\n";
        for (settings, said) in [
            (
                "",
                "c.yaml:1:1: error: general_settings.master_key: no master key is set, and the server listens on 0.0.0.0",
            ),
            (
                "general_settings: {master_key: os.environ/UNSET}\n",
                "c.yaml:2:32: error: general_settings.master_key: no master key is set: `general_settings.master_key` refers to UNSET",
            ),
            (
                "virtual_keys: [{key: sk-one}]\n",
                "c.yaml:1:1: error: general_settings.master_key: no master key is set; calls need one of the `virtual_keys`",
            ),
        ] {
            let text = format!("{MODEL}{settings}");
            let found = found_on(Some("0.0.0.0"), &text);
            assert!(found.starts_with(said) && !found.contains('\n'), "{found}");
            for host in [None, Some("127.0.0.1")] {
                let found = found_on(host, &text);
                assert!(
                    found.contains("warning: general_settings.master_key"),
                    "{found}"
                );
                assert!(!found.contains("error"), "{found}");
            }
        }
        let guarded = found(&format!("{MODEL}virtual_keys: [{{key: sk-one}}]\n"));
        assert!(
            guarded.contains("not set: calls need one of the `virtual_keys`, there is no administrator, and the server listens on 127.0.0.1 only"),
            "{guarded}"
        );
    }

    #[test]
    fn entry_that_lacks_its_variable_is_left_out() {
        let text = found(
            "model_list:
  - model_name: b
    litellm_params: {model: bedrock/converse_like/mine, api_base: os.environ/NOT_SET}
general_settings: {master_key: a-long-random-key}
",
        );
        let last = text.lines().last().unwrap_or_default();
        assert_eq!(
            last,
            "c.yaml:3:67: warning: model_list[0].litellm_params.api_base: its variable is not set; the entry is left out"
        );
    }

    #[test]
    fn what_only_building_finds_is_found_beside_the_rest_all_at_once() {
        let text = found(
            "model_list:
  - model_name: a
    litellm_params:
      model: bedrock/us.amazon.nova-pro-v1:0
      aws_region_name: us east 1
  - model_name: b
    litellm_params: {model: bedrock/converse_like/mine}
  - model_name: c
    litellm_params: {model: bedrock/converse/}
router_settings: {routing_strategy: best}
general_settings: {master_key: a-long-random-key}
",
        );
        assert_eq!(
            text,
            "c.yaml:5:24: error: model_list[0].litellm_params.aws_region_name: `us east 1` is no AWS region
c.yaml:6:5: error: model_list[1].litellm_params.api_base: a converse_like deployment needs `api_base`: the address to post to
c.yaml:9:29: error: model_list[2].litellm_params.model: the model string names no model
c.yaml:10:37: error: router_settings.routing_strategy: `best` is not one of the values that may stand here; \
one of `simple-shuffle`, `least-busy`, `latency-based-routing`, `cost-based-routing`, `usage-based-routing`, \
`usage-based-routing-v2`, `provider-budget-routing`, `lar1`, `p2c`"
        );
    }
}
