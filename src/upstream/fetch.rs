//! Media that a client named by URL: fetched without trusting the URL.
//!
//! A stranger chose the address, and we stand inside the operator's network. So: http(s) only; names are resolved by us and
//! the connection goes to one of the addresses that were checked (no second lookup to rebind); addresses that are not on
//! the open Internet are refused unless the operator listed the host; every redirect is checked again; size and time are
//! bounded. The operator's proxy is not used: it would resolve the name itself, and stands inside too.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use url::{Host, Url};

use super::Upstream;
use super::body::Body;
use super::client;
use super::failure::{self, SendError, SendFailure};
use super::media_type;
use super::network::is_public;
use crate::error::{Error, ErrorKind};

/// Largest file that is fetched: 20 MiB. Bedrock takes images to 3.75 MB, documents to 4.5 MB and a whole request to 20 MB
/// or so; the rest must come as `s3://`.
const MAX_BYTES: usize = 20 * 1024 * 1024;

/// Bound on one file, redirects and waiting for a turn included.
const TOTAL_TIME: Duration = Duration::from_secs(10);

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 3;

/// How many files are fetched at once, for all clients: with [`MAX_BYTES`], what files on their way can take (320 MiB).
/// What a call keeps of them is bounded by its [`FetchBudget`], and the number of calls by the operator.
const MAX_AT_ONCE: usize = 16;

/// Largest sum of the files of one call.
const MAX_CALL_BYTES: usize = 50 * 1024 * 1024;

/// A file that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its content.
    pub bytes: Bytes,
    /// Its MIME type in lower case, without parameters: the server's word, else the file name's extension.
    pub mime: Option<String>,
}

/// How many bytes the files of one call may still have, together. Shared by fetches that run side by side.
#[derive(Debug)]
pub struct FetchBudget(AtomicUsize);

impl Default for FetchBudget {
    fn default() -> Self {
        Self::new(MAX_CALL_BYTES)
    }
}

impl FetchBudget {
    /// Makes a budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    /// Takes bytes out; says whether they were there.
    fn take(&self, bytes: usize) -> bool {
        let rest = |left: usize| left.checked_sub(bytes);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest)
            .is_ok()
    }
}

impl Upstream {
    /// Fetches a file that a client named, within what its call may still take.
    ///
    /// `allowed_hosts` (`litellm_settings.user_url_allowed_hosts`) are `host` or `host:port`; they may have private addresses.
    ///
    /// # Errors
    ///
    /// 400 if the URL may not be fetched, leads to nobody who answers, is too large, or its server says 4xx; 502 if its
    /// server fails.
    pub async fn fetch(
        &self,
        url: &str,
        allowed_hosts: &[String],
        budget: &FetchBudget,
    ) -> Result<Fetched, Error> {
        self.fetcher().fetch(url, allowed_hosts, budget).await
    }
}

/// Fetches files from anywhere that is allowed.
#[derive(Debug)]
pub(super) struct Fetcher {
    /// Connects to public addresses only.
    guarded: Client,
    /// Connects anywhere: for hosts that the operator listed.
    open: Client,
    turns: Semaphore,
}

impl Fetcher {
    /// Makes a fetcher; `open` is a client without a proxy.
    pub(super) fn new(connect_timeout: Duration, open: Client) -> Result<Self, String> {
        let guarded =
            client::without_proxy(connect_timeout, |builder| builder.dns_resolver(PublicOnly))?;
        Ok(Self {
            guarded,
            open,
            turns: Semaphore::new(MAX_AT_ONCE),
        })
    }

    async fn fetch(
        &self,
        url: &str,
        allowed_hosts: &[String],
        budget: &FetchBudget,
    ) -> Result<Fetched, Error> {
        let url = Url::parse(url).map_err(|_| refused("a media URL is not a valid URL"))?;
        let shown = shown(&url);
        let bounded = async {
            let _turn = self.turns.acquire().await;
            self.follow(url, allowed_hosts, budget).await
        };
        let failure = match tokio::time::timeout(TOTAL_TIME, bounded).await {
            Ok(Ok(fetched)) => return Ok(fetched),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::Upstream(
                format!("no whole answer within {} s", TOTAL_TIME.as_secs()),
                None,
            ),
        };
        Err(match failure {
            Failure::Refused(why) => refused(&format!("cannot fetch {shown}: {why}")),
            Failure::Upstream(why, cause) => {
                let error = Error::new(ErrorKind::Garbled, format!("cannot fetch {shown}: {why}"));
                match cause {
                    Some(cause) => error.with_source(cause),
                    None => error,
                }
            }
        })
    }

    async fn follow(
        &self,
        mut url: Url,
        allowed_hosts: &[String],
        budget: &FetchBudget,
    ) -> Result<Fetched, Failure> {
        for _ in 0..=MAX_REDIRECTS {
            let response = self.get(&url, allowed_hosts).await?;
            let status = response.status();
            if let Some(target) = redirect(&url, status, response.headers())? {
                url = target;
                continue;
            }
            if status.is_client_error() {
                return Err(Failure::Refused(format!(
                    "its server answered {}",
                    status.as_u16()
                )));
            }
            if !status.is_success() {
                return Err(Failure::Upstream(
                    format!("its server answered {}", status.as_u16()),
                    None,
                ));
            }
            return read(&url, response, budget).await;
        }
        Err(Failure::Refused(format!(
            "more than {MAX_REDIRECTS} redirects"
        )))
    }

