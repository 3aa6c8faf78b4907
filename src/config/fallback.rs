//! Fallback lists: `[{group: [target, {model: target, temperature: 0}]}]`.

use super::check;
use super::node::{Node, Spelling, Value};
use super::report::Report;
use super::{FallbackLists, FallbackRule, FallbackTarget};

/// Checks the targets of a group: each is a name, or a mapping with `model` and what it changes of the request.
pub(super) fn check_targets(node: &Node, path: &str, report: &mut Report) {
    match &node.value {
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                check_target(item, &format!("{path}[{index}]"), report);
            }
        }
        _ => check_target(node, path, report),
    }
}

fn check_target(node: &Node, path: &str, report: &mut Report) {
    match &node.value {
        Value::Text(_) => {}
        Value::Map(_) if node.get("model").and_then(Node::text).is_some() => {}
        Value::Map(_) => {
            report
                .error(node.at, path, "`model` is missing")
                .hint("a target is a model group, or a mapping with `model` and what it changes");
        }
        // A variable that is not set has a warning of its own.
        Value::Null if matches!(node.spelling, Spelling::Variable(_)) => {}
        _ => check::mismatch(node, "a model group", path, report),
    }
}

/// Reads the lists of the router; one that is empty there is read from `litellm_settings`.
pub(super) fn lists(router: &Node, litellm: &Node) -> FallbackLists {
    let twin = |key: &str| {
        let first = router.get(key).filter(|node| !node.is_empty());
        first.or_else(|| litellm.get(key))
    };
    FallbackLists {
        general: rules(twin("fallbacks")),
        context_window: rules(twin("context_window_fallbacks")),
        content_policy: rules(twin("content_policy_fallbacks")),
        default: super::resolve::texts(twin("default_fallbacks")),
    }
}

/// Reads a list of one-key mappings of targets.
pub(super) fn rules(node: Option<&Node>) -> Vec<FallbackRule> {
    node.map(Node::items)
        .unwrap_or_default()
        .iter()
        .flat_map(Node::entries)
        .map(|entry| FallbackRule {
            group: entry.key.clone(),
            targets: targets(&entry.node),
        })
        .collect()
}

/// Lists the targets of a group.
pub(super) fn targets(node: &Node) -> Vec<FallbackTarget> {
    match &node.value {
        Value::Text(name) => vec![FallbackTarget {
            model: name.clone(),
            ..FallbackTarget::default()
        }],
        Value::Map(_) => with_overrides(node).into_iter().collect(),
        Value::List(items) => items.iter().flat_map(targets).collect(),
        _ => Vec::new(),
    }
}

fn with_overrides(node: &Node) -> Option<FallbackTarget> {
    let serde_json::Value::Object(mut overrides) = node.to_json() else {
        return None;
    };
    let model = node.get("model")?.text()?.to_owned();
    overrides.remove("model");
    Some(FallbackTarget { model, overrides })
}
