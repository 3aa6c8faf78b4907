//! What is tried after a model group failed.

use crate::config::{FallbackLists, FallbackRule, FallbackTarget};
use crate::error::Error;

impl FallbackTarget {
    /// Returns what tells this target from others in one call: its name, and what it lays over the request.
    pub fn identity(&self) -> String {
        if self.overrides.is_empty() {
            return self.model.clone();
        }
        let overrides = serde_json::Value::Object(self.overrides.clone());
        format!("{}\u{1f}{overrides}", self.model)
    }
}

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

    /// Returns what is tried after `groups` (the failed group under each name that it goes by: requested, resolved)
    /// failed with `error`, in order.
    pub fn after(&self, groups: &[&str], error: &Error) -> Vec<FallbackTarget> {
        let _ = (groups, error);
        Vec::new()
    }

    /// Returns what is tried instead of an answer that a content filter stopped; empty: the answer stands.
    pub fn for_content_filter(&self, groups: &[&str]) -> Vec<FallbackTarget> {
        let _ = groups;
        Vec::new()
    }
}
