//! The shared client: connection pool, TLS, timeouts; signs and sends one request at a time.
//!
//! Redirects, retries and decompression are off: each send is one attempt, and what comes back is what AWS wrote. HTTP/1.1
//! only, because a stream per connection is what Bedrock's own SDKs use, and a cut then costs one call.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use reqwest::{Client, ClientBuilder, Proxy};
use url::Url;

use super::address;
use super::aws_clock::AwsClock;
use super::body::Body;
use super::credentials::Credentials;
use super::failure::{self, SendError, SendFailure};
use super::fetch::Fetcher;
use super::headers;
use super::trust::Trust;
use crate::clock::SharedClock;
use crate::config::{Environment, Secret};
use crate::provider::WireRequest;

/// How long an unused connection is kept. AWS closes its end after about a minute.
const POOL_IDLE: Duration = Duration::from_secs(55);

/// How many unused connections are kept per host: enough for a burst, few enough that a burst leaves no mark.
const POOL_IDLE_PER_HOST: usize = 256;

/// Never behind a proxy: the simulator, a local stand-in for AWS.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// How the client connects.
#[derive(Debug, Clone)]
pub struct UpstreamOptions {
    /// Bound on TCP and TLS together.
    pub connect_timeout: Duration,
    /// `HTTPS_PROXY`; its URL may hold a password.
    pub https_proxy: Option<Secret>,
    /// `HTTP_PROXY`.
    pub http_proxy: Option<Secret>,
    /// `NO_PROXY`: hosts that are called directly; this machine always is.
    pub no_proxy: Option<String>,
    /// `AWS_CA_BUNDLE`: what a deployment without `ssl_verify` trusts.
    pub ca_bundle: Option<String>,
}

impl Default for UpstreamOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            https_proxy: None,
            http_proxy: None,
            no_proxy: None,
            ca_bundle: None,
        }
    }
}

impl UpstreamOptions {
    /// Takes proxies and the CA bundle from the environment.
    pub fn from_environment(connect_timeout: Duration, environment: &Environment) -> Self {
        let either = |upper: &str, lower: &str| {
            let value = environment.get(upper).or_else(|| environment.get(lower));
            value.map(str::to_owned)
        };
        Self {
            connect_timeout,
            https_proxy: either("HTTPS_PROXY", "https_proxy").map(Secret::new),
            http_proxy: either("HTTP_PROXY", "http_proxy").map(Secret::new),
            no_proxy: either("NO_PROXY", "no_proxy"),
            ca_bundle: environment.get("AWS_CA_BUNDLE").map(str::to_owned),
        }
    }
}

/// The head of an answer, and its unread body.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

/// The outbound client. One for the whole process: its pools are what makes a call cheap.
pub struct Upstream {
    options: UpstreamOptions,
    platform: Client,
    /// Uses no proxy: for the neighbours that give out credentials.
    direct: Client,
    /// Clients for deployments with an `ssl_verify` of their own; as many as the configuration names.
    others: RwLock<HashMap<Trust, Client>>,
    fetcher: Fetcher,
    clock: AwsClock,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Upstream {
    /// Makes the client.
    ///
    /// # Errors
    ///
    /// A proxy address or a CA bundle that cannot be used.
    pub fn new(options: UpstreamOptions, clock: SharedClock) -> Result<Self, String> {
        let trust = options
            .ca_bundle
            .as_ref()
            .map_or(Trust::Platform, |path| Trust::Bundle(path.into()));
        let platform = build(&options, &trust).map_err(|error| {
            let causes: Vec<String> = failure::causes(&error).map(ToString::to_string).collect();
            causes.join(": ")
        })?;
        let direct = without_proxy(options.connect_timeout, |builder| builder)?;
        let fetcher = Fetcher::new(options.connect_timeout, direct.clone())?;
        Ok(Self {
            platform,
            direct,
            others: RwLock::default(),
            fetcher,
            clock: AwsClock::new(clock),
            options,
        })
    }

    /// Signs (or sets the bearer) and sends one request to a place that the machine trusts.
    ///
    /// # Errors
    ///
    /// There was no answer. An answer with an error status is an answer.
    pub async fn send(
        &self,
        request: &WireRequest,
        credentials: &Credentials,
        region: &str,
    ) -> Result<Response, SendError> {
        self.send_trusting(&Trust::Platform, request, credentials, region)
            .await
    }

    /// Signs and sends one request over connections that trust what `trust` says; returns as soon as the head of the answer
    /// is there.
    ///
    /// # Errors
    ///
    /// There was no answer. An answer with an error status is an answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn send_trusting(
        &self,
        trust: &Trust,
        request: &WireRequest,
        credentials: &Credentials,
        region: &str,
    ) -> Result<Response, SendError> {
        let url = address::read(&request.url)?;
        self.send_to(url, trust, request, credentials, region).await
    }

