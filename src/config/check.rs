//! Holds what was written against the tables of [`super::raw`].
//!
//! Every key of every mapping is looked at, whatever is wrong with the one before it, so that all mistakes are reported
//! at once. What comes back is the same tree with its scalars read as the keys' types, and without what is unusable: the
//! steps after this one need not ask about types again.

use super::advice;
use super::defaults;
use super::expectation::{expectation, fits, found, might_fit};
use super::fallback;
use super::home;
use super::node::{At, Entry, Node, Spelling, Value};
use super::period;
use super::raw::{CREDENTIAL_KEYS, Key, Kind, Support, Table, Unknown};
use super::read::child_path;
use super::report::{Report, did_you_mean, nearest};
use super::scalar::{self, Reading};

/// How a list is written in YAML.
pub(super) const AS_A_LIST: &str = "begin each element with `- `";

/// How far a misspelt key may be from the one that was meant.
const TYPO: usize = 2;

/// Checks a mapping; a missing key is reported where the mapping begins.
pub(super) fn table(table: &Table, node: &Node, path: &str, report: &mut Report) -> Node {
    let Value::Map(entries) = &node.value else {
        if node.value != Value::Null {
            mismatch(node, "a mapping", path, report);
        }
        return Node::new(node.at, Value::Map(Vec::new()));
    };
    let mut kept = Vec::with_capacity(entries.len());
    for entry in entries {
        let path = child_path(path, &entry.key);
        let key = table.key(&entry.key);
        let checked = match key {
            Some(key) if key.support == Support::Default => {
                request_default(&key.kind, &entry.node, &path, report)
            }
            Some(key) => value(&key.kind, &entry.node, &path, report),
            None => unknown(table, entry, &path, report),
        };
        if let Some(node) = checked {
            if let Some(key) = key {
                notice(table, key, entry, &path, report);
            }
            kept.push(Entry {
                key: entry.key.clone(),
                at: entry.at,
                node,
            });
        }
    }
    for key in table.all().filter(|key| key.required) {
        // A value of the wrong type has been reported already.
        let written = entries.iter().find(|entry| entry.key == key.name);
        if written.is_none_or(|entry| is_missing(&entry.node)) {
            let at = written.map_or(node.at, |entry| entry.at);
            report
                .error(
                    at,
                    &child_path(path, key.name),
                    format!("`{}` is missing", key.name),
                )
                .hint(advice::missing(table, key, entries, TYPO));
        }
    }
    Node::new(node.at, Value::Map(kept))
}

/// A null says nothing, unless it stands for a variable that is not set: that has a warning of its own.
fn is_missing(node: &Node) -> bool {
    node.value == Value::Null && !matches!(node.spelling, Spelling::Variable(_))
}

/// Says that a key does nothing here, if it was meant to do something.
fn notice(table: &Table, key: &Key, entry: &Entry, path: &str, report: &mut Report) {
    let message = match key.support {
        Support::Honoured | Support::Default | Support::Inert => return,
        Support::Later => "accepted, not supported yet",
        Support::OutOfScope => "not a part of Switchyard; accepted and ignored",
        Support::Refused(_) => {
            "not supported: without it the gateway would be open wider than this file says"
        }
    };
    if entry.node.at == At::DEFAULT || !has_effect(table, key, &entry.node) {
        return;
    }
    if let Support::Refused(cure) = key.support {
        report.error(entry.at, path, message).hint(cure);
        return;
    }
    if report.first_time(&format!("{}.{}", table.name, key.name)) {
        report.warn(entry.at, path, message);
    }
}

/// Says whether a value changes anything: it is neither empty, nor off, nor the default.
fn has_effect(table: &Table, key: &Key, node: &Node) -> bool {
    if node.is_empty() {
        return false;
    }
    let default = defaults::of(table.name, key.name).map(|default| default.value);
    match key.kind {
        Kind::Flag => {
            let flag = scalar::as_flag(node).map(|flag| flag.value);
            flag != Some(default == Some("true"))
        }
        Kind::Keys(_) => true,
        _ => match (&node.value, default) {
            (Value::Text(text), Some(default)) => text != default,
            (Value::Number(number), Some(default)) => number.as_f64() != default.parse().ok(),
            (Value::Bool(flag), None) => *flag,
            _ => true,
        },
    }
}

