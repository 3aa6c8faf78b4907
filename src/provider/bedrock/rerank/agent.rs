//! `Rerank` of the agent runtime.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html>.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::invoke_model::{self, Envelope, garbled, never_streams, parse};
use super::super::members::Body;
use super::super::url::partition;
use super::answer::Documents;
use super::asked::Asked;
use crate::canonical::{Document, Ranked, Rerank, RerankAnswer, RerankRequest};
use crate::provider::{
    Decoded, Decoder, Exchange, Target, TransformError, Transformer, WireAnswer, WireRequest,
};

/// Speaks the agent runtime's format; the target's endpoint is the agent runtime's.
#[derive(Debug, Clone, Copy, Default)]
pub struct AgentRuntime;

impl Transformer<Rerank> for AgentRuntime {
    fn encode(
        &self,
        request: &RerankRequest,
        target: &Target,
    ) -> Result<Exchange<Rerank>, TransformError> {
        let mut asked = Asked::new(request, target)?;
        // The agent runtime takes none of the headers of `InvokeModel`.
        for name in [
            "performanceConfig",
            "serviceTier",
            "service_tier",
            "requestMetadata",
        ] {
            asked.members.take(name);
        }
        asked.members.guardrail = None;
        let envelope = Envelope::new(&request.options, &mut asked.members)?;
        let body = body(&asked, target);
        let wire = envelope.post_to("/rerank", body.write());
        Ok(Exchange {
            decoder: Box::new(Reader {
                documents: Documents::of(&asked),
                wanted: asked.top_n,
                results: Vec::new(),
                page: wire.clone(),
                body,
            }),
            requests: vec![wire],
            warnings: invoke_model::fit(&mut asked.members),
        })
    }
}

fn body(asked: &Asked<'_>, target: &Target) -> Body {
    let mut query = Body::default();
    query.value("type", "TEXT");
    query.object("textQuery", &text(&asked.query));
    let mut model = Body::default();
    model.value("modelArn", model_arn(target).as_str());
    let mut fields = Body::default();
    fields.lay_over(asked.members.rest());
    model.object("additionalModelRequestFields", &fields);
    let mut configuration = Body::default();
    configuration.object("modelConfiguration", &model);
    configuration.value("numberOfResults", &asked.top_n);
    let mut outer = Body::default();
    outer.value("type", "BEDROCK_RERANKING_MODEL");
    outer.object("bedrockRerankingConfiguration", &configuration);
    let mut body = Body::default();
    body.set("queries", list(std::iter::once(query)));
    body.set("sources", list(asked.documents.iter().map(source)));
    body.object("rerankingConfiguration", &outer);
    body
}

fn text(text: &crate::canonical::Text) -> Body {
    let mut body = Body::default();
    body.text("text", text);
    body
}

fn source(document: &Document) -> Body {
    let mut inline = Body::default();
    match document {
        Document::Text(words) => {
            inline.value("type", "TEXT");
            inline.object("textDocument", &text(words));
        }
        Document::Json(object) => {
            inline.value("type", "JSON");
            inline.set("jsonDocument", object.bytes().clone());
        }
    }
    let mut source = Body::default();
    source.value("type", "INLINE");
    source.object("inlineDocumentSource", &inline);
    source
}

fn list(bodies: impl Iterator<Item = Body>) -> Bytes {
    let mut out = vec![b'['];
    for (index, body) in bodies.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&body.write());
    }
    out.push(b']');
    Bytes::from(out)
}

/// Returns the model's ARN; the API takes no bare ids.
fn model_arn(target: &Target) -> String {
    let id = &target.model.wire;
    if id.starts_with("arn:") {
        return id.clone();
    }
    let region = &target.region;
    format!(
        "arn:{}:bedrock:{region}::foundation-model/{id}",
        partition(region)
    )
}

/// Reads the results, page by page.
#[derive(Debug)]
struct Reader {
    documents: Documents,
    /// How many results the client wants.
    wanted: u64,
    /// Results of the pages so far.
    results: Vec<Ranked>,
    /// The first request, which those for further pages are made of.
    page: WireRequest,
    body: Body,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireResults<'a> {
    #[serde(borrow)]
    results: Vec<WireResult<'a>>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
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
        let is_empty = wire.results.is_empty();
        for result in &wire.results {
            let ranked = self
                .documents
                .ranked(result.index, result.relevance_score)?;
            self.results.push(ranked);
        }
        // An empty page would be followed by others for ever.
        let is_done = is_empty || self.results.len() as u64 >= self.wanted;
        if let Some(token) = wire.next_token.filter(|_| !is_done) {
            let mut body = self.body.clone();
            body.value("nextToken", token.as_str());
            return Ok(Decoded::More(vec![WireRequest {
                body: Bytes::from(body.write()),
                ..self.page.clone()
            }]));
        }
        Ok(Decoded::Answer(RerankAnswer {
            results: std::mem::take(&mut self.results),
            search_units: 1,
        }))
    }

    never_streams!(Rerank);
}
