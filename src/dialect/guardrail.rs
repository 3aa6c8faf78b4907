//! The guardrail that a request names, or a deployment.
//!
//! AWS takes an empty identifier for none at all (the pattern of `guardrailIdentifier` admits it), and what a request names
//! stands in the place of the deployment's own: so one without a name would switch that off.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_GuardrailConfiguration.html>.

use serde_json::{Map, Value};

use super::read::Node;
use crate::canonical::RawJson;
use crate::error::Result;

/// The member that names it, in both spellings.
const NAMES: [&str; 2] = ["guardrailIdentifier", "guardrail_identifier"];

/// Reads `guardrailConfig`.
///
/// # Errors
///
/// [`crate::error::ErrorKind::BadRequest`] for what is no object, and for one that names no guardrail.
pub(super) fn guardrail(node: &Node<'_, '_>) -> Result<RawJson> {
    let unread = |_| node.expected("an object");
    let members: Map<String, Value> = serde_json::from_str(node.raw.get()).map_err(unread)?;
    let mut named = NAMES
        .iter()
        .filter_map(|name| members.get(*name))
        .peekable();
    let is_name = |value: &Value| value.as_str().is_some_and(|text| !text.trim().is_empty());
    if named.peek().is_some() && named.all(is_name) {
        return Ok(node.json());
    }
    let member = node.path.member("guardrailIdentifier");
    Err(member.error("expected the id or the ARN of a guardrail; without the whole object the model's own is used"))
}
