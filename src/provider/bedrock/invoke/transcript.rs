//! The conversation as lines of text, for families whose request is one prompt.
//!
//! What such a family has no words for is said in words: calls of tools and their results become text. Images stay beside
//! the text where the family sees them, and are refused where it does not.

use crate::canonical::{
    ChatParams, ChatRequest, Content, Media, Message, PartKind, Role, ToolCall,
};
use crate::error::{Error, Result};
use crate::provider::Target;
use crate::provider::bedrock::chat::Wire;
use crate::provider::bedrock::chat::blocks::BlockSource;
use crate::provider::bedrock::chat::content::unknown;
use crate::provider::bedrock::chat::draft::mending;
use crate::provider::bedrock::chat::history::{self, Mending, Messages};
use crate::provider::bedrock::chat::media;
use crate::provider::bedrock::chat::messages::{nothing_said, unknown_role};

/// Who a line is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    /// Instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool; only where the family has words for it.
    Tool,
}

/// One line of the conversation.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Who it is from.
    pub(super) speaker: Speaker,
    /// What is said.
    pub(super) text: String,
    /// Images beside it, base64.
    pub(super) images: Vec<String>,
    /// Calls of tools.
    pub(super) calls: Vec<ToolCall>,
    /// Which call a tool's line answers, or the name of the function.
    pub(super) answers: Option<String>,
}

/// What a family has words for beside text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    /// Images.
    pub(super) images: bool,
    /// Calls of tools and their results.
    pub(super) tools: bool,
    /// Videos and the like, which the family reads from the request itself.
    pub(super) media: bool,
}

impl Words {
    /// Words for text alone.
    pub(super) const TEXT: Self = Self {
        images: false,
        tools: false,
        media: false,
    };
}

/// Reads the conversation.
pub(super) fn read(
    request: &ChatRequest,
    params: &ChatParams,
    target: &Target,
    words: Words,
) -> Result<Vec<Line>> {
    let mending = mending(params, target, Wire::Converse);
    let mut list = history::borrow(&request.messages);
    let mut lines = leading_system(&mut list);
    history::turn_later_system_into_notes(&mut list);
    if !words.tools {
        history::turn_tool_blocks_into_text(&mut list, false);
    }
    history::ensure_user_speaks(&mut list, &mending)?;
    let before = lines.len();
    for message in &list {
        lines.extend(line(message, words, &mending)?);
    }
    if lines.len() == before {
        return Err(nothing_said(&request.messages));
    }
    Ok(lines)
}

fn leading_system(list: &mut Messages<'_>) -> Vec<Line> {
    let count = list
        .iter()
        .take_while(|message| message.role == Role::System)
        .count();
    let texts = list.drain(..count).filter_map(|message| {
        let text = plain_text(&message.content);
        (!text.trim().is_empty()).then(|| plain(Speaker::System, text))
    });
    texts.collect()
}

fn plain(speaker: Speaker, text: String) -> Line {
    Line {
        speaker,
        text,
        images: Vec::new(),
        calls: Vec::new(),
        answers: None,
    }
}

fn plain_text(content: &Content) -> String {
    match content {
        Content::Absent => String::new(),
        Content::Text(text) => text.decoded().into_owned(),
        Content::Parts(parts) => parts
            .iter()
            .filter_map(|part| match &part.kind {
                PartKind::Text(text) => Some(text.decoded()),
                _ => None,
            })
            .collect(),
    }
}

/// Reads one message; `None` if it says nothing.
fn line(message: &Message, words: Words, mending: &Mending) -> Result<Option<Line>> {
    let speaker = match &message.role {
        Role::System | Role::User => Speaker::User,
        Role::Assistant => Speaker::Assistant,
        Role::Tool | Role::Function => Speaker::Tool,
        Role::Other(name) => return Err(unknown_role(name)),
    };
    let mut line = plain(speaker, String::new());
    match &message.content {
        Content::Parts(parts) => {
            for part in parts {
                read_part(&part.kind, words, &mut line)?;
            }
        }
        content => line.text = plain_text(content),
    }
    if speaker == Speaker::Tool {
        let named = message.tool_call_id.clone();
        line.answers = named.or_else(|| message.name.clone());
    } else {
        line.calls.clone_from(&message.tool_calls);
        if line.text.trim().is_empty() && line.images.is_empty() && line.calls.is_empty() {
            let stand_in = match speaker {
                Speaker::Assistant => mending.assistant_text(),
                _ => mending.user_text(),
            };
            // Without leave to put something in, what says nothing is left out.
            let Some(text) = stand_in else {
                return Ok(None);
            };
            line.text = text.decoded().into_owned();
        }
    }
    Ok(Some(line))
}

fn read_part(part: &PartKind, words: Words, line: &mut Line) -> Result<()> {
    match part {
        PartKind::Text(text)
        | PartKind::GuardedText(text)
        | PartKind::GroundingSource(text)
        | PartKind::GroundingQuery(text) => line.text.push_str(&text.decoded()),
        PartKind::Json(raw) => line.text.push_str(raw.get()),
        PartKind::Media(_) if words.media => {}
        PartKind::Media(media) if words.images => line.images.push(image(media)?),
        PartKind::Media(_) => return Err(not_seen()),
        PartKind::Thinking(_) => {}
        PartKind::SearchResult(_) => return Err(unknown("search_result")),
        PartKind::Unknown(kind) => return Err(unknown(kind)),
    }
    Ok(())
}

fn not_seen() -> Error {
    Error::bad_request(
        "messages",
        "Invalid Message: this model is sent text only; it cannot be sent images or files by InvokeModel.",
    )
}

/// Returns the bytes of an image, base64.
fn image(media: &Media) -> Result<String> {
    let block = media::block(media, Wire::Converse)?;
    match (&block.source, block.member) {
        (BlockSource::Bytes { text, from }, "image") => {
            let written = text.escaped().get(*from..).unwrap_or_default();
            Ok(serde_json::from_str(&format!("\"{written}\""))
                .unwrap_or_else(|_| written.to_owned()))
        }
        _ => Err(Error::bad_request(
            "messages",
            "Invalid Message: this model is sent text and images with their bytes only.",
        )),
    }
}

/// Says whether the conversation ends with words of the model's that it is to go on with.
pub(super) fn ends_with_answer(lines: &[Line]) -> bool {
    lines
        .last()
        .is_some_and(|line| line.speaker == Speaker::Assistant)
}

/// Returns the bytes of all images, in order.
pub(super) fn images(lines: &[Line]) -> Vec<&str> {
    let all = lines.iter().flat_map(|line| &line.images);
    all.map(String::as_str).collect()
}

/// Puts all that is said in one text.
pub(super) fn joined(lines: &[Line], between: &str) -> String {
    let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    texts.join(between)
}
