//! What is known of Bedrock's models: windows, prices, capabilities.
//!
//! The facts come from a table that is compiled in (`models.csv`). A model that is not in the table has no facts: every
//! flag is absent, and the transformers then allow what a model of its kind may be able to do.

mod flag;

pub use flag::{Flag, Flags};

/// What is known of one model.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Whether the model, or one with the same stem, is in the table.
    pub known: bool,
    /// Capabilities.
    pub flags: Flags,
    /// The highest `output_config.effort` that Bedrock takes (`bedrock_output_config_effort_ceiling`).
    pub effort_ceiling: Option<String>,
    /// Whether the prompt cache can keep entries for an hour (a price for it is known).
    pub one_hour_cache: bool,
    /// Most input tokens.
    pub max_input_tokens: Option<u64>,
    /// Most output tokens.
    pub max_output_tokens: Option<u64>,
}

impl Facts {
    /// Returns what is said of `flag`: true, false, or nothing.
    pub fn flag(&self, flag: Flag) -> Option<bool> {
        self.flags.get(flag)
    }

    /// Says whether `flag` is stated as true.
    pub fn is(&self, flag: Flag) -> bool {
        self.flag(flag) == Some(true)
    }
}
