//! Model strings: `bedrock/[route/][spec/][region/]target[context]`, where the target is a model id, an inference
//! profile or an ARN.
//!
//! A string is taken apart once, when a configuration is loaded. What comes out are four separate answers: which API is
//! called ([`Route`]), what the URL names (`wire`), what capabilities are looked up by (`base`), and the region that
//! the string itself names.

use std::sync::Arc;

use super::arn::Arn;
use super::base_model::{base_of_id, gpt_version, split_context};
pub use super::base_model::{is_region, names_a_model};
use super::family::Family;
pub use super::route::Route;
use super::route::{self, Hints};
use crate::catalog::{self, Facts};

/// Why a model string cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModelIdError {
    /// Nothing is left once the prefixes are removed.
    #[error("the model string names no model")]
    Empty,
    /// Bedrock takes at most 2048 characters.
    #[error("the model id is longer than 2048 characters")]
    TooLong,
    /// White space, control characters, or a path such as `..`.
    #[error("the model id has characters that no model id has")]
    BadCharacters,
    /// A route behind text that is no prefix: the id would be another one than the string begins with.
    #[error("the model string has a route behind other text; routes stand in front of the model")]
    MisplacedRoute,
    /// Two prefixes of which only one can be meant.
    #[error("the model string has a second route or region that contradicts the first")]
    Contradiction,
}

/// A deployment's model, taken apart.
#[derive(Debug, Clone)]
pub struct ModelId {
    /// The Bedrock API it is reached by.
    pub route: Route,
    /// Whether the model string itself asks for that API; else it follows from the model.
    pub route_is_asked: bool,
    /// The id as the URL names it, not yet percent-encoded: cross-region prefix, ARN and throughput suffix kept;
    /// provider, route, region path and `[1m]` removed. `model_id` of the deployment replaces it.
    pub wire: String,
    /// The id that capabilities are looked up by.
    pub base: String,
    /// The region written in front of the id (`bedrock/us-west-2/…`), else that of an ARN.
    pub region: Option<String>,
    /// The route that the string asks for by a token of its own (`invoke/…`), whatever model it names.
    pub token: Option<Route>,
    /// Whose format an `InvokeModel` body has; `None` if nothing in the string tells.
    pub family: Option<Family>,
    /// The word in brackets at the end: `1m`.
    pub context: Option<String>,
    /// Whether the string names LiteLLM's provider `bedrock_mantle`, for which the runtime's endpoint settings do not count.
    pub is_of_mantle: bool,
    /// Whether `model_id` of the deployment stands in place of the id.
    pub is_replaced: bool,
    /// The ids that facts are looked up by, the most particular first.
    lookup: Vec<String>,
}

/// A model string without its prefixes.
#[derive(Debug, Default)]
struct Pieces<'a> {
    route: Option<Route>,
    /// A family token: `llama`, `nova-2`, …
    spec: Option<&'a str>,
    region: Option<&'a str>,
    /// The id, with its throughput suffix, without `[context]`.
    id: &'a str,
    context: Option<&'a str>,
    /// The provider is `bedrock_mantle`.
    is_of_mantle: bool,
    /// Why the string cannot be used.
    flaw: Option<ModelIdError>,
}

impl<'a> Pieces<'a> {
    fn of(model: &'a str) -> Self {
        let mut pieces = Self::default();
        let mut rest = model.trim();
        while let Some((first, after)) = rest.split_once('/') {
            if !pieces.take_segment(first) {
                break;
            }
            rest = after;
            if pieces.route.is_some_and(Route::is_followed_by_free_text) {
                break;
            }
        }
        pieces.refuse_later_routes(rest);
        (pieces.id, pieces.context) = split_context(rest);
        pieces
    }

    /// Takes one segment in front of the id; false if it is part of the id.
    fn take_segment(&mut self, segment: &'a str) -> bool {
        match segment {
            "bedrock" => {}
            "bedrock_converse" => self.take_route(Route::Converse),
            "bedrock_mantle" => {
                self.is_of_mantle = true;
                self.take_route(Route::Mantle);
            }
            "nova" | "nova-2" => self.spec = Some(segment),
            _ => {
                if let Some(route) = Route::of_token(segment) {
                    self.take_route(route);
                } else if Family::of_token(segment).is_some() {
                    self.spec = Some(segment);
                } else if is_region(segment) {
                    self.take_region(segment);
                } else {
                    return is_of_a_price(segment);
                }
            }
        }
        true
    }

    /// A route further back would make what stands before it count for nothing, and names are allowed and matched by how
    /// they begin.
    fn refuse_later_routes(&mut self, rest: &str) {
        if rest.starts_with("arn:") || self.route.is_some_and(Route::is_followed_by_free_text) {
            return;
        }
        let before = rest.rsplit_once('/').map_or("", |(before, _)| before);
        if before
            .split('/')
            .any(|segment| Route::of_token(segment).is_some())
        {
            self.flaw = Some(ModelIdError::MisplacedRoute);
        }
    }

