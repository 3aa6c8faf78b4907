use super::super::Mode;
use super::super::reasoning::{redact, sign};
use super::*;
use crate::simulator::model_id::Model;
use serde_json::{Value, json};

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

/// Returns the message with which a body is refused, or nothing.
fn refusal(model: &str, mode: Mode, body: &Value) -> String {
    let text = body.to_string();
    let root: Node<'_> = serde_json::from_str(&text).unwrap();
    let model = Model::parse(model).unwrap();
    match check(&Request {
        root: &root,
        model: &model,
        mode,
    }) {
        Ok(()) => String::new(),
        Err(error) => {
            assert_eq!((error.name, error.status), ("ValidationException", 400));
            error.message
        }
    }
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": [{"text": text}]})
}

fn assistant(block: &Value) -> Value {
    json!({"role": "assistant", "content": [block]})
}

fn tool_use(id: &str) -> Value {
    json!({"toolUse": {"toolUseId": id, "name": "f", "input": {}}})
}

fn results(ids: &[&str]) -> Value {
    let blocks: Vec<Value> = ids
        .iter()
        .map(|id| json!({"toolResult": {"toolUseId": id, "content": []}}))
        .collect();
    json!({"role": "user", "content": blocks})
}

fn tools() -> Value {
    json!({"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]})
}

/// Each body is refused with a message that contains the words beside it; no words: it passes.
fn assert_refusals(model: &str, cases: &[(Value, &str)]) {
    for (body, expected) in cases {
        let message = refusal(model, Mode::Whole, body);
        let as_expected = if expected.is_empty() {
            message.is_empty()
        } else {
            message.contains(expected)
        };
        assert!(
            as_expected,
            "{body}\nexpected: {expected}\nfound: {message}"
        );
    }
}

#[test]
fn turns_alternate_and_start_with_the_user() {
    assert_refusals(
        CLAUDE,
        &[
            (json!({"messages": [user("a")]}), ""),
            (
                json!({"messages": [user("a"), assistant(&json!({"text": "b"})), user("c")]}),
                "",
            ),
            (json!({}), "A conversation must start with a user message."),
            (
                json!({"messages": [assistant(&json!({"text": "b"}))]}),
                "A conversation must start with a user message.",
            ),
            (
                json!({"messages": [user("a"), user("b")]}),
                "must alternate between user and assistant roles",
            ),
            (
                json!({"messages": [{"role": "user", "content": []}]}),
                "The content field in the Message object at messages.0 is empty.",
            ),
            (
                json!({"messages": [user("a"), {"role": "system", "content": [{"text": "s"}]}]}),
                "doesn't support the system role",
            ),
        ],
    );
}

#[test]
fn blocks_stand_where_they_may() {
    let document = |name: &str| json!({"document": {"name": name, "format": "txt", "source": {"bytes": "AAAA"}}});
    let content = |blocks: Value| json!({"messages": [{"role": "user", "content": blocks}]});
    assert_refusals(
        CLAUDE,
        &[
            (
                json!({"messages": [user(" \n")]}),
                "messages.0.content.0 is blank",
            ),
            (
                content(json!([tool_use("a")])),
                "can only be included in a message with the assistant role",
            ),
            (
                json!({"messages": [user("a"), assistant(&document("d"))]}),
                "with the user role",
            ),
            (content(json!([document("d")])), "must include a text block"),
            (content(json!([document("d"), {"text": "x"}])), ""),
            (
                content(json!([document("a_b (1) [x]-"), {"text": "x"}])),
                "",
            ),
            (
                content(json!([document("a.txt"), {"text": "x"}])),
                "The document file name can only contain",
            ),
            (
                content(json!([document("a  b"), {"text": "x"}])),
                "more than one consecutive whitespace",
            ),
            (
                content(json!([document("d"), document("d"), {"text": "x"}])),
                "Document names must be unique",
            ),
            (
                content(
                    json!([document("1"), document("2"), document("3"), document("4"), document("5"), document("6"), {"text": "x"}]),
                ),
                "up to 5 documents",
            ),
            (
                content(
                    json!([{"image": {"format": "png", "source": {"bytes": "AAAA".repeat(1_500_000)}}}]),
                ),
                "The image at messages.0.content.0 is 4500000 bytes long",
            ),
        ],
    );
    let points = vec![json!({"cachePoint": {"type": "default"}}); 5];
    let body = json!({"messages": [user("a")], "system": points});
    assert_refusals(
        CLAUDE,
        &[(
            body,
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        )],
    );
}

#[test]
fn tool_calls_and_results_pair_up() {
    let talk = |messages: Value| json!({"messages": messages, "toolConfig": tools()});
    assert_refusals(
        CLAUDE,
        &[
            (
                talk(json!([
                    user("a"),
                    assistant(&tool_use("1")),
                    results(&["1"])
                ])),
                "",
            ),
            (
                talk(json!([user("a"), assistant(&tool_use("1")), user("b")])),
                "Expected toolResult blocks at messages.2.content for the following Ids: 1",
            ),
            (
                talk(json!([user("a"), assistant(&tool_use("1"))])),
                "Expected toolResult blocks at messages.2.content",
            ),
            (
                talk(json!([
                    user("a"),
                    assistant(&tool_use("1")),
                    results(&["2"])
                ])),
                "Expected toolResult blocks",
            ),
            (
                talk(json!([
                    user("a"),
                    assistant(&tool_use("1")),
                    results(&["1", "2"])
                ])),
                "exceeds the number of toolUse blocks of previous turn",
            ),
            (
                talk(json!([results(&["1"])])),
                "exceeds the number of toolUse blocks",
            ),
            (
                talk(
                    json!([user("a"), {"role": "assistant", "content": [tool_use("1"), tool_use("1")]}, results(&["1"])]),
                ),
                "ids must be unique",
            ),
            (
                json!({"messages": [user("a"), assistant(&tool_use("1")), results(&["1"])]}),
                "The toolConfig field must be defined",
            ),
        ],
    );
}

#[test]
fn tools_are_consistent() {
    let with = |config: Value| json!({"messages": [user("a")], "toolConfig": config});
    let spec = |name: &str, schema: Value| json!({"toolSpec": {"name": name, "inputSchema": {"json": schema}}});
    let object = json!({"type": "object"});
    assert_refusals(
        CLAUDE,
        &[
            (
                with(json!({"tools": [spec("f", object.clone()), spec("f", object.clone())]})),
                "Tool names must be unique",
            ),
            (
                with(json!({"tools": [spec("f", json!({}))]})),
                "inputSchema.json.type must be one of the following: object.",
            ),
            (
                with(json!({"tools": [spec("f", json!({"type": "object", "anyOf": []}))]})),
                "does not support oneOf, allOf, or anyOf at the top level",
            ),
            (
                with(json!({"tools": [{"cachePoint": {"type": "default"}}]})),
                "must include at least one tool",
            ),
            (
                with(
                    json!({"tools": [spec("f", object.clone())], "toolChoice": {"tool": {"name": "g"}}}),
                ),
                "Tool 'g' not found in provided tools",
            ),
            (
                with(json!({"tools": [{"systemTool": {"name": "nova_grounding"}}]})),
                "doesn't support system tools",
            ),
        ],
    );
    let body = with(json!({"tools": [spec("f", object)], "toolChoice": {"any": {}}}));
    assert!(
        refusal("meta.llama3-3-70b-instruct-v1:0", Mode::Whole, &body).contains("toolChoice.any")
    );
    assert!(
        refusal("meta.llama3-3-70b-instruct-v1:0", Mode::Stream, &body)
            .contains("tool use in streaming mode")
    );
    assert!(
        refusal("us.deepseek.r1-v1:0", Mode::Whole, &body).contains("doesn't support tool use")
    );
    assert_eq!(
        refusal("mistral.mistral-large-2402-v1:0", Mode::Stream, &body),
        ""
    );
}

#[test]
fn claude_thinks_within_its_rules() {
    let think = |thinking: Value, rest: Value| {
        let mut body = json!({"messages": [user("a")], "additionalModelRequestFields": {"thinking": thinking}});
        body.as_object_mut()
            .unwrap()
            .extend(rest.as_object().cloned().unwrap_or_default());
        body
    };
    let enabled = |budget: u64| json!({"type": "enabled", "budget_tokens": budget});
    let forced = json!({"tools": tools()["tools"], "toolChoice": {"any": {}}});
    assert_refusals(
        CLAUDE,
        &[
            (
                think(
                    enabled(1024),
                    json!({"inferenceConfig": {"maxTokens": 1025, "temperature": 1, "topP": 0.95}}),
                ),
                "",
            ),
            (
                think(enabled(1000), json!({})),
                "greater than or equal to 1024",
            ),
            (
                think(
                    enabled(2000),
                    json!({"inferenceConfig": {"maxTokens": 2000}}),
                ),
                "`max_tokens` must be greater than `thinking.budget_tokens`",
            ),
            (
                think(enabled(4096), json!({})),
                "`max_tokens` must be greater",
            ),
            (
                think(json!({"type": "enabled"}), json!({})),
                "budget_tokens: Field required",
            ),
            (
                think(json!({"type": "adaptive"}), json!({})),
                "adaptive thinking is not supported",
            ),
            (
                think(
                    json!({"type": "disabled"}),
                    json!({"inferenceConfig": {"temperature": 0.1}}),
                ),
                "",
            ),
            (
                think(json!({"type": "on"}), json!({})),
                "does not match any of the expected tags",
            ),
            (
                think(enabled(1024), json!({"toolConfig": forced})),
                "Thinking may not be enabled when tool_choice forces tool use.",
            ),
            (
                think(
                    enabled(1024),
                    json!({"inferenceConfig": {"temperature": 0.5}}),
                ),
                "`temperature` may only be set to 1",
            ),
            (
                think(enabled(1024), json!({"inferenceConfig": {"topP": 0.5}})),
                "`top_p` must be greater than or equal to 0.95",
            ),
        ],
    );
    let enabled = think(enabled(1024), json!({}));
    assert!(
        refusal(
            "anthropic.claude-3-haiku-20240307-v1:0",
            Mode::Whole,
            &enabled
        )
        .contains("Extra inputs")
    );
    assert!(
        refusal("anthropic.claude-opus-4-7", Mode::Whole, &enabled)
            .contains("is not supported for this model")
    );
    assert!(
        refusal("us.amazon.nova-pro-v1:0", Mode::Whole, &enabled)
            .contains("extraneous key [thinking]")
    );
    assert_eq!(
        refusal(
            "anthropic.claude-opus-4-6-v1",
            Mode::Whole,
            &think(json!({"type": "adaptive"}), json!({}))
        ),
        ""
    );
}

#[test]
fn signatures_come_back_unharmed() {
    let talk = |thought: Value| json!({"messages": [user("a"), {"role": "assistant", "content": [{"reasoningContent": thought}, {"text": "b"}]}, user("c")]});
    let signed =
        |signature: &str| talk(json!({"reasoningText": {"text": "t", "signature": signature}}));
    let bodies = [
        (signed(&sign("t")), ""),
        (signed(&"QUJD".repeat(16)), ""),
        (signed("QUJD"), "Invalid `signature` in `thinking` block"),
        (
            signed(sign("t").get(..40).unwrap()),
            "Invalid `signature` in `thinking` block",
        ),
        (
            signed(&sign("u")),
            "messages.1.content.0: Invalid `signature` in `thinking` block",
        ),
        (
            talk(json!({"reasoningText": {"text": "t"}})),
            "thinking.signature: Field required",
        ),
        (
            talk(json!({"redactedContent": redact("x").get(..20).unwrap()})),
            "Invalid `data` in `redacted_thinking` block",
        ),
    ];
    assert_refusals(CLAUDE, &bodies);
    let unsigned = talk(json!({"reasoningText": {"text": "t"}}));
    assert_eq!(
        refusal("openai.gpt-oss-120b-1:0", Mode::Whole, &unsigned),
        ""
    );
}

#[test]
fn a_tool_loop_brings_its_thinking_back() {
    let thought =
        json!({"reasoningContent": {"reasoningText": {"text": "t", "signature": sign("t")}}});
    let talk = |content: Value| {
        json!({"messages": [user("a"), {"role": "assistant", "content": content}, results(&["1"])], "toolConfig": tools(),
            "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}})
    };
    assert_refusals(
        CLAUDE,
        &[
            (talk(json!([thought, tool_use("1")])), ""),
            (
                talk(json!([tool_use("1")])),
                "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
            ),
        ],
    );
}

#[test]
fn prefills_depend_on_the_model() {
    let prefill = |text: &str| json!({"messages": [user("a"), assistant(&json!({"text": text}))]});
    assert_refusals(
        CLAUDE,
        &[
            (prefill("{"), ""),
            (prefill("{ "), "cannot end with trailing whitespace"),
        ],
    );
    assert_refusals(
        "anthropic.claude-opus-4-6-v1",
        &[(prefill("{"), "does not support assistant message prefill")],
    );
}

#[test]
fn settings_do_not_contradict_one_another() {
    let with = |rest: Value| {
        let mut body = json!({"messages": [user("a")]});
        body.as_object_mut()
            .unwrap()
            .extend(rest.as_object().cloned().unwrap());
        body
    };
    let schema = |text: &str| json!({"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": text}}}}});
    assert_refusals(
        CLAUDE,
        &[
            (
                with(json!({"guardrailConfig": {"guardrailIdentifier": "abc"}})),
                "must both be set",
            ),
            (
                with(
                    json!({"guardrailConfig": {"guardrailIdentifier": "nonexistent", "guardrailVersion": "1"}}),
                ),
                "does not exist",
            ),
            (
                with(json!({"additionalModelResponseFieldPaths": ["stop"]})),
                "isn't a JSON Pointer",
            ),
            (
                with(
                    json!({"inferenceConfig": {"maxTokens": 1}, "additionalModelRequestFields": {"max_tokens": 1}}),
                ),
                "additional field max_tokens conflicts",
            ),
            (
                with(json!({"additionalModelRequestFields": {"anthropic_beta": "x"}})),
                "should be a valid list",
            ),
            (
                with(json!({"promptVariables": {"a": {"text": "b"}}})),
                "can only be used with a prompt",
            ),
            (with(schema("{")), "isn't a JSON object"),
            (
                with(schema("{\"type\":\"object\"}")),
                "'additionalProperties' must be explicitly set to false",
            ),
            (
                with(schema(
                    "{\"type\":\"object\",\"additionalProperties\":false}",
                )),
                "",
            ),
        ],
    );
}

#[test]
fn stored_prompts_bring_their_own_settings() {
    let prompt = "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ:1";
    assert_refusals(
        prompt,
        &[
            (json!({"promptVariables": {"a": {"text": "b"}}}), ""),
            (json!({"messages": [user("a")]}), ""),
            (
                json!({"inferenceConfig": {}}),
                "The inferenceConfig field can't be used",
            ),
            (
                json!({"system": [{"text": "s"}]}),
                "The system field can't be used",
            ),
        ],
    );
}

#[test]
fn nova_two_reasons_without_limits_of_its_own() {
    let with = |effort: &str, inference: Value| {
        json!({"messages": [user("a")], "inferenceConfig": inference,
            "additionalModelRequestFields": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort}}})
    };
    assert_refusals(
        "us.amazon.nova-2-lite-v1:0",
        &[
            (with("low", json!({"maxTokens": 5})), ""),
            (with("high", json!({})), ""),
            (
                with("high", json!({"maxTokens": 5})),
                "maxTokens must be unset",
            ),
            (with("max", json!({})), "#/reasoningConfig: is not valid"),
        ],
    );
}
