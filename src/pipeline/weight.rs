//! What an answer needs in memory, roughly: what is kept of it for those who read it later is bounded by this.

use crate::canonical::{
    Answer, AnswerBlock, ChatAnswer, ChatChunk, Document, EmbedAnswer, RawJson, Text, VectorValues,
};

/// What a piece of an answer needs beside what it says.
const OF_A_PIECE: usize = 256;

/// Returns the bytes that a chunk of a streamed answer needs.
pub(super) fn of_chunk(chunk: &ChatChunk) -> usize {
    let said = match chunk {
        ChatChunk::Native(event) => of_json(&event.json),
        ChatChunk::Text { text, .. }
        | ChatChunk::Thinking { text, .. }
        | ChatChunk::Signature {
            signature: text, ..
        }
        | ChatChunk::Redacted { data: text, .. }
        | ChatChunk::ToolInput { fragment: text, .. }
        | ChatChunk::Image { base64: text, .. } => of_text(text),
        ChatChunk::ToolStart { id, name, .. } => of_text(id) + of_text(name),
        ChatChunk::Citation { raw, .. } | ChatChunk::Trace(raw) => of_json(raw),
        ChatChunk::Finish {
            provider_fields: members,
            ..
        }
        | ChatChunk::Details(members) => of_members(members),
        ChatChunk::Resumed { deployments, .. } => deployments.iter().map(String::len).sum(),
        ChatChunk::Usage { .. } => 0,
    };
    OF_A_PIECE + said
}

/// Returns the bytes that a whole answer needs.
pub(super) fn of_answer(answer: &Answer) -> usize {
    let said = match answer {
        Answer::Chat(answer) => of_chat(answer),
        Answer::Count(_) => 0,
        Answer::Embed(answer) => of_vectors(answer),
        Answer::Image(answer) => answer.images.iter().map(of_text).sum(),
        Answer::Rerank(answer) => {
            let documents = answer.results.iter().map(|ranked| match &ranked.document {
                None => OF_A_PIECE,
                Some(Document::Text(text)) => OF_A_PIECE + of_text(text),
                Some(Document::Json(json)) => OF_A_PIECE + of_json(json),
            });
            documents.sum()
        }
    };
    OF_A_PIECE + said
}

fn of_chat(answer: &ChatAnswer) -> usize {
    let blocks = answer.blocks.iter().map(|block| {
        OF_A_PIECE
            + match block {
                AnswerBlock::Text(text) | AnswerBlock::Redacted(text) => of_text(text),
                AnswerBlock::Thinking { text, signature } => {
                    of_text(text) + signature.as_ref().map_or(0, of_text)
                }
                AnswerBlock::ToolUse { id, name, input } => {
                    of_text(id) + of_text(name) + of_json(input)
                }
                AnswerBlock::Citations { text, raw } => of_text(text) + of_json(raw),
                AnswerBlock::Image { base64, .. } => of_text(base64),
            }
    });
    let native = answer.native.as_ref();
    blocks.sum::<usize>()
        + answer.trace.as_ref().map_or(0, of_json)
        + of_members(&answer.provider_fields)
        + of_members(&answer.details)
        + native.map_or(0, |native| of_json(&native.body))
}

fn of_vectors(answer: &EmbedAnswer) -> usize {
    let vectors = answer.vectors.iter().map(|vector| {
        let values = match &vector.values {
            VectorValues::Numbers(json) => of_json(json),
            VectorValues::Base64(text) => text.len(),
        };
        OF_A_PIECE + values + of_members(&vector.provider_fields)
    });
    vectors.sum()
}

fn of_members(members: &[(String, RawJson)]) -> usize {
    let members = members.iter();
    members.map(|(name, json)| name.len() + of_json(json)).sum()
}

fn of_text(text: &Text) -> usize {
    text.escaped().len()
}

fn of_json(json: &RawJson) -> usize {
    json.get().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_counts_by_its_length() {
        let long = "x".repeat(100_000);
        let text = Text::new(&long);
        let raw = RawJson::from_value(&long);
        let blocks = [
            AnswerBlock::Text(text.clone()),
            AnswerBlock::Image {
                format: "png".to_owned(),
                base64: text.clone(),
            },
            AnswerBlock::ToolUse {
                id: Text::new("a"),
                name: Text::new("f"),
                input: raw.clone(),
            },
        ];
        for block in blocks {
            let answer = ChatAnswer {
                blocks: vec![block],
                ..ChatAnswer::default()
            };
            assert!(of_answer(&answer.into()) >= long.len());
        }
        let chunks = [
            ChatChunk::Text {
                block: 0,
                text: text.clone(),
            },
            ChatChunk::Image {
                block: 0,
                format: "png".to_owned(),
                base64: text,
            },
            ChatChunk::Trace(raw.clone()),
            ChatChunk::Details(vec![("a".to_owned(), raw)]),
        ];
        for chunk in chunks {
            assert!(of_chunk(&chunk) >= long.len(), "{chunk:?}");
        }
        let short = ChatChunk::Text {
            block: 0,
            text: Text::new("a"),
        };
        assert!(of_chunk(&short) >= OF_A_PIECE);
    }
}
