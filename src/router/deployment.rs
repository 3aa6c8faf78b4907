//! A deployment: one entry of `model_list`, ready to be called.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use regex_lite::Regex;
use sha2::{Digest, Sha256};

use super::transformers::service;
use super::{DeploymentRuntime, Gap, Profile, ProviderRuntime, Transformers, strategy_of};
use crate::canonical::{ChatParams, Pieces, RawJson, Usage};
use crate::catalog::{Facts, Tokenizer};
use crate::config::{Config, DeploymentConfig, DeploymentLimits, Environment, RouterSettings};
use crate::dialect::chat;
use crate::error::{Error, Result};
use crate::hex::hex;
use crate::limit::{Meters, Rates, parallel_limit};
use crate::provider::bedrock::model_id::{ModelId, Route};
use crate::provider::bedrock::url::{self, Precedence, Service};
use crate::provider::{Repairs, Target};
use crate::telemetry::metrics::{DeploymentKey, DeploymentMetrics, Metrics};
use crate::upstream::{Addresses, CredentialStore, Source, Trust, region_of_profile};

/// A model at a place with credentials. Everything that does not change from call to call is worked out once, when the
/// snapshot is built.
#[derive(Debug)]
pub struct Deployment {
    /// `model_info.id`, else a hash of what the deployment is.
    pub id: String,
    /// The name of its model group.
    pub group: String,
    /// `litellm_params.model`, as written.
    pub model: String,
    /// The AWS region that requests are signed for.
    pub region: String,
    /// Where requests go, and what the operator decided for them.
    pub target: Target,
    /// Where the credentials come from.
    pub credentials: Arc<Source>,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// The addresses that it calls, as they were read.
    pub addresses: Addresses,
    /// The entry of the file that it was built from.
    pub entry: DeploymentConfig,
    /// Bounds on one attempt.
    pub timeouts: Timeouts,
    /// Why it cannot be asked anything, if it cannot.
    pub gap: Option<Gap>,
    /// What writes its requests.
    pub transformers: Transformers,
    /// Response headers that are always the same.
    pub headers: DeploymentHeaders,
    /// What was learned of it; the same in every snapshot that has this id.
    pub runtime: Arc<DeploymentRuntime>,
    /// What all deployments together spent.
    pub provider: Arc<ProviderRuntime>,
    /// Its limits, and what is used of them.
    pub meters: Arc<Meters>,
    /// What is counted of it; one that a caller describes is counted with all others of that kind.
    pub metrics: Arc<DeploymentMetrics>,
    /// The deployment of the file that it was made of for one concrete model; its id, limits and spend are that one's.
    pub pattern: Option<Arc<Deployment>>,
    /// `tag_regex`.
    pub tag_patterns: Vec<Regex>,
    /// The inference profile that hides its model, where that is looked up.
    pub profile: Option<Profile>,
    /// Whether models behind inference profiles are looked up.
    pub(super) looks_up_profiles: bool,
    /// US dollars for an input and an output token together; `None` where nobody says it.
    pub cost_per_token: Option<f64>,
    /// How its model cuts text into tokens.
    pub tokenizer: Tokenizer,
}

/// US dollars that a token is taken to cost, as input and as output, where nobody says it.
///
/// Source: LiteLLM's cost-based routing.
pub(super) const UNKNOWN_COST_PER_TOKEN: f64 = 5.0;

/// Bounds on one attempt, as configured for the deployment; the router's apply where these are not set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// `timeout`.
    pub whole: Option<Duration>,
    /// `stream_timeout`.
    pub stream: Option<Duration>,
}

/// Response headers that are the same for every call of a deployment.
#[derive(Debug, Clone)]
pub struct DeploymentHeaders {
    /// `x-litellm-model-id`.
    pub id: HeaderValue,
    /// `x-litellm-model-name`.
    pub name: HeaderValue,
    /// `x-litellm-model-api-base`.
    pub api_base: HeaderValue,
    /// `x-litellm-model-region`.
    pub region: HeaderValue,
}

/// What deployments are built with.
#[derive(Debug, Clone)]
pub struct Builder<'a> {
    /// The whole configuration.
    pub config: &'a Config,
    /// Where credentials come from.
    pub credentials: &'a CredentialStore,
    /// Where it is counted.
    pub metrics: &'a Metrics,
    /// What all deployments together spend.
    pub provider: Arc<ProviderRuntime>,
}

