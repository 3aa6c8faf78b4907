//! Members of a request that stand beside the model's own: which of them are read, and what two of them mean.

use serde_json::{Map, Value, json};

use crate::canonical::{ChatParams, RawJson};
use crate::error::{Error, Result};

/// Members that this or another part of the encoder reads; every other one goes to the model as it is.
const READ: [&str; 12] = [
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "anthropic_beta",
    "cache_control_injection_points",
    "context_management",
    "outputConfig",
    "performanceConfig",
    "promptVariables",
    "requestMetadata",
    "serviceTier",
    "service_tier",
    "web_search_options",
];

/// Returns the members that are for the model alone.
pub(crate) fn for_the_model(params: &ChatParams) -> impl Iterator<Item = &(String, RawJson)> {
    params
        .extra
        .iter()
        .filter(|(name, _)| !READ.contains(&name.as_str()))
}

/// Writes the guardrail in Converse's spelling.
pub(crate) fn guardrail_config(given: &RawJson, streamed: bool) -> RawJson {
    const SPELLINGS: [(&str, &str); 3] = [
        ("guardrail_identifier", "guardrailIdentifier"),
        ("guardrail_version", "guardrailVersion"),
        ("stream_processing_mode", "streamProcessingMode"),
    ];
    let Value::Object(given) = given.to_value() else {
        return given.clone();
    };
    let mut out = Map::new();
    for (name, value) in given {
        let spelling = SPELLINGS.iter().find(|(snake, _)| *snake == name);
        let name = spelling.map_or(name.as_str(), |(_, camel)| camel);
        if streamed || name != "streamProcessingMode" {
            out.insert(name.to_owned(), value);
        }
    }
    RawJson::from_value(&out)
}

/// Returns `serviceTier`, also where it was asked for in OpenAI's words.
pub(crate) fn service_tier(params: &ChatParams) -> Result<Option<RawJson>> {
    if let Some(tier) = params.extra("serviceTier") {
        return Ok(Some(tier.clone()));
    }
    let Some(tier) = params.extra("service_tier") else {
        return Ok(None);
    };
    let Value::String(tier) = tier.to_value() else {
        return Err(Error::bad_request(
            "service_tier",
            "Invalid value for 'service_tier': expected a string.",
        ));
    };
    let tier = match tier.as_str() {
        "auto" | "default" => "default",
        "flex" | "priority" | "reserved" => tier.as_str(),
        _ => return Ok(None),
    };
    Ok(Some(RawJson::from_value(&json!({ "type": tier }))))
}
