//! Responses of models that speak the format themselves: passed on both ways, through everything that other calls go through.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use switchyard::clock::SystemClock;

use crate::support::entry::{CLAUDE, Entry, serving, timed};
use crate::support::upstream::{Cut, Upstream};
use crate::support::{Answer, Gateway, entry_at};

const LUNA: &str = "bedrock/us.openai.gpt-5.6-luna";
const CACHE: &str = "litellm_settings: {cache: true, cache_params: {type: local}}\n";
const PATH: &str = "/openai/v1/responses";

fn luna() -> Entry<'static> {
    Entry::default().model(LUNA)
}

fn spare() -> Entry<'static> {
    Entry::of("spare", "s1")
}

/// Asks; `more` is laid over the request.
async fn ask(gateway: &Gateway, more: Value) -> Answer {
    let mut body = json!({"model": "m", "input": "hi [[sim:say Good day.]]"});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    gateway.post_to("/v1/responses", &body, &[]).await
}

fn events(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    (answer.events().into_iter())
        .map(|event| serde_json::from_str(event).unwrap())
        .collect()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    let kinds = events.iter().map(|event| event["type"].as_str().unwrap());
    kinds
        .map(|kind| kind.trim_start_matches("response."))
        .collect()
}

/// The path and the body of the last call that reached AWS.
fn sent(gateway: &Gateway) -> (String, Value) {
    let calls = gateway.simulator.calls();
    let last = calls.last().unwrap();
    (
        last.path.clone(),
        serde_json::from_slice(&last.body).unwrap(),
    )
}

fn said(response: &Value) -> &Value {
    &response["output"][0]["content"][0]["text"]
}

