//! AWS Bedrock: which wire format a deployment's model needs, and how it is written and read.

mod agent;
pub mod arn;
mod base_model;
mod chat;
pub mod converse;
pub mod count;
pub mod embed;
pub mod event_stream;
pub mod family;
pub mod fault;
pub mod image;
mod inline_media;
mod invoke;
mod invoke_model;
mod members;
pub mod model_id;
mod native_first;
mod openai;
pub mod raw;
pub mod rerank;
mod route;
pub mod server_events;
pub mod sign;
mod timestamp;
pub mod url;

use embed::EmbedFamily;
use family::Family;
use image::ImageFamily;
use model_id::Route;
use rerank::RerankApi;

use super::Transformer;
use crate::canonical::{Chat, Count, Embed, Image, Rerank};

/// Returns what writes chat requests for a route and, where the family decides the format, for a family; `None` where
/// chat is not served.
pub fn chat_transformer(
    route: Route,
    family: Option<Family>,
) -> Option<&'static dyn Transformer<Chat>> {
    match route {
        Route::Converse => Some(&native_first::NativeFirst),
        Route::ConverseLike => Some(&converse::Converse),
        Route::ChatCompletions => Some(&openai::ChatCompletions),
        Route::Invoke => invoke_transformer(family),
        Route::Mantle => Some(&openai::Mantle),
        Route::Agent => Some(&agent::Agent),
        Route::AsyncInvoke | Route::AgentCore | Route::ClaudePlatform => None,
    }
}

/// Returns what counts tokens for a route; `None` where only an estimate is possible.
pub fn count_transformer(route: Route) -> Option<&'static dyn Transformer<Count>> {
    match route {
        Route::Converse | Route::Invoke | Route::ChatCompletions => Some(&count::CountTokens),
        Route::ConverseLike
        | Route::AsyncInvoke
        | Route::Mantle
        | Route::Agent
        | Route::AgentCore
        | Route::ClaudePlatform => None,
    }
}

fn invoke_transformer(family: Option<Family>) -> Option<&'static dyn Transformer<Chat>> {
    let Some(family) = family else {
        return Some(&invoke::Unknown);
    };
    match family {
        Family::Ai21 => Some(&invoke::Ai21),
        Family::Anthropic => Some(&invoke::Anthropic),
        Family::Cohere => Some(&invoke::Cohere),
        Family::DeepseekR1 => Some(&invoke::DEEPSEEK_R1),
        Family::Llama => Some(&invoke::LLAMA),
        Family::Mistral => Some(&invoke::MISTRAL),
        Family::Moonshot => Some(&invoke::MOONSHOT),
        Family::Nova => Some(&invoke::Nova),
        Family::OpenAi => Some(&invoke::OpenAi),
        Family::Pegasus => Some(&invoke::PEGASUS),
        Family::Qwen2 | Family::Qwen3 => Some(&invoke::Qwen),
        Family::Titan => Some(&invoke::TITAN),
        // Images only.
        Family::Stability => None,
    }
}

/// Returns what writes embeddings requests for a route and a family; `None` where the route leads elsewhere.
///
/// Embeddings have one API, so the routes that only tell chat APIs apart all mean `InvokeModel`.
pub fn embed_transformer(
    route: Route,
    family: Option<EmbedFamily>,
) -> Option<&'static dyn Transformer<Embed>> {
    let is_later = route == Route::AsyncInvoke;
    if !is_later && !is_of_runtime(route) {
        return None;
    }
    let Some(family) = family else {
        return Some(&embed::Unknown);
    };
    Some(match (family, is_later) {
        (EmbedFamily::TitanText1, false) => &embed::TITAN_TEXT_1,
        (EmbedFamily::TitanText2, false) => &embed::TITAN_TEXT_2,
        (EmbedFamily::TitanImage, false) => &embed::TITAN_IMAGE,
        (EmbedFamily::Cohere, false) => &embed::Cohere,
        (EmbedFamily::Nova, false) => &embed::NOVA,
        (EmbedFamily::Marengo2, false) => &embed::MARENGO_2,
        (EmbedFamily::Marengo3, false) => &embed::MARENGO_3,
        (EmbedFamily::Nova, true) => &embed::NOVA_LATER,
        (EmbedFamily::Marengo2, true) => &embed::MARENGO_2_LATER,
        (EmbedFamily::Marengo3, true) => &embed::MARENGO_3_LATER,
        (
            EmbedFamily::TitanText1
            | EmbedFamily::TitanText2
            | EmbedFamily::TitanImage
            | EmbedFamily::Cohere,
            true,
        ) => &embed::NotAsync,
    })
}

/// Returns what writes image requests, generations and edits, for a route and a family; `None` where the route leads
/// elsewhere.
pub fn image_transformer(
    route: Route,
    family: Option<ImageFamily>,
) -> Option<&'static dyn Transformer<Image>> {
    if !is_of_runtime(route) {
        return None;
    }
    Some(match family {
        None => &image::Unknown,
        Some(ImageFamily::DiffusionXl) => &image::DiffusionXl,
        Some(ImageFamily::StableImage) => &image::StableImage,
        Some(ImageFamily::StabilityEdits) => &image::StabilityEdits,
        Some(ImageFamily::Titan) => &image::TITAN,
        Some(ImageFamily::Canvas) => &image::CANVAS,
    })
}

/// Returns what writes rerank requests for a route and one of the two APIs; `None` where the route leads elsewhere.
pub fn rerank_transformer(
    route: Route,
    api: RerankApi,
) -> Option<&'static dyn Transformer<Rerank>> {
    if !is_of_runtime(route) {
        return None;
    }
    Some(match api {
        RerankApi::AgentRuntime => &rerank::AgentRuntime,
        RerankApi::Invoke => &rerank::Invoke,
    })
}

/// Says whether a route leads to Bedrock's runtime where no chat is asked for: the routes that tell chat APIs apart all do.
fn is_of_runtime(route: Route) -> bool {
    match route {
        Route::Converse | Route::Invoke | Route::ChatCompletions => true,
        Route::ConverseLike
        | Route::AsyncInvoke
        | Route::Mantle
        | Route::Agent
        | Route::AgentCore
        | Route::ClaudePlatform => false,
    }
}
