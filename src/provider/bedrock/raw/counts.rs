//! Tokens, in whichever words an answer reports them.

use http::HeaderMap;
use serde_json::Value;

use crate::canonical::Usage;

/// What has been reported so far; what is not there was not said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    total: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
}

impl Counts {
    /// Reads the headers of `InvokeModel`'s whole answer.
    pub(super) fn of_headers(headers: &HeaderMap) -> Self {
        let count = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
        Self {
            input: count("x-amzn-bedrock-input-token-count"),
            output: count("x-amzn-bedrock-output-token-count"),
            total: None,
            cache_read: count("x-amzn-bedrock-cache-read-input-token-count"),
            cache_write: count("x-amzn-bedrock-cache-write-input-token-count"),
        }
    }

    /// Takes what a `usage` says: a later report wins, and what it does not say stays.
    pub(super) fn update(&mut self, usage: &Value) {
        let said = Self::said(usage);
        *self = Self {
            input: said.input.or(self.input),
            output: said.output.or(self.output),
            total: said.total.or(self.total),
            cache_read: said.cache_read.or(self.cache_read),
            cache_write: said.cache_write.or(self.cache_write),
        };
    }

    /// Takes what Bedrock counted, where the model itself said nothing.
    pub(super) fn fill(&mut self, metrics: &Value) {
        let count = |name: &str| metrics.get(name).and_then(Value::as_u64);
        self.input = self.input.or(count("inputTokenCount"));
        self.output = self.output.or(count("outputTokenCount"));
        self.cache_read = self.cache_read.or(count("cacheReadInputTokenCount"));
        self.cache_write = self.cache_write.or(count("cacheWriteInputTokenCount"));
    }

    /// Adds another call's `usage`.
    pub(super) fn add(&mut self, usage: &Value) {
        let said = Self::said(usage);
        let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        *self = Self {
            input: sum(self.input, said.input),
            output: sum(self.output, said.output),
            total: sum(self.total, said.total),
            cache_read: sum(self.cache_read, said.cache_read),
            cache_write: sum(self.cache_write, said.cache_write),
        };
    }

    /// Returns the tokens, where any were reported.
    pub(super) fn usage(&self) -> Option<Usage> {
        if *self == Self::default() {
            return None;
        }
        Some(Usage {
            input_tokens: self.input.unwrap_or(0),
            output_tokens: self.output.unwrap_or(0),
            total_tokens: self.total,
            cache_read_tokens: self.cache_read.unwrap_or(0),
            cache_write_tokens: self.cache_write.unwrap_or(0),
            ..Usage::default()
        })
    }

    /// Reads Converse's and Nova's words, Anthropic's and those of OpenAI's Responses, and those of chat completions,
    /// which count cached tokens among the prompt's.
    fn said(usage: &Value) -> Self {
        let any = |names: &[&str]| {
            let mut found = names.iter().filter_map(|name| usage.get(name));
            found.find_map(Value::as_u64)
        };
        let details = ["prompt_tokens_details", "input_tokens_details"];
        let cached = details
            .iter()
            .find_map(|name| usage.get(name)?.get("cached_tokens")?.as_u64());
        let cached_of_all = |all: u64| all.saturating_sub(cached.unwrap_or(0));
        Self {
            input: any(&["inputTokens", "input_tokens", "prompt_tokens"]).map(cached_of_all),
            output: any(&["outputTokens", "output_tokens", "completion_tokens"]),
            total: any(&["totalTokens", "total_tokens"]),
            cache_read: cached.or_else(|| {
                any(&[
                    "cacheReadInputTokens",
                    "cacheReadInputTokenCount",
                    "cache_read_input_tokens",
                ])
            }),
            cache_write: any(&[
                "cacheWriteInputTokens",
                "cacheWriteInputTokenCount",
                "cache_creation_input_tokens",
            ]),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(usage: &Value) -> (u64, u64, u64, u64) {
        let mut counts = Counts::default();
        counts.update(usage);
        let usage = counts.usage().unwrap();
        (
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_tokens,
            usage.cache_write_tokens,
        )
    }

    #[test]
    fn every_spelling_is_read() {
        for (usage, expected) in [
            (
                json!({"inputTokens": 5, "outputTokens": 6, "totalTokens": 11}),
                (5, 6, 0, 0),
            ),
            (
                json!({"inputTokens": 5, "outputTokens": 6, "cacheReadInputTokens": 7, "cacheWriteInputTokens": 8}),
                (5, 6, 7, 8),
            ),
            (
                json!({"input_tokens": 5, "output_tokens": 6, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 8}),
                (5, 6, 7, 8),
            ),
            (
                json!({"prompt_tokens": 12, "completion_tokens": 6, "prompt_tokens_details": {"cached_tokens": 7}}),
                (5, 6, 7, 0),
            ),
            (
                json!({"input_tokens": 12, "output_tokens": 6, "input_tokens_details": {"cached_tokens": 7}}),
                (5, 6, 7, 0),
            ),
        ] {
            assert_eq!(read(&usage), expected, "{usage}");
        }
    }

    #[test]
    fn what_is_no_count_says_nothing() {
        let mut counts = Counts::default();
        for usage in [
            json!({}),
            json!([1]),
            json!({"inputTokens": "5", "output_tokens": -1}),
        ] {
            counts.update(&usage);
            counts.add(&usage);
            counts.fill(&usage);
        }
        assert_eq!(counts.usage(), None);
    }

    #[test]
    fn bedrocks_own_counts_fill_what_the_model_left_open() {
        let mut counts = Counts::default();
        counts.update(&json!({"input_tokens": 3}));
        counts.fill(&json!({"inputTokenCount": 9, "outputTokenCount": 4}));
        let usage = counts.usage().unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens), (3, 4));
    }
}
