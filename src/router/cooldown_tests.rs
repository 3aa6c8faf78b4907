//! Tests of the breaker: each rule by itself, and random events against a model of it.

use std::time::UNIX_EPOCH;

use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::config::{ByClass, CooldownSettings, DeploymentLimits};
use crate::error::ErrorKind::{
    BadRequest, ContextWindow, Garbled, Internal, ModelFault, NoDeployment, Throttled, Timeout,
    Unavailable, UpstreamDenied, UpstreamMissing,
};

const SECOND: Duration = Duration::from_secs(1);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A breaker, its rules and its clock.
struct Rig {
    clock: ManualClock,
    breaker: Breaker,
    settings: CooldownSettings,
    limits: DeploymentLimits,
    alone: bool,
    timeout_by_caller: bool,
}

impl Default for Rig {
    fn default() -> Self {
        Self {
            clock: ManualClock::at(UNIX_EPOCH),
            breaker: Breaker::default(),
            settings: CooldownSettings::default(),
            limits: DeploymentLimits::default(),
            alone: false,
            timeout_by_caller: false,
        }
    }
}

impl Rig {
    fn view(&self) -> BreakerView {
        self.breaker.view(self.now(), self.settings.window)
    }

    fn alone() -> Self {
        Self {
            alone: true,
            ..Self::default()
        }
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(secs(seconds));
    }

    fn rules(&self) -> CooldownRules<'_> {
        CooldownRules {
            settings: &self.settings,
            limits: &self.limits,
            alone: self.alone,
            timeout_by_caller: self.timeout_by_caller,
        }
    }

    fn enter(&self) -> Option<Pass> {
        self.breaker.enter(self.now())
    }

    fn end(&self, pass: Pass, error: &Error) -> Option<Cooled> {
        self.breaker.failed(error, pass, self.rules(), self.now())
    }

    /// One call that fails; the seconds of the cooldown that follows.
    fn fail(&self, error: &Error) -> Option<u64> {
        let pass = self.enter().expect("a breaker that admits");
        self.end(pass, error)
            .map(|cooled| cooled.duration.as_secs())
    }

    /// The failure in a row that first cools.
    fn cools_at(&self, error: &Error) -> Option<u32> {
        (1..=20).find(|_| self.fail(error).is_some())
    }

    fn succeed(&self) -> bool {
        let pass = self.enter().expect("a breaker that admits");
        self.breaker.succeeded(pass, self.now())
    }

    fn standing(&self) -> Standing {
        self.breaker.standing(self.now())
    }

    fn step(&self) -> Option<u32> {
        self.breaker.cooldown(self.now()).map(|view| view.step)
    }
}

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "x")
}

fn status(kind: ErrorKind, status: u16) -> Error {
    error(kind).with_status(StatusCode::from_u16(status).unwrap())
}

fn throttled(retry_after: u64) -> Error {
    error(Throttled).with_retry_after(Some(secs(retry_after)))
}

fn model_fault(original: u16) -> Error {
    error(ModelFault).with_original_status(Some(original))
}

#[test]
fn throttling_cools_at_once_with_company_and_never_alone() {
    assert_eq!(Rig::default().fail(&error(Throttled)), Some(5));
    let alone = Rig::alone();
    for _ in 0..1001 {
        assert_eq!(alone.fail(&error(Throttled)), None);
    }
    assert_eq!(alone.view().failed, 1001);
}

#[test]
fn a_refused_key_and_a_missing_model_cool_at_once_even_alone() {
    for rig in [Rig::default(), Rig::alone()] {
        assert_eq!(rig.fail(&error(UpstreamDenied)), Some(5));
    }
    for rig in [Rig::default(), Rig::alone()] {
        assert_eq!(rig.fail(&error(UpstreamMissing)), Some(5));
    }
}

#[test]
fn an_unpaid_account_cools_at_once_but_not_alone() {
    let unpaid = status(BadRequest, 402);
    assert_eq!(Rig::default().fail(&unpaid), Some(5));
    assert_eq!(Rig::alone().cools_at(&unpaid), None);
}

