//! A client's own body for Claude: kept byte for byte but for what Bedrock does not take.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::*;

fn tool(name: &str) -> Value {
    json!({"name": name, "input_schema": {"type": "object"}})
}

#[test]
fn what_no_rule_names_stays_as_it_was_written() {
    let body = concat!(
        r#"{ "model":"m","max_tokens":250.0, "temperature": 1e0,"unknown":{"a":1},"service_tier":"auto","#,
        r#""system": [ {"type":"text","text":"S\u00e9","future":[1, 2.50]} ],"#,
        r#""messages":[ {"role":"user","content":[{"type":"text","text":"a \"scope\" \u0041","new":null}],"later":1e2} ],"#,
        r#""tools":[ {"name":"a b","input_schema":{"x":1.0},"strict":true,"defer_loading":false} ],"mcp_servers":[],"#,
        r#""tool_choice": {"type":"auto","disable_parallel_tool_use":true,"x":1},"stream":true,"speed":"fast"}"#
    );
    let sent = Case::new(SONNET_45).body(body).send().unwrap();
    let expected = concat!(
        r#"{"max_tokens":250,"temperature":1e0,"#,
        r#""system":[ {"type":"text","text":"S\u00e9","future":[1, 2.50]} ],"#,
        r#""messages":[ {"role":"user","content":[{"type":"text","text":"a \"scope\" \u0041","new":null}],"later":1e2} ],"#,
        r#""tools":[{"name":"a b","input_schema":{"x":1.0},"strict":true,"defer_loading":false}],"#,
        r#""tool_choice":{"type":"auto","disable_parallel_tool_use":true,"x":1},"#,
        r#""anthropic_version":"bedrock-2023-05-31"}"#
    );
    assert_eq!(sent.text(), expected);
    assert_eq!(
        sent.path(),
        "/model/us.anthropic.claude-sonnet-4-5-20250929-v1:0/invoke-with-response-stream"
    );
    assert_eq!(sent.warnings, [""; 0]);
}

proptest! {
    #[test]
    fn texts_of_any_kind_reach_the_model_as_they_are(
        texts in vec(prop_oneof![".+", Just("scope".to_owned()), Just("\"ttl\":\"\"".to_owned()), Just("system".to_owned())], 1..6),
        in_blocks in any::<bool>(),
    ) {
        let turn = |(place, text): (usize, &String)| {
            let role = if place % 2 == 0 { "user" } else { "assistant" };
            if in_blocks {
                json!({"role": role, "content": [{"type": "text", "text": text, "url": "", "system": ["scope", null]}]})
            } else {
                json!({"role": role, "content": text})
            }
        };
        let messages: Vec<_> = texts.iter().enumerate().map(turn).collect();
        let sent = Case::new(SONNET_45).with("messages", json!(messages)).sent();
        prop_assert_eq!(&sent["messages"], &json!(messages));
    }
}

#[test]
fn the_operator_decides_the_api_and_what_an_opaque_id_stands_for() {
    let path = |case: Case| case.send().unwrap().path();
    assert!(path(Case::new(CLAUDE_37)).ends_with("/invoke"));
    assert!(path(Case::new(BY_CONVERSE)).ends_with("/converse"));
    assert!(path(Case::new(NOVA)).ends_with("/converse"));
    let profile =
        "bedrock/arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a0b1";
    assert!(path(Case::new(profile)).ends_with("/converse"));
    let based = Case::new(profile).base_model("anthropic.claude-sonnet-4-5-20250929-v1:0");
    assert!(path(based).ends_with("/invoke"));
}

#[test]
fn cache_points_lose_what_bedrock_does_not_take() {
    let control = json!({"type": "ephemeral", "ttl": "1h", "scope": "global"});
    let text = json!({"type": "text", "text": "x", "cache_control": control});
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": [text], "cache_control": control});
    let case = |model| {
        Case::new(model)
            .with("system", json!([text]))
            .with(
                "tools",
                json!([{"name": "a", "input_schema": {}, "cache_control": control}]),
            )
            .with("messages", json!([{"role": "user", "content": [result]}]))
            .sent()
    };
    let plain = json!({"type": "ephemeral"});
    let sent = case(CLAUDE_35);
    assert_eq!(sent["system"][0]["cache_control"], plain);
    assert_eq!(sent["tools"][0]["cache_control"], plain);
    let result = &sent["messages"][0]["content"][0];
    assert_eq!(result["cache_control"], plain);
    assert_eq!(result["content"][0]["cache_control"], plain);
    let long = json!({"type": "ephemeral", "ttl": "1h"});
    assert_eq!(case(SONNET_45)["system"][0]["cache_control"], long);
}

