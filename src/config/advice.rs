//! What is well-formed and still cannot work: half a key pair, a region that is none, a key one level too high, a required
//! key under a slightly different name.

use super::deployment::{Placed, variable};
use super::node::{At, Entry, Node};
use super::raw::{ENTRY, Key, Kind, LITELLM_PARAMS, Table};
use super::read::child_path;
use super::report::{Report, did_you_mean, nearest};
use super::{DeploymentConfig, RouterSettings, StrategyName};

/// The two halves of static credentials.
const PAIR: [&str; 2] = ["aws_access_key_id", "aws_secret_access_key"];

/// AWS's regions, of all partitions. A new one is used all the same, with a warning.
/// <https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html>.
const REGIONS: [&str; 48] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-isoe-west-1",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "me-west-1",
    "mx-central-1",
    "sa-east-1",
    "sa-west-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-iso-west-1",
    "us-isob-east-1",
    "us-isob-west-1",
    "us-isof-east-1",
    "us-isof-south-1",
    "us-west-1",
    "us-west-2",
];

/// A team's own name needs a team, and is no pattern.
pub(super) fn team_names(placed: &[Placed], report: &mut Report) {
    for entry in placed {
        let info = &entry.deployment.info;
        let Some(name) = &info.team_public_name else {
            continue;
        };
        let (message, hint) = if info.team_id.is_none() {
            (
                "nobody's name without `team_id`; it is ignored",
                "add `team_id:`",
            )
        } else if name.contains('*') || entry.deployment.model.contains('*') {
            (
                "a team's name can be no pattern; it is ignored",
                "leave it out: `team_id` holds for patterns too",
            )
        } else {
            continue;
        };
        let path = format!("{}.model_info.team_public_model_name", entry.path);
        report.warn(entry.at, &path, message).hint(hint);
    }
}

/// Warns about a deployment's credentials and region; `written` is its `litellm_params` as in the file.
pub(super) fn deployment(
    deployment: &DeploymentConfig,
    written: Option<&Node>,
    params: &Node,
    path: &str,
    report: &mut Report,
) {
    let path = child_path(path, "litellm_params");
    for (here, other) in [(PAIR[0], PAIR[1]), (PAIR[1], PAIR[0])] {
        let Some(half) = params.get(here) else {
            continue;
        };
        // A reference to a variable that is not set has a warning of its own.
        let is_referred_to = written
            .map(Node::entries)
            .unwrap_or_default()
            .iter()
            .any(|entry| entry.key == other && variable(&entry.node).is_some());
        if params.get(other).is_none() && !is_referred_to {
            report
                .warn(
                    half.at,
                    &child_path(&path, other),
                    format!(
                        "missing: `{here}` is of no use without `{other}`, and calls will fail"
                    ),
                )
                .hint(format!("add `{other}:`, or remove `{here}`"));
        }
    }
    let region = ["aws_region_name", "region_name"]
        .into_iter()
        .find_map(|key| Some((key, params.get(key)?)));
    let (Some((key, node)), Some(text)) = (region, &deployment.aws.region) else {
        return;
    };
    let path = child_path(&path, key);
    if !looks_like_region(text) {
        let message = format!("`{text}` does not look like an AWS region");
        let finding = report.warn(node.at, &path, message);
        finding.hint("regions are written like `us-east-1`");
    } else if has_parts(text) && !REGIONS.contains(&text.as_str()) {
        let message = format!("`{text}` is no AWS region that is known here");
        let finding = report.warn(node.at, &path, message);
        if let Some(known) = nearest(text, REGIONS, text.len().div_ceil(3)) {
            finding.hint(did_you_mean(known));
        }
    }
}

