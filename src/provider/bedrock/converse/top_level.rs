//! Members of the Converse body beside messages, tools and `inferenceConfig`.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::canonical::{ChatParams, RawJson, write_escaped};
use crate::error::{Error, Result};
use crate::provider::bedrock::chat::extras::{guardrail_config, service_tier};
use crate::provider::bedrock::chat::metadata;

/// Appends `,"name":value`.
pub(crate) fn write_member(name: &str, value: &[u8], out: &mut Vec<u8>) {
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
