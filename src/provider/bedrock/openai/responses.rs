//! `/responses`, as OpenAI writes it, for models of `bedrock-mantle` that have no other API.
//!
//! An answer is a list of items, which mean what the blocks of a chat do. A stream is events that say more than their
//! meaning needs; the last of them has the whole answer.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::responses_request::{PARAMS, body};
use super::{fault, settle};
use crate::canonical::{Chat, ChatRequest, StopReason, Text, Usage};
use crate::error::Result;
use crate::provider::bedrock::invoke::envelope::{Outgoing, garbled, parse};
use crate::provider::bedrock::invoke::said::{CallPiece, Reasoning, Said, SaidDecoder, stop, text};
use crate::provider::bedrock::invoke::screen::screen;
use crate::provider::bedrock::invoke::text_model::must_have_messages;
use crate::provider::{Exchange, Target, TransformError};

/// Writes the request to `url` and makes the reader of its answer.
pub(super) fn exchange(
    request: &ChatRequest,
    target: &Target,
    url: String,
) -> Result<Exchange<Chat>> {
    must_have_messages(request)?;
    let mut warnings = Vec::new();
    let mut params = screen(request, target, &PARAMS, &mut warnings)?;
    settle(&mut params, target, &mut warnings)?;
    let body = body(request, target, &params)?;
    let decoder = decoder(body.len());
    let outgoing = Outgoing {
        request,
        params: &params,
        target,
        streamed: request.stream,
        body,
    };
    outgoing.exchange_with(url, decoder, warnings)
}

/// Makes the reader of the answer to a request whose body has this many bytes.
pub(super) fn decoder(body_bytes: usize) -> SaidDecoder {
    SaidDecoder::new(read, Reasoning::Marked, body_bytes).bare()
}

/// An answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Response<'a> {
    status: Option<String>,
    #[serde(borrow)]
    output: Vec<Item<'a>>,
    incomplete_details: Option<Incomplete>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    usage: Option<WireUsage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Incomplete {
    reason: Option<String>,
}

/// An item of an answer: a message, reasoning, or a call of a tool.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    call_id: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<Vec<Part<'a>>>,
    #[serde(borrow)]
    summary: Option<Vec<Part<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
}

/// An event of a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: String,
    output_index: u32,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<Item<'a>>,
    #[serde(borrow)]
    response: Option<Response<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct WireUsage {
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    total_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Deserialize)]
struct InputDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
}

impl WireUsage {
    fn read(&self) -> Usage {
        let details = self.input_tokens_details.as_ref();
        let cached = details.and_then(|details| details.cached_tokens);
        let cached = cached.unwrap_or(0).min(self.input_tokens);
        let written = details.and_then(|details| details.cache_write_tokens);
        let written = written.unwrap_or(0).min(self.input_tokens - cached);
        let details = self.output_tokens_details.as_ref();
        Usage {
            input_tokens: self.input_tokens - cached - written,
            output_tokens: self.output_tokens,
            total_tokens: self.total_tokens,
            cache_read_tokens: cached,
            cache_write_tokens: written,
            reasoning_tokens: details.and_then(|details| details.reasoning_tokens),
            ..Usage::default()
        }
    }
}

/// Reads an answer (`true`) or an event (`false`).
fn read(body: &Bytes, is_whole: bool) -> Result<Said, TransformError> {
    if is_whole {
        return whole(body, &parse(body)?);
    }
    event(body, parse(body)?)
}

fn whole(body: &Bytes, response: &Response<'_>) -> Result<Said, TransformError> {
    let Some(stop) = ending(response)? else {
        return Err(garbled("the answer is not what the Responses API answers"));
    };
    let mut said = Said {
        stop: Some(stop),
        usage: response.usage.as_ref().map(WireUsage::read),
        ..Said::default()
    };
    let (mut words, mut thoughts) = (Vec::new(), Vec::new());
    for (place, item) in (0..).zip(&response.output) {
        match item.kind.as_str() {
            "message" => words.extend(texts(body, item.content.as_deref())),
            "reasoning" => {
                thoughts.extend(texts(body, item.summary.as_deref()));
                thoughts.extend(texts(body, item.content.as_deref()));
            }
            "function_call" => said.calls.push(CallPiece {
                arguments: text(body, item.arguments),
                ..begun(body, place, item)
            }),
            _ => {}
        }
    }
    said.text = joined(words, "");
    said.thinking = joined(thoughts, "\n\n");
    Ok(said)
}

