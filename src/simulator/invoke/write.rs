//! An answer in a family's format; `chunks.rs` writes it as a stream.

use serde_json::{Value, json};

use super::super::converse::answer::{Answer, Content};
use super::super::converse::whole;
use super::format::Format;

/// Why the answer ended, in the words of the families.
#[derive(Clone, Copy)]
pub(in crate::simulator) struct Reason<'a>(pub(in crate::simulator) &'a str);

impl Reason<'_> {
    pub(super) fn is_length(self) -> bool {
        self.0 == "max_tokens"
    }

    pub(in crate::simulator) fn openai(self) -> &'static str {
        match self.0 {
            "max_tokens" => "length",
            "tool_use" => "tool_calls",
            "guardrail_intervened" => "content_filter",
            _ => "stop",
        }
    }
}

/// Returns what is said, thoughts in tags where the family has no other place for them.
pub(in crate::simulator) fn said(format: Format, answer: &Answer) -> String {
    let texts = answer.blocks.iter().map(|block| match block {
        Content::Text(text) | Content::Cited { text, .. } => text.clone(),
        // The prompt has opened the tag.
        Content::Thought { text, .. } if matches!(format, Format::DeepSeek | Format::Llama) => {
            format!("{text}\n</think>\n\n")
        }
        Content::Thought { text, .. } => format!("<reasoning>{text}</reasoning>"),
        Content::Redacted(_) | Content::ToolUse { .. } => String::new(),
    });
    texts.collect()
}

pub(in crate::simulator) fn calls(answer: &Answer) -> Vec<(&str, &str, &Value)> {
    let calls = answer.blocks.iter().filter_map(|block| match block {
        Content::ToolUse { id, name, input } => Some((id.as_str(), name.as_str(), input)),
        _ => None,
    });
    calls.collect()
}

pub(super) fn set(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value);
    }
}

/// Writes a whole answer.
pub(in crate::simulator) fn whole(format: Format, answer: &Answer) -> Vec<u8> {
    let (input, output) = (answer.usage.input(), answer.usage.output());
    let reason = Reason(&answer.stop_reason);
    let text = said(format, answer);
    let body = match format {
        Format::Nova => return whole::write(answer),
        Format::Messages => messages(answer),
        Format::ClaudeText => {
            let reason = claude_text(reason);
            json!({"type": "completion", "completion": text, "stop_reason": reason, "stop": null})
        }
        Format::Titan => json!({"inputTextTokenCount": input, "results": [{
            "tokenCount": output, "outputText": text, "completionReason": titan(reason)}]}),
        Format::Llama => json!({"generation": text, "prompt_token_count": input,
            "generation_token_count": output, "stop_reason": llama(reason)}),
        Format::Mistral => json!({"outputs": [{"text": text, "stop_reason": llama(reason)}]}),
        Format::DeepSeek => json!({"choices": [{"text": text, "stop_reason": llama(reason)}]}),
        Format::Command => json!({"id": "simulated", "prompt": "", "generations": [{
            "id": "simulated", "text": text, "finish_reason": cohere(reason)}]}),
        Format::CommandR => command_r(answer, &text),
        Format::Jurassic => {
            let reason = if reason.is_length() {
                "length"
            } else {
                "endoftext"
            };
            json!({"id": 1, "prompt": {"text": "", "tokens": []}, "completions": [{
                "data": {"text": text, "tokens": []}, "finishReason": {"reason": reason}}]})
        }
        Format::OpenAi => openai(answer, &text),
        Format::Pegasus => json!({"message": text, "finishReason": llama(reason)}),
    };
    let mut body = body;
    if reason.0 == "guardrail_intervened" {
        set(
            &mut body,
            "amazon-bedrock-guardrailAction",
            json!("INTERVENED"),
        );
        if let Some(trace) = &answer.trace {
            set(&mut body, "amazon-bedrock-trace", trace.clone());
        }
    }
    body.to_string().into_bytes()
}

fn command_r(answer: &Answer, text: &str) -> Value {
    let calls: Vec<Value> = calls(answer)
        .iter()
        .map(|(_, name, input)| json!({"name": name, "parameters": input}))
        .collect();
    let mut body = json!({"response_id": "simulated", "generation_id": "simulated",
        "text": text, "finish_reason": cohere(Reason(&answer.stop_reason))});
    if !calls.is_empty() {
        set(&mut body, "tool_calls", Value::Array(calls));
    }
    body
}

fn openai(answer: &Answer, text: &str) -> Value {
    let content = if text.is_empty() {
        Value::Null
    } else {
        json!(text)
    };
    let mut message = json!({"role": "assistant", "content": content});
    let calls: Vec<Value> = calls(answer).iter().map(openai_call).collect();
    if !calls.is_empty() {
        set(&mut message, "tool_calls", Value::Array(calls));
    }
    json!({"id": "chatcmpl-simulated", "object": "chat.completion", "created": 1_750_000_000,
        "model": "simulated", "usage": openai_usage(answer),
        "choices": [{"index": 0, "message": message, "finish_reason": Reason(&answer.stop_reason).openai()}]})
}

pub(super) fn claude_text(reason: Reason<'_>) -> &'static str {
    if reason.is_length() {
        "max_tokens"
    } else {
        "stop_sequence"
    }
}

pub(super) fn titan(reason: Reason<'_>) -> &'static str {
    if reason.is_length() {
        "LENGTH"
    } else {
        "FINISH"
    }
}

pub(super) fn llama(reason: Reason<'_>) -> &'static str {
    if reason.is_length() { "length" } else { "stop" }
}

pub(super) fn cohere(reason: Reason<'_>) -> &'static str {
    if reason.is_length() {
        "MAX_TOKENS"
    } else {
        "COMPLETE"
    }
}

fn openai_call((id, name, input): &(&str, &str, &Value)) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": input.to_string()}})
}

pub(super) fn openai_usage(answer: &Answer) -> Value {
    let (input, output) = (answer.usage.input(), answer.usage.output());
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
}

pub(super) fn messages_usage(answer: &Answer) -> Value {
    let (read, written) = answer.usage.cached();
    json!({"input_tokens": answer.usage.input(), "output_tokens": answer.usage.output(),
        "cache_read_input_tokens": read, "cache_creation_input_tokens": written})
}

fn messages(answer: &Answer) -> Value {
    let content: Vec<Value> = answer.blocks.iter().map(messages_block).collect();
    json!({"id": "msg_bdrk_simulated", "type": "message", "role": "assistant", "model": "simulated",
        "content": content, "stop_reason": answer.stop_reason, "stop_sequence": null,
        "usage": messages_usage(answer)})
}

fn messages_block(block: &Content) -> Value {
    match block {
        Content::Text(text) | Content::Cited { text, .. } => json!({"type": "text", "text": text}),
        Content::Thought { text, signature } => {
            json!({"type": "thinking", "thinking": text, "signature": signature.as_deref().unwrap_or_default()})
        }
        Content::Redacted(data) => json!({"type": "redacted_thinking", "data": data}),
        Content::ToolUse { id, name, input } => {
            json!({"type": "tool_use", "id": id, "name": name, "input": input})
        }
    }
}
