//! Reads responses for a client that speaks the format itself: what was written is kept beside what it means.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::responses::decoder;
use crate::canonical::{Chat, ChatAnswer, ChatChunk, Native, NativeEvent, NativeFormat, RawJson};
use crate::provider::bedrock::invoke::envelope::garbled;
use crate::provider::bedrock::invoke::said::SaidDecoder;
use crate::provider::{Decoded, Decoder, TransformError, WireAnswer, WireEvent};

/// Events that say nothing which canonical chunks cannot.
const KNOWN: [&str; 18] = [
    "response.completed",
    "response.content_part.added",
    "response.content_part.done",
    "response.created",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.in_progress",
    "response.incomplete",
    "response.output_text.delta",
    "response.output_text.done",
    "response.queued",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_part.done",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done",
    "response.reasoning_text.delta",
    "response.reasoning_text.done",
    "keepalive",
];

/// Reads the answer to one request.
#[derive(Debug)]
pub(super) struct NativeDecoder {
    inner: SaidDecoder,
    is_over: bool,
}

impl NativeDecoder {
    /// Makes the reader of the answer to a request whose body has this many bytes.
    pub(super) fn new(body_bytes: usize) -> Self {
        Self {
            inner: decoder(body_bytes),
            is_over: false,
        }
    }
}

impl Decoder<Chat> for NativeDecoder {
    fn whole(&mut self, answers: &[WireAnswer<'_>]) -> Result<Decoded<Chat>, TransformError> {
        let decoded = self.inner.whole(answers)?;
        let (Decoded::Answer(mut answer), [written]) = (decoded, answers) else {
            return Err(garbled("expected one answer"));
        };
        answer.native = Some(Native {
            format: NativeFormat::Responses,
            body: RawJson::from_checked(written.body.clone()),
            is_alone: response_is_alone(&written.body),
        });
        Ok(Decoded::Answer(answer))
    }

    fn event(
        &mut self,
        event: WireEvent<'_>,
        out: &mut Vec<ChatChunk>,
    ) -> Result<(), TransformError> {
        let body = event.payload;
        if self.is_over || body.trim_ascii() == b"[DONE]" {
            return Ok(());
        }
        let start = out.len();
        self.inner.event(event, out)?;
        let wire: Event<'_> = serde_json::from_slice(body).unwrap_or_default();
        if matches!(wire.kind, "response.completed" | "response.incomplete") {
            self.is_over = true;
            self.inner.end(out)?;
        }
        let native = NativeEvent {
            format: NativeFormat::Responses,
            name: wire.kind.to_owned().into(),
            block: None,
            json: RawJson::from_checked(body.clone()),
            covers: out.len().saturating_sub(start),
            is_alone: wire.is_alone(),
        };
        out.insert(start, ChatChunk::Native(native));
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<ChatChunk>) -> Result<(), TransformError> {
        self.inner.end(out)
    }

    fn chunks(&mut self, answer: ChatAnswer) -> Vec<ChatChunk> {
        self.inner.chunks(answer)
    }

    fn native(&self) -> Option<NativeFormat> {
        Some(NativeFormat::Responses)
    }
}

/// What of an event tells whether canonical chunks say all of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    item: Option<Item<'a>>,
}

impl Event<'_> {
    fn is_alone(&self) -> bool {
        match self.kind {
            "response.output_item.added" => {
                (self.item.as_ref()).is_some_and(|item| !item.is_known())
            }
            "response.output_item.done" => {
                (self.item.as_ref()).is_some_and(|item| !item.is_known() || item.says_more())
            }
            kind => !KNOWN.contains(&kind),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    namespace: Option<&'a RawValue>,
    #[serde(borrow)]
    encrypted_content: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<Vec<Part<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    annotations: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    logprobs: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
}

impl Item<'_> {
    /// Says whether it is a block of a canonical answer.
    fn is_known(&self) -> bool {
        let has_namespace = self.namespace.is_some_and(|it| it.get() != "null");
        matches!(self.kind, "message" | "reasoning" | "function_call") && !has_namespace
    }

    /// Says whether it has what such a block has no place for.
    fn says_more(&self) -> bool {
        let has = |list: &Option<Vec<&RawValue>>| list.as_ref().is_some_and(|it| !it.is_empty());
        let is_encrypted = self.encrypted_content.is_some_and(|it| it.get() != "null");
        let mut parts = self.content.iter().flatten();
        is_encrypted
            || parts
                .any(|part| has(&part.annotations) || has(&part.logprobs) || part.refusal.is_some())
    }
}

fn response_is_alone(body: &Bytes) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Response<'a> {
        #[serde(borrow)]
        output: Vec<Item<'a>>,
    }
    match serde_json::from_slice::<Response<'_>>(body) {
        Ok(response) => (response.output.iter()).any(|item| !item.is_known() || item.says_more()),
        Err(_) => true,
    }
}
