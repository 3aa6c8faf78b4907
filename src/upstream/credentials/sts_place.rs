//! Where the security token service is, and the region that its requests are signed for.

use url::Url;

use crate::config::{AwsParams, Environment};
use crate::provider::bedrock::url::{DEFAULT_REGION, Service, default_endpoint, region_of_host};

/// An address of STS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct StsPlace {
    pub(super) endpoint: String,
    pub(super) region: String,
}

impl StsPlace {
    /// Finds STS: the deployment's endpoint, the environment's, else AWS's own in the region of this process.
    ///
    /// # Errors
    ///
    /// An endpoint that is not a URL; the text is for the operator.
    pub(super) fn new(
        aws: &AwsParams,
        environment: &Environment,
        role: &str,
    ) -> Result<Self, String> {
        let written = aws
            .sts_endpoint
            .as_deref()
            .filter(|endpoint| !endpoint.is_empty());
        let written = written
            .or_else(|| environment.get("AWS_STS_ENDPOINT"))
            .or_else(|| environment.get("AWS_ENDPOINT_URL_STS"));
        let region = Self::region(aws, environment, written, role);
        let endpoint = match written {
            Some(written) => usable(written).ok_or("aws_sts_endpoint is not an http(s) URL")?,
            None => default_endpoint(Service::Sts, &region, environment),
        };
        Ok(Self { endpoint, region })
    }

    /// Finds the region that STS is called in.
    pub(super) fn region(
        aws: &AwsParams,
        environment: &Environment,
        endpoint: Option<&str>,
        role: &str,
    ) -> String {
        endpoint
            .and_then(region_of_endpoint)
            .or_else(|| environment.get("AWS_REGION"))
            .or_else(|| environment.get("AWS_DEFAULT_REGION"))
            .or(aws.region.as_deref().filter(|region| !region.is_empty()))
            .or_else(|| environment.get("AWS_REGION_NAME"))
            .unwrap_or_else(|| region_of_partition(role))
            .to_owned()
    }
}

fn region_of_endpoint(endpoint: &str) -> Option<&str> {
    // The old global endpoint is in Virginia.
    region_of_host(endpoint).or_else(|| {
        endpoint
            .contains("sts.amazonaws.com")
            .then_some("us-east-1")
    })
}

/// The region that stands for a role's partition when nothing else says one.
fn region_of_partition(role: &str) -> &'static str {
    match role.split(':').nth(1) {
        Some("aws-cn") => "cn-north-1",
        Some("aws-us-gov") => "us-gov-west-1",
        _ => DEFAULT_REGION,
    }
}

fn usable(written: &str) -> Option<String> {
    let written = written.trim();
    let with_scheme = if written.contains("://") {
        written.to_owned()
    } else {
        format!("https://{written}")
    };
    let url = Url::parse(&with_scheme).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then(|| url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::111122223333:role/r";

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn place(
        endpoint: Option<&str>,
        region: Option<&str>,
        variables: &[(&str, &str)],
        role: &str,
    ) -> (String, String) {
        let aws = AwsParams {
            sts_endpoint: endpoint.map(str::to_owned),
            region: region.map(str::to_owned),
            ..AwsParams::default()
        };
        let place = StsPlace::new(&aws, &environment(variables), role).unwrap();
        (place.endpoint, place.region)
    }

    #[test]
    fn endpoint_and_region_are_found_in_order() {
        let own = "https://sts.eu-west-3.amazonaws.com";
        let env = [
            ("AWS_STS_ENDPOINT", "https://sts.eu-west-1.amazonaws.com"),
            ("AWS_REGION", "us-east-2"),
        ];
        assert_eq!(place(Some(own), None, &env, ROLE).1, "eu-west-3");
        assert_eq!(place(None, None, &env, ROLE).1, "eu-west-1");
        let env = [
            ("AWS_REGION", "us-east-2"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ];
        assert_eq!(
            place(None, Some("ap-south-1"), &env, ROLE),
            (
                "https://sts.us-east-2.amazonaws.com".to_owned(),
                "us-east-2".to_owned()
            )
        );
        assert_eq!(place(None, Some("ap-south-1"), &[], ROLE).1, "ap-south-1");
        assert_eq!(place(None, None, &[], ROLE).1, "us-west-2");
        assert_eq!(
            place(None, None, &[], "arn:aws-cn:iam::1:role/r").0,
            "https://sts.cn-north-1.amazonaws.com.cn"
        );
        assert_eq!(
            place(Some("sts.amazonaws.com"), None, &[], ROLE).1,
            "us-east-1"
        );
        let sdk = [("AWS_ENDPOINT_URL_STS", "http://localhost:4566")];
        assert_eq!(
            place(None, Some("eu-north-1"), &sdk, ROLE).0,
            "http://localhost:4566/"
        );
    }

    #[test]
    fn bad_endpoint_is_refused() {
        let aws = AwsParams {
            sts_endpoint: Some("ftp://x".to_owned()),
            ..AwsParams::default()
        };
        assert!(StsPlace::new(&aws, &Environment::default(), ROLE).is_err());
    }
}
