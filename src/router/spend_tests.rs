//! Tests of what is spent of a budget.

use std::time::UNIX_EPOCH;

use super::*;
use crate::clock::{Clock, ManualClock};

const DAY: Duration = Duration::from_secs(86_400);

fn daily(limit_usd: f64) -> Budget {
    Budget {
        limit_usd,
        period: Some(DAY),
    }
}

fn is(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-9, "{value} is not {expected}");
}

#[test]
fn a_budget_is_over_at_its_limit_until_its_period_ends() {
    let clock = ManualClock::at(UNIX_EPOCH);
    let spend = Spend::default();
    let budget = daily(5.0);
    assert_eq!(spend.resets_in(budget, clock.now()), None);
    clock.advance(DAY * 10);
    spend.add(4.999, budget, clock.now());
    assert!(!spend.is_over(budget, clock.now()));
    clock.advance(DAY / 2);
    spend.add(0.001, budget, clock.now());
    assert!(spend.is_over(budget, clock.now()));
    let left = spend.resets_in(budget, clock.now());
    assert_eq!(left, Some(DAY / 2), "it began with the first spend");
    clock.advance(DAY / 2);
    assert!(!spend.is_over(budget, clock.now()));
    spend.add(1.0, budget, clock.now());
    is(spend.spent(budget, clock.now()), 1.0);
}

#[test]
fn a_limit_of_0_is_none_and_a_budget_without_a_period_never_begins_anew() {
    let clock = ManualClock::at(UNIX_EPOCH);
    let spend = Spend::default();
    let for_ever = Budget {
        limit_usd: 1.0,
        period: None,
    };
    spend.add(2.0, for_ever, clock.now());
    clock.advance(DAY * 1000);
    assert!(spend.is_over(for_ever, clock.now()));
    assert_eq!(spend.resets_in(for_ever, clock.now()), None);
    let none = Budget {
        limit_usd: 0.0,
        ..for_ever
    };
    assert!(!spend.is_over(none, clock.now()));
}

#[test]
fn a_period_that_changes_counts_from_its_beginning() {
    let clock = ManualClock::at(UNIX_EPOCH);
    let spend = Spend::default();
    spend.add(1.0, daily(5.0), clock.now());
    clock.advance(DAY / 2);
    let weekly = Budget {
        limit_usd: 5.0,
        period: Some(DAY * 7),
    };
    let left = spend.resets_in(weekly, clock.now());
    assert_eq!(left, Some(DAY * 13 / 2));
    is(spend.spent(weekly, clock.now()), 1.0);
    let hourly = Budget {
        limit_usd: 5.0,
        period: Some(DAY / 24),
    };
    is(spend.spent(hourly, clock.now()), 0.0);
}

#[test]
fn what_is_no_amount_is_nothing() {
    let clock = ManualClock::at(UNIX_EPOCH);
    let spend = Spend::default();
    for usd in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
        spend.add(usd, daily(1.0), clock.now());
    }
    is(spend.spent(daily(1.0), clock.now()), 0.0);
}

#[test]
fn instances_share_what_they_spent() {
    let clock = ManualClock::at(UNIX_EPOCH);
    let budget = daily(5.0);
    let (here, there) = (Spend::default(), Spend::default());
    here.add(1.0, budget, clock.now());
    there.add(2.0, budget, clock.now());
    let board = here.drain_unreported() + there.drain_unreported();
    is(here.drain_unreported(), 0.0);
    here.add(0.5, budget, clock.now());
    let left = Some(DAY / 4);
    here.set_total_from_elsewhere(board, left, budget, clock.now());
    there.set_total_from_elsewhere(board, left, budget, clock.now());
    is(here.spent(budget, clock.now()), 3.5);
    is(there.spent(budget, clock.now()), 3.0);
    assert_eq!(here.resets_in(budget, clock.now()), left);
    is(here.drain_unreported(), 0.5);
    clock.advance(DAY / 4);
    is(here.spent(budget, clock.now()), 0.0);
}

#[test]
fn a_period_that_began_elsewhere_is_known_here() {
    let clock = ManualClock::at(UNIX_EPOCH);
    let spend = Spend::default();
    spend.set_total_from_elsewhere(9.0, Some(DAY), daily(5.0), clock.now());
    assert!(spend.is_over(daily(5.0), clock.now()));
    spend.set_total_from_elsewhere(f64::NAN, None, daily(5.0), clock.now());
    assert!(spend.is_over(daily(5.0), clock.now()));
    clock.advance(DAY);
    assert!(!spend.is_over(daily(5.0), clock.now()));
}
