//! Leaving a deployment out after failures: failure window → cooldown → probe.
//!
//! A [`Breaker`] is open until its rules (`outcomes.rs`) say that a failure was one too many. It then cools until a time;
//! after that, the first call that enters is the probe, alone. Its success opens the breaker, its failure cools for twice
//! as long. Calls that began before a cooldown end without a say in it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use super::outcomes::CooldownRules;
use super::outcomes::{FailureWindow, Judged};
use crate::error::{Error, ErrorKind};

/// How long a probe may be under way before another call may be one: a guard against a [`Pass`] that nobody settles.
const PROBE_LEASE: Duration = Duration::from_secs(600);

/// The longest time until which another instance may cool a deployment here: a guard against its clock.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

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

/// What `/router/state` shows of a [`Breaker`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerView {
    /// The cooldown; `None` unless the deployment cools or is probed.
    pub cooldown: Option<CooldownInForce>,
    /// The length of the failure window.
    pub window: Duration,
    /// Successes within it.
    pub succeeded: u32,
    /// Failures within it that count.
    pub failed: u32,
}

/// What `/router/state` and other instances are told of a cooldown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CooldownInForce {
    /// Its end.
    pub until: Instant,
    /// How long it still lasts; zero while a probe is under way.
    pub remaining: Duration,
    /// The error that began it.
    pub reason: ErrorKind,
    /// How often in a row.
    pub step: u32,
    /// Whether a probe is under way.
    pub probing: bool,
}

/// Leave to make one call; the probe where one was due.
///
/// The default is leave that no breaker gave: it is taken for one of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Whether this call is the probe.
    pub probe: bool,
    /// When it was given, in the breaker's own count.
    ticket: u64,
}

impl Default for Pass {
    fn default() -> Self {
        Self {
            probe: false,
            ticket: u64::MAX,
        }
    }
}

/// The cooldown of one deployment, or of one concrete model of a wildcard deployment.
#[derive(Debug, Default)]
pub struct Breaker {
    /// The last ticket, doubled; odd unless the breaker is open. It spares an open breaker's readers the lock.
    word: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts cooldowns and probes.
    ticket: u64,
    /// The ticket of the last cooldown: calls with a lower one began before it.
    cooled_at: u64,
    cooldown: Option<Cooldown>,
    window: FailureWindow,
}

#[derive(Debug, Clone, Copy)]
struct Cooldown {
    until: Instant,
    reason: ErrorKind,
    step: u32,
    probe: Option<Probe>,
}

#[derive(Debug, Clone, Copy)]
struct Probe {
    ticket: u64,
    since: Instant,
}

impl Breaker {
    /// Returns whether the deployment may be picked.
    pub fn standing(&self, now: Instant) -> Standing {
        if self.is_open() {
            return Standing::Open;
        }
        self.lock().standing(now)
    }

    /// Begins a call; takes the probe where one is due. `None`: it cools, or another call probes.
    pub fn enter(&self, now: Instant) -> Option<Pass> {
        if let Some(pass) = self.open_pass() {
            return Some(pass);
        }
        let mut state = self.lock();
        match state.standing(now) {
            Standing::Open => Some(state.plain_pass()),
            Standing::ProbeDue => {
                let pass = state.begin_probe(now);
                self.publish(&state);
                pass
            }
            Standing::Cooling { .. } | Standing::Probing => None,
        }
    }

    /// Begins a call that is made whatever the standing (its client named the deployment); takes the probe where one is
    /// due.
    pub fn enter_anyway(&self, now: Instant) -> Pass {
        self.enter(now).unwrap_or_else(|| self.lock().plain_pass())
    }

    /// Books a success, and says whether it ended a cooldown: only the probe's does.
    pub fn succeeded(&self, pass: Pass, now: Instant) -> bool {
        let mut state = self.lock();
        let ends = state.is_probe(pass);
        if ends {
            state.open();
            self.publish(&state);
        }
        if state.cooldown.is_none() && pass.ticket >= state.cooled_at {
            state.window.succeeded(now);
        }
        ends
    }

