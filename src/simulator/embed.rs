//! Plays embeddings models: vectors that depend on the input alone and mean nothing.

use serde_json::{Map, Value, json};

use super::embed_shape;
use super::error::AwsError;
use super::json::Node;
use super::operation::{exactly_one, one_of};
use super::shape::Shape;
use super::state::hash_of;

/// A format of bodies and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    TitanText1,
    TitanText2,
    TitanImage,
    Cohere3,
    Cohere4,
    Nova,
    Marengo2,
    Marengo3,
}

impl Format {
    /// Tells the format by the base model.
    pub(super) fn of(base: &str) -> Option<Self> {
        const BASES: [(&str, Format); 8] = [
            ("amazon.titan-embed-image", Format::TitanImage),
            ("amazon.titan-embed-text-v2", Format::TitanText2),
            ("amazon.titan-embed", Format::TitanText1),
            ("cohere.embed-v4", Format::Cohere4),
            ("cohere.embed", Format::Cohere3),
            ("amazon.nova-2-multimodal-embeddings", Format::Nova),
            ("twelvelabs.marengo-embed-2", Format::Marengo2),
            ("twelvelabs.marengo", Format::Marengo3),
        ];
        BASES
            .iter()
            .find(|(start, _)| base.starts_with(start))
            .map(|(_, format)| *format)
    }

    /// Returns the shape of the body.
    pub(super) fn shape(self) -> &'static Shape {
        embed_shape::of(self)
    }

    /// Checks what a shape cannot say.
    pub(super) fn check(self, body: &Node<'_>) -> Result<(), AwsError> {
        match self {
            Self::TitanText1 => Ok(()),
            Self::TitanText2 => one_of(body, &["dimensions"], &[256, 512, 1024]),
            Self::TitanImage => {
                if !body.has("inputText") && !body.has("inputImage") {
                    return Err(AwsError::validation(
                        "Bad Request: at least one of inputText and inputImage is required.",
                    ));
                }
                let path = ["embeddingConfig", "outputEmbeddingLength"];
                one_of(body, &path, &[256, 384, 1024])
            }
            Self::Cohere3 => exactly_one(body, &["texts", "images"]),
            Self::Cohere4 => {
                exactly_one(body, &["texts", "images", "inputs"])?;
                one_of(body, &["output_dimension"], &[256, 512, 1024, 1536])
            }
            Self::Nova => {
                let params = nova_params(body)?;
                exactly_one(params, &["text", "image", "video", "audio"])?;
                one_of(params, &["embeddingDimension"], &[256, 384, 1024, 3072])
            }
            Self::Marengo2 => {
                let is_text = body.text_of("inputType") == Some("text");
                let member = if is_text { "inputText" } else { "mediaSource" };
                exactly_one(body, &[member])
            }
            Self::Marengo3 => {
                let kind = body.text_of("inputType").unwrap_or_default();
                exactly_one(body, &[kind])
            }
        }
    }

    /// Answers a checked body.
    pub(super) fn answer(self, body: &Node<'_>) -> Value {
        let seed = serde_json::to_string(body).unwrap_or_default();
        let dimensions =
            |path: &[&str], default| body.at(path).and_then(Node::integer).unwrap_or(default);
        match self {
            Self::TitanText1 => {
                json!({"embedding": vector(&seed, 1536), "inputTextTokenCount": tokens(body)})
            }
            Self::TitanText2 => {
                let floats = vector(&seed, dimensions(&["dimensions"], 1024));
                let types = body.items_of("embeddingTypes");
                let mut by_type = Map::new();
                if types.is_empty() || types.iter().any(|kind| kind.text() == Some("float")) {
                    by_type.insert("float".to_owned(), floats.clone());
                }
                if types.iter().any(|kind| kind.text() == Some("binary")) {
                    by_type.insert("binary".to_owned(), bits(&floats));
                }
                json!({"embedding": floats, "embeddingsByType": by_type, "inputTextTokenCount": tokens(body)})
            }
            Self::TitanImage => {
                let path = ["embeddingConfig", "outputEmbeddingLength"];
                json!({"embedding": vector(&seed, dimensions(&path, 1024)), "inputTextTokenCount": tokens(body),
                    "message": null})
            }
            Self::Cohere3 => cohere(body, 1024),
            Self::Cohere4 => cohere(body, dimensions(&["output_dimension"], 1536)),
            Self::Nova => nova(body, &seed),
            Self::Marengo2 => {
                json!({"data": [{"embedding": vector(&seed, 1024), "embeddingOption": null,
                "startSec": null, "endSec": null}]})
            }
            Self::Marengo3 => json!({"data": [{"embedding": vector(&seed, 512)}]}),
        }
    }
}

