//! Continuing a broken stream on another deployment (`stream_recovery: resume`).
//!
//! What the client has so far becomes the beginning of the model's turn (an assistant prefill), and another deployment
//! writes on from there. It counts as a retry of the group, then of its fallbacks, with their budget and bounds. Only text
//! can be continued: after a tool call began, with thinking, or in a structured answer, the fault ends the stream. What the
//! client sees is one stream: one id, one role, one finish, the usage of all parts.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::attempts::Tries;
use super::continuation::{Asking, Continued, Standing};
use super::relay::Relay;
use super::trip::{Hop, Trip};
use super::{Call, Journal, Reply, Served};
use crate::canonical::{
    ChatChunk, ChatRequest, Content, Message, NativeFormat, Request, ResponseFormat, Role, Text,
    Usage,
};
use crate::catalog::{Flag, Size, Tokenizer};
use crate::config::{FallbackTarget, StreamRecovery};
use crate::error::{Error, ErrorKind, Result};
use crate::router::{Deployment, ModelGroup};
use crate::state::Parts;
use crate::telemetry::events::stream_resumed;

/// Longest text that is kept for a continuation.
const LONGEST_TEXT: usize = 1024 * 1024;

type Resuming = Pin<Box<dyn Future<Output = Result<Continued>> + Send>>;

/// What a stream needs to continue elsewhere.
pub(super) struct Recovery {
    call: Arc<Call>,
    parts: Parts,
    journal: Arc<Journal>,
    hop: Hop<'static>,
    standing: Standing,
    /// The text so far, escaped as JSON.
    text: Vec<u8>,
    /// The block that it belongs to.
    block: u32,
    /// Whether something came that cannot be continued, or the finish.
    is_beyond: bool,
    /// White space at the end of the text, which a continuation may repeat.
    trailing: String,
    times: u32,
    deployments: Vec<String>,
    /// Tokens that the present part has reported.
    reported: Option<Usage>,
    /// The parts that broke: what each reported, and about how many tokens it wrote.
    broken: Vec<(Option<Usage>, u64)>,
    /// How the model cuts text into tokens.
    tokenizer: Tokenizer,
    /// How much of the text is of parts that broke, in bytes.
    continued_at: usize,
    fault: Option<Error>,
    resuming: Option<Resuming>,
}

impl std::fmt::Debug for Recovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recovery").finish_non_exhaustive()
    }
}

/// Lets a streamed reply continue elsewhere, where that is asked for and possible.
pub(super) fn watched(trip: &Trip<'_>, hop: &Hop<'_>, tries: &mut Tries, reply: Reply) -> Reply {
    if trip.settings().stream_recovery == StreamRecovery::None || trip.resuming {
        return reply;
    }
    let Reply::Stream(first, mut source) = reply else {
        return reply;
    };
    let (serving, tokenizer) = {
        let entries = trip.journal.entries();
        let served = entries.served.as_ref();
        let tokenizer = served.map(|served| served.deployment.tokenizer);
        (serving(served), tokenizer.unwrap_or_default())
    };
    if let Some((id, true)) = serving
        && hop.request.chat().is_some_and(is_plain_text)
    {
        let mut recovery = Recovery {
            call: Arc::clone(trip.call),
            parts: trip.parts.clone(),
            journal: Arc::clone(trip.journal),
            hop: Hop {
                group: Arc::clone(&hop.group),
                shown: hop.shown.clone(),
                request: std::borrow::Cow::Owned(hop.request.clone().into_owned()),
                asked: hop.asked.clone(),
                tier: hop.tier,
                excluded: hop.excluded.clone(),
                retry: hop.retry.clone(),
                depth: hop.depth,
            },
            standing: Standing {
                tries: std::mem::take(tries),
                attempted: trip.attempted.clone(),
                further: trip.further,
            },
            text: Vec::new(),
            block: 0,
            is_beyond: false,
            trailing: String::new(),
            times: 0,
            deployments: vec![id],
            reported: None,
            broken: Vec::new(),
            tokenizer,
            continued_at: 0,
            fault: None,
            resuming: None,
        };
        recovery.note(&first);
        source.recover(recovery);
        trip.journal.entries().may_resume = true;
    }
    Reply::Stream(first, source)
}

