//! Leaving a deployment out after failures: failure window → cooldown → probe.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::{CooldownSettings, DeploymentLimits};
use crate::error::{Error, ErrorKind};

/// What decides whether and for how long a deployment cools down.
#[derive(Debug, Clone, Copy)]
pub struct CooldownRules<'a> {
    /// The router's settings.
    pub settings: &'a CooldownSettings,
    /// The deployment's own.
    pub limits: &'a DeploymentLimits,
    /// Whether it is the only one of its group.
    pub alone: bool,
    /// Whether the caller chose the timeout that ended the attempt.
    pub timeout_by_caller: bool,
}

/// Whether a deployment may be picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Open,
    /// It is left out until then.
    Cooling {
        /// The end of the cooldown.
        until: Instant,
    },
    /// Its cooldown is over: the next call that picks it is the probe.
    ProbeDue,
    /// A probe is under way; others leave it out.
    Probing,
}

/// That a deployment was cooled down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cooled {
    /// For how long.
    pub duration: Duration,
    /// The error that did it.
    pub reason: ErrorKind,
    /// How often in a row.
    pub step: u32,
}

/// The cooldown of one deployment, or of one concrete model of a wildcard deployment.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    until: Option<Instant>,
}

/// Leave to make one call; the probe where one was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pass {
    /// Whether this call is the probe.
    pub probe: bool,
}

impl Breaker {
    /// Returns whether the deployment may be picked.
    pub fn standing(&self, now: Instant) -> Standing {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.until {
            Some(until) if now < until => Standing::Cooling { until },
            _ => Standing::Open,
        }
    }

    /// Begins a call; takes the probe where one is due. `None`: it cools, or another call probes.
    pub fn enter(&self, now: Instant) -> Option<Pass> {
        (self.standing(now) == Standing::Open).then_some(Pass { probe: false })
    }

    /// Books a success.
    pub fn succeeded(&self, pass: Pass, now: Instant) {
        let _ = (pass, now);
    }

    /// Books a failure, and cools the deployment down where the rules say so. It takes effect before this returns.
    pub fn failed(
        &self,
        error: &Error,
        pass: Pass,
        rules: CooldownRules<'_>,
        now: Instant,
    ) -> Option<Cooled> {
        let _ = (error, pass, rules, now);
        None
    }

    /// Ends a call that neither succeeded nor failed (its client hung up): a probe is due again.
    pub fn abandoned(&self, pass: Pass, now: Instant) {
        let _ = (pass, now);
    }
}

impl Breaker {
    /// Begins a call that is made whatever the standing: its client named the deployment.
    pub fn enter_anyway(&self, now: Instant) -> Pass {
        self.enter(now).unwrap_or_default()
    }
}
