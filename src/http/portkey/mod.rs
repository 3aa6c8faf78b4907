//! `x-portkey-*` and `x-obiguard-*`: the headers of two other gateways, whose clients may be pointed here.
//!
//! A request is in this style when a header names a provider, a configuration or a virtual key, or when its model begins
//! with `@`; its model is then a Bedrock id. Credentials may come as headers. Strict compliance is honoured in any request.
//! Headers become call options here; what a configuration means is [`crate::pipeline`]'s.

mod config;
mod headers;
mod reply;

use std::sync::Arc;

use http::HeaderMap;
use serde_json::{Map, Value};

use self::headers::Headers;
pub(super) use self::reply::{failure, names as reply_names, say};
use crate::cache::CacheControls;
use crate::canonical::{ChatRequest, RawJson};
use crate::config::{Config, GatewayConfig, GatewayMode, Secret};
use crate::dialect::Controls;
use crate::error::Result;
use crate::pipeline::{CallOptions, ConditionFacts, GatewayCall, Provider};

/// The prefixes of the two families.
const PREFIXES: [&str; 2] = ["x-portkey-", "x-obiguard-"];

/// What a request looks like before its call is opened.
#[derive(Debug)]
pub(super) struct Received<'a> {
    /// Its headers.
    pub(super) headers: &'a HeaderMap,
    /// Its path.
    pub(super) path: &'a str,
    /// Its model, by path or body.
    pub(super) model: Option<&'a str>,
    /// Its body.
    pub(super) body: &'a [u8],
    /// The body's members that steer the gateway.
    pub(super) controls: &'a Controls,
    /// The configuration in force.
    pub(super) config: &'a Config,
}

/// What a request asks for in this style.
#[derive(Debug, Default)]
pub(super) struct Portkey {
    /// The body's `model` is a Bedrock id.
    pub(super) active: bool,
    /// What the headers say.
    headers: Headers,
    /// The same for the pipeline, where the request is in this style.
    gateway: Option<GatewayCall>,
}

/// Reads a request.
///
/// # Errors
///
/// A header that cannot be used, by its name; a provider that is not Bedrock; a configuration that is wrong or unknown.
pub(super) fn read(received: &Received<'_>) -> Result<Portkey> {
    let names_slug = received.model.is_some_and(|model| model.starts_with('@'));
    let concerns = |name: &str| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let mut names = received.headers.keys();
    if !names_slug && !names.any(|name| concerns(name.as_str())) {
        return Ok(Portkey::default());
    }
    let mut headers = Headers::read(received.headers)?;
    let found = config::find(received)?;
    if !names_slug && found.is_none() && headers.provider.is_none() {
        headers.keep_one_identity();
        return Ok(Portkey {
            headers,
            ..Portkey::default()
        });
    }
    let root = found.as_ref().map(|found| &*found.config);
    let is_bedrock = matches!(headers.provider, Some((Provider::Bedrock, _)))
        || root.is_some_and(|root| {
            root.provider.as_deref() == Some("bedrock") && !root.has_identity()
        });
    if is_bedrock && !names_slug {
        headers.take_provider_key(received.headers);
    }
    let session_token = headers.session_token_alone();
    headers.keep_one_identity();
    let mut gateway = GatewayCall {
        source: match &headers.provider {
            Some((_, header)) if !names_slug => header,
            _ => GatewayCall::MODEL,
        },
        provider: headers.provider.clone(),
        session_token: session_token.map(Secret::new),
        forward_headers: headers.forward.clone(),
        trace_id: headers.trace_id.clone(),
        is_obiguard: headers.is_obiguard,
        ..GatewayCall::default()
    };
    if let Some(found) = found {
        gateway.source = found.header;
        gateway.is_operators = found.is_operators;
        gateway.facts = facts(received, &headers.metadata, &found.config);
        gateway.config = Some(found.config);
    }
    gateway.forwardable = headers::forwardable(received, &gateway);
    Ok(Portkey {
        active: true,
        headers,
        gateway: Some(gateway),
    })
}

impl Portkey {
    /// Lays what the headers say over the body's members that steer the gateway.
    pub(super) fn steer(&self, controls: &mut Controls) {
        if let Some(retries) = self.headers.retries {
            controls.num_retries = Some(retries);
        }
        if self.headers.metadata.is_empty() {
            return;
        }
        let mut all = metadata(controls);
        let tags = all.remove("tags");
        all.extend(self.headers.metadata.clone());
        join_tags(&mut all, tags);
        controls.other.retain(|(name, _)| name != "metadata");
        let all = RawJson::from_value(&Value::Object(all));
        controls.other.push(("metadata".to_owned(), all));
    }

    /// `-request-timeout`, in milliseconds.
    pub(super) fn timeout_ms(&self) -> Option<u64> {
        self.headers.timeout_ms
    }