#[test]
fn mistakes_of_the_request_and_errors_of_ours_never_count() {
    for failure in [
        error(BadRequest),
        status(BadRequest, 409),
        status(BadRequest, 422),
        error(ContextWindow),
        error(ErrorKind::ContentPolicy),
        status(UpstreamDenied, 403),
        model_fault(400),
        error(ModelFault),
        error(NoDeployment),
        error(ErrorKind::LimitReached),
        error(ErrorKind::Overloaded),
        error(Internal),
    ] {
        let mut rig = Rig::default();
        assert_eq!(rig.cools_at(&failure), None, "{failure:?}");
        rig.settings.allowed_fails = Some(0);
        rig.settings.allowed_fails_policy = Some(ByClass {
            bad_request: Some(0),
            content_policy: Some(0),
            ..ByClass::default()
        });
        assert_eq!(rig.cools_at(&failure), None, "{failure:?}");
        assert_eq!(rig.view().failed, 0);
    }
}

#[test]
fn a_deployments_own_policy_counts_the_class_that_it_names() {
    for failure in [
        error(BadRequest),
        error(ContextWindow),
        error(ErrorKind::ContentPolicy),
        model_fault(400),
    ] {
        for mut rig in [Rig::default(), Rig::alone()] {
            rig.limits.allowed_fails_policy = Some(ByClass {
                bad_request: Some(1),
                ..ByClass::default()
            });
            assert_eq!(rig.cools_at(&failure), Some(2), "{failure:?}");
        }
    }
}

#[test]
fn more_than_half_of_five_requests_cool() {
    for failure in [
        error(Unavailable),
        error(Timeout),
        error(Garbled),
        model_fault(500),
    ] {
        let rig = Rig::default();
        assert!(!rig.succeed());
        assert!(!rig.succeed());
        assert_eq!(rig.cools_at(&failure), Some(3), "3 of 5: {failure:?}");
        let rig = Rig::default();
        rig.succeed();
        for _ in 0..3 {
            assert_eq!(rig.fail(&failure), None, "3 of 4: {failure:?}");
        }
        assert_eq!(Rig::default().cools_at(&failure), Some(5));
    }
}

#[test]
fn half_of_the_requests_are_not_too_many() {
    let rig = Rig::default();
    for _ in 0..50 {
        rig.succeed();
        assert_eq!(rig.fail(&error(Unavailable)), None);
    }
    assert_eq!(rig.fail(&error(Unavailable)), Some(5));
}

#[test]
fn the_only_deployment_cools_when_a_thousand_failed_and_none_succeeded() {
    let rig = Rig::alone();
    for _ in 0..999 {
        assert_eq!(rig.fail(&error(Unavailable)), None);
    }
    assert_eq!(rig.fail(&error(Unavailable)), Some(5));
    let rig = Rig::alone();
    rig.succeed();
    for _ in 0..1100 {
        assert_eq!(rig.fail(&error(Unavailable)), None);
    }
}

#[test]
fn failures_outside_the_window_are_forgotten() {
    let rig = Rig::default();
    for _ in 0..4 {
        rig.fail(&error(Unavailable));
    }
    rig.advance(60);
    assert_eq!(rig.cools_at(&error(Unavailable)), Some(5));
}

#[test]
fn allowed_fails_counts_within_its_window_and_three_is_three() {
    for allowed in [0, 1, 3] {
        let mut rig = Rig::default();
        rig.settings.allowed_fails = Some(allowed);
        assert_eq!(rig.cools_at(&error(Unavailable)), Some(allowed + 1));
    }
    let mut rig = Rig::default();
    rig.settings.allowed_fails = Some(1);
    rig.fail(&error(Unavailable));
    rig.advance(59);
    assert_eq!(rig.fail(&error(Unavailable)), Some(5));
    let mut rig = Rig::default();
    rig.settings.allowed_fails = Some(1);
    rig.settings.window = 10 * SECOND;
    rig.fail(&error(Unavailable));
    rig.advance(10);
    assert_eq!(rig.fail(&error(Unavailable)), None);
}