    /// Books a failure, and cools the deployment down where the rules say so. It takes effect before this returns.
    pub fn failed(
        &self,
        error: &Error,
        pass: Pass,
        rules: CooldownRules<'_>,
        now: Instant,
    ) -> Option<Cooled> {
        let judged = rules.judge(error);
        let mut state = self.lock();
        state.window.resize(rules.settings.window, now);
        let cooled = if state.is_probe(pass) {
            state.probe_failed(error, judged, rules, now)
        } else if state.cooldown.is_some() || pass.ticket < state.cooled_at {
            state.failed_beside(error, judged, rules, now);
            None
        } else {
            state.failed(error, judged?, rules, now)
        };
        self.publish(&state);
        cooled
    }

    /// Ends a call that neither succeeded nor failed (its client hung up): a probe is due again.
    pub fn abandon(&self, pass: Pass) {
        if !pass.probe || self.is_open() {
            return;
        }
        let mut state = self.lock();
        if state.is_probe(pass)
            && let Some(cooldown) = &mut state.cooldown
        {
            cooldown.probe = None;
        }
    }

    /// Cools the deployment down because another instance did. What ends sooner than what is known here changes nothing.
    pub fn cool_from_elsewhere(&self, until: Instant, reason: ErrorKind, step: u32, now: Instant) {
        let until = now
            .checked_add(LONGEST)
            .map_or(until, |latest| until.min(latest));
        if until <= now {
            return;
        }
        let mut state = self.lock();
        match &mut state.cooldown {
            Some(cooldown) if now < cooldown.until => {
                if until > cooldown.until {
                    cooldown.until = until;
                    cooldown.reason = reason;
                }
                cooldown.step = cooldown.step.max(step);
            }
            known => {
                let step = step.max(known.map_or(1, |known| known.step));
                state.cool(until, reason, step);
            }
        }
        self.publish(&state);
    }

    /// Ends the cooldown at once and forgets the failures: another instance's probe succeeded, or an operator says so.
    pub fn warm(&self) {
        let mut state = self.lock();
        state.open();
        self.publish(&state);
    }

    /// Returns what `/router/state` shows; `window` is the length that is configured now, which the failure window may not
    /// have heard of before the next failure.
    pub fn view(&self, now: Instant, window: Duration) -> BreakerView {
        let mut state = self.lock();
        state.window.resize(window, now);
        let total = state.window.total(now);
        BreakerView {
            cooldown: state.view(now),
            window,
            succeeded: total.succeeded,
            failed: total.failed(),
        }
    }

    /// Returns the cooldown that is in force; costs nothing where there is none.
    pub fn cooldown(&self, now: Instant) -> Option<CooldownInForce> {
        if self.is_open() {
            return None;
        }
        self.lock().view(now)
    }

    fn is_open(&self) -> bool {
        self.word.load(Ordering::Acquire) & 1 == 0
    }

    fn open_pass(&self) -> Option<Pass> {
        let word = self.word.load(Ordering::Acquire);
        (word & 1 == 0).then_some(Pass {
            probe: false,
            ticket: word >> 1,
        })
    }

