//! Plays `CountTokens`: the body of the model's own format, or Converse's, is checked as if it were asked, and counted.
//!
//! Source of the shape: service model of Bedrock runtime 2023-09-30, shape `CountTokensRequest`. Only foundation models can
//! be counted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::check::check;
use super::converse::request::Request;
use super::converse::{Mode, count, shape};
use super::dispatch::{Answered, Call};
use super::error::AwsError;
use super::invoke;
use super::json::Node;
use super::model_id::Model;
use super::operation::send;

/// What may be said beside the conversation: shape `ConverseTokensRequest`.
const COUNTED: [&str; 4] = [
    "messages",
    "system",
    "toolConfig",
    "additionalModelRequestFields",
];

/// Checks a body and counts it.
pub(super) async fn answer(model_id: &str, call: &Call<'_>) -> Answered {
    let model = Model::parse(model_id)?;
    if model.base != model_id {
        let message = "The provided model doesn't support counting tokens.";
        return Err(AwsError::validation(message).into());
    }
    let body = Node::parse(call.body)?;
    let input = body.get("input").unwrap_or(&Node::Null);
    let (tokens, fault) = match input.members() {
        [(name, asked)] if name == "converse" => {
            check(asked, &shape::CONVERSE)?;
            let foreign = (asked.members().iter()).find(|(name, _)| !COUNTED.contains(&&**name));
            if let Some((name, _)) = foreign {
                return Err(AwsError::validation(format!(
                    "{name}: extra inputs are not permitted"
                ))
                .into());
            }
            count(&request(asked, &model), call).await?
        }
        [(name, asked)] if name == "invokeModel" => {
            let inner = asked.text_of("body").unwrap_or_default();
            let inner = STANDARD.decode(inner).map_err(|_| {
                AwsError::validation("input.invokeModel.body must be base64 of a JSON object")
            })?;
            let meant = invoke::meant(&model, &Node::parse(&inner)?)?;
            let root: Node<'_> = serde_json::from_str(&meant).unwrap_or(Node::Null);
            count(&request(&root, &model), call).await?
        }
        _ => {
            let message = "input must have exactly one of: converse, invokeModel";
            return Err(AwsError::validation(message).into());
        }
    };
    send(&json!({"inputTokens": tokens}), fault.as_ref(), call)
}

fn request<'a>(root: &'a Node<'a>, model: &'a Model) -> Request<'a> {
    Request {
        root,
        model,
        mode: Mode::Whole,
    }
}
