//! Moonshot's Kimi K2: OpenAI's chat format with a few habits.
//!
//! <https://platform.moonshot.ai/docs/guide/migrating-from-openai-to-kimi>.

use serde_json::{Number, json};

use super::openai::OpenAiChat;
use super::openai_request::Form;
use crate::canonical::{ChatParams, Content, Message, Role, Text, ToolChoice};
use crate::provider::bedrock::chat::fields::Fields;

/// Kimi K2, imported or Bedrock's own.
pub(crate) const MOONSHOT: OpenAiChat = OpenAiChat {
    refused: &["function_call", "functions", "stop"],
    limit: None,
    names_model: true,
    form: Form::Flat,
    adjust,
};

/// What makes Kimi call a tool, which it cannot be forced to.
const SELECT: &str = "Please select a tool to handle the current issue.";

fn adjust(
    messages: &mut Vec<Message>,
    params: &mut ChatParams,
    streams: bool,
    fields: &mut Fields,
) {
    fields.set_value("stream", &json!(streams));
    if let Some(temperature) = params.temperature.as_ref().and_then(Number::as_f64) {
        let many = params.openai.iter().any(|(name, value)| {
            name == "n" && value.to_value().as_f64().is_some_and(|count| count > 1.0)
        });
        let fit = match temperature {
            value if value > 1.0 => Some(Number::from(1_u8)),
            value if value < 0.3 && many => Number::from_f64(0.3),
            _ => None,
        };
        params.temperature = fit.or(params.temperature.take());
    }
    let is_forced = matches!(
        params.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. })
    );
    if is_forced {
        params.tool_choice = match params.tool_choice.take() {
            Some(ToolChoice::Allowed { names, .. }) => Some(ToolChoice::Allowed {
                names,
                required: false,
            }),
            _ => None,
        };
        messages.push(Message {
            role: Role::User,
            content: Content::Text(Text::new(SELECT)),
            ..Message::default()
        });
    }
}
