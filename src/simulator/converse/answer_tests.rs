use super::super::Mode;
use super::*;
use crate::simulator::Options;
use crate::simulator::model_id::Model;

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn ask_of(shared: &Arc<Shared>, model: &str, body: &Value) -> Answer {
    let text = body.to_string();
    let root: Node<'_> = serde_json::from_str(&text).unwrap();
    let model = Model::parse(model).unwrap();
    let request = Request {
        root: &root,
        model: &model,
        mode: Mode::Whole,
    };
    let mut directions = Directions::default();
    request
        .user_texts()
        .try_for_each(|text| directions.add_markers(text))
        .unwrap();
    compose(&request, &directions, false, shared)
}

fn ask(model: &str, text: &str, rest: Value) -> Answer {
    let mut body = json!({"messages": [{"role": "user", "content": [{"text": text}]}]});
    if let (Some(body), Value::Object(rest)) = (body.as_object_mut(), rest) {
        body.extend(rest);
    }
    ask_of(&Arc::new(Shared::new(Options::default())), model, &body)
}

fn text(answer: &Answer) -> &str {
    match answer.blocks.last() {
        Some(Content::Text(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn tools() -> Value {
    let spec = |name: &str| {
        json!({"toolSpec": {"name": name, "inputSchema": {"json":
            {"type": "object", "properties": {"city": {"type": "string"}}}}}})
    };
    json!({"tools": [spec("f"), spec("g")]})
}

#[test]
fn an_answer_quotes_the_question_without_markers() {
    let answer = ask(CLAUDE, "hello [[sim:slow=0]]there", json!({}));
    assert_eq!(
        text(&answer),
        "This is a simulated reply from claude: you said \"hello there\"."
    );
    assert_eq!(answer.stop_reason, "end_turn");
    let usage = serde_json::to_value(&answer.usage).unwrap();
    assert_eq!(
        usage,
        json!({"inputTokens": 7, "outputTokens": 16, "totalTokens": 23})
    );
    let llama = ask("us.meta.llama4-scout-17b-instruct-v1:0", "x", json!({}));
    assert!(text(&llama).contains("from llama:"));
}

#[test]
fn markers_and_choices_call_tools() {
    let calls = |answer: &Answer| -> Vec<(String, Value)> {
        let calls = answer.blocks.iter().filter_map(|block| match block {
            Content::ToolUse { name, input, .. } => Some((name.clone(), input.clone())),
            _ => None,
        });
        calls.collect()
    };
    let config =
        |choice: Value| json!({"toolConfig": {"tools": tools()["tools"], "toolChoice": choice}});
    let made = json!({"city": "simulated"});
    let auto = json!({"toolConfig": tools()});
    assert_eq!(calls(&ask(CLAUDE, "x", auto.clone())), []);
    assert_eq!(
        calls(&ask(CLAUDE, "[[sim:tool]]", auto.clone())),
        [("f".to_owned(), made.clone())]
    );
    assert_eq!(
        calls(&ask(
            CLAUDE,
            "[[sim:tool=g {\"city\": \"Bonn\"}]]",
            auto.clone()
        )),
        [("g".to_owned(), json!({"city": "Bonn"}))]
    );
    let two = ask(CLAUDE, "[[sim:tools]]", auto);
    assert_eq!(
        calls(&two),
        [
            ("f".to_owned(), made.clone()),
            ("g".to_owned(), made.clone())
        ]
    );
    assert_eq!(two.stop_reason, "tool_use");
    assert_eq!(
        calls(&ask(CLAUDE, "x", config(json!({"tool": {"name": "g"}})))),
        [("g".to_owned(), made.clone())]
    );
    assert_eq!(
        calls(&ask(CLAUDE, "x", config(json!({"any": {}})))),
        [("f".to_owned(), made)]
    );
}

#[test]
fn tool_results_are_quoted() {
    let body = json!({"messages": [
        {"role": "user", "content": [{"text": "[[sim:tool]]"}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "1", "name": "f", "input": {}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "1", "content": [{"text": "22 C"}, {"json": {"a": 1}}]}}]},
    ], "toolConfig": tools()});
    let answer = ask_of(&Arc::new(Shared::new(Options::default())), CLAUDE, &body);
    assert_eq!(
        text(&answer),
        "This is a simulated reply from claude: the tool answered \"22 C {\"a\":1}\"."
    );
}

#[test]
fn reasoning_comes_first_and_claude_signs_it() {
    let thinking = json!({
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        "additionalModelResponseFieldPaths": ["/usage/output_tokens_details"],
    });
    let answer = ask(CLAUDE, "x", thinking.clone());
    assert!(matches!(
        answer.blocks.first(),
        Some(Content::Thought {
            signature: Some(_),
            ..
        })
    ));
    assert_eq!(
        answer.fields.unwrap()["usage"]["output_tokens_details"]["thinking_tokens"],
        15
    );
    let redacted = ask(CLAUDE, "[[sim:redacted]]", thinking);
    assert!(matches!(
        redacted.blocks.first(),
        Some(Content::Redacted(_))
    ));
    let effort = json!({"additionalModelRequestFields": {"reasoning_effort": "low"}});
    let answer = ask("openai.gpt-oss-20b-1:0", "x", effort);
    assert!(matches!(
        answer.blocks.first(),
        Some(Content::Thought {
            signature: None,
            ..
        })
    ));
    assert_eq!(
        ask("openai.gpt-oss-20b-1:0", "x", json!({})).blocks.len(),
        1
    );
}

#[test]
fn limits_cut_the_answer() {
    let stop = json!({"inferenceConfig": {"stopSequences": ["from", "simulated"]},
        "additionalModelResponseFieldPaths": ["/stop_sequence"]});
    let answer = ask(CLAUDE, "x", stop);
    assert_eq!(
        (text(&answer), answer.stop_reason.as_str()),
        ("This is a ", "stop_sequence")
    );
    assert_eq!(answer.fields, Some(json!({"stop_sequence": "simulated"})));

    let answer = ask(CLAUDE, "x", json!({"inferenceConfig": {"maxTokens": 3}}));
    assert_eq!(
        (text(&answer), answer.stop_reason.as_str()),
        ("This is a si", "max_tokens")
    );
    let exact = ask(CLAUDE, "x", json!({"inferenceConfig": {"maxTokens": 1000}}));
    assert_eq!(exact.stop_reason, "end_turn");
}

#[test]
fn markers_shape_the_text() {
    assert_eq!(
        text(&ask(CLAUDE, "[[sim:long=3]]", json!({}))),
        "word1 word2 word3"
    );
    assert_eq!(
        text(&ask(CLAUDE, "[[sim:json {\"a\": [[1]]}]]", json!({}))),
        "{\"a\": [[1]]}"
    );
    assert!(text(&ask(CLAUDE, "[[sim:unicode]]", json!({}))).contains("你好"));
    assert!(ask(CLAUDE, "[[sim:empty]]", json!({})).blocks.is_empty());
    assert_eq!(
        ask(CLAUDE, "[[sim:stop-reason=content_filtered]]", json!({})).stop_reason,
        "content_filtered"
    );
    assert!(matches!(
        ask(CLAUDE, "[[sim:citations]]", json!({})).blocks.last(),
        Some(Content::Cited { .. })
    ));
}

#[test]
fn structured_output_fits_its_schema() {
    let schema =
        r#"{"type":"object","properties":{"n":{"type":"integer"}},"additionalProperties":false}"#;
    let config = json!({"outputConfig": {"textFormat": {"type": "json_schema",
        "structure": {"jsonSchema": {"schema": schema}}}}});
    assert_eq!(text(&ask(CLAUDE, "x", config)), r#"{"n":1}"#);
}

#[test]
fn guardrails_stop_marked_texts() {
    let config = |trace: &str| json!({"guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "1", "trace": trace}});
    let answer = ask(CLAUDE, "[[sim:guardrail]]", config("enabled"));
    assert_eq!(answer.stop_reason, "guardrail_intervened");
    let trace = answer.trace.unwrap();
    assert_eq!(
        trace["guardrail"]["inputAssessment"]["abc"]["topicPolicy"]["topics"][0]["action"],
        "BLOCKED"
    );
    assert_eq!(
        ask(CLAUDE, "[[sim:guardrail]]", config("disabled")).trace,
        None
    );
    assert_eq!(
        ask(CLAUDE, "[[sim:guardrail]]", json!({})).stop_reason,
        "end_turn"
    );
    assert_eq!(ask(CLAUDE, "x", config("enabled")).stop_reason, "end_turn");
}

#[test]
fn only_guarded_text_is_looked_at() {
    let ask = |guarded: &str| {
        let body = json!({"messages": [{"role": "user", "content":
            [{"text": "[[sim:guardrail]]"}, {"guardContent": {"text": {"text": guarded}}}]}],
            "guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "1"}});
        ask_of(&Arc::new(Shared::new(Options::default())), CLAUDE, &body).stop_reason
    };
    assert_eq!(ask("fine"), "end_turn");
    assert_eq!(ask("bad [[sim:guardrail]]"), "guardrail_intervened");
}

#[test]
fn a_cached_prefix_is_written_once_and_then_read() {
    let shared = Arc::new(Shared::new(Options::default()));
    let usage = |question: &str| {
        let body = json!({"system": [{"text": "x".repeat(400)}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
            "messages": [{"role": "user", "content": [{"text": question}]}]});
        serde_json::to_value(ask_of(&shared, CLAUDE, &body).usage).unwrap()
    };
    let first = usage("abcd");
    assert_eq!(
        (&first["inputTokens"], &first["cacheWriteInputTokens"]),
        (&json!(1), &json!(100))
    );
    assert_eq!(
        first["cacheDetails"],
        json!([{"ttl": "1h", "inputTokens": 100}])
    );
    let second = usage("efgh");
    assert_eq!(
        (
            &second["cacheReadInputTokens"],
            &second["cacheWriteInputTokens"]
        ),
        (&json!(100), &json!(0))
    );
    assert_eq!(second["cacheDetails"], Value::Null);
}

#[test]
fn tier_and_latency_are_given_back() {
    let answer = ask(
        CLAUDE,
        "x",
        json!({"serviceTier": {"type": "flex"}, "performanceConfig": {"latency": "standard"}}),
    );
    assert_eq!(
        Value::Object(answer.echoed),
        json!({"performanceConfig": {"latency": "standard"}, "serviceTier": {"type": "flex"}})
    );
}