    /// The same, to the address of `request` as it was read.
    ///
    /// # Errors
    ///
    /// As [`Self::send_trusting`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn send_to(
        &self,
        url: Url,
        trust: &Trust,
        request: &WireRequest,
        credentials: &Credentials,
        region: &str,
    ) -> Result<Response, SendError> {
        let time = self.clock.at(url.authority());
        let headers = headers::complete(request, credentials, region, time)?;
        self.exchange(
            trust,
            request.method.clone(),
            url,
            headers,
            request.body.clone(),
        )
        .await
    }

    /// Sends one request as it is.
    pub(super) async fn exchange(
        &self,
        trust: &Trust,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, SendError> {
        execute(&self.client(trust)?, method, url, headers, body).await
    }

    /// Asks a neighbour that no proxy stands before: a metadata service.
    pub(super) async fn exchange_directly(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
    ) -> Result<Response, SendError> {
        execute(&self.direct, method, url, headers, Bytes::new()).await
    }

    fn client(&self, trust: &Trust) -> Result<Client, SendError> {
        if *trust == Trust::Platform {
            return Ok(self.platform.clone());
        }
        let known = self.others.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known.get(trust) {
            return Ok(client.clone());
        }
        drop(known);
        let client = build(&self.options, trust)?;
        let mut known = self.others.write().unwrap_or_else(PoisonError::into_inner);
        Ok(known.entry(trust.clone()).or_insert(client).clone())
    }

    /// Takes over the time of the host of `url` from the `date` header of its answer, which says that ours is wrong; `wall`
    /// is the wall clock when the answer came. It counts for that host only. Says whether that changed it by more than a
    /// few seconds, so that signing again may help.
    pub fn correct_clock(&self, url: &str, headers: &HeaderMap, wall: SystemTime) -> bool {
        Url::parse(url).is_ok_and(|url| self.clock.correct(url.authority(), headers, wall))
    }

    pub(super) fn clock(&self) -> &AwsClock {
        &self.clock
    }

    pub(super) fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }
}

async fn execute(
    client: &Client,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, SendError> {
    let mut request = reqwest::Request::new(method, url);
    *request.headers_mut() = headers;
    *request.body_mut() = Some(body.into());
    let response = client
        .execute(request)
        .await
        .map_err(SendError::from_reqwest)?;
    let (parts, body) = http::Response::<reqwest::Body>::from(response).into_parts();
    Ok(Response {
        status: parts.status,
        headers: parts.headers,
        body: Body::new(body),
    })
}

fn build(options: &UpstreamOptions, trust: &Trust) -> Result<Client, SendError> {
    let tls = |error: Box<dyn std::error::Error + Send + Sync>| {
        SendError::because(SendFailure::Tls, error)
    };
    let certificates = match trust {
        Trust::Bundle(path) => {
            let pem = std::fs::read(path).map_err(|error| tls(error.into()))?;
            reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| tls(error.into()))?
        }
        Trust::Platform | Trust::Anybody => Vec::new(),
    };
    let proxies = proxies(options)?;
    let make = || {
        let builder = proxies
            .iter()
            .fold(base(options.connect_timeout), |builder, proxy| {
                builder.proxy(proxy.clone())
            });
        match trust {
            Trust::Platform => builder,
            Trust::Anybody => builder.tls_danger_accept_invalid_certs(true),
            Trust::Bundle(_) => builder.tls_certs_only(certificates.clone()),
        }
    };
    built(make).map_err(|error| SendError::because(SendFailure::Request, error))
}

fn proxies(options: &UpstreamOptions) -> Result<Vec<Proxy>, SendError> {
    let written = options.no_proxy.as_deref().unwrap_or_default();
    let direct = reqwest::NoProxy::from_string(&format!("{written},{THIS_MACHINE}"));
    let proxy = |address: &Option<Secret>, make: fn(String) -> reqwest::Result<Proxy>| {
        let address = address.as_ref()?;
        Some(make(address.expose().to_owned()))
    };
    let https = proxy(&options.https_proxy, Proxy::https);
    let http = proxy(&options.http_proxy, Proxy::http);
    [https, http]
        .into_iter()
        .flatten()
        .map(|proxy| match proxy {
            Ok(proxy) => Ok(proxy.no_proxy(direct.clone())),
            Err(error) => Err(SendError::because(
                SendFailure::Address,
                error.without_url(),
            )),
        })
        .collect()
}

/// Builds a client that never uses a proxy.
pub(super) fn without_proxy(
    connect_timeout: Duration,
    more: impl Fn(ClientBuilder) -> ClientBuilder,
) -> Result<Client, String> {
    built(|| more(base(connect_timeout))).map_err(|error| error.to_string())
}

/// Builds a client. On a machine without any CA certificates (a bare container) it is one that trusts nobody: the simulator
/// and plain http work there all the same.
fn built(make: impl Fn() -> ClientBuilder) -> reqwest::Result<Client> {
    make().build().or_else(|error| {
        let client = make().tls_certs_only([]).build().map_err(|_| error)?;
        tracing::warn!("no CA certificates were found on this machine: https will fail");
        Ok(client)
    })
}

/// What every client of ours has in common.
fn base(connect_timeout: Duration) -> ClientBuilder {
    Client::builder()
        .http1_only()
        .no_proxy()
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(POOL_IDLE_PER_HOST)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("switchyard/", env!("CARGO_PKG_VERSION")))
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