impl Builder<'_> {
    /// Builds the deployment that `entry` describes.
    ///
    /// # Errors
    ///
    /// A model string, region or request default that cannot be used.
    pub fn build(&self, entry: &DeploymentConfig) -> Result<Deployment> {
        let environment = &self.config.environment;
        let model = ModelId::parse(
            &entry.model,
            entry.model_id.as_deref(),
            entry.info.base_model.as_deref(),
        )
        .map_err(|error| Error::bad_request("model", error.to_string()))?;
        let facts = Arc::new(model.facts().with_overrides(&entry.info));
        let credentials = match model.route {
            Route::ConverseLike => self.credentials.resolve_key_only(&entry.aws),
            Route::Mantle => self.credentials.resolve_mantle(&entry.aws, environment),
            Route::Agent => self.credentials.resolve_to_sign(&entry.aws, environment),
            _ => self.credentials.resolve(&entry.aws, environment),
        };
        let has_only_api_key = credentials.is_api_key();
        let at = service(&model, &facts, has_only_api_key);
        let place = place(&model, at, entry, environment)?;
        let transformers = Transformers::of(&model, &facts, has_only_api_key);
        let gap = Gap::of(&model, &facts, &transformers);
        let looks_up_profiles = self.config.general.look_up_inference_profiles;
        let router = &self.config.router;
        let strategy = strategy_of(&entry.model_name, router).name;
        let limits = metered(&entry.limits, router);
        let rates = Rates::under(router, strategy);
        let target = Target {
            endpoint: place.endpoint,
            region: place.region.clone(),
            facts,
            defaults: self.defaults(entry)?,
            repairs: self.repairs(entry),
            extra_headers: entry.extra_headers.clone(),
            allow_caller_authorization: self.config.general.allow_client_side_credentials
                || (entry.clientside_params.iter())
                    .any(|param| matches!(param.name(), "extra_headers" | "api_key")),
            model,
        };
        let id = entry
            .id
            .clone()
            .unwrap_or_else(|| identity(entry, &target, &place.region));
        Ok(Deployment {
            headers: headers(&id, entry, &target, &place.region),
            runtime: Arc::default(),
            meters: Arc::new(Meters::of_deployment(&id, &limits, rates, None)),
            metrics: Arc::clone(self.metrics.other()),
            pattern: None,
            provider: Arc::clone(&self.provider),
            tag_patterns: tag_patterns(entry)?,
            cost_per_token: cost_per_token(entry, &target.facts),
            tokenizer: Tokenizer::of(&target.model.base),
            profile: Profile::of(&target.model, &place.region, entry, environment)
                .filter(|_| looks_up_profiles),
            looks_up_profiles,
            id,
            group: entry.model_name.clone(),
            model: entry.model.clone(),
            region: place.region,
            credentials,
            timeouts: Timeouts {
                whole: entry.timeout,
                stream: entry.stream_timeout,
            },
            trust: Trust::from_setting(
                entry
                    .aws
                    .ssl_verify
                    .as_deref()
                    .or(self.config.litellm.ssl_verify.as_deref()),
            ),
            addresses: Addresses::default(),
            entry: entry.clone(),
            transformers,
            gap,
            target,
        })
    }

    /// The request defaults: the entry's, and under them `default_litellm_params`.
    fn defaults(&self, entry: &DeploymentConfig) -> Result<ChatParams> {
        let own = chat::params(&entry.params)?;
        let everyones = &self.config.router.default_params;
        if everyones.is_empty() {
            return Ok(own);
        }
        let members: Vec<_> = everyones
            .iter()
            .map(|(name, value)| (name.clone(), RawJson::from_value(value)))
            .collect();
        Ok(own.over(&chat::params(&members)?))
    }

    fn repairs(&self, entry: &DeploymentConfig) -> Repairs {
        let global = &self.config.litellm;
        Repairs {
            drop_params: entry.drop_params.unwrap_or(global.drop_params),
            modify_params: entry.modify_params.unwrap_or(global.modify_params),
            additional_drop_params: entry.additional_drop_params.clone(),
            allowed_openai_params: entry.allowed_openai_params.clone(),
            keep_orphaned_tool_blocks: global.keep_orphaned_tool_blocks,
            operators_request_metadata: !global.request_metadata_fields.is_empty(),
            allowed_betas: global.allowed_betas.clone(),
        }
    }
}