/// Judges a key that is not in the table; returns its value if it is kept.
fn unknown(table: &Table, entry: &Entry, path: &str, report: &mut Report) -> Option<Node> {
    // Where any name may stand, a short one is near to many.
    let farthest = match table.unknown {
        Unknown::Keep if entry.key.len() < 6 => 1,
        _ => TYPO,
    };
    let known = nearest(&entry.key, table.all().map(|key| key.name), farthest);
    if home::misses_guard(table, entry, path, report) {
        return None;
    }
    // Away from the entries of `model_list`, whose parts are confused with each other, one letter is a slip of the pen.
    let slip = nearest(&entry.key, table.all().map(|key| key.name), 1)
        .filter(|_| !["litellm_params", "model_info"].contains(&table.name));
    let hint = misplaced(&entry.key)
        .or(slip)
        .map(did_you_mean)
        .or_else(|| home::of(table, &entry.key).map(home::moving))
        .or_else(|| known.map(did_you_mean));
    match table.unknown {
        Unknown::Keep => {
            if !advice::too_shallow(table, &entry.key, entry.at, path, report)
                && let Some(hint) = hint
            {
                let message = "unknown key; it is kept, and does nothing";
                report.warn(entry.at, path, message).hint(hint);
            }
            value(&Kind::Any, &entry.node, path, report)
        }
        Unknown::Warn => {
            let finding = report.warn(entry.at, path, "unknown key; it is ignored");
            if let Some(hint) = hint {
                finding.hint(hint);
            }
            None
        }
        Unknown::Provider if is_price(&entry.key) => {
            if report.first_time("litellm_params price") {
                report.warn(entry.at, path, "accepted, not supported yet");
            }
            None
        }
        Unknown::Provider => {
            let credentials = || CREDENTIAL_KEYS.all().map(|key| key.name);
            let credential = nearest(&entry.key, credentials(), TYPO)
                .or_else(|| advice::longer(&entry.key, credentials()));
            // Its value may be a secret: it goes nowhere.
            if credential.is_some() || entry.key.starts_with("aws_") {
                let finding = report.warn(
                    entry.at,
                    path,
                    "unknown key that looks like a credential; it is not sent to the provider",
                );
                if let Some(known) = credential.or(known) {
                    finding.hint(did_you_mean(known));
                }
                return None;
            }
            if let Some(hint) = hint {
                let message = "unknown key; it is sent to the provider as it is";
                report.warn(entry.at, path, message).hint(hint);
            }
            value(&Kind::Any, &entry.node, path, report)
        }
    }
}

/// Prices have more names than a table can hold: `input_cost_per_token_above_200k_tokens`, `…_batches`, `…_flex`.
fn is_price(key: &str) -> bool {
    key.contains("cost_per_") || key.contains("_token_cost")
}

/// Knows the keys that are often written in the wrong place.
fn misplaced(key: &str) -> Option<&'static str> {
    match key {
        "enable_jwt_auth" | "litellm_jwtauth" => Some("general_settings.enable_jwt_auth"),
        "general_setting" => Some("general_settings"),
        "models" => Some("model_list"),
        _ => None,
    }
}