    async fn get(&self, url: &Url, allowed_hosts: &[String]) -> Result<reqwest::Response, Failure> {
        let client = match permission(url, allowed_hosts)? {
            Permission::Listed => &self.open,
            Permission::PublicOnly => &self.guarded,
        };
        let mut request = reqwest::Request::new(http::Method::GET, without_credentials(url));
        request.headers_mut().insert(
            header::ACCEPT_ENCODING,
            http::HeaderValue::from_static("identity"),
        );
        client.execute(request).await.map_err(|error| {
            if failure::causes(&error).any(<dyn std::error::Error>::is::<NotPublic>) {
                return not_public();
            }
            let error = SendError::from_reqwest(error);
            // Who names a host that is not there has named the wrong one.
            let why = match error.failure() {
                SendFailure::Dns => "its host name could not be resolved",
                SendFailure::Tls => "the TLS handshake failed",
                SendFailure::Timeout => "connecting took too long",
                SendFailure::Connect => "the connection was refused",
                _ => return Failure::Upstream("the connection broke".to_owned(), Some(error)),
            };
            Failure::Refused(why.to_owned())
        })
    }
}

/// Why a file was not fetched.
#[derive(Debug)]
enum Failure {
    /// Because of what the client asked for.
    Refused(String),
    /// Because the file's server failed.
    Upstream(String, Option<SendError>),
}

fn not_public() -> Failure {
    Failure::Refused("its address is not on the public Internet".to_owned())
}

fn refused(message: &str) -> Error {
    Error::bad_request("messages", message)
}

#[derive(Debug, PartialEq, Eq)]
enum Permission {
    /// The operator listed the host.
    Listed,
    /// Its addresses must be public; a name's are checked when it is resolved.
    PublicOnly,
}

/// Decides whether `url` may be fetched at all.
fn permission(url: &Url, allowed_hosts: &[String]) -> Result<Permission, Failure> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Failure::Refused(
            "only http and https are fetched".to_owned(),
        ));
    }
    let (Some(host), Some(name)) = (url.host(), url.host_str()) else {
        return Err(Failure::Refused("it names no host".to_owned()));
    };
    let port = url.port_or_known_default();
    let listed = allowed_hosts.iter().any(|allowed| {
        let rest = match allowed.get(..name.len()) {
            Some(start) if start.eq_ignore_ascii_case(name) => allowed.get(name.len()..),
            _ => None,
        };
        match rest {
            Some("") => true,
            Some(rest) => rest
                .strip_prefix(':')
                .is_some_and(|text| text.parse().ok() == port),
            None => false,
        }
    });
    if listed {
        return Ok(Permission::Listed);
    }
    // An address needs no lookup, so the client would not ask the resolver.
    let public = match host {
        Host::Domain(_) => true,
        Host::Ipv4(address) => is_public(address.into()),
        Host::Ipv6(address) => is_public(address.into()),
    };
    if public {
        Ok(Permission::PublicOnly)
    } else {
        Err(not_public())
    }
}

fn redirect(from: &Url, status: StatusCode, headers: &HeaderMap) -> Result<Option<Url>, Failure> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    headers
        .get(header::LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| from.join(location).ok())
        .map(Some)
        .ok_or_else(|| Failure::Upstream("it redirects to nowhere".to_owned(), None))
}

async fn read(
    url: &Url,
    response: reqwest::Response,
    budget: &FetchBudget,
) -> Result<Fetched, Failure> {
    let (parts, body) = http::Response::<reqwest::Body>::from(response).into_parts();
    if parts.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Failure::Refused(
            "its server sent it compressed without being asked".to_owned(),
        ));
    }
    let bytes = collect(Body::new(body), budget).await?;
    let mime = media_type::declared(&parts.headers)
        .or_else(|| media_type::by_extension(url.path()).map(str::to_owned));
    Ok(Fetched { bytes, mime })
}

/// Reads the whole body, taking every piece out of the budget before it is kept.
async fn collect(mut body: Body, budget: &FetchBudget) -> Result<Bytes, Failure> {
    let too_large =
        || Failure::Refused(format!("it is larger than {} MiB", MAX_BYTES / 1024 / 1024));
    let announced = body.announced();
    if announced > MAX_BYTES {
        return Err(too_large());
    }
    let mut whole = BytesMut::new();
    while let Some(piece) = body.data().await {
        let broke = |error| Failure::Upstream("the connection broke".to_owned(), Some(error));
        let piece = piece.map_err(broke)?;
        if whole.len() + piece.len() > MAX_BYTES {
            return Err(too_large());
        }
        if !budget.take(piece.len()) {
            return Err(Failure::Refused(format!(
                "the files of one request may have {} MiB together",
                MAX_CALL_BYTES / 1024 / 1024
            )));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// The URL as messages name it: a query or a password in it may be secret.
fn shown(url: &Url) -> String {
    let mut url = without_credentials(url);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

fn without_credentials(url: &Url) -> Url {
    let mut url = url.clone();
    // Fails only for URLs that cannot have credentials.
    let _unchanged = url.set_username("").is_err() || url.set_password(None).is_err();
    url
}

/// Resolves names, and leaves out every address that is not public.
#[derive(Debug)]
struct PublicOnly;

/// A name has no public address.
#[derive(Debug)]
struct NotPublic;

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name has no public address")
    }
}

impl std::error::Error for NotPublic {}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.is_empty() {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            let public: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| is_public(address.ip()))
                .collect();
            if public.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
