//! What the machine has: the part of AWS's default chain behind the environment's key pair.
//!
//! The order is that of the SDKs: the profile in the shared files, the web identity of a Kubernetes pod, the container's
//! endpoint (ECS, EKS Pod Identity), the instance's metadata service. Which of them are configured is decided here; asking
//! them is `provide.rs`'s.

use std::path::PathBuf;

use url::{Host, Url};

use super::identity::{Profile, WebIdentity};
use super::sts_place::StsPlace;
use super::token::TokenPlace;
use crate::config::{AwsParams, Environment, Secret};

/// The addresses that an unencrypted container endpoint may have, besides this machine's own: ECS, EKS.
const CONTAINER_HOSTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

/// The default chain of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Chain {
    pub(super) profile: Profile,
    pub(super) web_identity: Option<WebIdentity>,
    pub(super) container: Option<Container>,
    /// The instance's metadata service, unless it is turned off.
    pub(super) instance: Option<Instance>,
}

/// The endpoint of a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Container {
    pub(super) url: Result<String, &'static str>,
    pub(super) token: Option<ContainerToken>,
}

/// What the container's endpoint is shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum ContainerToken {
    Literal(Secret),
    /// A file, read each time: EKS rotates it.
    File(PathBuf),
}

/// The metadata service of an EC2 instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Instance {
    pub(super) endpoint: String,
}

impl Chain {
    pub(super) fn new(aws: &AwsParams, environment: &Environment) -> Self {
        let is_off = environment
            .get("AWS_EC2_METADATA_DISABLED")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let is_ipv6 = environment
            .get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")
            .is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
        let usual = if is_ipv6 {
            "http://[fd00:ec2::254]"
        } else {
            "http://169.254.169.254"
        };
        let instance = Instance {
            endpoint: environment
                .get("AWS_EC2_METADATA_SERVICE_ENDPOINT")
                .unwrap_or(usual)
                .to_owned(),
        };
        Self {
            profile: Profile::new(
                environment.get("AWS_PROFILE").unwrap_or("default"),
                aws,
                environment,
            ),
            web_identity: Self::web_identity(aws, environment),
            container: container(environment),
            instance: (!is_off).then_some(instance),
        }
    }

    /// The web identity that Kubernetes gives a pod (IRSA).
    pub(super) fn web_identity(aws: &AwsParams, environment: &Environment) -> Option<WebIdentity> {
        let file = environment.get("AWS_WEB_IDENTITY_TOKEN_FILE")?;
        let role = environment.get("AWS_ROLE_ARN")?;
        Some(WebIdentity {
            role: role.to_owned(),
            session_name: environment.get("AWS_ROLE_SESSION_NAME").map(str::to_owned),
            external_id: None,
            token: TokenPlace::File(PathBuf::from(file)),
            sts: StsPlace::new(aws, environment, role).ok()?,
        })
    }
}

fn container(environment: &Environment) -> Option<Container> {
    let relative = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let url = match (
        relative,
        environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    ) {
        (Some(path), _) => Ok(format!("http://169.254.170.2{path}")),
        (None, Some(url)) => checked(url),
        (None, None) => return None,
    };
    let file = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    let literal = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    let token = file
        .map(|path| ContainerToken::File(PathBuf::from(path)))
        .or_else(|| literal.map(|token| ContainerToken::Literal(Secret::new(token))));
    Some(Container { url, token })
}

/// The token must not go out unencrypted to just anybody.
fn checked(url: &str) -> Result<String, &'static str> {
    const UNUSABLE: &str =
        "AWS_CONTAINER_CREDENTIALS_FULL_URI is not a URL that credentials may come from";
    let url = Url::parse(url).map_err(|_| UNUSABLE)?;
    let is_local = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let is_known = url
        .host_str()
        .is_some_and(|host| CONTAINER_HOSTS.contains(&host));
    if url.scheme() == "https" || (url.scheme() == "http" && (is_local || is_known)) {
        Ok(url.into())
    } else {
        Err(UNUSABLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full_uri(url: &str) -> Container {
        let variable = (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned(),
            url.to_owned(),
        );
        container(&[variable].into_iter().collect()).unwrap()
    }

    #[test]
    fn unencrypted_container_endpoint_must_be_local() {
        for good in [
            "http://127.0.0.1:51679/x",
            "http://localhost/x",
            "http://169.254.170.23/v1/credentials",
            "https://example.com/x",
        ] {
            assert!(full_uri(good).url.is_ok(), "{good}");
        }
        for bad in [
            "http://169.254.169.254/x",
            "http://example.com/x",
            "file:///etc/passwd",
            "nonsense",
        ] {
            assert!(full_uri(bad).url.is_err(), "{bad}");
        }
    }

    #[test]
    fn relative_uri_is_that_of_ecs() {
        let variable = (
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI".to_owned(),
            "/v2/creds".to_owned(),
        );
        let container = container(&[variable].into_iter().collect()).unwrap();
        assert_eq!(
            container.url.as_deref(),
            Ok("http://169.254.170.2/v2/creds")
        );
    }
}
