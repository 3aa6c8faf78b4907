//! Reads the answers of families whose answer is one text, with calls of tools at most.
//!
//! A family says with one function what a whole answer, or a chunk, says ([`Said`]); everything else is the same for all:
//! reasoning in tags, tokens, guardrails, the end of a stream.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::envelope::{Counts, Notes, Unwrapper, garbled};
use super::said_stream::Stream;
use crate::canonical::{
    AnswerBlock, Chat, ChatAnswer, ChatChunk, RawJson, StopReason, Text, Usage,
};
use crate::provider::bedrock::chat::answer::made_up_id;
use crate::provider::bedrock::chat::chunks::into_chunks;
use crate::provider::bedrock::chat::thinking_tags::{Piece, TagReader};
use crate::provider::bedrock::chat::thought::{BYTES_PER_TOKEN, Thought};
use crate::provider::{Decoded, Decoder, TransformError, WireAnswer, WireEvent};

/// What an answer, or a chunk of one, says.
#[derive(Debug, Default)]
pub(in crate::provider::bedrock) struct Said {
    /// Reasoning that has a member of its own.
    pub(in crate::provider::bedrock) thinking: Option<Text>,
    /// Text.
    pub(in crate::provider::bedrock) text: Option<Text>,
    /// Calls of tools.
    pub(in crate::provider::bedrock) calls: Vec<CallPiece>,
    /// Why the model stopped.
    pub(in crate::provider::bedrock) stop: Option<StopReason>,
    /// Tokens in full, where the family reports them so.
    pub(in crate::provider::bedrock) usage: Option<Usage>,
    /// Tokens of which the family reports only the number.
    pub(in crate::provider::bedrock) counts: Counts,
}

/// A call of a tool, or a piece of one.
#[derive(Debug)]
pub(in crate::provider::bedrock) struct CallPiece {
    /// Its place among the calls of the answer.
    pub(in crate::provider::bedrock) index: u32,
    /// Its id; made up where the family has none.
    pub(in crate::provider::bedrock) id: Option<Text>,
    /// The tool.
    pub(in crate::provider::bedrock) name: Option<Text>,
    /// The arguments, or a piece of them: JSON text, itself a JSON string here.
    pub(in crate::provider::bedrock) arguments: Option<Text>,
}

/// Reads an answer (`true`) or a chunk (`false`).
pub(in crate::provider::bedrock) type Read = fn(&Bytes, bool) -> Result<Said, TransformError>;

/// Makes a stop reason.
pub(in crate::provider::bedrock) fn stop(finish_reason: &'static str, raw: &str) -> StopReason {
    StopReason {
        finish_reason,
        raw: raw.to_owned(),
        format: None,
    }
}

/// Takes a string out of a body, sharing it.
pub(in crate::provider::bedrock) fn text(body: &Bytes, raw: Option<&RawValue>) -> Option<Text> {
    Text::from_raw(body, raw?).filter(|text| !text.is_empty())
}

/// How a family's text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::provider::bedrock) enum Reasoning {
    /// It may begin with `<think>`.
    Tagged,
    /// It may begin with `<reasoning>` or `<think>`.
    Marked,
    /// It begins with reasoning, because the prompt opened the tag.
    Prompted,
}

impl Reasoning {
    /// Makes the reader of the text.
    pub(in crate::provider::bedrock) fn reader(self) -> TagReader {
        match self {
            Self::Tagged => TagReader::default(),
            Self::Marked => TagReader::of_reasoning(),
            Self::Prompted => TagReader::of_prompted_thinking(),
        }
    }
}

/// Reads the answer to one request.
#[derive(Debug)]
pub(in crate::provider::bedrock) struct SaidDecoder {
    read: Read,
    reasoning: Reasoning,
    /// Roughly how many tokens the request has; only used where nobody counts.
    input_estimate: u64,
    unwrapper: Unwrapper,
    stream: Stream,
    /// Whether the events of a stream are the family's own JSON, not wrapped in Bedrock's.
    is_bare: bool,
}

impl SaidDecoder {
    /// Makes the reader of the answer to a request whose body has this many bytes.
    pub(in crate::provider::bedrock) fn new(
        read: Read,
        reasoning: Reasoning,
        body_bytes: usize,
    ) -> Self {
        Self {
            read,
            reasoning,
            input_estimate: (body_bytes as u64).div_ceil(BYTES_PER_TOKEN),
            unwrapper: Unwrapper::default(),
            stream: Stream::new(reasoning),
            is_bare: false,
        }
    }

    /// Reads a stream of server-sent events, whose data are the family's own JSON.
    pub(in crate::provider::bedrock) fn bare(mut self) -> Self {
        self.is_bare = true;
        self
    }

    /// Takes an event of a stream of server-sent events.
    fn bare_event(&mut self, body: &Bytes, out: &mut Vec<ChatChunk>) -> Result<(), TransformError> {
        if self.stream.concluded {
            return Ok(());
        }
        if body.trim_ascii() == b"[DONE]" {
            return self.end(out);
        }
        self.take(body, out)
    }

    fn take(&mut self, body: &Bytes, out: &mut Vec<ChatChunk>) -> Result<(), TransformError> {
        self.stream.notes.read(body)?;
        let said = (self.read)(body, false)?;
        self.stream.take(said, body, out);
        Ok(())
    }

