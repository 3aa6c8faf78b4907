//! One call, from the client's body to AWS and back.

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use switchyard::canonical::{Embed, Image, Operation, Rerank};
use switchyard::dialect::embeddings::Embeddings;
use switchyard::dialect::images::{ImageEdits, ImageGenerations};
use switchyard::dialect::{Envelope, WholeDialect, rerank};
use switchyard::error::Error;
use switchyard::provider::bedrock::embed::EmbedFamily;
use switchyard::provider::bedrock::image::ImageFamily;
use switchyard::provider::bedrock::rerank::RerankApi;
use switchyard::provider::bedrock::{embed_transformer, image_transformer, rerank_transformer};
use switchyard::provider::{Decoded, Exchange, Target, Transformer, WireAnswer, WireRequest};

use crate::entry::{ENDPOINT, Entry};

/// What the client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Embed,
    Generate,
    Edit,
    Rerank,
}

/// A deployment, and whether its only credential is an API key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deployment {
    pub(crate) entry: Entry,
    pub(crate) has_only_api_key: bool,
}

/// One answer of AWS.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn new(headers: &Value, body: &Value) -> Self {
        let mut map = HeaderMap::new();
        for (name, value) in headers.as_object().into_iter().flatten() {
            map.insert(
                HeaderName::try_from(name).unwrap(),
                value.as_str().unwrap().parse().unwrap(),
            );
        }
        Self {
            headers: map,
            body: Bytes::from(body.to_string()),
        }
    }
}

/// Reads the answers, request by request; says what is sent next, or what the client gets.
type Read = Box<dyn FnMut(&[Reply]) -> Result<Next, Error>>;

/// What follows an answer.
#[derive(Debug)]
pub(crate) enum Next {
    Send(Vec<WireRequest>),
    Give(Value),
}

/// A call whose requests are ready.
pub(crate) struct Call {
    pub(crate) requests: Vec<WireRequest>,
    pub(crate) warnings: Vec<String>,
    pub(crate) read: Read,
}

impl Deployment {
    /// Reads a client's body and writes it for AWS.
    pub(crate) fn call(&self, what: What, body: &Value) -> Result<Call, Error> {
        let body = Bytes::from(body.to_string());
        self.call_bytes(what, &body, &HeaderMap::new())
    }

    pub(crate) fn call_bytes(
        &self,
        what: What,
        body: &Bytes,
        headers: &HeaderMap,
    ) -> Result<Call, Error> {
        let target = self.entry.target();
        let model = &target.model;
        let route = model.route;
        match what {
            What::Embed => {
                let transformer = embed_transformer(route, EmbedFamily::of(model)).unwrap();
                begin::<Embed>(&Embeddings, transformer, &target, body, headers)
            }
            What::Generate => {
                let transformer = image_transformer(route, ImageFamily::of(model)).unwrap();
                begin::<Image>(&ImageGenerations, transformer, &target, body, headers)
            }
            What::Edit => {
                let transformer = image_transformer(route, ImageFamily::of(model)).unwrap();
                begin::<Image>(&ImageEdits, transformer, &target, body, headers)
            }
            What::Rerank => {
                let api = RerankApi::of(model, self.has_only_api_key);
                let transformer = rerank_transformer(route, api).unwrap();
                begin::<Rerank>(&rerank::Rerank, transformer, &target, body, headers)
            }
        }
    }
}

fn begin<O: Operation>(
    dialect: &'static dyn WholeDialect<O>,
    transformer: &'static dyn Transformer<O>,
    target: &Target,
    body: &Bytes,
    headers: &HeaderMap,
) -> Result<Call, Error> {
    let parsed = dialect.parse(body, headers)?;
    let exchange: Exchange<O> = transformer.encode(&parsed.request, target)?;
    let mut decoder = exchange.decoder;
    let read: Read = Box::new(move |replies| {
        let answers: Vec<WireAnswer<'_>> = replies
            .iter()
            .map(|reply| WireAnswer {
                headers: &reply.headers,
                body: reply.body.clone(),
            })
            .collect();
        Ok(match decoder.whole(&answers)? {
            Decoded::More(requests) => Next::Send(requests),
            Decoded::Answer(answer) => {
                let envelope = Envelope {
                    id: "an id".to_owned(),
                    created: 1_700_000_000,
                    model: "the \"model\"".to_owned(),
                    include_usage: false,
                    content_blocks: false,
                    asked: switchyard::dialect::Asked::Nothing,
                };
                let written = dialect.answer(&answer, &envelope);
                Next::Give(serde_json::from_slice(&written).unwrap())
            }
        })
    });
    Ok(Call {
        requests: exchange.requests,
        warnings: exchange.warnings,
        read,
    })
}

/// Path (percent-decoded) and body of a request.
pub(crate) fn shown(request: &WireRequest) -> Value {
    let path = request.url.strip_prefix(ENDPOINT).unwrap();
    let path = percent_encoding::percent_decode_str(path)
        .decode_utf8()
        .unwrap();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    json!({"path": path, "body": numbers(&body)})
}

/// Writes all numbers alike: `1` and `1.0` are one.
pub(crate) fn numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(list) => list.iter().map(numbers).collect(),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| (name.clone(), numbers(value)))
                .collect(),
        ),
        _ => value.clone(),
    }
}