/// The serving deployment's id, and whether its model takes a prefill.
pub(super) fn serving(served: Option<&Served>) -> Option<(String, bool)> {
    let deployment = &served?.deployment;
    Some((deployment.id.clone(), continues(deployment)))
}

/// Whether a text can be continued there: an agent would be told its own beginning as if it were asked something new.
fn continues(deployment: &Deployment) -> bool {
    deployment.target.facts.is(Flag::AssistantPrefill) && !deployment.is_agent()
}

/// Whether nothing but text is asked for.
fn is_plain_text(request: &ChatRequest) -> bool {
    let params = &request.params;
    let format = &params.response_format;
    params.thinking.is_none()
        && params.reasoning_effort.is_none()
        && params.output_config.is_none()
        && matches!(format, None | Some(ResponseFormat::Text))
}

/// Whether a fallback target writes on: not where it replaces the conversation, or asks for more than text.
pub(super) fn goes_on_with(target: &FallbackTarget, request: &Request) -> bool {
    !target.overrides.contains_key("messages") && request.chat().is_some_and(is_plain_text)
}

/// The deployments of a group that cannot continue a text.
pub(super) fn cannot(group: &ModelGroup) -> impl Iterator<Item = String> + '_ {
    group
        .deployments
        .iter()
        .filter(|deployment| !continues(deployment))
        .map(|deployment| deployment.id.clone())
}

impl Recovery {
    /// Says whether the text so far can be continued.
    pub(super) fn can_continue(&self) -> bool {
        !self.is_beyond
    }

    /// Says whether another deployment is being asked.
    pub(super) fn is_resuming(&self) -> bool {
        self.resuming.is_some()
    }

    /// Looks at the chunks from `before` on, and makes those of a continuation fit what the client has.
    pub(super) fn look_at(&mut self, before: usize, out: &mut Vec<ChatChunk>) {
        if self.times == 0 {
            self.note(out.get(before..).unwrap_or_default());
            return;
        }
        let new = out.split_off(before.min(out.len()));
        for chunk in new {
            self.splice(chunk, out);
        }
    }

    /// Keeps what a continuation will need.
    fn note(&mut self, chunks: &[ChatChunk]) {
        for chunk in chunks {
            match chunk {
                ChatChunk::Text { block, text } => self.keep(*block, text),
                ChatChunk::Usage { usage, .. } => self.reported = Some(*usage),
                ChatChunk::Trace(_) | ChatChunk::Details(_) => {}
                ChatChunk::Native(event) => {
                    // A response counts its events and has one last word: nobody else can go on with it.
                    self.is_beyond |= event.is_alone || event.format == NativeFormat::Responses;
                }
                _ => self.is_beyond = true,
            }
        }
    }

    fn keep(&mut self, block: u32, text: &Text) {
        self.block = block;
        if self.text.len() + text.escaped().len() > LONGEST_TEXT {
            self.is_beyond = true;
        } else {
            self.text.extend_from_slice(text.escaped().as_bytes());
        }
    }

    fn splice(&mut self, chunk: ChatChunk, out: &mut Vec<ChatChunk>) {
        match chunk {
            ChatChunk::Text { text, .. } => {
                let text = self.without_repeated(text);
                if !text.is_empty() {
                    self.keep(self.block, &text);
                    let block = self.block;
                    out.push(ChatChunk::Text { block, text });
                }
            }
            ChatChunk::Finish { .. } => {
                self.is_beyond = true;
                out.push(ChatChunk::Resumed {
                    times: self.times,
                    deployments: self.deployments.clone(),
                });
                out.push(chunk);
            }
            ChatChunk::Usage {
                usage,
                service_tier,
            } => out.push(ChatChunk::Usage {
                usage: self.summed(usage),
                service_tier,
            }),
            other => {
                self.note(std::slice::from_ref(&other));
                out.push(other);
            }
        }
    }

    /// Leaves out white space that the client has already.
    fn without_repeated(&mut self, text: Text) -> Text {
        if self.trailing.is_empty() {
            return text;
        }
        let decoded = text.decoded();
        let mut rest = decoded.as_ref();
        while let Some(letter) = self.trailing.chars().next() {
            let Some(after) = rest.strip_prefix(letter) else {
                break;
            };
            rest = after;
            self.trailing.remove(0);
        }
        if !rest.is_empty() {
            self.trailing.clear();
        }
        if rest.len() == decoded.len() {
            return text.clone();
        }
        Text::new(rest)
    }