    fn whole_answer(&self, answer: &WireAnswer<'_>) -> Result<ChatAnswer, TransformError> {
        let body = &answer.body;
        let mut notes = Notes::default();
        notes.read(body)?;
        let said = (self.read)(body, true)?;
        let written = written_bytes(&said);
        let mut blocks = Vec::new();
        blocks.extend(said.thinking.map(thinking));
        if let Some(text) = said.text {
            let mut tags = self.reasoning.reader();
            let mut push = |piece| {
                blocks.push(match piece {
                    Piece::Text(text) => AnswerBlock::Text(text),
                    Piece::Thinking(text) => thinking(text),
                });
            };
            tags.feed(text, &mut push);
            tags.finish(&mut push);
        }
        for (place, call) in said.calls.into_iter().enumerate() {
            blocks.push(tool_use(call, place, body));
        }
        let thought = Thought::of(&blocks);
        let stop = said.stop.unwrap_or_default();
        let counts = [Counts::of_headers(answer.headers), said.counts];
        Ok(ChatAnswer {
            usage: Some(self.usage(said.usage, &counts, written, thought)),
            blocks,
            stop: noted(stop, &notes),
            trace: notes.trace,
            ..ChatAnswer::default()
        })
    }

    /// Returns the tokens as whoever counted them best says, else as they can be guessed.
    fn usage(
        &self,
        full: Option<Usage>,
        counts: &[Counts],
        written: u64,
        thought: Thought,
    ) -> Usage {
        if let Some(mut usage) = full {
            usage.reasoning_tokens = usage
                .reasoning_tokens
                .or_else(|| thought.tokens(usage.output_tokens));
            return usage;
        }
        let first = |get: fn(&Counts) -> Option<u64>| counts.iter().find_map(get);
        let output = first(|counts| counts.output);
        let output = output.unwrap_or_else(|| written.div_ceil(BYTES_PER_TOKEN));
        Usage {
            input_tokens: first(|counts| counts.input).unwrap_or(self.input_estimate),
            output_tokens: output,
            cache_read_tokens: first(|counts| counts.cache_read).unwrap_or(0),
            cache_write_tokens: first(|counts| counts.cache_write).unwrap_or(0),
            reasoning_tokens: thought.tokens(output),
            ..Usage::default()
        }
    }

    fn conclude(&mut self, out: &mut Vec<ChatChunk>) {
        let stream = &mut self.stream;
        stream.concluded = true;
        stream.close(out);
        let mut stop = stream.stop.take().unwrap_or_default();
        // Cohere has no word of its own for an answer that calls tools.
        if stop.raw == "COMPLETE" && stream.has_calls() {
            stop.finish_reason = "tool_calls";
        }
        out.push(ChatChunk::Finish {
            stop: noted(stop, &stream.notes),
            provider_fields: Vec::new(),
        });
        out.extend(stream.notes.trace.take().map(ChatChunk::Trace));
        let counts = [stream.notes.metrics.unwrap_or_default(), stream.counts];
        let (full, written, thought) = (stream.usage.take(), stream.written, stream.thought);
        let usage = self.usage(full, &counts, written, thought);
        out.push(ChatChunk::Usage {
            usage,
            service_tier: None,
        });
    }
}

impl Decoder<Chat> for SaidDecoder {
    fn whole(&mut self, answers: &[WireAnswer<'_>]) -> Result<Decoded<Chat>, TransformError> {
        let [answer] = answers else {
            return Err(garbled("expected one answer"));
        };
        self.whole_answer(answer).map(Decoded::Answer)
    }

    fn event(
        &mut self,
        event: WireEvent<'_>,
        out: &mut Vec<ChatChunk>,
    ) -> Result<(), TransformError> {
        if self.is_bare {
            return self.bare_event(event.payload, out);
        }
        if event.kind != "chunk" || self.stream.concluded {
            return Ok(());
        }
        let body = self.unwrapper.chunk(event.payload)?;
        self.take(&body, out)?;
        if self.stream.notes.metrics.is_some() {
            self.conclude(out);
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<ChatChunk>) -> Result<(), TransformError> {
        if self.stream.concluded {
            return Ok(());
        }
        if self.stream.stop.is_none() {
            return Err(garbled("stream ended before the model had finished"));
        }
        self.conclude(out);
        Ok(())
    }

    fn chunks(&mut self, answer: ChatAnswer) -> Vec<ChatChunk> {
        into_chunks(answer)
    }
}

fn noted(stop: StopReason, notes: &Notes) -> StopReason {
    StopReason {
        finish_reason: if notes.intervened {
            "content_filter"
        } else {
            stop.finish_reason
        },
        raw: notes.stop(stop.raw),
        format: None,
    }
}

fn thinking(text: Text) -> AnswerBlock {
    AnswerBlock::Thinking {
        text,
        signature: None,
    }
}

/// Returns how much text there is in what is said.
pub(in crate::provider::bedrock) fn written_bytes(said: &Said) -> u64 {
    let length = |text: &Option<Text>| text.as_ref().map_or(0, |text| text.escaped().len() as u64);
    let calls = said.calls.iter();
    length(&said.thinking)
        + length(&said.text)
        + calls.map(|call| length(&call.arguments)).sum::<u64>()
}

fn tool_use(call: CallPiece, place: usize, body: &Bytes) -> AnswerBlock {
    let arguments = call.arguments.map(|text| text.decoded().into_owned());
    let arguments = arguments.unwrap_or_default();
    let input = serde_json::from_str::<&RawValue>(&arguments).map_or_else(
        // What was cut short is no JSON any more; an empty object is what a client can read.
        |_| RawJson::from_value(&serde_json::Map::new()),
        RawJson::from_value,
    );
    AnswerBlock::ToolUse {
        id: call.id.unwrap_or_else(|| made_up_id(body, place)),
        name: call.name.unwrap_or_else(|| Text::new("")),
        input,
    }
}
