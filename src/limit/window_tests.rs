use proptest::prelude::*;

use super::*;
use crate::clock::{Clock as _, SystemClock};

fn ask(amount: u64, limit: u64) -> Ask {
    Ask {
        amount,
        limit,
        one_always: false,
    }
}

fn tokens(amount: u64, limit: u64) -> Ask {
    Ask {
        one_always: true,
        ..ask(amount, limit)
    }
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn idle_window_admits_its_limit_at_once_and_says_when_it_opens() {
    let now = SystemClock.now();
    let mut window = Window::default();
    for _ in 0..3 {
        assert_eq!(window.room(ask(1, 3), now), Ok(()));
        window.take(1, now);
    }
    assert_eq!(window.room(ask(1, 3), now), Err(LENGTH));
    let later = now + 59_400 * MS;
    assert_eq!(window.room(ask(1, 3), later), Err(600 * MS));
    assert_eq!(window.whole_in(later), 600 * MS);
    assert_eq!(window.room(ask(3, 3), now + LENGTH), Ok(()));
    assert_eq!(window.whole_in(now + LENGTH), Duration::ZERO);
}

#[test]
fn wait_is_until_enough_has_left() {
    let now = SystemClock.now();
    let mut window = Window::default();
    window.take(4, now);
    window.take(4, now + 1000 * MS);
    window.take(2, now + 2000 * MS);
    let at = now + 3000 * MS;
    assert_eq!(window.room(ask(3, 10), at), Err(57_000 * MS));
    assert_eq!(window.room(ask(5, 10), at), Err(58_000 * MS));
    assert_eq!(window.room(ask(10, 10), at), Err(59_000 * MS));
    assert_eq!(window.room(ask(11, 10), at), Err(LENGTH));
}

#[test]
fn one_call_passes_an_untouched_window_however_large() {
    let now = SystemClock.now();
    let mut window = Window::default();
    assert_eq!(window.room(tokens(1000, 10), now), Ok(()));
    window.take(1000, now);
    assert_eq!(window.room(tokens(1, 10), now), Err(LENGTH));
    assert_eq!(window.room(tokens(1000, 10), now + LENGTH), Ok(()));
    assert_eq!(Window::default().room(tokens(1, 0), now), Err(LENGTH));
    assert_eq!(Window::default().room(ask(11, 10), now), Err(LENGTH));
}

#[test]
fn what_is_given_back_goes_where_it_was_taken() {
    let now = SystemClock.now();
    let mut window = Window::default();
    let first = window.take(10, now);
    let second = window.take(10, now + 1000 * MS);
    window.change(first, -4);
    window.change(second, 5);
    assert_eq!(window.used(now + 2000 * MS), 21);
    assert_eq!(window.used(now + LENGTH), 15);
    window.change(first, -4);
    window.change(first, 4);
    assert_eq!(window.used(now + LENGTH), 15, "what is past is past");
    window.change(second, -100);
    assert_eq!(window.used(now + LENGTH), 0);
}

#[test]
fn memory_is_bounded_whatever_the_limit() {
    let start = SystemClock.now();
    let mut window = Window::default();
    for tick in 0..120_000_u32 {
        window.take(1, start + tick * MS);
    }
    assert!(window.slices.len() <= 1201, "{}", window.slices.len());
    assert_eq!(window.used(start + 200_000 * MS), 0);
    assert!(window.slices.capacity() <= KEPT_SLICES);
}

#[test]
fn clock_readings_out_of_order_lose_nothing() {
    let now = SystemClock.now();
    let mut window = Window::default();
    window.take(1, now + 10 * MS);
    window.take(1, now);
    assert_eq!(window.used(now + LENGTH + 9 * MS), 2);
    assert_eq!(window.used(now + LENGTH + 10 * MS), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Take(u64),
    GiveBack(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        prop_oneof![0_u64..60, 0_u64..20_000].prop_map(Step::Wait),
        (1_u64..4).prop_map(Step::Take),
        (0_usize..50).prop_map(Step::GiveBack),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn never_more_than_the_limit_in_any_minute_and_at_most_50_ms_late(limit in 1_u64..20, steps in steps()) {
        let start = SystemClock.now();
        let mut now = start;
        let mut window = Window::default();
        // What an exact log of every call would hold.
        let mut log: Vec<(Instant, Place, u64)> = Vec::new();
        let used = |log: &[(Instant, Place, u64)], now: Instant, slack: Duration| -> u64 {
            log.iter()
                .filter(|(at, ..)| now.saturating_duration_since(*at) < LENGTH + slack)
                .map(|(.., amount)| *amount)
                .sum()
        };
        for step in steps {
            match step {
                Step::Wait(ms) => now += Duration::from_millis(ms),
                Step::Take(amount) => match window.room(ask(amount, limit), now) {
                    Ok(()) => {
                        prop_assert!(used(&log, now, Duration::ZERO) + amount <= limit);
                        let place = window.take(amount, now);
                        log.push((now, place, amount));
                    }
                    Err(wait) => {
                        prop_assert!(used(&log, now, SLICE) + amount > limit);
                        prop_assert!(wait <= LENGTH);
                        if amount <= limit {
                            now += wait;
                            prop_assert!(window.room(ask(amount, limit), now).is_ok());
                        }
                    }
                },
                Step::GiveBack(index) => {
                    if let Some((_, place, amount)) = log.get_mut(index)
                        && *amount > 0
                    {
                        window.change(*place, -1);
                        *amount -= 1;
                    }
                }
            }
            let exact = used(&log, now, Duration::ZERO);
            let held = window.used(now);
            prop_assert!(held >= exact && held <= used(&log, now, SLICE));
        }
    }
}
