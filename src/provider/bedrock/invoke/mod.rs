//! Bedrock's `InvokeModel`: every family in its own format.
//!
//! [`envelope`] is what all have around it. Three shapes are shared: one prompt ([`text_model`]), OpenAI's chat
//! ([`openai`]), and blocks, which Anthropic ([`anthropic`]) and Nova ([`nova`]) have as Converse does. A family is one
//! file that says what it takes, how it writes its body and how its answer is read.

mod ai21;
mod anthropic;
mod claude_text;
mod cohere;
mod command_r;
mod deepseek;
pub(super) mod envelope;
mod llama;
mod mistral;
mod moonshot;
mod nova;
pub(super) mod openai;
pub(super) mod openai_request;
mod pegasus;
mod qwen;
pub(super) mod said;
mod said_stream;
pub(super) mod screen;
pub(super) mod text_model;
mod titan;
mod transcript;
mod unknown;

pub(super) use ai21::Ai21;
pub(super) use anthropic::{Anthropic, MantleMessages, body_to_count, is_asked_natively};
pub(super) use cohere::Cohere;
pub(super) use deepseek::DEEPSEEK_R1;
pub(super) use llama::LLAMA;
pub(super) use mistral::MISTRAL;
pub(super) use moonshot::MOONSHOT;
pub(super) use nova::Nova;
pub(super) use openai::OpenAi;
pub(super) use pegasus::PEGASUS;
pub(super) use qwen::Qwen;
pub(super) use titan::TITAN;
pub(super) use unknown::Unknown;