#[test]
fn empty_texts_are_left_out() {
    let sent = Case::new(CLAUDE_35)
        .with(
            "system",
            json!([{"type": "text", "text": ""}, {"type": "text", "text": "S"}]),
        )
        .says(json!([{"type": "text", "text": ""}, {"type": "text", "text": "x"}]))
        .sent();
    assert_eq!(sent["system"], json!([{"type": "text", "text": "S"}]));
    assert_eq!(
        sent["messages"][0]["content"],
        json!([{"type": "text", "text": "x"}])
    );
    let sent = Case::new(CLAUDE_35).with("system", json!("")).sent();
    assert!(sent.get("system").is_none());
}

#[test]
fn instructions_in_the_middle_become_notes() {
    let messages = json!([
        {"role": "system", "content": "first"},
        {"role": "user", "content": "w?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "a", "input": {}}]},
        {"role": "system", "content": [{"type": "text", "text": "later"}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "22"}]},
        {"role": "system", "content": ""},
    ]);
    let case = |model| {
        Case::new(model)
            .with("system", json!("given"))
            .with("tools", json!([tool("a")]))
            .with("messages", messages.clone())
            .sent()
    };
    let sent = case(CLAUDE_37);
    let text = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(sent["system"], json!([text("given"), text("first")]));
    let turns = sent["messages"].as_array().unwrap();
    assert_eq!(turns.len(), 4, "{sent}");
    assert_eq!(turns[2]["content"][0]["type"], "tool_result");
    assert_eq!(turns[3]["role"], "user");
    assert!(
        turns[3]["content"][0]["text"]
            .as_str()
            .unwrap()
            .starts_with("Operator note")
    );
    assert_eq!(turns[3]["content"][1], text("later"));
}

#[test]
fn media_at_an_address_is_put_in() {
    let image = |url: &str| json!({"type": "image", "source": {"type": "url", "url": url}, "cache_control": {"type": "ephemeral"}});
    let inline = json!({"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lG"}});
    let result =
        json!({"type": "tool_result", "tool_use_id": "t", "content": [image("https://a.test/1")]});
    let sent = Case::new(CLAUDE_35)
        .with("messages", json!([
            {"role": "user", "content": [inline, image("https://a.test/0")]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "a", "input": {}}]},
            {"role": "user", "content": [result, inline]},
        ]))
        .with("tools", json!([tool("a")]))
        .fetches(&[("image/png", "iVBO"), ("image/jpeg", "/9j/")])
        .sent();
    let put = |kind: &str, data: &str| {
        json!({"type": "image", "cache_control": {"type": "ephemeral"},
        "source": {"type": "base64", "media_type": kind, "data": data}})
    };
    assert_eq!(
        sent["messages"][0]["content"],
        json!([inline, put("image/png", "iVBO")])
    );
    assert_eq!(
        sent["messages"][2]["content"][0]["content"],
        json!([put("image/jpeg", "/9j/")])
    );
    assert_eq!(sent["messages"][2]["content"][1], inline);
    // What came may be another kind of file.
    let sent = Case::new(CLAUDE_35)
        .says(json!([image("https://a.test/x")]))
        .fetches(&[("application/pdf", "JVBE")])
        .sent();
    assert_eq!(sent["messages"][0]["content"][0]["type"], "document");
}

#[test]
fn thinking_is_said_in_the_models_words() {
    let thinking = |model, thinking: Value| {
        let sent = Case::new(model).with("thinking", thinking).sent();
        (sent["thinking"].clone(), sent["output_config"].clone())
    };
    let budget = |budget: u64| json!({"type": "enabled", "budget_tokens": budget});
    assert_eq!(
        thinking(OPUS_47, budget(2000)),
        (json!({"type": "adaptive"}), json!({"effort": "low"}))
    );
    assert_eq!(thinking(CLAUDE_37, budget(500)).0, budget(1024));
    assert_eq!(thinking(CLAUDE_37, budget(2000)).0, budget(2000));
    assert_eq!(thinking(CLAUDE_37, budget(50_000)).0, budget(8999));
    assert_eq!(
        thinking(CLAUDE_37, json!({"type": "adaptive"})).0,
        budget(2048)
    );
    assert_eq!(
        thinking(CLAUDE_35, json!({"type": "adaptive"})).0,
        Value::Null
    );
    assert_eq!(
        thinking(SONNET_46, json!({"type": "adaptive", "display": "x"})).0,
        json!({"type": "adaptive", "display": "x"})
    );
}

