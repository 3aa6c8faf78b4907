//! Plays `ApplyGuardrail`: a text is blocked where a fault `guardrail` says so, else it passes.
//!
//! Source: service model of Bedrock runtime 2023-09-30, shapes `ApplyGuardrailRequest` and `ApplyGuardrailResponse`.

use serde_json::{Value, json};

use super::check::check;
use super::converse::blocks::GUARD_CONTENT;
use super::dispatch::{Answered, Call};
use super::error::AwsError;
use super::faults::FaultKind;
use super::json::Node;
use super::operation::{follow, send};
use super::shape::{Shape, list, optional, required};

/// Characters of one text unit: <https://aws.amazon.com/bedrock/pricing/>.
const UNIT_CHARS: usize = 1000;

static APPLY: Shape = Shape::Structure(&[
    required("source", &Shape::Choice(&["INPUT", "OUTPUT"])),
    required("content", &list(&GUARD_CONTENT)),
    optional("outputScope", &Shape::Choice(&["INTERVENTIONS", "FULL"])),
]);

/// Reads `/guardrail/{id}/version/{version}/apply`.
pub(super) fn of_path(path: &str) -> Option<(&str, &str)> {
    let (id, version) = path
        .strip_prefix("/guardrail/")?
        .strip_suffix("/apply")?
        .split_once("/version/")?;
    let is_one = |segment: &str| !segment.is_empty() && !segment.contains('/');
    (is_one(id) && is_one(version)).then_some((id, version))
}

/// Checks and answers `ApplyGuardrail`.
pub(super) async fn apply(version: &str, call: &Call<'_>) -> Answered {
    let is_number = version.bytes().all(|byte| byte.is_ascii_digit()) && version.len() <= 8;
    if version != "DRAFT" && (!is_number || version.starts_with('0')) {
        return Err(AwsError::validation(format!(
            "1 validation error detected: Value '{version}' at 'guardrailVersion' failed to satisfy constraint: Member \
             must satisfy regular expression pattern: (|([1-9][0-9]{{0,7}})|(DRAFT))"
        ))
        .into());
    }
    let body = Node::parse(call.body)?;
    check(&body, &APPLY)?;
    let fault = follow(&body, call).await?;
    let blocks = (fault.as_ref()).is_some_and(|fault| fault.kind == FaultKind::Guardrail);
    send(
        &answer(&body, blocks),
        fault.as_ref().filter(|_| !blocks),
        call,
    )
}

fn answer(body: &Node<'_>, blocks: bool) -> Value {
    let texts = || {
        let items = body.items_of("content").iter();
        items.filter_map(|item| item.at(&["text", "text"]).and_then(Node::text))
    };
    let characters: usize = texts().map(|text| text.chars().count()).sum();
    let units = characters.div_ceil(UNIT_CHARS).max(1);
    let (action, outputs, assessments) = if blocks {
        let finding = json!({"name": "Simulated topic", "type": "DENY", "action": "BLOCKED"});
        (
            "GUARDRAIL_INTERVENED",
            json!([{"text": "Sorry, the model cannot answer this question."}]),
            json!([{"topicPolicy": {"topics": [finding]}}]),
        )
    } else {
        ("NONE", json!([]), json!([{}]))
    };
    json!({
        "usage": {
            "topicPolicyUnits": units, "contentPolicyUnits": units, "wordPolicyUnits": units,
            "sensitiveInformationPolicyUnits": units, "sensitiveInformationPolicyFreeUnits": 0,
            "contextualGroundingPolicyUnits": 0,
        },
        "action": action,
        "outputs": outputs,
        "assessments": assessments,
        "guardrailCoverage": {"textCharacters": {"guarded": characters, "total": characters}},
    })
}
