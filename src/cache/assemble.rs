//! The chunks of a stream that has ended, put together into the answer they came from.
//!
//! Texts are gathered in their written form, piece behind piece; nothing is allocated per chunk beyond the growth of one
//! buffer. An answer that grows too large, and one that does not fit together, is given up: the client has it all the
//! same, only the cache does not.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::memory::MOST_BYTES;
use crate::canonical::{AnswerBlock, ChatAnswer, ChatChunk, RawJson, StopReason, Text, Usage};

/// Puts a stream together.
#[derive(Debug, Default)]
pub struct Assembler {
    pieces: Vec<Piece>,
    stop: Option<(StopReason, Vec<(String, RawJson)>)>,
    trace: Option<RawJson>,
    details: Vec<(String, RawJson)>,
    usage: Option<Usage>,
    service_tier: Option<String>,
    bytes: usize,
    is_given_up: bool,
}

/// What has come of one block.
#[derive(Debug)]
struct Piece {
    block: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text(Vec<u8>, Vec<RawJson>),
    Thinking(Vec<u8>, Option<Vec<u8>>),
    Redacted(Text),
    ToolUse {
        id: Text,
        name: Text,
        input: Vec<u8>,
    },
    Image(String, Text),
}

impl Assembler {
    /// Takes the next chunk of the stream.
    pub fn saw(&mut self, chunk: &ChatChunk) {
        if self.is_given_up {
            return;
        }
        self.bytes = self.bytes.saturating_add(size(chunk));
        if self.bytes > MOST_BYTES || self.take(chunk).is_none() {
            *self = Self {
                is_given_up: true,
                ..Self::default()
            };
        }
    }

    /// Returns the answer; `None` when the stream has not come to its finish, or was given up.
    pub fn finish(mut self) -> Option<ChatAnswer> {
        let (stop, provider_fields) = self.stop?;
        self.pieces.sort_by_key(|piece| piece.block);
        let blocks = self.pieces.into_iter().map(Piece::whole);
        Some(ChatAnswer {
            blocks: blocks.collect::<Option<_>>()?,
            stop,
            usage: self.usage,
            trace: self.trace,
            service_tier: self.service_tier,
            provider_fields,
            details: self.details,
            native: None,
        })
    }

    fn take(&mut self, chunk: &ChatChunk) -> Option<()> {
        match chunk {
            ChatChunk::Text { block, text } => self.text(*block, text),
            ChatChunk::Citation { block, raw } => self.citation(*block, raw),
            ChatChunk::Thinking { block, text } => self.thinking(*block, text),
            ChatChunk::Signature { block, signature } => self.signature(*block, signature),
            ChatChunk::Redacted { block, data } => self.push(*block, Kind::Redacted(data.clone())),
            ChatChunk::ToolStart {
                block, id, name, ..
            } => {
                let (id, name) = (id.clone(), name.clone());
                let input = Vec::new();
                self.push(*block, Kind::ToolUse { id, name, input });
            }
            ChatChunk::ToolInput {
                block, fragment, ..
            } => {
                let Some(Kind::ToolUse { input, .. }) = self.open(*block) else {
                    return None;
                };
                input.extend_from_slice(fragment.decoded().as_bytes());
            }
            ChatChunk::Image {
                block,
                format,
                base64,
            } => self.push(*block, Kind::Image(format.clone(), base64.clone())),
            ChatChunk::Finish {
                stop,
                provider_fields,
            } => self.stop = Some((stop.clone(), provider_fields.clone())),
            // What nobody can say in another format is not kept.
            ChatChunk::Native(event) if event.is_alone => return None,
            ChatChunk::Resumed { .. } | ChatChunk::Native(_) => {}
            ChatChunk::Trace(trace) => self.trace = Some(trace.clone()),
            ChatChunk::Details(details) => self.details.extend_from_slice(details),
            ChatChunk::Usage {
                usage,
                service_tier,
            } => {
                self.usage = Some(*usage);
                self.service_tier.clone_from(service_tier);
            }
        }
        Some(())
    }

    fn text(&mut self, block: u32, text: &Text) {
        let piece = text.escaped().as_bytes();
        if let Some(Kind::Text(gathered, _)) = self.open(block) {
            gathered.extend_from_slice(piece);
        } else {
            self.push(block, Kind::Text(piece.to_vec(), Vec::new()));
        }
    }

    fn citation(&mut self, block: u32, raw: &RawJson) {
        if let Some(Kind::Text(_, citations)) = self.open(block) {
            citations.push(raw.clone());
        } else {
            self.push(block, Kind::Text(Vec::new(), vec![raw.clone()]));
        }
    }

