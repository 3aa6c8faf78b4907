//! Whatever a client or a model says, nothing panics: properties over bodies and answers made of anything.

use bytes::Bytes;
use http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::entry::Entry;
use crate::support::{Deployment, Next, Reply, What};

const MODELS: [(What, &str); 18] = [
    (What::Embed, "bedrock/amazon.titan-embed-text-v1"),
    (What::Embed, "bedrock/amazon.titan-embed-text-v2:0"),
    (What::Embed, "bedrock/amazon.titan-embed-image-v1"),
    (What::Embed, "bedrock/cohere.embed-english-v3"),
    (What::Embed, "bedrock/us.cohere.embed-v4:0"),
    (
        What::Embed,
        "bedrock/amazon.nova-2-multimodal-embeddings-v1:0",
    ),
    (What::Embed, "bedrock/twelvelabs.marengo-embed-2-7-v1:0"),
    (What::Embed, "bedrock/us.twelvelabs.marengo-embed-3-0-v1:0"),
    (
        What::Embed,
        "bedrock/async_invoke/twelvelabs.marengo-embed-3-0-v1:0",
    ),
    (What::Generate, "bedrock/stability.stable-diffusion-xl-v1"),
    (What::Generate, "bedrock/stability.sd3-5-large-v1:0"),
    (What::Generate, "bedrock/amazon.titan-image-generator-v2:0"),
    (What::Generate, "bedrock/amazon.nova-canvas-v1:0"),
    (What::Edit, "bedrock/amazon.nova-canvas-v1:0"),
    (What::Edit, "bedrock/stability.stable-image-inpaint-v1:0"),
    (What::Edit, "bedrock/stability.stable-style-transfer-v1:0"),
    (What::Rerank, "bedrock/cohere.rerank-v3-5:0"),
    (What::Rerank, "bedrock/invoke/cohere.rerank-v3-5:0"),
];

/// Names that some code looks for.
const NAMES: [&str; 48] = [
    "input",
    "prompt",
    "query",
    "documents",
    "model",
    "dimensions",
    "encoding_format",
    "user",
    "size",
    "n",
    "quality",
    "response_format",
    "image",
    "mask",
    "style_image",
    "top_n",
    "return_documents",
    "text",
    "base64",
    "url",
    "extra_body",
    "guardrailConfig",
    "requestMetadata",
    "input_type",
    "media_source",
    "media_sources",
    "output_s3_uri",
    "taskType",
    "imageGenerationConfig",
    "textToImageParams",
    "embeddingPurpose",
    "video",
    "stream",
    "drop_params",
    "additional_drop_params",
    "embedding",
    "embeddings",
    "embeddingsByType",
    "float",
    "binary",
    "images",
    "artifacts",
    "finish_reasons",
    "results",
    "index",
    "relevance_score",
    "relevanceScore",
    "data",
];

const WORDS: [&str; 12] = [
    "",
    "x",
    "data:image/png;base64,aGk=",
    "data:video/mp4;base64,aGk=",
    "s3://bucket/key.mp4",
    "https://example.com/a.png",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "1024x1024",
    "base64",
    "INPAINTING",
    "multi_input",
    "\u{1f600}\"\\\n",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(|flag| json!(flag)),
        any::<i64>().prop_map(|number| json!(number)),
        (0..3_u64).prop_map(|number| json!(number)),
        any::<f64>().prop_map(|number| json!(number)),
        prop::sample::select(&WORDS[..]).prop_map(|word| json!(word)),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            members(inner),
        ]
    })
}

fn members(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let member = (prop::sample::select(&NAMES[..]), value);
    prop::collection::vec(member, 0..6).prop_map(|members| {
        let members = members.into_iter();
        Value::Object(
            members
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    })
}

/// A body that is likely to be taken.
fn plausible(what: What, mut body: Value) -> Value {
    let (name, value) = match what {
        What::Embed => ("input", json!(["a", "data:image/png;base64,aGk="])),
        What::Generate => ("prompt", json!("a")),
        What::Edit => ("image", json!("aGk=")),
        What::Rerank => ("query", json!("a")),
    };
    body[name] = value;
    if what == What::Rerank {
        body["documents"] = json!(["a", {"b": 1}]);
    }
    body["drop_params"] = json!(true);
    body
}

fn deployment(model: &str) -> Deployment {
    Deployment {
        entry: Entry::of(model),
        ..Deployment::default()
    }
}

#[test]
fn members_that_many_inputs_share_do_not_fill_the_memory() {
    let models = MODELS.iter().filter(|(what, _)| *what == What::Embed);
    for (what, model) in models {
        // Cohere takes 96 texts in a request, but one image only.
        let input = if model.contains("cohere") {
            "data:image/png;base64,aGk="
        } else {
            "a"
        };
        let (count, large) = if model.contains("v4") {
            (2048, 4_000_000)
        } else {
            (200, 1_000_000)
        };
        let ask = |count: usize, junk: usize| {
            let body = json!({
                "input": vec![input; count], "junk": "x".repeat(junk), "output_s3_uri": "s3://bucket/x",
                "drop_params": true,
            });
            deployment(model).call(*what, &body)
        };
        let Err(error) = ask(count, large) else {
            panic!("{model}: more than 64 MiB were written");
        };
        assert_eq!(
            (error.status().as_u16(), error.param()),
            (400, Some("input")),
            "{model}"
        );
        assert!(ask(1, large).is_ok(), "{model}");
        assert!(ask(count, 1_000).is_ok(), "{model}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn requests_made_of_anything_are_written_or_refused(
        which in 0..MODELS.len(), body in members(value()), help in any::<bool>()
    ) {
        let (what, model) = MODELS[which];
        let body = if help { plausible(what, body) } else { body };
        if let Ok(call) = deployment(model).call(what, &body) {
            for request in &call.requests {
                prop_assert!(serde_json::from_slice::<Value>(&request.body).is_ok());
            }
        }
    }

    #[test]
    fn answers_made_of_anything_are_read_or_refused(which in 0..MODELS.len(), answer in members(value())) {
        let (what, model) = MODELS[which];
        let mut body = plausible(what, json!({}));
        body["output_s3_uri"] = json!("s3://bucket/x");
        let mut call = deployment(model).call(what, &body).unwrap();
        let reply = Reply::new(&json!({}), &answer);
        let replies = vec![reply; call.requests.len()];
        for _ in 0..3 {
            match (call.read)(&replies) {
                Ok(Next::Send(_)) => {}
                Ok(Next::Give(_)) | Err(_) => break,
            }
        }
    }

    #[test]
    fn forms_made_of_anything_are_read_or_refused(body in prop::collection::vec(prop_oneof![
        Just("--x"), Just("\r\n"), Just("--x\r\n"), Just("\r\n--x\r\n"), Just("--x--"), Just("\r\n\r\n"), Just("a"),
        Just("Content-Disposition: form-data; name=\"image\"; filename=\"a\""), Just("Content-Disposition: form-data; name=\"n\""),
    ], 0..20)) {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "multipart/form-data; boundary=x".parse().unwrap());
        let body = Bytes::from(body.concat());
        let _written_or_refused = deployment("bedrock/amazon.nova-canvas-v1:0").call_bytes(What::Edit, &body, &headers);
    }
}
