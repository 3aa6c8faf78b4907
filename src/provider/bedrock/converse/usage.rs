//! Tokens, as Converse reports them.
//!
//! Converse counts cached input apart from `inputTokens` and reasoning within `outputTokens`, without saying how much of
//! it was reasoning, unless the model tells in a field of its own. Where it does not, the reasoning that came is measured.

use serde::Deserialize;

use crate::canonical::Usage;
use crate::provider::bedrock::chat::thought::Thought;

/// `usage`. The names that end in `Count` are those of the invoke side; some models write either, some both at once.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct WireUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_read_input_token_count: Option<u64>,
    cache_write_input_tokens: Option<u64>,
    cache_write_input_token_count: Option<u64>,
    cache_details: Option<Vec<CacheDetail>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CacheDetail {
    ttl: Option<String>,
    input_tokens: Option<u64>,
}

impl WireUsage {
    /// Returns the tokens of an answer that had this much reasoning.
    pub(crate) fn read(&self, thought: Thought) -> Usage {
        let output = self.output_tokens.unwrap_or(0);
        let either = |name: Option<u64>, other: Option<u64>| name.or(other).unwrap_or(0);
        let written = either(
            self.cache_write_input_tokens,
            self.cache_write_input_token_count,
        );
        let kept = self
            .cache_details
            .as_ref()
            .map(|_| (self.written_for("5m"), self.written_for("1h")));
        // Details that do not add up say nothing that can be relied on.
        let kept = kept.filter(|(short, long)| short.saturating_add(*long) == written);
        Usage {
            input_tokens: self.input_tokens.unwrap_or(0),
            output_tokens: output,
            total_tokens: self.total_tokens,
            cache_read_tokens: either(
                self.cache_read_input_tokens,
                self.cache_read_input_token_count,
            ),
            cache_write_tokens: written,
            cache_write_5m_tokens: kept.map(|(short, _)| short),
            cache_write_1h_tokens: kept.map(|(_, long)| long),
            reasoning_tokens: thought.tokens(output),
        }
    }

    fn written_for(&self, ttl: &str) -> u64 {
        let details = self.cache_details.iter().flatten();
        details
            .filter(|detail| detail.ttl.as_deref() == Some(ttl))
            .filter_map(|detail| detail.input_tokens)
            .fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{AnswerBlock, Text};
    use serde_json::value::RawValue;

    fn read(wire: &str, thought: Thought) -> Usage {
        serde_json::from_str::<WireUsage>(wire)
            .unwrap()
            .read(thought)
    }

    fn thought(text: &str) -> Thought {
        let mut thought = Thought::default();
        thought.add(&Text::new(text));
        thought
    }

    #[test]
    fn cached_tokens_count_as_prompt_tokens() {
        let usage = read(
            r#"{"inputTokens":5,"outputTokens":20,"totalTokens":35,"cacheReadInputTokens":7,"cacheWriteInputTokens":3}"#,
            Thought::default(),
        );
        assert_eq!(
            (
                usage.prompt_tokens(),
                usage.output_tokens,
                usage.total_tokens()
            ),
            (15, 20, 35)
        );
        assert_eq!(usage.reasoning_tokens, Some(0));
        assert_eq!(usage.cache_write_5m_tokens, None);
    }

    #[test]
    fn names_of_the_invoke_side_are_read_too() {
        let usage = read(
            r#"{"inputTokens":1,"cacheReadInputTokenCount":2,"cacheWriteInputTokenCount":3}"#,
            Thought::default(),
        );
        assert_eq!(
            (
                usage.cache_read_tokens,
                usage.cache_write_tokens,
                usage.total_tokens()
            ),
            (2, 3, 6)
        );
    }

    #[test]
    fn both_names_at_once_are_counted_once() {
        let usage = read(
            r#"{"inputTokens":1,"outputTokens":1,"cacheReadInputTokenCount":2,"cacheReadInputTokens":2,
            "cacheWriteInputTokenCount":3,"cacheWriteInputTokens":3}"#,
            Thought::default(),
        );
        assert_eq!(
            (
                usage.cache_read_tokens,
                usage.cache_write_tokens,
                usage.prompt_tokens()
            ),
            (2, 3, 6)
        );
    }

    #[test]
    fn cache_details_count_only_when_they_add_up() {
        let details =
            r#""cacheDetails":[{"ttl":"5m","inputTokens":2},{"ttl":"1h","inputTokens":1}]"#;
        let usage = read(
            &format!(r#"{{"cacheWriteInputTokens":3,{details}}}"#),
            Thought::default(),
        );
        assert_eq!(
            (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens),
            (Some(2), Some(1))
        );
        let usage = read(
            &format!(r#"{{"cacheWriteInputTokens":4,{details}}}"#),
            Thought::default(),
        );
        assert_eq!(
            (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens),
            (None, None)
        );
    }

    #[test]
    fn reported_reasoning_beats_the_estimate_and_is_clamped() {
        let fields = |tokens: i64| {
            let json = format!(
                r#"{{"usage":{{"output_tokens_details":{{"thinking_tokens":{tokens}}}}}}}"#
            );
            RawValue::from_string(json).unwrap()
        };
        for (reported, expected) in [(4, 4), (99, 20), (-1, 0)] {
            let mut thought = thought("some reasoning");
            thought.report(Some(&fields(reported)));
            assert_eq!(
                read(r#"{"outputTokens":20}"#, thought).reasoning_tokens,
                Some(expected)
            );
        }
    }

    #[test]
    fn unreported_reasoning_is_estimated_or_unknown() {
        assert_eq!(
            read(r#"{"outputTokens":20}"#, thought("12345678")).reasoning_tokens,
            Some(2)
        );
        assert_eq!(
            read(r#"{"outputTokens":1}"#, thought("12345678")).reasoning_tokens,
            Some(1)
        );
        let mut redacted = Thought::default();
        redacted.add_redacted();
        assert_eq!(
            read(r#"{"outputTokens":20}"#, redacted).reasoning_tokens,
            None
        );
    }

    #[test]
    fn signed_reasoning_without_text_is_unknown() {
        let signed = AnswerBlock::Thinking {
            text: Text::new(""),
            signature: Some(Text::new("s")),
        };
        let usage = |blocks: &[AnswerBlock]| read(r#"{"outputTokens":20}"#, Thought::of(blocks));
        assert_eq!(usage(std::slice::from_ref(&signed)).reasoning_tokens, None);
        let shown = AnswerBlock::Thinking {
            text: Text::new("12345678"),
            signature: None,
        };
        assert_eq!(usage(&[signed, shown]).reasoning_tokens, Some(2));
    }

    #[test]
    fn fields_of_another_shape_report_nothing() {
        let mut thought = thought("12345678");
        for json in [
            "[]",
            r#"{"usage":3}"#,
            r#"{"usage":{"output_tokens_details":null}}"#,
        ] {
            thought.report(Some(&RawValue::from_string(json.into()).unwrap()));
        }
        assert_eq!(
            read(r#"{"outputTokens":20}"#, thought).reasoning_tokens,
            Some(2)
        );
    }
}
