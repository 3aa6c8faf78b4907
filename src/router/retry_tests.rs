//! Tests of retries: how many, whether, and when.

use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::error::{ErrorKind, Fallback};

const BUSY: Situation = Situation {
    ready: 2,
    ready_elsewhere: 1,
};

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "x")
}

fn denied(status: u16) -> Error {
    error(ErrorKind::UpstreamDenied).with_status(StatusCode::from_u16(status).unwrap())
}

fn model_fault(original: u16) -> Error {
    error(ErrorKind::ModelFault).with_original_status(Some(original))
}

fn rules(policy: Option<&ByClass>) -> RetryRules<'_> {
    RetryRules {
        policy,
        asked: None,
        deployment: None,
        router: 2,
    }
}

fn decide(rules: RetryRules<'_>, error: &Error, made: u32, situation: Situation) -> Decision {
    rules.decide(error, rules.allowance(error), made, situation)
}

/// All 32 ways to write or leave out the five places, the request's 0 among them.
#[test]
fn the_strongest_place_that_is_written_decides() {
    let policy = ByClass {
        rate_limit: Some(7),
        ..ByClass::default()
    };
    let failure = error(ErrorKind::Throttled);
    for place in 0..32_u32 {
        let is = |bit: u32| place & (1 << bit) != 0;
        let rules = RetryRules {
            policy: is(0).then_some(&policy),
            asked: match (is(1), is(2)) {
                (true, _) => Some(0),
                (false, true) => Some(5),
                (false, false) => None,
            },
            deployment: is(3).then_some(4),
            router: if is(4) { 3 } else { 2 },
        };
        let expected = match (rules.policy, rules.asked, rules.deployment) {
            (_, Some(0), _) => (0, false),
            (Some(_), _, _) => (7, true),
            (None, Some(asked), _) => (asked, false),
            (None, None, Some(own)) => (own, false),
            (None, None, None) => (rules.router, false),
        };
        let allowance = rules.allowance(&failure);
        assert_eq!((allowance.count, allowance.by_policy), expected, "{place}");
    }
}

#[test]
fn the_policys_most_specific_class_decides() {
    let policy = ByClass {
        bad_request: Some(1),
        authentication: Some(2),
        timeout: Some(3),
        rate_limit: Some(4),
        content_policy: Some(5),
        internal: Some(6),
        unavailable: Some(7),
        not_found: Some(8),
        default: Some(9),
        bad_gateway: None,
    };
    let of = |error: &Error| rules(Some(&policy)).allowance(error).count;
    let internal = error(ErrorKind::Unavailable).with_status(StatusCode::INTERNAL_SERVER_ERROR);
    for (failure, expected) in [
        (error(ErrorKind::BadRequest), 1),
        (error(ErrorKind::ContextWindow), 1),
        (error(ErrorKind::ContentPolicy), 5),
        (model_fault(500), 1),
        (denied(401), 2),
        (denied(403), 9),
        (error(ErrorKind::UpstreamMissing), 8),
        (error(ErrorKind::Timeout), 3),
        (error(ErrorKind::Throttled), 4),
        (internal, 6),
        (error(ErrorKind::Garbled), 9),
        (error(ErrorKind::Unavailable), 7),
    ] {
        assert_eq!(of(&failure), expected, "{failure:?}");
    }
    let general = ByClass {
        bad_request: Some(1),
        ..ByClass::default()
    };
    let of = |error: &Error| rules(Some(&general)).allowance(error);
    assert_eq!(of(&error(ErrorKind::ContentPolicy)).count, 1);
    let unnamed = of(&error(ErrorKind::UpstreamMissing));
    assert_eq!((unnamed.count, unnamed.by_policy), (2, false));
}

#[test]
fn a_policy_says_nothing_of_errors_that_are_no_attempts() {
    let policy = ByClass {
        rate_limit: Some(9),
        default: Some(9),
        ..ByClass::default()
    };
    for kind in [
        ErrorKind::NoDeployment,
        ErrorKind::LimitReached,
        ErrorKind::Overloaded,
        ErrorKind::Internal,
        ErrorKind::Forbidden,
    ] {
        let rules = rules(Some(&policy));
        assert!(!rules.allowance(&error(kind)).by_policy, "{kind:?}");
        assert_eq!(decide(rules, &error(kind), 0, BUSY), Decision::Useless);
    }
}

#[test]
fn a_kind_decides_whether_a_retry_helps() {
    use Decision::{Retry, Useless};
    for (failure, expected) in [
        (error(ErrorKind::BadRequest), Useless),
        (error(ErrorKind::ContextWindow), Useless),
        (error(ErrorKind::ContentPolicy), Useless),
        (error(ErrorKind::UpstreamMissing), Useless),
        (error(ErrorKind::NoDeployment), Useless),
        (model_fault(400), Useless),
        (model_fault(500), Retry),
        (error(ErrorKind::ModelFault), Retry),
        (error(ErrorKind::Throttled), Retry),
        (error(ErrorKind::Timeout), Retry),
        (error(ErrorKind::Unavailable), Retry),
        (error(ErrorKind::Garbled), Retry),
        (denied(401), Retry),
        (denied(403), Retry),
    ] {
        assert_eq!(
            decide(rules(None), &failure, 0, BUSY),
            expected,
            "{failure:?}"
        );
    }
}

