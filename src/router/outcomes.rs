//! What a failure means for its deployment: whether it counts, when it cools the deployment down, and for how long.

use std::time::{Duration, Instant};

use super::by_class::named;
use super::ring::Ring;
use crate::config::{CooldownSettings, DeploymentLimits};
use crate::error::{Cooling, Error, ErrorClass, ErrorKind};

/// `allowed_fails` where an `allowed_fails_policy` does not name the class. Source: LiteLLM.
const ALLOWED_FAILS: u32 = 3;

/// Fewest requests by which a rate of failures is judged.
const MIN_REQUESTS: u32 = 5;

/// Fewest requests that must all have failed before the only deployment of a group cools down by its rate.
const MIN_REQUESTS_ALL_FAILED: u32 = 1000;

const BUCKETS: usize = 20;
const CLASSES: usize = ErrorClass::ALL.len();

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

/// A failure that counts against its deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) class: ErrorClass,
    trigger: Trigger,
}

/// When such a failure cools its deployment down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    /// Never: it is only counted.
    Never,
    AtOnce,
    /// When more than this came within the window.
    MoreThan(Allowed),
    /// When too great a part of the requests within the window failed.
    Rate,
}

/// How many failures are allowed within the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    /// Of one class.
    OfClass(u32),
    /// Of all classes without a number of their own.
    OfOthers(u32),
}

impl CooldownRules<'_> {
    /// Says whether the deployment can cool down at all.
    pub(super) fn is_off(&self) -> bool {
        self.settings.disabled || self.limits.cooldown.is_some_and(|time| time.is_zero())
    }

    /// Judges a failure; `None` where it does not count.
    pub(super) fn judge(&self, error: &Error) -> Option<Judged> {
        let by_caller = self.timeout_by_caller && error.kind() == ErrorKind::Timeout;
        if self.is_off() || !error.kind().is_of_attempt() || by_caller {
            return None;
        }
        let class = class(error);
        let cooling = error.cooling();
        let is_named = self.own_policy(class).is_some();
        let is_unpaid_alone = self.alone && error.status().as_u16() == 402;
        if (cooling == Cooling::Never && !is_named) || is_unpaid_alone {
            return None;
        }
        let trigger = match self.allowed(class) {
            Some(allowed) => Trigger::MoreThan(allowed),
            None if class == ErrorClass::RateLimit && self.alone => Trigger::Never,
            None if cooling == Cooling::AtOnce => Trigger::AtOnce,
            None => Trigger::Rate,
        };
        Some(Judged { class, trigger })
    }

    /// Says whether this failure, already counted, is the one too many.
    pub(super) fn is_too_many(&self, judged: Judged, total: &Counts) -> bool {
        match judged.trigger {
            Trigger::Never => false,
            Trigger::AtOnce => true,
            Trigger::MoreThan(Allowed::OfClass(allowed)) => {
                total.failed_of(|class| class == judged.class) > allowed
            }
            Trigger::MoreThan(Allowed::OfOthers(allowed)) => {
                let is_other =
                    |class| matches!(self.allowed(class), Some(Allowed::OfOthers(_)) | None);
                total.failed_of(is_other) > allowed
            }
            Trigger::Rate => {
                let failed = total.failed();
                let requests = failed.saturating_add(total.succeeded);
                let most_failed = requests >= MIN_REQUESTS && failed > requests / 2;
                let all_failed = failed == requests && requests >= MIN_REQUESTS_ALL_FAILED;
                (most_failed && !self.alone) || all_failed
            }
        }
    }

    /// Says whether a failed probe cools the deployment down again.
    pub(super) fn cools_after_probe(judged: Judged) -> bool {
        judged.trigger != Trigger::Never
    }

    /// Returns how long the first cooldown is; `None`: the provider says that there is nothing to wait
    /// for.
    pub(super) fn time(&self, error: &Error) -> Option<Duration> {
        match (self.limits.cooldown, error.retry_after()) {
            (Some(own), _) => Some(own),
            (None, Some(asked)) if asked.is_zero() => None,
            (None, Some(asked)) => Some(asked.min(self.settings.max_time)),
            (None, None) => Some(self.settings.time),
        }
    }

    /// Returns how long the provider wants to be left alone, where that is what counts.
    pub(super) fn time_by_provider(&self, error: &Error) -> Option<Duration> {
        let asked = error.retry_after()?;
        let counts = self.limits.cooldown.is_none();
        counts.then(|| asked.min(self.settings.max_time))
    }

    /// Doubles `time` for every cooldown in a row after the first. What the operator wrote is not cut, only its growth.
    pub(super) fn grown(&self, time: Duration, step: u32) -> Duration {
        let factor = 1_u32
            .checked_shl(step.saturating_sub(1))
            .unwrap_or(u32::MAX);
        time.saturating_mul(factor)
            .min(self.settings.max_time.max(time))
    }

    fn own_policy(&self, class: ErrorClass) -> Option<u32> {
        named(self.limits.allowed_fails_policy.as_ref()?, class)
    }

    /// Returns how many failures of a class are allowed; `None` where the rate decides. What is not of a class means
    /// nothing for the only deployment of a group.
    fn allowed(&self, class: ErrorClass) -> Option<Allowed> {
        let router = self.settings.allowed_fails_policy.as_ref();
        let general = |number: Option<u32>| number.filter(|_| !self.alone).map(Allowed::OfOthers);
        self.own_policy(class)
            .map(Allowed::OfClass)
            .or_else(|| general(self.limits.allowed_fails))
            .or_else(|| named(router?, class).map(Allowed::OfClass))
            .or_else(|| general(self.settings.allowed_fails))
            .or_else(|| general(router.map(|_| ALLOWED_FAILS)))
    }
}

