//! Who thinks when, and the signatures on Claude's thoughts.
//!
//! Claude signs its reasoning and checks the signature when a client sends it back; the simulator does the same with a
//! fixed key, so that a gateway which loses or alters one is found out. Other models neither sign nor check.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::error::AwsError;
use super::super::json::Node;
use super::super::model_id::Family;
use super::super::sigv4::hmac;
use super::request::Request;

/// The same in every simulator, so that one can read what another wrote.
const KEY: &[u8] = b"switchyard simulator reasoning";
/// How redacted reasoning starts once it is decoded.
const REDACTED: &[u8] = b"simulated redacted reasoning ";

/// Whether the answer starts with reasoning.
pub(super) fn is_wanted(request: &Request<'_>) -> bool {
    let base = request.model.base.as_str();
    let effort = request
        .extra("reasoning_effort")
        .and_then(Node::text)
        .is_some_and(|effort| effort != "none");
    let thinking = ["enabled", "adaptive"].contains(&request.thinking());
    match request.model.family {
        Family::Claude => thinking,
        Family::Nova => {
            let config = request
                .extra("reasoningConfig")
                .and_then(|config| config.text_of("type"));
            config == Some("enabled")
        }
        Family::DeepSeek => effort || base.starts_with("deepseek.r1"),
        Family::GptOss => effort,
        Family::Gpt => request
            .extra("reasoning")
            .is_some_and(|node| node.text_of("effort") != Some("none")),
        Family::Qwen | Family::Kimi => {
            effort
                || base.contains("thinking")
                || request.extra("enable_thinking") == Some(&Node::Flag(true))
        }
        // An inference profile may stand for a Claude.
        Family::Other => thinking || effort,
        Family::Llama | Family::Mistral | Family::Cohere | Family::Ai21 => false,
    }
}

/// Whether the family signs what it thought.
pub(super) fn is_signed(request: &Request<'_>) -> bool {
    match request.model.family {
        Family::Claude => true,
        Family::Other => request.extra("thinking").is_some(),
        _ => false,
    }
}

/// Signs a thought.
pub(super) fn sign(text: &str) -> String {
    STANDARD.encode([hmac(KEY, text.as_bytes()), hmac(KEY, b"second half")].concat())
}

/// Makes a redacted thought, base64 as on the wire.
pub(super) fn redact(text: &str) -> String {
    STANDARD.encode([REDACTED, &hmac(KEY, text.as_bytes())].concat())
}

/// Checks every thought that comes back.
pub(super) fn check_signatures(request: &Request<'_>) -> Result<(), AwsError> {
    for block in request.blocks() {
        let ("reasoningContent", node) = block.kind() else {
            continue;
        };
        let place = block.place();
        if let Some(data) = node.text_of("redactedContent") {
            let known = STANDARD
                .decode(data)
                .is_ok_and(|bytes| bytes.starts_with(REDACTED));
            if !known {
                let message = format!("{place}: Invalid `data` in `redacted_thinking` block");
                return Err(AwsError::from_model(message));
            }
            continue;
        }
        let thought = node.get("reasoningText");
        let text = thought
            .and_then(|thought| thought.text_of("text"))
            .unwrap_or_default();
        match thought.and_then(|thought| thought.text_of("signature")) {
            None => {
                return Err(AwsError::from_model(format!(
                    "{place}.thinking.signature: Field required"
                )));
            }
            Some(signature) if signature != sign(text) => {
                return Err(AwsError::from_model(format!(
                    "{place}: Invalid `signature` in `thinking` block"
                )));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
