//! Tokens of other identity providers: where they are, and reading them.
//!
//! `aws_web_identity_token` is the token itself, a file's absolute path, a variable's name, or one of LiteLLM's `oidc/…`
//! references. A file is read each time: Kubernetes rotates it.

use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use url::Url;

use super::failures::{denied, unavailable};
use crate::config::{Environment, Secret, WebIdentityToken};
use crate::error::Error;
use crate::upstream::headers::bearer;
use crate::upstream::{Trust, Upstream};

/// Largest token that is read.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// Where a token is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum TokenPlace {
    /// Here.
    Literal(Secret),
    /// In a file.
    File(PathBuf),
    /// Given out by GitHub to a workflow.
    GitHub {
        url: String,
        key: Secret,
        audience: String,
    },
    /// Given out by Google's metadata service.
    Google { audience: String },
    /// Nowhere; the text says what is missing.
    Missing(String),
}

impl TokenPlace {
    /// Finds where a token is; a caller's is here, whatever it looks like.
    pub(super) fn of(token: &WebIdentityToken, environment: &Environment) -> Self {
        match token {
            WebIdentityToken::Reference(written) => {
                Self::referred_to(written.expose(), environment)
            }
            WebIdentityToken::Literal(token) => Self::Literal(token.clone()),
        }
    }

    /// Reads what an operator wrote as `aws_web_identity_token`.
    pub(super) fn referred_to(written: &str, environment: &Environment) -> Self {
        let Some(reference) = written.strip_prefix("oidc/") else {
            return match environment.get(written) {
                Some(value) => Self::Literal(Secret::new(value)),
                None if written.starts_with('/') => Self::File(PathBuf::from(written)),
                None => Self::Literal(Secret::new(written)),
            };
        };
        let (kind, rest) = reference.split_once('/').unwrap_or((reference, ""));
        let variable = |name: &str| match environment.get(name) {
            Some(value) => Self::Literal(Secret::new(value)),
            None => Self::Missing(format!("the variable {name} is not set")),
        };
        let file_in = |name: &str| match environment.get(name) {
            Some(path) => Self::File(PathBuf::from(path)),
            None => Self::Missing(format!("the variable {name} is not set")),
        };
        match kind {
            "env" => variable(rest),
            "env_path" => file_in(rest),
            "file" => Self::File(PathBuf::from(rest)),
            "circleci" => variable("CIRCLE_OIDC_TOKEN"),
            "circleci_v2" => variable("CIRCLE_OIDC_TOKEN_V2"),
            "azure" => file_in("AZURE_FEDERATED_TOKEN_FILE"),
            "google" => Self::Google {
                audience: rest.to_owned(),
            },
            "github" => {
                let url = environment.get("ACTIONS_ID_TOKEN_REQUEST_URL");
                let key = environment.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
                match (url, key) {
                    (Some(url), Some(key)) => Self::GitHub {
                        url: url.to_owned(),
                        key: Secret::new(key),
                        audience: rest.to_owned(),
                    },
                    _ => Self::Missing(
                        "ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN are not set".to_owned(),
                    ),
                }
            }
            _ => Self::Missing(format!("oidc/{kind} is not known")),
        }
    }

    /// Reads the token.
    ///
    /// # Errors
    ///
    /// 401 if there is none, 503 if its giver is away.
    pub(super) async fn read(&self, upstream: &Upstream) -> Result<Secret, Error> {
        let missing = |what: &str| {
            denied(format!(
                "Unable to locate credentials: no web identity token: {what}"
            ))
        };
        let text = match self {
            Self::Literal(token) => return Ok(token.clone()),
            Self::Missing(what) => return Err(missing(what)),
            Self::File(path) => tokio::fs::read_to_string(path).await.map_err(|error| {
                let what = format!("its file cannot be read ({})", error.kind());
                missing(&what).with_source(error)
            })?,
            Self::GitHub { url, key, audience } => github(upstream, url, key, audience).await?,
            Self::Google { audience } => google(upstream, audience).await?,
        };
        let token = text.trim();
        if token.is_empty() {
            return Err(missing("it is empty"));
        }
        Ok(Secret::new(token))
    }
}

