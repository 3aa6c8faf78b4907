//! Plays the control plane, as far as clients and gateways read it: foundation models, inference profiles, guardrails; and
//! one operation that changes something, `CreateGuardrail`.
//!
//! Source: service model of Bedrock 2023-04-20.

use http::Method;
use serde_json::{Value, json};

use super::check::check;
use super::dispatch::{Answered, Call, decode};
use super::error::AwsError;
use super::json::Node;
use super::operation::{follow, send};
use super::shape::{Shape, list, optional, required, text};

const ACCOUNT: &str = "123456789012";
const REGION: &str = "us-west-2";
const AT: &str = "2025-01-01T00:00:00Z";
/// The model behind application inference profiles whose name does not tell another.
const USUAL: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

/// Foundation models: id, provider, name.
const MODELS: [(&str, &str, &str); 5] = [
    (USUAL, "Anthropic", "Claude Sonnet 4.5"),
    (
        "anthropic.claude-haiku-4-5-20251001-v1:0",
        "Anthropic",
        "Claude Haiku 4.5",
    ),
    ("amazon.nova-pro-v1:0", "Amazon", "Nova Pro"),
    ("meta.llama3-1-70b-instruct-v1:0", "Meta", "Llama 3.1 70B"),
    (
        "amazon.titan-embed-text-v2:0",
        "Amazon",
        "Titan Embeddings V2",
    ),
];

static CREATE_GUARDRAIL: Shape = Shape::Structure(&[
    required("name", &text(1, 50)),
    required("blockedInputMessaging", &text(1, 500)),
    required("blockedOutputsMessaging", &text(1, 500)),
    optional("description", &text(1, 200)),
    optional("topicPolicyConfig", &Shape::Object),
    optional("contentPolicyConfig", &Shape::Object),
    optional("wordPolicyConfig", &Shape::Object),
    optional("sensitiveInformationPolicyConfig", &Shape::Object),
    optional("contextualGroundingPolicyConfig", &Shape::Object),
    optional("automatedReasoningPolicyConfig", &Shape::Object),
    optional("crossRegionConfig", &Shape::Object),
    optional("kmsKeyId", &text(1, 2048)),
    optional("tags", &list(&Shape::Object)),
    optional("clientRequestToken", &text(1, 256)),
]);

/// Answers a call of the control plane; `None` for a path that is not its.
pub(super) async fn answer(
    method: &Method,
    path: &str,
    query: &str,
    call: &Call<'_>,
) -> Option<Answered> {
    let segments: Vec<String> = path.split('/').skip(1).map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let answer = match (method.as_str(), segments.as_slice()) {
        ("GET", ["foundation-models"]) => {
            let models: Vec<Value> = MODELS.iter().map(model).collect();
            json!({ "modelSummaries": models })
        }
        ("GET", ["foundation-models", id]) => {
            let Some(known) = MODELS.iter().find(|(known, ..)| known == id) else {
                return Some(Err(unknown().into()));
            };
            json!({ "modelDetails": model(known) })
        }
        ("GET", ["inference-profiles"]) => match profiles(query) {
            Ok(profiles) => json!({ "inferenceProfileSummaries": profiles }),
            Err(error) => return Some(Err(error.into())),
        },
        // One that this caller may not look at.
        ("GET", ["inference-profiles", id]) if id.contains("/denied") => {
            let message = "You don't have sufficient permissions to get the inference profile.";
            return Some(Err(
                AwsError::new("AccessDeniedException", 403, message).into()
            ));
        }
        ("GET", ["inference-profiles", id]) => profile(id),
        ("GET", ["guardrails"]) => json!({"guardrails": [{
            "id": "simulated1", "arn": guardrail_arn("simulated1"), "status": "READY", "name": "simulated",
            "version": "DRAFT", "createdAt": AT, "updatedAt": AT,
        }]}),
        ("POST", ["guardrails"]) => return Some(create_guardrail(call).await),
        _ => return None,
    };
    Some(send(&answer, None, call))
}

fn model(known: &(&str, &str, &str)) -> Value {
    let (id, provider, name) = known;
    let output = if id.contains("embed") {
        "EMBEDDING"
    } else {
        "TEXT"
    };
    json!({
        "modelArn": model_arn(id), "modelId": id, "modelName": name, "providerName": provider,
        "inputModalities": ["TEXT"], "outputModalities": [output],
        "responseStreamingSupported": output == "TEXT", "customizationsSupported": [],
        "inferenceTypesSupported": ["ON_DEMAND"], "modelLifecycle": {"status": "ACTIVE"},
    })
}

/// The profiles that a query asks for.
fn profiles(query: &str) -> Result<Vec<Value>, AwsError> {
    let kind = query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        matches!(name, "type" | "typeEquals").then_some(value)
    });
    match kind {
        Some("APPLICATION") => Ok(Vec::new()),
        None | Some("SYSTEM_DEFINED") => Ok(MODELS
            .iter()
            .filter(|(id, ..)| !id.contains("embed"))
            .map(|(id, ..)| profile(&format!("us.{id}")))
            .collect()),
        Some(other) => Err(AwsError::validation(format!(
            "1 validation error detected: Value '{other}' at 'typeEquals' failed to satisfy constraint: Member must \
             satisfy enum value set: [SYSTEM_DEFINED, APPLICATION]"
        ))),
    }
}

/// A profile by id or ARN: one of AWS's tells its model, one of somebody's own is of the usual one.
fn profile(id: &str) -> Value {
    let (arn, name) = match id.rsplit_once('/') {
        Some((_, name)) => (id.to_owned(), name),
        None => (
            format!("arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/{id}"),
            id,
        ),
    };
    let of_aws = MODELS
        .iter()
        .map(|(model, ..)| *model)
        .find(|model| name.split_once('.').is_some_and(|(_, rest)| rest == *model));
    json!({
        "inferenceProfileName": name.replace([':', '.'], "-"), "inferenceProfileId": name, "inferenceProfileArn": arn,
        "models": [{"modelArn": model_arn(of_aws.unwrap_or(USUAL))}],
        "status": "ACTIVE", "type": if of_aws.is_some() { "SYSTEM_DEFINED" } else { "APPLICATION" },
        "createdAt": AT, "updatedAt": AT,
    })
}

async fn create_guardrail(call: &Call<'_>) -> Answered {
    let body = Node::parse(call.body)?;
    check(&body, &CREATE_GUARDRAIL)?;
    let fault = follow(&body, call).await?;
    let id = format!("sim{:07}", call.number);
    let answer = json!({"guardrailId": id, "guardrailArn": guardrail_arn(&id), "version": "DRAFT", "createdAt": AT});
    send(&answer, fault.as_ref(), call)
}

fn model_arn(id: &str) -> String {
    format!("arn:aws:bedrock:{REGION}::foundation-model/{id}")
}

fn guardrail_arn(id: &str) -> String {
    format!("arn:aws:bedrock:{REGION}:{ACCOUNT}:guardrail/{id}")
}

fn unknown() -> AwsError {
    AwsError::new(
        "ValidationException",
        400,
        "The provided model identifier is invalid.",
    )
}