    fn thinking(&mut self, block: u32, text: &Text) {
        let piece = text.escaped().as_bytes();
        if let Some(Kind::Thinking(gathered, None)) = self.open(block) {
            gathered.extend_from_slice(piece);
        } else {
            self.push(block, Kind::Thinking(piece.to_vec(), None));
        }
    }

    fn signature(&mut self, block: u32, signature: &Text) {
        let piece = signature.escaped().as_bytes();
        if let Some(Kind::Thinking(_, gathered)) = self.open(block) {
            gathered.get_or_insert_default().extend_from_slice(piece);
        } else {
            self.push(block, Kind::Thinking(Vec::new(), Some(piece.to_vec())));
        }
    }

    /// Returns what has come of `block` so far: blocks may come in turns, so it need not be the last.
    fn open(&mut self, block: u32) -> Option<&mut Kind> {
        let mut pieces = self.pieces.iter_mut().rev();
        pieces
            .find(|piece| piece.block == block)
            .map(|piece| &mut piece.kind)
    }

    fn push(&mut self, block: u32, kind: Kind) {
        self.pieces.push(Piece { block, kind });
    }
}

impl Piece {
    fn whole(self) -> Option<AnswerBlock> {
        Some(match self.kind {
            Kind::Text(text, citations) if citations.is_empty() => {
                AnswerBlock::Text(written(&text)?)
            }
            Kind::Text(text, citations) => {
                let text = written(&text)?;
                let raw = cited(&text, &citations)?;
                AnswerBlock::Citations { text, raw }
            }
            Kind::Thinking(text, signature) => AnswerBlock::Thinking {
                text: written(&text)?,
                signature: match signature {
                    Some(signature) => Some(written(&signature)?),
                    None => None,
                },
            },
            Kind::Redacted(data) => AnswerBlock::Redacted(data),
            Kind::ToolUse { id, name, input } => AnswerBlock::ToolUse {
                id,
                name,
                // A tool without arguments has none to say; arguments that were cut off are not kept.
                input: json(if input.is_empty() {
                    b"{}".to_vec()
                } else {
                    input
                })?,
            },
            Kind::Image(format, base64) => AnswerBlock::Image { format, base64 },
        })
    }
}

/// Makes a text of its written pieces.
fn written(escaped: &[u8]) -> Option<Text> {
    let mut quoted = Vec::with_capacity(escaped.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(escaped);
    quoted.push(b'"');
    let bytes = Bytes::from(quoted);
    let raw: &RawValue = serde_json::from_slice(&bytes).ok()?;
    Text::from_raw(&bytes, raw)
}

fn json(written: Vec<u8>) -> Option<RawJson> {
    let bytes = Bytes::from(written);
    let raw: &RawValue = serde_json::from_slice(&bytes).ok()?;
    Some(RawJson::from_raw(&bytes, raw))
}

/// Writes a block of cited text as Converse would have.
fn cited(text: &Text, citations: &[RawJson]) -> Option<RawJson> {
    let mut out = Vec::new();
    out.extend_from_slice(br#"{"content":[{"text":"#);
    out.extend_from_slice(text.bytes());
    out.extend_from_slice(br#"}],"citations":["#);
    for (index, citation) in citations.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(citation.bytes());
    }
    out.extend_from_slice(b"]}");
    json(out)
}

/// How much a chunk adds to the answer, in bytes.
fn size(chunk: &ChatChunk) -> usize {
    /// What a block or a member takes beside its text.
    const FRAME: usize = 64;
    let members = |members: &[(String, RawJson)]| -> usize {
        members
            .iter()
            .map(|(name, value)| name.len() + value.bytes().len() + FRAME)
            .sum()
    };
    match chunk {
        ChatChunk::Text { text, .. } | ChatChunk::Thinking { text, .. } => text.bytes().len(),
        ChatChunk::Signature { signature, .. } => signature.bytes().len(),
        ChatChunk::Redacted { data, .. } => data.bytes().len() + FRAME,
        ChatChunk::ToolStart { id, name, .. } => id.bytes().len() + name.bytes().len() + FRAME,
        ChatChunk::ToolInput { fragment, .. } => fragment.bytes().len(),
        ChatChunk::Citation { raw, .. } => raw.bytes().len() + FRAME,
        ChatChunk::Image { base64, .. } => base64.bytes().len() + FRAME,
        ChatChunk::Finish {
            provider_fields, ..
        } => members(provider_fields) + FRAME,
        ChatChunk::Trace(trace) => trace.bytes().len(),
        ChatChunk::Details(details) => members(details),
        ChatChunk::Native(_) => 0,
        ChatChunk::Usage { .. } | ChatChunk::Resumed { .. } => FRAME,
    }
}
