//! What every `InvokeModel` request has around its body, and every answer around its words.
//!
//! Guardrails, latency, tiers and metadata travel in headers here. A stream comes as `chunk` events whose payload holds
//! the family's own JSON as base64; the last one, and a whole answer's headers, tell the tokens.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html>.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::canonical::{Chat, ChatParams, ChatRequest, RawJson};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::bedrock::chat::{extras, headers, metadata, warnings};
use crate::provider::bedrock::url::invoke_url;
use crate::provider::{Decoder, Exchange, Target, TransformError, WireRequest};

/// How many bytes of metadata AWS takes in a header.
const MOST_METADATA_BYTES: usize = 8500;
/// How much room chunks get at a time: many share one allocation.
const CHUNK_ROOM_BYTES: usize = 8 * 1024;

/// A body that is ready, and what goes with it.
#[derive(Debug)]
pub(in crate::provider::bedrock) struct Outgoing<'a> {
    /// What the client asked.
    pub(in crate::provider::bedrock) request: &'a ChatRequest,
    /// Its parameters, with the deployment's under them.
    pub(in crate::provider::bedrock) params: &'a ChatParams,
    /// Where it goes.
    pub(in crate::provider::bedrock) target: &'a Target,
    /// Whether the answer is to come as a stream.
    pub(in crate::provider::bedrock) streamed: bool,
    /// The body.
    pub(in crate::provider::bedrock) body: Vec<u8>,
}

impl Outgoing<'_> {
    /// Makes the wire request, with a guardrail in its headers.
    pub(super) fn wire(self, warnings: &mut Vec<String>) -> Result<WireRequest> {
        let url = self.url();
        self.wire_to(url, warnings)
    }

    /// Makes the wire request to another API of Bedrock's, with a guardrail in its headers.
    pub(in crate::provider::bedrock) fn wire_to(
        self,
        url: String,
        warnings: &mut Vec<String>,
    ) -> Result<WireRequest> {
        let mut headers = Vec::new();
        if let Some(guardrail) = &self.params.guardrail {
            guardrail_headers(guardrail, &mut headers, warnings)?;
        }
        self.with_headers(url, headers, warnings)
    }

    /// Makes the exchange with another API of Bedrock's: one request, and what reads its answer.
    pub(in crate::provider::bedrock) fn exchange_with(
        self,
        url: String,
        decoder: impl Decoder<Chat> + 'static,
        mut warnings: Vec<String>,
    ) -> Result<Exchange<Chat>> {
        let wire = self.wire_to(url, &mut warnings)?;
        Ok(Exchange {
            requests: vec![wire],
            decoder: Box::new(decoder),
            warnings: warnings::fit(warnings),
        })
    }

    /// Makes the wire request of a family that takes guardrails in its body.
    pub(super) fn wire_without_guardrail(self, warnings: &mut Vec<String>) -> Result<WireRequest> {
        let url = self.url();
        self.with_headers(url, Vec::new(), warnings)
    }

    fn url(&self) -> String {
        let target = self.target;
        invoke_url(&target.endpoint, &target.model.wire, self.streamed)
    }

    fn with_headers(
        self,
        url: String,
        mut own: Vec<(HeaderName, HeaderValue)>,
        warnings: &mut Vec<String>,
    ) -> Result<WireRequest> {
        service_headers(self.params, &mut own)?;
        let target = self.target;
        let mut headers = headers::collect(&self.request.params, target, &[], warnings)?;
        headers.retain(|(name, _)| !own.iter().any(|(known, _)| known == name));
        headers.append(&mut own);
        Ok(WireRequest {
            method: Method::POST,
            url,
            headers,
            body: Bytes::from(self.body),
            service: "bedrock",
        })
    }
}

type Headers = Vec<(HeaderName, HeaderValue)>;

fn push(name: &'static str, value: &str, param: &str, out: &mut Headers) -> Result<()> {
    let value = HeaderValue::from_str(value).map_err(|_| {
        Error::bad_request(
            param,
            format!("Invalid value for '{param}': it has characters that a header cannot carry."),
        )
    })?;
    out.push((HeaderName::from_static(name), value));
    Ok(())
}