    fn take_region(&mut self, region: &'a str) {
        if self.region.is_some_and(|known| known != region) {
            self.flaw = Some(ModelIdError::Contradiction);
        }
        self.region = Some(region);
    }

    fn take_route(&mut self, route: Route) {
        let is_other = self.route.is_some_and(|known| known != route);
        if is_other && route.is_followed_by_free_text() {
            self.flaw = Some(ModelIdError::Contradiction);
        }
        if self.route.is_none_or(|known| route.rank() < known.rank()) {
            self.route = Some(route);
        }
    }
}

impl ModelId {
    /// Takes a deployment's `model` apart.
    ///
    /// `model_id` replaces the id in the URL and may bring a region; `base_model` (of `model_info`) says what model an
    /// opaque name stands for.
    ///
    /// # Errors
    ///
    /// If no id is left, or one that could not be a model id; if the string contradicts itself.
    pub fn parse(
        model: &str,
        model_id: Option<&str>,
        base_model: Option<&str>,
    ) -> Result<Self, ModelIdError> {
        let pieces = Pieces::of(model);
        pieces.flaw.map_or(Ok(()), Err)?;
        check_id(pieces.id)?;
        let model_id = model_id.map(str::trim).filter(|id| !id.is_empty());
        let wire = split_context(model_id.unwrap_or(pieces.id)).0;
        check_id(wire)?;

        let own_base = own_base(&pieces);
        let stated = base_model.map(base_of).filter(|base| names_a_model(base));
        let base = stated.unwrap_or(own_base);
        let lookup = lookup_ids(model, &pieces, base_model, own_base);
        let family = pieces
            .spec
            .and_then(Family::of_token)
            .or_else(|| stated.and_then(Family::of_name))
            .or_else(|| Family::of_name(pieces.id));
        let facts = catalog::facts(lookup.iter().map(String::as_str));
        let arn_region = |id| Arn::parse(id).map(|arn| arn.region);
        let region = pieces
            .region
            .or_else(|| model_id.and_then(arn_region))
            .or_else(|| arn_region(pieces.id))
            .filter(|region| !region.is_empty());
        let hints = Hints {
            token: pieces.route,
            spec: pieces.spec,
            id: pieces.id,
            base,
            is_base_stated: stated.is_some(),
            family,
        };
        Ok(Self {
            route: route::choose(&hints, &facts),
            route_is_asked: pieces.route.is_some()
                || pieces.spec.is_some_and(Family::token_means_invoke),
            wire: in_bedrocks_spelling(wire),
            base: base.to_owned(),
            region: region.map(str::to_owned),
            token: pieces.route,
            family,
            context: pieces.context.map(str::to_owned),
            is_of_mantle: pieces.is_of_mantle,
            is_replaced: model_id.is_some(),
            lookup,
        })
    }

    /// Returns what the table knows of the model.
    pub fn facts(&self) -> Arc<Facts> {
        catalog::facts(self.lookup.iter().map(String::as_str))
    }

    /// Says whether the model is one of Anthropic's.
    pub fn is_claude(&self) -> bool {
        self.base.starts_with("anthropic.")
            || self.base.contains("claude")
            || self.is_hinted(Family::Anthropic)
    }

    /// Says whether the model is an Amazon Nova.
    pub fn is_nova(&self) -> bool {
        self.base.starts_with("amazon.nova-")
    }

    /// Says whether the model is an Amazon Nova of the second generation.
    pub fn is_nova2(&self) -> bool {
        self.base.starts_with("amazon.nova-2-")
    }

    /// Says whether the model is one of OpenAI's, open-weight or not.
    pub fn is_openai(&self) -> bool {
        self.base.starts_with("openai.") || self.is_hinted(Family::OpenAi)
    }

    /// Says whether the model is `gpt-oss`, OpenAI's with open weights.
    pub fn is_gpt_oss(&self) -> bool {
        self.base.starts_with("openai.gpt-oss")
    }

    /// Says whether the model is a numbered GPT, such as `openai.gpt-5.5`.
    pub fn is_openai_gpt(&self) -> bool {
        gpt_version(&self.base).is_some()
    }

    /// Says whether the model is a `DeepSeek` R1.
    pub fn is_deepseek_r1(&self) -> bool {
        self.base.starts_with("deepseek.r1") || self.is_hinted(Family::DeepseekR1)
    }

    /// Says whether the model is one of Meta's.
    pub fn is_meta(&self) -> bool {
        self.base.starts_with("meta.") || self.is_hinted(Family::Llama)
    }

    /// Says whether the model is a Llama.
    pub fn is_llama(&self) -> bool {
        self.base.starts_with("meta.llama") || self.is_hinted(Family::Llama)
    }

    /// Says whether the model is one of Cohere's.
    pub fn is_cohere(&self) -> bool {
        self.base.starts_with("cohere.") || self.is_hinted(Family::Cohere)
    }

    /// Says whether the model is one of AI21's.
    pub fn is_ai21(&self) -> bool {
        self.base.starts_with("ai21.") || self.is_hinted(Family::Ai21)
    }

    /// Says whether the model is one of xAI's.
    pub fn is_xai(&self) -> bool {
        self.base.starts_with("xai.")
    }

