//! `messages` and `system` of a client's own Messages body.
//!
//! A body that has nothing to change is copied as it is, which a search for a few words tells. Only a message that has one of
//! them is taken apart, block by block.

use serde_json::value::RawValue;

use super::blocks::write_source;
use crate::canonical::{ChatRequest, Media, MediaSource, ObjectWriter, RawObject, write_escaped};
use crate::catalog::{Facts, Flag};
use crate::error::Result;
use crate::provider::bedrock::chat::blocks::MediaBlock;
use crate::provider::bedrock::chat::history::OPERATOR_NOTE;
use crate::provider::bedrock::chat::{Wire, media};

/// What a message has in it that may have to be changed: a scope or an age of a cache point, an empty text, instructions in
/// the middle. A quote within a text is escaped, so these are found as members and whole values only.
const TRIGGERS: [&[u8]; 4] = [b"\"scope\"", b"\"ttl\"", b"\"\"", b"\"system\""];
/// Media that may have been fetched.
const URL: [&[u8]; 1] = [b"\"url\""];

/// Says whether `json` has one of these in it.
pub(super) fn has_any(json: &str, words: &[&[u8]]) -> bool {
    words
        .iter()
        .any(|word| memchr::memmem::find(json.as_bytes(), word).is_some())
}

/// Appends a cache point without what Bedrock does not take: a scope, and an age where the model has only one.
pub(super) fn edit_cache_control(written: &str, facts: &Facts, out: &mut Vec<u8>) {
    let Some(control) = RawObject::parse(written) else {
        out.extend_from_slice(written.as_bytes());
        return;
    };
    let mut object = ObjectWriter::open(out);
    for (name, value) in control.members() {
        let is_kept = match name {
            "scope" => false,
            "ttl" => facts.one_hour_cache && matches!(value, "\"5m\"" | "\"1h\""),
            _ => true,
        };
        if is_kept {
            object.raw(name, value);
        }
    }
    object.close();
}

/// The conversation of one body.
pub(super) struct Conversation<'b> {
    facts: &'b Facts,
    messages: &'b str,
    system: Option<&'b str>,
    /// The messages, where something in them may have to be changed.
    list: Option<Vec<Turn<'b>>>,
    /// Instructions in front of the conversation, which belong to `system`.
    leading: Vec<&'b str>,
    /// The media of the conversation, in order, where some of it was fetched.
    media: Option<Vec<&'b Media>>,
    next_media: usize,
    told: Option<&'b str>,
}

/// One message.
struct Turn<'b> {
    raw: &'b str,
    is_system: bool,
    is_user: bool,
}

impl<'b> Conversation<'b> {
    /// Looks at the conversation of a body.
    pub(super) fn new(body: &RawObject<'b>, request: &'b ChatRequest, facts: &'b Facts) -> Self {
        let messages = body.get("messages").unwrap_or("[]");
        let fetched = has_any(messages, &URL);
        let mut out = Self {
            facts,
            messages,
            system: body.get("system").filter(|system| *system != "null"),
            list: None,
            leading: Vec::new(),
            media: fetched.then(|| request.media().collect()),
            next_media: 0,
            told: None,
        };
        if fetched || has_any(messages, &TRIGGERS) {
            out.take_apart();
        }
        out
    }

    /// Appends a text to what the user says last.
    pub(super) fn tell(&mut self, text: Option<&'b str>) {
        self.told = text;
        if text.is_some() && self.list.is_none() {
            self.take_apart();
        }
    }