/// Writes a guardrail as headers.
pub(in crate::provider::bedrock) fn guardrail_headers(
    given: &RawJson,
    out: &mut Headers,
    warnings: &mut Vec<String>,
) -> Result<()> {
    const PARAM: &str = "guardrailConfig";
    let config = extras::guardrail_config(given, true).to_value();
    let text = |name: &str| config.get(name).and_then(Value::as_str);
    let identifier = text("guardrailIdentifier").ok_or_else(|| {
        Error::bad_request(
            PARAM,
            format!("Invalid value for '{PARAM}': guardrailIdentifier is missing."),
        )
    })?;
    push("x-amzn-bedrock-guardrailidentifier", identifier, PARAM, out)?;
    // A version may be written as a number.
    let version = config.get("guardrailVersion").map(|version| match version {
        Value::String(version) => version.clone(),
        other => other.to_string(),
    });
    if let Some(version) = version {
        push("x-amzn-bedrock-guardrailversion", &version, PARAM, out)?;
    }
    if let Some(trace) = text("trace") {
        let trace = trace.to_ascii_uppercase();
        push("x-amzn-bedrock-trace", &trace, PARAM, out)?;
    }
    if config.get("streamProcessingMode").is_some() {
        warnings.push("guardrailConfig.streamProcessingMode was left out: not supported".into());
    }
    Ok(())
}

/// Latency, tier and metadata, which Converse takes in its body.
pub(in crate::provider::bedrock) fn service_headers(
    params: &ChatParams,
    out: &mut Headers,
) -> Result<()> {
    if let Some(performance) = params.extra("performanceConfig").map(RawJson::to_value)
        && let Some(latency) = performance.get("latency").and_then(Value::as_str)
    {
        let name = "x-amzn-bedrock-performanceconfig-latency";
        push(name, latency, "performanceConfig", out)?;
    }
    if let Some(tier) = extras::service_tier(params)?.map(|tier| tier.to_value())
        && let Some(kind) = tier.get("type").and_then(Value::as_str)
    {
        push("x-amzn-bedrock-service-tier", kind, "service_tier", out)?;
    }
    if let Some(entries) = params.extra("requestMetadata") {
        metadata::check(entries)?;
        let entries = entries.to_value().to_string();
        if entries.len() > MOST_METADATA_BYTES {
            return Err(Error::bad_request(
                "requestMetadata",
                format!(
                    "BadRequestError: requestMetadata can have at most {MOST_METADATA_BYTES} bytes."
                ),
            ));
        }
        let name = "x-amzn-bedrock-request-metadata";
        push(name, &entries, "requestMetadata", out)?;
    }
    Ok(())
}

/// Makes the error of an answer that cannot be read.
pub(in crate::provider::bedrock) fn garbled(message: &'static str) -> TransformError {
    Error::new(ErrorKind::Garbled, message).into()
}

/// Reads an answer, or a chunk of one, in the family's own JSON.
pub(in crate::provider::bedrock) fn parse<'a, T: Deserialize<'a>>(
    body: &'a Bytes,
) -> Result<T, TransformError> {
    serde_json::from_slice(body).map_err(|error| {
        Error::new(
            ErrorKind::Garbled,
            "the answer is not what this model's family answers",
        )
        .with_source(error)
        .into()
    })
}

/// Takes the family's JSON out of `chunk` events.
#[derive(Debug, Default)]
pub(in crate::provider::bedrock) struct Unwrapper {
    room: BytesMut,
}

impl Unwrapper {
    /// Returns what a chunk's payload holds.
    pub(in crate::provider::bedrock) fn chunk(
        &mut self,
        payload: &Bytes,
    ) -> Result<Bytes, TransformError> {
        #[derive(Deserialize)]
        struct Chunk<'a> {
            #[serde(borrow)]
            bytes: Cow<'a, str>,
        }
        let chunk: Chunk<'_> = parse(payload)?;
        let most = chunk.bytes.len() / 4 * 3 + 3;
        if self.room.capacity() < most {
            self.room.reserve(most.max(CHUNK_ROOM_BYTES));
        }
        self.room.resize(most, 0);
        let length = STANDARD
            .decode_slice(chunk.bytes.as_bytes(), &mut self.room)
            .map_err(|_| garbled("a chunk of the stream is not base64"))?;
        let decoded = self.room.split_to(length).freeze();
        self.room.clear();
        Ok(decoded)
    }
}

