//! Before routing: may this caller make this call now?
//!
//! The key's own checks come first, then every limit of the caller at once: key, user, team, the key on the model and on
//! its tags, and the whole gateway. A deployment's limits are not the caller's: selection goes by them.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderName, HeaderValue};

use crate::clock::rfc3339;
use crate::error::{Error, ErrorKind, Fallback};
use crate::keys::{Identity, KeyPolicy, ModelName};
use crate::limit::{Full, Level, LimitName, Meters, Refused, Scope};
use crate::router::{Asker, Router};

/// How long a client should wait for a slot: nobody knows when a call ends.
const SLOT_WAIT: Duration = Duration::from_secs(1);

/// A header of an answer.
pub type Header = (HeaderName, HeaderValue);

/// Returns who it is that uses a model's name. Where there are keys and some paths are public, who comes without one is of no
/// team.
pub fn asker<'a>(identity: &'a Identity, policy: &KeyPolicy) -> Asker<'a> {
    match identity {
        Identity::Key(key) => Asker::Key(key.config.team_id.as_deref()),
        Identity::Anyone if !policy.is_open() => Asker::Key(None),
        Identity::Anyone | Identity::Administrator => Asker::Administrator,
    }
}

/// Returns what keys go by of a model name: its group, and the access groups of the group's deployments.
pub fn model_name<'a>(router: &'a Router, asked: &'a str, who: Asker<'_>) -> ModelName<'a> {
    let Some(group) = router.resolve(asked, who).map(|resolved| resolved.group) else {
        return ModelName {
            asked,
            ..ModelName::default()
        };
    };
    let ids = group.deployments.iter();
    let deployments: Vec<_> = ids
        .filter_map(|deployment| router.deployment(&deployment.id))
        .collect();
    let access_groups = deployments
        .iter()
        .flat_map(|deployment| &deployment.entry.info.access_groups)
        .map(String::as_str)
        .collect();
    ModelName {
        asked,
        group: router.group(&group.name).map(|group| group.name.as_str()),
        access_groups,
    }
}

/// Returns every limit of the caller that a call of `group` with `tags` counts against, and the whole gateway's.
pub fn meters(
    identity: &Identity,
    policy: &KeyPolicy,
    group: &str,
    tags: &[String],
) -> Vec<Arc<Meters>> {
    let own = identity.key().map(|key| key.meters(group, tags));
    let mut meters = own.unwrap_or_default();
    meters.extend(policy.global().cloned());
    meters
}

/// Returns the limits of the caller that every call counts against, and the whole gateway's.
pub fn meters_of_any_call(identity: &Identity, policy: &KeyPolicy) -> Vec<Arc<Meters>> {
    let own = identity.key().map(|key| key.meters_of_any_call());
    let mut meters = own.unwrap_or_default();
    meters.extend(policy.global().cloned());
    meters
}

/// Says whether any limit counts tokens, so that the request must be estimated.
pub fn needs_tokens(meters: &[Arc<Meters>]) -> bool {
    meters.iter().any(|meters| meters.counts_tokens())
}

/// Words why a call was not taken from its caller's limits.
///
/// [`ErrorKind::LimitReached`], which may fall back where the limit is the key's on one model; [`ErrorKind::Overloaded`]
/// where the shared store cannot be asked and that refuses calls.
pub fn refused(refused: Refused, wall: SystemTime) -> Error {
    match refused {
        Refused::Full(full) => limit_reached(full, wall),
        Refused::StoreAway => Refused::store_away(),
    }
}

/// Words a limit without room for the client. It names whose limit it is, never the holder.
pub fn limit_reached(full: Full, wall: SystemTime) -> Error {
    let (scope, counts) = (full.scope.descriptor(), full.limit.counts());
    let mut message = format!(
        "Rate limit exceeded for {scope}. Limit type: {counts}. Current limit: {}, Remaining: 0.",
        full.value
    );
    let reset_at = full.retry_after.map(|wait| date_time(wall + wait));
    if let Some(at) = &reset_at {
        message.push_str(" Limit resets at: ");
        message.push_str(at);
    }
    let mut error = Error::new(ErrorKind::LimitReached, message)
        .with_retry_after(Some(full.retry_after.unwrap_or(SLOT_WAIT)))
        .with_header(
            HeaderName::from_static("rate_limit_type"),
            HeaderValue::from_static(counts),
        );
    if let Some(at) = reset_at.and_then(|at| HeaderValue::try_from(at).ok()) {
        error = error.with_header(HeaderName::from_static("reset_at"), at);
    }
    if full.scope == Scope::Model {
        error = error.with_fallback(Fallback::General);
    }
    error
}

/// `2026-11-20 02:11:00 UTC`; what is cut off is made up for, so that the time has come when it says.
fn date_time(time: SystemTime) -> String {
    let whole = rfc3339(time + Duration::from_millis(999));
    let text = whole.trim_end_matches('Z').replace('T', " ");
    format!("{text} UTC")
}

