//! Makes a JSON value that fits a JSON schema, for tool arguments and structured output.

use serde_json::{Map, Number, Value};

use super::super::json::Node;

/// Beyond this depth only what the schema requires is made.
const DEPTH_OF_OPTIONAL: usize = 4;
/// A schema that requires itself ends here.
const MAX_DEPTH: usize = 24;

/// Returns a value that fits the schema; equal schemas give equal values.
///
/// Understood are `const`, `enum`, `default`, `$ref` within the schema, `anyOf`, `oneOf`, `allOf`, `type`, `properties`,
/// `required`, `items`, `prefixItems`, lengths, bounds and the common formats. Regular expressions are not.
pub(super) fn fitting(schema: &Node<'_>) -> Value {
    value(schema, schema, 0)
}

fn value(schema: &Node<'_>, root: &Node<'_>, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    let fixed = schema
        .get("const")
        .or_else(|| schema.items_of("enum").first())
        .or_else(|| schema.get("default"));
    if let Some(fixed) = fixed {
        return serde_json::to_value(fixed).unwrap_or_default();
    }
    if let Some(target) = schema.text_of("$ref") {
        return resolve(target, root).map_or(Value::Null, |schema| value(schema, root, depth + 1));
    }
    for name in ["anyOf", "oneOf"] {
        let branches = schema.items_of(name);
        let branch = branches
            .iter()
            .find(|branch| branch.text_of("type") != Some("null"))
            .or(branches.first());
        if let Some(branch) = branch {
            return merged(value(branch, root, depth + 1), object(schema, root, depth));
        }
    }
    let all = schema.items_of("allOf");
    if !all.is_empty() {
        let parts = all.iter().map(|part| value(part, root, depth + 1));
        return parts.fold(object(schema, root, depth), merged);
    }
    match type_of(schema) {
        "object" => object(schema, root, depth),
        "array" => array(schema, root, depth),
        "integer" => number(schema, true),
        "number" => number(schema, false),
        "boolean" => Value::Bool(true),
        "null" => Value::Null,
        _ => Value::String(string(schema)),
    }
}

fn type_of<'a>(schema: &'a Node<'_>) -> &'a str {
    let declared = match schema.get("type") {
        Some(Node::Text(name)) => Some(name.as_ref()),
        Some(Node::List(names)) => names
            .iter()
            .filter_map(Node::text)
            .find(|name| *name != "null"),
        _ => None,
    };
    let guessed = if schema.has("properties") || schema.members().is_empty() {
        "object"
    } else if schema.has("items") {
        "array"
    } else {
        "string"
    };
    declared.unwrap_or(guessed)
}

/// Follows `#/$defs/Name`.
fn resolve<'a>(target: &str, root: &'a Node<'a>) -> Option<&'a Node<'a>> {
    let path = target.strip_prefix('#')?.trim_start_matches('/');
    if path.is_empty() {
        return Some(root);
    }
    path.split('/').try_fold(root, |node, name| {
        let name = name.replace("~1", "/").replace("~0", "~");
        match node {
            Node::List(items) => items.get(name.parse::<usize>().ok()?),
            _ => node.get(&name),
        }
    })
}

fn merged(first: Value, second: Value) -> Value {
    match (first, second) {
        (Value::Object(mut first), Value::Object(second)) => {
            first.extend(second);
            Value::Object(first)
        }
        (first, _) => first,
    }
}

fn object(schema: &Node<'_>, root: &Node<'_>, depth: usize) -> Value {
    let required = schema.items_of("required");
    let is_required = |name: &str| required.iter().any(|node| node.text() == Some(name));
    let properties = schema.get("properties").map_or(&[][..], Node::members);
    let mut made = Map::new();
    for (name, property) in properties {
        if depth < DEPTH_OF_OPTIONAL || is_required(name) {
            made.insert(name.to_string(), value(property, root, depth + 1));
        }
    }
    Value::Object(made)
}

