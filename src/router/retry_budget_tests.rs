//! Tests of the retry budget.

use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::error::ErrorKind::{Throttled, Unavailable};

fn config() -> RetryBudgetConfig {
    RetryBudgetConfig::default()
}

fn tokens(budget: &RetryBudget, config: RetryBudgetConfig, clock: &ManualClock) -> f64 {
    budget.level(config, clock.now()).0
}

fn is(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-6, "{value} is not {expected}");
}

#[test]
fn a_retry_takes_its_cost_and_a_success_gives_it_back() {
    let clock = ManualClock::at(UNIX_EPOCH);
    let budget = RetryBudget::new(config());
    let take = |kind| budget.take(kind, config(), clock.now());
    let dear = take(Unavailable).unwrap();
    is(tokens(&budget, config(), &clock), 486.0);
    let cheap = take(Throttled).unwrap();
    is(tokens(&budget, config(), &clock), 481.0);
    budget.succeeded(Some(dear), config());
    is(tokens(&budget, config(), &clock), 495.0);
    budget.give_back(cheap, config());
    budget.succeeded(None, config());
    is(tokens(&budget, config(), &clock), 500.0);
}

#[test]
fn an_empty_budget_refuses_and_fills_up_with_time() {
    let clock = ManualClock::at(UNIX_EPOCH);
    let budget = RetryBudget::new(config());
    let take = || budget.take(Unavailable, config(), clock.now()).is_some();
    assert_eq!((0..40).filter(|_| take()).count(), 35);
    assert_eq!(budget.level(config(), clock.now()).1, 5);
    assert!(budget.take(Throttled, config(), clock.now()).is_some());
    clock.advance(Duration::from_millis(800));
    assert!(!take());
    clock.advance(Duration::from_secs(1));
    assert!(take(), "5 + 18 tokens are there");
    clock.advance(Duration::from_secs(3600));
    is(tokens(&budget, config(), &clock), 500.0);
}

#[test]
fn a_first_attempt_that_succeeds_gives_one() {
    let clock = ManualClock::at(UNIX_EPOCH);
    let budget = RetryBudget::new(config());
    for _ in 0..2 {
        budget.take(Unavailable, config(), clock.now()).unwrap();
    }
    budget.succeeded(None, config());
    is(tokens(&budget, config(), &clock), 473.0);
}

#[test]
fn a_smaller_capacity_holds_at_once() {
    let clock = ManualClock::at(UNIX_EPOCH);
    let budget = RetryBudget::new(config());
    let small = RetryBudgetConfig {
        capacity: 20.0,
        ..config()
    };
    is(tokens(&budget, small, &clock), 20.0);
    assert!(budget.take(Unavailable, small, clock.now()).is_some());
    assert!(budget.take(Unavailable, small, clock.now()).is_none());
}

#[derive(Debug, Clone, Copy)]
enum Event {
    FirstSucceeds,
    Retry { throttled: bool, succeeds: bool },
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::FirstSucceeds),
        (any::<bool>(), any::<bool>()).prop_map(|(throttled, succeeds)| Event::Retry {
            throttled,
            succeeds
        }),
        Just(Event::Retry {
            throttled: false,
            succeeds: false
        }),
        (0..5000_u64).prop_map(Event::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 5000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn failed_retries_cost_no_more_than_there_ever_was(events in prop::collection::vec(event(), 1..200)) {
        let config = RetryBudgetConfig { capacity: 100.0, ..config() };
        let clock = ManualClock::at(UNIX_EPOCH);
        let start = clock.now();
        let budget = RetryBudget::new(config);
        let (mut spent, mut given) = (0.0, 0.0);
        for event in events {
            match event {
                Event::FirstSucceeds => {
                    budget.succeeded(None, config);
                    given += 1.0;
                }
                Event::Retry { throttled, succeeds } => {
                    let kind = if throttled { Throttled } else { Unavailable };
                    let before = tokens(&budget, config, &clock);
                    let cost = budget.take(kind, config, clock.now());
                    let price = if throttled { config.throttle_cost } else { config.cost };
                    prop_assert_eq!(cost.is_some(), before >= price);
                    match cost {
                        Some(cost) if succeeds => {
                            budget.succeeded(Some(cost), config);
                            let after = tokens(&budget, config, &clock);
                            prop_assert!((after - before).abs() < 1e-6, "given back to the token");
                        }
                        Some(cost) => spent += cost.0,
                        None => {}
                    }
                }
                Event::Wait(ms) => clock.advance(Duration::from_millis(ms)),
            }
            let level = tokens(&budget, config, &clock);
            prop_assert!((0.0..=config.capacity).contains(&level));
            let refilled = (clock.now() - start).as_secs_f64() * config.refill_per_second;
            prop_assert!(spent <= config.capacity + refilled + given + 1e-6);
        }
    }
}
