//! The JSON Schema of `config.yaml`, for editors.
//!
//! It is made from the tables that the file is checked against, so the two cannot disagree. It is more lenient than the
//! check where a file may be: no section is required, because an included file has only some; numbers and switches may
//! be text, because `os.environ/NAME` is text and so is what a variable holds.

use serde_json::{Map, Value, json};

use super::defaults::{self, Source};
use super::raw::{ENTRY, Key, Kind, Support, TOP_LEVEL, Table, Unknown};

/// Returns the JSON Schema (2020-12) of `config.yaml`.
pub fn schema() -> Value {
    let Value::Object(mut root) = table(&TOP_LEVEL) else {
        return Value::Null;
    };
    let mut schema = Map::new();
    schema.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    schema.insert("title".to_owned(), json!("Switchyard's config.yaml"));
    schema.append(&mut root);
    schema.insert("$defs".to_owned(), definitions());
    Value::Object(schema)
}

/// The forms that many keys share.
fn definitions() -> Value {
    let reference = json!({ "type": "string", "pattern": "^os\\.environ/" });
    let or_text = |schema: Value, pattern: &str| {
        json!({ "anyOf": [
            schema,
            { "type": "string", "pattern": pattern },
            { "$ref": "#/$defs/reference" },
        ] })
    };
    json!({
        "reference": reference,
        "text": { "type": ["string", "number"] },
        "flag": or_text(json!({ "type": "boolean" }), "^(true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$"),
        "integer": or_text(json!({ "type": "integer" }), "^[+-]?[0-9]+$"),
        "count": or_text(json!({ "type": "integer", "minimum": 0 }), "^[+]?[0-9]+$"),
        "positive": or_text(json!({ "type": "integer", "minimum": 1 }), "^[+]?0*[1-9][0-9]*$"),
        "number": or_text(json!({ "type": "number" }), "^[+-]?[0-9.]+([eE][+-]?[0-9]+)?$"),
        "port": or_text(json!({ "type": "integer", "minimum": 1, "maximum": 65535 }), "^[0-9]{1,5}$"),
        "period": { "anyOf": [
            { "type": "string", "pattern": "^(0*[1-9][0-9]*(s|m|h|d|w|mo)|daily|weekly|monthly)$" },
            { "$ref": "#/$defs/reference" },
        ] },
        "amount": or_text(json!({ "type": "number", "minimum": 0 }), "^[+]?[0-9.]+([eE][+-]?[0-9]+)?$"),
    })
}

fn table(table: &Table) -> Value {
    let mut properties = Map::new();
    for key in table.all() {
        properties.insert(key.name.to_owned(), property(table, key));
    }
    let required: Vec<_> = table
        .all()
        .filter(|key| key.required)
        .map(|key| key.name)
        .collect();
    let mut schema = Map::from_iter([
        ("type".to_owned(), json!(["object", "null"])),
        ("properties".to_owned(), Value::Object(properties)),
    ]);
    if !required.is_empty() {
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("required".to_owned(), json!(required));
    }
    // What is only a warning to `check` is a mistake to an editor: that is where typos are seen.
    if table.unknown == Unknown::Warn {
        schema.insert("additionalProperties".to_owned(), json!(false));
    }
    Value::Object(schema)
}

fn property(table: &Table, key: &Key) -> Value {
    let mut schema = match kind(&key.kind) {
        Value::Object(schema) => schema,
        _ => Map::new(),
    };
    // A null is as good as no key, except where one is required.
    if !key.required && !schema.contains_key("type") && !schema.is_empty() {
        let inner = Value::Object(std::mem::take(&mut schema));
        schema.insert("anyOf".to_owned(), json!([inner, { "type": "null" }]));
    }
    let mut note = match key.support {
        Support::Honoured | Support::Default => "",
        Support::Later => " (accepted, not supported yet)",
        Support::Inert => " (accepted, no effect)",
        Support::OutOfScope => " (not a part of Switchyard)",
        Support::Refused(_) => " (not supported: an error)",
    }
    .to_owned();
    if let Some(default) = defaults::of(table.name, key.name) {
        let value = serde_json::from_str(default.value).unwrap_or_else(|_| json!(default.value));
        schema.insert("default".to_owned(), value);
        if default.source == Source::Ours {
            note.push_str("; the default is Switchyard's, not LiteLLM's");
        }
    }
    schema.insert(
        "description".to_owned(),
        json!(format!("{}{note}", key.about)),
    );
    Value::Object(schema)
}

fn kind(kind: &Kind) -> Value {
    let nullable = |name: &str| json!({ "type": [name, "null"] });
    match kind {
        Kind::Text | Kind::Secret | Kind::Time => json!({ "$ref": "#/$defs/text" }),
        Kind::Flag => json!({ "$ref": "#/$defs/flag" }),
        Kind::Count => json!({ "$ref": "#/$defs/count" }),
        Kind::Positive => json!({ "$ref": "#/$defs/positive" }),
        Kind::Integer => json!({ "$ref": "#/$defs/integer" }),
        Kind::Number => json!({ "$ref": "#/$defs/number" }),
        Kind::Amount | Kind::Seconds | Kind::Millis => json!({ "$ref": "#/$defs/amount" }),
        Kind::Period => json!({ "$ref": "#/$defs/period" }),
        Kind::Port => json!({ "$ref": "#/$defs/port" }),
        Kind::Choice(words) => json!({ "anyOf": [
            { "enum": words },
            { "$ref": "#/$defs/reference" },
        ] }),
        Kind::Status(statuses) => {
            let words: Vec<_> = statuses.iter().map(u16::to_string).collect();
            json!({ "anyOf": [
                { "enum": statuses },
                { "enum": words },
                { "$ref": "#/$defs/reference" },
            ] })
        }
        Kind::List(item) => json!({ "type": ["array", "null"], "items": self::kind(item) }),
        Kind::OneOrMore(item) => json!({ "anyOf": [
            self::kind(item),
            { "type": "array", "items": self::kind(item) },
        ] }),
        Kind::MapOf(item) => {
            json!({ "type": ["object", "null"], "additionalProperties": self::kind(item) })
        }
        Kind::Keys(keys) => table(keys),
        Kind::OneKeyMaps => json!({
            "type": ["array", "null"],
            "items": { "type": "object", "minProperties": 1, "maxProperties": 1 },
        }),
        Kind::Either(kinds) => {
            json!({ "anyOf": kinds.iter().map(self::kind).collect::<Vec<_>>() })
        }
        Kind::Map => nullable("object"),
        Kind::Any => json!({}),
        Kind::Misplaced(_) => json!({ "not": {} }),
        Kind::Entries => json!({ "type": ["array", "null"], "items": table(&ENTRY) }),
    }
}
