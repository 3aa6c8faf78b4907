//! `$ref` in JSON schemas: definitions are written where they are referred to, because Bedrock follows no references.
//!
//! Definitions that name each other twice would double with every level, so that a small request could fill the memory.
//! Every copy is therefore paid for, before it is made, out of one [`Budget`] for all schemas of a request.

use std::collections::HashMap;

use serde_json::Value;

/// What all copies of one request may cost: far more than schemas that a model can follow.
const BUDGET: usize = 4 * 1024 * 1024;

/// What a value costs beside its text: about what it takes in memory where it has none.
const COST_OF_VALUE: usize = 16;

/// How deep copies nest: definitions that name each other in a row would nest without end.
const DEEPEST: usize = 128;

/// What the copies of one request may still cost.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(BUDGET)
    }
}

impl Budget {
    /// Pays for a copy before it is made.
    fn pay(&mut self, cost: usize) -> Result<(), Excess> {
        self.0 = self.0.checked_sub(cost).ok_or(Excess::Size)?;
        Ok(())
    }
}

/// Why a schema cannot be written without references.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// The copies would be too large.
    Size,
    /// The copies would nest too deep.
    Depth,
}

impl Excess {
    /// Says it to the client.
    pub(crate) fn problem(self) -> &'static str {
        match self {
            Self::Size => "its definitions are too large where they are written in place of `$ref`",
            Self::Depth => {
                "its definitions nest too deep where they are written in place of `$ref`"
            }
        }
    }
}

/// Puts definitions where they are referred to; one that refers to itself stays a reference there.
pub(crate) fn inline(mut schema: Value, budget: &mut Budget) -> Result<Value, Excess> {
    let mut definitions = HashMap::new();
    for place in ["definitions", "$defs"] {
        if let Some(Value::Object(found)) = schema.get_mut(place).map(Value::take) {
            for (name, value) in found {
                definitions.insert(format!("#/{place}/{name}"), Definition::new(value));
            }
        }
    }
    if definitions.is_empty() {
        return Ok(schema);
    }
    let mut inliner = Inliner {
        definitions,
        budget,
        depth: 0,
    };
    inliner.resolve(&mut schema)?;
    if let Value::Object(root) = &mut schema {
        root.shift_remove("$defs");
        root.shift_remove("definitions");
    }
    Ok(schema)
}

struct Definition {
    schema: Value,
    /// What a copy costs.
    cost: usize,
    /// Whether it is being written, so that what is written refers to itself.
    open: bool,
}

impl Definition {
    fn new(schema: Value) -> Self {
        Self {
            cost: cost(&schema),
            schema,
            open: false,
        }
    }
}

/// Returns what a copy of a value costs.
fn cost(value: &Value) -> usize {
    COST_OF_VALUE
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(list) => list.iter().map(cost).sum(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| name.len() + cost(value))
                .sum(),
        }
}

struct Inliner<'b> {
    definitions: HashMap<String, Definition>,
    budget: &'b mut Budget,
    depth: usize,
}

impl Inliner<'_> {
    fn resolve(&mut self, schema: &mut Value) -> Result<(), Excess> {
        if self.depth == DEEPEST {
            return Err(Excess::Depth);
        }
        self.depth += 1;
        match schema {
            Value::Object(node) => {
                for value in node.values_mut() {
                    self.resolve(value)?;
                }
                self.replace(schema)?;
            }
            Value::Array(list) => {
                for value in list {
                    self.resolve(value)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        self.depth -= 1;
        Ok(())
    }

    /// Writes the definition in place of a reference to it.
    fn replace(&mut self, schema: &mut Value) -> Result<(), Excess> {
        let Some(name) = schema.get("$ref").and_then(Value::as_str) else {
            return Ok(());
        };
        let name = name.to_owned();
        let Some(definition) = self.definitions.get_mut(&name).filter(|found| !found.open) else {
            return Ok(());
        };
        self.budget.pay(definition.cost)?;
        definition.open = true;
        let mut written = definition.schema.clone();
        self.resolve(&mut written)?;
        if let Some(definition) = self.definitions.get_mut(&name) {
            definition.open = false;
        }
        // What stands beside the reference describes this place and wins.
        if let (Value::Object(written), Value::Object(beside)) = (&mut written, schema.take()) {
            for (key, value) in beside {
                if key != "$ref" {
                    written.insert(key, value);
                }
            }
        }
        *schema = written;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    fn inlined(schema: Value) -> Result<Value, Excess> {
        inline(schema, &mut Budget::default())
    }

    #[test]
    fn definitions_are_written_where_they_are_named() {
        let schema = json!({
            "$defs": {"City": {"type": "string", "description": "a city"}},
            "definitions": {"Day": {"properties": {"city": {"$ref": "#/$defs/City"}}}},
            "properties": {
                "from": {"$ref": "#/$defs/City", "description": "where from"},
                "day": {"$ref": "#/definitions/Day", "not": {"$ref": "#/$defs/City"}},
                "other": {"$ref": "#/elsewhere"},
            },
        });
        let city = json!({"type": "string", "description": "a city"});
        assert_eq!(
            inlined(schema).unwrap(),
            json!({"properties": {
                "from": {"type": "string", "description": "where from"},
                "day": {"properties": {"city": city}, "not": city},
                "other": {"$ref": "#/elsewhere"},
            }})
        );
    }

    #[test]
    fn definitions_that_name_themselves_stay_references() {
        let schema = json!({
            "$defs": {"Node": {"properties": {"next": {"$ref": "#/$defs/Node"}}}},
            "properties": {"first": {"$ref": "#/$defs/Node"}, "second": {"$ref": "#/$defs/Node"}},
        });
        let node = json!({"properties": {"next": {"$ref": "#/$defs/Node"}}});
        assert_eq!(
            inlined(schema).unwrap(),
            json!({"properties": {"first": node, "second": node}})
        );
    }

    #[test]
    fn copies_that_double_or_are_large_end_with_the_budget() {
        let mut definitions = Map::new();
        for level in 0..40 {
            let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
            definitions.insert(format!("d{level}"), json!({"anyOf": [next, next]}));
        }
        let doubling = json!({"$defs": definitions, "not": {"$ref": "#/$defs/d0"}});
        assert_eq!(inlined(doubling), Err(Excess::Size));

        let large = "x".repeat(500_000);
        let list = vec![json!({"$ref": "#/$defs/d"}); 5000];
        let large = json!({"$defs": {"d": {"description": large}}, "anyOf": list});
        assert_eq!(inlined(large), Err(Excess::Size));
    }

    #[test]
    fn all_schemas_share_one_budget() {
        let schema = json!({
            "$defs": {"d": {"description": "x".repeat(1_500_000)}}, "not": {"$ref": "#/$defs/d"},
        });
        let mut budget = Budget::default();
        assert!(inline(schema.clone(), &mut budget).is_ok());
        assert!(inline(schema.clone(), &mut budget).is_ok());
        assert_eq!(inline(schema, &mut budget), Err(Excess::Size));
    }

    #[test]
    fn definitions_in_a_row_do_not_nest_without_end() {
        let mut definitions = Map::new();
        for level in 0..5000 {
            let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
            definitions.insert(format!("d{level}"), json!({"items": {"items": next}}));
        }
        let schema = json!({"$defs": definitions, "not": {"$ref": "#/$defs/d0"}});
        assert_eq!(inlined(schema), Err(Excess::Depth));
    }
}
