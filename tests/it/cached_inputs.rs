//! The response cache for embeddings, input by input, and for rerank.

use std::sync::Arc;

use serde_json::{Value, json};
use switchyard::clock::SystemClock;

use crate::support::{Answer, Gateway, entry};

async fn gateway(rest: &str) -> Gateway {
    let models = [
        ("titan", "amazon.titan-embed-text-v2:0"),
        ("embed", "cohere.embed-english-v3"),
        ("rerank", "cohere.rerank-v3-5:0"),
        ("images", "amazon.titan-embed-image-v1"),
    ];
    let entries = models.map(|(name, model)| {
        entry(name, name, "", "").replace(
            "bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            &format!("bedrock/{model}"),
        )
    });
    let yaml = format!(
        "model_list:\n{}litellm_settings: {{cache: true, cache_params: {{type: local{rest}}}}}\n",
        entries.concat()
    );
    Gateway::with(&yaml, Arc::new(SystemClock)).await
}

async fn embed(gateway: &Gateway, model: &str, input: Value) -> Answer {
    let body = json!({"model": model, "input": input, "encoding_format": "float"});
    let answer = gateway.post_to("/v1/embeddings", &body, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer
}

/// The texts that AWS was asked for since the last look.
fn asked(gateway: &Gateway, seen: &mut usize) -> Vec<String> {
    let calls = gateway.simulator.calls();
    let new: Vec<String> = (calls[*seen..].iter())
        .flat_map(|call| {
            let body: Value = serde_json::from_slice(&call.body).unwrap();
            match &body["texts"] {
                Value::Array(texts) => texts.clone(),
                _ => vec![body["inputText"].clone()],
            }
        })
        .map(|text| text.as_str().unwrap().to_owned())
        .collect();
    *seen = calls.len();
    new
}

#[tokio::test]
async fn inputs_that_are_known_are_not_asked_again_and_keep_their_places() {
    for model in ["titan", "embed"] {
        let gateway = gateway("").await;
        let mut seen = 0;
        let first = embed(&gateway, model, json!(["one", "two words"])).await;
        assert_eq!(asked(&gateway, &mut seen).len(), 2, "{model}");
        assert_eq!(first.header("x-litellm-cache-hit"), "false");
        let mixed = embed(
            &gateway,
            model,
            json!(["three", "two words", "four", "one"]),
        )
        .await;
        let mut new = asked(&gateway, &mut seen);
        new.sort();
        assert_eq!(new, ["four", "three"], "{model}");
        assert_eq!(mixed.header("x-litellm-cache-hit"), "false");
        let (first, mixed) = (first.json(), mixed.json());
        let data = mixed["data"].as_array().unwrap();
        assert_eq!(data.len(), 4);
        for (place, datum) in data.iter().enumerate() {
            assert_eq!(datum["index"], place, "{model}");
        }
        assert_eq!(data[1]["embedding"], first["data"][1]["embedding"]);
        assert_eq!(data[3]["embedding"], first["data"][0]["embedding"]);
        let whole = embed(
            &gateway,
            model,
            json!(["one", "two words", "three", "four"]),
        )
        .await;
        assert_eq!(asked(&gateway, &mut seen), Vec::<String>::new());
        assert_eq!(whole.header("x-litellm-cache-hit"), "true");
        // Nothing is lost of what the model counted.
        assert_eq!(
            whole.json()["usage"]["prompt_tokens"],
            mixed["usage"]["prompt_tokens"]
        );
        // One input alone has its key told, and can be forgotten by it.
        let alone = embed(&gateway, model, json!("four")).await;
        assert_eq!(alone.header("x-litellm-cache-hit"), "true");
        let key = alone.header("x-litellm-cache-key");
        let deleted = gateway
            .post_to("/cache/delete", &json!({"keys": [key]}), &[])
            .await;
        assert_eq!(deleted.status, 200, "{}", deleted.body);
        embed(&gateway, model, json!(["one", "four"])).await;
        assert_eq!(asked(&gateway, &mut seen), ["four"]);
    }
}

#[tokio::test]
async fn what_changes_the_vectors_is_in_the_key() {
    let gateway = gateway("").await;
    let mut seen = 0;
    for (more, is_new) in [
        (json!({}), true),
        (json!({"dimensions": 256}), true),
        (json!({"encoding_format": "base64"}), true),
        (json!({"dimensions": 256}), false),
        (json!({"cache": {"no-cache": true}}), true),
        (json!({"cache": {"namespace": "mine"}}), true),
    ] {
        let mut body = json!({"model": "titan", "input": ["one"]});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = gateway.post_to("/v1/embeddings", &body, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(!asked(&gateway, &mut seen).is_empty(), is_new, "{more}");
    }
}

#[tokio::test]
async fn images_are_counted_in_kept_answers_too() {
    const PNG: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let gateway = gateway("").await;
    for (input, images, hit) in [
        (json!([PNG]), 1, "false"),
        (json!([PNG]), 1, "true"),
        (json!(["a word", PNG]), 1, "false"),
        (json!(["a word", PNG, PNG]), 2, "true"),
        (json!(["a word"]), 0, "true"),
    ] {
        let answer = embed(&gateway, "images", input).await;
        assert_eq!(answer.header("x-litellm-cache-hit"), hit);
        let details = &answer.json()["usage"]["prompt_tokens_details"];
        assert_eq!(*details, json!({"image_count": images}), "{}", answer.body);
    }
}

#[tokio::test]
async fn equal_lists_at_one_time_are_asked_once() {
    let gateway = gateway("").await;
    let text = "slow [[sim:slow-start=300]]";
    let calls = (0..5).map(|_| embed(&gateway, "titan", json!([text])));
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(gateway.simulator.calls().len(), 1);
    for answer in &answers {
        assert_eq!(answer.json()["data"], answers[0].json()["data"]);
    }
}

#[tokio::test]
async fn a_failed_list_keeps_nothing_and_other_call_types_are_left_alone() {
    let gateway = gateway(", supported_call_types: [aembedding]").await;
    let mut seen = 0;
    let body = json!({"model": "titan", "input": ["fine", "[[sim:validation]]"]});
    let failed = gateway.post_to("/v1/embeddings", &body, &[]).await;
    assert_eq!(failed.status, 400, "{}", failed.body);
    asked(&gateway, &mut seen);
    embed(&gateway, "titan", json!(["fine"])).await;
    assert_eq!(asked(&gateway, &mut seen), ["fine"]);
    let rerank = json!({"model": "rerank", "query": "red", "documents": ["red", "blue"]});
    for _ in 0..2 {
        let answer = gateway.post_to("/v1/rerank", &rerank, &[]).await;
        assert_eq!(answer.header("x-litellm-cache-hit"), "");
    }
}

#[tokio::test]
async fn rerank_is_kept_whole() {
    let gateway = gateway("").await;
    let ask = |documents: Value| {
        let body = json!({"model": "rerank", "query": "red car", "documents": documents, "return_documents": true});
        let gateway = &gateway;
        async move { gateway.post_to("/v1/rerank", &body, &[]).await }
    };
    let documents = json!(["a boat", {"text": "a red car"}, {"title": "x", "n": 1.50}]);
    let first = ask(documents.clone()).await;
    assert_eq!(first.status, 200, "{}", first.body);
    let again = ask(documents).await;
    assert_eq!(again.header("x-litellm-cache-hit"), "true");
    assert_eq!(again.json()["results"], first.json()["results"]);
    assert_eq!(gateway.simulator.calls().len(), 1);
    ask(json!(["a boat"])).await;
    assert_eq!(gateway.simulator.calls().len(), 2);
}
