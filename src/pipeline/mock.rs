//! Answers that the operator wrote (`mock_response`): given without a call to AWS, also as a stream.

use super::Reply;
use super::stream::ChunkSource;
use crate::canonical::{
    AnswerBlock, ChatAnswer, ChatChunk, EmbedAnswer, EmbedRequest, RawJson, Request, StopReason,
    Text, Usage, Vector, VectorValues,
};

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

/// What the operator wrote in the place of an answer to a chat or embeddings request; `None` for other operations.
pub(super) fn reply(mock: &RawJson, request: &Request) -> Option<Reply> {
    match request {
        Request::Chat(chat) if chat.stream => {
            Some(Reply::Stream(chunks(mock), Box::new(ChunkSource::ended())))
        }
        Request::Chat(_) => Some(Reply::Whole(Box::new(whole(mock).into()))),
        Request::Embed(embed) => Some(Reply::Whole(Box::new(vectors(mock, embed).into()))),
        Request::Count(_) | Request::Image(_) | Request::Rerank(_) => None,
    }
}

/// The same vector for every input.
fn vectors(mock: &RawJson, request: &EmbedRequest) -> EmbedAnswer {
    let total = request.input.as_ref().map_or(1, Vec::len);
    let vector = |index| Vector {
        index,
        values: VectorValues::Numbers(mock.clone()),
        kind: None,
        provider_fields: Vec::new(),
    };
    EmbedAnswer {
        vectors: (0..total).map(vector).collect(),
        usage: USAGE,
        ..EmbedAnswer::default()
    }
}

/// The whole answer.
fn whole(mock: &RawJson) -> ChatAnswer {
    ChatAnswer {
        blocks: vec![AnswerBlock::Text(Text::new(&text(mock)))],
        usage: Some(USAGE),
        ..ChatAnswer::default()
    }
}

/// The same as the chunks of a stream.
fn chunks(mock: &RawJson) -> Vec<ChatChunk> {
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
