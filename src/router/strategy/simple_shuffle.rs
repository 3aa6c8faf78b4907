//! `simple-shuffle`, the default strategy: a random deployment, by the key's weights, else by `weight`, `rpm` or `tpm`.
//!
//! The first of these that any candidate has more than 0 of decides alone, and a candidate without it is never picked then;
//! where none has any, all are as likely. Nothing depends on the order of the candidates.

use super::{Choice, Strategy};
use crate::router::Deployment;

pub(super) struct SimpleShuffle;

impl Strategy for SimpleShuffle {
    fn pick(&self, choice: &Choice<'_>) -> Option<usize> {
        draw_by(&weights(choice), choice.dice.draw())
    }
}

/// What a deployment has of something that can be weighed.
type Metric = fn(&Deployment, &Choice<'_>) -> Option<f64>;

/// The first decides that any candidate has more than 0 of.
const METRICS: [Metric; 4] = [
    |deployment, choice| {
        let mut own = choice.asked.weights.iter();
        own.find(|(id, _)| *id == deployment.id)
            .map(|(_, weight)| *weight)
    },
    |deployment, _| deployment.entry.limits.weight,
    |deployment, _| deployment.entry.limits.rpm.map(super::number),
    |deployment, _| deployment.entry.limits.tpm.map(super::number),
];

/// The weight of each candidate, by whatever can be weighed; all 0 where none has any.
fn weights(choice: &Choice<'_>) -> Vec<f64> {
    by_first_of(&METRICS, choice)
}

/// The weight of each candidate, by the weights that are written for it; all 0 where none has any.
pub(super) fn written_weights(choice: &Choice<'_>) -> Vec<f64> {
    by_first_of(METRICS.get(..2).unwrap_or_default(), choice)
}

/// The part of the calls that each candidate gets.
pub(super) fn shares(choice: &Choice<'_>) -> Vec<f64> {
    let weights = weights(choice);
    let total: f64 = weights.iter().sum();
    let even = share(1, weights.len().max(1));
    let part = |weight: f64| if total > 0.0 { weight / total } else { even };
    weights.into_iter().map(part).collect()
}

fn by_first_of(metrics: &[Metric], choice: &Choice<'_>) -> Vec<f64> {
    let mut weights = vec![0.0; choice.left.len()];
    for metric in metrics {
        for (weight, deployment) in weights.iter_mut().zip(choice.left) {
            let value = metric(deployment, choice).unwrap_or(0.0);
            *weight = if value.is_finite() {
                value.max(0.0)
            } else {
                0.0
            };
        }
        // By the greatest, so that no sum is too large for a number.
        let greatest = weights.iter().copied().fold(0.0, f64::max);
        if greatest > 0.0 {
            for weight in &mut weights {
                *weight /= greatest;
            }
            break;
        }
    }
    weights
}

/// Picks a place by weight, evenly when all weights are 0; `draw` is a random number from 0 (inclusive) to 1.
pub(super) fn draw_by(weights: &[f64], draw: f64) -> Option<usize> {
    let last = weights.len().checked_sub(1)?;
    let total: f64 = weights.iter().sum();
    if total <= 0.0 {
        return Some(
            (0..last)
                .find(|place| draw < share(place + 1, last + 1))
                .unwrap_or(last),
        );
    }
    let mut rest = draw * total;
    for (place, weight) in weights.iter().enumerate() {
        if rest < *weight {
            return Some(place);
        }
        rest -= weight;
    }
    weights.iter().rposition(|weight| *weight > 0.0)
}

fn share(part: usize, whole: usize) -> f64 {
    let float = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    float(part) / float(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_weights_share_evenly() {
        let picks: Vec<_> = [0.0, 0.3, 0.34, 0.6, 0.7, 0.999]
            .iter()
            .map(|draw| draw_by(&[0.0; 3], *draw).unwrap())
            .collect();
        assert_eq!(picks, [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn weights_decide_and_zero_is_never_picked() {
        assert_eq!(draw_by(&[0.0, 2.0, 0.0], 0.0), Some(1));
        assert_eq!(draw_by(&[0.0, 2.0, 0.0], 0.999_999), Some(1));
        assert_eq!(draw_by(&[1.0, 3.0], 0.24), Some(0));
        assert_eq!(draw_by(&[1.0, 3.0], 0.26), Some(1));
        assert_eq!(draw_by(&[1.0, 1.0], 1.0), Some(1));
        assert_eq!(draw_by(&[], 0.5), None);
    }
}
