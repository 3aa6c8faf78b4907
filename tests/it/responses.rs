//! Responses over the router: whole and streamed, what agents send, and what is kept for the next turn.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::entry::{Entry, serving};
use crate::support::{Answer, Gateway};

const CACHE: &str = "litellm_settings: {cache: true, cache_params: {type: local}}\n";
const NOVA: &str = "bedrock/us.amazon.nova-pro-v1:0";

async fn gateway(rest: &str) -> Gateway {
    let nova = Entry::of("nova", "n1").model(NOVA);
    let invoke = Entry::of("native", "i1")
        .model("bedrock/invoke/us.anthropic.claude-sonnet-4-5-20250929-v1:0");
    serving(&[Entry::default(), nova, invoke], rest).await
}

/// Asks, and returns the response; `more` is laid over the request.
async fn respond(gateway: &Gateway, more: Value) -> Value {
    let answer = ask(gateway, more, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

async fn ask(gateway: &Gateway, more: Value, headers: &[(&str, &str)]) -> Answer {
    let mut body = json!({"model": "m", "input": "hi [[sim:say Good day.]]"});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    gateway.post_to("/v1/responses", &body, headers).await
}

fn events(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer
            .header("content-type")
            .starts_with("text/event-stream")
    );
    let events = answer.events().into_iter().enumerate();
    events
        .map(|(number, event)| {
            let event: Value = serde_json::from_str(event).unwrap();
            assert_eq!(event["sequence_number"], number);
            event
        })
        .collect()
}

fn text(response: &Value) -> &str {
    let items = response["output"].as_array().unwrap().iter();
    let mut messages = items.filter(|item| item["type"] == "message");
    messages.next().unwrap()["content"][0]["text"]
        .as_str()
        .unwrap()
}

/// The body of the last call that reached AWS.
fn sent(gateway: &Gateway) -> Value {
    let calls = gateway.simulator.calls();
    serde_json::from_slice(&calls.last().unwrap().body).unwrap()
}

#[tokio::test]
async fn every_path_and_family_answers() {
    let gateway = gateway("").await;
    for path in ["/v1/responses", "/responses", "/openai/v1/responses"] {
        for model in ["m", "nova", "native"] {
            let body = json!({"model": model, "input": "hi [[sim:say Good day.]]", "instructions": "Be brief."});
            let answer = gateway.post_to(path, &body, &[]).await;
            assert_eq!(answer.status, 200, "{path} {model}: {}", answer.body);
            let response = answer.json();
            assert_eq!(
                (&response["object"], &response["status"]),
                (&json!("response"), &json!("completed"))
            );
            assert!(response["id"].as_str().unwrap().starts_with("resp_"));
            assert_eq!(response["model"], model);
            assert_eq!(text(&response), "Good day.");
            assert_eq!(response["instructions"], "Be brief.");
            let usage = &response["usage"];
            assert!(usage["input_tokens"].as_u64().unwrap() > 0, "{usage}");
            assert!(!answer.header("x-litellm-model-id").is_empty());
        }
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_whole_response() {
    let gateway = gateway("").await;
    for model in ["m", "nova", "native"] {
        let answer = ask(&gateway, json!({"model": model, "stream": true}), &[]).await;
        let events = events(&answer);
        assert_eq!(events[0]["type"], "response.created");
        let deltas: String = (events.iter())
            .filter(|event| event["type"] == "response.output_text.delta")
            .map(|event| event["delta"].as_str().unwrap())
            .collect();
        assert_eq!(deltas, "Good day.");
        let last = events.last().unwrap();
        assert_eq!(last["type"], "response.completed", "{model}");
        assert_eq!(text(&last["response"]), "Good day.");
        assert!(last["response"]["usage"]["output_tokens"].as_u64().unwrap() > 0);
        assert!(!answer.body.contains("[DONE]"));
    }
}

#[tokio::test]
async fn a_turn_of_tools_and_reasoning_goes_there_and_back() {
    let gateway = gateway("").await;
    for (model, stream) in [
        ("m", false),
        ("m", true),
        ("native", false),
        ("native", true),
    ] {
        let tools = json!([
            {"type": "namespace", "name": "crm", "description": "d", "tools": [
                {"type": "function", "name": "find", "parameters": {"type": "object", "properties": {}}}]},
            {"type": "web_search"},
        ]);
        let first = json!({
            "model": model, "stream": stream, "store": false, "include": ["reasoning.encrypted_content"],
            "reasoning": {"effort": "low", "summary": "auto"}, "max_output_tokens": 4000, "tools": tools,
            "input": [{"role": "user", "content": "[[sim:tool=crm__find {\"a\": 1}]]"}],
        });
        let answer = ask(&gateway, first, &[]).await;
        assert!(
            answer
                .header("x-switchyard-warnings")
                .contains("web_search")
        );
        let response = if stream {
            events(&answer).last().unwrap()["response"].clone()
        } else {
            answer.json()
        };
        let output = response["output"].as_array().unwrap();
        assert_eq!(output[0]["type"], "reasoning", "{response}");
        assert!(output[0]["encrypted_content"].is_string());
        let call = output.last().unwrap();
        assert_eq!(
            (&call["name"], &call["namespace"]),
            (&json!("find"), &json!("crm"))
        );
        assert_eq!(call["arguments"], "{\"a\":1}");

        let mut items = vec![json!({"role": "user", "content": "[[sim:say Found it.]]"})];
        items.extend(output.iter().cloned());
        items.push(
            json!({"type": "function_call_output", "call_id": call["call_id"], "output": "yes"}),
        );
        let second = json!({
            "model": model, "stream": stream, "input": items, "tools": tools, "store": false,
            "reasoning": {"effort": "low"}, "max_output_tokens": 4000,
        });
        let answer = ask(&gateway, second, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        // The simulator refuses reasoning whose signature is not its own: it came back word for word.
        let turn = &sent(&gateway)["messages"][1];
        assert_eq!(turn["role"], "assistant");
        let kinds = turn.to_string();
        assert!(
            kinds.contains("signature") && kinds.contains("crm__find"),
            "{kinds}"
        );
    }
}

#[tokio::test]
async fn an_effort_is_left_out_where_a_model_has_none() {
    let llama = |id, model| Entry::of(id, id).model(model);
    let entries = [
        llama("converse", "bedrock/us.meta.llama3-1-70b-instruct-v1:0"),
        llama(
            "invoke",
            "bedrock/invoke/us.meta.llama3-1-70b-instruct-v1:0",
        ),
    ];
    let gateway = serving(&entries, "").await;
    for model in ["converse", "invoke"] {
        let more = json!({"model": model, "reasoning": {"effort": "high"}});
        let answer = ask(&gateway, more, &[]).await;
        assert_eq!(answer.status, 200, "{model}: {}", answer.body);
        assert!(
            answer
                .header("x-switchyard-warnings")
                .contains("reasoning_effort"),
            "{model}"
        );
        assert!(!sent(&gateway).to_string().contains("reasoning"), "{model}");
    }
}

#[tokio::test]
async fn answers_are_held_to_a_schema() {
    let gateway = gateway("").await;
    let format = json!({"format": {"type": "json_schema", "name": "day", "schema": {
        "type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}}});
    let response = respond(&gateway, json!({"text": format, "input": "what day?"})).await;
    let value: Value = serde_json::from_str(text(&response)).unwrap();
    assert!(value["day"].is_string(), "{value}");
    assert_eq!(response["text"], format);
}

#[tokio::test]
async fn what_is_wrong_is_told_in_openais_shape() {
    let gateway = gateway("").await;
    for (more, status, param) in [
        (json!({"model": "nope"}), 400, Value::Null),
        (json!({"model": 7}), 400, json!("model")),
        (json!({"input": null}), 400, json!("input")),
        (json!({"input": ""}), 400, json!("input")),
        (
            json!({"max_output_tokens": 0}),
            400,
            json!("max_output_tokens"),
        ),
        (
            json!({"input": [{"role": "user"}]}),
            400,
            json!("input[0].content"),
        ),
        (json!({"background": true}), 400, json!("background")),
        (
            json!({"previous_response_id": "resp_1"}),
            400,
            json!("previous_response_id"),
        ),
        (json!({"top_logprobs": 3}), 400, json!("top_logprobs")),
        (
            json!({"input": "[[sim:throttle]]", "num_retries": 0}),
            429,
            Value::Null,
        ),
    ] {
        let answer = ask(&gateway, more.clone(), &[]).await;
        assert_eq!(answer.status, status, "{more}: {}", answer.body);
        let error = &answer.json()["error"];
        assert_eq!(
            (&error["param"], &error["code"]),
            (&param, &json!(status.to_string())),
            "{more}"
        );
    }
}

#[tokio::test]
async fn a_stream_that_breaks_ends_as_a_failed_response() {
    let gateway = gateway("").await;
    let more = json!({"stream": true, "input": "[[sim:long=50,cut]]"});
    let events = events(&ask(&gateway, more, &[]).await);
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.failed");
    assert_eq!(last["response"]["error"]["code"], "server_error");
    assert!(!text(&last["response"]).is_empty());
}

#[tokio::test]
async fn a_response_that_was_cut_off_is_incomplete() {
    let gateway = gateway("").await;
    for stream in [false, true] {
        let more = json!({"stream": stream, "input": "[[sim:stop-reason=max_tokens]]"});
        let answer = ask(&gateway, more, &[]).await;
        let response = if stream {
            let events = events(&answer);
            assert_eq!(events.last().unwrap()["type"], "response.incomplete");
            events.last().unwrap()["response"].clone()
        } else {
            answer.json()
        };
        assert_eq!(
            response["incomplete_details"]["reason"],
            "max_output_tokens"
        );
    }
}

#[tokio::test]
async fn a_conversation_goes_on_where_it_is_kept() {
    let gateway = gateway(CACHE).await;
    for stream in [false, true] {
        let first = json!({"stream": stream, "input": "first [[sim:say One.]]"});
        let answer = ask(&gateway, first, &[]).await;
        let first = if stream {
            events(&answer).last().unwrap()["response"].clone()
        } else {
            answer.json()
        };
        assert_eq!(first["store"], true);
        let more = json!({"previous_response_id": first["id"], "input": "second [[sim:say Two.]]", "stream": stream});
        let answer = ask(&gateway, more, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let roles: Vec<Value> = (sent(&gateway)["messages"].as_array().unwrap().iter())
            .map(|message| message["role"].clone())
            .collect();
        assert_eq!(roles, ["user", "assistant", "user"]);
        assert!(sent(&gateway)["messages"][1].to_string().contains("One."));
    }
}

#[tokio::test]
async fn items_that_are_only_named_are_found_where_they_are_kept() {
    let gateway = gateway(CACHE).await;
    let first = respond(&gateway, json!({"input": "first [[sim:say One.]]"})).await;
    let input = json!([
        {"role": "user", "content": "first"},
        {"type": "item_reference", "id": first["output"][0]["id"]},
        {"role": "user", "content": "second"},
    ]);
    respond(&gateway, json!({"input": input})).await;
    assert!(sent(&gateway)["messages"][1].to_string().contains("One."));
    let mut unknown = input;
    unknown[1]["id"] = json!("msg_x_0");
    let answer = ask(&gateway, json!({"input": unknown}), &[]).await;
    assert_eq!(answer.json()["error"]["param"], "input[1].id");
}

#[tokio::test]
async fn a_response_is_shown_and_forgotten() {
    let gateway = gateway(CACHE).await;
    let first = respond(&gateway, json!({"input": "first", "metadata": {"a": "b"}})).await;
    let path = format!("/v1/responses/{}", first["id"].as_str().unwrap());
    let shown = gateway.call(Method::GET, &path, None).await;
    assert_eq!((shown.status, shown.json()), (200, first.clone()));
    for (asks, status) in [("true", 400), ("false", 200)] {
        let path = format!("{path}?stream={asks}");
        let answer = gateway.call(Method::GET, &path, None).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        if status == 400 {
            assert_eq!(answer.json()["error"]["param"], "stream");
        }
    }
    let items = gateway
        .call(Method::GET, &format!("{path}/input_items?order=asc"), None)
        .await
        .json();
    assert_eq!(items["data"][0]["content"][0]["text"], "first");
    let wrong = gateway
        .call(Method::GET, &format!("{path}/input_items?limit=0"), None)
        .await;
    assert_eq!(
        (wrong.status, &wrong.json()["error"]["param"]),
        (400, &json!("limit"))
    );
    let cancelled = gateway
        .call(Method::POST, &format!("{path}/cancel"), None)
        .await;
    assert_eq!(cancelled.status, 400);
    let deleted = gateway.call(Method::DELETE, &path, None).await.json();
    assert_eq!(
        deleted,
        json!({"id": first["id"], "object": "response", "deleted": true})
    );
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(gateway.call(method, &path, None).await.status, 404);
    }
    let more = json!({"previous_response_id": first["id"]});
    let answer = ask(&gateway, more, &[]).await;
    assert_eq!(answer.json()["error"]["param"], "previous_response_id");
}

#[tokio::test]
async fn tokens_of_a_request_are_counted_with_what_it_goes_on_from() {
    let gateway = gateway(CACHE).await;
    let count = async |more: Value| {
        let mut body = json!({"model": "m", "input": "And then?"});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let path = "/v1/responses/input_tokens";
        let answer = gateway.post_to(path, &body, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json()["object"], "response.input_tokens");
        answer.json()["input_tokens"].as_u64().unwrap()
    };
    let first = respond(&gateway, json!({"input": "a long story about an otter"})).await;
    let alone = count(json!({})).await;
    assert!(alone > 0);
    assert!(count(json!({"previous_response_id": first["id"]})).await > alone);
    let wrong = json!({"model": "m"});
    let wrong = gateway
        .post_to("/responses/input_tokens", &wrong, &[])
        .await;
    assert_eq!(
        (wrong.status, &wrong.json()["error"]["param"]),
        (400, &json!("input"))
    );
}

#[tokio::test]
async fn only_what_may_be_kept_is_kept() {
    let gateway = gateway(CACHE).await;
    for (more, is_kept) in [
        (json!({"input": "a"}), true),
        (json!({"input": "b", "store": true}), true),
        (json!({"input": "c", "store": false}), false),
        (json!({"input": "d", "cache": {"no-store": true}}), false),
    ] {
        let response = respond(&gateway, more.clone()).await;
        assert_eq!(response["store"], is_kept, "{more}");
        let path = format!("/v1/responses/{}", response["id"].as_str().unwrap());
        let found = gateway.call(Method::GET, &path, None).await.status;
        assert_eq!(found, if is_kept { 200 } else { 404 }, "{more}");
    }
}

#[tokio::test]
async fn what_is_too_large_to_keep_says_so() {
    let gateway = gateway(CACHE).await;
    // The largest that is kept in memory is 1 MB: with its response the second is larger, the third is by itself.
    for (length, is_kept) in [
        (1024, true),
        (1024 * 1024 - 300, false),
        (1024 * 1024, false),
    ] {
        let input = "a ".repeat(length / 2);
        let answer = ask(&gateway, json!({"input": input}), &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let response = answer.json();
        assert_eq!(response["store"], is_kept, "{length}");
        let warning = answer.header("x-switchyard-warnings");
        assert_eq!(warning.contains("not kept"), !is_kept, "{length}");
        let path = format!("/v1/responses/{}", response["id"].as_str().unwrap());
        let found = gateway.call(Method::GET, &path, None).await.status;
        assert_eq!(found, if is_kept { 200 } else { 404 }, "{length}");
    }
}

#[tokio::test]
async fn what_a_request_goes_on_from_counts_as_its_own() {
    let settings = "general_settings: {max_request_size_mb: 1}\n";
    let gateway = gateway(&format!("{CACHE}{settings}")).await;
    let input = "a ".repeat(300 * 1024);
    let first = respond(&gateway, json!({"input": input})).await;
    let more = json!({"previous_response_id": first["id"], "input": "and?"});
    respond(&gateway, more).await;
    let more = json!({"previous_response_id": first["id"], "input": input});
    let answer = ask(&gateway, more, &[]).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["param"]),
        (400, &json!("input"))
    );
}

#[tokio::test]
async fn what_extra_body_goes_on_from_is_gone_on_from() {
    let gateway = gateway(CACHE).await;
    let first = respond(&gateway, json!({"input": "first [[sim:say One.]]"})).await;
    let more = json!({"extra_body": {"previous_response_id": first["id"], "input": "second"}});
    let second = respond(&gateway, more).await;
    assert_eq!(second["previous_response_id"], first["id"]);
    assert_eq!(sent(&gateway)["messages"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_the_administrator_asked_is_nobody_elses() {
    let general = "general_settings: {master_key: sk-0, public_routes: [/v1/responses]}\n";
    let gateway = gateway(&format!("{CACHE}{general}")).await;
    // One path is public, and not the other.
    let callers = [
        ("/responses", vec![("authorization", "Bearer sk-0")]),
        ("/v1/responses", vec![]),
    ];
    let mut ids = Vec::new();
    for (path, headers) in &callers {
        let first = json!({"model": "m", "input": "first"});
        let first = gateway.post_to(path, &first, headers).await;
        assert_eq!(first.status, 200, "{}", first.body);
        ids.push(first.json()["id"].clone());
    }
    // Each finds its own by its path, and not the other's.
    for (asks, (path, headers)) in callers.iter().enumerate() {
        for (owns, id) in ids.iter().enumerate() {
            let more = json!({"model": "m", "previous_response_id": id, "input": "and?"});
            let status = gateway.post_to(path, &more, headers).await.status;
            assert_eq!(status, if asks == owns { 200 } else { 400 });
        }
    }
}

#[tokio::test]
async fn a_kept_answer_has_an_id_of_the_format_that_asks() {
    let gateway = gateway(CACHE).await;
    let text = "hi [[sim:say Good day.]]";
    let first = respond(&gateway, json!({"input": text})).await;
    let bare = first["id"].as_str().unwrap().strip_prefix("resp_").unwrap();
    let messages = json!([{"role": "user", "content": text}]);
    for (path, body, prefix) in [
        (
            "/v1/chat/completions",
            json!({"model": "m", "messages": messages}),
            "chatcmpl-",
        ),
        (
            "/v1/completions",
            json!({"model": "m", "prompt": text}),
            "cmpl-",
        ),
    ] {
        let answer = gateway.post_to(path, &body, &[]).await;
        assert_eq!(answer.header("x-litellm-cache-hit"), "true", "{path}");
        assert_eq!(answer.json()["id"], format!("{prefix}{bare}"), "{path}");
    }
}

#[tokio::test]
async fn a_key_finds_its_own_responses_only() {
    let keys =
        "virtual_keys:\n  - {key: sk-one, key_alias: one}\n  - {key: sk-two, key_alias: two}\n";
    let gateway = gateway(&format!(
        "{CACHE}general_settings: {{master_key: sk-0}}\n{keys}"
    ))
    .await;
    let one = [("authorization", "Bearer sk-one")];
    let first = ask(&gateway, json!({"input": "first"}), &one).await.json();
    let path = format!("/v1/responses/{}", first["id"].as_str().unwrap());
    for (key, status) in [
        (Some("sk-one"), 200),
        (Some("sk-two"), 404),
        (Some("sk-0"), 404),
        (None, 401),
    ] {
        assert_eq!(
            gateway.call(Method::GET, &path, key).await.status,
            status,
            "{key:?}"
        );
    }
    let more = json!({"previous_response_id": first["id"], "input": "second"});
    let two = [("authorization", "Bearer sk-two")];
    assert_eq!(ask(&gateway, more.clone(), &two).await.status, 400);
    assert_eq!(ask(&gateway, more, &one).await.status, 200);
}

#[tokio::test]
async fn the_cache_can_leave_responses_alone_and_keep_them_all_the_same() {
    for (types, is_hit) in [("responses", true), ("completion", false)] {
        let params = format!("cache_params: {{type: local, supported_call_types: [{types}]}}");
        let gateway = gateway(&format!("litellm_settings: {{cache: true, {params}}}\n")).await;
        let first = respond(&gateway, json!({})).await;
        let again = ask(&gateway, json!({}), &[]).await;
        assert_eq!(
            again.header("x-litellm-cache-hit") == "true",
            is_hit,
            "{types}"
        );
        // Each is found by its own id, whoever wrote the answer.
        assert_ne!(again.json()["id"], first["id"], "{types}");
        let more = json!({"previous_response_id": again.json()["id"]});
        respond(&gateway, more).await;
    }
}

#[tokio::test]
async fn a_kept_answer_of_chats_has_a_responses_id() {
    let gateway = gateway(CACHE).await;
    let chat = gateway.chat("m", json!({})).await.json();
    let question = json!({"model": "m", "input": chat_text(&gateway)});
    let answer = gateway.post_to("/v1/responses", &question, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer.json()["id"].as_str().unwrap().starts_with("resp_"),
        "{chat}"
    );
}

/// What the gateway was last asked.
fn chat_text(gateway: &Gateway) -> Value {
    sent(gateway)["messages"][0]["content"][0]["text"].clone()
}

#[tokio::test]
async fn who_may_not_call_is_told_before_anything_kept_is_read() {
    let keys = "virtual_keys:\n  - {key: sk-late, expires: \"2020-01-01T00:00:00Z\"}\n  - {key: sk-busy, rpm_limit: 1}\n  \
                - {key: sk-poor, max_budget: 1, budget_duration: 1d}\n";
    let gateway = gateway(&format!(
        "{CACHE}general_settings: {{master_key: sk-0}}\n{keys}"
    ))
    .await;
    for (key, first, then) in [
        ("sk-late", 401, 401),
        ("sk-busy", 200, 429),
        ("sk-poor", 200, 422),
    ] {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str())];
        let answer = ask(&gateway, json!({"input": "hi there"}), &headers).await;
        assert_eq!(answer.status, first, "{key}: {}", answer.body);
        if key == "sk-poor" {
            let snapshot = gateway.app.live.load();
            let now = std::time::Instant::now();
            for poor in snapshot.keys.virtual_keys() {
                poor.runtime.charge(2.0, poor.config.budget, now);
            }
        }
        // What is not there would be 400.
        let more = json!({"previous_response_id": "resp_nowhere"});
        let answer = ask(&gateway, more, &headers).await;
        assert_eq!(answer.status, then, "{key}: {}", answer.body);
        let is_limit = !answer
            .header("x-ratelimit-api_key-limit-requests")
            .is_empty();
        assert_eq!(is_limit, then == 429, "{key}");
    }
    // Counting takes from no limit.
    let more = json!({"model": "m", "input": "hi", "previous_response_id": "resp_nowhere"});
    let headers = [("authorization", "Bearer sk-busy")];
    let counted = gateway
        .post_to("/v1/responses/input_tokens", &more, &headers)
        .await;
    assert_eq!(counted.status, 400, "{}", counted.body);
}

#[tokio::test]
async fn no_more_is_read_of_what_is_kept_than_a_small_multiple_of_a_request() {
    let settings = "general_settings: {max_request_size_mb: 1}\n";
    let gateway = gateway(&format!("{CACHE}{settings}")).await;
    let mut items = Vec::new();
    for turn in 0..3 {
        let input = format!("{turn} {}", "a ".repeat(400 * 1024));
        let response = respond(&gateway, json!({"input": input})).await;
        assert_eq!(response["store"], true);
        items.push(json!({"type": "item_reference", "id": response["output"][0]["id"]}));
    }
    let question = json!({"role": "user", "content": "and?"});
    for (named, status) in [(2, 200), (3, 400)] {
        let mut input = vec![question.clone()];
        input.extend_from_slice(&items[..named]);
        input.push(question.clone());
        let answer = ask(&gateway, json!({"input": input}), &[]).await;
        assert_eq!(answer.status, status, "{named}: {}", answer.body);
    }
}
