//! What kind of model a request goes to, where that changes what is written.
//!
//! Kinds are told by the base model's name; what the table of facts states of a model wins over its kind.

use super::Wire;
use crate::catalog::{Facts, Flag};
use crate::provider::Target;
use crate::provider::bedrock::model_id::{ModelId, Route};

/// Whose model it is, as far as requests differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anthropic's Claude.
    Claude,
    /// Amazon Nova 2.
    Nova2,
    /// Amazon Nova 1.
    Nova,
    /// Amazon's others: Titan.
    Amazon,
    /// OpenAI's open weights (`gpt-oss`).
    GptOss,
    /// OpenAI's other models.
    Gpt,
    /// `DeepSeek` R1.
    DeepSeekR1,
    /// `DeepSeek`'s others.
    DeepSeek,
    /// xAI's Grok.
    Grok,
    /// Cohere's Command.
    Cohere,
    /// AI21's Jamba and Jurassic.
    Ai21,
    /// Any other vendor's.
    Other,
    /// Nobody can tell from the name: application profiles, custom models, an address of the operator's.
    Opaque,
}

impl Kind {
    fn of(model: &ModelId) -> Self {
        if model.is_claude() {
            Self::Claude
        } else if model.is_nova2() {
            Self::Nova2
        } else if model.is_nova() {
            Self::Nova
        } else if model.base.starts_with("amazon.") {
            Self::Amazon
        } else if model.is_gpt_oss() {
            Self::GptOss
        } else if model.is_openai() {
            Self::Gpt
        } else if model.is_deepseek_r1() {
            Self::DeepSeekR1
        } else if model.base.starts_with("deepseek.") {
            Self::DeepSeek
        } else if model.is_xai() {
            Self::Grok
        } else if model.is_cohere() {
            Self::Cohere
        } else if model.is_ai21() {
            Self::Ai21
        } else if model.is_opaque_arn() || model.route == Route::ConverseLike {
            Self::Opaque
        } else {
            Self::Other
        }
    }
}

impl Kind {
    /// Says whether models of this kind may have written thinking without a signature.
    pub(crate) fn may_think_unsigned(self) -> bool {
        !matches!(
            self,
            Self::Claude | Self::Nova | Self::Amazon | Self::Cohere | Self::Ai21
        )
    }
}

/// The model that a request is written for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Model<'a> {
    /// Its id.
    pub(crate) id: &'a ModelId,
    /// What is known of it.
    pub(crate) facts: &'a Facts,
    /// Whose it is.
    pub(crate) kind: Kind,
    /// Whether everything that any model may take is let through, because nobody knows what this one takes.
    pub(crate) permissive: bool,
    /// In whose format the request is written.
    pub(crate) wire: Wire,
}

/// Says whether the model string itself is an ARN; a `model_id` that replaces another id in the URL does not count.
fn is_arn(model: &ModelId) -> bool {
    model.wire.starts_with("arn:")
        && (model.wire.ends_with(&model.base) || model.base.contains("custom"))
}

impl<'a> Model<'a> {
    /// Looks at the model of a target.
    pub(crate) fn new(target: &'a Target, wire: Wire) -> Self {
        let id = &target.model;
        Self {
            id,
            facts: &target.facts,
            kind: Kind::of(id),
            permissive: is_arn(id) || id.route == Route::ConverseLike || !target.facts.known,
            wire,
        }
    }

    /// Returns the id as errors name it: not an ARN, which tells the account, unless the client wrote it.
    pub(crate) fn name(&self) -> &'a str {
        let id = self.id;
        if id.wire.starts_with("arn:") && !is_arn(id) {
            &id.base
        } else {
            &id.wire
        }
    }

    /// Says whether this is Claude.
    pub(crate) fn is_claude(&self) -> bool {
        self.kind == Kind::Claude
    }

    /// Says whether what only Claude takes may be sent: it is Claude, or it may be for all we know.
    pub(crate) fn may_be_claude(&self) -> bool {
        matches!(self.kind, Kind::Claude | Kind::Opaque)
    }

    /// Says whether the model takes tools.
    pub(crate) fn takes_tools(&self) -> bool {
        const FAMILIES: [&str; 8] = [
            "anthropic",
            "mistral",
            "cohere",
            "meta.llama3-1",
            "meta.llama3-2",
            "meta.llama3-3",
            "meta.llama4",
            "amazon.nova",
        ];
        let base = self.id.base.as_str();
        self.permissive
            || FAMILIES.iter().any(|family| base.starts_with(family))
            || self.facts.is(Flag::FunctionCalling)
    }

    /// Says whether the model takes `tool_choice`.
    pub(crate) fn takes_tool_choice(&self) -> bool {
        match self.facts.flag(Flag::ToolChoice) {
            Some(stated) => stated,
            None => self.permissive,
        }
    }

    /// Says whether the model is one that thinks in Claude's way, by its facts or its name.
    pub(crate) fn reasons(&self) -> bool {
        const NAMES: [&str; 3] = ["claude-3-7", "claude-sonnet-4", "claude-opus-4"];
        let is_let_through = self.permissive && (is_arn(self.id) || !self.is_of_plain_speakers());
        is_let_through
            || self.facts.is(Flag::Reasoning)
            || NAMES.iter().any(|name| self.id.base.contains(name))
    }

    /// Says whether the name alone tells that the model does not think: Claude before 3.7, and families that never did.
    fn is_of_plain_speakers(&self) -> bool {
        const FAMILIES: [&str; 10] = [
            "ai21.",
            "amazon.titan",
            "anthropic.claude-3-haiku",
            "anthropic.claude-3-opus",
            "anthropic.claude-3-sonnet",
            "anthropic.claude-3-5-",
            "anthropic.claude-instant",
            "anthropic.claude-v",
            "cohere.",
            "meta.llama",
        ];
        let base = self.id.base.as_str();
        self.kind == Kind::Nova || FAMILIES.iter().any(|family| base.starts_with(family))
    }

    /// Says whether `strict` may be sent with a tool.
    pub(crate) fn takes_strict(&self) -> bool {
        self.is_claude() && self.facts.flag(Flag::StrictTools) != Some(false)
    }

    /// Says whether answers can be held to a schema without a stand-in tool.
    pub(crate) fn takes_schema(&self) -> bool {
        self.facts.is(Flag::NativeStructuredOutput)
            || self.facts.is(Flag::BedrockNativeStructuredOutput)
    }

    /// Returns the fewest output tokens that the model accepts as a limit.
    pub(crate) fn least_max_tokens(&self) -> u64 {
        match self.kind {
            Kind::Gpt | Kind::Grok => 16,
            _ => 1,
        }
    }
}
