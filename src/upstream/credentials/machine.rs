//! Credentials that the machine gives to what runs on it: a container's endpoint, an instance's metadata service.

use std::time::{Duration, SystemTime};

use aws_config::imds;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use url::Url;

use super::Credentials;
use super::ambient::{Container, ContainerToken, Instance};
use super::failures::{denied, from_sdk, unavailable};
use crate::config::Secret;
use crate::error::Error;
use crate::upstream::{Response, Upstream};

/// Largest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Asks the endpoint of ECS or of EKS Pod Identity.
///
/// # Errors
///
/// 401 if it refuses, 503 if it is away.
pub(super) async fn container(
    upstream: &Upstream,
    container: &Container,
) -> Result<Credentials, Error> {
    let nothing = |what: &str| denied(format!("Unable to locate credentials: {what}"));
    let url = container.url.as_deref().map_err(|what| nothing(what))?;
    let url = Url::parse(url)
        .map_err(|error| nothing("the container's endpoint is not a URL").with_source(error))?;
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(token) = &container.token {
        let token = match token {
            ContainerToken::Literal(token) => token.clone(),
            ContainerToken::File(path) => Secret::new(
                tokio::fs::read_to_string(path)
                    .await
                    .map_err(|error| {
                        nothing("the container's token file cannot be read").with_source(error)
                    })?
                    .trim(),
            ),
        };
        let mut value = HeaderValue::from_str(token.expose()).map_err(|error| {
            nothing("the container's token is not a header value").with_source(error)
        })?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    let response = upstream
        .exchange_directly(Method::GET, url, headers)
        .await?;
    read(response).await
}

/// What ECS and EKS answer.
/// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

async fn read(response: Response) -> Result<Credentials, Error> {
    const WHO: &str = "the container's credentials endpoint";
    let status = response.status;
    if !status.is_success() {
        let message = format!("Unable to locate credentials: {WHO} answered {status}");
        let passes = status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS;
        return Err(if passes {
            unavailable(message)
        } else {
            denied(message)
        });
    }
    let body = response.body.collect(MAX_ANSWER_BYTES).await?;
    // The parser's error could quote the secret, so it is not kept.
    let unreadable = || unavailable(format!("the answer of {WHO} cannot be read"));
    let answer: Answer = serde_json::from_slice(&body).map_err(|_| unreadable())?;
    let expires_at = match &answer.expiration {
        None => None,
        Some(text) => Some(
            DateTime::from_str(text, Format::DateTimeWithOffset)
                .ok()
                .and_then(|time| SystemTime::try_from(time).ok())
                .ok_or_else(unreadable)?,
        ),
    };
    Ok(Credentials::temporary(
        answer.access_key_id,
        answer.secret_access_key,
        answer.token,
        expires_at,
    ))
}

/// Asks the metadata service of an EC2 instance (IMDSv2); `None` if this machine has none.
///
/// # Errors
///
/// 401 if it is there and refuses.
pub(super) async fn instance(instance: &Instance) -> Result<Option<Credentials>, Error> {
    let client = imds::Client::builder()
        .endpoint(&instance.endpoint)
        .map_err(|_| denied("AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL"))?
        // Elsewhere than on EC2 nobody answers, and every caller waits for that.
        .max_attempts(2)
        .connect_timeout(Duration::from_secs(1))
        .read_timeout(Duration::from_secs(2))
        .build();
    let provider = imds::credentials::ImdsCredentialsProvider::builder()
        .imds_client(client)
        .build();
    match provider.provide_credentials().await {
        Ok(credentials) => Ok(Some(credentials.into())),
        Err(error) => from_sdk("the instance's metadata service", error),
    }
}
