//! `usage` and stop reasons in Anthropic's words.

use crate::canonical::{NativeFormat, StopReason, Usage};
use crate::dialect::number::number;

/// Appends the usage object: cached input tokens stand apart here, as they do in [`Usage`].
pub(super) fn write_usage(usage: &Usage, out: &mut Vec<u8>) {
    number(out, "{\"input_tokens\":", usage.input_tokens);
    let written = usage.cache_write_tokens;
    number(out, ",\"cache_creation_input_tokens\":", written);
    let read = usage.cache_read_tokens;
    number(out, ",\"cache_read_input_tokens\":", read);
    if let (Some(short), Some(long)) = (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) {
        number(
            out,
            ",\"cache_creation\":{\"ephemeral_5m_input_tokens\":",
            short,
        );
        number(out, ",\"ephemeral_1h_input_tokens\":", long);
        out.push(b'}');
    }
    number(out, ",\"output_tokens\":", usage.output_tokens);
    out.push(b'}');
}

/// Returns `stop_reason`: the model's own word, where that is this format's.
pub(super) fn stop_reason(stop: &StopReason) -> &str {
    if stop.format == Some(NativeFormat::Messages) && !stop.raw.is_empty() {
        return &stop.raw;
    }
    match stop.finish_reason {
        "length" => "max_tokens",
        "tool_calls" => "tool_use",
        "content_filter" => "refusal",
        _ => "end_turn",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn every_count_has_its_place() {
        let usage = Usage {
            input_tokens: 5,
            output_tokens: 20,
            cache_read_tokens: 7,
            cache_write_tokens: 3,
            cache_write_5m_tokens: Some(1),
            cache_write_1h_tokens: Some(2),
            ..Usage::default()
        };
        let mut out = Vec::new();
        write_usage(&usage, &mut out);
        let expected = json!({
            "input_tokens": 5, "output_tokens": 20, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 7,
            "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2},
        });
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected);
    }
}
