use super::super::converse::shape::{CONVERSE, CONVERSE_STREAM};
use super::*;

fn message_of(body: &str, shape: &'static Shape) -> Option<String> {
    let node: Node<'_> = serde_json::from_str(body).unwrap();
    check(&node, shape).err().map(|error| error.message)
}

fn user(block: &str) -> String {
    format!(r#"{{"messages":[{{"role":"user","content":[{block}]}}]}}"#)
}

#[test]
fn every_block_of_the_service_model_passes() {
    let blocks = [
        r#"{"text":"x"}"#,
        r#"{"image":{"format":"png","source":{"bytes":"AAAA"}}}"#,
        r#"{"image":{"format":"webp","source":{"s3Location":{"uri":"s3://bucket/key","bucketOwner":"123456789012"}}}}"#,
        r#"{"document":{"name":"a","source":{"content":[{"text":"x"}]},"citations":{"enabled":true},"context":"c"}}"#,
        r#"{"document":{"format":"pdf","name":"a","source":{"bytes":"AA=="}}}"#,
        r#"{"video":{"format":"three_gp","source":{"bytes":"AAAA"}}}"#,
        r#"{"audio":{"format":"x-aac","source":{"bytes":"AAAA"}}}"#,
        r#"{"toolUse":{"toolUseId":"a.b:c-d_1","name":"f-1","input":{},"type":"server_tool_use"}}"#,
        r#"{"toolResult":{"toolUseId":"a","content":[{"json":{}},{"text":""},{"searchResult":{"source":"s","title":"t","content":[{"text":"x"}]}}],"status":"error"}}"#,
        r#"{"guardContent":{"text":{"text":"x","qualifiers":["query","grounding_source","guard_content"]}}}"#,
        r#"{"cachePoint":{"type":"default","ttl":"1h"}}"#,
        r#"{"reasoningContent":{"reasoningText":{"text":"x","signature":"y"}}}"#,
        r#"{"reasoningContent":{"redactedContent":""}}"#,
        r#"{"citationsContent":{"content":[{"text":"x"}],"citations":[{"title":"t","location":{"web":{"url":"u"}}}]}}"#,
        r#"{"searchResult":{"source":"s","title":"t","content":[],"citations":{"enabled":false}}}"#,
        r#"{"toolAddition":{"tool":{"type":"tool_reference","name":"f"}}}"#,
        r#"{"toolRemoval":{"tool":{}}}"#,
    ];
    for block in blocks {
        assert_eq!(message_of(&user(block), &CONVERSE), None, "{block}");
    }
}

#[test]
fn every_top_level_member_passes() {
    let body = r#"{"messages":[],"system":[{"text":"s"},{"cachePoint":{"type":"default"}}],
        "inferenceConfig":{"maxTokens":1,"temperature":0,"topP":1.0,"stopSequences":["x"]},
        "toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"d","inputSchema":{"json":{}},"strict":true}},
            {"systemTool":{"name":"nova_grounding"}},{"cachePoint":{"type":"default"}}],"toolChoice":{"tool":{"name":"f"}}},
        "guardrailConfig":{"guardrailIdentifier":"abc1","guardrailVersion":"DRAFT","trace":"enabled_full","streamProcessingMode":"async"},
        "additionalModelRequestFields":{"x":[1]},"promptVariables":{"a":{"text":"b"}},
        "additionalModelResponseFieldPaths":["/a"],"requestMetadata":{"k 1":""},
        "performanceConfig":{"latency":"optimized"},"serviceTier":{"type":"reserved"},
        "outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{}","name":"n"}}},"effort":"high"}}"#;
    assert_eq!(message_of(body, &CONVERSE_STREAM), None);
    assert!(
        message_of(body, &CONVERSE)
            .unwrap()
            .contains("extraneous key [streamProcessingMode]")
    );
}