#[test]
fn where_fails_are_allowed_throttling_is_counted_too() {
    let mut rig = Rig::default();
    rig.settings.allowed_fails = Some(2);
    assert_eq!(rig.cools_at(&error(Throttled)), Some(3));
    let mut rig = Rig::alone();
    rig.settings.allowed_fails = Some(0);
    assert_eq!(rig.cools_at(&error(Throttled)), None, "it is alone");
    assert_eq!(rig.cools_at(&error(UpstreamDenied)), Some(1));
    rig = Rig::alone();
    rig.limits.allowed_fails_policy = Some(ByClass {
        rate_limit: Some(1),
        ..ByClass::default()
    });
    assert_eq!(rig.cools_at(&error(Throttled)), Some(2), "it is named");
}

#[test]
fn the_deployments_own_number_wins_and_classes_are_counted_apart() {
    let mut rig = Rig::default();
    rig.settings.allowed_fails = Some(0);
    rig.limits.allowed_fails = Some(2);
    assert_eq!(rig.cools_at(&error(Unavailable)), Some(3));
    let mut rig = Rig::default();
    rig.settings.allowed_fails_policy = Some(ByClass {
        rate_limit: Some(10),
        ..ByClass::default()
    });
    for _ in 0..10 {
        assert_eq!(rig.fail(&error(Throttled)), None);
    }
    assert_eq!(rig.cools_at(&error(Unavailable)), Some(4), "3 are allowed");
}

#[test]
fn a_model_that_failed_by_itself_counts_as_an_internal_error() {
    let mut rig = Rig::default();
    rig.settings.allowed_fails_policy = Some(ByClass {
        bad_request: Some(0),
        internal: Some(1),
        ..ByClass::default()
    });
    assert_eq!(rig.cools_at(&model_fault(503)), Some(2));
}

#[test]
fn a_timeout_that_the_caller_chose_never_counts() {
    let mut rig = Rig {
        timeout_by_caller: true,
        ..Rig::default()
    };
    rig.limits.allowed_fails_policy = Some(ByClass {
        timeout: Some(0),
        ..ByClass::default()
    });
    assert_eq!(rig.cools_at(&error(Timeout)), None);
    rig.timeout_by_caller = false;
    assert_eq!(rig.cools_at(&error(Timeout)), Some(1));
}

#[test]
fn the_deployments_time_wins_then_the_providers_then_the_routers() {
    assert_eq!(Rig::default().fail(&throttled(61)), Some(61));
    assert_eq!(Rig::default().fail(&throttled(4000)), Some(300));
    assert_eq!(Rig::default().fail(&throttled(0)), None);
    let mut rig = Rig::default();
    rig.limits.cooldown = Some(7 * SECOND);
    assert_eq!(rig.fail(&throttled(61)), Some(7));
    let mut rig = Rig::default();
    rig.limits.cooldown = Some(600 * SECOND);
    assert_eq!(rig.fail(&error(Throttled)), Some(600), "it was written");
}

#[test]
fn cooldowns_can_be_turned_off() {
    let mut rig = Rig::default();
    rig.settings.disabled = true;
    assert_eq!(rig.cools_at(&error(Throttled)), None);
    let mut rig = Rig::default();
    rig.limits.cooldown = Some(Duration::ZERO);
    assert_eq!(rig.cools_at(&throttled(9)), None);
    let mut rig = Rig::default();
    rig.fail(&error(Throttled));
    rig.advance(5);
    rig.settings.disabled = true;
    assert_eq!(rig.fail(&error(Throttled)), None);
    assert_eq!(rig.standing(), Standing::Open, "a reload turned it off");
}

#[test]
fn one_probe_at_a_time_and_its_success_opens() {
    let rig = Rig::default();
    rig.fail(&error(Throttled));
    let until = rig.now() + 5 * SECOND;
    assert_eq!(rig.standing(), Standing::Cooling { until });
    assert_eq!(rig.enter(), None);
    rig.advance(5);
    assert_eq!(rig.standing(), Standing::ProbeDue);
    assert_eq!(rig.view().cooldown, None);
    let probe = rig.enter().unwrap();
    assert!(probe.probe);
    assert_eq!(rig.standing(), Standing::Probing);
    assert_eq!(rig.enter(), None);
    let view = rig.view().cooldown.unwrap();
    assert!(view.probing && view.remaining.is_zero());
    assert!(rig.breaker.succeeded(probe, rig.now()));
    assert_eq!(rig.standing(), Standing::Open);
    assert!(!rig.enter().unwrap().probe);
    let view = rig.view();
    assert_eq!((view.succeeded, view.failed), (1, 0));
}