    /// Says whether the id is an ARN that does not tell which model is behind it (an application inference profile,
    /// provisioned throughput, a custom model, …), nor does the operator. What it can do is unknown, so everything is
    /// let through.
    pub fn is_opaque_arn(&self) -> bool {
        self.wire.starts_with("arn:") && !names_a_model(&self.base)
    }

    /// Says whether the URL names a prompt of Bedrock's prompt management.
    pub fn is_prompt(&self) -> bool {
        Arn::parse(&self.wire).is_some_and(|arn| arn.kind == "prompt")
    }

    /// Says whether the URL names a model that was imported into Bedrock.
    pub fn is_imported(&self) -> bool {
        Arn::parse(&self.wire).is_some_and(|arn| arn.kind == "imported-model")
    }

    /// Says whether the URL names an imported model of which nothing tells the family; Converse takes none of those, so
    /// a refusal should name the family tokens.
    pub fn is_imported_without_family(&self) -> bool {
        self.family.is_none() && self.is_imported()
    }

    /// Returns the beta that the context word stands for: `[1m]` on Claude.
    pub fn context_beta(&self) -> Option<&'static str> {
        (self.context.as_deref() == Some("1m") && self.is_claude())
            .then_some("context-1m-2025-08-07")
    }

    /// Says whether AWS streams no answers of this model; with tools, some models answer whole only.
    pub fn cannot_stream(&self, with_tools: bool) -> bool {
        self.base.starts_with("ai21.j2-")
            || with_tools
                && (self.base.starts_with("meta.llama3") || self.base.starts_with("meta.llama4"))
    }

    fn is_hinted(&self, family: Family) -> bool {
        self.family == Some(family) && !names_a_model(&self.base)
    }
}

/// Returns the ids to look facts up by, the most particular first.
fn lookup_ids(
    model: &str,
    pieces: &Pieces<'_>,
    base_model: Option<&str>,
    own_base: &str,
) -> Vec<String> {
    let mut ids = Vec::with_capacity(6);
    let mut push = |id: String| {
        if !id.is_empty() && !ids.contains(&id) {
            ids.push(id);
        }
    };
    if let Some(stated) = base_model.filter(|stated| names_a_model(base_of(stated))) {
        push(stated.to_owned());
        push(base_of(stated).to_owned());
    }
    let written = split_context(model.trim()).0;
    push(written.to_owned());
    // A picture's price is known by its size, in front of everything.
    push(written.trim_start_matches("bedrock/").to_owned());
    let provider = if pieces.route == Some(Route::Mantle) {
        "bedrock_mantle"
    } else {
        "bedrock"
    };
    if let Some(region) = pieces.region {
        push(format!("{provider}/{region}/{}", pieces.id));
    }
    push(format!("{provider}/{}", pieces.id));
    push(pieces.id.to_owned());
    push(own_base.to_owned());
    ids
}

/// Returns an id as Bedrock spells it, where the table has it in another provider's way: without its vendor, or with `@` in
/// front of the date.
fn in_bedrocks_spelling(id: &str) -> String {
    let is_other = id.starts_with("claude-") || id.contains('@');
    if !is_other || !catalog::is_bedrock_id(id) {
        return id.to_owned();
    }
    let id = match id.split_once('@') {
        Some((name, date)) => format!("{name}-{date}-v1:0"),
        None => id.to_owned(),
    };
    if id.starts_with("claude-") {
        format!("anthropic.{id}")
    } else {
        id
    }
}

/// Says whether a segment is of the table's keys alone, where a model has several prices: a commitment, or a picture's size
/// and its steps. It says nothing of where the model is.
fn is_of_a_price(segment: &str) -> bool {
    let is_number =
        |text: &str| text == "max" || !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    segment
        .strip_suffix("-month-commitment")
        .is_some_and(is_number)
        || segment.strip_suffix("-steps").is_some_and(is_number)
        || (segment.split_once("-x-"))
            .is_some_and(|(width, height)| is_number(width) && is_number(height))
}

/// Returns the base model of an id that stands in `pieces`.
fn own_base<'a>(pieces: &Pieces<'a>) -> &'a str {
    let base = base_of_id(pieces.id);
    match pieces.spec {
        Some("nova-2") if !names_a_model(base) => "amazon.nova-2-custom",
        Some("nova") if !names_a_model(base) => "amazon.nova-custom",
        _ => base,
    }
}

/// Returns the base model of a whole model string: what capabilities and prices are looked up by.
pub fn base_of(model: &str) -> &str {
    own_base(&Pieces::of(model))
}

/// Refuses what cannot be a model id, above all what would change the URL's path.
fn check_id(id: &str) -> Result<(), ModelIdError> {
    if id.is_empty() {
        Err(ModelIdError::Empty)
    } else if id.len() > 2048 {
        Err(ModelIdError::TooLong)
    } else if matches!(id, "." | "..") || id.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Err(ModelIdError::BadCharacters)
    } else {
        Ok(())
    }
}

#[cfg(test)]
#[path = "model_id_tests.rs"]
mod tests;