#[test]
fn faults_are_named_with_their_place() {
    let cases = [
        (
            r#"{"foo":1}"#.to_owned(),
            "Malformed input request: #: extraneous key [foo] is not permitted",
        ),
        (
            r#"{"messages":{}}"#.to_owned(),
            "#/messages: expected type: JSONArray, found: JSONObject",
        ),
        (
            r#"{"messages":[{"role":1,"content":[]}]}"#.to_owned(),
            "#/messages/0/role: expected type: String, found: Integer",
        ),
        (
            r#"{"messages":[{"role":"tool","content":[]}]}"#.to_owned(),
            "Value 'tool' at 'messages.1.member.role' failed to satisfy constraint: Member must satisfy enum value set: [user, assistant, system]",
        ),
        (
            r#"{"messages":[{"role":"user"}]}"#.to_owned(),
            "1 validation error detected: Value at 'messages.1.member.content' failed to satisfy constraint: Member must not be null",
        ),
        (
            user(r#"{"text":"a","cachePoint":{"type":"default"}}"#),
            "must set exactly one of the following keys: text, image",
        ),
        (
            user("{}"),
            "The object at messages.0.content.0 must set exactly one",
        ),
        (
            user(r#"{"txt":"a"}"#),
            "#/messages/0/content/0: extraneous key [txt]",
        ),
        (
            user(r#"{"image":{"format":"bmp","source":{"bytes":"AAAA"}}}"#),
            "enum value set: [png, jpeg, gif, webp]",
        ),
        (
            user(r#"{"image":{"format":"png","source":{"bytes":"A?AA"}}}"#),
            "expected type: base64",
        ),
        (
            user(r#"{"image":{"format":"png","source":{"bytes":""}}}"#),
            "length greater than or equal to 1",
        ),
        (
            user(r#"{"toolUse":{"toolUseId":"a","name":"f","input":"x"}}"#),
            "The format of the value at messages.0.content.0.toolUse.input is invalid.",
        ),
        (
            user(r#"{"toolUse":{"toolUseId":"a b","name":"f","input":{}}}"#),
            "regular expression pattern: [a-zA-Z0-9_.:-]+",
        ),
        (
            r#"{"inferenceConfig":{"maxTokens":0,"temperature":2,"topP":-1}}"#.to_owned(),
            "3 validation errors detected:",
        ),
        (
            r#"{"inferenceConfig":{"maxTokens":1.5}}"#.to_owned(),
            "expected type: Integer, found: BigDecimal",
        ),
        (
            r#"{"inferenceConfig":{"topK":1}}"#.to_owned(),
            "#/inferenceConfig: extraneous key [topK]",
        ),
        (
            r#"{"toolConfig":{"tools":[]}}"#.to_owned(),
            "'toolConfig.tools' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            r#"{"serviceTier":{}}"#.to_owned(),
            "'serviceTier.type' failed to satisfy constraint: Member must not be null",
        ),
        (
            r#"{"requestMetadata":{"k!":"v"}}"#.to_owned(),
            "Map keys must satisfy constraint",
        ),
        (
            r#"{"system":[{"text":""}]}"#.to_owned(),
            "'system.1.member.text'",
        ),
    ];
    for (body, expected) in cases {
        let message = message_of(&body, &CONVERSE).unwrap_or_default();
        assert!(message.contains(expected), "{body}\n{message}");
    }
}

#[test]
fn null_members_are_absent() {
    assert_eq!(
        message_of(r#"{"messages":null,"system":null}"#, &CONVERSE),
        None
    );
}

#[test]
fn base64_is_measured_without_decoding() {
    assert_eq!(decoded_len("AAAA"), Some(3));
    assert_eq!(decoded_len("AAA="), Some(2));
    assert_eq!(decoded_len("AA=="), Some(1));
    assert_eq!(decoded_len(""), Some(0));
    for text in ["A", "AAA", "A===", "AA\nA", "AA=A"] {
        assert_eq!(decoded_len(text), None, "{text}");
    }
}
