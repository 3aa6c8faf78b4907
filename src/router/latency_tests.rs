//! Tests of what is learned of latency.

use std::time::UNIX_EPOCH;

use super::*;
use crate::clock::{Clock, ManualClock};

const SECOND: Duration = Duration::from_secs(1);

struct Rig {
    clock: ManualClock,
    latency: Latency,
}

impl Rig {
    fn new() -> Self {
        Self {
            clock: ManualClock::at(UNIX_EPOCH),
            latency: Latency::default(),
        }
    }

    fn learn(&self, elapsed_ms: u64, output_tokens: u64) {
        let sample = Sample {
            elapsed: Duration::from_millis(elapsed_ms),
            output_tokens,
            ..Sample::default()
        };
        self.latency.learn(sample, self.clock.now());
    }

    fn stream(&self, first_ms: u64) {
        let sample = Sample {
            elapsed: 10 * SECOND,
            first_content: Some(Duration::from_millis(first_ms)),
            input_tokens: 1,
            output_tokens: 100,
        };
        self.latency.learn(sample, self.clock.now());
    }

    fn peak(&self) -> f64 {
        self.latency.peak(self.clock.now()).unwrap()
    }

    fn score(&self, args: &StrategyArgs, stream: bool) -> Option<f64> {
        self.latency.score(args, stream, self.clock.now())
    }
}

fn args() -> StrategyArgs {
    StrategyArgs::default()
}

fn is(value: f64, expected: f64) {
    assert!(
        (value - expected).abs() <= expected * 1e-6 + 1e-12,
        "{value} is not {expected}"
    );
}

#[test]
fn a_peak_rises_at_once_and_fades() {
    let rig = Rig::new();
    assert_eq!(rig.latency.peak(rig.clock.now()), None);
    rig.learn(400, 1);
    rig.learn(4000, 1);
    is(rig.peak(), 4.0);
    rig.learn(400, 1);
    is(rig.peak(), 4.0);
    rig.clock.advance(30 * SECOND);
    is(rig.peak(), 4.0 * (-1.0_f64).exp());
    rig.learn(400, 1);
    let mixed = 4.0 * (-1.0_f64).exp() + 0.4 * (1.0 - (-1.0_f64).exp());
    is(rig.peak(), mixed);
}

#[test]
fn failures_weigh_as_ever_slower_answers_and_fade() {
    let rig = Rig::new();
    rig.learn(400, 1);
    let peaks: Vec<f64> = (0..6)
        .map(|_| {
            rig.latency.learn_failure(false, rig.clock.now());
            rig.peak()
        })
        .collect();
    for (peak, expected) in peaks.iter().zip([5.0, 10.0, 20.0, 40.0, 60.0, 60.0]) {
        is(*peak, expected);
    }
    rig.clock.advance(240 * SECOND);
    assert!(rig.peak() < 0.03);
    let unseen = Rig::new();
    unseen.latency.learn_failure(false, unseen.clock.now());
    is(unseen.peak(), 5.0);
}

#[test]
fn the_score_is_the_mean_per_token_of_the_last_answers() {
    let rig = Rig::new();
    assert_eq!(rig.score(&args(), false), None);
    rig.learn(1000, 10);
    rig.learn(3000, 10);
    is(rig.score(&args(), false).unwrap(), 0.2);
    for _ in 0..10 {
        rig.learn(500, 0);
    }
    is(rig.score(&args(), false).unwrap(), 0.5);
    let short = StrategyArgs {
        max_latency_list_size: 1,
        ..args()
    };
    rig.learn(700, 1);
    is(rig.score(&short, false).unwrap(), 0.7);
}

#[test]
fn samples_count_as_long_as_the_operator_says() {
    let rig = Rig::new();
    rig.learn(1000, 1);
    rig.clock.advance(3600 * SECOND);
    assert_eq!(rig.score(&args(), false), None);
}

#[test]
fn streams_go_by_their_first_content() {
    let rig = Rig::new();
    for first_ms in [100, 200, 300, 1000] {
        rig.stream(first_ms);
    }
    is(rig.score(&args(), true).unwrap(), 0.4);
    is(rig.score(&args(), false).unwrap(), 0.1);
    for (percentile, expected) in [
        (0.01, 0.1),
        (0.5, 0.2),
        (0.75, 0.3),
        (0.76, 1.0),
        (1.0, 1.0),
    ] {
        let args = StrategyArgs {
            ttft_percentile: Some(percentile),
            ..args()
        };
        is(rig.score(&args, true).unwrap(), expected);
    }
    let whole = Rig::new();
    whole.learn(1000, 10);
    is(whole.score(&args(), true).unwrap(), 0.1);
}

#[test]
fn a_timeout_weighs_much_and_for_minutes_not_for_an_hour() {
    let rig = Rig::new();
    rig.learn(1000, 10);
    rig.latency.learn_failure(true, rig.clock.now());
    is(rig.score(&args(), false).unwrap(), 10.0);
    rig.clock.advance(120 * SECOND);
    assert!(rig.score(&args(), false).unwrap() < 0.3);
    rig.clock.advance(120 * SECOND);
    assert!(rig.score(&args(), false).unwrap() < 0.104);
    let unseen = Rig::new();
    unseen.latency.learn_failure(true, unseen.clock.now());
    assert!(
        unseen.score(&args(), false).unwrap() > 50.0,
        "not the first to be tried"
    );
    unseen.clock.advance(600 * SECOND);
    assert_eq!(unseen.score(&args(), false), None, "to be tried again");
}

#[test]
fn averages_follow_and_memory_is_bounded() {
    let rig = Rig::new();
    assert_eq!(rig.latency.averages(), LatencyMs::default());
    rig.stream(100);
    rig.stream(200);
    let averages = rig.latency.averages();
    is(averages.ewma.unwrap(), 10_000.0);
    is(averages.ttft_ewma.unwrap(), 120.0);
    for _ in 0..1000 {
        rig.learn(1, 1);
    }
    assert_eq!(rig.latency.lock().answers.0.len(), KEPT);
}
