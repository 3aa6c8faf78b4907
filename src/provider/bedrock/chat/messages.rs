//! The mended conversation → Converse's messages: who speaks when.
//!
//! Messages of one speaker in a row become one message, results of tools are the user's, and what they consist of is
//! written by [`super::content`].

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::Wire;
use super::blocks::{Block, Speaker, Turn};
use super::cache::CachePolicy;
use super::content::{Writer, assistant, tool_result, user};
use super::history::{Mending, Messages};
use super::kind::Model;
use super::media;
use super::names::Namer;
use crate::canonical::{Content, Message, PartKind, Role, Text};
use crate::error::{Error, Result};

/// Cuts the conversation into Converse's messages; `written` is the conversation before it was mended, for errors.
pub(crate) fn turns(
    messages: &Messages<'_>,
    written: &[Message],
    model: &Model<'_>,
    cache: CachePolicy,
    mending: &Mending,
    namer: &mut Namer,
) -> Result<Vec<Turn>> {
    let mut writer = Writer {
        written,
        model,
        cache,
        mending,
        namer,
    };
    let mut ids = CallIds::default();
    let mut out: Vec<Turn> = Vec::with_capacity(messages.len());
    let mut rest = messages.iter().enumerate().peekable();
    while let Some((index, message)) = rest.next() {
        let group = Group::of(&message.role);
        let mut blocks = Vec::with_capacity(1);
        let mut next = Some((index, message));
        while let Some((index, message)) = next {
            write(&mut writer, &mut ids, index, message, &mut blocks)?;
            next = rest.next_if(|(_, message)| Group::of(&message.role) == group);
        }
        if group == Group::Result || group == Group::Assistant {
            drop_repeated_calls(&mut blocks);
        }
        push(&mut out, group.speaker(model.wire), blocks, mending);
    }
    finish(&mut out, messages, model);
    Ok(out)
}

fn write(
    writer: &mut Writer<'_, '_>,
    ids: &mut CallIds,
    index: usize,
    message: &Message,
    blocks: &mut Vec<Block>,
) -> Result<()> {
    match &message.role {
        Role::User | Role::System => user(writer, message, blocks),
        Role::Assistant => {
            let ids = ids.of_calls(index, message, writer.namer);
            assistant(writer, message, ids, blocks)
        }
        Role::Tool | Role::Function => {
            let id = ids.of_result(index, message, writer.namer);
            tool_result(writer, message, id, blocks)
        }
        Role::Other(name) => Err(unknown_role(name)),
    }
}

/// Messages that are taken together when they follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    User,
    Result,
    Assistant,
    System,
}

impl Group {
    fn of(role: &Role) -> Self {
        match role {
            Role::Assistant => Self::Assistant,
            Role::Tool | Role::Function => Self::Result,
            Role::System => Self::System,
            Role::User | Role::Other(_) => Self::User,
        }
    }

    fn speaker(self, wire: Wire) -> Speaker {
        match self {
            Self::Assistant => Speaker::Assistant,
            Self::System if wire == Wire::Messages => Speaker::System,
            Self::User | Self::Result | Self::System => Speaker::User,
        }
    }
}

/// Appends a message; one more of the same speaker extends the last, or comes after words put into the other's mouth.
fn push(out: &mut Vec<Turn>, speaker: Speaker, blocks: Vec<Block>, mending: &Mending) {
    if blocks.is_empty() {
        return;
    }
    let follows_itself = out.last().is_some_and(|last| last.speaker == speaker);
    if follows_itself {
        if let (Some(said), Speaker::User) = (&mending.assistant, speaker) {
            out.push(Turn {
                speaker: Speaker::Assistant,
                blocks: vec![Block::Text(said.clone())],
            });
        } else if let Some(last) = out.last_mut() {
            last.blocks.extend(blocks);
            return;
        }
    }
    out.push(Turn { speaker, blocks });
}

/// The ids of calls: what the client gave, or made up for those that have none.
#[derive(Debug, Default)]
struct CallIds {
    latest: HashMap<String, String>,
}

impl CallIds {
    fn of_calls(&mut self, index: usize, message: &Message, namer: &Namer) -> Vec<String> {
        let mut ids = Vec::with_capacity(message.tool_calls.len());
        for (place, call) in message.tool_calls.iter().enumerate() {
            let id = match call.id.as_deref().filter(|id| !id.is_empty()) {
                Some(id) => namer.call_id(id).into_owned(),
                None => format!("call_{index}_{place}"),
            };
            self.latest.insert(call.name.clone(), id.clone());
            ids.push(id);
        }
        ids
    }

    /// Returns the id that a result answers: its own, or that of the latest call of the function it names.
    fn of_result(&self, index: usize, message: &Message, namer: &Namer) -> String {
        if let Some(id) = message.tool_call_id.as_deref().filter(|id| !id.is_empty()) {
            return namer.call_id(id).into_owned();
        }
        message
            .name
            .as_ref()
            .and_then(|name| self.latest.get(name).cloned())
            .unwrap_or_else(|| format!("call_{index}"))
    }
}

