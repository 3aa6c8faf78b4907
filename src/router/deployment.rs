//! A deployment: one entry of `model_list`, ready to be called.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use sha2::{Digest, Sha256};

use super::{DeploymentRuntime, Gap};
use crate::canonical::Chat;
use crate::config::{Config, DeploymentConfig, Environment};
use crate::dialect::chat;
use crate::error::{Error, Result};
use crate::limit::Meters;
use crate::provider::bedrock::model_id::{ModelId, Route};
use crate::provider::bedrock::{chat_transformer, url};
use crate::provider::{Repairs, Target, Transformer};
use crate::upstream::{CredentialStore, Source, Trust, region_of_profile};

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
    /// The entry of the file that it was built from.
    pub entry: DeploymentConfig,
    /// Bounds on one attempt.
    pub timeouts: Timeouts,
    /// Why it cannot answer chat requests, if it cannot.
    pub gap: Option<Gap>,
    /// What writes its requests; `None` where there is a gap.
    pub transformer: Option<&'static dyn Transformer<Chat>>,
    /// Response headers that are always the same.
    pub headers: DeploymentHeaders,
    /// What was learned of it; the same in every snapshot that has this id.
    pub runtime: Arc<DeploymentRuntime>,
    /// Its limits, and what is used of them.
    pub meters: Arc<Meters>,
}

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
#[derive(Debug, Clone, Copy)]
pub struct Builder<'a> {
    /// The whole configuration.
    pub config: &'a Config,
    /// Where credentials come from.
    pub credentials: &'a CredentialStore,
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
        let place = place(&model, entry, environment)?;
        let facts = Arc::new(model.facts().with_overrides(&entry.info));
        let gap = Gap::of(entry, &model, &facts);
        let target = Target {
            endpoint: place.endpoint,
            facts,
            defaults: chat::params(&entry.params)?,
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
            meters: Arc::new(Meters::of_deployment(&id, &entry.limits, None)),
            id,
            group: entry.model_name.clone(),
            model: entry.model.clone(),
            region: place.region,
            credentials: if target.model.route == Route::ConverseLike {
                self.credentials.resolve_key_only(&entry.aws)
            } else {
                self.credentials.resolve(&entry.aws, environment)
            },
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
            entry: entry.clone(),
            transformer: match gap {
                Some(_) => None,
                None => chat_transformer(target.model.route, target.model.family),
            },
            gap,
            target,
        })
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

impl Deployment {
    /// Takes over what was learned in the snapshot before.
    pub(super) fn learn_from(&mut self, previous: &Self) {
        self.runtime = Arc::clone(&previous.runtime);
        let meters = Meters::of_deployment(&self.id, &self.entry.limits, Some(&previous.meters));
        self.meters = Arc::new(meters);
    }

    /// Appends an ordinal to the id when another deployment has the same.
    pub(super) fn make_unique(&mut self, seen: &mut HashSet<String>) {
        let base = self.id.clone();
        let mut ordinal = 2;
        while !seen.insert(self.id.clone()) {
            self.id = format!("{base}-{ordinal}");
            ordinal += 1;
        }
        if let Ok(value) = HeaderValue::from_str(&self.id) {
            self.headers.id = value;
        }
    }
}

struct Place {
    region: String,
    endpoint: String,
}

fn place(model: &ModelId, entry: &DeploymentConfig, environment: &Environment) -> Result<Place> {
    let aws = &entry.aws;
    let written = aws
        .runtime_endpoint
        .as_deref()
        .or(entry.api_base.as_deref());
    let of_profile = region_of_profile(aws.profile.as_deref(), environment);
    let region = url::region(
        aws.region.as_deref(),
        model.region.as_deref(),
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
    let overrides = url::Overrides {
        runtime_endpoint: aws.runtime_endpoint.as_deref(),
        api_base: entry.api_base.as_deref(),
    };
    let precedence = url::Precedence::of(model.route);
    let endpoint = url::endpoint(
        url::Service::Runtime,
        &region,
        overrides,
        precedence,
        environment,
    )
    .map_err(|error| Error::bad_request("aws_bedrock_runtime_endpoint", error.to_string()))?;
    Ok(Place { region, endpoint })
}

/// Hashes what a deployment is: group, route, model id, place, and the name of its credentials. What it is given (limits,
/// weights, timeouts) and secrets are not in it, so that tuning and rotation keep what was learned.
fn identity(entry: &DeploymentConfig, target: &Target, region: &str) -> String {
    let mut hash = Sha256::new();
    for piece in [
        entry.model_name.as_str(),
        &format!("{:?}", target.model.route),
        &target.model.wire,
        region,
        entry
            .aws
            .runtime_endpoint
            .as_deref()
            .or(entry.api_base.as_deref())
            .unwrap_or(""),
        entry.credential_name.as_deref().unwrap_or(""),
        entry.aws.profile.as_deref().unwrap_or(""),
        entry.aws.role.as_deref().unwrap_or(""),
    ] {
        hash.update(piece.as_bytes());
        hash.update([0]);
    }
    let mut id = String::with_capacity(32);
    for byte in hash.finalize().iter().take(16) {
        // Writing into a string cannot fail.
        let _written = write!(id, "{byte:02x}");
    }
    id
}

fn headers(id: &str, entry: &DeploymentConfig, target: &Target, region: &str) -> DeploymentHeaders {
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
