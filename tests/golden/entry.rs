//! A deployment of the suites that write requests and send none.

use switchyard::canonical::RawJson;
use switchyard::dialect::chat;
use switchyard::provider::bedrock::model_id::ModelId;
use switchyard::provider::{Repairs, Target};

/// Where every deployment is.
pub(crate) const ENDPOINT: &str = "https://bedrock.test";

/// A deployment, as an entry of `model_list` describes it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub(crate) model: String,
    pub(crate) model_id: Option<String>,
    pub(crate) base_model: Option<String>,
    /// `us-west-2` where it names none.
    pub(crate) region: Option<String>,
    pub(crate) defaults: Vec<(String, RawJson)>,
    pub(crate) repairs: Repairs,
    pub(crate) extra_headers: Vec<(String, String)>,
    pub(crate) allow_caller_authorization: bool,
}

impl Entry {
    pub(crate) fn of(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn target(&self) -> Target {
        let model = ModelId::parse(
            &self.model,
            self.model_id.as_deref(),
            self.base_model.as_deref(),
        )
        .unwrap();
        Target {
            facts: model.facts(),
            model,
            endpoint: ENDPOINT.to_owned(),
            region: self.region.as_deref().unwrap_or("us-west-2").to_owned(),
            defaults: chat::params(&self.defaults).unwrap(),
            repairs: self.repairs.clone(),
            extra_headers: self.extra_headers.clone(),
            allow_caller_authorization: self.allow_caller_authorization,
        }
    }
}