/// What is metered of a deployment's limits: `itpm` and `otpm` only where rates are enforced for every deployment, and the
/// limit of calls at one time that follows from the settings.
fn metered(limits: &DeploymentLimits, settings: &RouterSettings) -> DeploymentLimits {
    let all = settings.enforce_model_rate_limits;
    DeploymentLimits {
        itpm: limits.itpm.filter(|_| all),
        otpm: limits.otpm.filter(|_| all),
        parallel: parallel_limit(limits, settings),
        ..limits.clone()
    }
}

impl Deployment {
    /// Takes over what was learned in the snapshot before.
    pub(super) fn learn_from(&mut self, previous: &Self) {
        self.runtime = Arc::clone(&previous.runtime);
        self.meters = Arc::new((self.meters).for_holder(&self.id, Some(&previous.meters)));
    }

    /// Says whether one of its patterns fits [`Asked::agent_header`](super::Asked::agent_header).
    pub fn fits_agent(&self, header: &str) -> bool {
        let mut patterns = self.tag_patterns.iter();
        patterns.any(|pattern| pattern.is_match(header))
    }

    /// Counts it under its own name from now on; for deployments of the file only, whose number is bounded.
    pub(super) fn count_in(&mut self, metrics: &Metrics) {
        self.metrics = metrics.deployment(&DeploymentKey {
            group: self.group.clone(),
            id: self.id.clone(),
            model: self.model.clone(),
        });
    }

    /// Says whether it is an agent, which keeps its conversation itself and may act on what it is told: what was asked of it
    /// is neither asked again nor answered from memory.
    pub fn is_agent(&self) -> bool {
        self.target.model.route == Route::Agent
    }

    /// Returns what an answer cost, in US dollars; 0 where the prices are not known.
    ///
    /// Tokens read from the prompt cache, and those written to it, have prices of their own; where those are not known they
    /// cost what other input does.
    pub fn cost(&self, usage: &Usage, pieces: Pieces) -> f64 {
        let (facts, entry) = (self.facts(), &self.entry);
        let price = |own: Option<f64>, known: Option<f64>| own.or(known).unwrap_or(0.0);
        let input = price(entry.input_cost_per_token, facts.input_cost_per_token);
        let output = price(entry.output_cost_per_token, facts.output_cost_per_token);
        let parts = [
            (usage.input_tokens, input),
            (usage.output_tokens, output),
            (
                usage.cache_read_tokens,
                facts.cache_read_cost_per_token.unwrap_or(input),
            ),
            (
                usage.cache_write_tokens,
                facts.cache_write_cost_per_token.unwrap_or(input),
            ),
            (
                pieces.input_images,
                price(entry.input_cost_per_image, facts.input_cost_per_image),
            ),
            (
                pieces.output_images,
                price(entry.output_cost_per_image, facts.output_cost_per_image),
            ),
            (
                pieces.queries,
                price(entry.input_cost_per_query, facts.input_cost_per_query),
            ),
        ];
        parts
            .into_iter()
            .map(|(total, price)| f64::from(u32::try_from(total).unwrap_or(u32::MAX)) * price)
            .sum()
    }

    /// Returns what its spend is booked on: a concrete model's is its pattern's.
    pub fn spender(&self) -> &DeploymentRuntime {
        match &self.pattern {
            Some(pattern) => &pattern.runtime,
            None => &self.runtime,
        }
    }

    /// Appends an ordinal to the id when another deployment has the same.
    pub(super) fn make_unique(&mut self, seen: &mut HashSet<String>) {
        let base = self.id.clone();
        let mut ordinal = 2;
        while !seen.insert(self.id.clone()) {
            self.id = format!("{base}-{ordinal}");
            ordinal += 1;
        }
        if self.id != base {
            self.meters = Arc::new(self.meters.for_holder(&self.id, None));
        }
        if let Ok(value) = HeaderValue::from_str(&self.id) {
            self.headers.id = value;
        }
    }
}