    /// The usage of all parts. What a part that broke did not report is told by the last: it was asked the same, and what
    /// had been written before.
    fn summed(&self, last: Usage) -> Usage {
        let written: u64 = self.broken.iter().map(|(_, tokens)| tokens).sum();
        let asked = last.input_tokens.saturating_sub(written);
        let mut sum = last;
        sum.total_tokens = None;
        for (reported, tokens) in &self.broken {
            let part = reported.unwrap_or(Usage {
                input_tokens: asked,
                output_tokens: *tokens,
                ..Usage::default()
            });
            sum.input_tokens = sum.input_tokens.saturating_add(part.input_tokens);
            sum.output_tokens = sum.output_tokens.saturating_add(part.output_tokens);
            sum.cache_read_tokens = sum.cache_read_tokens.saturating_add(part.cache_read_tokens);
            sum.cache_write_tokens =
                (sum.cache_write_tokens).saturating_add(part.cache_write_tokens);
        }
        sum
    }

    /// Asks another deployment to continue.
    pub(super) fn start(&mut self, fault: Error) {
        let text = self.text_so_far();
        let kept = text.trim_end();
        text.get(kept.len()..)
            .unwrap_or_default()
            .clone_into(&mut self.trailing);
        let part = text.get(self.continued_at..).unwrap_or_default();
        let mut size = Size::default();
        size.add_json(part);
        let written = size.tokens(self.tokenizer);
        self.broken.push((self.reported.take(), written));
        self.continued_at = text.len();
        let mut request = self.hop.request.clone().into_owned();
        if let Some(request) = request.chat_mut() {
            // Nor can a response begin where another format's events were passed on.
            (request.native).take_if(|native| native.format == NativeFormat::Responses);
        }
        if !kept.is_empty()
            && let Some(request) = request.chat_mut()
        {
            request.native = None;
            request.messages.push(Message {
                role: Role::Assistant,
                content: Content::Text(Text::new(kept)),
                ..Message::default()
            });
        }
        let asking = Asking {
            call: Arc::clone(&self.call),
            parts: self.parts.clone(),
            journal: Arc::clone(&self.journal),
            hop: Hop {
                request: std::borrow::Cow::Owned(request),
                ..self.hop.clone()
            },
            standing: std::mem::take(&mut self.standing),
        };
        self.fault = Some(fault.clone());
        self.resuming = Some(Box::pin(asking.run(fault)));
    }

    fn text_so_far(&self) -> String {
        let mut quoted = Vec::with_capacity(self.text.len() + 2);
        quoted.push(b'"');
        quoted.extend_from_slice(&self.text);
        quoted.push(b'"');
        // It was put together of parts of JSON strings.
        serde_json::from_slice(&quoted).unwrap_or_default()
    }

    /// Waits for the continuation, and appends its first chunks to `out`.
    ///
    /// # Errors
    ///
    /// The fault that broke the stream, where nobody continues it.
    pub(super) fn poll_resume(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<ChatChunk>,
    ) -> Poll<Result<Relay>> {
        let Some(resuming) = &mut self.resuming else {
            return Poll::Pending;
        };
        let outcome = ready!(resuming.as_mut().poll(cx));
        self.resuming = None;
        match outcome {
            Ok(mut continued) => {
                let written = self.broken.iter().map(|(_, tokens)| tokens).sum();
                continued.relay.continues(written);
                self.times += 1;
                self.tell(Ok(()));
                self.journal.entries().resumed += 1;
                self.standing = continued.standing;
                self.deployments.push(continued.deployment);
                out.extend(continued.first);
                Poll::Ready(Ok(continued.relay))
            }
            Err(error) => {
                self.is_beyond = true;
                self.tell(Err(error.kind()));
                Poll::Ready(Err(self.fault.take().unwrap_or(error)))
            }
        }
    }
}

impl Recovery {
    fn tell(&self, outcome: Result<(), ErrorKind>) {
        if let Some(metrics) = self.hop.group.metrics() {
            stream_resumed(metrics, outcome);
        }
    }
}
