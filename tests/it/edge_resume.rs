//! Streams that break after their first content and go on elsewhere: no token lost, none twice, one stream to the client.

use serde_json::{Value, json};

use crate::support::scenes::{CLAUDE, NO_PREFILL, Waits, way};
use crate::support::{Answer, Gateway, entry};

/// The first one breaks as told and is always picked first; the second writes on.
fn pair(fault: &str) -> String {
    let first = entry("m", "breaks", fault, ", weight: 1");
    let second = entry("m", "good", "", ", weight: 0");
    format!("{first}{second}")
}

async fn gateway(entries: &str, more: &str) -> Gateway {
    let yaml = format!(
        "model_list:\n{entries}router_settings: {{stream_recovery: resume, disable_cooldowns: true{more}}}\n"
    );
    Gateway::with(&yaml, Waits::new()).await
}

async fn streamed(gateway: &Gateway, more: Value) -> Answer {
    let mut body = json!({"stream": true, "stream_options": {"include_usage": true}});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    gateway.chat("m", body).await
}

fn saying(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": text}]})
}

/// The `usage` of a stream: prompt and completion tokens.
fn usage(answer: &Answer) -> (u64, u64) {
    let events: Vec<Value> = (answer.events().iter())
        .filter_map(|event| serde_json::from_str(event).ok())
        .collect();
    let usage: Vec<_> = events
        .iter()
        .filter(|event| event["usage"].is_object())
        .collect();
    assert_eq!(usage.len(), 1, "{}", answer.body);
    let count = |name: &str| usage[0]["usage"][name].as_u64().unwrap();
    (count("prompt_tokens"), count("completion_tokens"))
}