#[test]
fn every_failed_probe_doubles_up_to_the_longest_time() {
    let rig = Rig::default();
    let mut times = vec![rig.fail(&error(Throttled)).unwrap()];
    for _ in 0..40 {
        rig.advance(*times.last().unwrap());
        times.push(rig.fail(&error(Unavailable)).unwrap());
    }
    assert_eq!(times[..8], [5, 10, 20, 40, 80, 160, 300, 300]);
    assert_eq!(times[40], 300);
    assert_eq!(rig.step(), Some(41));
    rig.advance(300);
    assert!(rig.succeed());
    assert_eq!(rig.fail(&error(Throttled)), Some(5), "growth begins anew");
}

#[test]
fn a_probe_that_tells_nothing_leaves_one_due() {
    for failure in [error(BadRequest), throttled(0), error(Internal)] {
        let rig = Rig::default();
        rig.fail(&error(Throttled));
        rig.advance(5);
        assert_eq!(rig.fail(&failure), None);
        assert_eq!(rig.standing(), Standing::ProbeDue, "{failure:?}");
    }
    let rig = Rig::alone();
    rig.fail(&error(UpstreamDenied));
    rig.advance(5);
    assert_eq!(rig.fail(&error(Throttled)), None);
    assert_eq!(rig.standing(), Standing::ProbeDue);
}

#[test]
fn a_probe_whose_client_hung_up_makes_way() {
    let rig = Rig::default();
    rig.fail(&error(Throttled));
    rig.advance(5);
    let first = rig.enter().unwrap();
    rig.breaker.abandon(first);
    let second = rig.enter().unwrap();
    assert!(second.probe);
    rig.breaker.abandon(first);
    assert_eq!(rig.standing(), Standing::Probing, "it was not its own");
    assert!(!rig.breaker.succeeded(first, rig.now()));
    assert_eq!(rig.standing(), Standing::Probing);
    assert!(rig.breaker.succeeded(second, rig.now()));
}

#[test]
fn a_probe_that_nobody_ends_is_given_up() {
    let rig = Rig::default();
    rig.fail(&error(Throttled));
    rig.advance(5);
    let lost = rig.enter().unwrap();
    rig.clock.advance(PROBE_LEASE);
    let next = rig.enter().unwrap();
    assert!(next.probe);
    assert!(!rig.breaker.succeeded(lost, rig.now()));
    assert!(rig.breaker.succeeded(next, rig.now()));
}

#[test]
fn calls_from_before_a_cooldown_have_no_say() {
    let rig = Rig::default();
    let old: Vec<_> = (0..5).map(|_| rig.enter().unwrap()).collect();
    rig.fail(&error(Throttled));
    rig.advance(4);
    assert_eq!(rig.end(old[0], &error(Throttled)), None);
    assert!(!rig.breaker.succeeded(old[1], rig.now()));
    assert_eq!(rig.step(), Some(1));
    rig.advance(1);
    assert_eq!(rig.standing(), Standing::ProbeDue, "it was not prolonged");
    assert_eq!(rig.end(old[2], &throttled(60)), None);
    assert_eq!(rig.standing(), Standing::ProbeDue);
    assert!(rig.succeed());
    assert_eq!(rig.end(old[3], &error(Throttled)), None);
    assert_eq!(rig.standing(), Standing::Open, "nor cooled again");
    assert_eq!(rig.view().failed, 0);
}

#[test]
fn only_a_provider_that_asks_for_more_prolongs_a_cooldown() {
    let rig = Rig::default();
    let old: Vec<_> = (0..3).map(|_| rig.enter().unwrap()).collect();
    rig.fail(&throttled(20));
    let until = |seconds| rig.now() + secs(seconds);
    rig.end(old[0], &throttled(3));
    assert_eq!(rig.standing(), Standing::Cooling { until: until(20) });
    rig.end(old[1], &throttled(30));
    assert_eq!(rig.standing(), Standing::Cooling { until: until(30) });
    rig.end(old[2], &throttled(4000));
    let bounded = Standing::Cooling { until: until(300) };
    assert_eq!(rig.standing(), bounded);
}

