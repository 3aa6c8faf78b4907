//! Tests of what guards count and book.

use std::time::UNIX_EPOCH;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::config::{CooldownSettings, DeploymentLimits};
use crate::router::Standing;

struct Rig {
    clock: ManualClock,
    runtime: Arc<DeploymentRuntime>,
    settings: CooldownSettings,
    limits: DeploymentLimits,
}

impl Rig {
    fn new() -> Self {
        Self {
            clock: ManualClock::at(UNIX_EPOCH),
            runtime: Arc::default(),
            settings: CooldownSettings::default(),
            limits: DeploymentLimits::default(),
        }
    }

    fn begin(&self) -> InFlight {
        let pass = self.runtime.breaker.enter(self.clock.now()).unwrap();
        self.runtime.begin(pass)
    }

    fn fail(&self, kind: ErrorKind, timeout_by_caller: bool) -> Option<Cooled> {
        let rules = CooldownRules {
            settings: &self.settings,
            limits: &self.limits,
            alone: false,
            timeout_by_caller,
        };
        let error = Error::new(kind, "x");
        self.begin()
            .failed(&error, rules, self.clock.now(), self.clock.wall())
    }

    fn cool(&self) {
        assert!(self.fail(ErrorKind::Throttled, false).is_some());
        self.clock.advance(Duration::from_secs(5));
    }
}

#[test]
fn calls_under_way_are_counted_here_and_elsewhere() {
    let rig = Rig::new();
    let guards = [rig.begin(), rig.begin()];
    rig.runtime.set_elsewhere(5);
    assert_eq!(rig.runtime.in_flight(), 2);
    assert_eq!(rig.runtime.in_flight_everywhere(), 7);
    drop(guards);
    assert_eq!(rig.runtime.in_flight(), 0);
}

#[test]
fn a_call_that_panics_is_no_longer_under_way() {
    let rig = Rig::new();
    let guard = rig.begin();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _guard = guard;
        panic!("a mistake");
    }));
    assert!(outcome.is_err());
    assert_eq!(rig.runtime.in_flight(), 0);
}

#[test]
fn a_dropped_probe_makes_way_and_a_settled_one_does_not() {
    let rig = Rig::new();
    rig.cool();
    let standing = || rig.runtime.breaker.standing(rig.clock.now());
    let probe = rig.begin();
    assert_eq!(standing(), Standing::Probing);
    drop(probe);
    assert_eq!(standing(), Standing::ProbeDue);
    let mut probe = rig.begin();
    assert!(probe.succeeded(Sample::default(), rig.clock.now()));
    assert_eq!(standing(), Standing::Open);
    rig.cool();
    let next = rig.begin();
    drop(probe);
    assert_eq!(standing(), Standing::Probing, "the first was settled");
    drop(next);
}

#[test]
fn a_stream_that_probes_opens_with_its_first_content() {
    let rig = Rig::new();
    let mut plain = rig.begin();
    assert!(!plain.first_content(rig.clock.now()));
    rig.cool();
    let mut probe = rig.begin();
    assert!(probe.first_content(rig.clock.now()));
    assert!(!probe.first_content(rig.clock.now()));
    assert!(!rig.begin().pass.probe, "it is open");
    assert!(!probe.succeeded(Sample::default(), rig.clock.now()));
    let view = rig
        .runtime
        .breaker
        .view(rig.clock.now(), Duration::from_secs(60));
    assert_eq!((view.succeeded, view.failed), (1, 0), "it is counted once");
}

#[test]
fn a_failure_is_in_everything_before_it_returns() {
    let rig = Rig::new();
    let cooled = rig.fail(ErrorKind::Throttled, false).unwrap();
    assert_eq!(cooled.step, 1);
    let standing = rig.runtime.breaker.standing(rig.clock.now());
    assert!(matches!(standing, Standing::Cooling { .. }));
    let last = rig.runtime.last_error().unwrap();
    assert_eq!((last.kind, last.status), (ErrorKind::Throttled, 429));
    assert_eq!(last.at, UNIX_EPOCH);
    assert!(rig.runtime.peak_latency(rig.clock.now()).is_some());
}

#[test]
fn mistakes_and_wishes_of_callers_do_not_weigh() {
    let rig = Rig::new();
    rig.fail(ErrorKind::BadRequest, false);
    rig.fail(ErrorKind::Timeout, true);
    assert_eq!(rig.runtime.peak_latency(rig.clock.now()), None);
    let args = StrategyArgs::default();
    let score = || rig.runtime.latency_score(&args, false, rig.clock.now());
    assert_eq!(score(), None);
    rig.fail(ErrorKind::Unavailable, false);
    assert_eq!(score(), None, "other errors push nothing");
    rig.fail(ErrorKind::Timeout, false);
    assert!(score().is_some());
}

#[test]
fn usage_is_that_of_the_last_minute() {
    let rig = Rig::new();
    let sample = Sample {
        input_tokens: 100,
        output_tokens: 20,
        ..Sample::default()
    };
    rig.runtime.note_sent(rig.clock.now());
    rig.runtime.learn(sample, rig.clock.now());
    rig.clock.advance(Duration::from_secs(30));
    rig.runtime.note_sent(rig.clock.now());
    let usage = |requests, tokens| Usage { requests, tokens };
    assert_eq!(rig.runtime.usage(rig.clock.now()), usage(2, 120));
    let elsewhere = usage(10, 1000);
    rig.runtime.set_usage_elsewhere(elsewhere, rig.clock.now());
    assert_eq!(rig.runtime.usage(rig.clock.now()), usage(12, 1120));
    assert_eq!(rig.runtime.usage_here(rig.clock.now()), usage(2, 120));
    rig.clock.advance(Duration::from_secs(30));
    assert_eq!(rig.runtime.usage(rig.clock.now()), usage(11, 1000));
    rig.clock.advance(Duration::from_secs(30));
    assert_eq!(rig.runtime.usage(rig.clock.now()), usage(0, 0));
}

#[test]
fn a_group_has_one_retry_budget_where_the_configuration_has_one() {
    let group = GroupRuntime::default();
    let config = RetryBudgetConfig::default();
    let now = ManualClock::at(UNIX_EPOCH).now();
    assert!(group.retry_budget(None).is_none());
    let take = || {
        let budget = group.retry_budget(Some(config)).unwrap();
        budget.take(ErrorKind::Unavailable, config, now)
    };
    assert_eq!((0..50).filter_map(|_| take()).count(), 35);
}

#[test]
fn group_counts_calls_under_way() {
    let group = Arc::<GroupRuntime>::default();
    let read = || group.in_flight.load(Ordering::Relaxed);
    let call = group.begin();
    assert_eq!(read(), 1);
    drop(call);
    assert_eq!(read(), 0);
}
