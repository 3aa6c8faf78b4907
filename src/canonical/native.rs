//! What a client sent, or a model answered, in a format that both may share: beside what it means, as it was written.
//!
//! Where client and model speak the same format, a body is edited instead of being built anew, so that nothing is lost that
//! the canonical types have no place for. These are always filled too.

use std::borrow::Cow;

use super::RawJson;

/// A format that is both a dialect of clients and a wire format of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NativeFormat {
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's Responses.
    Responses,
}

impl NativeFormat {
    /// Returns the members of a body that say what the canonical types have no place for, by which answers differ.
    pub fn telling_members(self) -> &'static [&'static str] {
        match self {
            Self::Messages => &["messages", "system", "tool_choice"],
            Self::Responses => &[
                "context_management",
                "include",
                "input",
                "instructions",
                "max_tool_calls",
                "moderation",
                "prompt",
                "prompt_cache_options",
                "prompt_cache_retention",
                "reasoning",
                "stream_options",
                "text",
                "tool_choice",
                "tools",
                "truncation",
            ],
        }
    }
}

/// A body as it was written.
#[derive(Debug, Clone)]
pub struct Native {
    /// Whose format it has.
    pub format: NativeFormat,
    /// The body: an object.
    pub body: RawJson,
    /// Whether it is known to say what the canonical types have no place for.
    pub is_alone: bool,
}

/// What a request loses with a model that does not speak its format.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loss {
    /// What is left out, for a warning.
    pub warnings: Vec<String>,
    /// What cannot be left out: the member that asks for it, and why the request is refused.
    pub refusal: Option<(String, String)>,
}

impl Loss {
    /// Notes that the request is to be refused; of several reasons the first counts.
    pub fn refuse(&mut self, member: &str, why: &str) {
        let reason = || (member.to_owned(), why.to_owned());
        self.refusal.get_or_insert_with(reason);
    }
}

/// An event of a streamed answer as it was written.
#[derive(Debug, Clone)]
pub struct NativeEvent {
    /// Whose format it has.
    pub format: NativeFormat,
    /// Its type: `content_block_delta`.
    pub name: Cow<'static, str>,
    /// The block that it is about, by the answer's own count.
    pub block: Option<u32>,
    /// The event.
    pub json: RawJson,
    /// How many of the next chunks say the same in canonical words: whoever passes on the event passes over those.
    pub covers: usize,
    /// Whether it says what no canonical chunk can: a block of a kind that nobody knows here.
    pub is_alone: bool,
}
