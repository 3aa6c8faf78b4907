//! Under which key an answer is kept: everything that can change it, and nothing else.
//!
//! A key is the hash of a canonical form ([`super::canon`]) that opens with a version: when the form changes, the version
//! does, and old entries are never found again. What is asked is written by the operation's own type, which names each of
//! its fields: a new one does not compile until somebody has decided what it means here.

use super::canon::{Canon, Canonical};
use super::chat::ByName;
use super::controls::CacheControls;
use crate::config::{AwsParams, CacheScope, Secret, WebIdentityToken};

/// The form of keys.
const VERSION: &str = "switchyard-cache/1";

/// What is asked of a model, as far as the cache is concerned.
pub trait Keyed {
    /// The operation's name, as LiteLLM's `supported_call_types` spells it (`acompletion`).
    const OPERATION: &'static str;

    /// Returns how many messages it has, for `max_messages`.
    fn messages(&self) -> usize;

    /// Says whether a stream is wanted. It has an entry of its own.
    fn is_stream(&self) -> bool;

    /// Appends everything that can change the answer.
    fn write_key(&self, key: &mut KeyWriter<'_>);
}

/// Takes what a request says into its key.
#[derive(Debug)]
pub struct KeyWriter<'a>(pub(super) &'a mut Canon);

/// Whose call it is, for `scope`. Neither name is secret or can be turned back into a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tenant {
    /// The virtual key's hash; `None` for the master key, and where everyone may call.
    pub key: Option<String>,
    /// The team of the virtual key.
    pub team: Option<String>,
}

/// What decides which deployments of a group may answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoutedBy {
    /// The tags; empty where they do not decide.
    pub tags: Vec<String>,
    /// The ids of the deployments whose patterns the `User-Agent` fits, a line each; `None` where that does not decide.
    pub agent: Option<String>,
    /// The caller's team, where deployments of the group are some team's; `None` where that does not decide.
    pub team: Option<String>,
}

/// Which answer is asked for.
#[derive(Debug)]
pub struct Question<'a, R> {
    /// The model name that is served: an alias has entries of its own.
    pub model: &'a str,
    /// The model group that the name stands for: two keys may mean different groups by one name.
    pub group: &'a str,
    /// What the call is routed by beside its model.
    pub routed_by: &'a RoutedBy,
    /// What the endpoint is called in `supported_call_types`: `completion`, `anthropic_messages`, `embedding`, ….
    pub call_type: &'static str,
    /// What is asked.
    pub request: &'a R,
    /// Credentials, region and endpoint that came with the request.
    pub aws: &'a AwsParams,
    /// `model_id` of the request.
    pub model_id: Option<&'a str>,
    /// Whether `model` is a Bedrock id.
    pub direct: bool,
    /// Whose call it is.
    pub tenant: &'a Tenant,
    /// What the caller decided about the cache.
    pub controls: &'a CacheControls,
}

/// What the configuration says about keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeySettings<'a> {
    pub(super) scope: CacheScope,
    pub(super) namespace: Option<&'a str>,
    /// Model groups that share answers.
    pub(super) groups: &'a [Vec<String>],
}

/// Returns the key: 64 hexadecimal digits, behind `namespace:` where there is one.
pub(super) fn key<R: Keyed>(question: &Question<'_, R>, settings: &KeySettings<'_>) -> String {
    Begun::of(question, settings).key()
}

/// A key to which more may be appended: of keys that begin alike, the beginning is hashed once.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    canon: Canon,
    namespace: Option<String>,
}

