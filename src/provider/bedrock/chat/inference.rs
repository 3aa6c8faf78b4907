//! `inferenceConfig`: how much is generated, how freely, and where it stops.

use serde_json::{Number, Value, json};

use super::kind::Model;
use crate::canonical::{ChatParams, RawJson};

/// `inferenceConfig`.
#[derive(Debug, Default)]
pub(crate) struct Inference {
    /// Most tokens to generate.
    pub(crate) max_tokens: Option<u64>,
    /// How freely it samples.
    pub(crate) temperature: Option<Number>,
    /// The share of likely tokens that it samples from.
    pub(crate) top_p: Option<Number>,
    /// Where it stops.
    pub(crate) stop: Vec<String>,
}

impl Inference {
    /// Takes from the parameters what belongs in it; `default_limit` counts where the client names no limit.
    pub(crate) fn new(
        params: &ChatParams,
        model: &Model<'_>,
        default_limit: Option<u64>,
        without_sampling: bool,
    ) -> Self {
        let stop = params.stop.clone().unwrap_or_default();
        if without_sampling {
            return Self {
                stop,
                ..Self::default()
            };
        }
        let limit = params.max_completion_tokens.or(params.max_tokens);
        let limit = limit.map(|limit| {
            if limit == 0 {
                limit
            } else {
                limit.max(model.least_max_tokens())
            }
        });
        Self {
            max_tokens: limit.or(default_limit),
            temperature: params.temperature.clone(),
            top_p: params.top_p.clone(),
            stop,
        }
    }

    /// Appends it as a JSON object, with these members beside its own.
    pub(crate) fn write(&self, more: &[(&str, Value)], out: &mut Vec<u8>) {
        let mut object = serde_json::Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                object.insert(name.to_owned(), value);
            }
        };
        put("maxTokens", self.max_tokens.map(Value::from));
        put("temperature", self.temperature.clone().map(Value::Number));
        put("topP", self.top_p.clone().map(Value::Number));
        let stop = (!self.stop.is_empty()).then(|| json!(self.stop));
        put("stopSequences", stop);
        for (name, value) in more {
            put(name, Some(value.clone()));
        }
        out.extend_from_slice(RawJson::from_value(&object).bytes());
    }
}