#[test]
fn efforts_and_sampling_that_a_model_does_not_take_are_left_out() {
    let sent = Case::new(CLAUDE_35)
        .with("output_config", json!({"effort": "high"}))
        .sent();
    assert!(sent.get("output_config").is_none(), "{sent}");
    let sent = Case::new(OPUS_47)
        .with("output_config", json!({"effort": "high"}))
        .with("temperature", json!(0.3))
        .with("top_k", json!(5))
        .with("top_p", json!(0.9))
        .send()
        .unwrap();
    assert_eq!(sent.body["output_config"], json!({"effort": "high"}));
    for name in ["temperature", "top_k", "top_p"] {
        assert!(sent.body.get(name).is_none(), "{name}");
    }
    assert_eq!(sent.warnings.len(), 3);
    let sent = Case::new(CLAUDE_37).with("temperature", json!(0.3)).sent();
    assert_eq!(sent["temperature"], json!(0.3));
}

#[test]
fn a_schema_is_held_to_or_told() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let format = json!({"type": "json_schema", "schema": schema});
    let sent = Case::new(SONNET_45)
        .with(
            "output_config",
            json!({"format": {"type": "json_schema", "schema": {}}}),
        )
        .with("output_format", format.clone())
        .sent();
    assert_eq!(sent["output_config"], json!({"format": format}));
    let sent = Case::new(CLAUDE_35)
        .with(
            "messages",
            json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]),
        )
        .with("output_config", json!({"format": format}))
        .sent();
    assert!(sent.get("output_config").is_none());
    let told = r#"{"type": "object", "properties": {"a": {"type": "string"}}}"#;
    assert_eq!(
        sent["messages"][0]["content"],
        json!([{"type": "text", "text": "a"}, {"type": "text", "text": told}])
    );
    assert_eq!(sent["messages"][1]["content"], "b");
}

#[test]
fn tools_are_mended_where_clients_err() {
    let sent = Case::new(SONNET_45)
        .with(
            "tools",
            json!([
                {"input_schema": {"type": "custom"}, "custom": {"defer_loading": true}},
                {"name": "b", "input_schema": {"type": "object"}, "eager_input_streaming": true},
                {"type": "custom", "name": "c.d", "input_schema": {"type": "object"}},
            ]),
        )
        .sent();
    assert_eq!(
        sent["tools"],
        json!([
            {"name": "litellm_unnamed_tool_0", "input_schema": {"type": "object"}, "defer_loading": true},
            {"name": "b", "input_schema": {"type": "object"}},
            {"type": "custom", "name": "c.d", "input_schema": {"type": "object"}},
        ])
    );
    assert_eq!(
        sent["anthropic_beta"],
        json!(["fine-grained-tool-streaming-2025-05-14"])
    );
}

#[test]
fn a_search_that_runs_at_anthropic_is_refused() {
    let error = Case::new(SONNET_45)
        .with(
            "tools",
            json!([tool("a"), {"type": "web_search_20250305", "name": "web_search"}]),
        )
        .refusal();
    assert_eq!(error.param(), Some("tools[1]"));
    assert!(error.message().contains("not supported on Bedrock"));
}

#[test]
fn edits_of_the_context_bring_their_betas() {
    let edit = |kind: &str| json!({"type": kind, "x": 1});
    let sent = Case::new(SONNET_45)
        .with(
            "context_management",
            json!({"edits": [
            edit("compact_20260112"), edit("clear_tool_uses_20250919"), edit("future_2030")]}),
        )
        .with("safeguards", json!({"a": 1}))
        .sent();
    assert_eq!(
        sent["context_management"],
        json!({"edits": [edit("compact_20260112"), edit("clear_tool_uses_20250919")]})
    );
    assert_eq!(sent["safeguards"], json!({"a": 1}));
    assert_eq!(
        sent["anthropic_beta"],
        json!([
            "compact-2026-01-12",
            "context-management-2025-06-27",
            "dangerous-tool-use-2026-09-03"
        ])
    );
}

