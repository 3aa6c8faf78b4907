//! What writes a deployment's requests, one transformer for each operation that its model and route have.

use crate::canonical::{Chat, Count, Embed, Image, OperationKind, Rerank};
use crate::catalog::{Facts, Mode};
use crate::provider::Transformer;
use crate::provider::bedrock::embed::EmbedFamily;
use crate::provider::bedrock::image::ImageFamily;
use crate::provider::bedrock::model_id::{ModelId, Route};
use crate::provider::bedrock::rerank::RerankApi;
use crate::provider::bedrock::url::{Precedence, Service};
use crate::provider::bedrock::{
    chat_transformer, count_transformer, embed_transformer, image_transformer, rerank_transformer,
};

/// What writes a deployment's requests; `None` where its model does not do that, or its route does not lead there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Transformers {
    /// Chat.
    pub chat: Option<&'static dyn Transformer<Chat>>,
    /// Counting a chat's tokens; where there is none, they are estimated.
    pub count: Option<&'static dyn Transformer<Count>>,
    /// Embeddings.
    pub embed: Option<&'static dyn Transformer<Embed>>,
    /// Images, made and edited.
    pub image: Option<&'static dyn Transformer<Image>>,
    /// Rerank.
    pub rerank: Option<&'static dyn Transformer<Rerank>>,
}

impl Transformers {
    /// Finds what a model can be asked. One whose mode nobody knows is asked what the client asks.
    pub(super) fn of(model: &ModelId, facts: &Facts, has_only_api_key: bool) -> Self {
        let (route, mode) = (model.route, facts.mode);
        let is = |modes: &[Mode]| mode.is_none_or(|mode| modes.contains(&mode));
        let chat = is(&[Mode::Chat, Mode::Responses])
            .then(|| chat_transformer(route, model.family))
            .flatten();
        Self {
            chat,
            count: chat.and_then(|_| count_transformer(route)),
            embed: is(&[Mode::Embedding])
                .then(|| embed_transformer(route, EmbedFamily::of(model)))
                .flatten(),
            image: is(&[Mode::ImageGeneration, Mode::ImageEdit])
                .then(|| image_transformer(route, ImageFamily::of(model)))
                .flatten(),
            rerank: is(&[Mode::Rerank])
                .then(|| rerank_transformer(route, RerankApi::of(model, has_only_api_key)))
                .flatten(),
        }
    }

    /// Says whether there is anything that the model can be asked.
    pub fn any(&self) -> bool {
        self.chat.is_some() || self.embed.is_some() || self.image.is_some() || self.rerank.is_some()
    }

    /// Says whether requests for an operation can be written. Tokens can be counted wherever a chat is possible.
    pub fn take(&self, operation: OperationKind) -> bool {
        match operation {
            OperationKind::Chat | OperationKind::Count => self.chat.is_some(),
            OperationKind::Embed => self.embed.is_some(),
            OperationKind::Image => self.image.is_some(),
            OperationKind::Rerank => self.rerank.is_some(),
        }
    }
}

/// Returns which service's address a deployment has, and which of the operator's overrides of it comes first.
pub(super) fn service(
    model: &ModelId,
    facts: &Facts,
    has_only_api_key: bool,
) -> (Service, Precedence) {
    match model.route {
        Route::Mantle => return (Service::Mantle, Precedence::of(model)),
        Route::Agent => return (Service::AgentRuntime, Precedence::of(model)),
        _ => {}
    }
    match facts.mode {
        Some(Mode::Embedding) => (Service::Runtime, Precedence::ApiBase),
        Some(Mode::ImageGeneration | Mode::ImageEdit) => {
            (Service::Runtime, Precedence::RuntimeEndpoint)
        }
        Some(Mode::Rerank) => (
            RerankApi::of(model, has_only_api_key).service(),
            Precedence::RuntimeEndpoint,
        ),
        _ => (Service::Runtime, Precedence::of(model)),
    }
}