impl Begun {
    /// Begins with everything that the question says.
    pub(super) fn of<R: Keyed>(question: &Question<'_, R>, settings: &KeySettings<'_>) -> Self {
        let mut canon = Canon::new(VERSION);
        canon.object(|out| {
            out.member("operation", R::OPERATION);
            out.member("tenant", &tenant(question.tenant, settings.scope));
            write_model(question, settings.groups, out);
            // Also beside a key that the caller chose: a team's answers are for that team.
            out.member("team", &question.routed_by.team);
            // A key that the caller chose stands for the content.
            if let Some(preset) = &question.controls.preset {
                out.member("preset", preset);
            } else {
                write_content(question, out);
            }
        });
        let own = question.controls.namespace.as_deref();
        Self {
            canon,
            namespace: own.or(settings.namespace).map(str::to_owned),
        }
    }

    /// Returns the same with `part` behind it.
    pub(super) fn with<T: Canonical>(&self, part: &T) -> Self {
        let mut with = self.clone();
        part.write(&mut with.canon);
        with
    }

    /// Ends the key.
    pub(super) fn key(self) -> String {
        let hash = self.canon.hex();
        match self.namespace {
            Some(namespace) => format!("{namespace}:{hash}"),
            None => hash,
        }
    }
}

fn write_model<R>(question: &Question<'_, R>, groups: &[Vec<String>], out: &mut Canon) {
    let shared = groups.iter().find(|group| {
        question.model == question.group && group.iter().any(|name| name == question.model)
    });
    if let Some(names) = shared {
        out.member("groups", names);
    } else {
        out.member("model", question.model);
        out.member("group", question.group);
    }
}

fn write_content<R: Keyed>(question: &Question<'_, R>, out: &mut Canon) {
    out.member("tags", question.routed_by.tags.as_slice());
    out.member("agent", &question.routed_by.agent);
    out.member("aws", question.aws);
    out.member("model_id", &question.model_id);
    out.member("direct", &question.direct);
    out.member("stream", &question.request.is_stream());
    out.member("controls", &ByName(&question.controls.members));
    out.string("request");
    question.request.write_key(&mut KeyWriter(out));
}

/// Who shares the entry; a key without a team shares with no one.
fn tenant(tenant: &Tenant, scope: CacheScope) -> Option<(String, Option<String>)> {
    match scope {
        CacheScope::Global => None,
        CacheScope::Team if tenant.team.is_some() => Some(("team".to_owned(), tenant.team.clone())),
        CacheScope::Team | CacheScope::Key => Some(("key".to_owned(), tenant.key.clone())),
    }
}

impl Canonical for &str {
    fn write(&self, out: &mut Canon) {
        out.string(self);
    }
}

impl Canonical for [String] {
    fn write(&self, out: &mut Canon) {
        out.list(self);
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl Canonical for AwsParams {
    fn write(&self, out: &mut Canon) {
        let Self {
            access_key_id,
            secret_access_key,
            session_token,
            region,
            session_name,
            profile,
            role,
            web_identity_token,
            sts_endpoint,
            external_id,
            session_tags,
            runtime_endpoint,
            api_key,
            ssl_verify,
        } = self;
        out.object(|out| {
            out.member("access_key_id", access_key_id);
            out.member("secret_access_key", secret_access_key);
            out.member("session_token", session_token);
            out.member("region", region);
            out.member("session_name", session_name);
            out.member("profile", profile);
            out.member("role", role);
            out.member("web_identity_token", web_identity_token);
            out.member("sts_endpoint", sts_endpoint);
            out.member("external_id", external_id);
            out.member("session_tags", session_tags);
            out.member("runtime_endpoint", runtime_endpoint);
            out.member("api_key", api_key);
            out.member("ssl_verify", ssl_verify);
        });
    }

    fn is_absent(&self) -> bool {
        *self == Self::default()
    }
}

/// A secret goes into the hash only, so that who has another one gets another key.
impl Canonical for Secret {
    fn write(&self, out: &mut Canon) {
        out.string(self.expose());
    }
}

impl Canonical for WebIdentityToken {
    fn write(&self, out: &mut Canon) {
        out.object(|out| match self {
            Self::Reference(text) => out.member("reference", text),
            Self::Literal(text) => out.member("literal", text),
        });
    }
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