#[test]
fn a_call_that_names_its_deployment_is_made_all_the_same() {
    let rig = Rig::default();
    rig.fail(&error(Throttled));
    let pass = rig.breaker.enter_anyway(rig.now());
    assert!(!pass.probe);
    assert!(!rig.breaker.succeeded(pass, rig.now()));
    assert!(matches!(rig.standing(), Standing::Cooling { .. }));
    rig.advance(5);
    assert!(rig.breaker.enter_anyway(rig.now()).probe);
    assert!(!rig.breaker.enter_anyway(rig.now()).probe);
}

#[test]
fn leave_that_no_breaker_gave_is_taken_for_one_of_now() {
    let rig = Rig::default();
    rig.fail(&error(Throttled));
    rig.advance(5);
    assert!(rig.succeed());
    assert!(rig.end(Pass::default(), &error(Throttled)).is_some());
}

#[test]
fn other_instances_cool_and_only_ever_for_longer() {
    let rig = Rig::default();
    let now = rig.now();
    let tell = |seconds: u64, step| {
        let until = now + secs(seconds);
        rig.breaker
            .cool_from_elsewhere(until, Throttled, step, rig.now());
    };
    let until = |seconds| Standing::Cooling {
        until: now + secs(seconds),
    };
    tell(0, 9);
    assert_eq!(rig.standing(), Standing::Open, "it is over");
    tell(20, 3);
    tell(10, 2);
    assert_eq!(rig.standing(), until(20));
    assert_eq!(rig.step(), Some(3));
    tell(25, 4);
    assert_eq!(rig.standing(), until(25));
    rig.advance(25);
    assert_eq!(rig.fail(&error(Unavailable)), Some(80), "step 5");
    rig.breaker.warm();
    assert_eq!(rig.standing(), Standing::Open);
}

#[test]
fn a_cooldown_from_elsewhere_takes_the_say_from_a_running_probe() {
    let rig = Rig::default();
    rig.fail(&error(Throttled));
    rig.advance(5);
    let probe = rig.enter().unwrap();
    let until = rig.now() + 30 * SECOND;
    rig.breaker
        .cool_from_elsewhere(until, Unavailable, 2, rig.now());
    assert!(!rig.breaker.succeeded(probe, rig.now()));
    assert_eq!(rig.standing(), Standing::Cooling { until });
    rig.advance(30);
    assert!(rig.succeed());
}

#[test]
fn a_day_is_the_longest_that_another_instance_can_ask() {
    let rig = Rig::default();
    let far = rig.now() + Duration::from_secs(1 << 40);
    rig.breaker
        .cool_from_elsewhere(far, Throttled, 1, rig.now());
    rig.clock.advance(LONGEST);
    assert_eq!(rig.standing(), Standing::ProbeDue);
}

#[test]
fn a_new_length_of_the_window_keeps_what_was_counted() {
    let mut rig = Rig::default();
    rig.succeed();
    rig.settings.window = 30 * SECOND;
    assert_eq!(rig.view().window, 30 * SECOND, "before the first failure");
    rig.fail(&error(Unavailable));
    let view = rig.view();
    assert_eq!((view.succeeded, view.failed), (1, 1));
    assert_eq!(view.window, 30 * SECOND);
}

#[test]
fn parallel_calls_get_one_probe() {
    let rig = Rig::default();
    rig.fail(&error(Throttled));
    rig.advance(5);
    let now = rig.now();
    let probes: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| rig.breaker.enter(now).is_some()))
            .collect();
        threads
            .into_iter()
            .map(|thread| usize::from(thread.join().unwrap()))
            .sum()
    });
    assert_eq!(probes, 1);
}

