//! Plays STS: `AssumeRole`, `AssumeRoleWithWebIdentity` and `GetCallerIdentity`, in the query protocol.
//!
//! Issued keys sign like any other until they expire. A role whose name contains `denied` may not be assumed; one
//! whose name contains `external` needs an external id; a web identity token that contains `expired` is refused.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::body::ReplyBody;
use super::clock;
use super::dispatch::{Answered, Call};
use super::error::AwsError;
use super::keys::AccessKey;
use super::sigv4::{Authorization, Signed, hmac, push_hex};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const DEFAULT_LIFETIME: Duration = Duration::from_hours(1);
const ACCOUNT: &str = "123456789012";

/// The fields of the form that a client posts.
struct Form(Vec<(String, String)>);

impl Form {
    fn parse(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    }

    fn require(&self, name: &str) -> Result<&str, AwsError> {
        self.get(name).ok_or_else(|| {
            let member = format!("{}{}", name.get(..1).unwrap_or_default().to_lowercase(), name.get(1..).unwrap_or_default());
            let message = format!(
                "1 validation error detected: Value null at '{member}' failed to satisfy constraint: \
                 Member must not be null"
            );
            AwsError::new("ValidationError", 400, message)
        })
    }
}

/// Answers `POST /`. Errors are XML too, so they do not leave as Bedrock's.
pub(super) fn answer(signed: &Signed<'_>, call: &Call<'_>) -> Answered {
    call.shared.sts_calls_total.fetch_add(1, Ordering::AcqRel);
    call.directions.strike(call.shared)?;
    let form = Form::parse(call.body);
    let result = match form.get("Action") {
        Some("AssumeRole") => assume_role(signed, &form, call),
        Some("AssumeRoleWithWebIdentity") => assume_with_web_identity(&form, call),
        Some("GetCallerIdentity") => caller_identity(signed, call),
        other => {
            let message = format!(
                "Could not find operation {} for version 2011-06-15",
                other.unwrap_or_default()
            );
            Err(AwsError::new("InvalidAction", 400, message))
        }
    };
    let request_id = call.request_id.to_str().unwrap_or_default();
    Ok(match result {
        Ok((operation, inner)) => xml(
            StatusCode::OK,
            &format!(
                "<{operation}Response xmlns=\"{NAMESPACE}\"><{operation}Result>{inner}</{operation}Result>\
                 <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
            ),
        ),
        Err(error) => xml(
            StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST),
            &format!(
                "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{}</Code>\
                 <Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
                // The query protocol drops the ending that the JSON protocol has.
                error.name.trim_end_matches("Exception"),
                escape(&error.message)
            ),
        ),
    })
}

type Result<T, E = AwsError> = std::result::Result<T, E>;

fn assume_role(
    signed: &Signed<'_>,
    form: &Form,
    call: &Call<'_>,
) -> Result<(&'static str, String)> {
    call.shared.auth.check(signed, "sts")?;
    let (arn, session) = (form.require("RoleArn")?, form.require("RoleSessionName")?);
    let role = role_name(arn)?;
    let lacks_external_id = role.contains("external") && form.get("ExternalId").is_none();
    if role.contains("denied") || lacks_external_id {
        return Err(AwsError::new(
            "AccessDenied",
            403,
            format!(
                "User: arn:aws:iam::{ACCOUNT}:user/simulated is not authorized to perform: sts:AssumeRole on resource: {arn}"
            ),
        ));
    }
    Ok(("AssumeRole", issue(form, role, session, call)?))
}

fn assume_with_web_identity(form: &Form, call: &Call<'_>) -> Result<(&'static str, String)> {
    let (arn, session) = (form.require("RoleArn")?, form.require("RoleSessionName")?);
    let token = form.require("WebIdentityToken")?;
    let role = role_name(arn)?;
    if token.contains("expired") {
        return Err(AwsError::new(
            "ExpiredTokenException",
            400,
            "Token expired: current date/time must be before the expiration date/time",
        ));
    }
    if role.contains("denied") {
        let message = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
        return Err(AwsError::new("AccessDenied", 403, message));
    }
    let issued = issue(form, role, session, call)?;
    let inner = format!(
        "{issued}<SubjectFromWebIdentityToken>simulated-subject</SubjectFromWebIdentityToken>\
         <Audience>sts.amazonaws.com</Audience>"
    );
    Ok(("AssumeRoleWithWebIdentity", inner))
}

fn caller_identity(signed: &Signed<'_>, call: &Call<'_>) -> Result<(&'static str, String)> {
    call.shared.auth.check(signed, "sts")?;
    let value = signed
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let id = value
        .and_then(|value| Authorization::parse(value).ok())
        .map_or("", |parsed| parsed.access_key_id);
    let id = escape(id);
    let inner = format!(
        "<Arn>arn:aws:iam::{ACCOUNT}:user/simulated</Arn><UserId>{id}</UserId><Account>{ACCOUNT}</Account>"
    );
    Ok(("GetCallerIdentity", inner))
}

fn role_name(arn: &str) -> Result<&str> {
    let name = arn
        .strip_prefix("arn:")
        .and_then(|rest| rest.split_once(":role/"))
        .map(|(_, name)| name);
    name.filter(|name| !name.is_empty())
        .ok_or_else(|| AwsError::new("ValidationError", 400, format!("{arn} is invalid")))
}

/// Issues a key and describes it.
fn issue(form: &Form, role: &str, session: &str, call: &Call<'_>) -> Result<String> {
    let asked = match form.get("DurationSeconds").map(str::parse::<u64>) {
        None => None,
        Some(Ok(seconds @ 900..=43_200)) => Some(Duration::from_secs(seconds)),
        Some(_) => {
            let message = "1 validation error detected: Value at 'durationSeconds' failed to satisfy constraint: \
                           Member must have value between 900 and 43200";
            return Err(AwsError::new("ValidationError", 400, message));
        }
    };
    let lifetime = call
        .shared
        .sts_lifetime
        .or(asked)
        .unwrap_or(DEFAULT_LIFETIME);
    let expires_at = clock::now() + lifetime;
    let mut digits = String::new();
    let seed = hmac(
        b"issued by the simulator",
        format!("{role}\n{session}\n{}", call.number).as_bytes(),
    );
    push_hex(&seed, &mut digits);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    let key = AccessKey {
        id: format!("ASIA{}", part(0, 16).to_uppercase()),
        secret: format!("sim/{}", part(16, 52)),
        session_token: Some(format!("sim-session/{}/{}=", part(0, 32), part(32, 64))),
        expired: false,
    };
    let token = key.session_token.clone().unwrap_or_default();
    let expiration = clock::iso_date(clock::unix_seconds(expires_at));
    let described = format!(
        "<AssumedRoleUser><Arn>arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}</Arn>\
         <AssumedRoleId>AROASIMULATEDROLE0001:{session}</AssumedRoleId></AssumedRoleUser>\
         <Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
         <SessionToken>{token}</SessionToken><Expiration>{expiration}</Expiration></Credentials>",
        key.id,
        key.secret,
        role = escape(role),
        session = escape(session),
    );
    call.shared.auth.keys.add(key, Some(expires_at));
    Ok(described)
}

fn xml(status: StatusCode, body: &str) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::whole(Bytes::copy_from_slice(body.as_bytes())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
