//! Text completions over the router: one prompt as a chat, several as a call each.

use serde_json::{Value, json};

use crate::support::entry::{Entry, serving};
use crate::support::{Answer, Gateway};

async fn gateway(rest: &str) -> Gateway {
    let other = Entry::of("nova", "n1").model("bedrock/us.amazon.nova-pro-v1:0");
    serving(&[Entry::default(), other], rest).await
}

async fn complete(gateway: &Gateway, more: Value) -> Answer {
    let mut body = json!({"model": "m", "prompt": "hi [[sim:say Good day.]]"});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    gateway.post_to("/v1/completions", &body, &[]).await
}

#[tokio::test]
async fn every_path_answers() {
    let gateway = gateway("").await;
    for (path, model) in [
        ("/v1/completions", "m"),
        ("/completions", "nova"),
        ("/engines/nova/completions", "other"),
        ("/openai/deployments/m/completions", "other"),
    ] {
        let body = json!({"model": model, "prompt": "hi [[sim:say Good day.]]", "max_tokens": 20});
        let answer = gateway.post_to(path, &body, &[]).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let body = answer.json();
        assert_eq!(body["object"], "text_completion");
        assert!(body["id"].as_str().unwrap().starts_with("cmpl-"));
        let choice =
            json!({"text": "Good day.", "index": 0, "logprobs": null, "finish_reason": "stop"});
        assert_eq!(body["choices"], json!([choice]), "{path}");
        assert!(body["usage"]["total_tokens"].as_u64().unwrap() > 0);
    }
    // The longer end is another endpoint.
    let chat = json!({"messages": [{"role": "user", "content": "hi"}]});
    let chat = gateway
        .post_to("/engines/m/chat/completions", &chat, &[])
        .await;
    assert_eq!(chat.json()["object"], "chat.completion");
}

