//! By which id a client knows an answer out of the cache.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Gateway;
use crate::support::entry::{Entry, serving};

async fn gateway() -> Gateway {
    let entries = [
        Entry::of("claude", "c1").model("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        Entry::of("nova", "n1").model("bedrock/us.amazon.nova-pro-v1:0"),
    ];
    let rest = "litellm_settings: {cache: true, cache_params: {type: local}}\n";
    serving(&entries, rest).await
}

/// The first id of a body, whole or streamed, and whether it is out of the cache.
async fn id(gateway: &Gateway, path: &str, body: &Value) -> (String, bool) {
    let answer = gateway.post_to(path, body, &[]).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    let (_, rest) = answer.body.split_once(r#""id":""#).unwrap();
    let (id, _) = rest.split_once('"').unwrap();
    (
        id.to_owned(),
        answer.header("x-litellm-cache-hit") == "true",
    )
}

#[tokio::test]
async fn a_kept_message_has_the_id_that_it_had_first() {
    let gateway = gateway().await;
    for model in ["claude", "nova"] {
        for stream in [false, true] {
            let body = json!({"model": model, "max_tokens": 10, "stream": stream,
                "messages": [{"role": "user", "content": "hi"}]});
            let (first, is_kept) = id(&gateway, "/v1/messages", &body).await;
            assert!(first.starts_with("msg_") && !is_kept, "{first}");
            for _ in 0..2 {
                let kept = id(&gateway, "/v1/messages", &body).await;
                assert_eq!(kept, (first.clone(), true), "{model} {stream}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_kept_for_one_format_has_an_id_of_the_other() {
    let gateway = gateway().await;
    let chat = json!({"model": "nova", "messages": [{"role": "user", "content": "hi"}]});
    let (of_chat, _) = id(&gateway, "/v1/chat/completions", &chat).await;
    let completion = json!({"model": "nova", "prompt": "hi"});
    let (kept, is_kept) = id(&gateway, "/v1/completions", &completion).await;
    assert!(is_kept);
    assert_eq!(
        kept.strip_prefix("cmpl-"),
        of_chat.strip_prefix("chatcmpl-")
    );
}

#[tokio::test]
async fn responses_that_are_kept_for_later_have_ids_of_their_own() {
    let gateway = gateway().await;
    let mut ids = Vec::new();
    for (number, stream) in [("1", false), ("2", false), ("3", true), ("4", true)] {
        let body = json!({"model": "nova", "input": "hi", "metadata": {"number": number}, "stream": stream});
        let (id, is_kept) = id(&gateway, "/v1/responses", &body).await;
        assert_eq!(is_kept, matches!(number, "2" | "4"));
        ids.push((id, number));
    }
    for (id, number) in &ids {
        let path = format!("/v1/responses/{id}");
        let shown = gateway.call(Method::GET, &path, None).await;
        assert_eq!(shown.status, 200, "{}", shown.body);
        assert_eq!(shown.json()["metadata"]["number"], **number);
    }
    // Nobody goes on from what is not kept for later.
    let body = json!({"model": "nova", "input": "hi", "store": false});
    let (first, _) = id(&gateway, "/v1/responses", &body).await;
    assert_eq!(id(&gateway, "/v1/responses", &body).await, (first, true));
}
