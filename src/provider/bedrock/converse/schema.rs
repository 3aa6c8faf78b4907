//! JSON schemas of tools and answers, made fit for Bedrock.

use serde_json::{Map, Value, json};

/// Keys that mean nothing to the model, or that Bedrock refuses at the root.
const NOT_AT_ROOT: [&str; 4] = ["$schema", "$id", "$defs", "definitions"];
const UNIONS: [&str; 3] = ["anyOf", "oneOf", "allOf"];
const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

/// How many values inlining may write: definitions that name each other twice would grow without end.
const MOST_INLINED: usize = 20_000;

/// How deep inlining goes: definitions that name each other in a row would nest without end.
const DEEPEST_INLINED: usize = 128;

/// Mends the schema of a tool's arguments: references are resolved, the root is an object without unions.
///
/// `lookaround` says whether the model takes patterns that look around.
pub(super) fn for_tool(schema: Value, lookaround: bool) -> Value {
    let mut schema = inline(schema);
    walk(&mut schema, &mut |node| {
        if node.get("type").is_some_and(|kind| kind == "custom") {
            node.insert("type".to_owned(), json!("object"));
        }
        if !lookaround && node.get("pattern").is_some_and(looks_around) {
            node.shift_remove("pattern");
        }
    });
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

/// Mends the schema of an answer: every object says that it has no other members.
pub(super) fn for_answer(mut schema: Value) -> Value {
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
pub(super) fn is_object(schema: &Value) -> bool {
    match schema.get("type") {
        Some(kind) => kind == "object",
        None => schema.get("properties").is_some(),
    }
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

/// Puts definitions where they are referred to; one that refers to itself stays a reference there.
pub(super) fn inline(mut schema: Value) -> Value {
    let mut definitions = Map::new();
    for place in ["definitions", "$defs"] {
        if let Some(Value::Object(found)) = schema.get_mut(place).map(Value::take) {
            for (name, value) in found {
                definitions.insert(format!("#/{place}/{name}"), value);
            }
        }
    }
    if definitions.is_empty() {
        return schema;
    }
    let mut inliner = Inliner {
        definitions: &definitions,
        open: Vec::new(),
        budget: MOST_INLINED,
        depth: 0,
    };
    inliner.resolve(&mut schema);
    if let Value::Object(root) = &mut schema {
        root.shift_remove("$defs");
        root.shift_remove("definitions");
    }
    schema
}

struct Inliner<'a> {
    definitions: &'a Map<String, Value>,
    /// The definitions that are being written, outermost first.
    open: Vec<String>,
    budget: usize,
    depth: usize,
}

impl Inliner<'_> {
    fn resolve(&mut self, schema: &mut Value) {
        if self.budget == 0 || self.depth == DEEPEST_INLINED {
            return;
        }
        self.budget -= 1;
        self.depth += 1;
        self.resolve_members(schema);
        self.depth -= 1;
    }

    fn resolve_members(&mut self, schema: &mut Value) {
        let reference = schema.get("$ref").and_then(Value::as_str);
        if let Some(name) = reference.map(str::to_owned) {
            self.replace(schema, &name);
            return;
        }
        match schema {
            Value::Object(node) => node.values_mut().for_each(|value| self.resolve(value)),
            Value::Array(list) => list.iter_mut().for_each(|value| self.resolve(value)),
            _ => {}
        }
    }

    fn replace(&mut self, schema: &mut Value, name: &str) {
        if self.open.iter().any(|open| open == name) {
            return;
        }
        let Some(definition) = self.definitions.get(name) else {
            return;
        };
        let mut written = definition.clone();
        self.open.push(name.to_owned());
        self.resolve(&mut written);
        self.open.pop();
        // What stands beside the reference describes this place and wins.
        if let (Value::Object(written), Value::Object(beside)) = (&mut written, &mut *schema) {
            for (key, value) in beside.iter() {
                if key != "$ref" {
                    written.insert(key.clone(), value.clone());
                }
            }
        }
        *schema = written;
    }
}

/// Replaces unions at the root, which Claude refuses, by one object that has the members of all branches.
fn flatten_unions(root: &mut Map<String, Value>) {
    for key in UNIONS {
        let Some(Value::Array(mut branches)) = root.shift_remove(key) else {
            continue;
        };
        let mut required: Option<Vec<Value>> = None;
        let properties = root.entry("properties").or_insert_with(|| json!({}));
        for branch in &mut branches {
            let Value::Object(branch) = branch else {
                continue;
            };
            flatten_unions(branch);
            if let (Value::Object(all), Some(Value::Object(own))) =
                (&mut *properties, branch.get("properties"))
            {
                for (name, schema) in own {
                    all.entry(name.clone()).or_insert_with(|| schema.clone());
                }
            }
            let own = match branch.get("required") {
                Some(Value::Array(names)) => names.clone(),
                _ => Vec::new(),
            };
            required = Some(match required {
                None => own,
                Some(before) if key == "allOf" => union(before, own),
                Some(before) => before
                    .into_iter()
                    .filter(|name| own.contains(name))
                    .collect(),
            });
        }
        let before = match root.get("required") {
            Some(Value::Array(names)) => names.clone(),
            _ => Vec::new(),
        };
        let all = union(before, required.unwrap_or_default());
        root.insert("required".to_owned(), Value::Array(all));
        root.insert("type".to_owned(), json!("object"));
    }
}

fn union(mut names: Vec<Value>, more: Vec<Value>) -> Vec<Value> {
    for name in more {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
