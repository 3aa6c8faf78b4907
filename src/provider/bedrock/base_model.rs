//! Base models: an id without what says where it runs. Capabilities, prices and family rules go by them, URLs never.

use super::arn::Arn;

/// Who serves models in the cross-region prefix rule: the first part of every id that AWS gives.
const VENDORS: [&str; 20] = [
    "amazon",
    "anthropic",
    "ai21",
    "cohere",
    "deepseek",
    "google",
    "luma",
    "meta",
    "minimax",
    "mistral",
    "moonshot",
    "moonshotai",
    "nvidia",
    "openai",
    "qwen",
    "stability",
    "twelvelabs",
    "writer",
    "xai",
    "zai",
];

/// Cross-region prefixes that are removed whatever follows them.
const CROSS_REGION: [&str; 7] = ["global", "us", "eu", "apac", "jp", "au", "us-gov"];

/// Returns the base model of an id or ARN that has no other prefixes.
pub(super) fn base_of_id(id: &str) -> &str {
    let name = Arn::parse(id).map_or(id, |arn| arn.name);
    without_cross_region(without_throughput(split_context(name).0))
}

/// Removes a cross-region prefix: `us.`, `global.`, and any other word in front of a vendor.
fn without_cross_region(id: &str) -> &str {
    let Some((first, rest)) = id.split_once('.') else {
        return id;
    };
    let second_is_vendor = rest
        .split_once('.')
        .is_some_and(|(second, _)| VENDORS.contains(&second));
    if CROSS_REGION.contains(&first) || (second_is_vendor && !VENDORS.contains(&first)) {
        rest
    } else {
        id
    }
}

/// Removes a throughput suffix: `…-v2:0:51k` → `…-v2:0`.
fn without_throughput(id: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match id.rsplit_once(':') {
        Some((head, throughput))
            if throughput.strip_suffix('k').is_some_and(is_number)
                && head
                    .rsplit_once(':')
                    .is_some_and(|(_, minor)| is_number(minor)) =>
        {
            head
        }
        _ => id,
    }
}

/// Splits `id[word]`.
pub(super) fn split_context(id: &str) -> (&str, Option<&str>) {
    id.strip_suffix(']')
        .and_then(|id| id.rsplit_once('['))
        .filter(|(_, word)| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        })
        .map_or((id, None), |(id, word)| (id, Some(word)))
}

/// Says whether `base` is an id as AWS gives them: a vendor, a dot, a name.
pub fn names_a_model(base: &str) -> bool {
    base.split_once('.')
        .is_some_and(|(vendor, name)| VENDORS.contains(&vendor) && !name.is_empty())
}

/// Reads the version of a numbered GPT: `openai.gpt-5.6-luna` → (5, 6).
pub(super) fn gpt_version(base: &str) -> Option<(u32, u32)> {
    let version = base.strip_prefix("openai.gpt-")?.split('-').next()?;
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Says whether `text` is written as AWS writes regions: `us-west-2`, `us-gov-east-1`, `us-isob-east-1`.
pub fn is_region(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_letters = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    if !parts
        .next()
        .is_some_and(|part| part.len() == 2 && is_letters(part))
    {
        return false;
    }
    let mut part = parts.next().unwrap_or_default();
    if part == "gov" || (part.starts_with("iso") && part.len() <= 4 && is_letters(part)) {
        part = parts.next().unwrap_or_default();
    }
    is_letters(part)
        && parts
            .next()
            .is_some_and(|number| number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit()))
        && parts.next().is_none()
}
