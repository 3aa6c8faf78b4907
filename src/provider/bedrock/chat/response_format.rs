//! `response_format`: an answer that fits a schema, by the model's own means or by a tool that stands in.

use std::io;

use serde_json::ser::Formatter;
use serde_json::{Value, json};

use super::Wire;
use super::context::{JSON_TOOL, JsonTool};
use super::definitions::{self, Budget};
use super::kind::Model;
use super::schema;
use super::tools::{Schema, Spec};
use crate::canonical::{JsonSchemaFormat, RawJson, ResponseFormat, Text};
use crate::error::{Error, Result};

/// How the answer is held to a schema.
#[derive(Debug)]
pub(crate) enum Format {
    /// Not at all.
    Free,
    /// By the model's own means.
    Native(Value),
    /// By a tool that the model must call.
    Tool {
        /// The tool.
        spec: Spec,
        /// How to read the call.
        tool: JsonTool,
    },
}

/// Decides how the answer is held to the schema that the client gave.
pub(crate) fn plan(
    format: Option<&ResponseFormat>,
    model: &Model<'_>,
    budget: &mut Budget,
) -> Result<Format> {
    match format {
        None | Some(ResponseFormat::Text | ResponseFormat::JsonObject) => Ok(Format::Free),
        Some(ResponseFormat::JsonSchema(format)) if model.takes_schema() => {
            Ok(Format::Native(native(format, model.wire)))
        }
        Some(ResponseFormat::JsonSchema(format)) => stand_in(format, model.wire, budget),
        Some(ResponseFormat::Other(raw)) => Err(Error::bad_request(
            "response_format",
            format!(
                "Invalid value for 'response_format': bedrock does not know {}.",
                raw.get().chars().take(200).collect::<String>()
            ),
        )),
    }
}

/// Writes `outputConfig`, or the `format` of Anthropic's `output_config`, for a schema.
pub(crate) fn native(format: &JsonSchemaFormat, wire: Wire) -> Value {
    let schema = schema::for_answer(format.schema.to_value());
    if wire == Wire::Messages {
        return json!({"type": "json_schema", "schema": schema});
    }
    let mut inner = json!({ "schema": in_pythons_spacing(&schema) });
    if let Value::Object(inner) = &mut inner {
        if let Some(name) = &format.name {
            inner.insert("name".to_owned(), json!(name));
        }
        if let Some(description) = &format.description {
            inner.insert("description".to_owned(), json!(description));
        }
    }
    json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": inner}}})
}

/// Reads the schema of Anthropic's `output_config.format`.
pub(crate) fn of_output_config(format: &Value) -> Option<JsonSchemaFormat> {
    let schema = format.get("schema").filter(|schema| schema.is_object())?;
    Some(JsonSchemaFormat {
        name: None,
        description: None,
        schema: RawJson::from_value(schema),
        strict: None,
    })
}

fn stand_in(format: &JsonSchemaFormat, wire: Wire, budget: &mut Budget) -> Result<Format> {
    let mut schema = format.schema.to_value();
    // Anthropic's own format follows references, but for those of a schema that is wrapped or flattened.
    let follows =
        wire == Wire::Messages && schema::is_object(&schema) && !schema::has_union(&schema);
    if !follows {
        schema = definitions::inline(schema, budget).map_err(|excess| {
            let problem = excess.problem();
            Error::bad_request(
                "response_format",
                format!("Invalid value for 'response_format': {problem}."),
            )
        })?;
    }
    let wrapped = !schema::is_object(&schema);
    let schema = if wrapped { wrap(schema) } else { schema };
    let has_values = || schema.pointer("/properties/values").is_some();
    let may_be_values = wire == Wire::Messages && !has_values();
    let given = format.description.as_deref();
    let (description, schema) = match wire {
        Wire::Converse => (
            Some(given.unwrap_or(JSON_TOOL)),
            schema::for_tool(schema, true),
        ),
        Wire::Messages => (given, schema::for_messages(schema, true)),
    };
    Ok(Format::Tool {
        spec: Spec {
            name: JSON_TOOL.to_owned(),
            description: description.map(Text::new),
            schema: Schema::Mended(schema),
            strict: false,
            deferred: false,
        },
        tool: JsonTool {
            wrapped,
            may_be_values,
        },
    })
}

/// Puts a schema that is not an object under the one property of an object that is.
fn wrap(schema: Value) -> Value {
    let mut object = json!({"type": "object", "properties": {}, "required": ["value"]});
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.insert("value".to_owned(), schema);
    }
    object
}

/// Writes JSON as Python does, so that Bedrock's cache of compiled schemas is shared with clients of LiteLLM.
pub(crate) fn in_pythons_spacing(value: &Value) -> String {
    struct Spaced;
    impl Formatter for Spaced {
        fn begin_array_value<W: io::Write + ?Sized>(
            &mut self,
            out: &mut W,
            first: bool,
        ) -> io::Result<()> {
            out.write_all(if first { b"" } else { b", " })
        }

        fn begin_object_key<W: io::Write + ?Sized>(
            &mut self,
            out: &mut W,
            first: bool,
        ) -> io::Result<()> {
            out.write_all(if first { b"" } else { b", " })
        }

        fn begin_object_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
            out.write_all(b": ")
        }

        fn write_string_fragment<W: io::Write + ?Sized>(
            &mut self,
            out: &mut W,
            fragment: &str,
        ) -> io::Result<()> {
            let mut units = [0; 2];
            for c in fragment.chars() {
                if c.is_ascii() {
                    write!(out, "{c}")?;
                } else {
                    for unit in c.encode_utf16(&mut units) {
                        write!(out, "\\u{unit:04x}")?;
                    }
                }
            }
            Ok(())
        }
    }
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Spaced);
    match serde::Serialize::serialize(value, &mut serializer) {
        Ok(()) => String::from_utf8_lossy(&out).into_owned(),
        Err(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacing_is_pythons() {
        let value = json!({"a": [1, "é"], "b": {"c": null}});
        assert_eq!(
            in_pythons_spacing(&value),
            r#"{"a": [1, "\u00e9"], "b": {"c": null}}"#
        );
    }

    #[test]
    fn schemas_that_are_no_objects_are_wrapped() {
        let format = JsonSchemaFormat {
            name: Some("n".to_owned()),
            description: None,
            schema: RawJson::from_value(&json!({
                "type": "array", "items": {"$ref": "#/$defs/E"}, "$defs": {"E": {"type": "string"}}
            })),
            strict: None,
        };
        let Format::Tool { spec, tool } =
            stand_in(&format, Wire::Converse, &mut Budget::default()).unwrap()
        else {
            panic!()
        };
        let Schema::Mended(schema) = spec.schema else {
            panic!()
        };
        assert!(tool.wrapped);
        assert_eq!(
            schema,
            json!({"type": "object", "required": ["value"],
                "properties": {"value": {"type": "array", "items": {"type": "string"}}}})
        );
    }
}
