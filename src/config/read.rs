//! Reads one file into a tree of [`Node`]s.
//!
//! The order of the steps is what keeps a hostile file harmless: its size is looked at before it is read, its depth and
//! its expanded size before `serde_yaml`, which rejects repeated keys but expands aliases, builds anything.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

use serde_yaml::Value as Yaml;

use super::locate::{LocateError, MAX_DEPTH, MAX_OPEN, MAX_VALUES, Mark, MarkKind, Marks, locate};
use super::node::{At, Entry, Node, Spelling, Value};
use super::report::Report;

/// Largest file.
pub(super) const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// Reads a file's text; `None` after saying why not.
pub(super) fn read_text(path: &Path, at: At, report: &mut Report) -> Option<String> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            report.error(at, "", format!("there is no file `{shown}`"));
            return None;
        }
        Err(error) => {
            report.error(at, "", format!("cannot read `{shown}`: {error}"));
            return None;
        }
        Ok(metadata) if metadata.is_dir() => {
            report.error(at, "", format!("`{shown}` is a folder, not a file"));
            return None;
        }
        Ok(metadata) if metadata.len() > MAX_FILE_BYTES => {
            report.error(at, "", too_big());
            return None;
        }
        Ok(_) => {}
    }
    match std::fs::read(path) {
        Ok(bytes) => decode(&bytes, at, report),
        Err(error) => {
            report.error(at, "", format!("cannot read `{shown}`: {error}"));
            None
        }
    }
}

/// Checks that a file's bytes are text of a bearable size.
pub(super) fn decode(bytes: &[u8], at: At, report: &mut Report) -> Option<String> {
    if bytes.len() as u64 > MAX_FILE_BYTES {
        report.error(at, "", too_big());
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()),
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.split(|byte| *byte == b'\n').count();
            let at = At {
                line: u32::try_from(line).unwrap_or(u32::MAX),
                ..at
            };
            report
                .error(at, "", "the file is not UTF-8")
                .hint("save it as UTF-8");
            None
        }
    }
}

fn too_deep() -> String {
    format!("nested more than {MAX_DEPTH} levels deep")
}

fn too_big() -> String {
    format!(
        "the file is larger than {} MiB",
        MAX_FILE_BYTES / 1024 / 1024
    )
}

/// Parses a text; `None` after saying why not. An empty one is an error.
pub(super) fn parse(text: &str, source: u32, report: &mut Report) -> Option<Node> {
    let start = At::start_of(source);
    let marks = match locate(text, source) {
        Ok(marks) => Some(marks),
        Err(LocateError::TooDeep(at)) => {
            report.error(at, "", too_deep());
            return None;
        }
        Err(LocateError::TooManyOpen(at)) => {
            report
                .error(at, "", format!("more than {MAX_OPEN} brackets are open here: nested too deep, or never closed"))
                .hint("close them");
            return None;
        }
        Err(LocateError::TooMany(at)) => {
            report
                .error(
                    at,
                    "",
                    format!("more than {MAX_VALUES} values once its anchors are expanded"),
                )
                .hint("anchors that refer to anchors multiply; write the values out");
            return None;
        }
        // Without marks nobody has counted what the anchors expand to.
        Err(LocateError::Syntax(at, reason)) if text.contains('&') => {
            unreadable(at, &reason, text, report);
            return None;
        }
        Err(LocateError::Syntax(..)) => None,
    };
    let mut yaml: Yaml = match serde_yaml::from_str(text) {
        Ok(yaml) => yaml,
        Err(error) => {
            let root = marks.as_ref().and_then(|marks| marks.root.as_ref());
            if let Some((at, path)) = root.and_then(|root| find_repeated(root, "")) {
                report
                    .error(at, &path, "this key is written twice")
                    .hint("remove or rename one of the two");
                return None;
            }
            let second = marks.as_ref().and_then(|marks| marks.second_document);
            let at = error
                .location()
                .map_or(second.unwrap_or(start), |place| At {
                    source,
                    line: u32::try_from(place.line()).unwrap_or(u32::MAX),
                    column: u32::try_from(place.column()).unwrap_or(u32::MAX),
                });
            let reason = without_places(&error.to_string());
            if reason.contains("recursion limit") {
                report.error(at, "", too_deep());
            } else {
                unreadable(at, &reason, text, report);
            }
            return None;
        }
    };
    if let Err(error) = yaml.apply_merge() {
        let at = marks
            .as_ref()
            .and_then(|marks| find_merge(marks.root.as_ref()?))
            .unwrap_or(start);
        report
            .error(at, "<<", error.to_string())
            .hint("`<<` takes an alias of a mapping, or a list of them");
        return None;
    }
    let root = marks.as_ref().and_then(|marks| marks.root.as_ref());
    let node = join(yaml, start, root, marks.as_ref(), "", report);
    match node.value {
        Value::Map(_) => Some(node),
        Value::Null => {
            report
                .error(start, "", "the file is empty")
                .hint("start with `model_list:`");
            None
        }
        _ => {
            report.error(
                node.at,
                "",
                format!("expected a mapping of sections, found {}", node.type_name()),
            );
            None
        }
    }
}