/// Checks a value; `None` when there is none, or none that can be used.
pub(super) fn value(kind: &Kind, node: &Node, path: &str, report: &mut Report) -> Option<Node> {
    if node.value == Value::Null {
        return None;
    }
    let read = match kind {
        Kind::Text | Kind::Secret => take(node, scalar::as_text(node), path, report, Value::Text),
        Kind::Flag => take(node, scalar::as_flag(node), path, report, Value::Bool),
        Kind::Count | Kind::Positive | Kind::Integer | Kind::Port => {
            whole(kind, node, path, report)
        }
        Kind::Amount | Kind::Number | Kind::Seconds | Kind::Millis => {
            let reading = scalar::as_number(node).filter(|number| fits(kind, &number.value));
            take(node, reading, path, report, Value::Number)
        }
        Kind::Period | Kind::Time => scalar::as_text(node)
            .filter(|text| period::fits(kind, &text.value))
            .map(|text| Node::new(node.at, Value::Text(text.value))),
        Kind::Choice(words) => return choice(words, node, path, report),
        Kind::Status(statuses) => return status(statuses, node, path, report),
        Kind::List(item) => items(item, node, path, report),
        Kind::OneOrMore(item) => match &node.value {
            Value::List(_) => items(item, node, path, report),
            _ => value(item, node, path, report)
                .map(|only| Node::new(node.at, Value::List(vec![only]))),
        },
        Kind::MapOf(item) => members(item, node, path, report),
        Kind::Keys(keys) => match &node.value {
            Value::Map(_) => Some(table(keys, node, path, report)),
            _ => None,
        },
        Kind::OneKeyMaps => one_key_maps(node, path, report),
        Kind::Either(kinds) => {
            let kind = kinds.iter().find(|kind| might_fit(kind, node));
            if let Some(kind) = kind {
                return value(kind, node, path, report);
            }
            None
        }
        Kind::Map => match &node.value {
            Value::Map(_) => Some(free(node, path, report)),
            _ => None,
        },
        Kind::Any => Some(free(node, path, report)),
        Kind::Misplaced(section) => {
            report
                .error(node.at, path, "this key does not belong here")
                .hint(format!("move it to `{section}`"));
            return None;
        }
        Kind::Entries => matches!(node.value, Value::List(_)).then(|| node.clone()),
    };
    if read.is_none() && !reports_itself(kind, node) {
        mismatch(node, &expectation(kind), path, report);
    }
    read
}

/// Checks a default of the request, which the provider judges in the end: what looks wrong is sent nevertheless.
fn request_default(kind: &Kind, node: &Node, path: &str, report: &mut Report) -> Option<Node> {
    if node.value == Value::Null {
        return None;
    }
    if value(kind, node, path, &mut Report::default()).is_none() {
        let message = format!("expected {}, found {}", expectation(kind), found(node));
        report
            .warn(node.at, path, message)
            .hint("it is sent as it is");
        return Some(free(node, path, report));
    }
    match kind {
        Kind::Text | Kind::Flag | Kind::Count | Kind::Positive | Kind::Integer | Kind::Number => {
            value(kind, node, path, report)
        }
        _ => Some(free(node, path, report)),
    }
}

/// Says whether what is wrong inside the value has been reported by those who looked into it.
fn reports_itself(kind: &Kind, node: &Node) -> bool {
    match kind {
        Kind::OneOrMore(_) => !matches!(node.value, Value::List(_)),
        _ => false,
    }
}

/// Takes a scalar over, with what is doubtful about it.
fn take<T>(
    node: &Node,
    reading: Option<Reading<T>>,
    path: &str,
    report: &mut Report,
    wrap: impl FnOnce(T) -> Value,
) -> Option<Node> {
    let reading = reading?;
    if let Some(doubt) = reading.doubt {
        report.warn(node.at, path, doubt);
    }
    Some(Node {
        at: node.at,
        value: wrap(reading.value),
        spelling: match &node.spelling {
            Spelling::Variable(name) => Spelling::Variable(name.clone()),
            Spelling::Plain(_) | Spelling::Exact => Spelling::Exact,
        },
    })
}

/// Reads a whole number.
fn whole(kind: &Kind, node: &Node, path: &str, report: &mut Report) -> Option<Node> {
    let reading = scalar::as_whole(node).filter(|number| fits(kind, &number.value));
    take(node, reading, path, report, Value::Number)
}

