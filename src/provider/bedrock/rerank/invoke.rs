//! Rerank by `InvokeModel`: Cohere's format, which Amazon's model takes too.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/rerank-supported.html>.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::invoke_model::{self, Envelope, garbled, never_streams, parse};
use super::super::members::Body;
use super::answer::Documents;
use super::asked::Asked;
use crate::canonical::{Document, Rerank, RerankAnswer, RerankRequest, Text};
use crate::provider::{
    Decoded, Decoder, Exchange, Target, TransformError, Transformer, WireAnswer,
};

/// The version of Cohere's API that a body must name.
const API_VERSION: u64 = 2;

/// Speaks the model's own format.
#[derive(Debug, Clone, Copy, Default)]
pub struct Invoke;

impl Transformer<Rerank> for Invoke {
    fn encode(
        &self,
        request: &RerankRequest,
        target: &Target,
    ) -> Result<Exchange<Rerank>, TransformError> {
        let mut asked = Asked::new(request, target)?;
        let envelope = Envelope::new(&request.options, &mut asked.members)?;
        let mut body = Body::default();
        body.text("query", &asked.query);
        let mut documents = vec![b'['];
        for (index, document) in asked.documents.iter().enumerate() {
            if index > 0 {
                documents.push(b',');
            }
            match document {
                Document::Text(text) => documents.extend_from_slice(text.bytes()),
                Document::Json(object) => {
                    documents.extend_from_slice(Text::new(object.get()).bytes());
                }
            }
        }
        documents.push(b']');
        body.set("documents", Bytes::from(documents));
        body.value("top_n", &asked.top_n);
        if target.model.is_cohere() {
            body.value("api_version", &API_VERSION);
        }
        body.lay_over(asked.members.rest());
        Ok(Exchange {
            requests: vec![envelope.invoke(body.write())],
            decoder: Box::new(Reader(Documents::of(&asked))),
            warnings: invoke_model::fit(&mut asked.members),
        })
    }
}

/// Reads the results.
#[derive(Debug)]
struct Reader(Documents);

#[derive(Debug, Deserialize)]
struct WireResults<'a> {
    #[serde(borrow)]
    results: Vec<WireResult<'a>>,
}

#[derive(Debug, Deserialize)]
struct WireResult<'a> {
    index: u64,
    #[serde(borrow)]
    relevance_score: &'a RawValue,
}

impl Decoder<Rerank> for Reader {
    fn whole(&mut self, answers: &[WireAnswer<'_>]) -> Result<Decoded<Rerank>, TransformError> {
        let [answer] = answers else {
            return Err(garbled("the request has no answer"));
        };
        let wire: WireResults<'_> = parse(&answer.body)?;
        let results = wire.results.iter();
        let results = results.map(|result| self.0.ranked(result.index, result.relevance_score));
        Ok(Decoded::Answer(RerankAnswer {
            results: results.collect::<Result<_, _>>()?,
            search_units: 1,
        }))
    }

    never_streams!(Rerank);
}