#[test]
fn what_only_helps_elsewhere_needs_an_elsewhere() {
    let only = Situation {
        ready: 1,
        ready_elsewhere: 0,
    };
    let quota = error(ErrorKind::Throttled).with_retry(Retry::Elsewhere);
    for failure in [denied(401), denied(403), quota] {
        assert_eq!(decide(rules(None), &failure, 0, only), Decision::Useless);
        assert_eq!(decide(rules(None), &failure, 0, BUSY), Decision::Retry);
    }
    let throttled = error(ErrorKind::Throttled);
    assert_eq!(decide(rules(None), &throttled, 0, only), Decision::Retry);
}

#[test]
fn nothing_is_retried_where_nothing_is_ready() {
    let none = Situation {
        ready: 0,
        ready_elsewhere: 0,
    };
    let policy = ByClass {
        default: Some(5),
        ..ByClass::default()
    };
    for policy in [None, Some(&policy)] {
        let throttled = error(ErrorKind::Throttled);
        let decision = decide(rules(policy), &throttled, 0, none);
        assert_eq!(decision, Decision::NoneReady);
    }
}

#[test]
fn a_single_deployment_is_called_once_more_than_the_number_of_retries() {
    let only = Situation {
        ready: 1,
        ready_elsewhere: 0,
    };
    let throttled = error(ErrorKind::Throttled);
    let decisions = [0, 1, 2].map(|made| decide(rules(None), &throttled, made, only));
    assert_eq!(
        decisions,
        [Decision::Retry, Decision::Retry, Decision::Spent]
    );
}

#[test]
fn a_policy_retries_what_its_kind_would_not() {
    let policy = ByClass {
        bad_request: Some(1),
        ..ByClass::default()
    };
    let rules = rules(Some(&policy));
    let bad = error(ErrorKind::BadRequest);
    assert_eq!(decide(rules, &bad, 0, BUSY), Decision::Retry);
    assert_eq!(decide(rules, &bad, 1, BUSY), Decision::Spent);
    let refuses = RetryRules {
        asked: Some(0),
        ..rules
    };
    assert_eq!(decide(refuses, &bad, 0, BUSY), Decision::Useless);
    let asks_for_more = RetryRules {
        asked: Some(5),
        ..rules
    };
    assert_eq!(asks_for_more.allowance(&bad).count, 1);
    let by_policy = rules.allowance(&bad);
    let missing = error(ErrorKind::UpstreamMissing);
    let later = rules.decide(&missing, by_policy, 0, BUSY);
    assert_eq!(later, Decision::Useless, "another class goes by its kind");
}

#[test]
fn a_final_error_is_not_retried_by_any_policy() {
    let policy = ByClass {
        default: Some(5),
        bad_request: Some(5),
        ..ByClass::default()
    };
    let tagged = error(ErrorKind::BadRequest).with_fallback(Fallback::None);
    let decision = decide(rules(Some(&policy)), &tagged, 0, BUSY);
    assert_eq!(decision, Decision::Useless);
}

fn backoff(made: u32) -> Backoff {
    Backoff {
        made,
        floor: Duration::ZERO,
        upstream: None,
        untried_ready: false,
    }
}

const ALMOST: f64 = 0.999_999;

fn ms(duration: Duration) -> u128 {
    (duration + Duration::from_micros(500)).as_millis()
}

#[test]
fn nothing_is_waited_for_where_another_is_ready() {
    let wait = Backoff {
        untried_ready: true,
        upstream: Some(Duration::from_secs(9)),
        floor: Duration::from_secs(3),
        ..backoff(4)
    };
    assert_eq!(wait.wait(ALMOST), Duration::ZERO);
}

#[test]
fn backoff_is_full_jitter_that_doubles_up_to_eight_seconds() {
    let longest = [0, 1, 2, 3, 4, 5, 40].map(|made| ms(backoff(made).wait(ALMOST)));
    assert_eq!(longest, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
    assert_eq!(backoff(3).wait(0.0), Duration::ZERO);
    let floor = |seconds| Backoff {
        floor: Duration::from_secs(seconds),
        ..backoff(3)
    };
    assert_eq!(ms(floor(1).wait(0.0)), 1000);
    assert_eq!(ms(floor(1).wait(0.5)), 2500);
    assert_eq!(ms(floor(30).wait(0.5)), 30_000);
}

#[test]
fn a_providers_wait_is_a_floor_up_to_a_minute() {
    let asked = |seconds| Backoff {
        upstream: Some(Duration::from_secs(seconds)),
        ..backoff(0)
    };
    assert_eq!(ms(asked(2).wait(0.0)), 2000);
    assert_eq!(ms(asked(2).wait(ALMOST)), 2750);
    assert_eq!(ms(asked(60).wait(0.0)), 60_000);
    assert_eq!(ms(asked(61).wait(ALMOST)), 500, "it is not waited for");
    assert_eq!(ms(asked(0).wait(ALMOST)), 500);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn waits_stay_within_their_bounds(
        made in any::<u32>(),
        floor_ms in 0..20_000_u64,
        asked_ms in prop::option::of(0..120_000_u64),
        draw in prop_oneof![0.0..1.0_f64, prop::num::f64::ANY],
    ) {
        let floor = Duration::from_millis(floor_ms);
        let upstream = asked_ms.map(Duration::from_millis);
        let wait = Backoff { made, floor, upstream, untried_ready: false }.wait(draw);
        prop_assert!(wait >= floor);
        match upstream.filter(|asked| !asked.is_zero() && *asked <= LONGEST_ASKED) {
            Some(asked) => {
                prop_assert!(wait >= asked);
                prop_assert!(wait <= asked.max(floor) + JITTER);
            }
            None => prop_assert!(wait <= floor.max(LONGEST_DELAY)),
        }
    }
}