fn choice(words: &[&str], node: &Node, path: &str, report: &mut Report) -> Option<Node> {
    let Some(reading) = scalar::as_text(node) else {
        mismatch(node, &expectation(&Kind::Text), path, report);
        return None;
    };
    if words.contains(&reading.value.as_str()) {
        return take(node, Some(reading), path, report, Value::Text);
    }
    let shown = match &node.spelling {
        Spelling::Variable(name) => format!("the value of `{name}`"),
        _ => format!("`{}`", reading.value),
    };
    let finding = report.error(
        node.at,
        path,
        format!("{shown} is not one of the values that may stand here"),
    );
    let known = nearest(
        &reading.value,
        words.iter().copied(),
        reading.value.len().div_ceil(3).max(TYPO),
    );
    match known {
        Some(word) => finding.hint(did_you_mean(word)),
        None => finding.hint(format!("one of `{}`", words.join("`, `"))),
    }
    None
}

fn status(statuses: &[u16], node: &Node, path: &str, report: &mut Report) -> Option<Node> {
    let listed = statuses.iter().map(u16::to_string).collect::<Vec<_>>();
    let number = whole(&Kind::Count, node, path, report);
    let is_one = |number: &Node| {
        number
            .count()
            .is_some_and(|count| statuses.iter().any(|status| u64::from(*status) == count))
    };
    if let Some(number) = number.filter(is_one) {
        return Some(number);
    }
    mismatch(node, &listed.join(" or "), path, report);
    None
}

fn items(kind: &Kind, node: &Node, path: &str, report: &mut Report) -> Option<Node> {
    let Value::List(items) = &node.value else {
        return None;
    };
    let kept = items
        .iter()
        .enumerate()
        .filter_map(|(index, item)| value(kind, item, &format!("{path}[{index}]"), report))
        .collect();
    Some(Node::new(node.at, Value::List(kept)))
}

fn members(kind: &Kind, node: &Node, path: &str, report: &mut Report) -> Option<Node> {
    let Value::Map(entries) = &node.value else {
        return None;
    };
    let kept = entries
        .iter()
        .filter_map(|entry| {
            let node = value(kind, &entry.node, &child_path(path, &entry.key), report)?;
            Some(Entry {
                key: entry.key.clone(),
                at: entry.at,
                node,
            })
        })
        .collect();
    Some(Node::new(node.at, Value::Map(kept)))
}

fn one_key_maps(node: &Node, path: &str, report: &mut Report) -> Option<Node> {
    let Value::List(items) = &node.value else {
        return None;
    };
    let mut kept = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        match &item.value {
            Value::Map(entries) if entries.len() == 1 => {
                kept.extend(value(&Kind::Map, item, &path, report));
                for entry in entries {
                    fallback::check_targets(&entry.node, &child_path(&path, &entry.key), report);
                }
            }
            Value::Map(entries) => {
                report
                    .error(
                        item.at,
                        &path,
                        format!(
                            "expected a mapping with one key, found {} keys",
                            entries.len()
                        ),
                    )
                    .hint("write one list item per group: `- group: [target]`");
            }
            _ => {
                mismatch(item, "a mapping with one key", &path, report);
            }
        }
    }
    Some(Node::new(node.at, Value::List(kept)))
}

/// Takes over a value of no type, reading its scalars as LiteLLM would.
fn free(node: &Node, path: &str, report: &mut Report) -> Node {
    let value = match &node.value {
        Value::List(items) => Value::List(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| free(item, &format!("{path}[{index}]"), report))
                .collect(),
        ),
        Value::Map(entries) => Value::Map(
            entries
                .iter()
                .map(|entry| Entry {
                    key: entry.key.clone(),
                    at: entry.at,
                    node: free(&entry.node, &child_path(path, &entry.key), report),
                })
                .collect(),
        ),
        _ => {
            let reading = scalar::as_written(node);
            if let Some(doubt) = reading.doubt {
                report.warn(node.at, path, doubt);
            }
            reading.value
        }
    };
    Node::new(node.at, value)
}

/// Reports a value of the wrong type.
pub(super) fn mismatch(node: &Node, expected: &str, path: &str, report: &mut Report) {
    let message = format!("expected {expected}, found {}", found(node));
    let finding = report.error(node.at, path, message);
    if matches!(node.value, Value::Map(_)) && expected.starts_with("a list") {
        finding.hint(AS_A_LIST);
        return;
    }
    if expected == "text" && matches!(node.value, Value::Bool(_)) {
        finding.hint("put it in quotes if it is text");
    }
}
