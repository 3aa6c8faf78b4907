//! Members of the Converse body beside messages, tools and `inferenceConfig`.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::metadata;
use crate::canonical::{ChatParams, RawJson, write_escaped};
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
pub(super) fn for_the_model(params: &ChatParams) -> impl Iterator<Item = &(String, RawJson)> {
    params
        .extra
        .iter()
        .filter(|(name, _)| !READ.contains(&name.as_str()))
}

/// Appends `,"name":value`.
pub(super) fn write_member(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.push(b',');
    write_escaped(name, out);
    out.push(b':');
    out.extend_from_slice(value);
}

/// Appends the members that are written as they are, or nearly so.
pub(super) fn write(params: &ChatParams, streamed: bool, out: &mut Vec<u8>) -> Result<()> {
    if let Some(guardrail) = &params.guardrail {
        let config = guardrail_config(guardrail, streamed);
        write_member("guardrailConfig", config.bytes(), out);
    }
    if let Some(performance) = params.extra("performanceConfig") {
        write_member("performanceConfig", performance.bytes(), out);
    }
    if let Some(tier) = service_tier(params)? {
        write_member("serviceTier", tier.bytes(), out);
    }
    if let Some(entries) = params.extra("requestMetadata") {
        metadata::check(entries)?;
        write_member("requestMetadata", entries.bytes(), out);
    }
    Ok(())
}

/// Writes the guardrail in Converse's spelling.
fn guardrail_config(given: &RawJson, streamed: bool) -> RawJson {
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

fn service_tier(params: &ChatParams) -> Result<Option<RawJson>> {
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

const RESPONSE_PATHS: &str = "additionalModelResponseFieldPaths";

/// Says whether the caller asks for members of the model's own answer.
pub(super) fn asks_for_fields(params: &ChatParams) -> bool {
    params.extra(RESPONSE_PATHS).is_some()
}

/// Returns the paths of members that Bedrock is to return: the caller's, and the one that tells thinking tokens.
pub(super) fn response_paths(params: &ChatParams, thinks: bool) -> Result<Vec<Value>> {
    const NAME: &str = RESPONSE_PATHS;
    const THINKING_TOKENS: &str = "/usage/output_tokens_details";
    let mut paths = match params.extra(NAME).map(RawJson::to_value) {
        None => Vec::new(),
        Some(Value::Array(given)) => {
            let mut known = HashSet::new();
            given
                .into_iter()
                .filter(|path| known.insert(path.clone()))
                .collect()
        }
        Some(_) => {
            return Err(Error::bad_request(
                NAME,
                format!("Invalid value for '{NAME}': expected a list of JSON pointers."),
            ));
        }
    };
    let generated = json!(THINKING_TOKENS);
    if thinks && !paths.contains(&generated) {
        paths.push(generated);
    }
    Ok(paths)
}
