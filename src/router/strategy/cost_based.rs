//! `cost-based-routing`: the lowest price of an input and an output token together. A price of 0 is a price.

use super::super::deployment::UNKNOWN_COST_PER_TOKEN;
use super::{Choice, Strategy, lowest};

pub(super) struct CostBased;

impl Strategy for CostBased {
    fn pick(&self, choice: &Choice<'_>) -> Option<usize> {
        lowest(choice, 0.0, |deployment| {
            let unknown = UNKNOWN_COST_PER_TOKEN * 2.0;
            deployment.cost_per_token.unwrap_or(unknown)
        })
    }
}
