//! JSON schemas of tools and answers, made fit for Bedrock. References are resolved before, by [`super::definitions`].

use std::collections::{BTreeMap, HashSet};

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::canonical::RawJson;

/// Keys that mean nothing to the model, or that Bedrock refuses at the root.
const NOT_AT_ROOT: [&str; 4] = ["$schema", "$id", "$defs", "definitions"];
/// Keys that mean nothing to any model.
const MEANINGLESS: [&str; 2] = ["$schema", "$id"];
const UNIONS: [&str; 3] = ["anyOf", "oneOf", "allOf"];
const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

/// Mends the schema of a tool's arguments, whose references are resolved: the root is an object without unions.
///
/// `lookaround` says whether the model takes patterns that look around.
pub(crate) fn for_tool(mut schema: Value, lookaround: bool) -> Value {
    mend_nodes(&mut schema, lookaround);
    let Value::Object(mut root) = schema else {
        return json!({"type": "object", "properties": {}, "required": []});
    };
    for key in NOT_AT_ROOT {
        root.shift_remove(key);
    }
    flatten_unions(&mut root);
    let is_known = root
        .get("type")
        .and_then(Value::as_str)
        .is_some_and(|kind| TYPES.contains(&kind));
    if !is_known {
        root.insert("type".to_owned(), json!("object"));
    }
    if !root.get("properties").is_some_and(Value::is_object) {
        root.insert("properties".to_owned(), json!({}));
    }
    if !root.get("required").is_some_and(Value::is_array) {
        root.insert("required".to_owned(), json!([]));
    }
    Value::Object(root)
}

/// What the schema of a tool's arguments must say, and what it says where the client does not.
const DEFAULTS: [(&str, &str); 3] = [
    ("type", "\"object\""),
    ("properties", "{}"),
    ("required", "[]"),
];

/// Does what [`for_tool`] does to a schema of which nothing has to be changed, without taking it apart: what is absent is
/// written behind the client's own text.
pub(crate) fn as_written(schema: &RawJson, lookaround: bool) -> Option<RawJson> {
    let text = schema.get();
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    // An escape may hide a word that is looked for.
    if has("\\u") || has("\"custom\"") || (!lookaround && has("(?")) {
        return None;
    }
    let root: BTreeMap<String, &RawValue> = schema.parse().ok()?;
    let is_fit = |name: &str, first: char| {
        root.get(name)
            .is_none_or(|value| value.get().starts_with(first))
    };
    let kind = root.get("type").map_or("object", |kind| kind.get());
    if !TYPES.contains(&kind.trim_matches('"'))
        || !is_fit("properties", '{')
        || !is_fit("required", '[')
        || (NOT_AT_ROOT.iter().chain(&UNIONS)).any(|key| root.contains_key(*key))
    {
        return None;
    }
    if DEFAULTS.iter().all(|(name, _)| root.contains_key(*name)) {
        return Some(schema.clone());
    }
    let mut out = text.trim_end().strip_suffix('}')?.to_owned();
    let mut is_empty = root.is_empty();
    for (name, value) in DEFAULTS
        .iter()
        .filter(|(name, _)| !root.contains_key(*name))
    {
        let comma = if is_empty { "" } else { "," };
        out.extend([comma, "\"", name, "\":", value]);
        is_empty = false;
    }
    out.push('}');
    serde_json::from_str(&out).ok()
}

/// Says whether a schema has a union at its root.
pub(crate) fn has_union(schema: &Value) -> bool {
    UNIONS.iter().any(|key| schema.get(key).is_some())
}

/// Says whether a tool's schema can go to Anthropic's own format as the client wrote it.
pub(crate) fn is_native(schema: &RawJson, lookaround: bool) -> bool {
    let text = schema.get();
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    // An escape may hide a word that is looked for.
    if has("\\u") || has("\"custom\"") || (!lookaround && has("(?")) {
        return false;
    }
    let Ok(root) = schema.parse::<BTreeMap<String, &RawValue>>() else {
        return false;
    };
    root.get("type")
        .is_some_and(|kind| kind.get() == "\"object\"")
        && !UNIONS
            .iter()
            .chain(&MEANINGLESS)
            .any(|key| root.contains_key(*key))
}

