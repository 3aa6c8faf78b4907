//! By which API a Claude is asked for messages: `InvokeModel`, or Anthropic's own on `bedrock-mantle`.
//!
//! The second wants the model and the stream in the body, and answers without Bedrock's wrapping.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/inference-messages-api.html>.

use http::{HeaderName, HeaderValue};

use super::super::envelope::Outgoing;
use super::decode::AnthropicDecoder;
use super::encode::member;
use crate::canonical::write_escaped;
use crate::error::Result;
use crate::provider::WireRequest;
use crate::provider::bedrock::chat::context::DecodeContext;

/// The version of Anthropic's API, which its clients name in a header.
const VERSION: &str = "2023-06-01";

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// `InvokeModel`.
    Invoke,
    /// `/anthropic/v1/messages` of `bedrock-mantle`.
    Mantle,
}

impl Door {
    /// Makes the wire request.
    pub(super) fn wire(
        self,
        mut outgoing: Outgoing<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<WireRequest> {
        if self == Self::Invoke {
            return outgoing.wire(warnings);
        }
        let target = outgoing.target;
        let body = &mut outgoing.body;
        body.pop();
        member("model", body);
        write_escaped(&target.model.wire, body);
        if outgoing.streamed {
            body.extend_from_slice(br#","stream":true"#);
        }
        body.push(b'}');
        let url = format!("{}/anthropic/v1/messages", target.endpoint);
        let mut wire = outgoing.wire_to(url, warnings)?;
        let name = HeaderName::from_static("anthropic-version");
        if !wire.headers.iter().any(|(known, _)| *known == name) {
            wire.headers.push((name, HeaderValue::from_static(VERSION)));
        }
        Ok(wire)
    }

    /// Makes the reader of the answer.
    pub(super) fn decoder(self, context: DecodeContext) -> AnthropicDecoder {
        let decoder = AnthropicDecoder::new(context);
        match self {
            Self::Invoke => decoder,
            Self::Mantle => decoder.bare(),
        }
    }
}