/// Says once that a limit per minute is none, where nothing in the file makes it one.
pub(super) fn rates(placed: &[Placed], router: &RouterSettings, report: &mut Report) {
    if router.enforce_model_rate_limits {
        return;
    }
    let strategy_of = |name: &String| {
        let group = router
            .routing_groups
            .iter()
            .find(|group| group.priorities.is_none() && group.models.contains(name));
        group.map_or(router.strategy.name, |group| group.strategy.name)
    };
    let idle = placed.iter().find_map(|entry| {
        let (key, path, at) = entry.rate.as_ref()?;
        let is_per_request = matches!(*key, "rpm" | "tpm");
        let strategy = strategy_of(&entry.deployment.model_name);
        let is_counted = matches!(
            strategy,
            StrategyName::UsageBased | StrategyName::LatencyBased | StrategyName::CostBased
        ) || router.pre_call_checks
            || router.parallel_limit_from_rpm;
        (!(is_per_request && is_counted)).then_some((key, path, *at))
    });
    if let Some((key, path, at)) = idle {
        let message = match *key {
            "rpm" | "tpm" => format!("`{key}` weighs the deployment, and limits nothing"),
            _ => format!("`{key}` limits nothing"),
        };
        report.warn(at, path, message).hint(
            "`router_settings.optional_pre_call_checks: [enforce_model_rate_limits]` makes it a limit",
        );
    }
}

/// Says whether a text is built like `us-east-1`, `us-gov-west-1` or `eusc-de-east-1`.
///
/// What no address can be made of is an error already, when the deployment is built.
fn looks_like_region(text: &str) -> bool {
    let is_word =
        |part: &&str| part.len() >= 2 && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_address_safe = text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else {
        return false;
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    text.is_empty()
        || !is_address_safe
        || (is_number && words.len() >= 2 && words.iter().all(is_word))
}

/// Says whether a text is a region at all: none is written where the region is left to others, and what no address can be
/// made of is an error elsewhere.
fn has_parts(text: &str) -> bool {
    text.contains('-')
        && looks_like_region(text)
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Says what was probably meant when a required key is missing.
pub(super) fn missing(table: &Table, key: &Key, entries: &[Entry], farthest: usize) -> String {
    let strangers = || {
        entries
            .iter()
            .map(|entry| entry.key.as_str())
            .filter(|name| table.key(name).is_none())
    };
    if let Some(written) = nearest(key.name, strangers(), farthest) {
        return format!("`{written}` stands there: {}", did_you_mean(key.name));
    }
    if let Kind::Keys(inner) = key.kind
        && let Some(shallow) = strangers().find(|name| inner.key(name).is_some())
    {
        return format!(
            "`{shallow}` stands one level too high: indent it below `{}:`",
            key.name
        );
    }
    format!("add `{}:`: {}", key.name, key.about)
}

/// Warns about a key of `litellm_params` that stands beside it; says whether it does.
pub(super) fn too_shallow(
    table: &Table,
    key: &str,
    at: At,
    path: &str,
    report: &mut Report,
) -> bool {
    let is_one = table.name == ENTRY.name && LITELLM_PARAMS.key(key).is_some();
    if is_one {
        report
            .warn(
                at,
                path,
                format!("`{key}` stands one level too high; it is ignored"),
            )
            .hint("indent it below `litellm_params:`");
    }
    is_one
}

/// Finds the only key that begins with a shorter one: `aws_region_name` for `aws_region`.
pub(super) fn longer<'a>(short: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut found = known.filter(|name| {
        name.strip_prefix(short)
            .is_some_and(|rest| rest.starts_with('_'))
    });
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_words_and_a_number() {
        for region in [
            "us-east-1",
            "us-gov-west-1",
            "ap-southeast-5",
            "eusc-de-east-1",
            "us-iso-east-1",
        ] {
            assert!(looks_like_region(region), "{region}");
        }
        for text in ["useast1", "us-east-1a", "us-east", "east-1", "us--1", "1"] {
            assert!(!looks_like_region(text), "{text}");
        }
    }

    #[test]
    fn longer_key_is_suggested_if_there_is_only_one() {
        let known = || ["aws_region_name", "aws_session_name", "aws_session_token"].into_iter();
        assert_eq!(longer("aws_region", known()), Some("aws_region_name"));
        assert_eq!(longer("aws_session", known()), None);
        assert_eq!(longer("aws_reg", known()), None);
    }
}
