//! What is known of Bedrock's models: windows, prices, capabilities.
//!
//! The facts come from a table that is compiled in (`models.csv`) and read once, when the first question is asked. A
//! model that is not in the table has no facts: every flag is absent, and the transformers then allow what a model of
//! its kind may be able to do.

pub mod cl100k;
mod flag;
mod letters;
mod stem;
mod table;
mod tokenizer;
mod tokens;

use std::sync::Arc;

pub use flag::{Flag, Flags};
pub use tokenizer::Tokenizer;
pub use tokens::{Size, estimate};

use crate::config::ModelInfo;
use table::TABLE;

/// The provider name of a row, which decides how LiteLLM reaches the model by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CatalogProvider {
    /// `bedrock`: `InvokeModel` by default.
    Bedrock,
    /// `bedrock_converse`: Converse by default.
    BedrockConverse,
    /// `bedrock_mantle`: the OpenAI-shaped API on `bedrock-mantle`.
    BedrockMantle,
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `chat`.
    Chat,
    /// `responses`: chat, by OpenAI's Responses API only.
    Responses,
    /// `embedding`.
    Embedding,
    /// `image_generation`.
    ImageGeneration,
    /// `image_edit`.
    ImageEdit,
    /// `rerank`.
    Rerank,
    /// `realtime`: a bidirectional stream.
    Realtime,
    /// `guardrail`: a price, not a model.
    Guardrail,
}

/// What is known of one model.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Whether the model, or one with the same stem, is in the table.
    pub known: bool,
    /// Capabilities.
    pub flags: Flags,
    /// The highest `output_config.effort` that Bedrock takes (`bedrock_output_config_effort_ceiling`).
    pub effort_ceiling: Option<String>,
    /// Whether the prompt cache can keep entries for an hour (a price for it is known).
    pub one_hour_cache: bool,
    /// Most input tokens.
    pub max_input_tokens: Option<u64>,
    /// Most output tokens.
    pub max_output_tokens: Option<u64>,
    /// Fewest tokens that a cached prefix must have.
    pub prompt_cache_min_tokens: Option<u64>,
    /// Who serves the model by default.
    pub provider: Option<CatalogProvider>,
    /// What the model is for.
    pub mode: Option<Mode>,
    /// OpenAI-shaped paths that Bedrock itself serves for the model, such as `/v1/chat/completions`.
    pub supported_endpoints: Vec<String>,
    /// US dollars for one input token.
    pub input_cost_per_token: Option<f64>,
    /// US dollars for one output token.
    pub output_cost_per_token: Option<f64>,
    /// US dollars for one token that is read from the prompt cache.
    pub cache_read_cost_per_token: Option<f64>,
    /// US dollars for one token that is written to the prompt cache.
    pub cache_write_cost_per_token: Option<f64>,
    /// US dollars for one image of the request.
    pub input_cost_per_image: Option<f64>,
    /// US dollars for one image of the answer.
    pub output_cost_per_image: Option<f64>,
    /// US dollars for one question.
    pub input_cost_per_query: Option<f64>,
}

impl Facts {
    /// Returns what is said of `flag`: true, false, or nothing.
    pub fn flag(&self, flag: Flag) -> Option<bool> {
        self.flags.get(flag)
    }

    /// Says whether `flag` is stated as true.
    pub fn is(&self, flag: Flag) -> bool {
        self.flag(flag) == Some(true)
    }

    /// Says whether Bedrock itself serves the OpenAI-shaped `path` for the model.
    pub fn serves(&self, path: &str) -> bool {
        self.supported_endpoints.iter().any(|known| known == path)
    }

