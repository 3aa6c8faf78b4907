//! A whole answer as the chunks that a stream of it would have had, for models that Bedrock cannot stream.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::canonical::{AnswerBlock, ChatAnswer, ChatChunk, RawJson, Text};

/// The citations of a block, as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cited<'a> {
    #[serde(borrow)]
    citations: Option<Vec<&'a RawValue>>,
}

/// Takes an answer apart, every part of it.
pub(crate) fn into_chunks(answer: ChatAnswer) -> Vec<ChatChunk> {
    let mut chunks = Vec::with_capacity(answer.blocks.len() + 3);
    let mut calls = 0;
    for (block, content) in (0..).zip(answer.blocks) {
        push_block(block, content, &mut calls, &mut chunks);
    }
    // A stream has said its reasoning already, piece by piece.
    let mut provider_fields = answer.provider_fields;
    provider_fields.retain(|(name, _)| name != "reasoningContentBlocks");
    chunks.push(ChatChunk::Finish {
        stop: answer.stop,
        provider_fields,
    });
    chunks.extend(answer.trace.map(ChatChunk::Trace));
    if !answer.details.is_empty() {
        chunks.push(ChatChunk::Details(answer.details));
    }
    chunks.extend(answer.usage.map(|usage| ChatChunk::Usage {
        usage,
        service_tier: answer.service_tier,
    }));
    chunks
}

fn push_block(block: u32, content: AnswerBlock, calls: &mut u32, out: &mut Vec<ChatChunk>) {
    match content {
        AnswerBlock::Text(text) => out.push(ChatChunk::Text { block, text }),
        AnswerBlock::Thinking { text, signature } => {
            out.push(ChatChunk::Thinking { block, text });
            out.extend(signature.map(|signature| ChatChunk::Signature { block, signature }));
        }
        AnswerBlock::Redacted(data) => out.push(ChatChunk::Redacted { block, data }),
        AnswerBlock::ToolUse { id, name, input } => {
            let index = *calls;
            *calls += 1;
            out.push(ChatChunk::ToolStart {
                block,
                index,
                id,
                name,
            });
            let fragment = Text::new(input.get());
            out.push(ChatChunk::ToolInput {
                block,
                index,
                fragment,
            });
        }
        AnswerBlock::Citations { text, raw } => {
            out.push(ChatChunk::Text { block, text });
            let cited: Cited<'_> = raw.parse().unwrap_or_default();
            let citations = cited.citations.into_iter().flatten();
            out.extend(citations.map(|citation| ChatChunk::Citation {
                block,
                raw: RawJson::from_raw(raw.bytes(), citation),
            }));
        }
        AnswerBlock::Image { format, base64 } => out.push(ChatChunk::Image {
            block,
            format,
            base64,
        }),
    }
}
