//! `p2c`: of two deployments at random, by weight where weights are written, the one whose peak-EWMA latency times its load
//! is lower. Two random choices keep instances from all running to the same fast deployment.

use super::simple_shuffle::{draw_by, written_weights};
use super::{Choice, Strategy};
use crate::router::Deployment;

pub(super) struct P2c;

impl Strategy for P2c {
    fn pick(&self, choice: &Choice<'_>) -> Option<usize> {
        let mut weights = written_weights(choice);
        let one = draw_by(&weights, choice.dice.draw())?;
        // Where nobody else has a weight, the second is the first again: what counts as 0 is never picked.
        let is_weighted = weights.iter().any(|weight| *weight > 0.0);
        let drawn = weights.get_mut(one)?;
        if is_weighted {
            *drawn = 0.0;
            if weights.iter().all(|weight| *weight <= 0.0) {
                return Some(one);
            }
        }
        let other = if is_weighted {
            draw_by(&weights, choice.dice.draw())?
        } else {
            let place = choice.dice.place(choice.left.len() - 1);
            place + usize::from(place >= one)
        };
        let median = median(choice);
        let load = |place: usize| {
            let deployment = choice.left.get(place).copied();
            deployment.map_or(f64::INFINITY, |deployment| load(deployment, choice, median))
        };
        Some(if load(other) < load(one) { other } else { one })
    }
}

fn load(deployment: &Deployment, choice: &Choice<'_>, median: f64) -> f64 {
    let runtime = &deployment.runtime;
    let latency = runtime.peak_latency(choice.now).unwrap_or(median);
    latency * (super::number(runtime.in_flight_everywhere()) + 1.0)
}

/// The median of what is known; what an unseen deployment counts as.
fn median(choice: &Choice<'_>) -> f64 {
    let mut known: Vec<f64> = (choice.left.iter())
        .filter_map(|deployment| deployment.runtime.peak_latency(choice.now))
        .collect();
    known.sort_unstable_by(f64::total_cmp);
    known.get(known.len() / 2).copied().unwrap_or(1.0)
}
