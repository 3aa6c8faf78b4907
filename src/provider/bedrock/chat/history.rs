//! The conversation before it is cut into blocks: who may speak where, and what is put in or turned into text.
//!
//! Bedrock takes instructions apart from messages, alternating speakers, and tool calls only beside tools. The passes
//! here run in the order of their functions and copy a message only when they change it.

use std::borrow::Cow;

use super::Wire;
use super::blocks::Block;
use super::cache::CachePolicy;
use super::content::is_replayed;
use super::kind::Kind;
use crate::canonical::{CacheControl, Content, Message, Part, PartKind, Role, Text, Thinking};
use crate::error::{Error, Result};
use crate::provider::Repairs;

/// The conversation while it is mended.
pub(crate) type Messages<'a> = Vec<Cow<'a, Message>>;

/// What stands in where somebody has to say something.
const CONTINUE: &str = "Please continue.";

/// What stands in place of a text that says nothing.
const PLACEHOLDER: &str = "(no text)";

/// What precedes instructions that came in the middle of the conversation.
pub(crate) const OPERATOR_NOTE: &str = "Operator note (not from the user): the following was originally a mid-conversation system-role reminder.";

/// How messages are mended.
#[derive(Debug, Clone)]
pub(crate) struct Mending {
    /// Whether messages are mended at all (`modify_params`).
    pub(crate) modify: bool,
    /// What a user says to make the model go on, if that may be put in.
    pub(crate) user: Option<Message>,
    /// What the assistant says between two turns of the user, if that may be put in.
    pub(crate) assistant: Option<Text>,
    /// Whether a guardrail looks at the request.
    pub(crate) guardrail: bool,
    /// What stands in place of a text that says nothing, where nothing else may be put in.
    placeholder: Option<Text>,
}

impl Mending {
    /// Takes together what the operator and the request say.
    pub(crate) fn new(
        repairs: &Repairs,
        user: Option<&Message>,
        assistant: Option<&str>,
        guardrail: bool,
    ) -> Self {
        let modify = repairs.modify_params;
        let said = assistant.or(modify.then_some(CONTINUE));
        Self {
            modify,
            user: user.cloned().or_else(|| modify.then(continue_message)),
            assistant: said.map(Text::new),
            guardrail,
            placeholder: None,
        }
    }

    /// Takes to what a format does with texts that say nothing: Anthropic's refuses them, and a message without any.
    pub(crate) fn for_wire(mut self, wire: Wire) -> Self {
        self.placeholder = (wire == Wire::Messages).then(|| Text::new(PLACEHOLDER));
        self
    }

    /// Returns the text that stands in for an empty answer.
    pub(crate) fn assistant_text(&self) -> Option<Text> {
        let said = self.assistant.clone();
        said.or_else(|| self.user.is_some().then(|| Text::new(CONTINUE)))
            .or_else(|| self.placeholder.clone())
    }

    /// Returns the text that stands in for an empty user message.
    pub(crate) fn user_text(&self) -> Option<Text> {
        let Some(user) = &self.user else {
            return self.placeholder.clone();
        };
        match &user.content {
            Content::Text(text) => Some(text.clone()),
            Content::Parts(parts) => parts.iter().find_map(|part| match &part.kind {
                PartKind::Text(text) => Some(text.clone()),
                _ => None,
            }),
            Content::Absent => None,
        }
    }
}

/// Borrows the conversation, so that only what is mended is copied.
pub(crate) fn borrow(messages: &[Message]) -> Messages<'_> {
    messages.iter().map(Cow::Borrowed).collect()
}

fn continue_message() -> Message {
    user_message(Content::Text(Text::new(CONTINUE)))
}

fn user_message(content: Content) -> Message {
    Message {
        role: Role::User,
        content,
        ..Message::default()
    }
}

fn part(kind: PartKind, cache: Option<CacheControl>) -> Part {
    Part { kind, cache }
}