/// Returns the class by which a failure is counted: a model that failed by itself counts like a 5xx.
fn class(error: &Error) -> ErrorClass {
    if error.kind() == ErrorKind::ModelFault && error.cooling() != Cooling::Never {
        return ErrorClass::Internal;
    }
    error.class()
}

/// Successes and failures.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) succeeded: u32,
    failed: [u32; CLASSES],
}

impl Counts {
    /// Returns the failures of every class.
    pub(super) fn failed(&self) -> u32 {
        self.failed_of(|_| true)
    }

    fn failed_of(&self, is_meant: impl Fn(ErrorClass) -> bool) -> u32 {
        ErrorClass::ALL
            .into_iter()
            .zip(self.failed)
            .filter(|(class, _)| is_meant(*class))
            .fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    fn merge(&mut self, other: &Self) {
        self.succeeded = self.succeeded.saturating_add(other.succeeded);
        for (count, more) in self.failed.iter_mut().zip(other.failed) {
            *count = count.saturating_add(more);
        }
    }
}

/// The failure window: what happened within the last `allowed_fails_window`.
#[derive(Debug)]
pub(super) struct FailureWindow(Ring<Counts, BUCKETS>);

impl Default for FailureWindow {
    fn default() -> Self {
        Self(Ring::new(CooldownSettings::default().window))
    }
}

impl FailureWindow {
    /// Gives it the length that the configuration has now.
    pub(super) fn resize(&mut self, length: Duration, now: Instant) {
        if self.0.length() != length {
            self.0.resize(length, now, Counts::merge);
        }
    }

    /// Counts a success.
    pub(super) fn succeeded(&mut self, now: Instant) {
        self.0.add(now, |counts| {
            counts.succeeded = counts.succeeded.saturating_add(1);
        });
    }

    /// Counts a failure.
    pub(super) fn failed(&mut self, class: ErrorClass, now: Instant) {
        self.0.add(now, |counts| {
            if let Some(count) = counts.failed.get_mut(class as usize) {
                *count = count.saturating_add(1);
            }
        });
    }

    /// Returns what happened within it.
    pub(super) fn total(&mut self, now: Instant) -> Counts {
        let mut total = Counts::default();
        for counts in self.0.recent(now) {
            total.merge(counts);
        }
        total
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
