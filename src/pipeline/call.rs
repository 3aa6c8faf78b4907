//! What is fixed about one request once it has been read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;

use super::admit::asker;
use super::gateway::GatewayCall;
use super::raw::RawCall;
use crate::cache::{CacheControls, Tenant};
use crate::canonical::Request;
use crate::config::{AwsParams, FallbackRule, FallbackTarget, Secret};
use crate::dialect::{Asked, Front};
use crate::error::{Error, ErrorKind};
use crate::keys::Identity;
use crate::router::Asker;
use crate::state::Snapshot;

/// One client request, with all its attempts.
#[derive(Debug, Clone)]
pub struct Call {
    /// `x-litellm-call-id`: the client's, else one of ours.
    pub id: String,
    /// The configuration it is served with.
    pub snapshot: Arc<Snapshot>,
    /// When its head had been read.
    pub received: Instant,
    /// The model name that is served: the client's, unless `completion_model` is set; a Bedrock id when `direct`.
    pub model: String,
    /// The model name that the client used, for its answer.
    pub shown_model: String,
    /// What is asked.
    pub request: Request,
    /// The format that it came in, in which it is answered.
    pub front: Front,
    /// What is passed through to AWS as it came; then `request` says nothing, but whether a stream is asked for.
    pub raw: Option<Arc<RawCall>>,
    /// What the caller decided about the way it is served.
    pub options: CallOptions,
    /// The caller's `traceparent`, where it is to be sent on (`forward_traceparent_to_llm_provider`).
    pub traceparent: Option<HeaderValue>,
    /// Who calls.
    pub identity: Identity,
    /// The version of HTTP that it came by.
    pub version: http::Version,
    /// The id of its answer: `chatcmpl-…`.
    pub answer_id: String,
    /// What the answer needs to know of the request.
    pub asked: Asked,
    /// When the answer counts as made, in seconds since 1970.
    pub created: u64,
    /// The span that attempts hang under.
    pub span: tracing::Span,
}

/// What the caller decided about the way a call is served.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// The caller's `timeout`: for the whole call, until the first content of a stream.
    pub timeout: Option<Duration>,
    /// The caller's `stream_timeout`.
    pub stream_timeout: Option<Duration>,
    /// `x-switchyard-deadline`: for the whole call.
    pub deadline: Option<Duration>,
    /// `x-litellm-keepalive-seconds`: counts where the deployment allows it.
    pub keepalive: Option<Duration>,
    /// The body's `model` is a Bedrock id, not a configured name (Portkey's style).
    pub direct: bool,
    /// Credentials that came with the request.
    pub aws: AwsParams,
    /// What a request in Portkey's style asks for.
    pub gateway: Option<Arc<GatewayCall>>,
    /// `model_id` of the request.
    pub model_id: Option<String>,
    /// The credential members that the request carries, for the check whether it may.
    pub brought: Vec<Brought>,
    /// What the caller decided about the response cache.
    pub cache: CacheControls,
    /// Whose call it is, as far as answers are shared.
    pub tenant: Tenant,
    /// How many retries the caller wants (`x-litellm-num-retries`, `num_retries`).
    pub num_retries: Option<u32>,
    /// The caller's own fallbacks.
    pub fallbacks: CallFallbacks,
    /// `include_fallback_errors`, where the operator lets it (`expose_fallback_errors_to_caller`).
    pub include_fallback_errors: bool,
    /// `tags`, `metadata.tags` and `x-litellm-tags`.
    pub tags: Vec<String>,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// `x-litellm-session-id`, `x-litellm-trace-id` or `metadata.session_id`.
    pub session: Option<String>,
    /// `user`: the end user.
    pub user: Option<String>,
    /// `priority`: 0 goes first.
    pub priority: Option<u32>,
    /// Several callers wait for the answer, each as long as it said; the call itself has the operator's bound alone.
    pub shared: bool,
    /// `fastest_response`: of several models, the first answer is enough.
    pub fastest: bool,
}

/// The fallbacks that a request brings; a list that is not there is the key's or the router's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallFallbacks {
    /// `fallbacks`.
    pub general: Option<Vec<FallbackRule>>,
    /// `context_window_fallbacks`.
    pub context_window: Option<Vec<FallbackRule>>,
    /// `content_policy_fallbacks`.
    pub content_policy: Option<Vec<FallbackRule>>,
    /// `fallbacks` that names targets without groups: for every error.
    pub direct: Vec<FallbackTarget>,
    /// `disable_fallbacks`.
    pub disabled: bool,
}

/// A credential member of a request, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Secret,
}

impl Call {
    /// Returns who it is that uses the names of the call.
    pub(crate) fn asker(&self) -> Asker<'_> {
        asker(&self.identity, &self.snapshot.keys)
    }

    /// Returns when the call ends: the smallest of the deadlines and the caller's timeout.
    pub fn deadline(&self) -> Option<Deadline> {
        self.bounded_by(self.snapshot.config.router.deadline)
    }

    /// The same without `router_settings.deadline`: how long the caller itself waits.
    pub(super) fn own_deadline(&self) -> Option<Deadline> {
        self.bounded_by(None)
    }

    fn bounded_by(&self, configured: Option<Duration>) -> Option<Deadline> {
        let options = &self.options;
        let (own, soft) = if options.shared {
            (None, None)
        } else if self.request.is_streamed() {
            (options.deadline, options.stream_timeout.or(options.timeout))
        } else {
            (options.deadline, options.timeout)
        };
        let hard = [own, configured].into_iter().flatten().min();
        let first = [hard, soft].into_iter().flatten().min()?;
        // A bound that lies beyond what a clock can say is none.
        let at = |bound: Duration| self.received.checked_add(bound);
        Some(Deadline {
            first_content: at(first)?,
            end: hard.and_then(at),
            is_callers: configured != Some(first),
        })
    }
}

impl CallFallbacks {
    /// Returns every target that the request names.
    pub fn targets(&self) -> impl Iterator<Item = &FallbackTarget> {
        let lists = [&self.general, &self.context_window, &self.content_policy];
        let rules = lists.into_iter().flatten().flatten();
        rules.flat_map(|rule| &rule.targets).chain(&self.direct)
    }
}

/// The error of a call whose caller has stopped waiting.
pub(crate) fn deadline_passed() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "the request timed out: its deadline has passed",
    )
}

/// When a caller stops waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// For the whole answer, or the first content of a stream.
    pub first_content: Instant,
    /// For the end of a stream.
    pub end: Option<Instant>,
    /// Whether `first_content` is the caller's own; else it is the operator's, and what is late is the deployment.
    pub is_callers: bool,
}
