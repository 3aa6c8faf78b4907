use super::*;

#[test]
fn definitions_are_written_where_they_are_named() {
    let schema = json!({
        "type": "object",
        "$defs": {"City": {"type": "string", "description": "a city"}},
        "definitions": {"Day": {"type": "object", "properties": {"city": {"$ref": "#/$defs/City"}}}},
        "properties": {
            "from": {"$ref": "#/$defs/City", "description": "where from"},
            "day": {"$ref": "#/definitions/Day"},
        },
        "required": ["from"],
    });
    assert_eq!(
        for_tool(schema, true),
        json!({
            "type": "object",
            "properties": {
                "from": {"type": "string", "description": "where from"},
                "day": {"type": "object", "properties": {
                    "city": {"type": "string", "description": "a city"}}},
            },
            "required": ["from"],
        })
    );
}

#[test]
fn definitions_that_name_themselves_stay_references() {
    let schema = json!({
        "type": "object",
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
        "properties": {"first": {"$ref": "#/$defs/Node"}},
    });
    let mended = for_tool(schema, true);
    assert_eq!(
        mended["properties"]["first"]["properties"]["next"],
        json!({"$ref": "#/$defs/Node"})
    );
}

#[test]
fn definitions_that_double_each_other_do_not_grow_without_end() {
    let mut definitions = Map::new();
    for level in 0..60 {
        let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
        let schema = json!({"type": "object", "properties": {"a": next, "b": next}});
        definitions.insert(format!("d{level}"), schema);
    }
    let schema = json!({
        "type": "object", "$defs": definitions, "properties": {"x": {"$ref": "#/$defs/d0"}},
    });
    let written = for_tool(schema, true).to_string();
    assert!(written.len() < 4_000_000, "{} bytes", written.len());
}

#[test]
fn definitions_in_a_row_do_not_nest_without_end() {
    let mut definitions = Map::new();
    for level in 0..5000 {
        let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
        definitions.insert(format!("d{level}"), json!({"items": {"items": next}}));
    }
    let schema = json!({
        "type": "object", "$defs": definitions, "properties": {"x": {"$ref": "#/$defs/d0"}},
    });
    assert!(for_tool(schema, true).is_object());
}

#[test]
fn root_keeps_its_words_but_not_its_unions() {
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#", "$id": "x", "title": "T",
        "description": "D", "patternProperties": {"^x": {"type": "string"}},
        "allOf": [
            {"properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"properties": {"b": {"type": "string"}}, "required": ["b"]},
        ],
    });
    assert_eq!(
        for_tool(schema, true),
        json!({
            "title": "T", "description": "D", "patternProperties": {"^x": {"type": "string"}},
            "type": "object", "required": ["a", "b"],
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        })
    );
}

#[test]
fn a_member_named_like_a_word_of_the_schema_is_left_alone() {
    let schema = json!({"type": "object", "properties": {
        "type": {"type": "custom"}, "pattern": {"type": "string", "pattern": "(?=x)"},
        "kind": {"enum": [{"type": "custom"}]},
    }});
    let mended = for_tool(schema, false);
    assert_eq!(mended["properties"]["type"], json!({"type": "object"}));
    assert_eq!(mended["properties"]["pattern"], json!({"type": "string"}));
    assert_eq!(
        mended["properties"]["kind"],
        json!({"enum": [{"type": "custom"}]})
    );
}

#[test]
fn roots_of_no_known_type_become_objects() {
    for schema in [json!(null), json!({}), json!({"type": "None"}), json!([1])] {
        assert_eq!(
            for_tool(schema, true),
            json!({"type": "object", "properties": {}, "required": []})
        );
    }
}

#[test]
fn answers_have_no_other_members() {
    let schema = json!({
        "type": "object", "properties": {"list": {"type": "array", "items": {"type": "object"}},
        "open": {"type": ["object", "null"], "additionalProperties": true}},
        "$defs": {"E": {"anyOf": [{"type": "object"}, {"type": "string"}]}},
    });
    assert_eq!(
        for_answer(schema),
        json!({
            "type": "object", "properties": {
                "list": {"type": "array", "items": {"type": "object", "additionalProperties": false}},
                "open": {"type": ["object", "null"], "additionalProperties": true}},
            "$defs": {"E": {"anyOf": [
                {"type": "object", "additionalProperties": false}, {"type": "string"}]}},
            "additionalProperties": false,
        })
    );
}
