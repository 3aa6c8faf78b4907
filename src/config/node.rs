//! The file as a tree whose every value knows where it was written.
//!
//! `serde_yaml` decides what a value is and a marked parser where it stands; [`Node`] joins the two. Layers, references
//! to variables and the checks all work on this tree, so that whatever they find has a place.

use serde_json::Number;

/// A place in one of the sources of a configuration: a file, or a variable of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    /// Index of the source in [`super::report::Report`]; [`At::DEFAULT`] has none.
    pub(super) source: u32,
    /// Line, from 1.
    pub(super) line: u32,
    /// Column, from 1.
    pub(super) column: u32,
}

impl At {
    /// The place of a value that nobody wrote.
    pub(super) const DEFAULT: Self = Self {
        source: u32::MAX,
        line: 1,
        column: 1,
    };

    /// Returns the beginning of a source.
    pub(super) fn start_of(source: u32) -> Self {
        Self {
            source,
            line: 1,
            column: 1,
        }
    }
}

/// How a scalar was written, as far as it matters to what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Spelling {
    /// In quotes, as a block, or not a scalar at all: it means what it says.
    Exact,
    /// Without quotes: YAML 1.1 and 1.2 may read this text differently.
    Plain(Box<str>),
    /// It is the text of this variable, which `os.environ/` named; never printed.
    Variable(Box<str>),
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) value: Value,
    pub(super) spelling: Spelling,
}

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a mapping and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: At,
    pub(super) node: Node,
}

impl Node {
    /// Makes a node that was not written without quotes.
    pub(super) fn new(at: At, value: Value) -> Self {
        Self {
            at,
            value,
            spelling: Spelling::Exact,
        }
    }

    /// Returns the entries, if this is a mapping.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Returns the elements, if this is a list.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// Returns the value of a key; a null counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.node)
            .filter(|node| node.value != Value::Null)
    }

    /// Returns the value of a key unless it is only the default.
    pub(super) fn written(&self, key: &str) -> Option<&Node> {
        self.get(key).filter(|node| node.at != At::DEFAULT)
    }

    /// Returns the text, if this is text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the switch, if this is one.
    pub(super) fn flag(&self) -> Option<bool> {
        match self.value {
            Value::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    /// Returns the number, if this is one.
    pub(super) fn number(&self) -> Option<f64> {
        match &self.value {
            Value::Number(number) => number.as_f64(),
            _ => None,
        }
    }

    /// Returns the whole number, if this is one that is not negative.
    pub(super) fn count(&self) -> Option<u64> {
        match &self.value {
            Value::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    /// Says whether the value says nothing: null, or empty.
    pub(super) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Text(text) => text.is_empty(),
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// Names the type, for messages.
    pub(super) fn type_name(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Makes the tree of a JSON value, all of it at one place.
    pub(super) fn of_json(value: &serde_json::Value, at: At) -> Self {
        use serde_json::Value as Json;
        let value = match value {
            Json::Null => Value::Null,
            Json::Bool(flag) => Value::Bool(*flag),
            Json::Number(number) => Value::Number(number.clone()),
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => {
                Value::List(items.iter().map(|item| Self::of_json(item, at)).collect())
            }
            Json::Object(members) => Value::Map(
                members
                    .iter()
                    .map(|(key, value)| Entry {
                        key: key.clone(),
                        at,
                        node: Self::of_json(value, at),
                    })
                    .collect(),
            ),
        };
        Self::new(at, value)
    }

    /// Returns the value as JSON.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => serde_json::Value::Bool(*flag),
            Value::Number(number) => serde_json::Value::Number(number.clone()),
            Value::Text(text) => serde_json::Value::String(text.clone()),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => serde_json::Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.node.to_json()))
                    .collect(),
            ),
        }
    }
}
