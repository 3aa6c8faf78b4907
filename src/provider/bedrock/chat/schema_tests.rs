use super::*;

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

#[test]
fn names_that_are_required_are_listed_once() {
    let names: Vec<String> = (0..100_000).map(|name| name.to_string()).collect();
    let some = json!({"required": names.iter().step_by(2).collect::<Vec<_>>()});
    let all = json!({"required": names});
    let one_of = for_tool(json!({"oneOf": [all, some], "required": ["x", "0"]}), true);
    assert_eq!(one_of["required"].as_array().unwrap().len(), 50_001);
    let all_of = for_tool(json!({"allOf": vec![some; 20]}), true);
    assert_eq!(all_of["required"].as_array().unwrap().len(), 50_000);
}

#[test]
fn schemas_of_which_nothing_is_changed_are_not_taken_apart() {
    let written = |schema: &str| {
        let schema: RawJson = serde_json::from_str(schema).unwrap();
        let written = as_written(&schema, false)?;
        assert_eq!(written.to_value(), for_tool(schema.to_value(), false));
        Some(written.get().to_owned())
    };
    let whole = r#"{"required": [], "type":"object", "properties": {"a": {"anyOf": [{}]}}}"#;
    assert_eq!(written(whole).as_deref(), Some(whole));
    assert_eq!(
        written(r#"{"properties": {"a": 1.50} }"#).unwrap(),
        r#"{"properties": {"a": 1.50} ,"type":"object","required":[]}"#
    );
    assert_eq!(
        written("{ }").unwrap(),
        r#"{ "type":"object","properties":{},"required":[]}"#
    );
    for schema in [
        "null",
        "[1]",
        r#"{"type": "None"}"#,
        r#"{"type": ["object"]}"#,
        r#"{"properties": []}"#,
        r#"{"required": null}"#,
        r#"{"anyOf": []}"#,
        r#"{"$defs": {}}"#,
        r#"{"properties": {"a": {"type": "custom"}}}"#,
        r#"{"properties": {"a": {"type": "c\u0075stom"}}}"#,
        r#"{"properties": {"a": {"pattern": "(?=x)"}}}"#,
    ] {
        assert_eq!(written(schema), None, "{schema}");
    }
}
