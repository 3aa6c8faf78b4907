//! ARNs: `arn:partition:service:region:account:kind/name`.

/// The parts of an ARN that decide how a model is reached; all are slices of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov`, …
    pub partition: &'a str,
    /// `bedrock`, `sagemaker`.
    pub service: &'a str,
    /// The region; empty in ARNs that have none.
    pub region: &'a str,
    /// The account; empty in ARNs of AWS's own resources.
    pub account: &'a str,
    /// What kind of resource it is: `inference-profile`, `imported-model`, `prompt`, …
    pub kind: &'a str,
    /// What follows the last `/`: an id, or the name of a model.
    pub name: &'a str,
}

impl<'a> Arn<'a> {
    /// Reads an ARN; `None` if `text` is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        if parts.next() != Some("arn") {
            return None;
        }
        let (partition, service) = (parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        if partition.is_empty() || service.is_empty() || resource.is_empty() {
            return None;
        }
        let (kind, rest) = resource.split_once('/').unwrap_or(("", resource));
        let name = rest.rsplit_once('/').map_or(rest, |(_, name)| name);
        Some(Self {
            partition,
            service,
            region,
            account,
            kind,
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found() {
        let arn = Arn::parse(
            "arn:aws-us-gov:bedrock:us-gov-west-1:123:inference-profile/us-gov.anthropic.claude-v1:0",
        )
        .unwrap();
        assert_eq!(arn.partition, "aws-us-gov");
        assert_eq!(arn.region, "us-gov-west-1");
        assert_eq!(arn.kind, "inference-profile");
        assert_eq!(arn.name, "us-gov.anthropic.claude-v1:0");
    }

    #[test]
    fn name_is_what_follows_the_last_slash() {
        let arn = Arn::parse("arn:aws:bedrock:us-east-1:1:custom-model/base:4k/abc").unwrap();
        assert_eq!((arn.kind, arn.name), ("custom-model", "abc"));
        let role = Arn::parse("arn:aws:iam::1:role/path/to/name").unwrap();
        assert_eq!((role.region, role.account, role.name), ("", "1", "name"));
    }

    #[test]
    fn other_text_is_no_arn() {
        for text in [
            "",
            "arn",
            "arn:aws:bedrock",
            "learn:a:b:c:d:e/f",
            "arn:::::",
        ] {
            assert_eq!(Arn::parse(text), None, "{text}");
        }
    }
}
