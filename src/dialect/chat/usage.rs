//! `usage` in OpenAI's shape, with LiteLLM's members for the prompt cache.

use crate::canonical::Usage;
use crate::dialect::number::number;

/// Appends the usage object.
pub(in crate::dialect) fn write_usage(usage: &Usage, out: &mut Vec<u8>) {
    let written = usage.cache_write_tokens;
    number(out, "{\"prompt_tokens\":", usage.prompt_tokens());
    number(out, ",\"completion_tokens\":", usage.output_tokens);
    number(out, ",\"total_tokens\":", usage.total_tokens());
    let cached = usage.cache_read_tokens;
    number(
        out,
        ",\"prompt_tokens_details\":{\"cached_tokens\":",
        cached,
    );
    number(out, ",\"cache_creation_tokens\":", written);
    number(out, ",\"cache_write_tokens\":", written);
    number(out, ",\"text_tokens\":", usage.input_tokens);
    if let (Some(short), Some(long)) = (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) {
        number(
            out,
            ",\"cache_creation_token_details\":{\"ephemeral_5m_input_tokens\":",
            short,
        );
        number(out, ",\"ephemeral_1h_input_tokens\":", long);
        out.push(b'}');
    }
    out.push(b'}');
    // Where nobody knows how much of the output was reasoning, neither part of the sum can be told.
    if let Some(reasoning) = usage.reasoning_tokens {
        let text = usage.output_tokens.saturating_sub(reasoning);
        number(
            out,
            ",\"completion_tokens_details\":{\"reasoning_tokens\":",
            reasoning,
        );
        number(out, ",\"text_tokens\":", text);
        out.push(b'}');
    }
    number(out, ",\"cache_creation_input_tokens\":", written);
    number(out, ",\"cache_read_input_tokens\":", cached);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn written(usage: &Usage) -> Value {
        let mut out = Vec::new();
        write_usage(usage, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn every_count_has_its_place() {
        let usage = Usage {
            input_tokens: 5,
            output_tokens: 20,
            total_tokens: Some(35),
            cache_read_tokens: 7,
            cache_write_tokens: 3,
            cache_write_5m_tokens: Some(3),
            cache_write_1h_tokens: Some(0),
            reasoning_tokens: Some(4),
        };
        let expected = json!({
            "prompt_tokens": 15, "completion_tokens": 20, "total_tokens": 35,
            "prompt_tokens_details": {
                "cached_tokens": 7, "cache_creation_tokens": 3, "cache_write_tokens": 3, "text_tokens": 5,
                "cache_creation_token_details": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 0},
            },
            "completion_tokens_details": {"reasoning_tokens": 4, "text_tokens": 16},
            "cache_creation_input_tokens": 3, "cache_read_input_tokens": 7,
        });
        assert_eq!(written(&usage), expected);
    }

    #[test]
    fn what_nobody_knows_is_left_out() {
        let written = written(&Usage::default());
        assert!(written.get("completion_tokens_details").is_none());
        assert!(
            written["prompt_tokens_details"]
                .get("cache_creation_token_details")
                .is_none()
        );
        assert_eq!(written["total_tokens"], 0);
    }
}
