//! What a response says of its request.

use std::collections::HashMap;
use std::sync::Arc;

use crate::canonical::{ObjectWriter, RawJson};
use crate::dialect::in_line::write_in_line;
use crate::dialect::{self, Envelope};

/// Why a response is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotKept {
    /// It and its conversation are too large.
    TooLarge,
    /// Too many are being written already.
    NoRoom,
}

impl NotKept {
    /// Returns what the client is told.
    fn warning(self) -> &'static str {
        match self {
            Self::TooLarge => "the response is not kept: its conversation is too large",
            Self::NoRoom => "the response is not kept: too many are being written to the store",
        }
    }
}

/// Members that a response repeats, and what it says where the request does not have them.
const REPEATED: [(&str, &str); 19] = [
    ("background", "false"),
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("prompt_cache_key", "null"),
    ("prompt_cache_retention", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("temperature", "null"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "null"),
    ("truncation", r#""disabled""#),
    ("user", "null"),
];

/// What a response repeats of its request, and what it needs to speak in the client's words.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Members of the request that the response repeats, as written.
    pub(super) repeated: Vec<(&'static str, RawJson)>,
    /// Whether reasoning is to come with what the model needs to see it again.
    pub(super) encrypted: bool,
    /// The client's words for tools that are called otherwise, or are no functions, by the name that models know.
    pub(super) tools: HashMap<String, Known>,
    /// The conversation up to here: a list of items.
    pub(super) input: RawList,
    /// Whether the client lets the response be kept (`store`).
    pub(super) may_keep: bool,
    /// How many bytes of it and its conversation are kept; `None` where it will not be kept.
    pub(super) room: Option<usize>,
    /// What was left out of the request.
    pub(super) warnings: Vec<String>,
}

/// A list as it is written; empty when it is not set.
#[derive(Debug, Clone)]
pub(super) struct RawList(pub(super) RawJson);

impl Default for RawList {
    fn default() -> Self {
        Self(RawJson::from_checked(bytes::Bytes::from_static(b"[]")))
    }
}

/// A tool in the client's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Its namespace, if it has one.
    pub(super) namespace: Option<String>,
    /// Its name there.
    pub(super) name: String,
    /// Whether it takes plain text instead of arguments.
    pub(super) is_custom: bool,
}

impl Asked {
    /// Says whether the client lets the response be kept (`store`).
    pub fn may_keep(&self) -> bool {
        self.may_keep
    }

    /// Says whether the response will be kept.
    pub fn is_kept(&self) -> bool {
        self.room.is_some()
    }

    /// Returns the same for a response that will be kept if it and its conversation have no more than `most` bytes. Where
    /// the conversation alone has more, it will not, and the warnings say so.
    #[must_use]
    pub fn kept(&self, most: usize) -> Self {
        let mut asked = self.clone();
        if self.input.0.get().len() < most {
            asked.room = Some(most);
        } else {
            asked.warnings.push(NotKept::TooLarge.warning().to_owned());
        }
        asked
    }

    /// Returns the same for a response that turned out not to be kept.
    #[must_use]
    pub fn not_kept(&self, why: NotKept) -> Self {
        let mut asked = self.clone();
        asked.room = None;
        asked.warnings.push(why.warning().to_owned());
        asked
    }

    /// Returns what was left out of the request.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Finds what the answer in `envelope` was asked for.
    pub(super) fn of(envelope: &Envelope) -> Arc<Self> {
        match &envelope.asked {
            dialect::Asked::Response(asked) => Arc::clone(asked),
            _ => Arc::default(),
        }
    }

    /// Notes a member that is repeated, if it is one of those.
    pub(super) fn repeat(&mut self, name: &str, value: RawJson) {
        if let Some((known, _)) = REPEATED.iter().find(|(known, _)| *known == name) {
            self.repeated.retain(|(other, _)| other != known);
            self.repeated.push((known, value));
        }
    }

    /// Appends the members that are repeated.
    pub(super) fn write(&self, object: &mut ObjectWriter<'_>) {
        for (name, default) in REPEATED {
            match self.repeated.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => write_in_line(value, object.member(name)),
                None => object.raw(name, default),
            }
        }
        object.raw("store", if self.is_kept() { "true" } else { "false" });
    }
}