/// Mends the schema of a tool's arguments for Anthropic's own format: the root is an object without unions.
pub(crate) fn for_messages(mut schema: Value, lookaround: bool) -> Value {
    mend_nodes(&mut schema, lookaround);
    let Value::Object(mut root) = schema else {
        return json!({"type": "object", "properties": {}});
    };
    for key in MEANINGLESS {
        root.shift_remove(key);
    }
    flatten_unions(&mut root);
    root.insert("type".to_owned(), json!("object"));
    root.entry("properties").or_insert_with(|| json!({}));
    Value::Object(root)
}

/// Mends the schema of an answer: every object says that it has no other members.
pub(crate) fn for_answer(mut schema: Value) -> Value {
    walk(&mut schema, &mut |node| {
        let is_object = node.get("type").is_some_and(|kind| match kind {
            Value::String(kind) => kind == "object",
            Value::Array(kinds) => kinds.iter().any(|kind| kind == "object"),
            _ => false,
        });
        if is_object && !node.contains_key("additionalProperties") {
            node.insert("additionalProperties".to_owned(), json!(false));
        }
    });
    schema
}

/// Says whether a schema describes an object.
pub(crate) fn is_object(schema: &Value) -> bool {
    match schema.get("type") {
        Some(kind) => kind == "object",
        None => schema.get("properties").is_some(),
    }
}

/// Mends what may be wrong anywhere in a schema.
fn mend_nodes(schema: &mut Value, lookaround: bool) {
    walk(schema, &mut |node| {
        if node.get("type").is_some_and(|kind| kind == "custom") {
            node.insert("type".to_owned(), json!("object"));
        }
        if !lookaround && node.get("pattern").is_some_and(looks_around) {
            node.shift_remove("pattern");
        }
    });
}

fn looks_around(pattern: &Value) -> bool {
    let pattern = pattern.as_str().unwrap_or("");
    ["(?=", "(?!", "(?<=", "(?<!"]
        .iter()
        .any(|mark| pattern.contains(mark))
}

/// Calls `visit` for a schema and each schema in it.
fn walk(schema: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match schema {
        Value::Object(node) => {
            visit(node);
            for (key, value) in node.iter_mut() {
                match (key.as_str(), &mut *value) {
                    // Names of members, not words of the schema.
                    (
                        "properties" | "patternProperties" | "$defs" | "definitions"
                        | "dependentSchemas",
                        Value::Object(members),
                    ) => {
                        for schema in members.values_mut() {
                            walk(schema, visit);
                        }
                    }
                    // Data, not schemas.
                    ("enum" | "const" | "default" | "examples" | "required", _) => {}
                    _ => walk(value, visit),
                }
            }
        }
        Value::Array(schemas) => {
            for schema in schemas {
                walk(schema, visit);
            }
        }
        _ => {}
    }
}

/// Replaces unions at the root, which Claude refuses, by one object that has the members of all branches.
fn flatten_unions(root: &mut Map<String, Value>) {
    for key in UNIONS {
        let Some(Value::Array(branches)) = root.shift_remove(key) else {
            continue;
        };
        let mut required: Option<Names> = None;
        let properties = root.entry("properties").or_insert_with(|| json!({}));
        for branch in branches {
            let Value::Object(mut branch) = branch else {
                continue;
            };
            flatten_unions(&mut branch);
            if let (Value::Object(all), Some(Value::Object(own))) =
                (&mut *properties, branch.shift_remove("properties"))
            {
                for (name, schema) in own {
                    all.entry(name).or_insert(schema);
                }
            }
            let own = Names::take(&mut branch);
            match &mut required {
                None => required = Some(own),
                Some(before) if key == "allOf" => before.add(own),
                Some(before) => before.keep(&own),
            }
        }
        let mut all = Names::take(root);
        all.add(required.unwrap_or_default());
        root.insert("required".to_owned(), Value::Array(all.list));
        root.insert("type".to_owned(), json!("object"));
    }
}

/// The names that `required` lists, each once; a schema may list very many.
#[derive(Debug, Default)]
struct Names {
    list: Vec<Value>,
    known: HashSet<Value>,
}

impl Names {
    /// Takes the names out of a schema.
    fn take(schema: &mut Map<String, Value>) -> Self {
        let mut out = Self::default();
        if let Some(Value::Array(names)) = schema.get_mut("required").map(Value::take) {
            out.extend(names);
        }
        out
    }

    fn extend(&mut self, names: Vec<Value>) {
        for name in names {
            if self.known.insert(name.clone()) {
                self.list.push(name);
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.extend(other.list);
    }

    fn keep(&mut self, other: &Self) {
        self.list.retain(|name| other.known.contains(name));
        self.known.retain(|name| other.known.contains(name));
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
