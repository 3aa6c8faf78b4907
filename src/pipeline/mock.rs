//! Answers that the operator wrote (`mock_response`): given without a call to AWS, also as a stream.

use serde_json::Value;

use super::Reply;
use super::stream::ChunkSource;
use crate::canonical::{
    Answer, AnswerBlock, ChatAnswer, ChatChunk, EmbedAnswer, EmbedRequest, ImageAnswer, Ranked,
    RawJson, Request, RerankAnswer, RerankRequest, StopReason, Text, Usage, Vector, VectorValues,
};
use crate::error::{Error, Result};
use crate::provider::Target;
use crate::provider::bedrock::count::estimated;

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

/// The tokens that LiteLLM gives embeddings of that kind.
const EMBED_USAGE: Usage = Usage {
    output_tokens: 0,
    ..USAGE
};

/// Makes the answer of what the operator wrote in its place. A count of tokens is an estimate: nothing is written for it.
///
/// # Errors
///
/// What is written is no answer to this operation.
pub(super) fn reply(mock: &RawJson, request: &Request, target: &Target) -> Result<Reply> {
    let answer: Answer = match request {
        Request::Chat(chat) if chat.stream => {
            let source = Box::new(ChunkSource::ended());
            return Ok(Reply::Stream(chunks(mock), source));
        }
        Request::Chat(_) => whole(mock).into(),
        Request::Count(chat) => estimated(chat, target).into(),
        Request::Embed(embed) => vectors(mock, embed)?.into(),
        Request::Image(_) => images(mock)?.into(),
        Request::Rerank(rerank) => results(mock, rerank)?.into(),
    };
    Ok(Reply::Whole(Box::new(answer)))
}

/// The same vector for every input.
fn vectors(mock: &RawJson, request: &EmbedRequest) -> Result<EmbedAnswer> {
    let value = value(mock);
    let is_vector = |list: &Vec<Value>| !list.is_empty() && list.iter().all(Value::is_number);
    if !value.as_array().is_some_and(is_vector) {
        return Err(not_an_answer("a list of numbers, which is a vector"));
    }
    let numbers = RawJson::from_value(&value);
    let total = request.input.as_ref().map_or(1, Vec::len);
    let vector = |index| Vector {
        index,
        values: VectorValues::Numbers(numbers.clone()),
        kind: None,
        provider_fields: Vec::new(),
    };
    Ok(EmbedAnswer {
        vectors: (0..total).map(vector).collect(),
        usage: EMBED_USAGE,
        ..EmbedAnswer::default()
    })
}

/// The images of OpenAI's answer (`{"data": [{"b64_json": "…"}]}`), or one that is base64.
fn images(mock: &RawJson) -> Result<ImageAnswer> {
    let value = value(mock);
    let images: Vec<Text> = match &value {
        Value::String(base64) => vec![Text::new(base64)],
        value => (value
            .get("data")
            .and_then(Value::as_array)
            .into_iter()
            .flatten())
        .filter_map(|image| image.get("b64_json")?.as_str())
        .map(Text::new)
        .collect(),
    };
    if images.is_empty() {
        let wanted = "an image in base64, or `{data: [{b64_json: …}]}`";
        return Err(not_an_answer(wanted));
    }
    Ok(ImageAnswer { images })
}

/// The results of Cohere's answer (`{"results": [{"index": 0, "relevance_score": 0.9}]}`), of documents that there are.
fn results(mock: &RawJson, request: &RerankRequest) -> Result<RerankAnswer> {
    let total = request.documents.as_ref().map_or(0, Vec::len) as u64;
    let value = value(mock);
    let Some(list) = value.get("results").and_then(Value::as_array) else {
        let wanted = "`{results: [{index: 0, relevance_score: 0.9}]}`";
        return Err(not_an_answer(wanted));
    };
    let ranked = |result: &Value| {
        Some(Ranked {
            index: result
                .get("index")?
                .as_u64()
                .filter(|index| *index < total)?,
            score: RawJson::from_value(result.get("relevance_score").filter(|it| it.is_number())?),
            document: None,
        })
    };
    Ok(RerankAnswer {
        results: list.iter().filter_map(ranked).collect(),
        search_units: 0,
    })
}

fn not_an_answer(wanted: &str) -> Error {
    let message = format!("the deployment's `mock_response` is no answer to this: write {wanted}");
    Error::bad_request("model", message)
}

/// What is written; a text that is JSON counts as that.
fn value(mock: &RawJson) -> Value {
    let value = mock.to_value();
    let inner = value
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok());
    inner
        .filter(|inner: &Value| inner.is_array() || inner.is_object())
        .unwrap_or(value)
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