/// Where a deployment is called.
pub(super) struct Place {
    pub(super) region: String,
    pub(super) endpoint: String,
}

fn place(
    model: &ModelId,
    at: (Service, Precedence),
    entry: &DeploymentConfig,
    environment: &Environment,
) -> Result<Place> {
    let aws = &entry.aws;
    let written = aws
        .runtime_endpoint
        .as_deref()
        .or(entry.api_base.as_deref());
    let of_profile = region_of_profile(aws.profile.as_deref(), environment);
    let of_model = model.region.as_deref();
    let of_mantle = (model.route == Route::Mantle).then_some("BEDROCK_MANTLE_REGION");
    let region = url::region(
        aws.region.as_deref(),
        of_model.or_else(|| of_mantle.and_then(|name| environment.get(name))),
        environment,
        of_profile.as_deref(),
        written,
    )
    .map_err(|error| Error::bad_request("aws_region_name", error.to_string()))?;
    if model.route == Route::ConverseLike {
        let endpoint = entry
            .api_base
            .clone()
            .or_else(|| aws.runtime_endpoint.clone());
        let endpoint = endpoint.ok_or_else(|| {
            Error::bad_request(
                "api_base",
                "a converse_like deployment needs `api_base`: the address to post to",
            )
        })?;
        return Ok(Place { region, endpoint });
    }
    let endpoint = aws_endpoint(at, &region, entry, environment)
        .map_err(|error| Error::bad_request("aws_bedrock_runtime_endpoint", error.to_string()))?;
    // Mantle's host names the region that it believes signatures of.
    let of_host = of_mantle.and_then(|_| url::region_of_host(&endpoint));
    let region = of_host.map_or(region, str::to_owned);
    Ok(Place { region, endpoint })
}

pub(super) fn aws_endpoint(
    (service, precedence): (Service, Precedence),
    region: &str,
    entry: &DeploymentConfig,
    environment: &Environment,
) -> Result<String, url::UrlError> {
    let overrides = url::Overrides {
        runtime_endpoint: entry.aws.runtime_endpoint.as_deref(),
        api_base: entry.api_base.as_deref(),
    };
    url::endpoint(service, region, overrides, precedence, environment)
}

fn tag_patterns(entry: &DeploymentConfig) -> Result<Vec<Regex>> {
    (entry.tag_regex.iter())
        .map(|pattern| {
            Regex::new(pattern)
                .map_err(|error| Error::bad_request("tag_regex", format!("`{pattern}`: {error}")))
        })
        .collect()
}

/// The entry's own prices, else the catalog's; each counts by itself.
pub(super) fn cost_per_token(entry: &DeploymentConfig, facts: &Facts) -> Option<f64> {
    let input = entry.input_cost_per_token.or(facts.input_cost_per_token);
    let output = entry.output_cost_per_token.or(facts.output_cost_per_token);
    if input.is_none() && output.is_none() {
        return None;
    }
    let price = |price: Option<f64>| price.unwrap_or(UNKNOWN_COST_PER_TOKEN);
    Some(price(input) + price(output))
}

/// Hashes what a deployment is: group, route, model id, place, and the name of its credentials. What it is given (limits,
/// weights, timeouts) and secrets are not in it, so that tuning and rotation keep what was learned.
fn identity(entry: &DeploymentConfig, target: &Target, region: &str) -> String {
    let place = entry.place();
    let mut hash = Sha256::new();
    for piece in [
        entry.model_name.as_str(),
        &format!("{:?}", target.model.route),
        &target.model.wire,
        region,
        &place.address,
        entry.credential_name.as_deref().unwrap_or(""),
        &place.profile,
        &place.role,
    ] {
        hash.update(piece.as_bytes());
        hash.update([0]);
    }
    let mut id = hex(&hash.finalize());
    id.truncate(32);
    id
}

pub(super) fn headers(
    id: &str,
    entry: &DeploymentConfig,
    target: &Target,
    region: &str,
) -> DeploymentHeaders {
    let value =
        |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    let base = target.endpoint.split('?').next().unwrap_or_default();
    DeploymentHeaders {
        id: value(id),
        name: value(&entry.model),
        api_base: value(base),
        region: value(region),
    }
}
