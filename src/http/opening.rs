//! A parsed request → the [`Call`] that the pipeline runs: what is asked, by whom, and what the caller decided about the way it
//! is served.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderValue, request};

use super::inference::{Asking, new_answer_id};
use super::options::{bring, call_options};
use super::portkey::Portkey;
use super::responses::{owner, to_keep};
use crate::cache::CacheControls;
use crate::canonical::{ChatRequest, Request};
use crate::dialect::{Asked, Controls, Front, Parsed};
use crate::error::{Error, Result};
use crate::keys::Identity;
use crate::pipeline::{Call, CallOptions, RawCall, admit};
use crate::state::Snapshot;
use crate::telemetry::names;

/// What a call is opened with.
pub(super) struct Opening<'a> {
    pub(super) snapshot: &'a Arc<Snapshot>,
    pub(super) head: &'a request::Parts,
    pub(super) identity: Identity,
    pub(super) received: Instant,
    pub(super) created: u64,
    pub(super) id: &'a str,
}

impl Opening<'_> {
    /// Opens the call that was parsed; the path's model wins over the body's.
    ///
    /// # Errors
    ///
    /// A member or header that cannot be used, by its name.
    pub(super) fn open(
        self,
        parsed: Parsed<Request>,
        asking: Asking,
        portkey: Portkey,
    ) -> Result<Call> {
        let (snapshot, head) = (self.snapshot, self.head);
        let Parsed {
            model,
            mut request,
            mut controls,
            asked: of_answer,
            form: _,
        } = parsed;
        let forced = snapshot.config.general.completion_model.clone();
        let asked = asking.model.or(model);
        let model = forced.or_else(|| asked.clone()).ok_or_else(|| {
            let path = head.uri.path();
            let path = path.strip_prefix("/v1").unwrap_or(path);
            let message = format!("{path}: Missing required parameter: 'model'.");
            Error::bad_request("model", message)
        })?;
        if let Some(chat) = request.chat_mut() {
            if asking.front.is_chat_completions() {
                portkey.ask(chat);
            }
            chat.include_usage |= snapshot.config.general.always_include_stream_usage;
        }
        portkey.steer(&mut controls);
        let mut options = self.options(controls, portkey.timeout_ms())?;
        portkey.decide(&mut options, bring);
        let of_answer = to_keep(of_answer, snapshot, &options.cache);
        let span = self.span();
        if let Some(chat) = request.chat_mut() {
            chat.session = Some(crate::random::uuid().to_string());
        }
        Ok(Call {
            id: self.id.to_owned(),
            snapshot: Arc::clone(snapshot),
            received: self.received,
            shown_model: asked.unwrap_or_else(|| model.clone()),
            model,
            request,
            options,
            raw: None,
            traceparent: traceparent(snapshot, head),
            identity: self.identity,
            version: head.version,
            answer_id: new_answer_id(asking.front),
            front: asking.front,
            asked: of_answer,
            created: self.created,
            span,
        })
    }

    /// Opens a call that is passed through to AWS.
    ///
    /// # Errors
    ///
    /// A header that cannot be used, by its name.
    pub(super) fn open_raw(self, raw: RawCall) -> Result<Call> {
        let (snapshot, head) = (self.snapshot, self.head);
        let path = &raw.request.path;
        let asked = raw.name().to_owned();
        let mut options = self.options(Controls::default(), None)?;
        // Another group can answer only where it can be named.
        let names_group = path.model().is_some_and(|model| {
            let key = self.identity.key();
            let renamed = key.map_or(model, |key| key.rename(model));
            let who = admit::asker(&self.identity, &snapshot.keys);
            snapshot.router.resolve(renamed, who).is_some()
        });
        options.fallbacks.disabled |= !names_group;
        let span = self.span();
        Ok(Call {
            id: self.id.to_owned(),
            snapshot: Arc::clone(snapshot),
            received: self.received,
            shown_model: asked.clone(),
            model: asked,
            request: Request::Chat(ChatRequest {
                stream: path.operation().streams(),
                ..ChatRequest::default()
            }),
            front: Front::CHAT,
            asked: Asked::Nothing,
            raw: Some(Arc::new(raw)),
            options,
            traceparent: traceparent(snapshot, head),
            identity: self.identity,
            version: head.version,
            answer_id: String::new(),
            created: self.created,
            span,
        })
    }

    /// The span that the call's attempts hang under.
    fn span(&self) -> tracing::Span {
        let span = tracing::info_span!(
            target: names::TRACE_TARGET,
            "call",
            otel.name = %format_args!("{} {}", self.head.method, self.head.uri.path()),
            otel.kind = "server",
            url.path = self.head.uri.path(),
            litellm.call_id = self.id,
            http.response.status_code = tracing::field::Empty,
            gen_ai.usage.input_tokens = tracing::field::Empty,
            gen_ai.usage.output_tokens = tracing::field::Empty,
            error.type = tracing::field::Empty,
        );
        crate::telemetry::adopt_parent(&span, &self.head.headers);
        span
    }

    /// What the caller decided, and its key for it.
    fn options(&self, controls: Controls, portkey_ms: Option<u64>) -> Result<CallOptions> {
        let headers = &self.head.headers;
        let config = &self.snapshot.config;
        let cache = match &self.snapshot.cache {
            Some(_) => CacheControls::of(&controls.other, headers)?,
            None => CacheControls::default(),
        };
        let mut options = call_options(headers, controls, portkey_ms)?;
        options.include_fallback_errors &= config.general.expose_fallback_errors;
        if config.general.reject_client_tags && !options.tags.is_empty() {
            return Err(Error::bad_request(
                "tags",
                "tags: this gateway does not let callers choose tags (`reject_clientside_metadata_tags`)",
            ));
        }
        if let Some(key) = self.identity.key() {
            let own = &key.config;
            cache.check_allowed(own.allowed_cache_controls.as_deref())?;
            let tags = own.tags.iter().filter(|tag| !options.tags.contains(tag));
            let tags: Vec<String> = tags.cloned().collect();
            options.tags.extend(tags);
            options.num_retries = options.num_retries.or(own.router.num_retries);
        }
        options.tenant = owner(&self.identity);
        options.cache = cache;
        Ok(options)
    }
}

/// The caller's `traceparent`, where the operator has it sent on.
fn traceparent(snapshot: &Snapshot, head: &request::Parts) -> Option<HeaderValue> {
    let is_forwarded = snapshot.config.litellm.forward_traceparent;
    let sent = is_forwarded.then(|| head.headers.get("traceparent").cloned());
    sent.flatten()
}
