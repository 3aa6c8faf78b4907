//! What can go wrong with a call, and what follows from it.
//!
//! Each folder has a small error of its own; in the pipeline they become one [`Error`]. Its [`ErrorKind`] is closed, and
//! [`ErrorKind::policy`] is the one table that says what each kind means: whose fault it is, the HTTP status, OpenAI's
//! `error.type`, and whether a retry or a fallback may help.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is wrong: syntax, a type, a parameter.
    BadRequest,
    /// No key, or one that nobody knows.
    Unauthenticated,
    /// A key that may not do this.
    Forbidden,
    /// A model name that is not in the configuration.
    UnknownModel,
    /// A rate limit of ours.
    LimitReached,
    /// A budget of ours.
    BudgetReached,
    /// The gateway is full or shutting down.
    Overloaded,
    /// The conversation is longer than the model can take.
    ContextWindow,
    /// The request or the answer was refused for its content.
    ContentPolicy,
    /// AWS says: too many requests.
    Throttled,
    /// AWS says: these credentials may not do this.
    UpstreamDenied,
    /// AWS says: there is no such model.
    UpstreamMissing,
    /// No answer in time.
    Timeout,
    /// AWS could not be reached, or failed.
    Unavailable,
    /// AWS answered something that cannot be read.
    Garbled,
    /// The model failed while it generated.
    ModelFault,
    /// No deployment is left to try.
    NoDeployment,
    /// A mistake of ours.
    Internal,
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The caller's.
    Client,
    /// The gateway's.
    Router,
    /// Bedrock's, or the way to it.
    Upstream,
}

/// Whether another attempt in the same group may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// No.
    Never,
    /// Only on another deployment.
    Elsewhere,
    /// Yes, on one that was not tried yet if there is one.
    UntriedFirst,
}

/// Which fallback list applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// None.
    None,
    /// The general list.
    General,
    /// The list for context windows, then the general one.
    ContextWindow,
    /// The list for content policy, then the general one.
    ContentPolicy,
}

/// Whether the error leaves its deployment out for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cooling {
    /// No.
    Never,
    /// At once.
    AtOnce,
    /// When too many came within the failure window.
    PastWindow,
}

/// What follows from a kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Whose fault it is.
    pub fault: Fault,
    /// The HTTP status, unless the error carries its own.
    pub status: StatusCode,
    /// OpenAI's `error.type`.
    pub error_type: &'static str,
    /// Whether to try again.
    pub retry: Retry,
    /// Which fallbacks apply.
    pub fallback: Fallback,
    /// Whether the deployment cools down.
    pub cooling: Cooling,
}

impl ErrorKind {
    /// Every kind, for tables and tests.
    pub const ALL: [Self; 18] = [
        Self::BadRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::UnknownModel,
        Self::LimitReached,
        Self::BudgetReached,
        Self::Overloaded,
        Self::ContextWindow,
        Self::ContentPolicy,
        Self::Throttled,
        Self::UpstreamDenied,
        Self::UpstreamMissing,
        Self::Timeout,
        Self::Unavailable,
        Self::Garbled,
        Self::ModelFault,
        Self::NoDeployment,
        Self::Internal,
    ];

    /// Returns the kind's name as metrics and logs spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::UnknownModel => "unknown_model",
            Self::LimitReached => "limit_reached",
            Self::BudgetReached => "budget_reached",
            Self::Overloaded => "overloaded",
            Self::ContextWindow => "context_window",
            Self::ContentPolicy => "content_policy",
            Self::Throttled => "throttled",
            Self::UpstreamDenied => "upstream_denied",
            Self::UpstreamMissing => "upstream_missing",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Garbled => "garbled",
            Self::ModelFault => "model_fault",
            Self::NoDeployment => "no_deployment",
            Self::Internal => "internal",
        }
    }

    /// Returns the kind that [`ErrorKind::name`] spells so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Says whether an attempt can end so; the other kinds come before an attempt, or in the place of one.
    pub fn is_of_attempt(self) -> bool {
        !matches!(
            self,
            Self::Unauthenticated
                | Self::Forbidden
                | Self::UnknownModel
                | Self::LimitReached
                | Self::BudgetReached
                | Self::Overloaded
                | Self::NoDeployment
                | Self::Internal
        )
    }

    /// Returns what follows from this kind.
    pub fn policy(self) -> Policy {
        use Cooling::{AtOnce, Never as Warm, PastWindow};
        use Fallback::{ContentPolicy as Content, ContextWindow as Context, General, None as Stop};
        use Fault::{Client, Router, Upstream};
        use Retry::{Elsewhere, Never, UntriedFirst};
        const INVALID: &str = "invalid_request_error";
        const SERVER: &str = "internal_server_error";
        let (fault, status, error_type, retry, fallback, cooling) = match self {
            Self::BadRequest | Self::UnknownModel => (Client, 400, INVALID, Never, Stop, Warm),
            Self::Unauthenticated => (Client, 401, "auth_error", Never, Stop, Warm),
            Self::Forbidden => (Client, 403, "permission_error", Never, Stop, Warm),
            Self::LimitReached => (Client, 429, "throttling_error", Never, Stop, Warm),
            Self::BudgetReached => (Client, 422, "budget_exceeded", Never, Stop, Warm),
            Self::Overloaded => (Router, 503, "overloaded_error", Never, Stop, Warm),
            Self::ContextWindow => (Client, 400, INVALID, Never, Context, Warm),
            Self::ContentPolicy => (Client, 400, INVALID, Never, Content, Warm),
            Self::Throttled => (
                Upstream,
                429,
                "throttling_error",
                UntriedFirst,
                General,
                AtOnce,
            ),
            Self::UpstreamDenied => (
                Upstream,
                401,
                "authentication_error",
                Elsewhere,
                General,
                AtOnce,
            ),
            Self::UpstreamMissing => (Upstream, 404, INVALID, Never, General, AtOnce),
            Self::Timeout => (
                Upstream,
                408,
                "timeout_error",
                UntriedFirst,
                General,
                PastWindow,
            ),
            Self::Unavailable => (Upstream, 503, SERVER, UntriedFirst, General, PastWindow),
            Self::Garbled => (Upstream, 502, SERVER, UntriedFirst, General, PastWindow),
            Self::ModelFault => (Upstream, 424, INVALID, UntriedFirst, General, PastWindow),
            Self::NoDeployment => (
                Router,
                429,
                "all_deployments_in_cooldown",
                Never,
                General,
                Warm,
            ),
            Self::Internal => (Router, 500, SERVER, Never, Stop, Warm),
        };
        Policy {
            fault,
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            error_type,
            retry,
            fallback,
            cooling,
        }
    }
}

