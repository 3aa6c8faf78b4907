//! Lays defaults, file, environment and flags over each other.
//!
//! figment decides which layer a value comes from: the later one wins, mappings are merged key by key, everything else
//! is replaced as a whole. It keeps neither the order of keys nor places in files, so the values that the file won are
//! taken from the file's own tree afterwards.

use std::collections::BTreeMap;

use figment::value::{Dict, Empty, Num, Value as Layered};
use figment::{Figment, Metadata, Profile, Provider};

use super::defaults::DEFAULTS;
use super::environment::Environment;
use super::node::{At, Entry, Node, Value};
use super::raw::{Kind, TOP_LEVEL, Table};
use super::read;
use super::report::{Report, did_you_mean, nearest};

/// What variables that set a key begin with: `SWITCHYARD_<SECTION>__<KEY>`.
const PREFIX: &str = "SWITCHYARD_";

const DEFAULTS_LAYER: &str = "defaults";
const FILE_LAYER: &str = "file";

/// Values of keys that the command line sets, which win over everything else.
#[derive(Debug, Clone, Default)]
pub struct Overrides(Vec<(String, String)>);

impl Overrides {
    /// Sets a key by its path (`litellm_settings.json_logs`) to a value written as in the file.
    #[must_use]
    pub fn set(mut self, path: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.push((path.into(), value.into()));
        self
    }
}

/// One layer.
struct Layer {
    name: String,
    data: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> figment::Result<figment::value::Map<Profile, Dict>> {
        Ok(figment::value::Map::from([(
            Profile::Default,
            self.data.clone(),
        )]))
    }
}

/// Lays the other layers under and over the file.
pub(super) fn layer(
    file: Node,
    environment: &Environment,
    overrides: &Overrides,
    report: &mut Report,
) -> Node {
    let mut figment = Figment::new()
        .merge(Layer {
            name: DEFAULTS_LAYER.to_owned(),
            data: default_values(),
        })
        .merge(Layer {
            name: FILE_LAYER.to_owned(),
            data: dict_of(&file),
        });
    let mut written = BTreeMap::new();
    let from_environment = environment.iter().filter_map(|(name, value)| {
        let path = name.strip_prefix(PREFIX)?;
        path.contains("__")
            .then(|| (format!("${name}"), path.to_ascii_lowercase(), value))
    });
    let from_flags = overrides.0.iter().map(|(path, value)| {
        (
            format!("flag for {path}"),
            path.replace('.', "__"),
            value.as_str(),
        )
    });
    for (name, path, value) in from_environment.chain(from_flags) {
        let source = report.add_source(name.clone());
        let at = At::start_of(source);
        let keys: Vec<&str> = path.split("__").collect();
        if !is_known(&keys, at, report) {
            continue;
        }
        let Some(node) = read::parse_value(value, source, report) else {
            continue;
        };
        figment = figment.merge(Layer {
            name: name.clone(),
            data: nest(&keys, layered(&node)),
        });
        written.insert(name, (at, node));
    }
    let Ok(merged) = figment.find_value("") else {
        return file;
    };
    rejoin(&merged, Some(&file), &figment, &written)
}

/// Checks that a variable names a section and a key; says so if not.
fn is_known(keys: &[&str], at: At, report: &mut Report) -> bool {
    let [section, key, ..] = keys else {
        return false;
    };
    let path = keys.join(".");
    let Some(Kind::Keys(table)) = TOP_LEVEL.key(section).map(|key| &key.kind) else {
        let sections = TOP_LEVEL
            .all()
            .filter(|key| matches!(key.kind, Kind::Keys(_)))
            .map(|key| key.name);
        let finding = report.warn(at, &path, "no such section; the variable is ignored");
        if let Some(known) = nearest(section, sections, 3) {
            finding.hint(did_you_mean(&known.to_ascii_uppercase()));
        }
        return false;
    };
    let table: &Table = table;
    if table.key(key).is_none() {
        let known = nearest(key, table.all().map(|key| key.name), 2);
        let finding = report.warn(at, &path, "unknown key; the variable is ignored");
        if let Some(known) = known {
            finding.hint(did_you_mean(&known.to_ascii_uppercase()));
        }
        return false;
    }
    true
}

fn default_values() -> Dict {
    let mut root = Dict::new();
    for default in DEFAULTS {
        let value = scalar(default.value);
        if default.section.is_empty() {
            root.insert(default.key.to_owned(), value);
        } else if TOP_LEVEL.key(default.section).is_some() {
            let section = root
                .entry(default.section.to_owned())
                .or_insert_with(|| Layered::from(Dict::new()));
            if let Layered::Dict(_, keys) = section {
                keys.insert(default.key.to_owned(), value);
            }
        }
    }
    root
}

