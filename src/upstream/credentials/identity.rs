//! Who a deployment is to AWS: decided from its parameters and the environment, without any I/O.
//!
//! An [`Identity`] holds everything that getting its credentials takes, so two that are equal can share one source, and a
//! changed file or variable makes another. The order is LiteLLM's, with two repairs: a key pair and its token come from one
//! place or not at all, and the environment names a role or a profile only for deployments that name no credentials.

use std::path::PathBuf;

use super::ambient::Chain;
use super::token::TokenPlace;
use crate::config::{AwsParams, Environment, Secret};
use crate::upstream::Trust;

pub(super) use super::sts_place::StsPlace;

/// Who a deployment is to AWS, and how that is proven.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) method: Method,
    /// Whose certificates the security token service may have.
    pub(super) trust: Trust,
}

/// How an identity is proven.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Method {
    /// A Bedrock API key.
    Bearer { key: Secret, from: &'static str },
    /// A key pair that is written down.
    Pair { pair: Pair, from: &'static str },
    /// A token of another identity provider, changed into keys by STS.
    WebIdentity(WebIdentity),
    /// A role, assumed with other credentials.
    Role(Box<Role>),
    /// A profile of AWS's shared files.
    Profile(Profile),
    /// Whatever the machine has.
    Chain(Box<Chain>),
    /// A contradiction; the text says which.
    Unusable(String),
}

/// A key pair, and the token that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    pub(super) access_key_id: String,
    pub(super) secret: Secret,
    pub(super) session_token: Option<Secret>,
}

/// `AssumeRoleWithWebIdentity`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct WebIdentity {
    pub(super) role: String,
    pub(super) session_name: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) token: TokenPlace,
    pub(super) sts: StsPlace,
}

/// `AssumeRole`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) session_name: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) sts: StsPlace,
    /// Who assumes it.
    pub(super) base: Method,
}

/// A profile and the files it is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Profile {
    pub(super) name: String,
    pub(super) config_file: Option<PathBuf>,
    pub(super) credentials_file: Option<PathBuf>,
    /// Where it calls, if the profile does not say.
    pub(super) region: String,
    /// What `credential_source = Environment` stands for.
    pub(super) environment_pair: Option<Pair>,
}

impl Identity {
    /// Decides who a deployment is.
    pub(super) fn of(aws: &AwsParams, environment: &Environment) -> Self {
        Self {
            method: Asked::new(aws, environment).method(),
            trust: Trust::from_setting(aws.ssl_verify.as_deref()),
        }
    }
}

impl Method {
    /// Names the method, never a secret.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Bearer { from, .. } | Self::Pair { from, .. } => (*from).to_owned(),
            Self::WebIdentity(web) => format!("web identity as {}", web.role),
            Self::Role(role) => format!("role {} with {}", role.arn, role.base.describe()),
            Self::Profile(profile) => format!("profile {}", profile.name),
            Self::Chain(_) => "default chain".to_owned(),
            Self::Unusable(_) => "incomplete parameters".to_owned(),
        }
    }
}

impl Method {
    /// Says whether it reads one of `files`.
    pub(super) fn reads_any(&self, files: &[PathBuf]) -> bool {
        let profile = match self {
            Self::Profile(profile) => profile,
            Self::Chain(chain) => &chain.profile,
            Self::Role(role) => return role.base.reads_any(files),
            Self::Bearer { .. } | Self::Pair { .. } | Self::WebIdentity(_) | Self::Unusable(_) => {
                return false;
            }
        };
        [&profile.config_file, &profile.credentials_file]
            .into_iter()
            .flatten()
            .any(|file| files.contains(file))
    }
}

impl Pair {
    /// The environment's own pair.
    pub(super) fn of_environment(environment: &Environment) -> Option<Self> {
        Some(Self {
            access_key_id: environment.get("AWS_ACCESS_KEY_ID")?.to_owned(),
            secret: Secret::new(environment.get("AWS_SECRET_ACCESS_KEY")?),
            session_token: environment.get("AWS_SESSION_TOKEN").map(Secret::new),
        })
    }
}

impl Profile {
    pub(super) fn new(name: &str, aws: &AwsParams, environment: &Environment) -> Self {
        let home = environment
            .get("HOME")
            .or_else(|| environment.get("USERPROFILE"));
        let file = |variable, default: &str| {
            let home = home.map(PathBuf::from);
            match environment.get(variable) {
                Some(path) => match (path.strip_prefix("~/"), home) {
                    (Some(rest), Some(home)) => Some(home.join(rest)),
                    _ => Some(PathBuf::from(path)),
                },
                None => home.map(|home| home.join(".aws").join(default)),
            }
        };
        Self {
            name: name.to_owned(),
            config_file: file("AWS_CONFIG_FILE", "config"),
            credentials_file: file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            region: StsPlace::region(aws, environment, None, ""),
            environment_pair: Pair::of_environment(environment),
        }
    }
}

fn written(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}

fn is_written(value: Option<&Secret>) -> bool {
    value.is_some_and(|value| !value.is_empty())
}

/// What a deployment asks for.
struct Asked<'a> {
    aws: &'a AwsParams,
    environment: &'a Environment,
    /// Some credential is named in the deployment itself.
    is_explicit: bool,
}

impl<'a> Asked<'a> {
    fn new(aws: &'a AwsParams, environment: &'a Environment) -> Self {
        let is_explicit = [&aws.access_key_id, &aws.profile, &aws.role]
            .into_iter()
            .any(|value| written(value.as_deref()).is_some())
            || [&aws.secret_access_key, &aws.session_token]
                .into_iter()
                .any(|value| is_written(value.as_ref()))
            || aws
                .web_identity_token
                .as_ref()
                .is_some_and(|token| !token.is_empty());
        Self {
            aws,
            environment,
            is_explicit,
        }
    }

