//! What a configuration sets, key by key, without the values.
//!
//! A reload has to say which keys changed, secrets among them. Each value is kept as a piece of its SHA-256 only, so that
//! two configurations can be compared and nothing can be printed.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};

use super::environment::Environment;
use super::node::{Node, Value};

/// Sections whose members are mappings with keys of their own worth naming.
const DEEPER: [&str; 1] = ["litellm_settings.cache_params"];

/// The keys that are set, and a fingerprint of each value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fingerprints(BTreeMap<String, [u8; 16]>);

impl fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprints({} keys)", self.0.len())
    }
}

impl Fingerprints {
    /// Takes the fingerprints of everything but `model_list`; keys are paths (`router_settings.num_retries`).
    pub(super) fn of_settings(root: &Node, environment: &Environment) -> Self {
        let mut found = Self::default();
        for entry in root.entries() {
            match entry.key.as_str() {
                "model_list" | "include" | "include_merge" => {}
                // References in it are looked up when the variables are set.
                "environment_variables" => {
                    for variable in entry.node.entries() {
                        let value = environment.get_even_empty(&variable.key).unwrap_or("");
                        let path = format!("{}.{}", entry.key, variable.key);
                        found.0.insert(path, digest(value.as_bytes()));
                    }
                }
                _ => found.add(&entry.key, &entry.node, true),
            }
        }
        found
    }

    /// Takes the fingerprints of one entry of `model_list`: keys of `litellm_params` by their names, those of `model_info`
    /// behind `model_info.`.
    pub(super) fn of_entry(entry: &Node, params: &Node) -> Self {
        let mut found = Self::default();
        for part in entry.entries() {
            match part.key.as_str() {
                "litellm_params" => {}
                "model_info" => found.add("model_info", &part.node, true),
                _ => found.add(&part.key, &part.node, false),
            }
        }
        for param in params.entries() {
            found.add(&param.key, &param.node, false);
        }
        found
    }

    fn add(&mut self, path: &str, node: &Node, open: bool) {
        match &node.value {
            Value::Null => {}
            Value::Map(entries) if open => {
                for entry in entries {
                    let path = format!("{path}.{}", entry.key);
                    let deeper = DEEPER.contains(&path.as_str());
                    self.add(&path, &entry.node, deeper);
                }
            }
            _ => {
                let mut text = Vec::new();
                write(node, &mut text);
                self.0.insert(path.to_owned(), digest(&text));
            }
        }
    }

    /// Returns the keys whose values differ, or that only one of the two has, sorted.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let changed = self
            .0
            .iter()
            .filter(|(key, value)| other.0.get(*key) != Some(*value))
            .map(|(key, _)| key.clone());
        let gone = other.0.keys().filter(|key| !self.0.contains_key(*key));
        let mut keys: Vec<String> = changed.chain(gone.cloned()).collect();
        keys.sort_unstable();
        keys
    }
}

/// Takes a piece of a SHA-256: long enough that two values never share one by chance.
fn digest(bytes: &[u8]) -> [u8; 16] {
    let mut piece = [0; 16];
    for (to, from) in piece.iter_mut().zip(Sha256::digest(bytes)) {
        *to = from;
    }
    piece
}

/// Writes a value such that different values never look the same; the order of a mapping's keys counts for nothing.
fn write(node: &Node, out: &mut Vec<u8>) {
    let mut length = |tag: u8, length: usize| {
        out.push(tag);
        out.extend_from_slice(&(length as u64).to_be_bytes());
    };
    match &node.value {
        Value::Null => length(b'0', 0),
        Value::Bool(flag) => length(b'b', usize::from(*flag)),
        Value::Number(number) => {
            let text = number.to_string();
            length(b'n', text.len());
            out.extend_from_slice(text.as_bytes());
        }
        Value::Text(text) => {
            length(b't', text.len());
            out.extend_from_slice(text.as_bytes());
        }
        Value::List(items) => {
            length(b'l', items.len());
            for item in items {
                write(item, out);
            }
        }
        Value::Map(entries) => {
            length(b'm', entries.len());
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by(|one, other| one.key.cmp(&other.key));
            for entry in sorted {
                out.extend_from_slice(&(entry.key.len() as u64).to_be_bytes());
                out.extend_from_slice(entry.key.as_bytes());
                write(&entry.node, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Config, Environment, Overrides, load_bytes};

    fn config(text: &str, variables: &[(&str, &str)]) -> Config {
        let environment: Environment = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let overrides = Overrides::default();
        load_bytes(
            Path::new("config.yaml"),
            text.as_bytes(),
            environment,
            &overrides,
        )
        .unwrap()
    }

    const BASE: &str = "model_list:\n  - model_name: m\n    litellm_params: {model: bedrock/amazon.nova-lite-v1:0, aws_region_name: us-east-1, \
         rpm: 5, tags: [a, b]}\n    model_info: {id: one, cooldown_time: 5}\n";

    #[test]
    fn changed_keys_of_an_entry_are_named() {
        let old = config(BASE, &[]);
        let text = BASE
            .replace("rpm: 5", "weight: 2")
            .replace("[a, b]", "[b]")
            .replace("cooldown_time: 5", "cooldown_time: 6");
        let new = config(&text, &[]);
        let differences = new.deployments[0]
            .fingerprints
            .differences(&old.deployments[0].fingerprints);
        assert_eq!(
            differences,
            ["model_info.cooldown_time", "rpm", "tags", "weight"]
        );
        assert!(new.settings.differences(&old.settings).is_empty());
    }

    #[test]
    fn order_and_comments_change_nothing() {
        let old = config(
            "general_settings: {max_queued_requests_per_worker: 1, models_owned_by: us}\n",
            &[],
        );
        let new = config(
            "# new\ngeneral_settings:\n  models_owned_by: us\n  max_queued_requests_per_worker: 1\n",
            &[],
        );
        assert_eq!(new.settings.differences(&old.settings), [""; 0]);
    }

    #[test]
    fn settings_are_named_by_their_paths_and_show_no_value() {
        let text = "general_settings: {master_key: os.environ/KEY}\nlitellm_settings: {cache_params: {type: redis, host: a}}\n\
             environment_variables: {FIRST: one}\n";
        let old = config(text, &[("KEY", "sk-first-and-long")]);
        let changed = text
            .replace("host: a", "host: b")
            .replace("FIRST: one", "FIRST: two, SECOND: os.environ/KEY");
        let new = config(&changed, &[("KEY", "sk-second-and-long")]);
        assert_eq!(
            new.settings.differences(&old.settings),
            [
                "environment_variables.FIRST",
                "environment_variables.SECOND",
                "general_settings.master_key",
                "litellm_settings.cache_params.host",
            ]
        );
        assert!(!format!("{:?}", new.settings).contains("sk-"));
    }
}