/// What can happen to a breaker. Times are whole buckets of the window, so that the model may count exactly.
#[derive(Debug, Clone, Copy)]
enum Event {
    Enter,
    Succeed(usize),
    Fail(usize, Failure),
    Abandon(usize),
    Advance(u64),
    Elsewhere(u64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Failure {
    Throttled,
    ThrottledFor(u64),
    Unavailable,
    BadRequest,
}

fn event() -> impl Strategy<Value = Event> {
    let failure = prop_oneof![
        Just(Failure::Throttled),
        (0..400_u64).prop_map(Failure::ThrottledFor),
        Just(Failure::Unavailable),
        Just(Failure::Unavailable),
        Just(Failure::BadRequest),
    ];
    prop_oneof![
        6 => Just(Event::Enter),
        3 => (0..8_usize).prop_map(Event::Succeed),
        5 => (0..8_usize, failure).prop_map(|(place, failure)| Event::Fail(place, failure)),
        1 => (0..8_usize).prop_map(Event::Abandon),
        3 => (1..30_u64).prop_map(Event::Advance),
        1 => (0..100_u64).prop_map(Event::Elsewhere),
    ]
}

/// The breaker as its specification has it, in the simplest form: seconds since the start, and a list of outcomes.
#[derive(Debug, Default)]
struct Model {
    now: u64,
    cooldown: Option<(u64, u32)>,
    probe: Option<(u64, u64)>,
    outcomes: Vec<(u64, bool)>,
    cooled_at: u64,
    calls: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Admitted {
    No,
    Plain,
    Probe,
}

impl Model {
    fn admits(&self) -> Admitted {
        match (self.cooldown, self.probe) {
            (None, _) => Admitted::Plain,
            (Some((until, _)), None) if self.now >= until => Admitted::Probe,
            (Some((until, _)), Some((_, since))) if self.now >= until.max(since + 600) => {
                Admitted::Probe
            }
            _ => Admitted::No,
        }
    }

    fn is_probe(&self, call: u64) -> bool {
        self.probe.is_some_and(|(probe, _)| probe == call)
    }

    fn enter(&mut self) -> u64 {
        self.calls += 1;
        if self.cooldown.is_some() {
            self.probe = Some((self.calls, self.now));
        }
        self.calls
    }

    fn cool(&mut self, until: u64, step: u32) {
        self.cooldown = Some((until, step));
        self.probe = None;
        self.cooled_at = self.calls;
    }

    fn succeed(&mut self, call: u64) {
        if self.is_probe(call) {
            self.probe = None;
            self.cooldown = None;
            self.outcomes.clear();
            self.outcomes.push((self.now, true));
        } else if self.cooldown.is_none() && call > self.cooled_at {
            self.outcomes.push((self.now, true));
        }
    }

    fn fail(&mut self, call: u64, failure: Failure) {
        let asked = match failure {
            Failure::ThrottledFor(seconds) => Some(seconds.min(300)),
            _ => None,
        };
        let counts = failure != Failure::BadRequest;
        let base = asked.unwrap_or(5);
        match self.cooldown {
            Some((_, step)) if self.is_probe(call) => {
                self.probe = None;
                if counts && base > 0 {
                    let grown = (base << step.min(20)).min(300.max(base));
                    self.cool(self.now + grown, step + 1);
                }
            }
            Some((until, step)) => {
                let longer = self.now + asked.unwrap_or(0);
                if self.now < until && counts && longer > until {
                    self.cooldown = Some((longer, step));
                }
            }
            None if call <= self.cooled_at || !counts => {}
            None => {
                self.outcomes.push((self.now, false));
                self.outcomes.retain(|(at, _)| self.now - at < 60);
                let failed = self.outcomes.iter().filter(|(_, good)| !good).count();
                let too_many = self.outcomes.len() >= 5 && failed * 2 > self.outcomes.len();
                if (failure != Failure::Unavailable || too_many) && base > 0 {
                    self.cool(self.now + base, 1);
                }
            }
        }
    }

    fn elsewhere(&mut self, until: u64, step: u32) {
        match self.cooldown {
            _ if until <= self.now => {}
            Some((known, mine)) if self.now < known => {
                self.cooldown = Some((known.max(until), mine.max(step)));
            }
            Some((_, mine)) => self.cool(until, mine.max(step)),
            None => self.cool(until, step),
        }
    }
}

/// A breaker beside its model.
struct Pair {
    rig: Rig,
    start: Instant,
    model: Model,
    under_way: Vec<(Pass, u64)>,
}

impl Pair {
    fn new() -> Self {
        let rig = Rig::default();
        Self {
            start: rig.now(),
            rig,
            model: Model::default(),
            under_way: Vec::new(),
        }
    }

    fn take(&mut self, place: usize) -> Option<(Pass, u64)> {
        (place < self.under_way.len()).then(|| self.under_way.swap_remove(place))
    }

    fn play(&mut self, event: Event) {
        let now = self.rig.now();
        match event {
            Event::Enter => {
                let expected = self.model.admits();
                let pass = self.rig.enter();
                let got = pass.map_or(Admitted::No, |pass| {
                    if pass.probe {
                        Admitted::Probe
                    } else {
                        Admitted::Plain
                    }
                });
                assert_eq!(got, expected);
                if let Some(pass) = pass {
                    let call = self.model.enter();
                    self.under_way.push((pass, call));
                }
            }
            Event::Succeed(place) => {
                if let Some((pass, call)) = self.take(place) {
                    self.rig.breaker.succeeded(pass, now);
                    self.model.succeed(call);
                }
            }
            Event::Fail(place, failure) => {
                if let Some((pass, call)) = self.take(place) {
                    self.rig.end(pass, &failure.error());
                    self.model.fail(call, failure);
                }
            }
            Event::Abandon(place) => {
                if let Some((pass, call)) = self.take(place) {
                    self.rig.breaker.abandon(pass);
                    if self.model.is_probe(call) {
                        self.model.probe = None;
                    }
                }
            }
            Event::Advance(buckets) => {
                self.rig.advance(buckets * 3);
                self.model.now += buckets * 3;
            }
            Event::Elsewhere(seconds) => {
                let until = self.model.now + seconds;
                self.rig
                    .breaker
                    .cool_from_elsewhere(self.start + secs(until), Throttled, 2, now);
                self.model.elsewhere(until, 2);
            }
        }
    }

    fn agree(&self) {
        let expected = match (self.model.cooldown, self.model.probe) {
            (None, _) => Standing::Open,
            (Some((until, _)), _) if self.model.now < until => Standing::Cooling {
                until: self.start + secs(until),
            },
            (Some(_), Some((_, since))) if self.model.now < since + 600 => Standing::Probing,
            (Some(_), _) => Standing::ProbeDue,
        };
        assert_eq!(self.rig.standing(), expected);
        if let Some(view) = self.rig.breaker.cooldown(self.rig.now()) {
            assert!(view.remaining <= 300 * SECOND, "growth is bounded");
            assert_eq!(Some(view.step), self.model.cooldown.map(|(_, step)| step));
        }
        let probes = |(pass, call): &&(Pass, u64)| pass.probe && self.model.is_probe(*call);
        assert!(self.under_way.iter().filter(probes).count() <= 1);
    }

    /// Whatever happened, time and the end of what is under way make a probe due, and its success opens.
    fn recovers(mut self) {
        while !self.under_way.is_empty() {
            self.play(Event::Abandon(0));
        }
        self.play(Event::Advance(200));
        if self.rig.standing() != Standing::Open {
            assert_eq!(self.rig.standing(), Standing::ProbeDue);
            assert!(self.rig.succeed());
        }
        assert_eq!(self.rig.standing(), Standing::Open);
    }
}

impl Failure {
    fn error(self) -> Error {
        match self {
            Self::Throttled => error(Throttled),
            Self::ThrottledFor(seconds) => throttled(seconds),
            Self::Unavailable => error(Unavailable),
            Self::BadRequest => error(BadRequest),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn breaker_does_what_its_model_does(events in prop::collection::vec(event(), 1..40)) {
        let mut pair = Pair::new();
        for event in events {
            let before = pair.rig.standing();
            pair.play(event);
            pair.agree();
            if let (Standing::Cooling { until }, now) = (before, pair.rig.now())
                && now < until
            {
                let is_kept = matches!(pair.rig.standing(), Standing::Cooling { until: later } if later >= until);
                prop_assert!(is_kept, "cooled for less than was said");
            }
        }
        pair.recovers();
    }
}
