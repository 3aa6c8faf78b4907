//! `usage-based-routing` and `-v2`: the fewest tokens used in the last minute.

use super::{Choice, Strategy, lowest};

pub(super) struct UsageBased;

impl Strategy for UsageBased {
    fn pick(&self, choice: &Choice<'_>) -> Option<usize> {
        lowest(choice, 0.0, |deployment| {
            super::number(deployment.runtime.usage(choice.now).tokens)
        })
    }
}