/// LiteLLM's classes of errors, by which `retry_policy` and `allowed_fails_policy` are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// `BadRequestError`: status 400, 422 and 424.
    BadRequest,
    /// `ContextWindowExceededError`, a kind of bad request.
    ContextWindow,
    /// `ContentPolicyViolationError`, a kind of bad request.
    ContentPolicy,
    /// `AuthenticationError`: status 401.
    Authentication,
    /// `PermissionDeniedError`: status 403.
    PermissionDenied,
    /// `NotFoundError`: status 404.
    NotFound,
    /// `Timeout`: status 408 and 504.
    Timeout,
    /// `RateLimitError`: status 429.
    RateLimit,
    /// `InternalServerError`: status 500.
    Internal,
    /// `BadGatewayError`: status 502.
    BadGateway,
    /// `ServiceUnavailableError`: status 503.
    Unavailable,
}

impl ErrorClass {
    /// Every class, in the order of their declaration.
    pub const ALL: [Self; 11] = [
        Self::BadRequest,
        Self::ContextWindow,
        Self::ContentPolicy,
        Self::Authentication,
        Self::PermissionDenied,
        Self::NotFound,
        Self::Timeout,
        Self::RateLimit,
        Self::Internal,
        Self::BadGateway,
        Self::Unavailable,
    ];
}

/// What went wrong with one call.
#[derive(Clone)]
pub struct Error(Box<Detail>);

#[derive(Clone)]
struct Detail {
    kind: ErrorKind,
    message: String,
    status: Option<StatusCode>,
    param: Option<String>,
    retry_after: Option<Duration>,
    upstream_headers: HeaderMap,
    upstream_answer: Option<(StatusCode, Bytes)>,
    original_status: Option<u16>,
    retry: Option<Retry>,
    fallback: Option<Fallback>,
    error_type: Option<&'static str>,
    headers: HeaderMap,
    source: Option<std::sync::Arc<dyn std::error::Error + Send + Sync>>,
}

