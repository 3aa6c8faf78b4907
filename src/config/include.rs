//! The file with the files that it includes, as one tree.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::node::{At, Entry, Node, Value};
use super::read;
use super::report::Report;
use crate::hex::hex;

/// Most files that one configuration may consist of.
const MAX_FILES: usize = 256;

/// How an included mapping meets one of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Merge {
    /// It takes its place.
    Replace,
    /// They are merged, key by key.
    Deep,
}

/// A configuration's files, merged.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) root: Node,
    /// All files that were read, the first one first.
    pub(super) paths: Vec<PathBuf>,
    /// SHA-256 over their contents.
    pub(super) hash: String,
}

/// A file that is still to be read.
struct Wanted {
    path: PathBuf,
    at: At,
    key: String,
}

/// Reads the rest of a configuration whose first file has the text `text`.
///
/// Breadth first; a file that was read already is not read again. `None` if the first file cannot be used at all.
pub(super) fn read_all(path: &Path, text: &str, source: u32, report: &mut Report) -> Option<Files> {
    let mut hash = Sha256::new();
    hash.update(text.as_bytes());
    let mut root = read::parse(text, source, report)?;
    let mode = match root.get("include_merge").and_then(Node::text) {
        Some("deep") => Merge::Deep,
        _ => Merge::Replace,
    };
    let home = folder(path);
    let mut seen = BTreeSet::from([identity(path)]);
    let mut paths = vec![path.to_path_buf()];
    let mut queue = wanted(&root, &home, &home, report);
    while let Some(next) = queue.pop_front() {
        if !seen.insert(identity(&next.path)) {
            continue;
        }
        if paths.len() >= MAX_FILES {
            report.error(
                next.at,
                &next.key,
                format!("more than {MAX_FILES} files are included"),
            );
            break;
        }
        let mut problems = Report::default();
        let first = problems.add_source(next.path.display().to_string());
        let Some(text) = read::read_text(&next.path, At::start_of(first), &mut problems) else {
            // What is wrong with the file is said where it is named.
            for finding in problems.into_findings().0 {
                report
                    .error(next.at, &next.key, finding.message)
                    .hint("paths are relative to the file that names them");
            }
            continue;
        };
        hash.update(text.as_bytes());
        paths.push(next.path.clone());
        let source = report.add_source(next.path.display().to_string());
        if let Some(node) = read::parse(&text, source, report) {
            queue.extend(wanted(&node, &folder(&next.path), &home, report));
            merge(&mut root, node, mode, report);
        }
    }
    if let Value::Map(entries) = &mut root.value {
        entries.retain(|entry| entry.key != "include");
    }
    Some(Files {
        root,
        paths,
        hash: hex(&hash.finalize()),
    })
}

fn folder(path: &Path) -> PathBuf {
    path.parent().map(Path::to_path_buf).unwrap_or_default()
}

fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// Lists what a file includes.
fn wanted(node: &Node, folder: &Path, home: &Path, report: &mut Report) -> VecDeque<Wanted> {
    let Some(include) = node.get("include") else {
        return VecDeque::new();
    };
    if !matches!(include.value, Value::List(_)) {
        let found = include.type_name();
        report
            .error(
                include.at,
                "include",
                format!("expected a list of paths, found {found}"),
            )
            .hint("write `include:` and below it `  - other.yaml`");
        return VecDeque::new();
    }
    let mut wanted = VecDeque::new();
    for (index, item) in include.items().iter().enumerate() {
        let key = format!("include[{index}]");
        let Some(name) = item.text() else {
            let found = item.type_name();
            report.error(item.at, &key, format!("expected a path, found {found}"));
            continue;
        };
        let mut path = folder.join(name);
        if !path.exists() && home.join(name).exists() {
            report
                .warn(item.at, &key, "not found beside this file; the file of that name beside the first one is used")
                .hint("write the path relative to this file");
            path = home.join(name);
        }
        wanted.push_back(Wanted {
            path,
            at: item.at,
            key,
        });
    }
    wanted
}

/// Merges an included file into what there is.
fn merge(base: &mut Node, included: Node, mode: Merge, report: &mut Report) {
    let (Value::Map(base), Value::Map(included)) = (&mut base.value, included.value) else {
        return;
    };
    for entry in included {
        if entry.key == "include" || entry.key == "include_merge" {
            continue;
        }
        let Some(place) = base.iter().position(|known| known.key == entry.key) else {
            base.push(entry);
            continue;
        };
        let Some(known) = base.get_mut(place) else {
            continue;
        };
        match (&mut known.node.value, entry.node.value) {
            (Value::List(items), Value::List(added)) => items.extend(added),
            (Value::Map(_), value @ Value::Map(_)) if mode == Merge::Deep => {
                let included = Node {
                    value,
                    ..entry.node
                };
                merge(&mut known.node, included, mode, report);
            }
            (old, value) => {
                let node = Node {
                    value,
                    ..entry.node
                };
                let lost = lost_keys(old, &node);
                if !lost.is_empty() {
                    report
                        .warn(
                            entry.at,
                            &entry.key,
                            format!(
                                "replaces the section of the file that includes this one; lost: `{}`",
                                lost.join("`, `")
                            ),
                        )
                        .hint("set `include_merge: deep` at the top of the first file to merge sections");
                }
                *known = Entry { node, ..entry };
            }
        }
    }
}

/// Lists the keys that go when one mapping takes the place of another.
fn lost_keys(old: &Value, new: &Node) -> Vec<String> {
    match old {
        Value::Map(entries) => entries
            .iter()
            .filter(|entry| !new.entries().iter().any(|other| other.key == entry.key))
            .map(|entry| entry.key.clone())
            .collect(),
        _ => Vec::new(),
    }
}
