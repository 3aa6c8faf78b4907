use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::*;
use crate::canonical::MediaSource;
use crate::error::ErrorKind;

fn parse(body: &Value) -> Result<Parsed<EmbedRequest>> {
    Embeddings.parse(&Bytes::from(body.to_string()), &HeaderMap::new())
}

fn parsed(input: &Value) -> Vec<EmbedInput> {
    let body = json!({"model": "m", "input": input});
    parse(&body).unwrap().request.input.unwrap()
}

fn texts(input: &Value) -> Vec<String> {
    let text = |input: EmbedInput| input.text.unwrap().decoded().into_owned();
    parsed(input).into_iter().map(text).collect()
}

#[test]
fn inputs_are_texts_or_tokens() {
    assert_eq!(texts(&json!("a\n\"b\"")), ["a\n\"b\""]);
    assert_eq!(texts(&json!(["a", ""])), ["a", ""]);
    assert_eq!(texts(&json!([15339, 1917])), ["hello world"]);
    assert_eq!(texts(&json!([[15339], "b"])), ["hello", "b"]);
    assert_eq!(
        texts(&json!("say data:image/png;base64,x")),
        ["say data:image/png;base64,x"]
    );
    assert_eq!(
        texts(&json!("https://example.com/a.png")),
        ["https://example.com/a.png"]
    );
    assert_eq!(texts(&json!("data:text/plain,a")), ["data:text/plain,a"]);
}

#[test]
fn data_urls_and_places_in_s3_are_media() {
    let inputs = parsed(&json!(["data:image/png;base64,aGk=", "s3://bucket/key"]));
    let sources: Vec<_> = inputs
        .iter()
        .map(|input| &input.media.as_ref().unwrap().source)
        .collect();
    assert!(matches!(
        sources.as_slice(),
        [MediaSource::DataUrl { .. }, MediaSource::S3 { uri, .. }] if uri == "s3://bucket/key"
    ));
}

#[test]
fn portkeys_objects_have_a_text_and_an_image() {
    let image = json!({"text": "a", "image": {"url": "https://example.com/a.png"}});
    let mut request = EmbedRequest {
        input: Some(parsed(&image)),
        ..EmbedRequest::default()
    };
    assert_eq!(request.remote_media().len(), 1);
    let base64 = parsed(&json!([{"image": {"base64": "aGk="}}]));
    assert!(base64[0].text.is_none());
}

#[test]
fn members_that_are_wrong_are_named() {
    for (body, param) in [
        (json!([]), "request_body"),
        (json!({"input": 7}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": ["a", null]}), "input[1]"),
        (json!({"input": [1, "a"]}), "input"),
        (json!({"input": [[]]}), "input[0]"),
        (json!({"input": [[1, 999_999]]}), "input[0][1]"),
        (json!({"input": {}}), "input"),
        (json!({"input": {"words": "a"}}), "input"),
        (json!({"input": {"image": {}}}), "input.image"),
        (
            json!({"input": {"image": {"url": "ftp://a"}}}),
            "input.image.url",
        ),
        (json!({"input": "a", "dimensions": 0}), "dimensions"),
        (json!({"input": "a", "dimensions": "x"}), "dimensions"),
        (
            json!({"input": "a", "encoding_format": "int8"}),
            "encoding_format",
        ),
        (json!({"input": "a", "model": 1}), "model"),
        (
            json!({"input": "a", "mock_testing_fallbacks": true}),
            "mock_testing_fallbacks",
        ),
        (json!({"input": vec!["a"; MOST_INPUTS + 1]}), "input"),
    ] {
        let error = parse(&body).unwrap_err();
        assert_eq!(
            (error.kind(), error.param()),
            (ErrorKind::BadRequest, Some(param)),
            "{error:?}"
        );
    }
}

#[test]
fn what_steers_the_gateway_never_reaches_the_model() {
    let body = json!({"model": "m", "input": "a", "timeout": 3, "metadata": {"a": 1}, "aws_region_name": "us-east-1",
        "user": "u", "drop_params": true, "extra_body": {"input_type": "search_query"}, "normalize": null});
    let parsed = parse(&body).unwrap();
    assert_eq!(parsed.model.as_deref(), Some("m"));
    assert_eq!(parsed.controls.timeout_seconds, Some(3.0));
    assert_eq!(parsed.controls.credentials.len(), 1);
    let options = parsed.request.options;
    assert_eq!(options.drop_params, Some(true));
    let names: Vec<&str> = options
        .members
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["user", "input_type"]);
}