async fn github(
    upstream: &Upstream,
    url: &str,
    key: &Secret,
    audience: &str,
) -> Result<String, Error> {
    #[derive(Deserialize)]
    struct Answer {
        value: String,
    }
    let mut url = Url::parse(url)
        .map_err(|error| denied("the GitHub token URL is not a URL").with_source(error))?;
    if !audience.is_empty() {
        url.query_pairs_mut().append_pair("audience", audience);
    }
    let mut headers = HeaderMap::new();
    headers.insert(
        header::AUTHORIZATION,
        bearer(key.expose()).map_err(Error::from)?,
    );
    headers.insert(
        header::ACCEPT,
        HeaderValue::from_static("application/json; api-version=2.0"),
    );
    let response = upstream
        .exchange(&Trust::Platform, Method::GET, url, headers, Bytes::new())
        .await?;
    let body = body("GitHub", response).await?;
    let answer: Answer = serde_json::from_slice(&body)
        .map_err(|error| unavailable("GitHub's token answer cannot be read").with_source(error))?;
    Ok(answer.value)
}

async fn google(upstream: &Upstream, audience: &str) -> Result<String, Error> {
    const IDENTITY: &str = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/identity";
    let url = Url::parse_with_params(IDENTITY, [("audience", audience)])
        .map_err(|error| denied("the audience cannot be used").with_source(error))?;
    let mut headers = HeaderMap::new();
    headers.insert("metadata-flavor", HeaderValue::from_static("Google"));
    let response = upstream
        .exchange_directly(Method::GET, url, headers)
        .await?;
    let body = body("Google's metadata service", response).await?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

async fn body(giver: &str, response: crate::upstream::Response) -> Result<Bytes, Error> {
    let status = response.status;
    if status.is_server_error() {
        return Err(unavailable(format!(
            "{giver} answered {status} instead of a token"
        )));
    }
    if !status.is_success() {
        return Err(denied(format!(
            "{giver} answered {status} instead of a token"
        )));
    }
    Ok(response.body.collect(MAX_TOKEN_BYTES).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        [
            ("TOKEN", "from-env"),
            ("TOKEN_PATH", "/var/token"),
            ("CIRCLE_OIDC_TOKEN", "circle"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect()
    }

    #[test]
    fn callers_token_is_never_looked_up() {
        for written in ["TOKEN", "oidc/env/TOKEN", "/var/token", "os.environ/TOKEN"] {
            let token = Secret::new(written);
            assert_eq!(
                TokenPlace::of(&WebIdentityToken::Literal(token.clone()), &environment()),
                TokenPlace::Literal(token)
            );
        }
        assert_eq!(
            TokenPlace::of(
                &WebIdentityToken::Reference(Secret::new("TOKEN")),
                &environment()
            ),
            TokenPlace::Literal(Secret::new("from-env"))
        );
    }

    #[test]
    fn references_are_read() {
        let literal = |text: &str| TokenPlace::Literal(Secret::new(text));
        for (written, expected) in [
            ("eyJh.eyJz.sig", literal("eyJh.eyJz.sig")),
            ("TOKEN", literal("from-env")),
            ("oidc/env/TOKEN", literal("from-env")),
            ("oidc/circleci/", literal("circle")),
            (
                "oidc/env_path/TOKEN_PATH",
                TokenPlace::File("/var/token".into()),
            ),
            (
                "oidc/file//run/token",
                TokenPlace::File("/run/token".into()),
            ),
            ("/run/token", TokenPlace::File("/run/token".into())),
            (
                "oidc/google/https://aud/x",
                TokenPlace::Google {
                    audience: "https://aud/x".into(),
                },
            ),
            (
                "oidc/github/aud",
                TokenPlace::Missing("ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN are not set".into()),
            ),
            (
                "oidc/env/NONE",
                TokenPlace::Missing("the variable NONE is not set".into()),
            ),
        ] {
            assert_eq!(
                TokenPlace::referred_to(written, &environment()),
                expected,
                "{written}"
            );
        }
    }
}