    fn method(&self) -> Method {
        if let Some(bearer) = self.bearer() {
            return bearer;
        }
        let pair = match self.pair() {
            Ok(pair) => pair,
            Err(message) => return Method::Unusable(message),
        };
        let role = written(self.aws.role.as_deref()).or_else(|| self.ambient("AWS_ROLE_NAME"));
        let profile =
            written(self.aws.profile.as_deref()).or_else(|| self.ambient("AWS_PROFILE_NAME"));
        if let Some(role) = role {
            let sts = match StsPlace::new(self.aws, self.environment, role) {
                Ok(sts) => sts,
                Err(message) => return Method::Unusable(message),
            };
            return match self.web_identity(role, pair.is_some(), &sts) {
                Some(web) => Method::WebIdentity(web),
                None => self.role(role, pair, profile, sts),
            };
        }
        match (profile, pair) {
            (Some(profile), _) => {
                Method::Profile(Profile::new(profile, self.aws, self.environment))
            }
            (None, Some(pair)) => Method::Pair {
                pair,
                from: "aws_access_key_id",
            },
            (None, None) => self.chain(),
        }
    }

    /// A variable that applies only to deployments that name no credentials.
    fn ambient(&self, variable: &str) -> Option<&'a str> {
        if self.is_explicit {
            None
        } else {
            self.environment.get(variable)
        }
    }

    /// `api_key` wins over everything; an empty one turns the environment's off.
    fn bearer(&self) -> Option<Method> {
        match &self.aws.api_key {
            Some(key) if key.is_empty() => None,
            Some(key) => Some(Method::Bearer {
                key: key.clone(),
                from: "api_key",
            }),
            None => {
                let key = self.environment.get("AWS_BEARER_TOKEN_BEDROCK")?;
                Some(Method::Bearer {
                    key: Secret::new(key),
                    from: "AWS_BEARER_TOKEN_BEDROCK",
                })
            }
        }
    }

    /// The deployment's own pair. Halves are not completed from the environment: they would belong to different users.
    fn pair(&self) -> Result<Option<Pair>, String> {
        let id = written(self.aws.access_key_id.as_deref());
        let secret = self
            .aws
            .secret_access_key
            .as_ref()
            .filter(|secret| !secret.is_empty());
        match (id, secret) {
            (Some(id), Some(secret)) => Ok(Some(Pair {
                access_key_id: id.to_owned(),
                secret: secret.clone(),
                session_token: self
                    .aws
                    .session_token
                    .clone()
                    .filter(|token| !token.is_empty()),
            })),
            (None, None) if is_written(self.aws.session_token.as_ref()) => Err(
                "aws_session_token is set, but aws_access_key_id and aws_secret_access_key are not"
                    .to_owned(),
            ),
            (None, None) => Ok(None),
            (Some(_), None) => {
                Err("aws_access_key_id is set, but aws_secret_access_key is not".to_owned())
            }
            (None, Some(_)) => {
                Err("aws_secret_access_key is set, but aws_access_key_id is not".to_owned())
            }
        }
    }

    fn session_name(&self) -> Option<String> {
        written(self.aws.session_name.as_deref())
            .or_else(|| self.environment.get("AWS_SESSION_NAME"))
            .map(str::to_owned)
    }

    fn external_id(&self) -> Option<String> {
        let id = match self.aws.external_id.as_deref() {
            Some(own) => written(Some(own)),
            None => self.environment.get("AWS_EXTERNAL_ID"),
        };
        id.map(str::to_owned)
    }

    /// A token written in the deployment says what is meant. The environment's counts only with a session name, and not
    /// beside a key pair or profile, as it may be meant for other deployments.
    fn web_identity(&self, role: &str, has_pair: bool, sts: &StsPlace) -> Option<WebIdentity> {
        let session_name = self.session_name();
        let own = self
            .aws
            .web_identity_token
            .as_ref()
            .filter(|token| !token.is_empty());
        let token = match own {
            Some(token) => TokenPlace::of(token, self.environment),
            None if has_pair || self.aws.profile.is_some() || session_name.is_none() => {
                return None;
            }
            None => TokenPlace::referred_to(
                self.environment.get("AWS_WEB_IDENTITY_TOKEN")?,
                self.environment,
            ),
        };
        Some(WebIdentity {
            role: role.to_owned(),
            session_name,
            external_id: self.external_id(),
            token,
            sts: sts.clone(),
        })
    }

    fn role(&self, arn: &str, pair: Option<Pair>, profile: Option<&str>, sts: StsPlace) -> Method {
        let irsa = Chain::web_identity(self.aws, self.environment);
        let base = match (pair, profile) {
            (Some(pair), _) => Method::Pair {
                pair,
                from: "aws_access_key_id",
            },
            (None, Some(profile)) => {
                Method::Profile(Profile::new(profile, self.aws, self.environment))
            }
            (None, None) => match irsa {
                // The pod already runs as this role.
                Some(web) if web.role == arn => return self.chain(),
                Some(web) if Pair::of_environment(self.environment).is_none() => {
                    Method::WebIdentity(web)
                }
                _ => self.chain(),
            },
        };
        Method::Role(Box::new(Role {
            arn: arn.to_owned(),
            session_name: self.session_name(),
            external_id: self.external_id(),
            tags: self.aws.session_tags.clone(),
            sts,
            base,
        }))
    }

    fn chain(&self) -> Method {
        match Pair::of_environment(self.environment) {
            Some(pair) => Method::Pair {
                pair,
                from: "AWS_ACCESS_KEY_ID",
            },
            None => Method::Chain(Box::new(Chain::new(self.aws, self.environment))),
        }
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
