//! `latency-based-routing`: the fastest answers lately; a deployment of which nothing is known goes first.

use super::{Choice, Strategy, lowest};

pub(super) struct LatencyBased;

impl Strategy for LatencyBased {
    fn pick(&self, choice: &Choice<'_>) -> Option<usize> {
        let stream = choice.asked.stream;
        lowest(choice, choice.args.lowest_latency_buffer, |deployment| {
            let runtime = &deployment.runtime;
            let score = runtime.latency_score(choice.args, stream, choice.now);
            score.unwrap_or(0.0)
        })
    }
}
