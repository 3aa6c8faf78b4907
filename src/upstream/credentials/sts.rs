//! The security token service: three calls, form in, XML out.
//!
//! Spoken through our own client and signer, so that `ssl_verify`, proxies, the endpoint override and the corrected clock
//! hold here too. Source: <https://docs.aws.amazon.com/STS/latest/APIReference/>.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use url::{Url, form_urlencoded};

use super::Credentials;
use super::identity::{Role, StsPlace, WebIdentity};
use crate::config::Secret;
use crate::provider::WireRequest;
use crate::provider::bedrock::url::Service;
use crate::upstream::failure::{SendError, SendFailure};
use crate::upstream::{Response, Trust, Upstream};

/// Largest answer that is read; real ones have about 2 KB.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// How often one call is sent when STS fails for a moment.
const ATTEMPTS: usize = 2;

/// The security token service, as one identity sees it.
#[derive(Debug)]
pub(super) struct Sts<'a> {
    upstream: &'a Upstream,
    trust: &'a Trust,
    place: &'a StsPlace,
}

/// Why STS gave nothing.
#[derive(Debug)]
pub(super) enum StsFailure {
    /// No answer.
    Unreachable(SendError),
    /// An answer that says nothing.
    Garbled,
    /// A refusal.
    Refused(Refusal),
}

/// What STS refused, in its own words.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    operation: &'static str,
    code: String,
    message: String,
}

impl StsFailure {
    /// Says whether the caller may not do this.
    pub(super) fn is_denial(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.code.starts_with("AccessDenied"))
    }

    fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(error) => error.failure() != SendFailure::Address,
            Self::Garbled => true,
            Self::Refused(refusal) => refusal.is_passing(),
        }
    }
}

impl Refusal {
    /// Says whether the same call may succeed a moment later.
    pub(super) fn is_passing(&self) -> bool {
        self.status.is_server_error()
            || self.status == StatusCode::TOO_MANY_REQUESTS
            || matches!(
                self.code.as_str(),
                "Throttling"
                    | "ThrottlingException"
                    | "RequestLimitExceeded"
                    | "IDPCommunicationError"
            )
    }

    /// Says whether the credentials themselves are bad, although the status is 403 like that of a denial.
    pub(super) fn is_about_tokens(&self) -> bool {
        matches!(
            self.code.as_str(),
            "InvalidClientTokenId"
                | "InvalidIdentityToken"
                | "ExpiredToken"
                | "ExpiredTokenException"
                | "IDPRejectedClaim"
                | "SignatureDoesNotMatch"
                | "UnrecognizedClientException"
        )
    }
}

/// boto3's sentence: it is what people search for.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            operation,
            message,
            ..
        } = self;
        write!(
            f,
            "An error occurred ({code}) when calling the {operation} operation: {message}"
        )
    }
}

type Form = Vec<(String, String)>;

impl<'a> Sts<'a> {
    pub(super) fn new(upstream: &'a Upstream, trust: &'a Trust, place: &'a StsPlace) -> Self {
        Self {
            upstream,
            trust,
            place,
        }
    }

    /// `AssumeRole`, signed by `base`.
    pub(super) async fn assume_role(
        &self,
        role: &Role,
        base: &Credentials,
    ) -> Result<Credentials, StsFailure> {
        let mut form = self.form("AssumeRole", &role.arn, role.session_name.as_deref());
        if let Some(id) = &role.external_id {
            form.push(("ExternalId".to_owned(), id.clone()));
        }
        for (place, (key, value)) in (1..).zip(&role.tags) {
            form.push((format!("Tags.member.{place}.Key"), key.clone()));
            form.push((format!("Tags.member.{place}.Value"), value.clone()));
        }
        let answer = self.call("AssumeRole", &form, base).await?;
        self.credentials(&answer)
    }

    /// `AssumeRoleWithWebIdentity`: the token stands for a signature. No session policy is sent, so the role means what it
    /// says.
    pub(super) async fn assume_role_with_web_identity(
        &self,
        web: &WebIdentity,
        token: &Secret,
    ) -> Result<Credentials, StsFailure> {
        let mut form = self.form(
            "AssumeRoleWithWebIdentity",
            &web.role,
            web.session_name.as_deref(),
        );
        form.push(("WebIdentityToken".to_owned(), token.expose().to_owned()));
        form.push(("DurationSeconds".to_owned(), "3600".to_owned()));
        if let Some(id) = &web.external_id {
            form.push(("ExternalId".to_owned(), id.clone()));
        }
        let answer = self
            .call("AssumeRoleWithWebIdentity", &form, &Credentials::None)
            .await?;
        self.credentials(&answer)
    }

    /// `GetCallerIdentity`: the ARN of whoever `base` belongs to.
    pub(super) async fn caller(&self, base: &Credentials) -> Result<String, StsFailure> {
        let form = action("GetCallerIdentity");
        let answer = self.call("GetCallerIdentity", &form, base).await?;
        element(&answer, "Arn").ok_or(StsFailure::Garbled)
    }

    /// Reads what was handed out. STS says when it expires by its own clock; what is kept is when that is by ours.
    fn credentials(&self, answer: &str) -> Result<Credentials, StsFailure> {
        let clock = self.upstream.clock();
        let in_own_time = |expires_at| clock.in_own_time(&self.host(), expires_at);
        credentials(answer, in_own_time).ok_or(StsFailure::Garbled)
    }

