//! How fast a deployment answers, in the three forms that are asked for: peak-EWMA (`p2c`), the last answers
//! (`latency-based-routing`), and plain averages (`/router/state`).
//!
//! A failure weighs as a slow answer, and its weight fades: a deployment that no longer fails is tried again.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::runtime::Sample;
use crate::config::StrategyArgs;

/// How fast a peak fades: to a third in this time.
const PEAK_FADES: Duration = Duration::from_secs(30);

/// What a failure counts for, at least and at most, in seconds; in between, twice what is known.
const FAILURE_SECONDS: (f64, f64) = (5.0, 60.0);

/// By what a timeout multiplies the latency of the last answers at first, and how fast that fades.
const TIMEOUT_FACTOR: f64 = 100.0;
const TIMEOUT_FADES: Duration = Duration::from_secs(30);

/// The factor below which a timeout is forgotten.
const FORGOTTEN: f64 = 1.01;

/// The weight of the newest answer in the plain averages.
const NEWEST: f64 = 0.2;

/// Most answers that are kept; a longer `max_latency_list_size` means this.
const KEPT: usize = 100;

/// How fast a deployment answers.
#[derive(Debug, Default)]
pub(super) struct Latency(Mutex<State>);

/// Averages in milliseconds; `None` before the first answer.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LatencyMs {
    /// From sending to the end of the answer.
    pub ewma: Option<f64>,
    /// From sending to the first content of a stream.
    pub ttft_ewma: Option<f64>,
}

#[derive(Debug, Default)]
struct State {
    peak: Option<(f64, Instant)>,
    average: Option<f64>,
    first_content_average: Option<f64>,
    answers: Last,
    first_contents: Last,
    timed_out: Option<Instant>,
}

/// The last samples, in seconds, the newest at the end.
#[derive(Debug, Default)]
struct Last(VecDeque<(f64, Instant)>);

impl Latency {
    /// Books an answer.
    pub(super) fn learn(&self, sample: Sample, now: Instant) {
        let seconds = sample.elapsed.as_secs_f64();
        let mut state = self.lock();
        state.observe(seconds, now);
        smooth(&mut state.average, seconds);
        let tokens = u32::try_from(sample.output_tokens).unwrap_or(u32::MAX);
        state.answers.push(seconds / f64::from(tokens.max(1)), now);
        if let Some(first) = sample.first_content {
            let first = first.as_secs_f64();
            smooth(&mut state.first_content_average, first);
            state.first_contents.push(first, now);
        }
    }

    /// Books a failure.
    pub(super) fn learn_failure(&self, timed_out: bool, now: Instant) {
        let mut state = self.lock();
        let (least, most) = FAILURE_SECONDS;
        let known = state.peak(now).unwrap_or_default();
        state.observe((known * 2.0).clamp(least, most), now);
        if timed_out {
            state.timed_out = Some(now);
        }
    }

    /// Returns the peak-EWMA in seconds; `None` before the first answer or failure.
    pub(super) fn peak(&self, now: Instant) -> Option<f64> {
        self.lock().peak(now)
    }

    /// Returns the score of `latency-based-routing` in seconds, the lower the better: per generated token, or for a
    /// stream until the first content. `None`: nothing is known, so it is to be tried first.
    pub(super) fn score(&self, args: &StrategyArgs, stream: bool, now: Instant) -> Option<f64> {
        let state = self.lock();
        let first_content = || {
            let last = state.first_contents.within(args, now);
            match args.ttft_percentile {
                Some(percentile) => nearest_rank(last.collect(), percentile),
                None => mean(last),
            }
        };
        let known = stream
            .then(first_content)
            .flatten()
            .or_else(|| mean(state.answers.within(args, now)));
        let factor = state.timeout_factor(now);
        match known {
            Some(seconds) => Some(seconds * factor),
            // It has only ever timed out.
            None => (factor > FORGOTTEN).then_some(factor),
        }
    }

    /// Returns the plain averages.
    pub(super) fn averages(&self) -> LatencyMs {
        let state = self.lock();
        LatencyMs {
            ewma: state.average.map(|seconds| seconds * 1000.0),
            ttft_ewma: state.first_content_average.map(|seconds| seconds * 1000.0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn peak(&self, now: Instant) -> Option<f64> {
        self.peak
            .map(|(seconds, at)| seconds * left_of(at, now, PEAK_FADES))
    }

    /// Rises to a slower answer at once, and sinks to a faster one with time.
    fn observe(&mut self, seconds: f64, now: Instant) {
        let risen = match self.peak {
            Some((peak, at)) if peak > seconds => {
                let left = left_of(at, now, PEAK_FADES);
                peak * left + seconds * (1.0 - left)
            }
            _ => seconds,
        };
        self.peak = Some((risen, now));
    }

    fn timeout_factor(&self, now: Instant) -> f64 {
        self.timed_out.map_or(1.0, |at| {
            1.0 + (TIMEOUT_FACTOR - 1.0) * left_of(at, now, TIMEOUT_FADES)
        })
    }
}

impl Last {
    fn push(&mut self, seconds: f64, now: Instant) {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back((seconds, now));
    }

    /// Returns the newest samples that still count, as many as the operator wants.
    fn within(&self, args: &StrategyArgs, now: Instant) -> impl Iterator<Item = f64> {
        let ttl = args.ttl;
        self.0
            .iter()
            .rev()
            .take(args.max_latency_list_size.max(1))
            .take_while(move |(_, at)| now.saturating_duration_since(*at) < ttl)
            .map(|(seconds, _)| *seconds)
    }
}

fn smooth(average: &mut Option<f64>, value: f64) {
    *average = Some(average.map_or(value, |old| old + NEWEST * (value - old)));
}

/// Returns what is left at `now` of something that fades since `at`.
fn left_of(at: Instant, now: Instant, fades: Duration) -> f64 {
    let since = now.saturating_duration_since(at);
    (-since.as_secs_f64() / fades.as_secs_f64()).exp()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, total) = values.fold((0.0, 0_u32), |(sum, total), value| (sum + value, total + 1));
    (total > 0).then(|| sum / f64::from(total))
}

/// Returns the value at a percentile (above 0, at most 1) by the nearest-rank method.
fn nearest_rank(mut values: Vec<f64>, percentile: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let total = u32::try_from(values.len()).ok()?;
    let rank = (1..=total).find(|rank| f64::from(*rank) >= percentile * f64::from(total));
    let place = usize::try_from(rank.unwrap_or(total)).ok()?;
    values.get(place.checked_sub(1)?).copied()
}

#[cfg(test)]
#[path = "latency_tests.rs"]
mod tests;
