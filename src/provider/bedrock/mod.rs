//! AWS Bedrock: which wire format a deployment's model needs, and how it is written and read.

pub mod arn;
mod base_model;
mod chat;
pub mod converse;
pub mod count;
pub mod event_stream;
pub mod family;
pub mod fault;
mod invoke;
pub mod model_id;
mod native_first;
mod route;
pub mod sign;
mod timestamp;
pub mod url;

use family::Family;
use model_id::Route;

use super::Transformer;
use crate::canonical::{Chat, Count};

/// Returns what writes chat requests for a route and, where the family decides the format, for a family; `None` where
/// chat is not served.
///
/// Models whose own OpenAI-shaped API would be asked first are asked by Converse, which serves them too.
pub fn chat_transformer(
    route: Route,
    family: Option<Family>,
) -> Option<&'static dyn Transformer<Chat>> {
    match route {
        Route::Converse => Some(&native_first::NativeFirst),
        Route::ConverseLike | Route::ChatCompletions => Some(&converse::Converse),
        Route::Invoke => invoke_transformer(family),
        Route::AsyncInvoke
        | Route::Mantle
        | Route::Agent
        | Route::AgentCore
        | Route::ClaudePlatform => None,
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
