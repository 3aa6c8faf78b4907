//! Which models a virtual key may call: its list `models`, by name, alias, pattern or access group.

use super::VirtualKey;
use crate::config::is_like;

/// A model name as a caller gives it, and what the router knows of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelName<'a> {
    /// The name that was asked for.
    pub asked: &'a str,
    /// The group that it stands for; `None` for a name that nobody knows.
    pub group: Option<&'a str>,
    /// The access groups of the group's deployments.
    pub access_groups: Vec<&'a str>,
}

/// By what right a key may call a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// By its name, or because the key may call all.
    ByName,
    /// Only through access groups: only deployments that are in one of these may serve it.
    ByGroups(Vec<String>),
    /// It may not.
    Denied,
}

impl VirtualKey {
    /// Returns by what right the key may call a model. An empty list allows all.
    pub fn access(&self, model: &ModelName<'_>) -> Access {
        let listed = &self.config.models;
        if listed.is_empty() {
            return Access::ByName;
        }
        if listed.iter().any(|entry| is_named(entry, model)) {
            return Access::ByName;
        }
        let groups: Vec<String> = listed
            .iter()
            .filter(|entry| model.access_groups.contains(&entry.as_str()))
            .cloned()
            .collect();
        if groups.is_empty() {
            Access::Denied
        } else {
            Access::ByGroups(groups)
        }
    }
}

fn is_named(entry: &str, model: &ModelName<'_>) -> bool {
    match entry {
        // Teams have no lists of models here, so what a team may call is everything.
        "*" | "all-proxy-models" | "all-team-models" => true,
        // It stands for nothing: a key with it alone may call nothing.
        "no-default-models" => false,
        entry if entry == model.asked || Some(entry) == model.group => true,
        entry if entry.contains('*') => matches_pattern(entry, model),
        _ => false,
    }
}

/// A pattern stands for the name as asked. Where the group is a pattern too, the name may be a model's id, which is one
/// with and without its provider.
fn matches_pattern(entry: &str, model: &ModelName<'_>) -> bool {
    if is_like(entry, model.asked) {
        return true;
    }
    let by_provider = || {
        entry
            .strip_prefix("bedrock/")
            .is_some_and(|entry| is_like(entry, model.asked))
    };
    model.group.is_some_and(|group| group.contains('*')) && by_provider()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::VirtualKeyConfig;

    fn access(models: &[&str], asked: &str, group: &str, access_groups: &[&str]) -> Access {
        let key = VirtualKey::alone(VirtualKeyConfig {
            models: models.iter().map(|model| (*model).to_owned()).collect(),
            ..VirtualKeyConfig::default()
        });
        key.access(&ModelName {
            asked,
            group: Some(group).filter(|group| !group.is_empty()),
            access_groups: access_groups.to_vec(),
        })
    }

    #[test]
    fn models_are_listed_by_name_alias_pattern_or_wholesale() {
        for (models, asked, group) in [
            (&[][..], "m", "m"),
            (&["m"], "m", "m"),
            (&["m"], "alias", "m"),
            (&["alias"], "alias", "m"),
            (&["*"], "m", "m"),
            (&["all-proxy-models"], "m", "m"),
            (&["bedrock/*"], "bedrock/anthropic.x", "bedrock/*"),
            (&["bedrock/*"], "anthropic.x", "bedrock/*"),
            (&["bedrock/anthropic.*"], "anthropic.x", "bedrock/*"),
            (&["wild-*-v1"], "wild-abc-v1", "wild-*-v1"),
            (&["no-default-models", "m"], "m", "m"),
        ] {
            assert_eq!(
                access(models, asked, group, &[]),
                Access::ByName,
                "{models:?} {asked}"
            );
        }
        for (models, asked, group) in [
            (&["other"][..], "m", "m"),
            (&["alias"], "m", "m"),
            (&["no-default-models"], "m", "m"),
            (&["bedrock/*"], "m", "m"),
            (&["wild-*-v1"], "wild-abc-v1-extra", "wild-*"),
            (&["m"], "nobody", ""),
        ] {
            assert_eq!(
                access(models, asked, group, &[]),
                Access::Denied,
                "{models:?} {asked}"
            );
        }
    }

    #[test]
    fn access_groups_count_only_where_no_name_does() {
        let both = &["beta", "staff"];
        let by_groups = Access::ByGroups(vec!["beta".to_owned()]);
        assert_eq!(access(&["beta"], "m", "m", both), by_groups);
        assert_eq!(access(&["beta", "m"], "m", "m", both), Access::ByName);
        assert_eq!(access(&["gamma"], "m", "m", both), Access::Denied);
    }
}
