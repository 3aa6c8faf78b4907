//! Plays rerank models: documents are scored by the words that they share with the question.
//!
//! Source of the agent runtime's shape: service model of Bedrock agent runtime 2023-07-26, shape `RerankRequest`.

use serde_json::{Value, json};

use super::check::check;
use super::dispatch::{Answered, Call};
use super::error::AwsError;
use super::json::Node;
use super::operation::{follow, send};
use super::shape::{NON_EMPTY, Pattern, Shape, TEXT, optional, required, text};

/// How many results a page has.
const PAGE: usize = 100;

const WORDS: Shape = text(1, 32_000);
const TEXT_DOCUMENT: Shape = Shape::Structure(&[optional("text", &WORDS)]);

static MODEL_ARN: Pattern = Pattern {
    text: "(arn:aws(-[^:]+)?:(bedrock|sagemaker):[a-z0-9-]{1,20}:([0-9]{12})?:([a-z-]+/)?)?([a-z0-9.-]{1,63}){0,2}(([:][a-z0-9-]{1,63}){0,2})?(/[a-z0-9]{1,12})?",
    matches: |text| {
        text.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:/".contains(&byte)
        })
    },
};

const ARN: Shape = Shape::Text {
    min: 1,
    max: 2048,
    pattern: Some(&MODEL_ARN),
};
const MODEL: Shape = Shape::Structure(&[
    required("modelArn", &ARN),
    optional("additionalModelRequestFields", &Shape::Object),
]);

static AGENT_RUNTIME: Shape = Shape::Structure(&[
    required(
        "queries",
        &Shape::List {
            item: &Shape::Structure(&[
                required("type", &Shape::Choice(&["TEXT"])),
                required("textQuery", &TEXT_DOCUMENT),
            ]),
            min: 1,
            max: 1,
        },
    ),
    required(
        "sources",
        &Shape::List {
            item: &Shape::Structure(&[
                required("type", &Shape::Choice(&["INLINE"])),
                required(
                    "inlineDocumentSource",
                    &Shape::Structure(&[
                        required("type", &Shape::Choice(&["TEXT", "JSON"])),
                        optional("textDocument", &TEXT_DOCUMENT),
                        optional("jsonDocument", &Shape::Any),
                    ]),
                ),
            ]),
            min: 1,
            max: 1000,
        },
    ),
    required(
        "rerankingConfiguration",
        &Shape::Structure(&[
            required("type", &Shape::Choice(&["BEDROCK_RERANKING_MODEL"])),
            required(
                "bedrockRerankingConfiguration",
                &Shape::Structure(&[
                    required("modelConfiguration", &MODEL),
                    optional("numberOfResults", &Shape::Integer { min: 1 }),
                ]),
            ),
        ]),
    ),
    optional("nextToken", &text(1, 2048)),
]);

/// The body of `InvokeModel`.
pub(super) static INVOKE: Shape = Shape::Structure(&[
    required("query", &NON_EMPTY),
    required(
        "documents",
        &Shape::List {
            item: &TEXT,
            min: 1,
            max: 1000,
        },
    ),
    optional("top_n", &Shape::Integer { min: 1 }),
    optional("api_version", &Shape::Integer { min: 1 }),
    optional("max_tokens_per_doc", &Shape::Integer { min: 1 }),
]);

/// Where the configuration of a request stands.
const CONFIGURATION: [&str; 2] = ["rerankingConfiguration", "bedrockRerankingConfiguration"];

/// Checks the body of `Rerank`.
pub(super) fn check_agent_runtime(body: &Node<'_>) -> Result<(), AwsError> {
    check(body, &AGENT_RUNTIME)?;
    let arn = body
        .at(&CONFIGURATION)
        .and_then(|node| node.at(&["modelConfiguration", "modelArn"]))
        .and_then(Node::text)
        .unwrap_or_default();
    if arn.starts_with("arn:") && arn.contains(".rerank-") {
        return Ok(());
    }
    Err(AwsError::validation(
        "The provided model identifier is invalid.",
    ))
}

/// Checks and answers `Rerank` of the agent runtime.
pub(super) async fn by_agent_runtime(call: &Call<'_>) -> Answered {
    let body = Node::parse(call.body)?;
    check_agent_runtime(&body)?;
    let fault = follow(&body, call).await?;
    let query = body
        .items_of("queries")
        .first()
        .and_then(|query| query.at(&["textQuery", "text"]))
        .and_then(Node::text)
        .unwrap_or_default();
    let documents: Vec<String> = body
        .items_of("sources")
        .iter()
        .map(|source| {
            let inline = source.get("inlineDocumentSource");
            let words = inline.and_then(|inline| inline.at(&["textDocument", "text"]));
            match words.and_then(Node::text) {
                Some(words) => words.to_owned(),
                None => inline
                    .and_then(|inline| inline.get("jsonDocument"))
                    .and_then(|json| serde_json::to_string(json).ok())
                    .unwrap_or_default(),
            }
        })
        .collect();
    let wanted = body
        .at(&CONFIGURATION)
        .and_then(|node| node.get("numberOfResults"))
        .and_then(Node::integer);
    let ranked = ranked(query, &documents, wanted);
    let start = body
        .text_of("nextToken")
        .and_then(|token| token.strip_prefix("page-")?.parse().ok())
        .unwrap_or(0_usize);
    let page = ranked.iter().skip(start).take(PAGE);
    let results: Vec<Value> = page
        .map(|(index, score)| json!({"index": index, "relevanceScore": score}))
        .collect();
    let next = (start + PAGE < ranked.len()).then(|| format!("page-{}", start + PAGE));
    let answer = match next {
        Some(next) => json!({"results": results, "nextToken": next}),
        None => json!({ "results": results }),
    };
    send(&answer, fault.as_ref(), call)
}

/// Answers a checked body of `InvokeModel`.
pub(super) fn by_model(body: &Node<'_>) -> Value {
    let documents: Vec<String> = body
        .items_of("documents")
        .iter()
        .filter_map(Node::text)
        .map(str::to_owned)
        .collect();
    let query = body.text_of("query").unwrap_or_default();
    let wanted = body.get("top_n").and_then(Node::integer);
    let results: Vec<Value> = ranked(query, &documents, wanted)
        .into_iter()
        .map(|(index, score)| json!({"index": index, "relevance_score": score}))
        .collect();
    json!({ "results": results })
}

/// Scores documents by the share of the question's words that they have; of equals the first one wins.
fn ranked(query: &str, documents: &[String], wanted: Option<u64>) -> Vec<(usize, f64)> {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let mut ranked: Vec<(usize, f64)> = documents
        .iter()
        .enumerate()
        .map(|(index, document)| {
            let document = document.to_lowercase();
            let shared = words.iter().filter(|word| document.contains(*word)).count();
            #[expect(clippy::cast_precision_loss, reason = "questions have few words")]
            let score = shared as f64 / words.len().max(1) as f64;
            (index, score)
        })
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let wanted = wanted.and_then(|wanted| usize::try_from(wanted).ok());
    ranked.truncate(wanted.unwrap_or(usize::MAX));
    ranked
}