/// Reads a value that stands alone, such as a variable's: a list or a mapping as YAML, anything else as text.
pub(super) fn parse_value(text: &str, source: u32, report: &mut Report) -> Option<Node> {
    let at = At::start_of(source);
    if !text.trim_start().starts_with(['[', '{']) {
        return Some(Node::new(at, Value::Text(text.to_owned())));
    }
    if let Err(LocateError::TooDeep(_) | LocateError::TooManyOpen(_) | LocateError::TooMany(_)) =
        locate(text, source)
    {
        report.error(at, "", "too large a value");
        return None;
    }
    match serde_yaml::from_str::<Yaml>(text) {
        Ok(yaml) => Some(join(yaml, at, None, None, "", report)),
        Err(error) => {
            let reason = without_places(&error.to_string());
            report.error(at, "", format!("not readable as YAML: {reason}"));
            None
        }
    }
}

/// Says that a text is not YAML, with the cure for the mistakes that are made most.
fn unreadable(at: At, reason: &str, text: &str, report: &mut Report) {
    let line = text.lines().nth(at.line.saturating_sub(1) as usize);
    let hint = cure(reason, line.unwrap_or_default());
    let finding = report.error(at, "", format!("not readable as YAML: {reason}"));
    if let Some(hint) = hint {
        finding.hint(hint);
    }
}

fn cure(reason: &str, line: &str) -> Option<&'static str> {
    let value = line
        .split_once(": ")
        .map_or(line, |(_, value)| value)
        .trim_start_matches([' ', '-'])
        .trim_start();
    if value.starts_with('*') {
        return Some("`*` starts an alias in YAML: quote the value, as in `\"*\"`");
    }
    if value.starts_with(['@', '`', '%']) {
        return Some("a value may not start with this character: quote it");
    }
    if line.contains('\t') || reason.contains("tab") {
        return Some("indent with spaces, not with tabs");
    }
    if reason.contains("mapping values are not allowed") {
        return Some("quote a value that contains `: `, or check the indentation");
    }
    if reason.contains("did not find expected") || reason.contains("block mapping") {
        return Some("check the indentation of this line and of the one above it");
    }
    if reason.contains("more than one document") {
        return Some("a configuration is one document: remove this line");
    }
    None
}

/// Takes ` at line 2 column 18` out of `serde_yaml`'s message; the finding has its place already.
fn without_places(message: &str) -> String {
    let mut parts = message.split(" at line ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.trim_start_matches(|char: char| {
            char.is_ascii_digit() || char == ' ' || "column".contains(char)
        }));
    }
    text
}

