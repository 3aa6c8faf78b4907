//! Tag routing: the tags of a request choose among the tags of deployments.
//!
//! A plain tag asks for deployments that carry it, `&t` for only those, `!t` for none of those; patterns of the
//! `User-Agent` are a deployment's second chance. It is a policy, so what it refuses falls back nowhere.

use std::sync::Arc;

use super::{Left, Scope, budget, context_window, cooldown};
use crate::error::{Error, ErrorKind, Fallback};
use crate::router::{Deployment, NoPick};

/// The tag of deployments that serve who asks for no other.
const DEFAULT: &str = "default";

/// The tags of a request, taken apart.
#[derive(Debug, Default)]
struct Wanted<'a> {
    plain: Vec<&'a str>,
    required: Vec<&'a str>,
    excluded: Vec<&'a str>,
}

pub(super) fn filter<'a>(scope: &Scope<'a>, left: &mut Left<'a>) -> Result<(), NoPick> {
    if !is_enabled(scope) {
        return Ok(());
    }
    let wanted = Wanted::of(&scope.asked.tags, &scope.settings.tags.prefix);
    let agent = scope.asked.user_agent.as_deref();
    // Who is for the tags does not depend on who is well now: a policy does not leak while a deployment cools.
    let mut everyone: Left<'a> = scope.group.deployments.iter().collect();
    everyone.retain(|one| !one.entry.blocked);
    let by_agent = agent.is_some() && everyone.iter().any(|one| !one.tag_patterns.is_empty());
    let kept = if !wanted.plain.is_empty() || (wanted.is_empty() && by_agent) {
        matched(scope, &wanted, &everyone)
    } else if wanted.is_empty() {
        Some(defaults_or_all(&everyone))
    } else {
        constrained(&wanted, scope, &everyone)
    };
    let mut kept = kept.ok_or_else(|| refused(scope))?;
    left.retain(|one| kept.iter().any(|kept| Arc::ptr_eq(kept, one)));
    if !left.is_empty() {
        return Ok(());
    }
    // Known tags whose deployments cannot serve are an error of the policy.
    if !wanted.plain.is_empty() {
        return Err(refused(scope));
    }
    // What is there for everyone, is there; something else keeps it from serving.
    super::allowed(scope, &mut kept)?;
    cooldown::filter(scope, &mut kept)?;
    budget::filter(scope, &mut kept)?;
    context_window::filter(scope, &mut kept)?;
    Err(refused(scope))
}

fn is_enabled(scope: &Scope<'_>) -> bool {
    scope.asked.tag_filtering
        || scope.settings.tags.enabled
        || (scope.group.deployments.iter())
            .any(|deployment| deployment.entry.info.tag_filtering == Some(true))
}

/// Keeps what carries the plain tags or has a pattern for the `User-Agent`; else, where nobody knows the tags, what is
/// there for everyone.
fn matched<'a>(scope: &Scope<'a>, wanted: &Wanted<'_>, left: &Left<'a>) -> Option<Left<'a>> {
    let match_any = scope.settings.tags.match_any;
    let agent = scope.asked.agent_header();
    let by_pattern = |one: &Deployment| {
        let is_open = match_any || one.entry.tags.is_empty();
        is_open && agent.as_ref().is_some_and(|agent| one.fits_agent(agent))
    };
    let by_tags = |one: &Deployment| {
        let mut plain = wanted.plain.iter();
        if match_any {
            plain.any(|tag| carries(one, tag))
        } else {
            !wanted.plain.is_empty() && plain.all(|tag| carries(one, tag))
        }
    };
    let found = kept(left, |one| {
        wanted.allows(one) && (by_tags(one) || by_pattern(one))
    });
    if !found.is_empty() {
        return Some(found);
    }
    let everyone = &scope.group.deployments;
    let is_known = |tag: &&str| everyone.iter().any(|one| carries(one, tag));
    if wanted.plain.iter().any(is_known) {
        return None;
    }
    let defaults = kept(left, |one| wanted.allows(one) && carries(one, DEFAULT));
    (!defaults.is_empty()).then_some(defaults)
}

/// Where only `&` and `!` are asked for: what they leave of all, or of what is there for everyone.
fn constrained<'a>(wanted: &Wanted<'_>, scope: &Scope<'a>, left: &Left<'a>) -> Option<Left<'a>> {
    let pool = if wanted.required.is_empty() {
        defaults_or_all(left)
    } else {
        left.clone()
    };
    let found = kept(&pool, |one| wanted.allows(one));
    if !found.is_empty() {
        return Some(found);
    }
    let mut everyone = scope.group.deployments.iter();
    if !everyone.any(|one| one.entry.info.allow_fail_open) {
        return None;
    }
    let defaults = kept(left, |one| carries(one, DEFAULT));
    (!defaults.is_empty()).then_some(defaults)
}

fn defaults_or_all<'a>(left: &Left<'a>) -> Left<'a> {
    let defaults = kept(left, |one| carries(one, DEFAULT));
    if defaults.is_empty() {
        left.clone()
    } else {
        defaults
    }
}

fn kept<'a>(left: &Left<'a>, keeps: impl Fn(&Deployment) -> bool) -> Left<'a> {
    left.iter().copied().filter(|one| keeps(one)).collect()
}

fn carries(deployment: &Deployment, tag: &str) -> bool {
    deployment.entry.tags.iter().any(|own| own == tag)
}

impl<'a> Wanted<'a> {
    fn of(tags: &'a [String], prefix: &str) -> Self {
        let mut wanted = Self::default();
        for tag in tags {
            let tag = tag.strip_prefix(prefix).unwrap_or(tag);
            if let Some(tag) = tag.strip_prefix('!') {
                wanted.excluded.push(tag);
            } else if let Some(tag) = tag.strip_prefix('&') {
                wanted.required.push(tag);
            } else {
                wanted.plain.push(tag);
            }
        }
        wanted
    }

    fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.required.is_empty() && self.excluded.is_empty()
    }

    fn allows(&self, deployment: &Deployment) -> bool {
        self.required.iter().all(|tag| carries(deployment, tag))
            && !self.excluded.iter().any(|tag| carries(deployment, tag))
    }
}

fn refused(scope: &Scope<'_>) -> NoPick {
    /// How much of what the caller sent is said again.
    const LONGEST: usize = 200;
    let tags: String = scope.asked.tags.join(", ").chars().take(LONGEST).collect();
    let message = format!(
        "Not allowed to access model due to tags configuration. Passed model={} and tags=[{tags}]",
        scope.group.name
    );
    let error = Error::new(ErrorKind::BadRequest, message).with_param("tags");
    NoPick::Error(error.with_fallback(Fallback::None))
}
