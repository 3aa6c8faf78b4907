//! Answers that the operator wrote (`mock_response`): given without a call to AWS, also as a stream.

use crate::canonical::{AnswerBlock, ChatAnswer, ChatChunk, RawJson, StopReason, Text, Usage};

/// How many characters a chunk of a streamed one has, as with LiteLLM.
const SLICE: usize = 3;

/// The usage that LiteLLM gives such an answer.
const USAGE: Usage = Usage {
    input_tokens: 10,
    output_tokens: 20,
    total_tokens: None,
    cache_read_tokens: 0,
    cache_write_tokens: 0,
    cache_write_5m_tokens: None,
    cache_write_1h_tokens: None,
    reasoning_tokens: Some(0),
};

/// The whole answer.
pub(super) fn whole(mock: &RawJson) -> ChatAnswer {
    ChatAnswer {
        blocks: vec![AnswerBlock::Text(Text::new(&text(mock)))],
        usage: Some(USAGE),
        ..ChatAnswer::default()
    }
}

/// The same as the chunks of a stream.
pub(super) fn chunks(mock: &RawJson) -> Vec<ChatChunk> {
    let letters: Vec<char> = text(mock).chars().collect();
    let mut chunks: Vec<ChatChunk> = letters
        .chunks(SLICE)
        .map(|slice| ChatChunk::Text {
            block: 0,
            text: Text::new(&slice.iter().collect::<String>()),
        })
        .collect();
    chunks.push(ChatChunk::Finish {
        stop: StopReason::default(),
        provider_fields: Vec::new(),
    });
    chunks.push(ChatChunk::Usage {
        usage: USAGE,
        service_tier: None,
    });
    chunks
}

/// A text as it is; of a completion object its content; anything else as JSON.
fn text(mock: &RawJson) -> String {
    if let Ok(text) = mock.parse::<String>() {
        return text;
    }
    let value = mock.to_value();
    value
        .pointer("/choices/0/message/content")
        .and_then(serde_json::Value::as_str)
        .map_or_else(|| mock.get().to_owned(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_sliced_without_a_loss() {
        let mock = RawJson::from_value("Grüße!");
        let said: String = chunks(&mock)
            .iter()
            .filter_map(|chunk| match chunk {
                ChatChunk::Text { text, .. } => Some(text.decoded().into_owned()),
                _ => None,
            })
            .collect();
        assert_eq!(said, "Grüße!");
        let object = serde_json::json!({"choices": [{"message": {"content": "hi"}}]});
        assert_eq!(text(&RawJson::from_value(&object)), "hi");
    }
}