fn array(schema: &Node<'_>, root: &Node<'_>, depth: usize) -> Value {
    let prefix = schema.items_of("prefixItems");
    if !prefix.is_empty() {
        return prefix
            .iter()
            .map(|item| value(item, root, depth + 1))
            .collect();
    }
    let least = schema
        .get("minItems")
        .and_then(Node::integer)
        .unwrap_or_default();
    let most = schema
        .get("maxItems")
        .and_then(Node::integer)
        .unwrap_or(u64::MAX);
    let usual = u64::from(depth < DEPTH_OF_OPTIONAL);
    let count = least.max(usual).min(most).min(64);
    match schema.get("items") {
        Some(items) => (0..count).map(|_| value(items, root, depth + 1)).collect(),
        None => (0..least.min(64))
            .map(|_| Value::from("simulated"))
            .collect(),
    }
}

fn number(schema: &Node<'_>, whole: bool) -> Value {
    let bound = |name: &str| schema.get(name).and_then(Node::number);
    let step = bound("multipleOf").filter(|step| *step > 0.0);
    let least = bound("minimum")
        .or_else(|| bound("exclusiveMinimum").map(|least| least + step.unwrap_or(1.0)));
    let most = bound("maximum")
        .or_else(|| bound("exclusiveMaximum").map(|most| most - step.unwrap_or(1.0)));
    let usual = if whole { 1.0 } else { 1.5 };
    let mut number: f64 = usual;
    if let Some(most) = most {
        number = number.min(most);
    }
    if let Some(least) = least {
        number = number.max(least);
    }
    if let Some(step) = step {
        number = (number / step).ceil() * step;
    }
    if whole {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the cast saturates, and any integer will do"
        )]
        return Value::from(number.ceil() as i64);
    }
    Number::from_f64(number).map_or(Value::from(1), Value::Number)
}

fn string(schema: &Node<'_>) -> String {
    let text = match schema.text_of("format") {
        Some("date") => "2026-01-02",
        Some("date-time") => "2026-01-02T03:04:05Z",
        Some("time") => "03:04:05Z",
        Some("email") => "simulated@example.com",
        Some("uri" | "url") => "https://example.com/simulated",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        Some("ipv4") => "192.0.2.1",
        _ => "simulated",
    };
    let limit = |name: &str, usual: usize| {
        schema
            .get(name)
            .and_then(Node::integer)
            .and_then(|length| usize::try_from(length).ok())
            .unwrap_or(usual)
    };
    let (least, most) = (
        limit("minLength", 0).min(4096),
        limit("maxLength", usize::MAX),
    );
    text.chars()
        .chain(std::iter::repeat('x'))
        .take(text.chars().count().max(least).min(most))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(schema: &str) -> String {
        fitting(&serde_json::from_str(schema).unwrap()).to_string()
    }

    #[test]
    fn values_fit_their_schema() {
        let cases = [
            (
                r#"{"type":"object","properties":{"a":{"type":"string"},"n":{"type":"integer","minimum":5}}}"#,
                r#"{"a":"simulated","n":5}"#,
            ),
            (
                r#"{"type":"array","items":{"enum":["x","y"]},"minItems":2}"#,
                r#"["x","x"]"#,
            ),
            (r#"{"type":["null","number"],"maximum":0.5}"#, "0.5"),
            (r#"{"anyOf":[{"type":"null"},{"type":"boolean"}]}"#, "true"),
            (
                r#"{"allOf":[{"properties":{"a":{"const":1}}},{"properties":{"b":{"const":2}}}]}"#,
                r#"{"a":1,"b":2}"#,
            ),
            (
                r##"{"$ref":"#/$defs/D","$defs":{"D":{"type":"string","format":"date"}}}"##,
                r#""2026-01-02""#,
            ),
            (r#"{"type":"string","minLength":11}"#, r#""simulatedxx""#),
            (r#"{"type":"string","maxLength":3}"#, r#""sim""#),
            (
                r#"{"type":"integer","exclusiveMinimum":3,"multipleOf":4}"#,
                "8",
            ),
            ("{}", "{}"),
        ];
        for (schema, expected) in cases {
            assert_eq!(sample(schema), expected, "{schema}");
        }
    }

    #[test]
    fn a_schema_that_contains_itself_ends() {
        let tree = r##"{"type":"object","properties":{"child":{"$ref":"#"},"v":{"type":"integer"}},"required":["v"]}"##;
        assert!(sample(tree).len() < 500);
        assert!(sample(r##"{"$ref":"#"}"##) == "null");
    }
}
