//! Conditions of a gateway configuration: `{query: {metadata.tier: {$eq: paid}}, then: name}`.

use regex_lite::Regex;

use super::node::{At, Node, Value};
use super::read::child_path;
use super::report::{Report, did_you_mean, nearest};

/// What a value may be compared by.
const OPERATORS: [&str; 9] = [
    "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$regex",
];

/// What queries are joined by.
const JOINTS: [&str; 2] = ["$and", "$or"];

/// Checks the conditions of a strategy and its `default`; `names` are those of its targets.
pub(super) fn check(strategy: &Node, names: &[&str], path: &str, report: &mut Report) {
    let conditions = strategy.get("conditions").map(Node::items);
    let conditions = conditions.unwrap_or_default();
    if conditions.is_empty() && strategy.get("default").is_none() {
        report
            .error(
                strategy.at,
                &child_path(path, "conditions"),
                "`conditions` is missing",
            )
            .hint("write `\"conditions\": [{\"query\": {\"metadata.tier\": {\"$eq\": \"paid\"}}, \"then\": \"name\"}]`");
    }
    for (index, condition) in conditions.iter().enumerate() {
        let path = format!("{path}.conditions[{index}]");
        match condition.get("query") {
            Some(node) if !node.is_empty() => query(node, &child_path(&path, "query"), report),
            _ => {
                report.error(
                    condition.at,
                    &child_path(&path, "query"),
                    "`query` is missing",
                );
            }
        }
        let path = child_path(&path, "then");
        match condition.get("then") {
            Some(then) => target(then, names, &path, report),
            None => {
                report.error(condition.at, &path, "`then` is missing");
            }
        }
    }
    if let Some(default) = strategy.get("default") {
        target(default, names, &child_path(path, "default"), report);
    }
}

/// Checks that a target is there.
fn target(node: &Node, names: &[&str], path: &str, report: &mut Report) {
    let Some(name) = node.text() else {
        let found = node.type_name();
        report.error(
            node.at,
            path,
            format!("expected the name of a target, found {found}"),
        );
        return;
    };
    if names.contains(&name) {
        return;
    }
    let finding = report.error(node.at, path, format!("no target has the name `{name}`"));
    match nearest(name, names.iter().copied(), 3) {
        Some(known) => finding.hint(did_you_mean(known)),
        None => finding.hint("give a target this `name`"),
    }
}

/// Checks a query: fields with what they are compared to, or queries joined by `$and` or `$or`.
fn query(node: &Node, path: &str, report: &mut Report) {
    if !matches!(node.value, Value::Map(_)) {
        let found = node.type_name();
        report.error(node.at, path, format!("expected a mapping, found {found}"));
        return;
    }
    for entry in node.entries() {
        let path = child_path(path, &entry.key);
        let key = entry.key.as_str();
        if JOINTS.contains(&key) {
            let Value::List(parts) = &entry.node.value else {
                let found = entry.node.type_name();
                report.error(
                    entry.at,
                    &path,
                    format!("expected a list of queries, found {found}"),
                );
                continue;
            };
            for (index, part) in parts.iter().enumerate() {
                query(part, &format!("{path}[{index}]"), report);
            }
        } else if key.starts_with('$') {
            no_operator(key, &JOINTS, entry.at, &path, report);
        } else {
            if !is_field(key) {
                report
                    .error(entry.at, &path, "nothing is known by this name")
                    .hint("a field is `metadata.<name>`, `params.<name>` or `url`");
            }
            comparison(&entry.node, &path, report);
        }
    }
}

fn is_field(key: &str) -> bool {
    let after = |prefix: &str| {
        key.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty())
    };
    key == "url" || after("metadata.") || after("params.") || after("url.")
}

/// Checks what a field is compared to; a plain value is compared by `$eq`.
fn comparison(node: &Node, path: &str, report: &mut Report) {
    for entry in node.entries() {
        let path = child_path(path, &entry.key);
        let key = entry.key.as_str();
        let problem = match key {
            "$in" | "$nin" if !matches!(entry.node.value, Value::List(_)) => "expected a list",
            "$regex" => match entry.node.text().map(Regex::new) {
                Some(Ok(_)) => continue,
                Some(Err(_)) => "the pattern cannot be used",
                None => "expected a pattern",
            },
            _ if OPERATORS.contains(&key) => continue,
            _ => {
                no_operator(key, &OPERATORS, entry.at, &path, report);
                continue;
            }
        };
        report.error(entry.node.at, &path, problem);
    }
}

fn no_operator(name: &str, known: &[&str], at: At, path: &str, report: &mut Report) {
    let finding = report.error(at, path, format!("there is no operator `{name}`"));
    match nearest(name, known.iter().copied(), 2) {
        Some(known) => finding.hint(did_you_mean(known)),
        None => finding.hint(format!("one of `{}`", known.join("`, `"))),
    }
}
