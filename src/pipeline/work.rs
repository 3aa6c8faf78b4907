//! The request of one attempt, written for its deployment, whatever the operation.

use std::sync::Arc;

use super::trip::{Hop, Trip};
use crate::canonical::{
    Answer, Chat, ChatRequest, Count, Embed, Image, OperationKind, Request, Rerank,
};
use crate::error::{Error, Result};
use crate::provider::bedrock::count::estimated;
use crate::provider::{Exchange, Target, TransformError, Transformer};
use crate::router::{Deployment, Known};
use crate::upstream::ProfileQuestion;

/// What is sent, by operation; or what is known without sending anything.
pub(super) enum Work {
    Chat(Exchange<Chat>),
    Count(Exchange<Count>),
    Embed(Exchange<Embed>),
    Image(Exchange<Image>),
    Rerank(Exchange<Rerank>),
    Known(Box<Answer>),
}

impl Work {
    /// What was left out or changed.
    pub(super) fn warnings(&self) -> &[String] {
        match self {
            Self::Chat(exchange) => &exchange.warnings,
            Self::Count(exchange) => &exchange.warnings,
            Self::Embed(exchange) => &exchange.warnings,
            Self::Image(exchange) => &exchange.warnings,
            Self::Rerank(exchange) => &exchange.warnings,
            Self::Known(_) => &[],
        }
    }
}

/// Finds out what model is behind the deployment's inference profile, where its name hides it.
pub(super) async fn known(trip: &Trip<'_>, deployment: &Deployment) -> Option<Arc<Known>> {
    let profile = deployment.profile.as_ref()?;
    let question = ProfileQuestion {
        arn: &deployment.target.model.wire,
        url: &profile.url,
        credentials: &deployment.credentials,
        brought: profile.brought.as_deref(),
        trust: &deployment.trust,
        region: &deployment.region,
    };
    let parts = trip.parts;
    let model = parts.profiles.base_model(&parts.upstream, question).await?;
    deployment.known_as(&model)
}

/// The request as the deployment's API wants it, whose model may be `known` better than by its name.
///
/// # Errors
///
/// A request that the model or its API does not take, with the member that is at fault.
pub(super) fn encoded(
    trip: &Trip<'_>,
    hop: &Hop<'_>,
    deployment: &Deployment,
    known: Option<&Known>,
) -> Result<Work> {
    let (transformers, target) = match known {
        Some(known) => (&known.transformers, &known.target),
        None => (&deployment.transformers, &deployment.target),
    };
    let work = match &*hop.request {
        Request::Chat(request) => {
            let transformer = transformers.chat;
            transformer.map(|it| chatting(it, request, target))
        }
        // What cannot be chatted with has no conversation to count.
        Request::Count(_) if !transformers.take(OperationKind::Count) => None,
        Request::Count(request) => Some(counting(transformers.count, request, target)),
        Request::Embed(request) => {
            let transformer = transformers.embed;
            transformer.map(|it| it.encode(request, target).map(Work::Embed))
        }
        Request::Image(request) => {
            let transformer = transformers.image;
            transformer.map(|it| it.encode(request, target).map(Work::Image))
        }
        Request::Rerank(request) => {
            let transformer = transformers.rerank;
            transformer.map(|it| it.encode(request, target).map(Work::Rerank))
        }
    };
    let work = work.unwrap_or_else(|| Err(unanswerable(trip, hop, deployment).into()));
    Ok(work?)
}

/// A chat, with what it loses where its model does not speak the client's own format.
fn chatting(
    transformer: &'static dyn Transformer<Chat>,
    request: &ChatRequest,
    target: &Target,
) -> Result<Work, TransformError> {
    let loss = &request.loss;
    let encoded = transformer.encode(request, target);
    if matches!(&encoded, Ok(exchange) if exchange.decoder.native().is_some()) {
        return encoded.map(Work::Chat);
    }
    if let Some((member, why)) = &loss.refusal {
        return Err(Error::bad_request(member.as_str(), why.as_str()).into());
    }
    let mut exchange = encoded?;
    // What is lost as the request is read comes before what is left out as it is written.
    exchange
        .warnings
        .splice(0..0, loss.warnings.iter().cloned());
    Ok(Work::Chat(exchange))
}

/// Counting is Bedrock's where it can; else the gateway's own estimate.
fn counting(
    transformer: Option<&'static dyn Transformer<Count>>,
    request: &ChatRequest,
    target: &Target,
) -> Result<Work, TransformError> {
    let estimate = || Work::Known(Box::new(Answer::Count(estimated(request, target))));
    match transformer.map(|it| it.encode(request, target)) {
        None | Some(Err(TransformError::Unsupported(_))) => Ok(estimate()),
        Some(encoded) => encoded.map(Work::Count),
    }
}

/// A model that does something else, or nothing that is served here.
fn unanswerable(trip: &Trip<'_>, hop: &Hop<'_>, deployment: &Deployment) -> Error {
    let (model, asked) = (&trip.call.model, hop.request.operation());
    let others = [
        (OperationKind::Chat, "a chat model", "/v1/chat/completions"),
        (
            OperationKind::Embed,
            "an embeddings model",
            "/v1/embeddings",
        ),
        (
            OperationKind::Image,
            "an image model",
            "/v1/images/generations",
        ),
        (OperationKind::Rerank, "a rerank model", "/v1/rerank"),
    ];
    let other = (others.iter()).find(|(other, ..)| deployment.transformers.take(*other));
    let why = match (other, deployment.gap) {
        (Some((_, what, path)), _) => format!(": it is {what}, which `POST {path}` asks"),
        (None, Some(gap)) => format!(": {gap}"),
        (None, None) => String::new(),
    };
    let message = format!(
        "the model `{model}` cannot be asked by {} here{why}",
        asked.title()
    );
    Error::bad_request("model", message)
}