/// Takes the leading instructions out of the conversation.
pub(crate) fn split_system(messages: &mut Messages<'_>, cache: CachePolicy) -> Vec<Block> {
    let leading = messages
        .iter()
        .take_while(|message| message.role == Role::System)
        .count();
    let mut system = Vec::new();
    for message in messages.drain(..leading) {
        match &message.content {
            Content::Text(text) if !text.is_empty() => {
                system.push(Block::Text(text.clone()));
                cache.push(message.cache.as_ref(), &mut system);
            }
            Content::Parts(parts) => {
                for part in parts {
                    if let PartKind::Text(text) = &part.kind
                        && !text.is_empty()
                    {
                        system.push(Block::Text(text.clone()));
                        cache.push(part.cache.as_ref(), &mut system);
                    }
                }
            }
            Content::Text(_) | Content::Absent => {}
        }
    }
    system
}

/// Turns instructions in the middle of the conversation into notes of the user, never between a call and its result.
pub(crate) fn turn_later_system_into_notes(messages: &mut Messages<'_>) {
    move_later_system(messages, |message| note(message).map(user_message));
}

/// Keeps instructions in the middle of the conversation as such, never between a call and its result.
pub(crate) fn keep_later_system(messages: &mut Messages<'_>) {
    move_later_system(messages, |message| {
        let texts = texts_of(message);
        (!texts.is_empty()).then(|| Message {
            role: Role::System,
            content: Content::Parts(texts),
            ..Message::default()
        })
    });
}

fn move_later_system(messages: &mut Messages<'_>, rewrite: impl Fn(&Message) -> Option<Message>) {
    if !messages.iter().any(|message| message.role == Role::System) {
        return;
    }
    let mut followed_by_result = vec![false; messages.len()];
    let mut next_is_result = false;
    for (message, followed) in messages.iter().zip(&mut followed_by_result).rev() {
        *followed = next_is_result;
        if message.role != Role::System {
            next_is_result = is_result(message);
        }
    }
    let mut out: Messages<'_> = Vec::with_capacity(messages.len());
    let mut held = Vec::new();
    for (message, followed) in messages.drain(..).zip(followed_by_result) {
        if message.role == Role::System {
            let Some(note) = rewrite(&message) else {
                continue;
            };
            if followed {
                held.push(Cow::Owned(note));
            } else {
                out.push(Cow::Owned(note));
            }
        } else {
            out.push(message);
            if !followed {
                out.append(&mut held);
            }
        }
    }
    *messages = out;
}

fn is_result(message: &Message) -> bool {
    matches!(message.role, Role::Tool | Role::Function)
}

/// Returns the texts of a message that say something.
fn texts_of(message: &Message) -> Vec<Part> {
    match &message.content {
        Content::Text(text) if !text.is_blank() => {
            vec![part(PartKind::Text(text.clone()), message.cache.clone())]
        }
        Content::Parts(parts) => parts
            .iter()
            .filter(|part| matches!(&part.kind, PartKind::Text(text) if !text.is_blank()))
            .cloned()
            .collect(),
        Content::Text(_) | Content::Absent => Vec::new(),
    }
}

fn note(message: &Message) -> Option<Content> {
    let texts = texts_of(message);
    if texts.is_empty() {
        return None;
    }
    let mut parts = vec![part(PartKind::Text(Text::new(OPERATOR_NOTE)), None)];
    parts.extend(texts);
    Some(Content::Parts(parts))
}

