//! Every family's way of thinking.

use serde_json::{Value, json};

use crate::support::{
    CLAUDE_35, CLAUDE_37, Case, GPT_OSS, NOVA, OPUS_47, PROFILE, SONNET_45, call, result, tool,
};

const OPUS_46: &str = "bedrock/us.anthropic.claude-opus-4-6-v1";
const SONNET_46: &str = "bedrock/us.anthropic.claude-sonnet-4-6";
const NOVA_2: &str = "bedrock/us.amazon.nova-2-lite-v1:0";
const ALWAYS_ON: &str = "bedrock/anthropic.claude-sonnet-5-5";

fn effort(model: &str, effort: &str) -> Case {
    Case::new(model).with("reasoning_effort", json!(effort))
}

fn thinking(model: &str, thinking: Value) -> Case {
    Case::new(model).with("thinking", thinking)
}

#[test]
fn efforts_are_said_in_the_models_words() {
    let enabled = |budget: u64| json!({"thinking": {"type": "enabled", "budget_tokens": budget}});
    let adaptive = |effort: &str| {
        json!({"thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": effort}})
    };
    for (model, said, fields) in [
        (CLAUDE_37, "minimal", enabled(1024)),
        (CLAUDE_37, "low", enabled(1024)),
        (SONNET_45, "medium", enabled(2048)),
        (SONNET_45, "high", enabled(4096)),
        (SONNET_45, "xhigh", enabled(8192)),
        (SONNET_45, "max", enabled(16384)),
        (SONNET_45, "none", json!(null)),
        (PROFILE, "high", enabled(4096)),
        (OPUS_46, "minimal", adaptive("low")),
        (OPUS_46, "xhigh", adaptive("max")),
        (SONNET_46, "max", adaptive("max")),
        (OPUS_47, "xhigh", adaptive("xhigh")),
        (OPUS_47, "none", json!(null)),
        (GPT_OSS, "none", json!({"reasoning_effort": "none"})),
        (
            "bedrock/deepseek.v3-v1:0",
            "high",
            json!({"reasoning_effort": "high"}),
        ),
        (
            "bedrock/openai.gpt-6-sol",
            "high",
            json!({"reasoning": {"effort": "high"}}),
        ),
        (
            NOVA_2,
            "none",
            json!({"reasoningConfig": {"type": "disabled"}}),
        ),
        (
            NOVA_2,
            "medium",
            json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}),
        ),
        ("bedrock/qwen.qwen3-32b-v1:0", "high", json!(null)),
        ("bedrock/acme.llm-9", "high", json!(null)),
    ] {
        assert_eq!(effort(model, said).fields(), fields, "{model} {said}");
    }
    for (model, said) in [
        (SONNET_46, "xhigh"),
        (SONNET_45, "huge"),
        (OPUS_47, "huge"),
        (NOVA_2, "huge"),
        ("bedrock/openai.gpt-6-sol", "minimal"),
        ("bedrock/us.deepseek.r1-v1:0", "low"),
        (NOVA, "low"),
        (CLAUDE_35, "low"),
    ] {
        let refusal = effort(model, said).refusal();
        assert!(refusal.contains("reasoning_effort"), "{model}: {refusal}");
    }
    for model in [NOVA, CLAUDE_35, "bedrock/us.deepseek.r1-v1:0"] {
        assert_eq!(effort(model, "low").drop().fields(), json!(null), "{model}");
    }
}

