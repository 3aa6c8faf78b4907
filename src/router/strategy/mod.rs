//! Strategies: of the deployments that are left after the filters, each picks one.
//!
//! All of them are even-handed: what they go by being equal, chance decides, and the order of the file never does.

mod cost_based;
mod latency_based;
mod least_busy;
mod p2c;
mod simple_shuffle;
mod usage_based;

use std::sync::Arc;
use std::time::Instant;

use super::{Asked, Deployment};
use crate::config::{StrategyArgs, StrategyName};
use crate::random::Dice;

/// What a strategy goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice<'a> {
    /// The deployments to pick from.
    pub(super) left: &'a [&'a Arc<Deployment>],
    /// What of the call matters.
    pub(super) asked: &'a Asked,
    /// `routing_strategy_args`.
    pub(super) args: &'a StrategyArgs,
    /// Chance.
    pub(super) dice: &'a Dice,
    /// The time.
    pub(super) now: Instant,
}

/// Picks one of the deployments that are left.
trait Strategy {
    /// Returns its place; `None` only where none is left.
    fn pick(&self, choice: &Choice<'_>) -> Option<usize>;
}

/// Picks by the strategy that is called `name`.
pub(super) fn pick(name: StrategyName, choice: &Choice<'_>) -> Option<usize> {
    if choice.left.len() < 2 {
        return choice.left.len().checked_sub(1);
    }
    match name {
        StrategyName::SimpleShuffle => simple_shuffle::SimpleShuffle.pick(choice),
        StrategyName::LeastBusy => least_busy::LeastBusy.pick(choice),
        StrategyName::LatencyBased => latency_based::LatencyBased.pick(choice),
        StrategyName::UsageBased => usage_based::UsageBased.pick(choice),
        StrategyName::CostBased => cost_based::CostBased.pick(choice),
        StrategyName::P2c => p2c::P2c.pick(choice),
    }
}

/// Returns the part of the calls that each of those left gets; `None` where that follows from what is learned.
pub(super) fn shares(name: StrategyName, choice: &Choice<'_>) -> Option<Vec<f64>> {
    (name == StrategyName::SimpleShuffle).then(|| simple_shuffle::shares(choice))
}

/// Picks at random among those whose score is the lowest, or at most `1 + buffer` times that.
fn lowest(choice: &Choice<'_>, buffer: f64, score: impl Fn(&Deployment) -> f64) -> Option<usize> {
    let scores: Vec<f64> = choice.left.iter().map(|one| score(one)).collect();
    let best = scores.iter().copied().min_by(f64::total_cmp)?;
    let bound = best + best.abs() * buffer.max(0.0);
    let good = || {
        let all = scores.iter().enumerate();
        // By the total order too, so that a score which is no number still leaves a place to pick.
        all.filter(|(_, score)| **score <= bound || score.total_cmp(&best).is_le())
    };
    let chosen = choice.dice.place(good().count());
    good().nth(chosen).map(|(place, _)| place)
}

/// A count as a number that can be weighed; beyond 2^53 it need not be exact.
#[expect(
    clippy::cast_precision_loss,
    reason = "only compared, never counted with"
)]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
#[path = "strategy_tests.rs"]
mod tests;