/// Tokens, as Bedrock counts them for every family.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::provider::bedrock) struct Counts {
    /// Input tokens.
    #[serde(rename = "inputTokenCount")]
    pub(in crate::provider::bedrock) input: Option<u64>,
    /// Generated tokens.
    #[serde(rename = "outputTokenCount")]
    pub(in crate::provider::bedrock) output: Option<u64>,
    /// Tokens read from the prompt cache.
    #[serde(rename = "cacheReadInputTokenCount")]
    pub(in crate::provider::bedrock) cache_read: Option<u64>,
    /// Tokens written to the prompt cache.
    #[serde(rename = "cacheWriteInputTokenCount")]
    pub(in crate::provider::bedrock) cache_write: Option<u64>,
}

impl Counts {
    /// Reads the headers of a whole answer.
    pub(super) fn of_headers(headers: &HeaderMap) -> Self {
        let count = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
        Self {
            input: count("x-amzn-bedrock-input-token-count"),
            output: count("x-amzn-bedrock-output-token-count"),
            cache_read: count("x-amzn-bedrock-cache-read-input-token-count"),
            cache_write: count("x-amzn-bedrock-cache-write-input-token-count"),
        }
    }
}

/// What Bedrock itself writes into an answer, whatever its family.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Set by the last chunk of a stream.
    pub(super) metrics: Option<Counts>,
    /// Whether a guardrail put its own words in place of the model's.
    pub(super) intervened: bool,
    /// What the guardrail found.
    pub(super) trace: Option<RawJson>,
}

impl Notes {
    /// Takes the notes out of an answer or a chunk; nearly all chunks have none.
    pub(super) fn read(&mut self, body: &Bytes) -> Result<(), TransformError> {
        #[derive(Deserialize)]
        struct Wire<'a> {
            #[serde(rename = "amazon-bedrock-invocationMetrics")]
            metrics: Option<Counts>,
            #[serde(rename = "amazon-bedrock-guardrailAction")]
            action: Option<String>,
            #[serde(rename = "amazon-bedrock-trace", borrow)]
            trace: Option<&'a RawValue>,
        }
        if memchr::memmem::find(body, b"\"amazon-bedrock-").is_none() {
            return Ok(());
        }
        let wire: Wire<'_> = parse(body)?;
        self.metrics = wire.metrics.or(self.metrics);
        self.intervened |= wire.action.as_deref() == Some("INTERVENED");
        if let Some(trace) = wire.trace {
            self.trace = Some(RawJson::from_raw(body, trace));
        }
        Ok(())
    }

    /// Returns Bedrock's word for a guardrail that intervened, else the model's own.
    pub(super) fn stop(&self, raw: String) -> String {
        if self.intervened {
            "guardrail_intervened".to_owned()
        } else {
            raw
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_taken_out_whatever_their_length() {
        let mut unwrapper = Unwrapper::default();
        let mut kept = Vec::new();
        for length in [0, 1, 2, 3, 10, 9000, 5, 20_000, 7] {
            let inner = vec![b'x'; length];
            let payload = format!(r#"{{"bytes":"{}","p":"abc"}}"#, STANDARD.encode(&inner));
            kept.push((unwrapper.chunk(&Bytes::from(payload)).unwrap(), inner));
        }
        for (decoded, inner) in kept {
            assert_eq!(decoded, inner);
        }
        assert!(
            unwrapper
                .chunk(&Bytes::from_static(br#"{"bytes":"!"}"#))
                .is_err()
        );
        assert!(unwrapper.chunk(&Bytes::from_static(b"{}")).is_err());
    }

    #[test]
    fn notes_are_found_among_the_familys_members() {
        let mut notes = Notes::default();
        let plain = Bytes::from_static(br#"{"generation":"amazon-bedrock-"}"#);
        notes.read(&plain).unwrap();
        assert!(notes.metrics.is_none());
        let last = Bytes::from_static(
            br#"{"generation":"","amazon-bedrock-guardrailAction":"INTERVENED","amazon-bedrock-trace":{"a":1},
            "amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":4}}"#,
        );
        notes.read(&last).unwrap();
        let metrics = notes.metrics.unwrap();
        assert_eq!((metrics.input, metrics.output), (Some(3), Some(4)));
        assert_eq!(notes.stop("stop".to_owned()), "guardrail_intervened");
        assert_eq!(notes.trace.unwrap().get(), r#"{"a":1}"#);
    }
}
