//! Who thinks when, and the signatures on Claude's thoughts.
//!
//! Claude signs its reasoning and checks the signature when a client sends it back; the simulator does the same with a
//! fixed key, so that a gateway which loses or alters one is found out. What AWS itself signed, in a conversation that
//! was recorded there, cannot be checked here and passes if it is long enough. Other models neither sign nor check.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::error::AwsError;
use super::super::json::Node;
use super::super::model_id::Family;
use super::super::sigv4::hmac;
use super::request::Request;

/// The same in every simulator, so that one can read what another wrote.
const KEY: &[u8] = b"switchyard simulator reasoning";
/// How signatures and redacted thoughts of a simulator start once they are decoded.
const OURS: &[u8] = b"simulated ";
/// No signature of AWS's is shorter, in bytes.
const SHORTEST_FOREIGN: usize = 48;

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
    let (first, second) = (hmac(KEY, text.as_bytes()), hmac(KEY, b"second half"));
    STANDARD.encode([OURS, &first, &second].concat())
}

/// Makes a redacted thought, base64 as on the wire.
pub(super) fn redact(text: &str) -> String {
    STANDARD.encode([OURS, b"redacted ", &hmac(KEY, text.as_bytes())].concat())
}

/// Whether a thought may have this signature.
fn may_sign(signature: &str, text: &str) -> bool {
    match STANDARD.decode(signature) {
        Ok(bytes) if bytes.starts_with(OURS) => signature == sign(text),
        Ok(bytes) => bytes.len() >= SHORTEST_FOREIGN,
        Err(_) => false,
    }
}

/// Whether this may be a redacted thought; one of ours has a known length.
fn may_be_redacted(data: &str) -> bool {
    let ours = redact("");
    let looks_ours = data.get(..OURS.len()) == ours.get(..OURS.len());
    !data.is_empty() && (!looks_ours || data.len() == ours.len())
}

/// Checks every thought that comes back.
pub(super) fn check_signatures(request: &Request<'_>) -> Result<(), AwsError> {
    for block in request.blocks() {
        if let ("reasoningContent", thought) = block.kind() {
            check_thought(&block.place(), thought)?;
        }
    }
    Ok(())
}

fn check_thought(place: &str, thought: &Node<'_>) -> Result<(), AwsError> {
    let refuse = |message: String| Err(AwsError::from_model(message));
    if let Some(data) = thought.text_of("redactedContent") {
        if may_be_redacted(data) {
            return Ok(());
        }
        return refuse(format!(
            "{place}: Invalid `data` in `redacted_thinking` block"
        ));
    }
    let part = |name: &str| thought.at(&["reasoningText", name]).and_then(Node::text);
    match part("signature") {
        None => refuse(format!("{place}.thinking.signature: Field required")),
        Some(signature) if !may_sign(signature, part("text").unwrap_or_default()) => {
            refuse(format!("{place}: Invalid `signature` in `thinking` block"))
        }
        Some(_) => Ok(()),
    }
}
