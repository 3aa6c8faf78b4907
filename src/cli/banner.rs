//! What is printed at the start: where, how much, and what to look at.

use std::net::SocketAddr;

use super::check::no_deployment;
use super::{count, exposure};
use crate::config::Findings;
use crate::state::Snapshot;

/// What the banner says beside the snapshot.
#[derive(Debug)]
pub(super) struct Banner<'a> {
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Whether it speaks TLS.
    pub(super) tls: bool,
    /// The simulator's base URL under `--simulate`.
    pub(super) simulator: Option<&'a str>,
    /// Warnings beside those of the configuration.
    pub(super) warnings: &'a [String],
}

impl Banner<'_> {
    /// Writes the banner.
    pub(super) fn text(&self, snapshot: &Snapshot) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let groups = snapshot.router.groups().len();
        let deployments = snapshot.router.deployments_total();
        let mut lines = vec![
            format!("Switchyard {}", super::VERSION),
            format!("  listening on {scheme}://{}", self.address),
            format!(
                "  serving {} over {}",
                count(groups, "model group"),
                count(deployments, "deployment")
            ),
        ];
        if let Some(simulator) = self.simulator {
            lines.push(format!(
                "  simulator on {simulator}: answers are made up, AWS is not called"
            ));
        }
        if snapshot.config.router.redis.is_some() {
            lines.push("  limits, cooldowns and spend are shared through Redis".to_owned());
        }
        lines.push(
            "  operate: GET /metrics, GET /router/state, POST /config/reload (the file is watched, too)"
                .to_owned(),
        );
        lines.push(
            "  docs: GET / on this address, README.md and docs/ in the repository".to_owned(),
        );
        // What is weak about the master key is said below, in view of the address.
        let mut findings = Findings(snapshot.config.warnings.clone());
        let later = snapshot.router.warnings().iter().cloned();
        let nothing = (deployments == 0).then(|| no_deployment(&snapshot.config));
        findings.merge(later.chain(nothing), &snapshot.config.files);
        let mut warnings: Vec<String> = findings
            .0
            .iter()
            .filter(|finding| !exposure::is_about_it(finding))
            .map(ToString::to_string)
            .collect();
        warnings.extend(self.warnings.iter().map(|text| format!("warning: {text}")));
        if !warnings.is_empty() {
            lines.push(format!("  {}:", count(warnings.len(), "warning")));
            lines.extend(warnings.into_iter().map(|warning| format!("    {warning}")));
        }
        lines.join("\n")
    }
}