#[tokio::test]
async fn a_stream_has_the_same_object_in_pieces() {
    let gateway = gateway("").await;
    let options = json!({"include_usage": true});
    let answer = complete(&gateway, json!({"stream": true, "stream_options": options})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let events = answer.events();
    assert_eq!(events.last(), Some(&"[DONE]"));
    let events: Vec<Value> = (events[..events.len() - 1].iter())
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    let text: String = (events.iter())
        .map(|event| event["choices"][0]["text"].as_str().unwrap())
        .collect();
    assert_eq!(text, "Good day.");
    let reasons: Vec<&Value> = (events.iter())
        .map(|event| &event["choices"][0]["finish_reason"])
        .filter(|reason| !reason.is_null())
        .collect();
    assert_eq!(reasons, ["stop"]);
    assert!(
        events.last().unwrap()["usage"]["total_tokens"]
            .as_u64()
            .unwrap()
            > 0
    );
}

#[tokio::test]
async fn several_prompts_are_a_call_each_and_one_answer() {
    let gateway = gateway("").await;
    let prompts: Vec<String> = (0..20).map(|n| format!("[[sim:say answer {n}]]")).collect();
    let answer = complete(&gateway, json!({"prompt": prompts})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = answer.json();
    let choices = body["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 20);
    for (place, choice) in choices.iter().enumerate() {
        assert_eq!(
            (&choice["index"], &choice["text"]),
            (&json!(place), &json!(format!("answer {place}")))
        );
    }
    assert_eq!(gateway.simulator.calls().len(), 20);
    let alone = complete(&gateway, json!({"prompt": prompts[0]}))
        .await
        .json();
    let tokens = |body: &Value| body["usage"]["prompt_tokens"].as_u64().unwrap();
    assert!(tokens(&body) >= 20 * tokens(&alone));
    assert_eq!(answer.header("x-litellm-model-id"), "m1");
}

#[tokio::test]
async fn one_prompt_that_fails_fails_the_request() {
    let gateway = gateway("router_settings: {num_retries: 0}\n").await;
    let prompts = json!(["[[sim:say fine]]", "[[sim:throttle]]", "[[sim:say fine]]"]);
    let answer = complete(&gateway, json!({"prompt": prompts})).await;
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert_eq!(answer.json()["error"]["type"], "throttling_error");
}

#[tokio::test]
async fn what_no_model_can_do_is_refused_or_dropped() {
    let gateway = gateway("").await;
    for name in ["suffix", "echo", "best_of", "logprobs", "n"] {
        let value = match name {
            "suffix" => json!("x"),
            "echo" => json!(true),
            _ => json!(2),
        };
        let mut more = json!({});
        more[name] = value;
        let refused = complete(&gateway, more.clone()).await;
        assert_eq!(refused.status, 400, "{name}: {}", refused.body);
        assert_eq!(refused.json()["error"]["param"], name);
        more["drop_params"] = json!(true);
        let dropped = complete(&gateway, more).await;
        assert_eq!(dropped.status, 200, "{name}: {}", dropped.body);
        assert!(
            dropped.header("x-switchyard-warnings").contains(name),
            "{name}"
        );
    }
    for more in [json!({"prompt": null}), json!({"prompt": []})] {
        let answer = complete(&gateway, more.clone()).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["param"]),
            (400, &json!("prompt")),
            "{more}"
        );
    }
}

#[tokio::test]
async fn what_belongs_to_chat_alone_is_not_understood() {
    let prompts = "prompts: [{prompt_id: greet, messages: [{role: user, content: hi}]}]\n";
    let gateway = gateway(prompts).await;
    let several = complete(&gateway, json!({"model": "m,nova"})).await;
    assert_eq!(several.status, 400, "{}", several.body);
    let template = complete(&gateway, json!({"prompt": null, "prompt_id": "greet"})).await;
    assert_eq!(
        (template.status, &template.json()["error"]["param"]),
        (400, &json!("prompt"))
    );
}

#[tokio::test]
async fn tokens_are_prompts_too() {
    let gateway = gateway("").await;
    let answer = complete(&gateway, json!({"prompt": [9906, 1917]})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let sent: Value = serde_json::from_slice(&gateway.simulator.calls()[0].body).unwrap();
    assert_eq!(sent["messages"][0]["content"][0]["text"], "Hello world");
}

const KEY: &str = "sk-one-and-long-enough";

async fn complete_as(gateway: &Gateway, prompts: Value) -> Answer {
    let bearer = format!("Bearer {KEY}");
    let body = json!({"model": "m", "prompt": prompts});
    gateway
        .post_to("/v1/completions", &body, &[("authorization", &bearer)])
        .await
}

#[tokio::test]
async fn prompts_of_one_request_do_not_refuse_each_other() {
    let one_at_a_time = "max_parallel_requests: 1";
    for (of_key, of_model) in [(one_at_a_time, ""), ("tpm_limit: 100000", one_at_a_time)] {
        let params = if of_model.is_empty() {
            String::new()
        } else {
            format!(", {of_model}")
        };
        let entry = Entry::default().params(&params);
        let rest = format!(
            "router_settings: {{num_retries: 0}}\nvirtual_keys:\n  - {{key: {KEY}, {of_key}}}\n"
        );
        let gateway = serving(&[entry], &rest).await;
        let prompts = json!(["[[sim:say one]]", "[[sim:say two]]", "[[sim:say three]]"]);
        let answer = complete_as(&gateway, prompts).await;
        assert_eq!(answer.status, 200, "{of_key}: {}", answer.body);
        let body = answer.json();
        for (place, text) in ["one", "two", "three"].into_iter().enumerate() {
            assert_eq!(body["choices"][place]["text"], text, "{body}");
        }
        // The headers tell of all of them.
        assert_eq!(answer.header("x-switchyard-total-attempts"), "3");
    }
}

#[tokio::test]
async fn prompts_beyond_a_limit_per_minute_are_refused() {
    let rest = format!("virtual_keys:\n  - {{key: {KEY}, rpm_limit: 2}}\n");
    let gateway = gateway(&rest).await;
    let answer = complete_as(&gateway, json!(["a", "b", "c"])).await;
    assert_eq!(answer.status, 429, "{}", answer.body);
}

#[tokio::test]
async fn prompts_that_never_began_are_in_nobodys_books() {
    let gateway = gateway("router_settings: {num_retries: 0}\n").await;
    let mut prompts = vec!["[[sim:throttle]]".to_owned()];
    prompts.extend((0..100).map(|n| format!("{n} [[sim:slow-start=60000]]")));
    let answer = complete(&gateway, json!({"prompt": prompts})).await;
    assert_eq!(answer.status, 429, "{}", answer.body);
    let scraped = gateway.call(reqwest::Method::GET, "/metrics", None).await;
    let given_up = (scraped.body.lines())
        .filter(|line| line.contains(r#"status_code="499""#) && !line.contains("_bucket"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    // Those that were under way.
    let most = given_up.fold(0.0, f64::max);
    assert!((1.0..=7.0).contains(&most), "{most}");
}

/// The events of a stream, but for the last, and what that is.
fn events(answer: &Answer) -> (Vec<Value>, String) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut events = answer.events();
    let last = events.pop().unwrap().to_owned();
    let events = events.into_iter();
    (
        events
            .map(|event| serde_json::from_str(event).unwrap())
            .collect(),
        last,
    )
}

#[tokio::test]
async fn several_prompts_are_one_stream_with_a_place_for_each() {
    let gateway = gateway("").await;
    let texts: Vec<String> = (0..11)
        .map(|place| format!("this is answer {place} of eleven"))
        .collect();
    let prompts: Vec<String> = texts
        .iter()
        .map(|text| format!("[[sim:say {text}]]"))
        .collect();
    let whole = complete(&gateway, json!({"prompt": prompts})).await.json();
    let asked =
        json!({"prompt": prompts, "stream": true, "stream_options": {"include_usage": true}});
    let (mut events, last) = events(&complete(&gateway, asked).await);
    assert_eq!(last, "[DONE]");
    let usage = events.pop().unwrap();
    assert_eq!(usage["usage"], whole["usage"]);
    let mut said = vec![(String::new(), 0); texts.len()];
    for event in &events {
        assert_eq!(
            (&event["id"], &event["object"]),
            (&usage["id"], &json!("text_completion"))
        );
        assert!(event.get("usage").is_none_or(Value::is_null), "{event}");
        let choice = &event["choices"][0];
        let place = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
        let (text, finishes) = &mut said[place];
        assert_eq!(*finishes, 0, "nothing comes behind the finish: {event}");
        text.push_str(choice["text"].as_str().unwrap());
        if choice["finish_reason"] == "stop" {
            *finishes += 1;
        }
    }
    for ((text, finishes), expected) in said.iter().zip(&texts) {
        assert_eq!((text, *finishes), (expected, 1));
    }
    let (events, last) =
        self::events(&complete(&gateway, json!({"prompt": ["a", "b"], "stream": true})).await);
    assert!(last == "[DONE]" && events.iter().all(|event| event.get("usage").is_none()));
}

#[tokio::test]
async fn a_prompt_that_fails_before_any_content_fails_the_request() {
    let faulty = Entry::default().fault("error500");
    let gateway = serving(&[faulty], crate::support::ONCE).await;
    let answer = complete(&gateway, json!({"prompt": ["a", "b"], "stream": true})).await;
    assert!(answer.status >= 500, "{}", answer.body);
    assert!(answer.json()["error"]["message"].is_string());
}

#[tokio::test]
async fn a_prompt_that_breaks_ends_the_stream_with_one_error() {
    let faulty = Entry::default().fault("cut");
    let gateway = serving(&[faulty], crate::support::ONCE).await;
    let answer = complete(
        &gateway,
        json!({"prompt": ["one two three four", "five six seven eight", "nine"], "stream": true}),
    )
    .await;
    let (events, last) = events(&answer);
    assert!(!events.is_empty());
    assert!(events.iter().all(|event| event.get("error").is_none()));
    let last: Value = serde_json::from_str(&last).unwrap();
    assert!(last["error"]["message"].is_string(), "{last}");
    // Nothing is left under way.
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn streamed_prompts_take_from_the_keys_tokens_as_others_do() {
    let rest = "virtual_keys:\n  - {key: sk-streams, tpm_limit: 10000}\n  - {key: sk-waits, tpm_limit: 10000}\n";
    let gateway = gateway(rest).await;
    let mut left = Vec::new();
    for (key, stream) in [("Bearer sk-streams", true), ("Bearer sk-waits", false)] {
        let bearer = [("authorization", key)];
        let several = json!({"model": "m", "prompt": ["[[sim:say one]]", "[[sim:say two]]"], "stream": stream});
        let answer = gateway.post_to("/v1/completions", &several, &bearer).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let one = json!({"model": "m", "prompt": "[[sim:say three]]"});
        let answer = gateway.post_to("/v1/completions", &one, &bearer).await;
        let remaining = answer.header("x-ratelimit-api_key-remaining-tokens");
        left.push(remaining.parse::<u64>().unwrap());
    }
    assert_eq!(left[0], left[1]);
    assert!(left[0] < 10_000);
}

#[tokio::test]
async fn prompts_of_one_stream_do_not_refuse_each_other() {
    let entry = Entry::default().params(", max_parallel_requests: 1");
    let rest = format!(
        "router_settings: {{num_retries: 0}}\nvirtual_keys:\n  - {{key: {KEY}, max_parallel_requests: 1}}\n"
    );
    let gateway = serving(&[entry], &rest).await;
    let bearer = format!("Bearer {KEY}");
    let body = json!({"model": "m", "prompt": ["[[sim:say one]]", "[[sim:say two]]", "[[sim:say three]]"], "stream": true});
    let answer = gateway
        .post_to("/v1/completions", &body, &[("authorization", &bearer)])
        .await;
    let (events, last) = events(&answer);
    assert_eq!(last, "[DONE]");
    let mut said = [String::new(), String::new(), String::new()];
    for event in &events {
        let choice = &event["choices"][0];
        let place = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
        said[place].push_str(choice["text"].as_str().unwrap());
    }
    assert_eq!(said, ["one", "two", "three"]);
}