fn nova_params<'n, 'a>(body: &'n Node<'a>) -> Result<&'n Node<'a>, AwsError> {
    let name = match body.text_of("taskType") {
        Some("SEGMENTED_EMBEDDING") => "segmentedEmbeddingParams",
        _ => "singleEmbeddingParams",
    };
    body.get(name).ok_or_else(|| {
        AwsError::validation(format!(
            "Malformed input request: required key [{name}] not found, please reformat your input and try again."
        ))
    })
}

fn nova(body: &Node<'_>, seed: &str) -> Value {
    let Ok(params) = nova_params(body) else {
        return Value::Null;
    };
    let dimension = params.get("embeddingDimension").and_then(Node::integer);
    let modality = ["text", "image", "video", "audio"]
        .into_iter()
        .find(|name| params.has(name))
        .unwrap_or("text");
    let text = params.at(&["text", "value"]).and_then(Node::text);
    let one = json!({"embeddingType": modality.to_uppercase(), "embedding": vector(seed, dimension.unwrap_or(3072)),
        "truncatedCharLength": text.map(|text| text.chars().count())});
    json!({ "embeddings": [one] })
}

fn cohere(body: &Node<'_>, dimensions: u64) -> Value {
    let items = ["texts", "images", "inputs"]
        .into_iter()
        .map(|name| body.items_of(name))
        .find(|items| !items.is_empty())
        .unwrap_or_default();
    let floats: Vec<Value> = items
        .iter()
        .map(|item| {
            let seed = serde_json::to_string(item).unwrap_or_default();
            vector(&seed, dimensions)
        })
        .collect();
    let types = body.items_of("embedding_types");
    let texts: Vec<_> = body.items_of("texts").iter().map(Node::text).collect();
    if types.is_empty() {
        return json!({"id": "emb-1", "texts": texts, "embeddings": floats, "response_type": "embeddings_floats"});
    }
    let mut by_type = Map::new();
    for kind in types.iter().filter_map(Node::text) {
        let of_kind = if kind == "float" {
            json!(floats)
        } else {
            floats.iter().map(bits).collect()
        };
        by_type.insert(kind.to_owned(), of_kind);
    }
    json!({"id": "emb-1", "texts": texts, "embeddings": by_type, "response_type": "embeddings_by_type"})
}

/// Makes a vector out of a seed.
fn vector(seed: &str, dimensions: u64) -> Value {
    let hash = hash_of(seed);
    (0..dimensions.min(4096))
        .map(|index| {
            let millionths = i64::try_from(hash_of(&(hash, index)) % 2_000_001).unwrap_or_default();
            #[expect(
                clippy::cast_precision_loss,
                reason = "a number of seven digits has no more"
            )]
            let number = (millionths - 1_000_000) as f64 / 1_000_000.0;
            json!(number)
        })
        .collect()
}

/// Makes bits out of a vector: where it is positive.
fn bits(floats: &Value) -> Value {
    let floats = floats.as_array().map(Vec::as_slice).unwrap_or_default();
    floats
        .iter()
        .map(|float| json!(i32::from(float.as_f64().is_some_and(|float| float > 0.0))))
        .collect()
}

/// Counts the tokens of the texts in a body: a token has four characters.
pub(super) fn tokens(body: &Node<'_>) -> u64 {
    let single = [
        body.get("inputText"),
        body.at(&["text", "inputText"]),
        body.at(&["singleEmbeddingParams", "text", "value"]),
    ];
    let texts = body.items_of("texts").iter();
    let characters: usize = texts
        .chain(single.into_iter().flatten())
        .filter_map(Node::text)
        .map(|text| text.chars().count())
        .sum();
    (characters as u64).div_ceil(4)
}