/// Says whether the conversation has calls of tools or their results.
pub(crate) fn has_tool_blocks(messages: &[Cow<'_, Message>]) -> bool {
    messages
        .iter()
        .any(|message| is_result(message) || !message.tool_calls.is_empty())
}

/// Says whether Claude, which must see what it thought before a call, would miss it in this conversation.
pub(crate) fn misses_thinking(messages: &[Cow<'_, Message>]) -> bool {
    let is_shown = |thinking: &Thinking| is_replayed(Kind::Claude, thinking);
    let has_thinking = |message: &Cow<'_, Message>| {
        let in_parts = match &message.content {
            Content::Parts(parts) => parts.iter().any(|part| match &part.kind {
                PartKind::Thinking(thinking) => is_shown(thinking),
                _ => false,
            }),
            Content::Absent | Content::Text(_) => false,
        };
        in_parts || message.thinking.iter().any(is_shown)
    };
    let answers = || {
        messages
            .iter()
            .filter(|message| message.role == Role::Assistant)
    };
    let last_calls = answers()
        .next_back()
        .is_some_and(|message| !message.tool_calls.is_empty());
    last_calls && !answers().any(has_thinking)
}

/// Turns calls of tools and their results into text, for a request that brings no tools.
pub(crate) fn turn_tool_blocks_into_text(messages: &mut Messages<'_>, guardrail: bool) {
    for message in messages.iter_mut() {
        if is_result(message) {
            *message = Cow::Owned(result_as_text(message, guardrail));
        } else if !message.tool_calls.is_empty() {
            *message = Cow::Owned(calls_as_text(message));
        }
    }
}

fn calls_as_text(message: &Message) -> Message {
    let mut lines = Vec::new();
    match &message.content {
        Content::Text(text) if !text.is_blank() => lines.push(text.decoded().into_owned()),
        Content::Parts(parts) => lines.extend(parts.iter().filter_map(readable)),
        Content::Text(_) | Content::Absent => {}
    }
    for call in &message.tool_calls {
        let (name, arguments) = (&call.name, &call.arguments);
        lines.push(match &call.id {
            Some(id) => format!("[tool call {id}: {name}({arguments})]"),
            None => format!("[tool call: {name}({arguments})]"),
        });
    }
    Message {
        role: Role::Assistant,
        content: Content::Text(Text::new(&lines.join("\n"))),
        cache: message.cache.clone(),
        prefix: message.prefix,
        ..Message::default()
    }
}

fn readable(part: &Part) -> Option<String> {
    match &part.kind {
        PartKind::Text(text) if !text.is_blank() => Some(text.decoded().into_owned()),
        _ => None,
    }
}

fn result_as_text(message: &Message, guardrail: bool) -> Message {
    const OMITTED: &str = "<non-text tool result omitted>";
    let said = match &message.content {
        _ if message.search_results.is_some() => OMITTED.to_owned(),
        Content::Text(text) => text.decoded().into_owned(),
        Content::Parts(parts) => parts
            .iter()
            .map(|part| match &part.kind {
                PartKind::Text(text) => text.decoded().into_owned(),
                _ => OMITTED.to_owned(),
            })
            .collect::<Vec<_>>()
            .join("\n"),
        Content::Absent => String::new(),
    };
    let id = message.tool_call_id.as_deref();
    let whose = id.or(message.name.as_deref()).unwrap_or("unknown");
    let text = Text::new(&format!("[tool result for {whose}: {said}]"));
    let kind = if guardrail {
        PartKind::GuardedText(text)
    } else {
        PartKind::Text(text)
    };
    user_message(Content::Parts(vec![part(kind, message.cache.clone())]))
}

/// Shows the guardrail what the user said last, unless the client has marked what it is to look at.
pub(crate) fn guard_last_user_turn(messages: &mut Messages<'_>) {
    for message in messages.iter_mut().rev() {
        if message.role != Role::User {
            return;
        }
        let guarded = match &message.content {
            Content::Text(text) if !text.is_empty() => {
                let cache = message.cache.clone();
                vec![part(PartKind::GuardedText(text.clone()), cache)]
            }
            Content::Parts(parts) if !parts.iter().any(is_guarded) => {
                parts.iter().map(guarded).collect()
            }
            Content::Text(_) | Content::Parts(_) | Content::Absent => continue,
        };
        let message = message.to_mut();
        message.cache = None;
        message.content = Content::Parts(guarded);
    }
}

fn is_guarded(part: &Part) -> bool {
    matches!(part.kind, PartKind::GuardedText(_))
}

fn guarded(old: &Part) -> Part {
    match &old.kind {
        PartKind::Text(text) => part(PartKind::GuardedText(text.clone()), old.cache.clone()),
        _ => old.clone(),
    }
}

/// Makes the user speak first and last, where that may be mended.
pub(crate) fn ensure_user_speaks(messages: &mut Messages<'_>, mending: &Mending) -> Result<()> {
    let Some(user) = &mending.user else {
        if messages.is_empty() {
            return Err(Error::bad_request(
                "messages",
                "Invalid Message: bedrock requires at least one non-system message.",
            ));
        }
        return Ok(());
    };
    let is_answer = |message: &Cow<'_, Message>| message.role == Role::Assistant && !message.prefix;
    if messages.is_empty() {
        messages.push(Cow::Owned(user.clone()));
    }
    if messages.first().is_some_and(is_answer) {
        messages.insert(0, Cow::Owned(user.clone()));
    }
    if messages.last().is_some_and(is_answer) {
        messages.push(Cow::Owned(user.clone()));
    }
    Ok(())
}
