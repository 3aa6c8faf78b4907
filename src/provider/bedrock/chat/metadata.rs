//! `requestMetadata`: what Bedrock allows in it.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>: at most 16 entries, keys of 1 to
//! 256 and values of 0 to 256 characters out of a small set.

use serde_json::Value;

use crate::canonical::{ChatParams, RawJson};
use crate::error::{Error, Result};
use crate::provider::Target;

const MOST_ENTRIES: usize = 16;
const LONGEST: usize = 256;

/// Checks the metadata, so that the client reads which rule it broke.
pub(crate) fn check(raw: &RawJson) -> Result<()> {
    let Value::Object(entries) = raw.to_value() else {
        return Err(error("requestMetadata must be an object"));
    };
    if entries.len() > MOST_ENTRIES {
        return Err(error("requestMetadata can have at most 16 entries"));
    }
    for (key, value) in &entries {
        if key.is_empty() || key.chars().count() > LONGEST {
            return Err(error("requestMetadata keys must have 1 to 256 characters"));
        }
        let Value::String(value) = value else {
            return Err(error("requestMetadata values must be strings"));
        };
        if value.chars().count() > LONGEST {
            return Err(error(
                "requestMetadata values can have at most 256 characters",
            ));
        }
        if !key.chars().all(is_allowed) || !value.chars().all(is_allowed) {
            return Err(error(
                "requestMetadata keys and values can only have characters of [a-zA-Z0-9\\s:_@$#=/+,.-]",
            ));
        }
    }
    Ok(())
}

/// Takes out the caller's metadata where the operator says what stands there; what the deployment sets stays.
pub(crate) fn leave_to_operator(
    params: &mut ChatParams,
    target: &Target,
    warnings: &mut Vec<String>,
) {
    const NAME: &str = "requestMetadata";
    let own = target.defaults.extra(NAME);
    if !target.repairs.operators_request_metadata || params.extra(NAME) == own {
        return;
    }
    let own = own.cloned();
    params.extra.retain(|(name, _)| name != NAME);
    params.extra.extend(own.map(|own| (NAME.to_owned(), own)));
    warnings.push("requestMetadata was left out: the operator sets it".to_owned());
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || c.is_whitespace() || ":_@$#=/+,.-".contains(c)
}

fn error(problem: &str) -> Error {
    Error::bad_request("requestMetadata", format!("BadRequestError: {problem}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_are_named() {
        let problem = |value: Value| check(&RawJson::from_value(&value)).map_err(|e| e.to_string());
        assert!(problem(json!({"team": "a b/c@d.e-f"})).is_ok());
        assert!(problem(json!({"k": ""})).is_ok());
        assert!(problem(json!([])).unwrap_err().contains("an object"));
        assert!(problem(json!({"": "x"})).unwrap_err().contains("keys"));
        assert!(problem(json!({"k": 1})).unwrap_err().contains("strings"));
        assert!(
            problem(json!({"k": "!"}))
                .unwrap_err()
                .contains("characters of")
        );
        let many: serde_json::Map<String, Value> =
            (0..17).map(|i| (i.to_string(), json!("x"))).collect();
        assert!(
            problem(Value::Object(many))
                .unwrap_err()
                .contains("16 entries")
        );
    }
}