    /// Notes in the request what is asked of its answer.
    pub(super) fn ask(&self, request: &mut ChatRequest) {
        request.portkey = self.active;
        let root = self.root();
        let strict = (self.headers.strict).or_else(|| root.and_then(said_strict));
        if let Some(strict) = strict {
            request.content_blocks = !strict;
        }
        let betas = root.map(|root| root.betas.as_slice()).unwrap_or_default();
        for beta in self.headers.betas.iter().chain(betas) {
            if !request.betas.contains(beta) {
                request.betas.push(beta.clone());
            }
        }
    }

    /// Lays the rest over the options of the call.
    pub(super) fn decide(
        self,
        options: &mut CallOptions,
        bring: impl Fn(&mut CallOptions, &str, String),
    ) {
        let Headers {
            credentials,
            user,
            trace_id,
            ..
        } = self.headers;
        for (name, value) in credentials {
            bring(options, &name, value);
        }
        if options.user.is_none() {
            options.user = user;
        }
        if options.session.is_none() {
            options.session = trace_id;
        }
        let Some(gateway) = self.gateway else { return };
        cache(&mut options.cache, &gateway);
        options.direct = !gateway.routes();
        options.gateway = Some(Arc::new(gateway));
    }

    fn root(&self) -> Option<&GatewayConfig> {
        self.gateway.as_ref()?.config.as_deref()
    }
}

/// Puts the body's tags in front of the header's: a request has all of them.
fn join_tags(metadata: &mut Map<String, Value>, of_body: Option<Value>) {
    let Some(Value::Array(mut tags)) = of_body else {
        return;
    };
    if let Some(Value::Array(of_header)) = metadata.get("tags") {
        tags.extend(of_header.iter().cloned());
    }
    metadata.insert("tags".to_owned(), Value::Array(tags));
}

/// What the first configuration from the root down says of strict compliance: the answer's form is one for all targets.
fn said_strict(root: &GatewayConfig) -> Option<bool> {
    let mut said = None;
    root.visit(&mut |config| said = said.or(config.strict));
    said
}

/// What a configuration says of the cache, and that answers of different ones are different answers.
fn cache(controls: &mut CacheControls, gateway: &GatewayCall) {
    if !gateway.routes() {
        return;
    }
    let config = gateway.config.as_deref();
    let whose = serde_json::json!([
        config.map(|config| &config.digest),
        gateway
            .provider
            .as_ref()
            .map(|(provider, _)| format!("{provider:?}")),
        gateway.session_token.as_ref().map(Secret::expose),
        (!gateway.facts.url.is_empty()).then_some(&gateway.facts.url),
        &gateway.facts.metadata,
        &gateway.facts.params,
        &gateway.forwardable,
    ]);
    let member = ("gateway_config".to_owned(), RawJson::from_value(&whose));
    controls.members.push(member);
    let mut at = config;
    while let Some(config) = at {
        if let Some(cache) = config.cache {
            controls.opted_in = true;
            controls.semantic |= cache.semantic;
            controls.ttl = controls.ttl.or(cache.max_age);
            return;
        }
        // Below a choice nobody knows yet which target it will be.
        at = match config.mode {
            Some(GatewayMode::Single) => config.targets.first(),
            _ => None,
        };
    }
}

/// `metadata` of the body; what is no object has been refused before.
fn metadata(controls: &Controls) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, value) in &controls.other {
        if name == "metadata"
            && let Value::Object(own) = value.to_value()
        {
            all.extend(own);
        }
    }
    all
}

/// What the conditions of a configuration look at, and no more.
fn facts(
    received: &Received<'_>,
    of_header: &Map<String, Value>,
    config: &GatewayConfig,
) -> ConditionFacts {
    let fields = config.fields();
    let mut facts = ConditionFacts::default();
    if fields.is_empty() {
        return facts;
    }
    received.path.clone_into(&mut facts.url);
    if fields.iter().any(|field| field.starts_with("metadata.")) {
        facts.metadata = metadata(received.controls);
        facts.metadata.extend(of_header.clone());
    }
    let asked: Vec<&str> = (fields.iter())
        .filter_map(|field| field.strip_prefix("params."))
        .collect();
    if asked.is_empty() {
        return facts;
    }
    let is_asked = |name: &str| {
        let under = |path: &&str| {
            path.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        asked.iter().any(under)
    };
    let members: std::collections::BTreeMap<String, &serde_json::value::RawValue> =
        serde_json::from_slice(received.body).unwrap_or_default();
    for (name, value) in members {
        if is_asked(&name)
            && let Ok(value) = serde_json::from_str(value.get())
        {
            facts.params.insert(name, value);
        }
    }
    if let Some(model) = received.model {
        let model = Value::String(model.to_owned());
        facts.params.insert("model".to_owned(), model);
    }
    facts
}

#[cfg(test)]
#[path = "portkey_tests.rs"]
mod tests;