fn assert_one_stream(answer: &Answer, whole: &str, deployments: &[&str], case: &str) {
    assert_eq!(answer.status, 200, "{case}: {}", answer.body);
    assert_eq!(
        answer.header("x-switchyard-stream-recovery"),
        "resume",
        "{case}"
    );
    assert_eq!(answer.text(), whole, "{case}: {}", answer.body);
    assert_eq!(answer.events().last(), Some(&"[DONE]"), "{case}");
    assert_eq!(answer.body.matches("\"role\"").count(), 1, "{case}");
    assert_eq!(
        answer.body.matches("\"finish_reason\":\"stop\"").count(),
        1,
        "{case}"
    );
    assert!(
        !answer.body.contains("\"error\""),
        "{case}: {}",
        answer.body
    );
    let ids: std::collections::BTreeSet<_> = (answer.events().iter())
        .filter_map(|event| serde_json::from_str::<Value>(event).ok())
        .map(|chunk| chunk["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 1, "{case}: one id");
    let said = json!({"resumed": deployments.len() - 1, "deployments": deployments});
    let finish = format!("\"switchyard\":{said}");
    if deployments.len() > 1 {
        assert!(answer.body.contains(&finish), "{case}: {}", answer.body);
    } else {
        assert!(!answer.body.contains("\"switchyard\""), "{case}");
    }
}

/// Wherever a stream breaks, and however, the client gets the whole text once.
#[tokio::test]
async fn stream_broken_anywhere_continues_without_a_token_lost_or_repeated() {
    const FAULTS: [&str; 4] = ["cut", "corrupt", "exception-mid", "reset"];
    let mut entries = entry("m", "good", "", "");
    for (fault, at) in FAULTS
        .iter()
        .flat_map(|fault| (1..=22).map(move |at| (fault, at)))
    {
        let group = format!("{fault}{at}");
        entries += &entry(
            &group,
            &format!("breaks-{group}"),
            &format!("{fault},at={at}"),
            ", weight: 1",
        );
        entries += &entry(&group, &format!("good-{group}"), "", ", weight: 0");
    }
    let gateway = gateway(&entries, "").await;
    for text in [
        "tell me more [[sim:long=12]]",
        "[[sim:unicode]] hello",
        "[[sim:say a \\\"b\\\"\\n  c d]]",
    ] {
        let whole = streamed(&gateway, saying(text)).await;
        let (asked, written) = usage(&whole);
        let pieces = whole
            .events()
            .iter()
            .filter(|event| event.contains("\"content\":\""))
            .count();
        assert!((2..=21).contains(&pieces), "{text}: {pieces} pieces");
        assert_one_stream(&whole, &whole.text(), &["good"], text);
        for (fault, at) in FAULTS
            .iter()
            .flat_map(|fault| (1..=pieces + 1).map(move |at| (fault, at)))
        {
            let case = format!("{text}: {fault} at {at} of {pieces}");
            let (breaks, good) = (format!("breaks-{fault}{at}"), format!("good-{fault}{at}"));
            let before = (gateway.calls_of(&breaks), gateway.calls_of(&good));
            let mut body = saying(text);
            body["model"] = json!(format!("{fault}{at}"));
            let answer = streamed(&gateway, body).await;
            let after = (gateway.calls_of(&breaks), gateway.calls_of(&good));
            assert_eq!(after, (before.0 + 1, before.1 + 1), "{case}");
            if answer.header("x-litellm-model-id") == good {
                // It broke before the first content: that is a retry.
                assert_one_stream(&answer, &whole.text(), &[&good], &case);
                continue;
            }
            assert_one_stream(&answer, &whole.text(), &[&breaks, &good], &case);
            let (prompt, completion) = usage(&answer);
            assert!(prompt >= 2 * asked, "{case}: {prompt} of {asked}");
            assert!(
                completion + 2 >= written,
                "{case}: {completion} of {written}"
            );
            // It keeps the last calls only.
            let forgotten = format!("{}/_simulator/calls", gateway.simulator.url());
            gateway.client.delete(forgotten).send().await.unwrap();
        }
    }
}

/// A text that came whole, but for its end, is ended by another deployment.
#[tokio::test]
async fn stream_without_its_end_gets_one() {
    let gateway = gateway(&pair("cut-end"), "").await;
    let whole = gateway.chat("good", json!({})).await.json();
    let whole = whole["choices"][0]["message"]["content"].as_str().unwrap();
    let answer = streamed(&gateway, json!({})).await;
    assert_one_stream(&answer, whole, &["breaks", "good"], "cut-end");
}

/// A continuation that breaks too is continued, as often as retries allow, and then by the fallbacks.
#[tokio::test]
async fn continuation_that_breaks_is_continued_too() {
    let three = [
        entry("m", "breaks", "cut,at=2", ", weight: 1"),
        entry("m", "again", "cut,at=1", ", weight: 0"),
        entry("b", "b1", "", ""),
    ]
    .concat();
    let gateway = gateway(&three, ", num_retries: 1, fallbacks: [{m: [b]}]").await;
    let text = saying("tell me more [[sim:long=12]]");
    let whole = gateway.chat("b", text.clone()).await.json();
    let whole = whole["choices"][0]["message"]["content"].as_str().unwrap();
    let answer = streamed(&gateway, text).await;
    assert_one_stream(&answer, whole, &["breaks", "again", "b1"], "three");
    assert_eq!(gateway.calls_of("breaks") + gateway.calls_of("again"), 2);
}

/// A continuation counts as a retry: none is allowed, or none is paid for, and it goes to the fallbacks; nobody is left, and
/// it is the error that broke the stream.
#[tokio::test]
async fn continuation_counts_as_a_retry_and_then_falls_back() {
    let fallback = entry("b", "b1", "", "");
    for more in [
        ", num_retries: 0, fallbacks: [{m: [b]}]",
        ", fallbacks: [{m: [b]}], retry_budget: {capacity: 1, cost: 14, throttle_cost: 5, refill_per_second: 0}",
    ] {
        let gateway = gateway(&format!("{}{fallback}", pair("cut,at=2")), more).await;
        let whole = gateway.chat("good", json!({})).await.json();
        let whole = whole["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .to_owned();
        let answer = streamed(&gateway, json!({})).await;
        assert_one_stream(&answer, &whole, &["breaks", "b1"], more);
    }
    let gateway = gateway(&pair("cut,at=2"), ", num_retries: 0").await;
    let answer = streamed(&gateway, json!({})).await;
    answer.error_event("nobody is left");
    assert_eq!(gateway.calls_of("good"), 0);
    assert!(answer.body.contains("\"code\":\"502\""), "{}", answer.body);
}

/// A fallback that replaces the conversation does not write on, so it is passed over.
#[tokio::test]
async fn fallback_with_another_conversation_does_not_continue_a_text() {
    let fallback = entry("b", "b1", "", "");
    let gateway = gateway(
        &format!("{}{fallback}", pair("cut,at=2")),
        ", num_retries: 0",
    )
    .await;
    let other = json!([{"model": "b", "messages": [{"role": "user", "content": "other"}]}]);
    let answer = streamed(&gateway, json!({"fallbacks": other})).await;
    answer.error_event("another conversation");
    assert_eq!(gateway.calls_of("b1"), 0);
}

/// What is no plain text is not continued: a tool call, reasoning, a structured answer.
#[tokio::test]
async fn what_is_no_plain_text_ends_with_an_error_event() {
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {
        "city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city", "days"]}}}]);
    let schema = json!({"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object",
        "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false}}});
    for (case, more, offered) in [
        (
            "a tool call",
            json!({"tools": tools, "messages": [{"role": "user", "content": "[[sim:tool]] hello"}]}),
            true,
        ),
        ("reasoning", json!({"reasoning_effort": "low"}), false),
        (
            "a structured answer",
            json!({"response_format": schema}),
            false,
        ),
    ] {
        // The tool call begins with the sixth piece.
        for fault in ["cut,at=6", "cut-end"] {
            let gateway = gateway(&pair(fault), "").await;
            let answer = streamed(&gateway, more.clone()).await;
            if answer.header("x-litellm-model-id") == "good" {
                // It broke before the first content.
                continue;
            }
            let case = format!("{case}, {fault}");
            let recovery = if offered { "resume" } else { "" };
            assert_eq!(
                answer.header("x-switchyard-stream-recovery"),
                recovery,
                "{case}"
            );
            answer.error_event(&case);
            assert_eq!(gateway.calls_of("good"), 0, "{case}");
        }
    }
}

/// A model that takes no assistant prefill is not asked to continue, and its own streams are not offered to be.
#[tokio::test]
async fn models_without_prefill_neither_continue_nor_are_continued() {
    let nova = |name: &str, id: &str, fault: &str, params: &str| {
        entry(name, id, fault, params).replace(CLAUDE, NO_PREFILL)
    };
    let entries = [
        entry("m", "breaks", "cut,at=2", ", weight: 1"),
        nova("m", "nova", "", ", weight: 0"),
    ]
    .concat();
    let one = gateway(&entries, ", num_retries: 0").await;
    let answer = streamed(&one, json!({})).await;
    answer.error_event("nobody continues");
    assert_eq!(one.calls_of("nova"), 0);
    let entries = format!("{entries}{}", entry("m", "good", "", ", weight: 0"));
    let other = gateway(&entries, "").await;
    let whole = other.chat("good", json!({})).await.json();
    let whole = whole["choices"][0]["message"]["content"].as_str().unwrap();
    let answer = streamed(&other, json!({})).await;
    assert_one_stream(&answer, whole, &["breaks", "good"], "passed over");
    let entries = [
        nova("m", "nova", "cut,at=2", ", weight: 1"),
        entry("m", "good", "", ", weight: 0"),
    ]
    .concat();
    let third = gateway(&entries, "").await;
    let answer = streamed(&third, json!({})).await;
    assert_eq!(answer.header("x-switchyard-stream-recovery"), "");
    answer.error_event("not continued");
}

/// Without `stream_recovery` a broken stream ends with an error event, whoever else is there.
#[tokio::test]
async fn streams_are_continued_only_where_the_operator_says_so() {
    let yaml = format!("model_list:\n{}", pair("cut,at=2"));
    let gateway = Gateway::with(&yaml, Waits::new()).await;
    let answer = streamed(&gateway, json!({})).await;
    answer.error_event("off");
    assert_eq!(answer.header("x-switchyard-stream-recovery"), "");
    assert_eq!(way(&answer), (200, "m", "0", "0", "1"));
}
