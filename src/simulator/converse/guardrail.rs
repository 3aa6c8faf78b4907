//! The one policy of the simulated guardrail: it blocks texts with the marker `[[sim:guardrail]]`.

use serde_json::{Value, json};

use super::super::json::Node;
use super::super::marker::Marker;
use super::request::Request;

/// Whether the guardrail that the request names stops it; guarded blocks alone are looked at where there are any.
pub(super) fn blocks(request: &Request<'_>) -> bool {
    // The pattern of the identifier admits an empty one, which is none.
    let configured = request
        .root
        .at(&["guardrailConfig", "guardrailIdentifier"])
        .and_then(Node::text)
        .is_some_and(|id| !id.is_empty());
    let guarded = request.blocks().any(|block| block.node.has("guardContent"));
    let looked_at =
        |text: &&str| !guarded || request.blocks().any(|block| is_guarded(block.node, text));
    let marked = |text: &str| Marker::all(text).any(|marker| marker.name == "guardrail");
    configured && request.user_texts().filter(looked_at).any(marked)
}

fn is_guarded(block: &Node<'_>, text: &str) -> bool {
    block
        .at(&["guardContent", "text", "text"])
        .and_then(Node::text)
        == Some(text)
}

/// Returns the trace of the guardrail, where the request wants one.
pub(super) fn trace(request: &Request<'_>, blocked: bool) -> Option<Value> {
    let guardrail = request.root.get("guardrailConfig")?;
    let wanted = guardrail
        .text_of("trace")
        .is_some_and(|trace| trace != "disabled");
    let id = guardrail
        .text_of("guardrailIdentifier")
        .filter(|_| wanted)?;
    let units = json!({
        "topicPolicyUnits": 1, "contentPolicyUnits": 1, "wordPolicyUnits": 0, "sensitiveInformationPolicyUnits": 0,
        "sensitiveInformationPolicyFreeUnits": 0, "contextualGroundingPolicyUnits": 0,
    });
    let metrics = json!({"guardrailProcessingLatency": 7, "usage": units});
    let trace = if blocked {
        let topics = json!([{"name": "simulated-topic", "type": "DENY", "action": "BLOCKED"}]);
        let assessment = json!({"topicPolicy": {"topics": topics}, "invocationMetrics": metrics});
        json!({"inputAssessment": {id: assessment}, "actionReason": "Guardrail blocked."})
    } else {
        json!({"inputAssessment": {id: {"invocationMetrics": metrics}}})
    };
    Some(json!({ "guardrail": trace }))
}