/// The result of a step of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Makes an error whose `message` is fit for the client.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Detail {
            kind,
            message: message.into(),
            status: None,
            param: None,
            retry_after: None,
            upstream_headers: HeaderMap::new(),
            upstream_answer: None,
            original_status: None,
            retry: None,
            fallback: None,
            error_type: None,
            headers: HeaderMap::new(),
            source: None,
        }))
    }

    /// Makes a [`ErrorKind::BadRequest`] that names the member it is about.
    pub fn bad_request(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadRequest, message).with_param(param)
    }

    /// Names the request's member that the error is about.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.0.param = Some(param.into());
        self
    }

    /// Sets a status other than the kind's own.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Says how long the client should wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    /// Appends to the message what the operator wants clients to see (`expose_router_debug_in_errors`).
    #[must_use]
    pub fn with_detail(mut self, detail: &str) -> Self {
        self.0.message.push_str(detail);
        self
    }

    /// Keeps the headers of AWS's answer, for `llm_provider-*`.
    #[must_use]
    pub fn with_upstream_headers(mut self, headers: HeaderMap) -> Self {
        self.0.upstream_headers = headers;
        self
    }

    /// Keeps AWS's answer as it came, for clients that speak to AWS through us.
    #[must_use]
    pub fn with_upstream_answer(mut self, status: StatusCode, body: Bytes) -> Self {
        self.0.upstream_answer = Some((status, body));
        self
    }

    /// Keeps the status that AWS says the model itself failed with.
    #[must_use]
    pub fn with_original_status(mut self, status: Option<u16>) -> Self {
        self.0.original_status = status;
        self
    }

    /// Says whether another attempt may help, where the kind alone does not tell: a daily quota is gone until tomorrow.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = Some(retry);
        self
    }

    /// Says which fallback list applies, where the kind alone does not tell: a limit of one model may be met elsewhere.
    /// [`Fallback::None`] is final: a tag policy, a guardrail's verdict.
    #[must_use]
    pub fn with_fallback(mut self, fallback: Fallback) -> Self {
        self.0.fallback = Some(fallback);
        self
    }

    /// Sets an `error.type` other than the kind's own.
    #[must_use]
    pub fn with_type(mut self, error_type: &'static str) -> Self {
        self.0.error_type = Some(error_type);
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: http::HeaderName, value: http::HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Keeps what is not fit for the client.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(std::sync::Arc::new(source));
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the message for the client.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status.unwrap_or(self.0.kind.policy().status)
    }

    /// Returns OpenAI's `error.type`.
    pub fn error_type(&self) -> &'static str {
        if let Some(error_type) = self.0.error_type {
            return error_type;
        }
        if self.0.kind == ErrorKind::UpstreamDenied && self.status() == StatusCode::FORBIDDEN {
            return "permission_error";
        }
        self.0.kind.policy().error_type
    }

    /// Returns the request's member that the error is about.
    pub fn param(&self) -> Option<&str> {
        self.0.param.as_deref()
    }

    /// Returns how long the client should wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the headers of AWS's answer.
    pub fn upstream_headers(&self) -> &HeaderMap {
        &self.0.upstream_headers
    }

    /// Returns AWS's status and body, where they were kept.
    pub fn upstream_answer(&self) -> Option<(StatusCode, &Bytes)> {
        let (status, body) = self.0.upstream_answer.as_ref()?;
        Some((*status, body))
    }

    /// Returns headers of its own for the answer.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// Returns LiteLLM's class of this error.
    pub fn class(&self) -> ErrorClass {
        match self.0.kind {
            ErrorKind::ContextWindow => return ErrorClass::ContextWindow,
            ErrorKind::ContentPolicy => return ErrorClass::ContentPolicy,
            ErrorKind::Timeout => return ErrorClass::Timeout,
            _ => {}
        }
        match self.status().as_u16() {
            401 => ErrorClass::Authentication,
            403 => ErrorClass::PermissionDenied,
            404 => ErrorClass::NotFound,
            408 | 504 => ErrorClass::Timeout,
            429 => ErrorClass::RateLimit,
            500 => ErrorClass::Internal,
            502 => ErrorClass::BadGateway,
            501 | 503.. => ErrorClass::Unavailable,
            _ => ErrorClass::BadRequest,
        }
    }

    /// Returns the status that AWS says the model itself failed with.
    pub fn original_status(&self) -> Option<u16> {
        self.0.original_status
    }

    /// Says whether another attempt in the same group may help.
    pub fn retry(&self) -> Retry {
        if let Some(retry) = self.0.retry {
            return retry;
        }
        if self.blames_request() {
            return Retry::Never;
        }
        self.0.kind.policy().retry
    }

    /// Says which fallback list applies; `on_4xx` is `fallback_on_4xx`, by which mistakes of the caller fall back too.
    pub fn fallback(&self, on_4xx: bool) -> Fallback {
        if let Some(fallback) = self.0.fallback {
            return fallback;
        }
        let by_caller = matches!(
            self.0.kind,
            ErrorKind::BadRequest | ErrorKind::UnknownModel | ErrorKind::Forbidden
        );
        match self.0.kind.policy().fallback {
            _ if self.is_unpaid() => Fallback::General,
            _ if self.blames_request() && !on_4xx => Fallback::None,
            Fallback::None if by_caller && on_4xx => Fallback::General,
            fallback => fallback,
        }
    }

    /// Says whether nothing else may be tried, whatever the operator or the caller configured.
    pub fn is_final(&self) -> bool {
        self.0.fallback == Some(Fallback::None)
    }

    /// Says whether the error leaves its deployment out for a while.
    pub fn cooling(&self) -> Cooling {
        match self.0.kind {
            ErrorKind::UpstreamDenied if self.status() == StatusCode::FORBIDDEN => Cooling::Never,
            ErrorKind::ModelFault if self.0.original_status.is_none_or(|status| status < 500) => {
                Cooling::Never
            }
            _ if self.is_unpaid() => Cooling::AtOnce,
            kind => kind.policy().cooling,
        }
    }

    /// Says whether the model failed for the request's sake: AWS names an original status below 500.
    fn blames_request(&self) -> bool {
        let of_request = self.0.original_status.is_some_and(|status| status < 500);
        self.0.kind == ErrorKind::ModelFault && of_request
    }

    /// Says whether the account has not paid (402), which is no fault of the request.
    fn is_unpaid(&self) -> bool {
        self.0.kind == ErrorKind::BadRequest && self.status() == StatusCode::PAYMENT_REQUIRED
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("status", &self.0.status)
            .field("param", &self.0.param)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0
            .source
            .as_ref()
            .map(|source| source.as_ref() as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