/// Finds the second of two equal keys of a mapping.
fn find_repeated(mark: &Mark, path: &str) -> Option<(At, String)> {
    match &mark.kind {
        MarkKind::Map(pairs) => {
            let mut seen = BTreeSet::new();
            pairs.iter().find_map(|(key, value)| {
                let name = key.scalar()?;
                let path = child_path(path, name);
                if seen.insert(name) {
                    find_repeated(value, &path)
                } else {
                    Some((key.at, path))
                }
            })
        }
        MarkKind::List(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| find_repeated(item, &format!("{path}[{index}]"))),
        _ => None,
    }
}

/// Finds the first `<<` whose value can not be merged.
fn find_merge(mark: &Mark) -> Option<At> {
    match &mark.kind {
        MarkKind::Map(pairs) => pairs.iter().find_map(|(key, value)| {
            if key.scalar() == Some("<<") {
                let unfit = match &value.kind {
                    MarkKind::List(items) => items.iter().any(|item| item.scalar().is_some()),
                    _ => value.scalar().is_some(),
                };
                if unfit {
                    return Some(value.at);
                }
            }
            find_merge(value)
        }),
        MarkKind::List(items) => items.iter().find_map(find_merge),
        _ => None,
    }
}

/// Joins a value with its place; `parent` stands in where there is none.
fn join(
    yaml: Yaml,
    parent: At,
    mark: Option<&Mark>,
    marks: Option<&Marks>,
    path: &str,
    report: &mut Report,
) -> Node {
    let at = mark.map_or(parent, |mark| mark.at);
    let target = mark.map(|mark| marks.map_or(mark, |marks| marks.target(mark)));
    let spelling = match target.map(|target| &target.kind) {
        Some(MarkKind::Plain(text)) => Spelling::Plain(text.as_str().into()),
        _ => Spelling::Exact,
    };
    let value = match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(flag) => Value::Bool(flag),
        Yaml::Number(number) => number_of(&number),
        Yaml::String(text) => Value::Text(text),
        Yaml::Sequence(items) => Value::List(
            items
                .into_iter()
                .enumerate()
                .map(|(index, item)| {
                    let mark = target.and_then(|target| match &target.kind {
                        MarkKind::List(marks) => marks.get(index),
                        _ => None,
                    });
                    join(item, at, mark, marks, &format!("{path}[{index}]"), report)
                })
                .collect(),
        ),
        Yaml::Mapping(pairs) => {
            let mut entries = Vec::with_capacity(pairs.len());
            for (place, (key, value)) in pairs.into_iter().enumerate() {
                let key = key_text(&key);
                let found = target
                    .zip(marks)
                    .and_then(|(target, marks)| marks.member(target, &key, place));
                let (key_at, mark) = found.map_or((at, None), |(at, mark)| (at, Some(mark)));
                let path = child_path(path, &key);
                let node = join(value, key_at, mark, marks, &path, report);
                entries.push(Entry {
                    key,
                    at: key_at,
                    node,
                });
            }
            Value::Map(entries)
        }
        Yaml::Tagged(tagged) => {
            report
                .error(at, path, format!("the tag `{}` is not known", tagged.tag))
                .hint("remove the tag, or quote the value");
            join(tagged.value, parent, mark, marks, path, report).value
        }
    };
    Node {
        at,
        value,
        spelling,
    }
}

/// Appends a key to a path.
pub(super) fn child_path(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn number_of(number: &serde_yaml::Number) -> Value {
    let json = number
        .as_u64()
        .map(serde_json::Number::from)
        .or_else(|| number.as_i64().map(serde_json::Number::from))
        .or_else(|| number.as_f64().and_then(serde_json::Number::from_f64));
    // Infinity and not-a-number have no form in JSON; as text they fail wherever a number is expected.
    json.map_or_else(|| Value::Text(number.to_string()), Value::Number)
}

fn key_text(key: &Yaml) -> String {
    match key {
        Yaml::String(text) => text.clone(),
        Yaml::Bool(flag) => flag.to_string(),
        Yaml::Number(number) => number.to_string(),
        Yaml::Null => "null".to_owned(),
        Yaml::Sequence(_) | Yaml::Mapping(_) | Yaml::Tagged(_) => "?".to_owned(),
    }
}
