//! `InvokeModel` of models that do not chat: which they are, and how their answers are sent.

use bytes::Bytes;
use serde_json::Value;

use super::check::check;
use super::converse::whole;
use super::dispatch::{Answered, Call, Failure};
use super::error::AwsError;
use super::follow::follow_all;
use super::json::Node;
use super::misbehave::Fault;
use super::model_id::Model;
use super::shape::Shape;
use super::{embed, image, rerank};

/// What is asked of a model that does not chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Embed(embed::Format),
    Image(image::Format),
    Rerank,
}

impl Operation {
    /// Tells the operation by the model; of one whose id does not tell, by the body.
    pub(super) fn of(model: &Model, body: &[u8]) -> Option<Self> {
        let base = model.base.as_str();
        if let Some(format) = embed::Format::of(base) {
            return Some(Self::Embed(format));
        }
        if let Some(format) = image::Format::of(base) {
            return Some(Self::Image(format));
        }
        if base.contains(".rerank-") {
            return Some(Self::Rerank);
        }
        if base.contains('.') {
            return None;
        }
        let body = Node::parse(body).ok()?;
        if body.has("query") && body.has("documents") {
            Some(Self::Rerank)
        } else if body.has("texts") {
            Some(Self::Embed(embed::Format::Cohere4))
        } else if body.has("singleEmbeddingParams") {
            Some(Self::Embed(embed::Format::Nova))
        } else if body.has("taskType") {
            Some(Self::Image(image::Format::Amazon))
        } else if body.has("inputText") && !body.has("textGenerationConfig") {
            Some(Self::Embed(embed::Format::TitanText2))
        } else {
            None
        }
    }

    /// Returns the shape of the body.
    pub(super) fn shape(self) -> &'static Shape {
        match self {
            Self::Embed(format) => format.shape(),
            Self::Image(format) => format.shape(),
            Self::Rerank => &rerank::INVOKE,
        }
    }

    /// Checks a body beyond its shape.
    pub(super) fn check(self, body: &Node<'_>) -> Result<(), AwsError> {
        check(body, self.shape())?;
        match self {
            Self::Embed(format) => format.check(body),
            Self::Image(format) => format.check(body),
            Self::Rerank => Ok(()),
        }
    }

    /// Checks the body of a call and answers it.
    pub(super) async fn answer(self, call: &Call<'_>) -> Answered {
        let body = Node::parse(call.body)?;
        self.check(&body)?;
        let fault = follow(&body, call).await?;
        let (answer, tokens) = match self {
            Self::Embed(format) => (format.answer(&body), Some(embed::tokens(&body))),
            Self::Image(format) => (format.answer(&body), None),
            Self::Rerank => (rerank::by_model(&body), None),
        };
        let mut response = send(&answer, fault.as_ref(), call)?;
        let headers = response.headers_mut();
        if let Some(tokens) = tokens {
            headers.insert("x-amzn-bedrock-input-token-count", tokens.into());
        }
        headers.insert("x-amzn-bedrock-invocation-latency", 55_u64.into());
        Ok(response)
    }
}

/// Follows the directions that stand in any text of the body, and those of the path.
pub(super) async fn follow(body: &Node<'_>, call: &Call<'_>) -> Result<Option<Fault>, Failure> {
    follow_all(body, call).await.map(|(_, fault)| fault)
}

/// Sends an answer as JSON, or what a fault makes of it.
pub(super) fn send(answer: &Value, fault: Option<&Fault>, call: &Call<'_>) -> Answered {
    whole::send(Bytes::from(answer.to_string()), fault, call)
}

/// Says that one of a few values was expected.
pub(super) fn one_of(body: &Node<'_>, path: &[&str], allowed: &[u64]) -> Result<(), AwsError> {
    let Some(value) = body.at(path).and_then(Node::integer) else {
        return Ok(());
    };
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(AwsError::validation(format!(
        "Malformed input request: #/{}: {value} is not a valid enum value, please reformat your input and try again.",
        path.join("/")
    )))
}

/// Says that exactly one of these members was expected.
pub(super) fn exactly_one(body: &Node<'_>, names: &[&str]) -> Result<(), AwsError> {
    if names.iter().filter(|name| body.has(name)).count() == 1 {
        return Ok(());
    }
    Err(AwsError::validation(format!(
        "Malformed input request: exactly one of [{}] is required, please reformat your input and try again.",
        names.join(", ")
    )))
}

#[cfg(test)]
#[path = "operation_tests.rs"]
mod tests;