    fn publish(&self, state: &State) {
        let word = (state.ticket << 1) | u64::from(state.cooldown.is_some());
        self.word.store(word, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn standing(&self, now: Instant) -> Standing {
        match self.cooldown {
            None => Standing::Open,
            Some(Cooldown { until, .. }) if now < until => Standing::Cooling { until },
            Some(Cooldown { probe: None, .. }) => Standing::ProbeDue,
            Some(Cooldown {
                probe: Some(probe), ..
            }) => {
                if now.saturating_duration_since(probe.since) < PROBE_LEASE {
                    Standing::Probing
                } else {
                    Standing::ProbeDue
                }
            }
        }
    }

    fn plain_pass(&self) -> Pass {
        Pass {
            probe: false,
            ticket: self.ticket,
        }
    }

    fn begin_probe(&mut self, now: Instant) -> Option<Pass> {
        let cooldown = self.cooldown.as_mut()?;
        self.ticket += 1;
        cooldown.probe = Some(Probe {
            ticket: self.ticket,
            since: now,
        });
        Some(Pass {
            probe: true,
            ticket: self.ticket,
        })
    }

    /// Says whether `pass` is the probe that is under way, and not one whose time ran out.
    fn is_probe(&self, pass: Pass) -> bool {
        let probe = self.cooldown.and_then(|cooldown| cooldown.probe);
        pass.probe && probe.is_some_and(|probe| probe.ticket == pass.ticket)
    }

    /// A failure in ordinary traffic.
    fn failed(
        &mut self,
        error: &Error,
        judged: Judged,
        rules: CooldownRules<'_>,
        now: Instant,
    ) -> Option<Cooled> {
        self.window.failed(judged.class, now);
        if !rules.is_too_many(judged, &self.window.total(now)) {
            return None;
        }
        let time = rules.time(error)?;
        Some(self.cool_for(rules.grown(time, 1), error.kind(), 1, now))
    }

    /// The probe's failure. One that says nothing about the deployment leaves a probe due.
    fn probe_failed(
        &mut self,
        error: &Error,
        judged: Option<Judged>,
        rules: CooldownRules<'_>,
        now: Instant,
    ) -> Option<Cooled> {
        if rules.is_off() {
            self.open();
            return None;
        }
        let cooldown = self.cooldown.as_mut()?;
        cooldown.probe = None;
        let step = cooldown.step.saturating_add(1);
        let judged = judged.filter(|judged| CooldownRules::cools_after_probe(*judged))?;
        self.window.failed(judged.class, now);
        let time = rules.time(error)?;
        Some(self.cool_for(rules.grown(time, step), error.kind(), step, now))
    }

    /// A failure of a call that is not the probe, while the deployment cools, or from before it did: it began under
    /// conditions that are known already. Only a provider that asks for a longer rest is heard.
    fn failed_beside(
        &mut self,
        error: &Error,
        judged: Option<Judged>,
        rules: CooldownRules<'_>,
        now: Instant,
    ) {
        let Some(judged) = judged else { return };
        let Some(cooldown) = &mut self.cooldown else {
            return;
        };
        self.window.failed(judged.class, now);
        let asked = rules
            .time_by_provider(error)
            .filter(|_| CooldownRules::cools_after_probe(judged) && now < cooldown.until)
            .and_then(|time| now.checked_add(time));
        if let Some(until) = asked {
            cooldown.until = cooldown.until.max(until);
        }
    }

    fn cool_for(
        &mut self,
        duration: Duration,
        reason: ErrorKind,
        step: u32,
        now: Instant,
    ) -> Cooled {
        let until = now.checked_add(duration).unwrap_or(now);
        self.cool(until, reason, step);
        Cooled {
            duration,
            reason,
            step,
        }
    }

    fn cool(&mut self, until: Instant, reason: ErrorKind, step: u32) {
        self.ticket += 1;
        self.cooled_at = self.ticket;
        self.cooldown = Some(Cooldown {
            until,
            reason,
            step,
            probe: None,
        });
    }

    /// Opens. Calls that began before the cooldown stay without a say.
    fn open(&mut self) {
        self.cooldown = None;
        self.window.clear();
    }

    fn view(&self, now: Instant) -> Option<CooldownInForce> {
        let cooldown = self.cooldown?;
        let probing = match self.standing(now) {
            Standing::Cooling { .. } => false,
            Standing::Probing => true,
            Standing::Open | Standing::ProbeDue => return None,
        };
        Some(CooldownInForce {
            until: cooldown.until,
            remaining: cooldown.until.saturating_duration_since(now),
            reason: cooldown.reason,
            step: cooldown.step,
            probing,
        })
    }
}

#[cfg(test)]
#[path = "cooldown_tests.rs"]
mod tests;
