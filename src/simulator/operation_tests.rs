//! Embeddings, image and rerank models: what the fixtures say is sent must pass, what AWS refuses must not.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::super::{Options, Simulator, async_invoke, rerank};
use super::*;

/// What the fixtures show to be sent, with its path.
fn sent() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/operations");
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let case: Value =
            serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let pages = [&case["sends"], &case["then"]["sends"]];
        for call in pages.into_iter().filter_map(Value::as_array).flatten() {
            out.push((
                call["path"].as_str().unwrap().to_owned(),
                call["body"].clone(),
            ));
        }
    }
    out
}

fn check_call(path: &str, body: &Value) -> Result<(), AwsError> {
    let text = body.to_string();
    let node = Node::parse(text.as_bytes())?;
    match path {
        "/rerank" => rerank::check_agent_runtime(&node),
        "/async-invoke" => async_invoke::check_start(&node).map(drop),
        _ => {
            let model = path.strip_prefix("/model/").unwrap();
            let model = Model::parse(model.strip_suffix("/invoke").unwrap())?;
            let operation = Operation::of(&model, text.as_bytes()).unwrap();
            operation.check(&node)
        }
    }
}

#[test]
fn bodies_of_the_fixtures_pass() {
    let mut count = 0;
    for (path, body) in sent() {
        // A member that the caller insists on although the model has no such one.
        if body.get("user").is_some() {
            continue;
        }
        count += 1;
        if let Err(error) = check_call(&path, &body) {
            panic!("{path} {body}: {}", error.message);
        }
    }
    assert!(count > 90, "{count}");
}

#[test]
fn bodies_that_aws_refuses_do_not_pass() {
    for (model, body) in [
        (
            "amazon.titan-embed-text-v1",
            json!({"inputText": "a", "dimensions": 256}),
        ),
        (
            "amazon.titan-embed-text-v2:0",
            json!({"inputText": "a", "dimensions": 300}),
        ),
        ("amazon.titan-embed-text-v2:0", json!({"inputText": ""})),
        ("amazon.titan-embed-image-v1", json!({})),
        ("cohere.embed-english-v3", json!({"texts": ["a"]})),
        (
            "cohere.embed-english-v3",
            json!({"texts": vec!["a"; 97], "input_type": "search_document"}),
        ),
        (
            "cohere.embed-english-v3",
            json!({"texts": ["a"], "images": ["b"], "input_type": "image"}),
        ),
        (
            "amazon.nova-2-multimodal-embeddings-v1:0",
            json!({"taskType": "SINGLE_EMBEDDING"}),
        ),
        (
            "twelvelabs.marengo-embed-2-7-v1:0",
            json!({"inputType": "image", "inputText": "a"}),
        ),
        (
            "twelvelabs.marengo-embed-3-0-v1:0",
            json!({"inputType": "text", "inputText": "a"}),
        ),
        ("stability.sd3-large-v1:0", json!({"prompt": "a", "n": 2})),
        (
            "stability.stable-image-inpaint-v1:0",
            json!({"prompt": "a"}),
        ),
        (
            "amazon.nova-canvas-v1:0",
            json!({"taskType": "TEXT_IMAGE", "inPaintingParams": {"image": "aGk="}}),
        ),
        (
            "amazon.nova-canvas-v1:0",
            json!({"taskType": "BACKGROUND_REMOVAL", "backgroundRemovalParams": {"image": "aGk="},
                "imageGenerationConfig": {"seed": 1}}),
        ),
        (
            "cohere.rerank-v3-5:0",
            json!({"query": "a", "documents": [{"text": "b"}]}),
        ),
    ] {
        let refused = check_call(&format!("/model/{model}/invoke"), &body);
        assert!(refused.is_err(), "{model} {body}");
    }
}

#[test]
fn answers_fit_what_was_asked() {
    let answer = |model: &str, body: &Value| {
        let text = body.to_string();
        let node = Node::parse(text.as_bytes()).unwrap();
        let model = Model::parse(model).unwrap();
        match Operation::of(&model, text.as_bytes()).unwrap() {
            Operation::Embed(format) => format.answer(&node),
            Operation::Image(format) => format.answer(&node),
            Operation::Rerank => rerank::by_model(&node),
        }
    };
    let titan = json!({"inputText": "a", "dimensions": 256, "embeddingTypes": ["binary"]});
    let titan = answer("amazon.titan-embed-text-v2:0", &titan);
    assert_eq!(titan["embedding"].as_array().unwrap().len(), 256);
    assert!(titan["embeddingsByType"]["float"].is_null());
    let cohere =
        json!({"texts": ["a", "b", "a"], "input_type": "search_query", "output_dimension": 256});
    let cohere = answer("us.cohere.embed-v4:0", &cohere);
    let vectors = cohere["embeddings"].as_array().unwrap();
    assert_eq!((vectors.len(), &vectors[0]), (3, &vectors[2]));
    assert_ne!(vectors[0], vectors[1]);
    let canvas = json!({"imageGenerationConfig": {"numberOfImages": 3}});
    let canvas = answer("amazon.nova-canvas-v1:0", &canvas);
    assert_eq!(canvas["images"].as_array().unwrap().len(), 3);
    let rerank = json!({"query": "red car", "documents": ["a boat", "a red car"], "top_n": 1});
    let rerank = answer("cohere.rerank-v3-5:0", &rerank);
    assert_eq!(
        rerank["results"],
        json!([{"index": 1, "relevance_score": 1.0}])
    );
}

#[tokio::test]
async fn jobs_are_remembered_and_the_agent_runtime_takes_no_api_keys() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let key = "Bearer ABSKsim-bedrock-api-key-0001";
    let client = reqwest::Client::new();
    let post = |path: &str, body: &Value| {
        let request = client.post(format!("{}{path}", simulator.url()));
        request
            .header("authorization", key)
            .body(body.to_string())
            .send()
    };
    let refused = post("/rerank", &json!({})).await.unwrap();
    assert_eq!(refused.status(), 403);
    let job = json!({"modelId": "twelvelabs.marengo-embed-3-0-v1:0", "modelInput": {"inputType": "text",
        "text": {"inputText": "a"}}, "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://bucket/x"}}});
    let started = post("/async-invoke", &job)
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let started: Value = serde_json::from_slice(&started).unwrap();
    let arn = started["invocationArn"].as_str().unwrap();
    let arn: String =
        percent_encoding::utf8_percent_encode(arn, percent_encoding::NON_ALPHANUMERIC).collect();
    let url = format!("{}/async-invoke/{arn}", simulator.url());
    let status = client
        .get(url)
        .header("authorization", key)
        .send()
        .await
        .unwrap();
    let status: Value = serde_json::from_slice(&status.bytes().await.unwrap()).unwrap();
    assert_eq!(status["status"], "Completed");
    let titan = "/model/amazon.titan-embed-text-v2%3A0/invoke";
    let answer = post(titan, &json!({"inputText": "abcdefgh"}))
        .await
        .unwrap();
    assert_eq!(answer.headers()["x-amzn-bedrock-input-token-count"], "2");
    let throttled = post(titan, &json!({"inputText": "[[sim:throttle]]"}))
        .await
        .unwrap();
    assert_eq!(throttled.status(), 429);
}