    fn take_apart(&mut self) {
        let Ok(list) = serde_json::from_str::<Vec<&'b RawValue>>(self.messages) else {
            return;
        };
        let mut turns = Vec::with_capacity(list.len());
        for raw in list {
            let raw = raw.get();
            let role = RawObject::parse(raw).and_then(|turn| turn.text("role"));
            let is_system = role.as_deref() == Some("system");
            if is_system && turns.is_empty() {
                let content = RawObject::parse(raw).and_then(|turn| turn.get("content"));
                self.leading.extend(content);
                continue;
            }
            turns.push(Turn {
                raw,
                is_system,
                is_user: role.as_deref() == Some("user"),
            });
        }
        self.list = Some(turns);
    }

    /// Says whether there are instructions.
    pub(super) fn has_system(&self) -> bool {
        let says = |written: &&str| !matches!(*written, "\"\"" | "[]");
        self.system.iter().chain(&self.leading).any(says)
    }

    /// Appends the instructions: those of the body, then those that lead the conversation.
    pub(super) fn write_system(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let system = self.system.unwrap_or("[]");
        if self.leading.is_empty() && !has_any(system, &TRIGGERS) {
            out.extend_from_slice(system.as_bytes());
            return Ok(());
        }
        let mut list = List::open(out);
        for content in std::iter::once(system).chain(self.leading.clone()) {
            self.contents(content, &mut list)?;
        }
        list.close();
        Ok(())
    }

    /// Appends the messages.
    pub(super) fn write_messages(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let Some(turns) = self.list.take() else {
            out.extend_from_slice(self.messages.as_bytes());
            return Ok(());
        };
        let keeps_system = self.facts.is(Flag::MidConversationSystem);
        let last_user = turns.iter().rposition(|turn| turn.is_user);
        let mut list = List::open(out);
        let mut held: Vec<&Turn<'b>> = Vec::new();
        for (place, turn) in turns.iter().enumerate() {
            if turn.is_system {
                held.push(turn);
            } else {
                let told = self.told.filter(|_| last_user == Some(place));
                list.begin();
                self.turn(turn.raw, told, list.out)?;
                list.keep();
            }
            // Nothing may stand between a call and its result.
            let next = turns.get(place + 1..).unwrap_or_default();
            let next = next.iter().find(|turn| !turn.is_system);
            if !next.is_some_and(|turn| has_any(turn.raw, &[b"\"tool_result\""])) {
                for system in held.drain(..) {
                    self.later_system(system.raw, keeps_system, &mut list)?;
                }
            }
        }
        list.close();
        Ok(())
    }

    fn turn(&mut self, raw: &str, told: Option<&str>, out: &mut Vec<u8>) -> Result<()> {
        let untouched = told.is_none() && self.media.is_none() && !has_any(raw, &TRIGGERS);
        let object = if untouched {
            None
        } else {
            RawObject::parse(raw)
        };
        let Some(turn) = object else {
            out.extend_from_slice(raw.as_bytes());
            return Ok(());
        };
        let mut object = ObjectWriter::open(out);
        for (name, value) in turn.members() {
            if name == "content" && (value.starts_with('[') || told.is_some()) {
                let mut list = List::open(object.member(name));
                self.contents(value, &mut list)?;
                if let Some(told) = told {
                    list.text(|out| write_escaped(told, out));
                }
                list.close();
            } else {
                object.raw(name, value);
            }
        }
        object.close();
        Ok(())
    }

    /// Instructions in the middle: as they are where the model takes them, else as a note of the user's.
    fn later_system(&mut self, raw: &str, keeps: bool, list: &mut List<'_>) -> Result<()> {
        if keeps {
            list.begin();
            self.turn(raw, None, list.out)?;
            list.keep();
            return Ok(());
        }
        let content = RawObject::parse(raw).and_then(|turn| turn.get("content"));
        let Some(content) = content.filter(|content| !matches!(*content, "\"\"" | "[]")) else {
            return Ok(());
        };
        list.begin();
        let mut object = ObjectWriter::open(list.out);
        object.raw("role", "\"user\"");
        let mut blocks = List::open(object.member("content"));
        blocks.text(|out| write_escaped(OPERATOR_NOTE, out));
        self.contents(content, &mut blocks)?;
        blocks.close();
        object.close();
        list.keep();
        Ok(())
    }

    /// Appends the blocks of a content: a string is one.
    fn contents(&mut self, content: &str, list: &mut List<'_>) -> Result<()> {
        if content.starts_with('"') {
            if content != "\"\"" {
                list.text(|out| out.extend_from_slice(content.as_bytes()));
            }
            return Ok(());
        }
        let blocks: Vec<&RawValue> = serde_json::from_str(content).unwrap_or_default();
        for block in blocks {
            let start = list.begin();
            if self.block(block.get(), list.out)? {
                list.keep();
            } else {
                list.undo(start);
            }
        }
        Ok(())
    }

    /// Appends a block; says whether it stays: an empty text does not.
    fn block(&mut self, raw: &str, out: &mut Vec<u8>) -> Result<bool> {
        let Some(block) = RawObject::parse(raw) else {
            out.extend_from_slice(raw.as_bytes());
            return Ok(true);
        };
        let kind = block.text("type");
        let kind = kind.as_deref().unwrap_or_default();
        if kind == "text" && block.get("text") == Some("\"\"") {
            return Ok(false);
        }
        let fetched = match kind {
            "image" | "document" => self.fetched(&block)?,
            _ => None,
        };
        let mut object = ObjectWriter::open(out);
        for (name, value) in block.members() {
            match (name, &fetched) {
                ("cache_control", _) => {
                    edit_cache_control(value, self.facts, object.member(name));
                }
                ("content", _) if kind == "tool_result" && value.starts_with('[') => {
                    let mut list = List::open(object.member(name));
                    self.contents(value, &mut list)?;
                    list.close();
                }
                ("type", Some(media)) => write_escaped(media.member, object.member(name)),
                ("source", Some(media)) => write_source(media, object.member(name)),
                _ => object.raw(name, value),
            }
        }
        object.close();
        Ok(true)
    }

    /// Returns what was fetched for a block of media that names an address.
    fn fetched(&mut self, block: &RawObject<'_>) -> Result<Option<MediaBlock>> {
        let Some(all) = &self.media else {
            return Ok(None);
        };
        let media = all.get(self.next_media).copied();
        self.next_media += 1;
        let source = block.get("source").and_then(RawObject::parse);
        let is_address = source.is_some_and(|source| source.text("type").as_deref() == Some("url"));
        match media.filter(|_| is_address) {
            Some(media) if !matches!(media.source, MediaSource::Invalid(_)) => {
                media::block(media, Wire::Messages).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// Writes one JSON list, element by element.
struct List<'o> {
    out: &'o mut Vec<u8>,
    is_first: bool,
}

impl<'o> List<'o> {
    fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'[');
        Self {
            out,
            is_first: true,
        }
    }

    /// Begins an element that may yet be undone; returns where.
    fn begin(&mut self) -> usize {
        let start = self.out.len();
        if !self.is_first {
            self.out.push(b',');
        }
        start
    }

    fn keep(&mut self) {
        self.is_first = false;
    }

    fn undo(&mut self, start: usize) {
        self.out.truncate(start);
    }

    /// Appends a block of text whose string `write` writes.
    fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.begin();
        self.out.extend_from_slice(br#"{"type":"text","text":"#);
        write(self.out);
        self.out.push(b'}');
        self.keep();
    }

    fn close(self) {
        self.out.push(b']');
    }
}
