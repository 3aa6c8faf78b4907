//! What is tried after a model group failed.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value};

use crate::config::{FallbackLists, FallbackRule, FallbackTarget};
use crate::error::{Error, ErrorKind, Fallback};

/// The name that stands for every group.
const EVERY: &str = "*";

/// How LiteLLM writes the provider in front of a model's name.
const PROVIDER: &str = "bedrock/";

/// The fallback lists that hold for one call: the request's own, else the key's, else the router's.
#[derive(Debug, Clone, Copy)]
pub struct Fallbacks<'a> {
    /// For every error that falls back.
    pub general: &'a [FallbackRule],
    /// For a conversation that is too long.
    pub context_window: &'a [FallbackRule],
    /// For content that was refused.
    pub content_policy: &'a [FallbackRule],
    /// For every group, after the others.
    pub default: &'a [String],
    /// A list that the request gives without naming groups: for every error of the first group.
    pub direct: &'a [FallbackTarget],
    /// `fallback_on_4xx`.
    pub on_4xx: bool,
}

impl<'a> Fallbacks<'a> {
    /// The router's own lists.
    pub fn of_router(lists: &'a FallbackLists, on_4xx: bool) -> Self {
        Self {
            general: &lists.general,
            context_window: &lists.context_window,
            content_policy: &lists.content_policy,
            default: &lists.default,
            direct: &[],
            on_4xx,
        }
    }

    /// Returns the same lists for a group that is itself a fallback: a list without group names was for the first group.
    #[must_use]
    pub fn for_later_group(self) -> Self {
        Self {
            direct: &[],
            ..self
        }
    }

    /// Returns what is tried after `groups` (the failed group under each name that it goes by: requested, resolved)
    /// failed with `error`, in order. The failed group is not among it, unless with overrides; nothing is twice.
    pub fn after(&self, groups: &[&str], error: &Error) -> Vec<FallbackTarget> {
        let kind = error.fallback(self.on_4xx);
        let specific = || match kind {
            Fallback::None | Fallback::General => None,
            Fallback::ContextWindow => chain(self.context_window, groups),
            Fallback::ContentPolicy => chain(self.content_policy, groups),
        };
        let targets = if !self.direct.is_empty() && is_met_by_direct(kind, error) {
            self.direct
        } else if kind == Fallback::None {
            return Vec::new();
        } else {
            let listed = specific().or_else(|| chain(self.general, groups));
            listed.unwrap_or_default()
        };
        let default = if kind == Fallback::None {
            &[]
        } else {
            self.default
        };
        distinct(targets, default, groups)
    }

    /// Returns what is tried in the place of an answer whose content was filtered; empty: the answer stands. Only a list
    /// for content policy, or one for every group, takes an answer away.
    pub fn for_content_filter(&self, groups: &[&str]) -> Vec<FallbackTarget> {
        let for_every = self.general.iter().any(|rule| rule.group == EVERY);
        let is_meant = for_every
            || !self.default.is_empty()
            || chain(self.content_policy, groups).is_some_and(|targets| !targets.is_empty());
        if !is_meant {
            return Vec::new();
        }
        let error = Error::new(ErrorKind::ContentPolicy, "the answer was filtered");
        self.after(groups, &error)
    }
}

/// Says whether a list that the request gives without naming groups is for this error. It is for mistakes of the request
/// too, since its entries may mend them; not for what no other group can change.
fn is_met_by_direct(kind: Fallback, error: &Error) -> bool {
    let by_request = matches!(error.kind(), ErrorKind::BadRequest | ErrorKind::ModelFault);
    kind != Fallback::None || (by_request && !error.is_final())
}

/// Returns the first chain for any of `groups`; a chain of their own beats the one for every group.
fn chain<'a>(rules: &'a [FallbackRule], groups: &[&str]) -> Option<&'a [FallbackTarget]> {
    let find = |is_meant: &dyn Fn(&str) -> bool| {
        let mut rules = rules.iter();
        rules.find(|rule| is_meant(&rule.group))
    };
    let own = groups.iter().find_map(|group| {
        find(&|key| key == *group).or_else(|| find(&|key| key != EVERY && bare(key) == bare(group)))
    });
    own.or_else(|| find(&|key| key == EVERY))
        .map(|rule| rule.targets.as_slice())
}

/// Returns a name without its provider.
fn bare(name: &str) -> &str {
    name.strip_prefix(PROVIDER).unwrap_or(name)
}

/// Joins targets and default fallbacks, each once, without the failed group itself.
fn distinct(
    targets: &[FallbackTarget],
    default: &[String],
    groups: &[&str],
) -> Vec<FallbackTarget> {
    let default = default.iter().map(|name| FallbackTarget {
        model: name.clone(),
        overrides: Map::new(),
    });
    let mut seen = Attempted::default();
    for group in groups {
        seen.note_group(group);
    }
    targets
        .iter()
        .cloned()
        .chain(default)
        .filter(|target| seen.is_new(target))
        .collect()
}

/// The targets that a call has tried. It is kept for the whole call, so that fallbacks in a circle end.
#[derive(Debug, Clone, Default)]
pub struct Attempted(HashSet<String>);

impl Attempted {
    /// Notes a group that was tried under this name.
    pub fn note_group(&mut self, name: &str) {
        self.0.insert(name.to_owned());
    }

    /// Notes a target, and says whether it is the first time.
    pub fn is_new(&mut self, target: &FallbackTarget) -> bool {
        self.0.insert(identity(target))
    }
}

/// Returns what makes a target the same as another: its name, and what is laid over the request for it.
fn identity(target: &FallbackTarget) -> String {
    if target.overrides.is_empty() {
        return target.model.clone();
    }
    let mut hash = DefaultHasher::new();
    hash_members(&target.overrides, &mut hash);
    // A unit separator is in no name.
    format!("{}\u{1f}{:016x}", target.model, hash.finish())
}

/// Hashes members whatever their order.
fn hash_members(members: &Map<String, Value>, hash: &mut DefaultHasher) {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    members.len().hash(hash);
    for (name, value) in sorted {
        name.hash(hash);
        hash_value(value, hash);
    }
}

fn hash_value(value: &Value, hash: &mut DefaultHasher) {
    std::mem::discriminant(value).hash(hash);
    match value {
        Value::Null => {}
        Value::Bool(flag) => flag.hash(hash),
        Value::Number(number) => number.hash(hash),
        Value::String(text) => text.hash(hash),
        Value::Array(items) => {
            items.len().hash(hash);
            for item in items {
                hash_value(item, hash);
            }
        }
        Value::Object(members) => hash_members(members, hash),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
