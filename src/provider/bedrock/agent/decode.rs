//! Reads what an agent says: chunks of text, traces that tell the tokens, control that it hands back.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::super::chat::chunks::into_chunks;
use super::super::event_stream::FrameReader;
use super::super::invoke::envelope::{Unwrapper, garbled, parse};
use super::super::invoke::said::stop;
use crate::canonical::{AnswerBlock, Chat, ChatAnswer, ChatChunk, RawJson, Text, Usage};
use crate::error::Error;
use crate::provider::{Decoded, Decoder, TransformError, WireAnswer, WireEvent};

/// Reads the answer to one request.
#[derive(Debug)]
pub(super) struct AgentDecoder {
    session: String,
    unwrapper: Unwrapper,
    /// The beginning of a character whose end comes with the next chunk.
    held: Vec<u8>,
    usage: Option<Usage>,
    citations: Vec<Value>,
    /// What the agent wants the caller to do.
    control: Option<RawJson>,
    has_answered: bool,
}

impl AgentDecoder {
    /// Makes the reader of an answer in this session.
    pub(super) fn new(session: &str) -> Self {
        Self {
            session: session.to_owned(),
            unwrapper: Unwrapper::default(),
            held: Vec::new(),
            usage: None,
            citations: Vec::new(),
            control: None,
            has_answered: false,
        }
    }

    /// Reads one event; the text that it brings, if it does.
    fn read(&mut self, kind: &str, payload: &Bytes) -> Result<Option<Text>, TransformError> {
        match kind {
            "chunk" => {
                self.has_answered = true;
                self.cite(payload)?;
                if memchr::memmem::find(payload, b"\"bytes\"").is_none() {
                    return Ok(None);
                }
                let bytes = self.unwrapper.chunk(payload)?;
                return Ok(self.text(&bytes));
            }
            "trace" => self.count(payload)?,
            "returnControl" => {
                self.has_answered = true;
                self.control = Some(RawJson::from_checked(payload.clone()));
            }
            "files" => self.has_answered = true,
            _ => {}
        }
        Ok(None)
    }

    fn text(&mut self, bytes: &[u8]) -> Option<Text> {
        self.held.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.held) {
            // The rest is the beginning of a character; what is no text at all goes on as it is.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.held.len(),
        };
        let rest = self.held.split_off(whole);
        let ready = std::mem::replace(&mut self.held, rest);
        (!ready.is_empty()).then(|| Text::new(&String::from_utf8_lossy(&ready)))
    }

    fn cite(&mut self, payload: &Bytes) -> Result<(), TransformError> {
        #[derive(Deserialize)]
        struct Chunk {
            attribution: Option<Attribution>,
        }
        #[derive(Deserialize)]
        struct Attribution {
            #[serde(default)]
            citations: Vec<Value>,
        }
        if memchr::memmem::find(payload, b"\"attribution\"").is_some() {
            let chunk: Chunk = parse(payload)?;
            let found = chunk.attribution.into_iter();
            self.citations.extend(found.flat_map(|it| it.citations));
        }
        Ok(())
    }

    /// Adds the tokens of each model call that the traces tell of.
    fn count(&mut self, payload: &Bytes) -> Result<(), TransformError> {
        if memchr::memmem::find(payload, b"\"usage\"").is_none() {
            return Ok(());
        }
        let trace: Value = parse(payload)?;
        for step in trace
            .get("trace")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let usage = step.1.pointer("/modelInvocationOutput/metadata/usage");
            let count = |name: &str| usage?.get(name)?.as_u64();
            if usage.is_some() {
                let sum = self.usage.get_or_insert_default();
                sum.input_tokens += count("inputTokens").unwrap_or(0);
                sum.output_tokens += count("outputTokens").unwrap_or(0);
            }
        }
        Ok(())
    }

    /// What has no place of its own in an answer.
    fn fields(&mut self) -> Vec<(String, RawJson)> {
        let mut fields = vec![("session_id".to_owned(), RawJson::from_value(&self.session))];
        let control = self.control.take();
        fields.extend(control.map(|control| ("return_control".to_owned(), control)));
        if !self.citations.is_empty() {
            let citations = RawJson::from_value(&std::mem::take(&mut self.citations));
            fields.push(("citations".to_owned(), citations));
        }
        fields
    }

    fn must_have_answered(&self) -> Result<(), TransformError> {
        if self.has_answered {
            return Ok(());
        }
        Err(garbled("the stream ended before the agent had answered"))
    }
}

impl Decoder<Chat> for AgentDecoder {
    fn whole(&mut self, answers: &[WireAnswer<'_>]) -> Result<Decoded<Chat>, TransformError> {
        let [answer] = answers else {
            return Err(garbled("expected one answer"));
        };
        let mut frames = FrameReader::new();
        frames.push(answer.body.clone());
        let mut text = String::new();
        while let Some(frame) = frames.next().map_err(Error::from)? {
            if let Some(fault) = frame.fault() {
                return Err(fault.into());
            }
            if let Some(piece) = self.read(frame.name(), frame.payload())? {
                text.push_str(&piece.decoded());
            }
        }
        frames.finish().map_err(Error::from)?;
        self.must_have_answered()?;
        Ok(Decoded::Answer(ChatAnswer {
            blocks: vec![AnswerBlock::Text(Text::new(&text))],
            stop: stop("stop", "end_turn"),
            usage: self.usage,
            provider_fields: self.fields(),
            ..ChatAnswer::default()
        }))
    }

    fn event(
        &mut self,
        event: WireEvent<'_>,
        out: &mut Vec<ChatChunk>,
    ) -> Result<(), TransformError> {
        let text = self.read(event.kind, event.payload)?;
        out.extend(text.map(|text| ChatChunk::Text { block: 0, text }));
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<ChatChunk>) -> Result<(), TransformError> {
        self.must_have_answered()?;
        out.push(ChatChunk::Finish {
            stop: stop("stop", "end_turn"),
            provider_fields: self.fields(),
        });
        out.extend(self.usage.map(|usage| ChatChunk::Usage {
            usage,
            service_tier: None,
        }));
        Ok(())
    }

    fn chunks(&mut self, answer: ChatAnswer) -> Vec<ChatChunk> {
        into_chunks(answer)
    }

    fn reads_streams_whole(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_says_nothing_is_no_answer() {
        let mut decoder = AgentDecoder::new("s-1");
        let trace = Bytes::from_static(br#"{"trace":{"orchestrationTrace":{}}}"#);
        let event = WireEvent {
            kind: "trace",
            payload: &trace,
        };
        let mut out = Vec::new();
        decoder.event(event, &mut out).unwrap();
        assert!(decoder.end(&mut out).is_err());
        assert!(out.is_empty());
    }
}
