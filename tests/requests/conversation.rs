//! Who speaks where: instructions, alternation, tool turns, empty texts.

use serde_json::{Value, json};

use crate::support::{CLAUDE_35, CLAUDE_37, Case, GPT_OSS, NOVA, SONNET_45, call, result, tool};

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn assistant(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

#[test]
fn leading_instructions_go_apart() {
    let body = Case::new(CLAUDE_37)
        .messages(json!([
            {"role": "developer", "content": "be brief", "cache_control": {"type": "ephemeral"}},
            {"role": "system", "content": [
                {"type": "text", "text": "a"}, {"type": "text", "text": ""},
                {"type": "image_url", "image_url": "data:image/png;base64,AAAA"}]},
            {"role": "user", "content": "hi"}]))
        .body();
    assert_eq!(
        body["system"],
        json!([{"text": "be brief"}, {"cachePoint": {"type": "default"}}, {"text": "a"}])
    );
}

#[test]
fn later_instructions_become_notes_behind_the_results_they_interrupt() {
    let turns = Case::new(CLAUDE_35)
        .with("tools", json!([tool("f")]))
        .messages(json!([
            user("q"), call("c1", "f", "{}"), {"role": "system", "content": "hurry"},
            result("c1", "1"), {"role": "system", "content": ""}, user("more")]))
        .turns();
    let last = turns[2]["content"].as_array().unwrap();
    assert_eq!(last.len(), 4);
    assert!(last[0].get("toolResult").is_some());
    assert!(
        last[1]["text"]
            .as_str()
            .unwrap()
            .starts_with("Operator note")
    );
    assert_eq!(last[2], json!({"text": "hurry"}));
    assert_eq!(last[3], json!({"text": "more"}));
}

#[test]
fn results_come_before_the_words_that_follow_them() {
    let turns = Case::new(CLAUDE_35)
        .with("tools", json!([tool("f")]))
        .messages(json!([
            user("q"),
            {"role": "assistant", "tool_calls": [
                {"id": "c1", "function": {"name": "f", "arguments": ""}},
                {"id": "c2", "function": {"name": "f", "arguments": "{\"a\": 1}{\"b\": 2}"}},
                {"id": "c1", "function": {"name": "f", "arguments": "[]"}}]},
            result("c2", "two"), result("c1", "one"), user("thanks")]))
        .turns();
    assert_eq!(
        turns[1]["content"],
        json!([
            {"toolUse": {"toolUseId": "c1", "name": "f", "input": {}}},
            {"toolUse": {"toolUseId": "c2", "name": "f", "input": {"a": 1}}},
            {"toolUse": {"toolUseId": "c2_1", "name": "f", "input": {"b": 2}}},
        ])
    );
    assert_eq!(
        turns[2]["content"],
        json!([
            {"toolResult": {"toolUseId": "c2", "content": [{"text": "two"}]}},
            {"toolResult": {"toolUseId": "c1", "content": [{"text": "one"}]}},
            {"text": "thanks"},
        ])
    );
}

#[test]
fn modify_params_puts_words_between_results_and_the_user() {
    let turns = Case::new(CLAUDE_35)
        .modify()
        .with("tools", json!([tool("f")]))
        .messages(json!([
            user("q"),
            call("c1", "f", "{}"),
            result("c1", "1"),
            user("more")
        ]))
        .turns();
    assert_eq!(turns.as_array().unwrap().len(), 5);
    assert_eq!(
        turns[3],
        json!({"role": "assistant", "content": [{"text": "Please continue."}]})
    );
}

#[test]
fn odd_ids_are_mended_on_both_sides() {
    let turns = Case::new(CLAUDE_35)
        .with("tools", json!([tool("f")]))
        .messages(json!([
            user("q"),
            call("call 2!", "f", "{}"),
            result("call 2!", "1")
        ]))
        .turns();
    assert_eq!(
        turns[1]["content"][0]["toolUse"]["toolUseId"],
        "call_2__e2da46a7"
    );
    assert_eq!(
        turns[2]["content"][0]["toolResult"]["toolUseId"],
        "call_2__e2da46a7"
    );
}

#[test]
fn results_of_functions_find_their_call() {
    let turns = Case::new(CLAUDE_35)
        .with("tools", json!([tool("f")]))
        .messages(json!([
            user("q"),
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "1"}]))
        .turns();
    assert_eq!(
        turns[1]["content"][0]["toolUse"]["toolUseId"],
        turns[2]["content"][0]["toolResult"]["toolUseId"]
    );
}

