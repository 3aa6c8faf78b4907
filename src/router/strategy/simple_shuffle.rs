//! `simple-shuffle`, the default strategy: a random deployment, by `weight` where weights are written.

use std::sync::Arc;

use super::Deployment;

/// Picks one of `deployments`; `draw` is a random number from 0 (inclusive) to 1.
///
/// Where any deployment has a `weight`, those without one count as 0 and are never picked while a weighted one is there.
pub fn simple_shuffle<'a>(
    deployments: &[&'a Arc<Deployment>],
    draw: f64,
) -> Option<&'a Arc<Deployment>> {
    let weights: Vec<f64> = deployments
        .iter()
        .map(|deployment| deployment.entry.limits.weight.unwrap_or(0.0).max(0.0))
        .collect();
    let place = weighted(&weights, draw)?;
    deployments.get(place).copied()
}

/// Picks a place by weight; evenly when all weights are 0.
fn weighted(weights: &[f64], draw: f64) -> Option<usize> {
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
            .map(|draw| weighted(&[0.0; 3], *draw).unwrap())
            .collect();
        assert_eq!(picks, [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn weights_decide_and_zero_is_never_picked() {
        assert_eq!(weighted(&[0.0, 2.0, 0.0], 0.0), Some(1));
        assert_eq!(weighted(&[0.0, 2.0, 0.0], 0.999_999), Some(1));
        assert_eq!(weighted(&[1.0, 3.0], 0.24), Some(0));
        assert_eq!(weighted(&[1.0, 3.0], 0.26), Some(1));
        assert_eq!(weighted(&[1.0, 1.0], 1.0), Some(1));
        assert_eq!(weighted(&[], 0.5), None);
    }
}