/// Reads a default, which is a switch, a number or a word.
fn scalar(text: &str) -> Layered {
    match text {
        "true" => Layered::from(true),
        "false" => Layered::from(false),
        _ => text.parse::<u64>().map_or_else(
            |_| {
                text.parse::<f64>()
                    .map_or_else(|_| Layered::from(text), Layered::from)
            },
            Layered::from,
        ),
    }
}

fn nest(keys: &[&str], value: Layered) -> Dict {
    let Some((first, rest)) = keys.split_first() else {
        return Dict::new();
    };
    let inner = if rest.is_empty() {
        value
    } else {
        Layered::from(nest(rest, value))
    };
    Dict::from([((*first).to_owned(), inner)])
}

/// Turns the file's tree into figment's; a null is left out, so that it does not hide a default.
fn dict_of(node: &Node) -> Dict {
    node.entries()
        .iter()
        .filter(|entry| entry.node.value != Value::Null)
        .map(|entry| (entry.key.clone(), layered(&entry.node)))
        .collect()
}

fn layered(node: &Node) -> Layered {
    match &node.value {
        Value::Null => Layered::from(Empty::Unit),
        Value::Bool(flag) => Layered::from(*flag),
        Value::Number(number) => number
            .as_u64()
            .map(Layered::from)
            .or_else(|| number.as_i64().map(Layered::from))
            .or_else(|| number.as_f64().map(Layered::from))
            .unwrap_or_else(|| Layered::from(Empty::Unit)),
        Value::Text(text) => Layered::from(text.as_str()),
        Value::List(items) => Layered::from(items.iter().map(layered).collect::<Vec<_>>()),
        Value::Map(_) => Layered::from(dict_of(node)),
    }
}

/// Turns the merged layers back into a tree whose values have places.
fn rejoin(
    merged: &Layered,
    file: Option<&Node>,
    figment: &Figment,
    written: &BTreeMap<String, (At, Node)>,
) -> Node {
    if let Layered::Dict(_, members) = merged {
        let in_file = file.map(Node::entries).unwrap_or_default();
        let mut entries = Vec::with_capacity(members.len());
        for entry in in_file {
            // What is not among the members is a null of the file's.
            let node = members.get(&entry.key).map_or_else(
                || entry.node.clone(),
                |member| rejoin(member, Some(&entry.node), figment, written),
            );
            entries.push(Entry {
                node,
                ..entry.clone()
            });
        }
        let others = members
            .iter()
            .filter(|(key, _)| !in_file.iter().any(|entry| entry.key == **key));
        for (key, member) in others {
            let node = rejoin(member, None, figment, written);
            entries.push(Entry {
                key: key.clone(),
                at: node.at,
                node,
            });
        }
        let at = file.map_or(At::DEFAULT, |file| file.at);
        return Node::new(at, Value::Map(entries));
    }
    let layer = figment
        .get_metadata(merged.tag())
        .map_or(DEFAULTS_LAYER, |metadata| metadata.name.as_ref());
    match (layer, file, written.get(layer)) {
        (FILE_LAYER, Some(file), _) => file.clone(),
        (_, _, Some((at, node))) if !matches!(node.value, Value::Map(_)) => Node {
            at: *at,
            ..node.clone()
        },
        (_, _, Some((at, _))) => unlayered(merged, *at),
        _ => unlayered(merged, At::DEFAULT),
    }
}

fn unlayered(value: &Layered, at: At) -> Node {
    let value = match value {
        Layered::String(_, text) => Value::Text(text.clone()),
        Layered::Char(_, char) => Value::Text(char.to_string()),
        Layered::Bool(_, flag) => Value::Bool(*flag),
        Layered::Num(_, number) => number_of(*number),
        Layered::Empty(..) => Value::Null,
        Layered::Dict(_, members) => Value::Map(
            members
                .iter()
                .map(|(key, member)| Entry {
                    key: key.clone(),
                    at,
                    node: unlayered(member, at),
                })
                .collect(),
        ),
        Layered::Array(_, items) => {
            Value::List(items.iter().map(|item| unlayered(item, at)).collect())
        }
    };
    Node::new(at, value)
}

fn number_of(number: Num) -> Value {
    let whole = number
        .to_u128()
        .and_then(|whole| u64::try_from(whole).ok())
        .map(serde_json::Number::from)
        .or_else(|| {
            number
                .to_i128()
                .and_then(|whole| i64::try_from(whole).ok())
                .map(serde_json::Number::from)
        });
    whole
        .or_else(|| number.to_f64().and_then(serde_json::Number::from_f64))
        .map_or(Value::Null, Value::Number)
}