fn texts<'a>(body: &'a Bytes, parts: Option<&'a [Part<'a>]>) -> impl Iterator<Item = Text> + 'a {
    let parts = parts.unwrap_or_default().iter();
    parts.filter_map(move |part| text(body, part.text).or_else(|| text(body, part.refusal)))
}

/// Puts texts together; a single one is shared.
fn joined(mut texts: Vec<Text>, between: &str) -> Option<Text> {
    if texts.len() < 2 {
        return texts.pop();
    }
    let texts: Vec<_> = texts.iter().map(Text::decoded).collect();
    Some(Text::new(&texts.join(between)))
}

fn begun(body: &Bytes, index: u32, item: &Item<'_>) -> CallPiece {
    CallPiece {
        index,
        id: text(body, item.call_id),
        name: text(body, item.name),
        arguments: None,
    }
}

fn event(body: &Bytes, event: Event<'_>) -> Result<Said, TransformError> {
    let delta = || text(body, event.delta);
    let mut said = Said::default();
    match event.kind.as_str() {
        "response.output_text.delta" | "response.refusal.delta" => said.text = delta(),
        "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
            said.thinking = delta();
        }
        "response.output_item.added" => {
            let item = event.item.filter(|item| item.kind == "function_call");
            said.calls
                .extend(item.map(|item| begun(body, event.output_index, &item)));
        }
        "response.function_call_arguments.delta" => said.calls.push(CallPiece {
            index: event.output_index,
            id: None,
            name: None,
            arguments: delta(),
        }),
        "response.completed" | "response.incomplete" | "response.failed" => {
            let response = event.response.unwrap_or_default();
            said.stop = ending(&response)?;
            said.usage = response.usage.as_ref().map(WireUsage::read);
        }
        "error" => {
            let written = match event.error {
                Some(error) => error,
                None => parse(body)?,
            };
            return Err(fault(written).into());
        }
        _ => {}
    }
    Ok(said)
}

/// Says why the model stopped; `None` where it has not.
fn ending(response: &Response<'_>) -> Result<Option<StopReason>, TransformError> {
    let calls = (response.output.iter()).any(|item| item.kind == "function_call");
    let incomplete = response.incomplete_details.as_ref();
    let reason = incomplete.and_then(|details| details.reason.as_deref());
    Ok(Some(
        match (response.status.as_deref().unwrap_or_default(), reason) {
            ("failed" | "cancelled", _) => {
                let error = response.error.filter(|error| error.get() != "null");
                return Err(match error {
                    Some(error) => fault(error).into(),
                    None => garbled("the model ended its answer without saying why"),
                });
            }
            (_, Some("max_output_tokens")) => stop("length", "max_output_tokens"),
            (_, Some("content_filter")) => stop("content_filter", "content_filter"),
            ("completed", _) if calls => stop("tool_calls", "completed"),
            ("completed", _) => stop("stop", "completed"),
            ("incomplete", _) => stop("length", "incomplete"),
            _ => return Ok(None),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_cache_tokens_have_their_own_price_and_so_their_own_place() {
        for (details, expected) in [
            ("{}", (100, 0, 0)),
            (r#"{"cached_tokens":20}"#, (80, 20, 0)),
            (
                r#"{"cached_tokens":20,"cache_write_tokens":50}"#,
                (30, 20, 50),
            ),
            (
                r#"{"cached_tokens":200,"cache_write_tokens":50}"#,
                (0, 100, 0),
            ),
        ] {
            let text = format!(r#"{{"input_tokens":100,"input_tokens_details":{details}}}"#);
            let usage = serde_json::from_str::<WireUsage>(&text).unwrap().read();
            let found = (
                usage.input_tokens,
                usage.cache_read_tokens,
                usage.cache_write_tokens,
            );
            assert_eq!(found, expected, "{details}");
            let text = format!(r#"{{"prompt_tokens":100,"prompt_tokens_details":{details}}}"#);
            let raw: Box<RawValue> = serde_json::from_str(&text).unwrap();
            let of_chat = super::super::super::invoke::openai::usage(&raw).unwrap();
            assert_eq!(of_chat, usage, "{details}");
        }
    }
}
