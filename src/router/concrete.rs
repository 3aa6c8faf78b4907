//! A deployment whose name or model is a pattern → the deployment that stands for one concrete model.

use std::sync::Arc;

use super::deployment::{Place, aws_endpoint, cost_per_token, headers};
use super::transformers::service;
use super::{Deployment, DeploymentRuntime, Gap, Profile, Transformers};
use crate::catalog::Tokenizer;
use crate::config::{DeploymentConfig, Environment};
use crate::error::{Error, Result};
use crate::provider::Target;
use crate::provider::bedrock::model_id::{ModelId, Route};
use crate::provider::bedrock::url::{self, Precedence, Service};
use crate::upstream::Addresses;

impl Deployment {
    /// Makes the deployment that stands for one concrete model, where this one's model or name is a pattern. It reads no
    /// file and asks nobody: a request waits for it.
    ///
    /// # Errors
    ///
    /// A model string that cannot be used.
    pub(super) fn concrete(
        self: &Arc<Self>,
        model: String,
        runtime: Arc<DeploymentRuntime>,
        environment: &Environment,
    ) -> Result<Self> {
        let refused = |reason: String| Error::bad_request("model", reason);
        if model.contains('*') {
            return Err(refused("the model id has a `*`".to_owned()));
        }
        let base_model = self.entry.info.base_model.as_deref();
        let id = ModelId::parse(&model, self.entry.model_id.as_deref(), base_model)
            .map_err(|error| refused(error.to_string()))?;
        // A caller does not choose that what is meant for AWS goes to another kind of upstream, or the other way round.
        let is_like = |model: &ModelId| model.route == Route::ConverseLike;
        if is_like(&id) != is_like(&self.target.model) {
            return Err(refused("the model id names another upstream".to_owned()));
        }
        // Nor that a route which the operator wrote is another one.
        let route = self.target.model.token;
        if route.is_some() && id.token.is_some() && route != id.token {
            return Err(refused("the model id names another route".to_owned()));
        }
        let facts = Arc::new(id.facts().with_overrides(&self.entry.info));
        let has_only_api_key = self.credentials.is_api_key();
        let at = service(&id, &facts, has_only_api_key);
        let Place { region, endpoint } = self.place_of(&id, at, environment)?;
        let transformers = Transformers::of(&id, &facts, has_only_api_key);
        let gap = Gap::of(&id, &facts, &transformers);
        let entry = DeploymentConfig {
            model: model.clone(),
            ..self.entry.clone()
        };
        let target = Target {
            endpoint,
            region: region.clone(),
            facts,
            model: id,
            ..self.target.clone()
        };
        Ok(Self {
            id: self.id.clone(),
            group: self.group.clone(),
            headers: headers(&self.id, &entry, &target, &region),
            runtime,
            meters: Arc::clone(&self.meters),
            metrics: Arc::clone(&self.metrics),
            provider: Arc::clone(&self.provider),
            pattern: Some(Arc::clone(self)),
            tag_patterns: self.tag_patterns.clone(),
            cost_per_token: cost_per_token(&entry, &target.facts),
            tokenizer: Tokenizer::of(&target.model.base),
            profile: Profile::of(&target.model, &region, &entry, environment)
                .filter(|_| self.looks_up_profiles),
            looks_up_profiles: self.looks_up_profiles,
            model,
            region,
            credentials: Arc::clone(&self.credentials),
            timeouts: self.timeouts,
            trust: self.trust.clone(),
            addresses: Addresses::default(),
            entry,
            transformers,
            gap,
            target,
        })
    }

    /// Where a concrete model is called: a region that its own name has is taken where the entry has none.
    fn place_of(
        &self,
        model: &ModelId,
        at: (Service, Precedence),
        environment: &Environment,
    ) -> Result<Place> {
        let aws = &self.entry.aws;
        let is_fixed = aws
            .region
            .as_deref()
            .is_some_and(|region| !region.is_empty());
        let region = match &model.region {
            Some(region) if !is_fixed => region.clone(),
            _ => self.region.clone(),
        };
        if model.route == Route::ConverseLike {
            let endpoint = self.target.endpoint.clone();
            return Ok(Place { region, endpoint });
        }
        let refused = |error: url::UrlError| Error::bad_request("model", error.to_string());
        url::check_region(&region).map_err(refused)?;
        let endpoint = aws_endpoint(at, &region, &self.entry, environment).map_err(refused)?;
        Ok(Place { region, endpoint })
    }
}