#[test]
fn thinking_is_said_as_each_claude_takes_it() {
    let enabled = json!({"type": "enabled", "budget_tokens": 2000});
    assert_eq!(
        thinking(OPUS_46, enabled.clone()).fields(),
        json!({"thinking": enabled})
    );
    assert_eq!(
        thinking(OPUS_47, enabled).fields(),
        json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}})
    );
    let large = json!({"type": "enabled", "budget_tokens": 9000, "display": "omitted"});
    assert_eq!(
        thinking(OPUS_47, large.clone()).fields(),
        json!({"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "xhigh"}})
    );
    assert_eq!(
        thinking(OPUS_47, large)
            .with("output_config", json!({"effort": "low"}))
            .fields()["output_config"],
        json!({"effort": "low"})
    );
    let adaptive = json!({"type": "adaptive"});
    let on_older = thinking(CLAUDE_37, adaptive.clone()).with("max_tokens", json!(1500));
    assert_eq!(
        on_older.fields(),
        json!({"thinking": {"type": "enabled", "budget_tokens": 1499}})
    );
    let no_room = thinking(CLAUDE_37, adaptive).with("max_tokens", json!(1024));
    assert_eq!(no_room.fields(), json!(null));
    let disabled = json!({"type": "disabled"});
    assert_eq!(
        thinking(SONNET_45, disabled.clone()).fields(),
        json!({"thinking": disabled})
    );
    assert_eq!(thinking(ALWAYS_ON, disabled.clone()).fields(), json!(null));
    for model in [GPT_OSS, NOVA, "bedrock/us.deepseek.r1-v1:0"] {
        assert!(
            thinking(model, disabled.clone())
                .refusal()
                .contains("['thinking']")
        );
    }
    assert_eq!(
        thinking("bedrock/qwen.qwen3-32b-v1:0", disabled).fields(),
        json!(null)
    );
}

#[test]
fn budgets_leave_room_for_the_answer() {
    let case = |limit: Value| {
        thinking(SONNET_45, json!({"type": "enabled", "budget_tokens": 4000}))
            .with("max_tokens", limit)
    };
    assert_eq!(
        case(json!(null)).body()["inferenceConfig"]["maxTokens"],
        8096
    );
    let lowered = case(json!(3000)).send().unwrap();
    assert_eq!(
        lowered.body["additionalModelRequestFields"]["thinking"]["budget_tokens"],
        2999
    );
    assert_eq!(lowered.warnings.len(), 1);
    let dropped = case(json!(1000)).body();
    assert_eq!(dropped["additionalModelRequestFields"], json!(null));
    assert_eq!(dropped["inferenceConfig"]["maxTokens"], 1000);
    assert_eq!(dropped["additionalModelResponseFieldPaths"], json!(null));
}

#[test]
fn portkeys_effort_is_a_share_of_the_limit() {
    let case = |said: &str, limit: Value| {
        effort(CLAUDE_37, said)
            .header("x-portkey-provider", "bedrock")
            .with("max_tokens", limit)
    };
    for (said, limit, budget) in [
        ("minimal", 20000, 2000),
        ("low", 20000, 4000),
        ("medium", 1500, 1024),
    ] {
        assert_eq!(
            case(said, json!(limit)).fields()["thinking"]["budget_tokens"],
            budget
        );
    }
    assert!(case("high", json!(1024)).refusal().contains("max_tokens"));
    assert!(case("high", json!(null)).refusal().contains("max_tokens"));
    assert_eq!(
        case("none", json!(2000)).fields(),
        json!({"thinking": {"type": "disabled"}})
    );
}

#[test]
fn thinking_stops_where_earlier_thinking_is_missing() {
    let case = |answer: Value| {
        thinking(CLAUDE_37, json!({"type": "enabled", "budget_tokens": 2000}))
            .with("tools", json!([tool("f")]))
            .messages(json!([{"role": "user", "content": "q"}, answer, result("c", "1")]))
    };
    assert_eq!(case(call("c", "f", "{}")).fields(), json!(null));
    let mut thoughtful = call("c", "f", "{}");
    thoughtful["thinking_blocks"] =
        json!([{"type": "thinking", "thinking": "t", "signature": "s"}]);
    assert!(case(thoughtful).fields()["thinking"].is_object());
}

#[test]
fn nova_2_thinks_hard_without_sampling() {
    let case = |said: &str| {
        effort(NOVA_2, said)
            .with("max_tokens", json!(5))
            .with("temperature", json!(0.5))
            .with("stop", json!("x"))
    };
    let hard = case("max").send().unwrap();
    assert_eq!(
        hard.body["inferenceConfig"],
        json!({"stopSequences": ["x"]})
    );
    assert_eq!(hard.warnings.len(), 1);
    assert_eq!(case("low").body()["inferenceConfig"]["maxTokens"], 5);
}

#[test]
fn output_config_is_fitted_to_the_model() {
    let case = |model: &str, config: Value| Case::new(model).with("output_config", config);
    assert_eq!(
        case(
            "bedrock/anthropic.claude-opus-4-5-20251101-v1:0",
            json!({"effort": "max"})
        )
        .fields(),
        json!({"output_config": {"effort": "high"}, "anthropic_beta": ["effort-2025-11-24"]})
    );
    assert_eq!(
        case(PROFILE, json!({"effort": "any", "format": {"x": 1}})).fields(),
        json!({"output_config": {"effort": "any", "format": {"x": 1}}})
    );
    assert!(
        case(CLAUDE_37, json!({"effort": "low"}))
            .refusal()
            .contains("['output_config']")
    );
    assert!(
        case(OPUS_47, json!({"effort": "huge"}))
            .refusal()
            .contains("output_config.effort")
    );
    let format = json!({"format": {"type": "json_schema", "schema": {"type": "object"}}});
    let held = case(SONNET_45, format.clone()).body();
    assert!(held["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"].is_string());
    assert_eq!(held["additionalModelRequestFields"], json!(null));
    let unheld = case(CLAUDE_37, format).send().unwrap();
    assert_eq!(unheld.body["outputConfig"], json!(null));
    assert_eq!(unheld.warnings.len(), 1);
}

#[test]
fn only_compaction_is_left_of_context_management() {
    let case = |value: Value| Case::new(SONNET_45).with("context_management", value);
    assert_eq!(
        case(json!([{"type": "compaction", "compact_threshold": 5}])).fields(),
        json!({"context_management": {"edits": [{"type": "compact_20260112", "compact_threshold": 5}]},
            "anthropic_beta": ["compact-2026-01-12"]})
    );
    let cleared = case(json!({"edits": [{"type": "clear_tool_uses_20250919"}]}));
    assert_eq!(cleared.fields(), json!(null));
}

#[test]
fn models_that_never_thought_are_known_by_name() {
    for model in [
        "bedrock/anthropic.claude-3-haiku-20240307-v1:0",
        "bedrock/us.anthropic.claude-3-opus-20991231-v1:0",
        "bedrock/anthropic.claude-3-5-sonnet-20991231-v9:0",
        "bedrock/anthropic.claude-instant-v7",
        "bedrock/anthropic.claude-v2:8",
        "bedrock/converse/cohere.command-new-v1:0",
        "bedrock/converse/meta.llama9-1b-v1:0",
    ] {
        let thinks = json!({"type": "enabled", "budget_tokens": 2000});
        assert!(effort(model, "low").refusal().contains("reasoning_effort"));
        assert!(thinking(model, thinks).refusal().contains("['thinking']"));
        assert_eq!(effort(model, "low").drop().fields(), json!(null), "{model}");
    }
    let newer = effort("bedrock/anthropic.claude-haiku-9", "low").fields();
    assert_eq!(newer["thinking"]["budget_tokens"], 1024);
}

#[test]
fn output_config_is_claudes() {
    let config = |model: &str| Case::new(model).with("output_config", json!({"effort": "low"}));
    for model in [
        GPT_OSS,
        "bedrock/us.openai.gpt-5.5",
        "bedrock/deepseek.v3-v1:0",
        NOVA,
    ] {
        assert!(
            config(model).refusal().contains("['output_config']"),
            "{model}"
        );
        assert_eq!(config(model).drop().fields(), json!(null), "{model}");
    }
}

#[test]
fn a_format_stays_where_the_effort_beside_it_is_left_out() {
    let schema = json!({"type": "object", "properties": {}});
    let config = json!({"effort": "low", "format": {"type": "json_schema", "schema": schema}});
    let body = Case::new(SONNET_45)
        .with("output_config", config)
        .drop()
        .body();
    assert_eq!(body["outputConfig"]["textFormat"]["type"], "json_schema");
    assert_eq!(body["additionalModelRequestFields"], json!(null));
}