    /// Returns these facts with a deployment's `model_info` laid over them.
    ///
    /// Switches that are no flag of ours are left out; they are listed by `/model/info` as they were written.
    #[must_use]
    pub fn with_overrides(&self, info: &ModelInfo) -> Self {
        let mut facts = self.clone();
        for (name, value) in &info.flags {
            if let Some(flag) = Flag::parse(name) {
                facts.flags.set(flag, *value);
            }
        }
        facts.max_input_tokens = info.max_input_tokens.or(facts.max_input_tokens);
        facts.max_output_tokens = info.max_output_tokens.or(facts.max_output_tokens);
        let price = |name: &str| {
            let found = info.extra.iter().find(|(key, _)| key == name);
            found.and_then(|(_, value)| value.parse::<f64>().ok())
        };
        facts.input_cost_per_token = price("input_cost_per_token").or(facts.input_cost_per_token);
        facts.output_cost_per_token =
            price("output_cost_per_token").or(facts.output_cost_per_token);
        facts.cache_read_cost_per_token =
            price("cache_read_input_token_cost").or(facts.cache_read_cost_per_token);
        facts.cache_write_cost_per_token =
            price("cache_creation_input_token_cost").or(facts.cache_write_cost_per_token);
        facts.input_cost_per_image = price("input_cost_per_image").or(facts.input_cost_per_image);
        facts.output_cost_per_image =
            price("output_cost_per_image").or(facts.output_cost_per_image);
        facts.input_cost_per_query = price("input_cost_per_query").or(facts.input_cost_per_query);
        if let Some(mode) = info.mode.as_deref().and_then(Mode::parse) {
            facts.mode = Some(mode);
        }
        facts
    }

    /// Takes from `other` what is not said here.
    fn fill_from(&mut self, other: &Self) {
        self.known |= other.known;
        self.flags = self.flags.or(other.flags);
        self.one_hour_cache |= other.one_hour_cache;
        self.max_input_tokens = self.max_input_tokens.or(other.max_input_tokens);
        self.max_output_tokens = self.max_output_tokens.or(other.max_output_tokens);
        self.prompt_cache_min_tokens = self
            .prompt_cache_min_tokens
            .or(other.prompt_cache_min_tokens);
        self.input_cost_per_token = self.input_cost_per_token.or(other.input_cost_per_token);
        self.output_cost_per_token = self.output_cost_per_token.or(other.output_cost_per_token);
        self.cache_read_cost_per_token =
            (self.cache_read_cost_per_token).or(other.cache_read_cost_per_token);
        self.cache_write_cost_per_token =
            (self.cache_write_cost_per_token).or(other.cache_write_cost_per_token);
        self.input_cost_per_image = self.input_cost_per_image.or(other.input_cost_per_image);
        self.output_cost_per_image = self.output_cost_per_image.or(other.output_cost_per_image);
        self.input_cost_per_query = self.input_cost_per_query.or(other.input_cost_per_query);
        self.provider = self.provider.or(other.provider);
        self.mode = self.mode.or(other.mode);
        if self.effort_ceiling.is_none() {
            self.effort_ceiling.clone_from(&other.effort_ceiling);
        }
        if self.supported_endpoints.is_empty() {
            self.supported_endpoints
                .clone_from(&other.supported_endpoints);
        }
    }
}

impl Mode {
    /// Returns the mode that the table calls `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "chat" | "completion" => Self::Chat,
            "responses" => Self::Responses,
            "embedding" => Self::Embedding,
            "image_generation" => Self::ImageGeneration,
            "image_edit" => Self::ImageEdit,
            "rerank" => Self::Rerank,
            "realtime" => Self::Realtime,
            "guardrail" => Self::Guardrail,
            _ => return None,
        })
    }
}

/// Returns what is known under `ids`, which go from the most particular to the most general.
///
/// The first id that states something decides it; later ids fill the gaps. A Claude id that is not in the table takes
/// the facts of the row with the same stem: the name without its date and version.
pub fn facts<'a>(ids: impl IntoIterator<Item = &'a str>) -> Arc<Facts> {
    let mut found: Option<Arc<Facts>> = None;
    let mut last = "";
    for id in ids {
        last = id;
        let Some(row) = TABLE.row(id) else { continue };
        match &mut found {
            None => found = Some(Arc::clone(row)),
            Some(facts) if !Arc::ptr_eq(facts, row) => Arc::make_mut(facts).fill_from(row),
            Some(_) => {}
        }
    }
    found
        .or_else(|| TABLE.same_stem(last).cloned())
        .unwrap_or_default()
}

/// Says whether `model` is a key of the table, so that it selects Bedrock without a `bedrock/` prefix.
pub fn is_bedrock_id(model: &str) -> bool {
    TABLE.row(model).is_some()
}

/// Returns every key of the table, sorted.
pub fn ids() -> impl Iterator<Item = &'static str> {
    TABLE.keys()
}

#[cfg(test)]
#[path = "catalog_tests.rs"]
mod tests;