#[tokio::test]
async fn body_and_answer_are_passed_on() {
    let gateway = serving(&[luna()], "").await;
    let tool = json!({"type": "mcp", "server_label": "s", "server_url": "https://mcp.test"});
    let answer = ask(
        &gateway,
        json!({"tools": [tool], "truncation": "auto", "metadata": {"a": "b"}, "num_retries": 1}),
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-switchyard-warnings"), "");
    let response = answer.json();
    assert_eq!(
        (said(&response), &response["model"]),
        (&json!("Good day."), &json!("m"))
    );
    assert_eq!(response["metadata"], json!({"a": "b"}));
    // The simulator numbers items without a place behind.
    let id = response["id"]
        .as_str()
        .unwrap()
        .strip_prefix("resp_")
        .unwrap();
    assert_eq!(response["output"][0]["id"], format!("msg_{id}0"));
    let (path, body) = sent(&gateway);
    assert_eq!(path, PATH);
    assert_eq!(
        body,
        json!({"model": "us.openai.gpt-5.6-luna", "input": "hi [[sim:say Good day.]]", "tools": [tool],
            "truncation": "auto", "metadata": {"a": "b"}})
    );
}

#[tokio::test]
async fn a_stream_is_passed_on_event_by_event() {
    let gateway = serving(&[luna()], "").await;
    let answer = ask(&gateway, json!({"stream": true, "background": true})).await;
    let warning = "background was left out: the answer is waited for";
    assert_eq!(answer.header("x-switchyard-warnings"), warning);
    let events = events(&answer);
    assert_eq!(
        kinds(&events),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
    );
    let last = &events[9]["response"];
    assert_eq!(
        (said(last), &last["model"]),
        (&json!("Good day."), &json!("m"))
    );
    assert_eq!(events[0]["response"]["id"], last["id"]);
    assert!(answer.body.ends_with("\n\n") && !answer.body.contains("[DONE]"));
}

#[tokio::test]
async fn usage_of_an_answer_and_of_a_stream_is_counted() {
    let limited = luna().params(", tpm: 100000");
    let (gateway, _clock) = timed(&[limited], "").await;
    let mut left = 100_000;
    for stream in [false, true, false] {
        let answer = ask(&gateway, json!({"stream": stream})).await;
        let response = if stream {
            events(&answer).pop().unwrap()["response"].take()
        } else {
            answer.json()
        };
        let used = response["usage"]["total_tokens"].as_u64().unwrap();
        assert!(used > 0);
        if !stream {
            let told = answer.header("x-ratelimit-remaining-tokens");
            assert_eq!(told, (left - used).to_string());
        }
        left -= used;
        gateway.comes_to_rest().await;
    }
}

#[tokio::test]
async fn failures_are_retried_and_fall_back_to_a_model_that_does_not_speak_it() {
    let rest = "router_settings: {num_retries: 1, retry_after: 0, fallbacks: [{m: [spare]}]}\n";
    for fault in ["error500", "throttle", "exception-first", "cut-first"] {
        for stream in [false, true] {
            let faulty = luna().fault(fault);
            let gateway = serving(&[faulty, spare()], rest).await;
            let tools = json!([{"type": "function", "name": "f", "parameters": {"type": "object"}},
                {"type": "mcp", "server_label": "s"}]);
            let answer = ask(&gateway, json!({"stream": stream, "tools": tools})).await;
            assert_eq!(answer.status, 200, "{fault}: {}", answer.body);
            assert_eq!(answer.header("x-litellm-model-id"), "s1", "{fault}");
            let warning = "tools that nobody runs here were left out: mcp";
            assert_eq!(answer.header("x-switchyard-warnings"), warning, "{fault}");
            let response = if stream {
                let mut events = events(&answer);
                assert_eq!(events[0]["sequence_number"], 0);
                events.pop().unwrap()["response"].take()
            } else {
                answer.json()
            };
            assert_eq!(said(&response), "Good day.", "{fault}");
            let (path, body) = sent(&gateway);
            assert!(path.contains("/converse"), "{path}");
            assert_eq!(body["toolConfig"]["tools"].as_array().unwrap().len(), 1);
        }
    }
}

#[tokio::test]
async fn one_of_two_that_fails_is_made_good_by_the_other_and_cools_down() {
    let bad = Entry {
        id: "bad",
        fault: "error500",
        ..luna()
    };
    let rest = "router_settings: {num_retries: 2, retry_after: 0, allowed_fails: 0}\n";
    let gateway = serving(&[bad, luna()], rest).await;
    for _ in 0..8 {
        let answer = ask(&gateway, json!({})).await;
        assert_eq!(answer.header("x-litellm-model-id"), "m1");
        assert_eq!(said(&answer.json()), "Good day.");
    }
    assert_eq!(gateway.calls_of("bad"), 1, "it cools down");
}

#[tokio::test]
async fn a_stream_cut_anywhere_ends_in_one_last_event() {
    let whole = serving(&[luna()], "").await;
    let cut = Arc::new(Cut {
        after: AtomicUsize::new(usize::MAX),
        sent: AtomicUsize::new(0),
    });
    let place = Upstream::cutting(whole.simulator.address(), Arc::clone(&cut)).await;
    let cutting = entry_at("m", "m1", &place.url, "").replace(CLAUDE, LUNA);
    let rest = "router_settings: {num_retries: 0, disable_cooldowns: true}\n";
    let yaml = format!("model_list:\n{cutting}{rest}");
    let gateway = Gateway::with(&yaml, Arc::new(SystemClock)).await;
    let complete = ask(&gateway, json!({"stream": true})).await;
    let complete = kinds(&events(&complete)).len();
    let total = cut.sent.load(Ordering::SeqCst);
    let mut broken = 0;
    for after in (200..total).step_by(97) {
        cut.after.store(after, Ordering::SeqCst);
        let answer = ask(&gateway, json!({"stream": true})).await;
        if answer.status != 200 {
            assert!(answer.status >= 500, "{after}: {}", answer.body);
            continue;
        }
        let events = events(&answer);
        let kinds = kinds(&events);
        let (last, before) = kinds.split_last().unwrap();
        assert!(!before.contains(last), "{after}: {kinds:?}");
        if *last == "completed" {
            assert_eq!(kinds.len(), complete);
            continue;
        }
        broken += 1;
        assert_eq!(*last, "failed", "{after}: {kinds:?}");
        let last = events.last().unwrap();
        assert_eq!(last["sequence_number"], events.len() as u64 - 1);
        assert_eq!(last["response"]["status"], "failed");
        assert_eq!(last["response"]["id"], events[0]["response"]["id"]);
        assert_eq!(last["response"]["error"]["code"], "server_error");
    }
    assert!(broken > 3, "{broken}");
}

#[tokio::test]
async fn what_no_bridge_can_say_is_refused_by_models_that_need_one() {
    let gateway = serving(&[luna(), spare()], "").await;
    for (member, value, param) in [
        ("background", json!(true), "background"),
        (
            "input",
            json!([{"type": "apply_patch_call", "call_id": "c"}, {"role": "user", "content": "hi"}]),
            "input[0].type",
        ),
        (
            "tool_choice",
            json!({"type": "mcp", "server_label": "s"}),
            "tool_choice",
        ),
    ] {
        let mut asked = json!({});
        asked[member] = value;
        let answer = ask(&gateway, asked.clone()).await;
        assert_eq!(answer.status, 200, "{member}: {}", answer.body);
        asked["model"] = json!("spare");
        let answer = ask(&gateway, asked).await;
        assert_eq!(answer.status, 400, "{member}: {}", answer.body);
        assert_eq!(answer.json()["error"]["param"], param);
    }
    assert_eq!(gateway.calls_of("s1"), 0);
}

#[tokio::test]
async fn answers_are_kept_as_they_were_written() {
    let gateway = serving(&[luna()], CACHE).await;
    let ours = json!({"store": false, "metadata": {"of": "first"}});
    let first = ask(&gateway, ours).await.json();
    let again = ask(
        &gateway,
        json!({"store": false, "metadata": {"of": "second"}}),
    )
    .await;
    assert_eq!(again.header("x-litellm-cache-hit"), "true");
    let mut again = again.json();
    assert_eq!(again["metadata"]["of"], "second");
    again["metadata"]["of"] = json!("first");
    assert_eq!(again, first);
    // What canonical words cannot tell apart is another question all the same.
    let other = ask(&gateway, json!({"store": false, "truncation": "auto"})).await;
    assert_eq!(other.header("x-litellm-cache-hit"), "false");
    // A stream is said again in canonical words, under its own id.
    let streamed = json!({"store": false, "stream": true});
    let first = events(&ask(&gateway, streamed.clone()).await);
    let again = ask(&gateway, streamed).await;
    assert_eq!(again.header("x-litellm-cache-hit"), "true");
    let again = events(&again);
    assert_eq!(again[0]["response"]["id"], first[0]["response"]["id"]);
    assert_eq!(said(&again.last().unwrap()["response"]), "Good day.");
}

#[tokio::test]
async fn no_spelling_of_a_member_puts_an_answer_under_another_question() {
    let gateway = serving(&[luna()], CACHE).await;
    let mixed = r#"{"model":"m","store":false,"input":"hi [[sim:say Bad day.]]","extra\u005fbody":{"input":"hi [[sim:say Good day.]]"}}"#;
    let post = gateway
        .client
        .post(format!("{}/v1/responses", gateway.url))
        .header("content-type", "application/json");
    let answer = post.body(mixed).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(sent(&gateway).1["input"], "hi [[sim:say Good day.]]");
    let honest = ask(&gateway, json!({"store": false})).await.json();
    assert_eq!(said(&honest), "Good day.");
    let other = json!({"store": false, "input": "hi [[sim:say Bad day.]]"});
    let other = ask(&gateway, other).await;
    assert_eq!(other.header("x-litellm-cache-hit"), "false");
    assert_eq!(said(&other.json()), "Bad day.");
}

#[tokio::test]
async fn a_conversation_goes_on_with_either_kind_of_model() {
    let gateway = serving(&[luna(), spare()], CACHE).await;
    for (first, then) in [("m", "m"), ("m", "spare"), ("spare", "m")] {
        for stream in [false, true] {
            let asked = json!({"model": first, "input": format!("I am {first} {then} {stream}."), "stream": stream});
            let answer = ask(&gateway, asked).await;
            let response = if stream {
                events(&answer).pop().unwrap()["response"].take()
            } else {
                answer.json()
            };
            let id = &response["id"];
            let path = format!("/v1/responses/{}", id.as_str().unwrap());
            let shown = gateway.call(Method::GET, &path, None).await;
            assert_eq!(
                shown.json()["output"],
                response["output"],
                "{first} {stream}"
            );
            let next = ask(
                &gateway,
                json!({"model": then, "input": "Who?", "previous_response_id": id}),
            )
            .await;
            assert_eq!(next.status, 200, "{first} {then}: {}", next.body);
            assert_eq!(next.json()["previous_response_id"], *id);
            let (path, body) = sent(&gateway);
            let turns = if then == "m" {
                assert_eq!(path, PATH);
                assert!(body.get("previous_response_id").is_none());
                &body["input"]
            } else {
                &body["messages"]
            };
            let turns = turns.as_array().unwrap();
            assert_eq!(turns.len(), 3, "{body}");
            assert!(turns[0].to_string().contains("I am"), "{body}");
            assert_eq!(turns[1]["role"], "assistant");
        }
    }
}

#[tokio::test]
async fn items_that_the_model_named_are_found_by_their_names() {
    let gateway = serving(&[luna()], CACHE).await;
    for stream in [false, true] {
        let answer = ask(
            &gateway,
            json!({"stream": stream, "input": format!("hi {stream} [[sim:say Good day.]]")}),
        )
        .await;
        let response = if stream {
            events(&answer).pop().unwrap()["response"].take()
        } else {
            answer.json()
        };
        let item = &response["output"][0];
        let named = json!([{"role": "user", "content": "hi"}, {"type": "item_reference", "id": item["id"]},
            {"role": "user", "content": "go on"}]);
        let next = ask(&gateway, json!({"input": named})).await;
        assert_eq!(next.status, 200, "{}", next.body);
        assert_eq!(sent(&gateway).1["input"][1], *item);
        let unknown = json!([{"type": "item_reference", "id": "msg_nobody"}, {"role": "user", "content": "hi"}]);
        let refused = ask(&gateway, json!({"input": unknown})).await;
        assert_eq!(refused.status, 400, "{}", refused.body);
        let path = format!("/v1/responses/{}", item["id"].as_str().unwrap());
        assert_eq!(gateway.call(Method::GET, &path, None).await.status, 404);
    }
}
