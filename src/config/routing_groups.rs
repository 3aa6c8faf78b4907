//! `router_settings.routing_groups`: model groups that are called by one name and share a strategy.

use std::collections::{BTreeMap, BTreeSet};

use super::node::{Node, Value};
use super::params::text;
use super::policy::{strategy, strategy_args};
use super::report::Report;
use super::resolve::texts;
use super::{RoutingGroup, StrategyConfig};

/// Reads the groups; what is wrong with one is an error at its place.
pub(super) fn read(node: Option<&Node>, report: &mut Report) -> Vec<RoutingGroup> {
    let mut groups: Vec<RoutingGroup> = Vec::new();
    let mut members: BTreeMap<String, String> = BTreeMap::new();
    for (index, item) in node.map(Node::items).unwrap_or_default().iter().enumerate() {
        let path = format!("router_settings.routing_groups[{index}]");
        let Some(group) = group(item, &path, report) else {
            continue;
        };
        let at = item.get("group_name").unwrap_or(item).at;
        let name_path = format!("{path}.group_name");
        if group.name == "default" {
            report
                .error(at, &name_path, "the name `default` is reserved")
                .hint("give the group another name");
        }
        if groups.iter().any(|known| known.name == group.name) {
            let message = format!("there is another routing group called `{}`", group.name);
            report
                .error(at, &name_path, message)
                .hint("give each group a name of its own");
        }
        if group.priorities.is_none() {
            let own = item.get("models").map(Node::items).unwrap_or_default();
            one_group_each(own, &group.name, &mut members, &path, report);
        }
        groups.push(group);
    }
    groups
}

fn group(item: &Node, path: &str, report: &mut Report) -> Option<RoutingGroup> {
    let name = text(item, "group_name")?;
    let models = texts(item.get("models"));
    let chosen = item.get("routing_strategy");
    let is_priority = chosen.and_then(Node::text) == Some("priority");
    let priorities = item.get("model_priorities");
    if let Some(priorities) = priorities {
        known_members(priorities, &models, is_priority, path, report);
    } else if is_priority {
        report
            .error(
                item.at,
                &format!("{path}.model_priorities"),
                "`model_priorities` is missing",
            )
            .hint("say which model comes first: `model_priorities: {a: 1, b: 2}`");
    }
    Some(RoutingGroup {
        name,
        models,
        strategy: StrategyConfig {
            name: chosen
                .filter(|_| !is_priority)
                .and_then(|node| strategy(Some(node), &format!("{path}.routing_strategy"), report))
                .unwrap_or_default(),
            args: strategy_args(
                item.get("routing_strategy_args"),
                &format!("{path}.routing_strategy_args"),
                report,
            ),
        },
        priorities: is_priority.then(|| {
            priorities
                .map(Node::entries)
                .unwrap_or_default()
                .iter()
                .filter_map(|entry| match &entry.node.value {
                    Value::Number(order) => Some((entry.key.clone(), order.as_i64()?)),
                    _ => None,
                })
                .collect()
        }),
    })
}

/// Says which priorities are for nothing.
fn known_members(
    priorities: &Node,
    models: &[String],
    is_priority: bool,
    path: &str,
    report: &mut Report,
) {
    let path = format!("{path}.model_priorities");
    if !is_priority {
        report
            .warn(priorities.at, &path, "no effect with this strategy")
            .hint("they are for `routing_strategy: priority`");
        return;
    }
    let models: BTreeSet<&str> = models.iter().map(String::as_str).collect();
    for entry in priorities.entries() {
        if !models.contains(entry.key.as_str()) {
            let message = format!("`{}` is not one of the group's `models`", entry.key);
            report.warn(entry.at, &format!("{path}.{}", entry.key), message);
        }
    }
}

/// A group imposes its strategy on its members, so a model may be in one only.
fn one_group_each(
    models: &[Node],
    name: &str,
    members: &mut BTreeMap<String, String>,
    path: &str,
    report: &mut Report,
) {
    for (index, model) in models.iter().enumerate() {
        let Some(text) = model.text() else { continue };
        if let Some(other) = members.insert(text.to_owned(), name.to_owned()) {
            let path = format!("{path}.models[{index}]");
            let message = format!("`{text}` is in the routing group `{other}` already");
            report
                .error(model.at, &path, message)
                .hint("a model may be in one group, and in any number with `priority`");
        }
    }
}
