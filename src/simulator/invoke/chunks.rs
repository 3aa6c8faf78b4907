//! An answer in a family's format as a stream of chunks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use serde_json::{Value, json};

use super::super::converse::answer::{Answer, Content};
use super::super::converse::stream::EventFrame;
use super::super::event_stream::push_event;
use super::format::Format;
use super::write::{
    Reason, calls, claude_text, cohere, llama, messages_usage, openai_usage, said, set, titan,
};

/// Writes the frames of a stream.
pub(super) fn stream(format: Format, answer: &Answer) -> Vec<EventFrame> {
    written(format, answer, false)
}

/// Writes the server-sent events of a stream.
pub(in crate::simulator) fn events(format: Format, answer: &Answer) -> Vec<EventFrame> {
    written(format, answer, true)
}

fn written(format: Format, answer: &Answer, is_bare: bool) -> Vec<EventFrame> {
    let mut frames = Frames {
        format,
        is_bare,
        list: Vec::new(),
    };
    match format {
        Format::Messages => frames.messages(answer),
        Format::Nova => frames.nova(answer),
        Format::OpenAi => frames.openai(answer),
        Format::CommandR => frames.command_r(answer),
        _ => frames.text(answer),
    }
    frames.list
}

struct Frames {
    format: Format,
    /// Whether these are server-sent events, with nothing of Bedrock's around or in them.
    is_bare: bool,
    list: Vec<EventFrame>,
}

/// Writes one server-sent event.
pub(in crate::simulator) fn server_event(
    data: &Value,
    is_delta: bool,
    is_ending: bool,
) -> EventFrame {
    let name = data.get("type").and_then(Value::as_str);
    let name = name.map_or_else(String::new, |name| format!("event: {name}\n"));
    EventFrame {
        bytes: format!("{name}data: {data}\n\n").into(),
        is_delta,
        is_ending,
    }
}

impl Frames {
    fn push(&mut self, chunk: &Value, is_delta: bool, is_ending: bool) {
        if self.is_bare {
            self.list.push(server_event(chunk, is_delta, is_ending));
            return;
        }
        let inner = STANDARD.encode(chunk.to_string());
        let mut frame = BytesMut::new();
        let payload = format!("{{\"bytes\":\"{inner}\",\"p\":\"abcdefghijkl\"}}");
        push_event("chunk", payload.as_bytes(), &mut frame);
        self.list.push(EventFrame {
            bytes: frame.freeze(),
            is_delta,
            is_ending,
        });
    }

    fn delta(&mut self, chunk: &Value) {
        self.push(chunk, true, false);
    }

    /// Appends the last chunk, with Bedrock's own words in it.
    fn last(&mut self, mut chunk: Value, answer: &Answer) {
        if self.is_bare {
            self.push(&chunk, false, true);
            return;
        }
        let (read, written) = answer.usage.cached();
        set(
            &mut chunk,
            "amazon-bedrock-invocationMetrics",
            json!({
            "inputTokenCount": answer.usage.input(), "outputTokenCount": answer.usage.output(),
            "cacheReadInputTokenCount": read, "cacheWriteInputTokenCount": written,
            "invocationLatency": answer.usage.latency_ms(), "firstByteLatency": 50}),
        );
        if answer.stop_reason == "guardrail_intervened" {
            set(
                &mut chunk,
                "amazon-bedrock-guardrailAction",
                json!("INTERVENED"),
            );
            if let Some(trace) = &answer.trace {
                set(&mut chunk, "amazon-bedrock-trace", trace.clone());
            }
        }
        self.push(&chunk, false, true);
    }

    /// Families that send pieces of one text.
    fn text(&mut self, answer: &Answer) {
        let reason = Reason(&answer.stop_reason);
        let text = said(self.format, answer);
        for word in text.split_inclusive(' ') {
            let chunk = self.piece(word, None);
            self.delta(&chunk);
        }
        let chunk = self.piece("", Some(reason));
        self.last(chunk, answer);
    }

    fn piece(&self, text: &str, reason: Option<Reason<'_>>) -> Value {
        match self.format {
            Format::ClaudeText => {
                let stop = reason.map(claude_text);
                json!({"type": "completion", "completion": text, "stop_reason": stop})
            }
            Format::Titan => {
                json!({"outputText": text, "index": 0, "completionReason": reason.map(titan)})
            }
            Format::Mistral => {
                json!({"outputs": [{"text": text, "stop_reason": reason.map(llama)}]})
            }
            Format::DeepSeek => {
                json!({"choices": [{"text": text, "stop_reason": reason.map(llama)}]})
            }
            Format::Command => match reason {
                Some(reason) => json!({"is_finished": true, "finish_reason": cohere(reason)}),
                None => json!({"text": text, "is_finished": false}),
            },
            Format::Pegasus => match reason {
                Some(reason) => json!({"message": text, "finishReason": llama(reason)}),
                None => json!({ "message": text }),
            },
            _ => json!({"generation": text, "stop_reason": reason.map(llama)}),
        }
    }

    fn command_r(&mut self, answer: &Answer) {
        self.push(
            &json!({"event_type": "stream-start", "is_finished": false}),
            false,
            false,
        );
        for word in said(self.format, answer).split_inclusive(' ') {
            self.delta(
                &json!({"event_type": "text-generation", "text": word, "is_finished": false}),
            );
        }
        let calls: Vec<Value> = calls(answer)
            .iter()
            .map(|(_, name, input)| json!({"name": name, "parameters": input}))
            .collect();
        if !calls.is_empty() {
            self.delta(&json!({"event_type": "tool-calls-generation", "tool_calls": calls, "is_finished": false}));
        }
        let reason = cohere(Reason(&answer.stop_reason));
        let end = json!({"event_type": "stream-end", "is_finished": true, "finish_reason": reason,
            "response": {"text": said(self.format, answer), "finish_reason": reason}});
        self.last(end, answer);
    }

