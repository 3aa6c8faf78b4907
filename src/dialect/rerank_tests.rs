use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::*;
use crate::error::ErrorKind;

fn parse(body: &Value) -> Result<Parsed<RerankRequest>> {
    Rerank.parse(&Bytes::from(body.to_string()), &HeaderMap::new())
}

#[test]
fn an_object_with_nothing_but_a_text_is_that_text() {
    let documents = json!(["a", {"text": "b"}, {"text": "c", "title": "d"}, {"text": 5}, {}]);
    let parsed = parse(&json!({"query": "q", "documents": documents})).unwrap();
    let kinds: Vec<String> = parsed
        .request
        .documents
        .unwrap()
        .into_iter()
        .map(|document| match document {
            Document::Text(text) => text.decoded().into_owned(),
            Document::Json(object) => object.get().to_owned(),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "a",
            "b",
            r#"{"text":"c","title":"d"}"#,
            r#"{"text":5}"#,
            "{}"
        ]
    );
}

#[test]
fn members_that_are_wrong_are_named() {
    for (name, value, param) in [
        ("query", json!(7), "query"),
        ("documents", json!("a"), "documents"),
        ("documents", json!([]), "documents"),
        ("documents", json!(["a", 7]), "documents[1]"),
        ("top_n", json!(0), "top_n"),
        ("top_n", json!(1.5), "top_n"),
        ("return_documents", json!("yes"), "return_documents"),
        ("guardrailConfig", json!([]), "guardrailConfig"),
    ] {
        let mut body = json!({"query": "q", "documents": ["a"]});
        body[name] = value;
        let error = parse(&body).unwrap_err();
        assert_eq!(
            (error.kind(), error.param()),
            (ErrorKind::BadRequest, Some(param)),
            "{error:?}"
        );
    }
}
