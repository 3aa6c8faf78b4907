//! The body of a Messages request → canonical.
//!
//! What has a place there is read, members that steer the gateway included; what has none stays in the body that is kept. A
//! member that Anthropic knows and Bedrock does not (`mcp_servers`, `container`, `service_tier`, …) is passed over.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::turn::{WireTurn, system, turn};
use crate::canonical::{ChatParams, ChatRequest, Native, NativeFormat, RawJson};
use crate::dialect::body::{self, Body};
use crate::dialect::params::Reader;
use crate::dialect::read::{Node, Path};
use crate::dialect::{Asked, Parsed, headers as request_headers};
use crate::error::{Error, Result};

/// Members of other formats that mean something else here, or nothing.
const PASSED_OVER: [&str; 6] = [
    "function_call",
    "functions",
    "response_format",
    "service_tier",
    "stop",
    "stream_options",
];

/// Members beside Anthropic's parameters that go further: what Claude takes, and what an operator's clients may say to
/// Bedrock.
const CARRIED: [&str; 7] = [
    "anthropic_beta",
    "cache_control_injection_points",
    "context_management",
    "performanceConfig",
    "requestMetadata",
    "safeguards",
    "serviceTier",
];

/// Reads a request for `/v1/messages`.
///
/// # Errors
///
/// [`crate::error::ErrorKind::BadRequest`] naming the member that is wrong: `request_body` when it is no JSON object.
pub fn parse(body: &Bytes, headers: &HeaderMap) -> Result<Parsed> {
    read(body, headers, "/v1/messages")
}

/// Reads a request for `/v1/messages/count_tokens`, which needs no limit.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_count(body: &Bytes, headers: &HeaderMap) -> Result<Parsed> {
    let mut parsed = read(body, headers, "/v1/messages/count_tokens")?;
    parsed.request.stream = false;
    Ok(parsed)
}

fn read(body: &Bytes, headers: &HeaderMap, route: &str) -> Result<Parsed> {
    let wire: Body<'_, WireTurn<'_>> = body::read(body)?;
    let mut reader = Reader::new(body);
    let mut own = Own::default();
    for (name, raw) in &wire.members.0 {
        if !own.take(name, raw) && !PASSED_OVER.contains(&&**name) {
            reader.member(name, raw)?;
        }
    }
    let Some(turns) = wire.messages else {
        let message = format!("{route}: Missing required parameter: 'messages'.");
        return Err(Error::bad_request("messages", message));
    };
    let (mut request, model, controls) = reader.finish();
    own.apply(body, &mut request)?;
    read_turns(body, &turns, &mut request)?;
    request_headers::apply(headers, &mut request);
    // Only Portkey's own format means by an effort a share of the limit, or has blocks beside the usual members.
    request.portkey = false;
    request.content_blocks = false;
    request.native = Some(Native {
        format: NativeFormat::Messages,
        body: RawJson::from_checked(body.clone()),
        is_alone: false,
    });
    Ok(Parsed {
        model,
        request,
        controls,
        asked: Asked::Nothing,
        form: None,
    })
}

fn read_turns(body: &Bytes, turns: &[WireTurn<'_>], request: &mut ChatRequest) -> Result<()> {
    let list = Path::ROOT.member("messages");
    if turns.is_empty() {
        return Err(list.error("at least one message is needed"));
    }
    request.messages_present = true;
    request.messages.reserve(turns.len());
    for (index, wire) in turns.iter().enumerate() {
        turn(body, wire, &list.index(index), &mut request.messages)?;
    }
    Ok(())
}

/// The members that only this format has.
#[derive(Debug, Default)]
struct Own<'a> {
    system: Option<&'a RawValue>,
    stop_sequences: Option<&'a RawValue>,
    output_format: Option<&'a RawValue>,
}

impl<'a> Own<'a> {
    /// Takes a member if it is one of these; says whether it is.
    fn take(&mut self, name: &str, raw: &'a RawValue) -> bool {
        let place = match name {
            "system" => &mut self.system,
            "stop_sequences" => &mut self.stop_sequences,
            "output_format" => &mut self.output_format,
            _ => return false,
        };
        *place = Some(raw);
        true
    }

    fn apply(self, body: &Bytes, request: &mut ChatRequest) -> Result<()> {
        let root = Node {
            body,
            raw: RawValue::NULL,
            path: &Path::ROOT,
        };
        let system = root.member("system", self.system, system)?;
        request.messages.extend(system.flatten());
        let params = &mut request.params;
        params.stop = root.member("stop_sequences", self.stop_sequences, |node| {
            node.list(|stop| stop.owned())
        })?;
        if let Some(format) = root.member("output_format", self.output_format, |node| {
            if node.is_object() {
                Ok(node.json())
            } else {
                Err(node.expected("an object"))
            }
        })? {
            lay_format(&format, params);
        }
        // What is not for models by this format says nothing here.
        params.openai.clear();
        params
            .extra
            .retain(|(name, _)| CARRIED.contains(&name.as_str()));
        Ok(())
    }
}

/// Puts the older `output_format` where the newer way has it; where a client says both, the older counts.
fn lay_format(format: &RawJson, params: &mut ChatParams) {
    let mut config = match params.output_config.as_ref().map(RawJson::to_value) {
        Some(Value::Object(config)) => config,
        _ => Map::new(),
    };
    config.insert("format".to_owned(), format.to_value());
    params.output_config = Some(RawJson::from_value(&config));
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