/// Keeps the first of several calls, or results, with one id.
fn drop_repeated_calls(blocks: &mut Vec<Block>) {
    let mut seen = HashSet::new();
    blocks.retain(|block| match block {
        Block::ToolUse { id, .. } | Block::ToolResult { id, .. } => seen.insert(id.clone()),
        _ => true,
    });
}

/// Puts reasoning first and calls last; a cache point stays behind what it followed.
fn in_bedrocks_order(blocks: Vec<Block>) -> Vec<Block> {
    let rank = |block: &Block| match block {
        Block::Reasoning { .. } | Block::Redacted(_) => 0_usize,
        Block::ToolUse { .. } => 2,
        _ => 1,
    };
    let mut last = 0;
    if blocks.iter().all(|block| {
        let rank = rank(block);
        let in_order = matches!(block, Block::CachePoint(_)) || rank >= last;
        last = last.max(rank);
        in_order
    }) {
        return blocks;
    }
    let (mut reasoning, mut other, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    let mut place = 1;
    for block in blocks {
        if !matches!(block, Block::CachePoint(_)) {
            place = rank(&block);
        }
        match place {
            0 => reasoning.push(block),
            2 => calls.push(block),
            _ => other.push(block),
        }
    }
    reasoning.append(&mut other);
    reasoning.append(&mut calls);
    reasoning
}

/// What can be said only of the whole: names of documents, text beside them, the order of answers, the end of a prefill.
fn finish(turns: &mut [Turn], messages: &[Cow<'_, Message>], model: &Model<'_>) {
    let is_converse = model.wire == Wire::Converse;
    if is_converse {
        media::number_documents(turns);
    }
    for turn in turns.iter_mut() {
        match turn.speaker {
            Speaker::User if is_converse => speak_beside_document(&mut turn.blocks),
            Speaker::User => results_first(&mut turn.blocks),
            Speaker::System => {}
            Speaker::Assistant => {
                turn.blocks = in_bedrocks_order(std::mem::take(&mut turn.blocks));
            }
        }
    }
    let ends_with_answer = messages
        .last()
        .is_some_and(|message| message.role == Role::Assistant);
    if ends_with_answer && model.is_claude() {
        trim_prefill(turns);
    }
}

/// Anthropic's format wants results of tools before anything else that the user says.
fn results_first(blocks: &mut Vec<Block>) {
    let is_result = |block: &Block| matches!(block, Block::ToolResult { .. });
    let Some(last) = blocks.iter().rposition(is_result) else {
        return;
    };
    let in_order = |block: &Block| is_result(block) || matches!(block, Block::CachePoint(_));
    if blocks.iter().take(last).all(in_order) {
        return;
    }
    let (mut results, mut others) = (Vec::with_capacity(blocks.len()), Vec::new());
    let mut after_result = false;
    for block in blocks.drain(..) {
        if !matches!(block, Block::CachePoint(_)) {
            after_result = is_result(&block);
        }
        if after_result {
            results.push(block);
        } else {
            others.push(block);
        }
    }
    results.append(&mut others);
    *blocks = results;
}

/// Bedrock refuses a message that has a document but no text.
fn speak_beside_document(blocks: &mut Vec<Block>) {
    if !blocks.iter().any(Block::is_document) || blocks.iter().any(Block::is_text) {
        return;
    }
    let ends_with_point = matches!(blocks.last(), Some(Block::CachePoint(_)));
    let place = blocks.len() - usize::from(ends_with_point);
    blocks.insert(place, Block::Text(Text::new(".")));
}

/// Claude refuses a final answer of its own that ends with white space.
fn trim_prefill(turns: &mut [Turn]) {
    let Some(turn) = turns
        .last_mut()
        .filter(|turn| turn.speaker == Speaker::Assistant)
    else {
        return;
    };
    if let Some(Block::Text(text)) = turn.blocks.last_mut() {
        let said = text.decoded();
        let trimmed = said.trim_end();
        if trimmed.len() < said.len() {
            let trimmed = Text::new(trimmed);
            *text = trimmed;
        }
    }
}

/// Makes the error of a message that nobody can be the author of.
pub(crate) fn unknown_role(name: &str) -> Error {
    Error::bad_request(
        "messages",
        format!("Invalid Message passed in: there is no role '{name}'."),
    )
}

/// Makes the error of a conversation in which nothing is said, or not what must be: it names the first message of the user
/// that is silent.
pub(crate) fn nothing_said(messages: &[Message]) -> Error {
    let is_silent = |message: &Message| message.role == Role::User && is_silent(&message.content);
    let place = match messages.iter().position(is_silent) {
        Some(index) => format!("messages[{index}].content"),
        None => "messages".to_owned(),
    };
    let message = format!("Invalid Message: message content must not be empty: '{place}'.");
    Error::bad_request(place, message)
}

fn is_silent(content: &Content) -> bool {
    match content {
        Content::Absent => true,
        Content::Text(text) => text.is_blank(),
        Content::Parts(parts) => parts.iter().all(|part| match &part.kind {
            PartKind::Text(text) | PartKind::GuardedText(text) => text.is_blank(),
            _ => false,
        }),
    }
}