    fn host(&self) -> String {
        Url::parse(&self.place.endpoint)
            .map_or_else(|_| String::new(), |url| url.authority().into())
    }

    fn form(&self, operation: &str, role: &str, session_name: Option<&str>) -> Form {
        let session_name = session_name.map_or_else(
            || default_session_name(self.upstream.clock().own().wall()),
            str::to_owned,
        );
        let mut form = action(operation);
        form.push(("RoleArn".to_owned(), role.to_owned()));
        form.push(("RoleSessionName".to_owned(), session_name));
        form
    }

    /// Calls until STS answers, within bounds; a clock that STS calls wrong is corrected once.
    async fn call(
        &self,
        operation: &'static str,
        form: &Form,
        signer: &Credentials,
    ) -> Result<String, StsFailure> {
        let body = Bytes::from(
            form_urlencoded::Serializer::new(String::new())
                .extend_pairs(form)
                .finish(),
        );
        let mut attempt = 1;
        loop {
            let failure = match self.exchange(operation, body.clone(), signer).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err((failure, clock_corrected))) if !clock_corrected => failure,
                Ok(Err((failure, _))) if attempt >= ATTEMPTS => failure,
                Ok(Err(_)) => {
                    attempt += 1;
                    continue;
                }
                Err(failure) => failure,
            };
            if attempt >= ATTEMPTS || !failure.is_passing() {
                return Err(failure);
            }
            attempt += 1;
        }
    }

    /// Sends once. A refusal comes with whether the clock was corrected because of it.
    async fn exchange(
        &self,
        operation: &'static str,
        body: Bytes,
        signer: &Credentials,
    ) -> Result<Result<String, (StsFailure, bool)>, StsFailure> {
        let response = self
            .send(body, signer)
            .await
            .map_err(StsFailure::Unreachable)?;
        let Response {
            status,
            headers,
            body,
        } = response;
        let text = body
            .collect(MAX_ANSWER_BYTES)
            .await
            .map_err(StsFailure::Unreachable)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        if status.is_success() {
            // Where nothing is signed, nobody says that our clock is wrong; but the answer must not look expired.
            self.upstream.clock().correct_now(&self.host(), &headers);
            return Ok(Ok(text));
        }
        let refusal = Refusal {
            status,
            operation,
            code: element(&text, "Code").unwrap_or_else(|| status.as_u16().to_string()),
            message: element(&text, "Message").unwrap_or_else(|| "no message".to_owned()),
        };
        let says_clock = matches!(
            refusal.code.as_str(),
            "SignatureDoesNotMatch"
                | "RequestExpired"
                | "RequestTimeTooSkewed"
                | "InvalidSignatureException"
        );
        let corrected = says_clock && self.upstream.clock().correct_now(&self.host(), &headers);
        Ok(Err((StsFailure::Refused(refusal), corrected)))
    }

    async fn send(&self, body: Bytes, signer: &Credentials) -> Result<Response, SendError> {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        let request = WireRequest {
            method: Method::POST,
            url: self.place.endpoint.clone(),
            headers: vec![(header::CONTENT_TYPE, form)],
            body,
            service: Service::Sts.signing_name(),
        };
        self.upstream
            .send(self.trust, &request, signer, &self.place.region)
            .await
    }
}

fn action(operation: &str) -> Form {
    vec![
        ("Action".to_owned(), operation.to_owned()),
        ("Version".to_owned(), "2011-06-15".to_owned()),
    ]
}

fn default_session_name(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("litellm-session-{seconds}")
}

fn credentials(
    xml: &str,
    in_own_time: impl FnOnce(SystemTime) -> SystemTime,
) -> Option<Credentials> {
    let expiration = element(xml, "Expiration")?;
    let expires_at = DateTime::from_str(&expiration, Format::DateTimeWithOffset).ok()?;
    Some(Credentials::temporary(
        element(xml, "AccessKeyId")?,
        element(xml, "SecretAccessKey")?,
        Some(element(xml, "SessionToken")?),
        Some(in_own_time(SystemTime::try_from(expires_at).ok()?)),
    ))
}

/// The text of the first element with this name. Enough for STS: its elements have no attributes, and the names asked for
/// occur once.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(unescaped(text.trim()))
}

fn unescaped(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let text = text.replace("&lt;", "<").replace("&gt;", ">");
    let text = text
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&#39;", "'");
    // The last, so that nothing is unescaped twice.
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let xml = "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
            <AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s/+=</SecretAccessKey>\
            <SessionToken>\n tok \n</SessionToken><Expiration>2026-01-02T03:04:05Z</Expiration>\
            </Credentials></AssumeRoleResult></AssumeRoleResponse>";
        let Some(Credentials::Keys(keys)) = credentials(xml, |time| time) else {
            panic!("no keys");
        };
        assert_eq!(keys.access_key_id(), "ASIA1");
        assert_eq!(keys.secret_access_key().expose(), "s/+=");
        assert_eq!(keys.session_token().unwrap().expose(), "tok");
        let seconds = keys
            .expires_at()
            .unwrap()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        assert_eq!(seconds, 1_767_323_045);
    }

    #[test]
    fn entities_are_unescaped_once() {
        assert_eq!(
            unescaped("a &amp;lt; b &lt;c&gt; &quot;d&quot;"),
            "a &lt; b <c> \"d\""
        );
    }
}
