//! A deployment behind an application inference profile, whose name does not tell the model.
//!
//! The model can be looked up; until it is known, and where it cannot be, everything is let through. `model_info.base_model`
//! says it without a look-up.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Deployment, Transformers};
use crate::catalog::Facts;
use crate::config::{AwsParams, DeploymentConfig, Environment};
use crate::provider::Target;
use crate::provider::bedrock::arn::Arn;
use crate::provider::bedrock::model_id::ModelId;
use crate::provider::bedrock::url::{self, Overrides, Precedence, Service};

/// The profile of a deployment, and what was learned of it.
#[derive(Debug)]
pub struct Profile {
    /// Its address at the control plane.
    pub url: String,
    /// Whose credentials ask, where a caller brings them.
    pub brought: Option<Box<AwsParams>>,
    known: Mutex<Option<(String, Arc<Known>)>>,
}

/// How a deployment is asked once its model is known.
#[derive(Debug)]
pub struct Known {
    /// Where requests go, with the model's facts.
    pub target: Target,
    /// What writes its requests.
    pub transformers: Transformers,
}

impl Profile {
    /// Finds what can be looked up of a model: an application inference profile of which nobody says the model, called at
    /// AWS's own address or where the environment moves both APIs. Behind an address of the entry's own, the control plane
    /// may not be the same AWS's.
    pub(super) fn of(
        model: &ModelId,
        region: &str,
        entry: &DeploymentConfig,
        environment: &Environment,
    ) -> Option<Self> {
        let kind = Arn::parse(&model.wire)?.kind;
        if kind != "application-inference-profile" || !model.is_opaque_arn() {
            return None;
        }
        if entry.aws.runtime_endpoint.is_some() || entry.api_base.is_some() {
            return None;
        }
        let is_moved = [
            "AWS_BEDROCK_RUNTIME_ENDPOINT",
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        ]
        .iter()
        .any(|name| environment.get(name).is_some());
        if is_moved && environment.get("AWS_ENDPOINT_URL_BEDROCK").is_none() {
            return None;
        }
        let base = url::endpoint(
            Service::ControlPlane,
            region,
            Overrides::default(),
            Precedence::ApiBase,
            environment,
        );
        let id = url::encode_segment(&model.wire);
        Some(Self {
            url: format!("{}/inference-profiles/{id}", base.ok()?),
            brought: None,
            known: Mutex::default(),
        })
    }

    fn known(&self) -> Option<(String, Arc<Known>)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }
}

impl Deployment {
    /// Returns how it is asked, where `base_model` is behind its profile.
    pub fn known_as(&self, base_model: &str) -> Option<Arc<Known>> {
        let profile = self.profile.as_ref()?;
        if let Some((base, known)) = profile.known()
            && base == base_model
        {
            return Some(known);
        }
        let entry = &self.entry;
        let model =
            ModelId::parse(&entry.model, entry.model_id.as_deref(), Some(base_model)).ok()?;
        let facts = Arc::new(model.facts().with_overrides(&entry.info));
        let transformers = Transformers::of(&model, &facts, self.credentials.is_api_key());
        let target = Target {
            model,
            facts,
            ..self.target.clone()
        };
        let known = Arc::new(Known {
            target,
            transformers,
        });
        let mut kept = profile.known.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((base_model.to_owned(), Arc::clone(&known)));
        Some(known)
    }

    /// Returns what is known of its model, looked up or not.
    pub(super) fn facts(&self) -> Arc<Facts> {
        let known = self.profile.as_ref().and_then(Profile::known);
        known.map_or_else(
            || Arc::clone(&self.target.facts),
            |(_, known)| Arc::clone(&known.target.facts),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a0b1";

    fn url(
        model: &str,
        base: Option<&str>,
        api_base: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Option<String> {
        let model = ModelId::parse(model, None, base).unwrap();
        let entry = DeploymentConfig {
            api_base: api_base.map(str::to_owned),
            ..DeploymentConfig::default()
        };
        let mut environment = Environment::default();
        for (name, value) in variables {
            environment.set(*name, *value);
        }
        Profile::of(&model, "us-east-1", &entry, &environment).map(|profile| profile.url)
    }

    #[test]
    fn profiles_are_looked_up_where_nothing_tells_their_model() {
        let path = "/inference-profiles/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fa0b1";
        let aws = format!("https://bedrock.us-east-1.amazonaws.com{path}");
        assert_eq!(url(ARN, None, None, &[]), Some(aws));
        let own = [("AWS_ENDPOINT_URL_BEDROCK", "http://here")];
        let here = Some(format!("http://here{path}"));
        assert_eq!(url(ARN, None, None, &own), here);
        // An entry's own address says nothing of where its control plane is.
        assert_eq!(url(ARN, None, Some("https://proxy"), &own), None);
        for (model, base, api_base) in [
            (ARN, None, Some("https://proxy")),
            (ARN, Some("anthropic.claude-3-haiku-20240307-v1:0"), None),
            ("bedrock/us.amazon.nova-pro-v1:0", None, None),
            (
                "arn:aws:bedrock:us-east-1:1:provisioned-model/x",
                None,
                None,
            ),
        ] {
            assert_eq!(url(model, base, api_base, &[]), None, "{model}");
        }
        let moved = [("AWS_BEDROCK_RUNTIME_ENDPOINT", "http://there")];
        assert_eq!(url(ARN, None, None, &moved), None);
    }
}