#[test]
fn clearing_thinking_supposes_that_the_model_thinks() {
    let edits = json!({"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]});
    let case = |model| Case::new(model).with("context_management", edits.clone());
    let sent = case(SONNET_45).sent();
    assert!(sent.get("context_management").is_none());
    assert_eq!(
        sent["thinking"],
        json!({"type": "enabled", "budget_tokens": 1024})
    );
    let sent = case(OPUS_47).sent();
    assert_eq!(sent["thinking"], json!({"type": "adaptive"}));
    assert_eq!(sent["output_config"], json!({"effort": "low"}));
    let disabled = json!({"type": "disabled"});
    let sent = case(SONNET_45).with("thinking", disabled.clone()).sent();
    assert_eq!(sent["thinking"], disabled);
    for case in [
        case(CLAUDE_35),
        case(SONNET_45).with("temperature", json!(0)),
        case(SONNET_45).with("max_tokens", json!(1024)),
        case(SONNET_45)
            .with("tools", json!([tool("a")]))
            .with("tool_choice", json!({"type": "any"})),
    ] {
        assert!(case.sent().get("thinking").is_none());
    }
}

#[test]
fn betas_are_those_that_bedrock_takes() {
    let case = |model| {
        Case::new(model)
            .header(
                "anthropic-beta",
                "interleaved-thinking-2025-05-14, claude-code-20250219,future-2030",
            )
            .with(
                "anthropic_beta",
                json!(["context-1m-2025-08-07", "advanced-tool-use-2025-11-20"]),
            )
    };
    let betas = |case: Case| case.sent()["anthropic_beta"].clone();
    assert_eq!(
        betas(case(CLAUDE_37)),
        json!(["context-1m-2025-08-07", "interleaved-thinking-2025-05-14"])
    );
    let allowed =
        case(CLAUDE_37).repairs(|repairs| repairs.allowed_betas = vec!["future-2030".to_owned()]);
    assert!(
        betas(allowed)
            .as_array()
            .unwrap()
            .contains(&json!("future-2030"))
    );
    assert_eq!(betas(Case::new(CLAUDE_37)), Value::Null);
}

#[test]
fn a_deployments_defaults_lie_under_the_body() {
    let sent = Case::new(SONNET_45)
        .body(r#"{"messages":[{"role":"user","content":"hi"}],"top_k":3}"#)
        .default("max_tokens", &json!(77))
        .default("top_k", &json!(5))
        .default("temperature", &json!(0.2))
        .default("stop", &json!(["END"]))
        .default("tools", &json!([tool("a")]))
        .default(
            "guardrailConfig",
            &json!({"guardrailIdentifier": "g", "guardrailVersion": "1"}),
        )
        .send()
        .unwrap();
    let expected = json!({
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 77, "top_k": 3, "temperature": 0.2,
        "messages": [{"role": "user", "content": "hi"}], "stop_sequences": ["END"], "tools": [tool("a")],
    });
    assert_eq!(sent.body, expected);
    let guardrail = sent.wire.headers.iter();
    let mut guardrail = guardrail.filter(|(name, _)| name == "x-amzn-bedrock-guardrailidentifier");
    assert!(guardrail.next().is_some());
}

#[test]
fn what_the_operator_drops_is_dropped() {
    let sent = Case::new(SONNET_45)
        .with("top_k", json!(3))
        .with(
            "tools",
            json!([{"name": "a", "input_schema": {}, "input_examples": [1]}]),
        )
        .repairs(|repairs| {
            repairs.additional_drop_params =
                vec!["top_k".to_owned(), "tools[*].input_examples".to_owned()];
        })
        .sent();
    assert!(sent.get("top_k").is_none());
    assert_eq!(sent["tools"], json!([{"name": "a", "input_schema": {}}]));
}

#[test]
fn a_request_without_a_limit_is_refused_for_every_model() {
    for model in [
        SONNET_45,
        BY_CONVERSE,
        NOVA,
        "bedrock/amazon.titan-text-express-v1",
    ] {
        let error = Case::new(model)
            .body(r#"{"messages":[{"role":"user","content":"hi"}]}"#)
            .refusal();
        assert_eq!(error.param(), Some("max_tokens"), "{model}");
        assert!(
            error
                .message()
                .contains("max_tokens is required for Anthropic /v1/messages API")
        );
    }
}

#[test]
fn a_choice_without_tools_is_left_out() {
    let sent = Case::new(SONNET_45)
        .with("tool_choice", json!({"type": "any"}))
        .sent();
    assert!(sent.get("tool_choice").is_none());
}