/// Returns the headers about a model group on success: the sums over those deployments that declare a limit, this call
/// deducted. What is left may be negative.
pub fn group_headers<'a>(
    deployments: impl Iterator<Item = &'a Arc<Meters>>,
    now: Instant,
) -> Vec<Header> {
    let levels: Vec<Level> = deployments
        .flat_map(|meters| meters.levels(now))
        .filter(|level| level.limit != LimitName::Parallel)
        .collect();
    let mut headers = Vec::new();
    for limit in [
        LimitName::Rpm,
        LimitName::Tpm,
        LimitName::Itpm,
        LimitName::Otpm,
    ] {
        let of_limit = || levels.iter().filter(|level| level.limit == limit);
        let Some(resets_in) = of_limit().map(|level| level.resets_in).max() else {
            continue;
        };
        let value = of_limit().fold(0, |sum: u64, level| sum.saturating_add(level.value));
        let used = of_limit().fold(0, |sum: u64, level| sum.saturating_add(level.used));
        let counts = limit.counts();
        let mut say = |what: &str, value: String| {
            push(
                &mut headers,
                &format!("x-ratelimit-{what}-{counts}"),
                &value,
            );
        };
        say("limit", value.to_string());
        say("remaining", remaining(value, used).to_string());
        if matches!(limit, LimitName::Rpm | LimitName::Tpm) {
            say("reset", spelled(resets_in));
        }
    }
    headers
}

/// Returns the headers about the caller's own limits on success; `group` is the model group as the client knows it.
pub fn caller_headers(meters: &[Arc<Meters>], group: &str, now: Instant) -> Vec<Header> {
    let mut headers: Vec<Header> = Vec::new();
    let mut told: Vec<(Scope, LimitName, u64)> = Vec::new();
    for meters in meters {
        let scope = meters.scope();
        for level in meters.levels(now) {
            // Of several tags the one with the least left is told.
            let same =
                |told: &&mut (Scope, LimitName, u64)| told.0 == scope && told.1 == level.limit;
            match told.iter_mut().find(same) {
                Some(known) if known.2 <= level.remaining => continue,
                Some(known) => known.2 = level.remaining,
                None => told.push((scope, level.limit, level.remaining)),
            }
            say_level(&mut headers, scope, level, group);
        }
    }
    headers
}

/// Returns the names that headers about limits can have, without those that name a model group.
pub fn header_names() -> Vec<String> {
    use LimitName::{Itpm, Otpm, Parallel, Rpm, Tpm};
    let mut names = Vec::new();
    for limit in [Rpm, Tpm, Itpm, Otpm] {
        let counts = limit.counts();
        names.extend(["limit", "remaining"].map(|what| format!("x-ratelimit-{what}-{counts}")));
        if matches!(limit, Rpm | Tpm) {
            names.push(format!("x-ratelimit-reset-{counts}"));
        }
    }
    let scopes = [
        Scope::Key,
        Scope::User,
        Scope::Team,
        Scope::Model,
        Scope::Tag,
        Scope::Global,
    ];
    for (scope, limit) in scopes
        .into_iter()
        .flat_map(|scope| [Rpm, Tpm, Parallel].map(|limit| (scope, limit)))
    {
        let (descriptor, counts) = (scope.descriptor(), limit.counts());
        for what in ["limit", "remaining"] {
            names.push(format!("x-ratelimit-{descriptor}-{what}-{counts}"));
        }
    }
    names
}

fn say_level(headers: &mut Vec<Header>, scope: Scope, level: Level, group: &str) {
    let (descriptor, counts) = (scope.descriptor(), level.limit.counts());
    let (value, left) = (level.value.to_string(), level.remaining.to_string());
    let general = format!("x-ratelimit-{descriptor}-");
    push(headers, &format!("{general}limit-{counts}"), &value);
    push(headers, &format!("{general}remaining-{counts}"), &left);
    match (scope, level.limit) {
        (Scope::Key, LimitName::Rpm | LimitName::Tpm) => {
            let name = level.limit.name();
            push(headers, &format!("x-litellm-key-{name}-limit"), &value);
        }
        (Scope::Model, LimitName::Rpm | LimitName::Tpm) => {
            let group = group.replace(['/', ':'], "-");
            let name = format!("x-litellm-key-remaining-{counts}-{group}");
            push(headers, &name, &left);
        }
        _ => {}
    }
}

/// Adds a header, in the place of one of the same name; a group whose name no header can have is not told.
fn push(headers: &mut Vec<Header>, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
        headers.retain(|(known, _)| *known != name);
        headers.push((name, value));
    }
}

fn remaining(value: u64, used: u64) -> i128 {
    i128::from(value) - i128::from(used)
}

/// Spells a time as OpenAI does: `17ms`, `1s`, `6m0s`, `1h0m0s`; rounded up.
fn spelled(time: Duration) -> String {
    let ms = time.as_nanos().div_ceil(1_000_000);
    if ms == 0 {
        return "0s".to_owned();
    }
    if ms < 1000 {
        return format!("{ms}ms");
    }
    let seconds = ms.div_ceil(1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
