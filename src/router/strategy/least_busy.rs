//! `least-busy`: the fewest calls under way, in all instances as far as is known.

use super::{Choice, Strategy, lowest};

pub(super) struct LeastBusy;

impl Strategy for LeastBusy {
    fn pick(&self, choice: &Choice<'_>) -> Option<usize> {
        lowest(choice, 0.0, |deployment| {
            super::number(deployment.runtime.in_flight_everywhere())
        })
    }
}