#[test]
fn tool_turns_without_tools_become_text() {
    let messages = json!([
        user("q"),
        {"role": "assistant", "content": "I look.", "tool_calls": [
            {"id": "c1", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": [
            {"type": "text", "text": "22 C"}, {"type": "image_url", "image_url": "data:image/png;base64,AAAA"}]}]);
    let turns = Case::new(CLAUDE_35).messages(messages.clone()).turns();
    assert_eq!(
        turns[1]["content"],
        json!([{"text": "I look.\n[tool call c1: f({\"a\":1})]"}])
    );
    assert_eq!(
        turns[2]["content"],
        json!([{"text": "[tool result for c1: 22 C\n<non-text tool result omitted>]"}])
    );
    let guarded = Case::new(CLAUDE_35)
        .messages(messages.clone())
        .with(
            "guardrailConfig",
            json!({"guardrailIdentifier": "g", "guardrailVersion": "1"}),
        )
        .turns();
    assert!(
        guarded[2]["content"][0]["guardContent"]["text"]["text"]
            .as_str()
            .unwrap()
            .contains("22 C")
    );
    let keep = |case: Case| case.repairs(|repairs| repairs.keep_orphaned_tool_blocks = true);
    let kept = keep(Case::new(CLAUDE_35).modify()).messages(messages.clone());
    assert_eq!(
        kept.body()["toolConfig"]["tools"][0]["toolSpec"]["name"],
        "dummy_tool"
    );
    let refusal = keep(Case::new(CLAUDE_35)).messages(messages).refusal();
    assert!(refusal.contains("UnsupportedParamsError"));
}

#[test]
fn guardrail_sees_the_last_user_turn_only() {
    let guardrail = json!({"guardrailIdentifier": "g", "guardrailVersion": "1"});
    let turns = Case::new(CLAUDE_35)
        .with("guardrailConfig", guardrail.clone())
        .messages(
            json!([user("old"), assistant("a"), user("new"), {"role": "user", "content": [
            {"type": "text", "text": "x"}, {"type": "guarded_text", "text": "y"}]}]),
        )
        .turns();
    assert_eq!(turns[0]["content"], json!([{"text": "old"}]));
    let guarded = |text: &str| json!({"guardContent": {"text": {"text": text}}});
    assert_eq!(
        turns[2]["content"],
        json!([guarded("new"), {"text": "x"}, guarded("y")])
    );
    let grounding =
        json!([{"type": "grounding_source", "text": "s"}, {"type": "query", "text": "q"}]);
    assert_eq!(
        Case::new(CLAUDE_35).says(grounding.clone()).content(),
        json!([{"text": "s"}, {"text": "q"}])
    );
    assert_eq!(
        Case::new(CLAUDE_35)
            .says(grounding)
            .with("guardrailConfig", guardrail)
            .content()[1],
        json!({"guardContent": {"text": {"text": "q", "qualifiers": ["query"]}}})
    );
}

#[test]
fn empty_conversations_are_refused_unless_mended() {
    let instructions = json!([{"role": "system", "content": "x"}]);
    assert!(
        Case::new(CLAUDE_35)
            .messages(instructions.clone())
            .refusal()
            .contains("at least one non-system message")
    );
    for text in ["", " \n"] {
        let refusal = Case::new(CLAUDE_35).says(json!(text)).refusal();
        assert!(refusal.contains("message content must not be empty"));
    }
    let mended = Case::new(CLAUDE_35).modify().messages(instructions);
    assert_eq!(mended.content(), json!([{"text": "Please continue."}]));
    let missing = Case::new(CLAUDE_35)
        .messages(json!(null))
        .send()
        .unwrap_err();
    assert_eq!(missing.param(), Some("messages"));
    assert_eq!(
        missing.message(),
        "/chat/completions: Missing required parameter: 'messages'."
    );
}

#[test]
fn unknown_roles_are_named() {
    let case = Case::new(CLAUDE_35).messages(json!([{"role": "robot", "content": "x"}]));
    assert!(case.refusal().contains("'robot'"));
}

#[test]
fn user_continue_message_speaks_first_and_last() {
    let turns = Case::new(NOVA)
        .default(
            "user_continue_message",
            &json!({"role": "user", "content": "Go on."}),
        )
        .messages(json!([assistant("a"), user("b"), assistant("c")]))
        .turns();
    assert_eq!(turns[0]["content"], json!([{"text": "Go on."}]));
    assert_eq!(turns[4]["content"], json!([{"text": "Go on."}]));
    let prefill = Case::new(NOVA)
        .modify()
        .messages(json!([user("b"), {"role": "assistant", "content": "c", "prefix": true}]))
        .turns();
    assert_eq!(prefill.as_array().unwrap().len(), 2);
}

#[test]
fn prefill_of_claude_is_trimmed() {
    let messages = json!([user("b"), assistant("The answer: \n")]);
    let claude = Case::new(CLAUDE_35).messages(messages.clone()).turns();
    assert_eq!(claude[1]["content"], json!([{"text": "The answer:"}]));
    let nova = Case::new(NOVA).messages(messages).turns();
    assert_eq!(nova[1]["content"], json!([{"text": "The answer: \n"}]));
}

#[test]
fn cache_points_stay_behind_what_they_follow() {
    let cached = json!({"type": "ephemeral", "ttl": "1h"});
    let messages = json!([user("q"), {"role": "assistant", "content": [
        {"type": "text", "text": "a", "cache_control": cached}, {"type": "text", "text": "b"},
        {"type": "thinking", "thinking": "t", "signature": "s"}],
        "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}, "cache_control": cached}]},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "r", "cache_control": cached}]}]);
    let case = |model: &str| {
        Case::new(model)
            .with("tools", json!([tool("f")]))
            .messages(messages.clone())
    };
    let point = json!({"cachePoint": {"type": "default", "ttl": "1h"}});
    let turns = case(SONNET_45).turns();
    assert_eq!(
        turns[1]["content"],
        json!([
            {"reasoningContent": {"reasoningText": {"text": "t", "signature": "s"}}},
            {"text": "a"}, point, {"text": "b"},
            {"toolUse": {"toolUseId": "c", "name": "f", "input": {}}}, point,
        ])
    );
    assert_eq!(turns[2]["content"][1], point);
    // Only models with a price for an hour are told of it; those that cache nothing are told nothing.
    assert_eq!(
        case(CLAUDE_37).turns()[1]["content"][2],
        json!({"cachePoint": {"type": "default"}})
    );
    assert!(!case(GPT_OSS).body().to_string().contains("cachePoint"));
    assert!(
        case("bedrock/acme.llm-9")
            .body()
            .to_string()
            .contains("cachePoint")
    );
}

#[test]
fn thinking_is_replayed_as_each_model_takes_it() {
    let messages = json!([user("q"), {"role": "assistant", "content": "a", "thinking_blocks": [
        {"type": "thinking", "thinking": "unsigned"}, {"type": "redacted_thinking", "data": "AAAA"}]},
        user("r")]);
    let claude = Case::new(CLAUDE_37).messages(messages.clone()).turns();
    assert_eq!(
        claude[1]["content"],
        json!([{"reasoningContent": {"redactedContent": "AAAA"}}, {"text": "a"}])
    );
    let oss = Case::new(GPT_OSS).messages(messages).turns();
    assert_eq!(
        oss[1]["content"][0],
        json!({"reasoningContent": {"reasoningText": {"text": "unsigned"}}})
    );
}

#[test]
fn tool_results_carry_more_than_text() {
    let content = |message: Value| {
        Case::new(CLAUDE_35)
            .with("tools", json!([tool("f")]))
            .messages(json!([user("q"), call("c", "f", "{}"), message]))
            .turns()[2]["content"][0]["toolResult"]
            .take()
    };
    assert_eq!(
        content(json!({"role": "tool", "tool_call_id": "c", "content": "", "is_error": true})),
        json!({"toolUseId": "c", "content": [], "status": "error"})
    );
    assert_eq!(
        content(json!({"role": "tool", "tool_call_id": "c", "content": [
            {"type": "json", "json": {"a": 1}}]}))["content"],
        json!([{"json": {"a": 1}}])
    );
    assert_eq!(
        content(
            json!({"role": "tool", "tool_call_id": "c", "content": "x", "search_results": [
            {"source": "s", "title": "t", "content": [{"type": "text", "text": "c"}],
             "citations": {"enabled": true}}]})
        ),
        json!({"toolUseId": "c", "status": "success", "content": [{"searchResult": {
            "source": "s", "title": "t", "content": [{"text": "c"}], "citations": {"enabled": true}}}]})
    );
}

#[test]
fn injected_cache_points_are_placed_by_index_and_role() {
    let body = Case::new(CLAUDE_37)
        .with(
            "cache_control_injection_points",
            json!([{"location": "message", "index": -1}, {"location": "message", "role": "system"}]),
        )
        .messages(json!([{"role": "system", "content": "s"}, user("a"), assistant("b"), user("c")]))
        .body();
    let point = json!({"cachePoint": {"type": "default"}});
    assert_eq!(body["system"][1], point);
    assert_eq!(body["messages"][2]["content"][1], point);
    assert_eq!(body["messages"][0]["content"].as_array().unwrap().len(), 1);
}

#[test]
fn places_of_injected_cache_points_may_be_written_as_text() {
    let turns = Case::new(CLAUDE_37)
        .with(
            "cache_control_injection_points",
            json!([{"location": "message", "index": "-1"}]),
        )
        .messages(json!([user("a"), assistant("b"), user("c")]))
        .turns();
    assert_eq!(
        turns[2]["content"],
        json!([{"text": "c"}, {"cachePoint": {"type": "default"}}])
    );
}

#[test]
fn parts_of_a_result_that_bedrock_has_no_words_for_are_left_out() {
    let turns = Case::new(CLAUDE_35)
        .with("tools", json!([tool("f")]))
        .messages(json!([user("q"), call("c", "f", "{}"), {
            "role": "tool", "tool_call_id": "c",
            "content": [{"type": "text", "text": "x"}, {"type": "sketch"}]}]))
        .turns();
    assert_eq!(
        turns[2]["content"],
        json!([{"toolResult": {"toolUseId": "c", "content": [{"text": "x"}]}}])
    );
}

#[test]
fn missing_content_is_mended_like_empty_text() {
    for nothing in [json!(null), json!([]), json!(""), json!(" ")] {
        assert_eq!(
            Case::new(CLAUDE_35)
                .says(nothing.clone())
                .modify()
                .content(),
            json!([{"text": "Please continue."}]),
            "{nothing}"
        );
        let refusal = Case::new(CLAUDE_35).says(nothing).refusal();
        assert!(refusal.contains("must not be empty"));
    }
}

#[test]
fn later_instructions_of_white_space_disappear() {
    let content = Case::new(CLAUDE_35)
        .messages(json!([user("q"), {"role": "system", "content": " "},
            {"role": "system", "content": [{"type": "text", "text": "\n"}]}]))
        .content();
    assert_eq!(content, json!([{"text": "q"}]));
}

#[test]
fn unsigned_thinking_goes_only_to_models_that_may_have_written_it() {
    let content = |model: &str| {
        let thought = json!({"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "x"}]});
        let mut turns = Case::new(model)
            .messages(json!([user("q"), thought, user("z")]))
            .turns();
        turns[1]["content"].take()
    };
    let said = json!([{"text": "x"}]);
    assert_eq!(content(CLAUDE_35), said);
    assert_eq!(content(NOVA), said);
    assert_eq!(
        content(GPT_OSS)[0],
        json!({"reasoningContent": {"reasoningText": {"text": "hm"}}})
    );
}

#[test]
fn orphaned_search_results_are_not_text() {
    let turns = Case::new(CLAUDE_35)
        .messages(json!([user("q"), call("c", "f", "{}"), {
            "role": "tool", "tool_call_id": "c", "content": null,
            "search_results": [{"source": "s", "title": "t", "content": [{"text": "c"}]}]}]))
        .turns();
    assert_eq!(
        turns[2]["content"],
        json!([{"text": "[tool result for c: <non-text tool result omitted>]"}])
    );
}
