//! Where an entry of `model_list` is written, so that what later parts find wrong with it has a place as well.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Finding, Severity};

/// A place in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Where an entry of `model_list` is written. One that no file has (a caller's own) is nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// `model_list[3]`.
    pub(super) path: String,
    pub(super) entry: Place,
    /// The values of `litellm_params`, by key.
    pub(super) params: BTreeMap<String, Place>,
    /// Those of them that refer to a variable which is not set.
    pub(super) unset: BTreeSet<String>,
}

/// Keys of `litellm_params` that may be written in another way.
const TWINS: [(&str, &str); 2] = [
    ("aws_region_name", "region_name"),
    ("aws_bedrock_runtime_endpoint", "api_base"),
];

impl Origin {
    /// Makes an error about a key of `litellm_params`; it stands at the entry if the key is not written.
    pub fn error(&self, param: &str, message: impl Into<String>) -> Finding {
        self.finding(Severity::Error, param, message.into())
    }

    /// Makes a warning about a key of `litellm_params`, likewise.
    pub fn warning(&self, param: &str, message: impl Into<String>) -> Finding {
        self.finding(Severity::Warning, param, message.into())
    }

    /// Says whether a key of `litellm_params` refers to a variable that is not set.
    pub fn is_unset(&self, param: &str) -> bool {
        self.unset.contains(param)
    }

    fn finding(&self, severity: Severity, param: &str, message: String) -> Finding {
        let twin = TWINS
            .iter()
            .find(|(name, _)| *name == param)
            .map(|(_, twin)| *twin);
        let written = |name: &str| self.params.get_key_value(name);
        let (key, place) = written(param)
            .or_else(|| twin.and_then(written))
            .map_or((param, &self.entry), |(key, place)| (key.as_str(), place));
        Finding {
            file: place.file.clone(),
            line: place.line,
            column: place.column,
            severity,
            key: format!("{}.litellm_params.{key}", self.path),
            message,
            hint: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finding_stands_where_the_key_is_written_or_at_the_entry() {
        let place = |line| Place {
            file: "config.yaml".to_owned(),
            line,
            column: 7,
        };
        let origin = Origin {
            path: "model_list[2]".to_owned(),
            entry: place(10),
            params: BTreeMap::from([("region_name".to_owned(), place(13))]),
            unset: BTreeSet::new(),
        };
        assert_eq!(
            origin.error("aws_region_name", "no region").to_string(),
            "config.yaml:13:7: error: model_list[2].litellm_params.region_name: no region"
        );
        assert_eq!(
            origin.warning("api_base", "missing").to_string(),
            "config.yaml:10:7: warning: model_list[2].litellm_params.api_base: missing"
        );
    }
}