    fn openai(&mut self, answer: &Answer) {
        let chunk = |delta: Value, reason: Option<&str>| {
            json!({"id": "chatcmpl-simulated", "object": "chat.completion.chunk", "created": 1_750_000_000,
                "model": "simulated", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
        };
        self.push(
            &chunk(json!({"role": "assistant", "content": ""}), None),
            false,
            false,
        );
        for word in said(self.format, answer).split_inclusive(' ') {
            self.delta(&chunk(json!({ "content": word }), None));
        }
        for (index, (id, name, input)) in calls(answer).into_iter().enumerate() {
            let start = json!({"index": index, "id": id, "type": "function",
                "function": {"name": name, "arguments": ""}});
            self.delta(&chunk(json!({"tool_calls": [start]}), None));
            let arguments = json!({"index": index, "function": {"arguments": input.to_string()}});
            self.delta(&chunk(json!({"tool_calls": [arguments]}), None));
        }
        let reason = Reason(&answer.stop_reason).openai();
        self.push(&chunk(json!({}), Some(reason)), false, true);
        self.last(
            json!({"choices": [], "usage": openai_usage(answer)}),
            answer,
        );
    }

    fn messages(&mut self, answer: &Answer) {
        let mut usage = messages_usage(answer);
        set(&mut usage, "output_tokens", json!(1));
        let message = json!({"id": "msg_bdrk_simulated", "type": "message", "role": "assistant",
            "model": "simulated", "content": [], "stop_reason": null, "usage": usage});
        self.push(
            &json!({"type": "message_start", "message": message}),
            false,
            false,
        );
        for (index, block) in answer.blocks.iter().enumerate() {
            self.messages_block(index, block);
            self.push(
                &json!({"type": "content_block_stop", "index": index}),
                false,
                false,
            );
        }
        let delta = json!({"stop_reason": answer.stop_reason, "stop_sequence": null});
        let usage = json!({"output_tokens": answer.usage.output()});
        let end = json!({"type": "message_delta", "delta": delta, "usage": usage});
        self.push(&end, false, true);
        self.last(json!({"type": "message_stop"}), answer);
    }

    fn messages_block(&mut self, index: usize, block: &Content) {
        let start = match block {
            Content::Text(_) | Content::Cited { .. } => json!({"type": "text", "text": ""}),
            Content::Thought { .. } => json!({"type": "thinking", "thinking": "", "signature": ""}),
            Content::Redacted(data) => json!({"type": "redacted_thinking", "data": data}),
            Content::ToolUse { id, name, .. } => {
                json!({"type": "tool_use", "id": id, "name": name, "input": {}})
            }
        };
        let start = json!({"type": "content_block_start", "index": index, "content_block": start});
        self.push(&start, false, false);
        let mut delta = |delta: Value| {
            self.delta(&json!({"type": "content_block_delta", "index": index, "delta": delta}));
        };
        match block {
            Content::Text(text) | Content::Cited { text, .. } => text
                .split_inclusive(' ')
                .for_each(|word| delta(json!({"type": "text_delta", "text": word}))),
            Content::Thought { text, signature } => {
                for word in text.split_inclusive(' ') {
                    delta(json!({"type": "thinking_delta", "thinking": word}));
                }
                if let Some(signature) = signature {
                    delta(json!({"type": "signature_delta", "signature": signature}));
                }
            }
            Content::ToolUse { input, .. } => {
                delta(json!({"type": "input_json_delta", "partial_json": ""}));
                delta(json!({"type": "input_json_delta", "partial_json": input.to_string()}));
            }
            Content::Redacted(_) => {}
        }
    }

    fn nova(&mut self, answer: &Answer) {
        self.push(
            &json!({"messageStart": {"role": "assistant"}}),
            false,
            false,
        );
        for (index, block) in answer.blocks.iter().enumerate() {
            let delta = |delta: Value| json!({"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}});
            match block {
                Content::Text(text) | Content::Cited { text, .. } => text
                    .split_inclusive(' ')
                    .for_each(|word| self.delta(&delta(json!({ "text": word })))),
                Content::Thought { text, .. } => {
                    self.delta(&delta(json!({"reasoningContent": {"text": text}})));
                }
                Content::Redacted(_) => {}
                Content::ToolUse { id, name, input } => {
                    let start = json!({"toolUse": {"toolUseId": id, "name": name}});
                    let start =
                        json!({"contentBlockStart": {"contentBlockIndex": index, "start": start}});
                    self.push(&start, false, false);
                    self.delta(&delta(json!({"toolUse": {"input": input.to_string()}})));
                }
            }
            self.push(
                &json!({"contentBlockStop": {"contentBlockIndex": index}}),
                false,
                false,
            );
        }
        let stop = json!({"messageStop": {"stopReason": answer.stop_reason}});
        self.push(&stop, false, true);
        let usage =
            json!({"inputTokens": answer.usage.input(), "outputTokens": answer.usage.output()});
        self.last(json!({"metadata": {"usage": usage, "metrics": {}}}), answer);
    }
}
