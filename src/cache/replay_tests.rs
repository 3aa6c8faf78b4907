use proptest::prelude::*;

use super::*;
use crate::cache::Assembler;
use crate::canonical::{StopReason, Usage};
use crate::dialect::chat::ChatCompletions;
use crate::dialect::{Dialect, Envelope};

fn raw(json: &str) -> RawJson {
    serde_json::from_str(json).unwrap()
}

fn full() -> ChatAnswer {
    ChatAnswer {
        blocks: vec![
            AnswerBlock::Thinking {
                text: Text::new("let me see"),
                signature: Some(Text::new("sig")),
            },
            AnswerBlock::Redacted(Text::new("cmVk")),
            AnswerBlock::Text(Text::new("Hello there,\n\nyou  all. ")),
            AnswerBlock::Citations {
                text: Text::new("cited words"),
                raw: raw(
                    r#"{"content":[{"text":"cited words"}],"citations":[{"title":"t","location":{"web":{"url":"https://a"}}}]}"#,
                ),
            },
            AnswerBlock::ToolUse {
                id: Text::new("call_1"),
                name: Text::new("look"),
                input: raw(r#"{"a": "b\n"}"#),
            },
            AnswerBlock::ToolUse {
                id: Text::new("call_2"),
                name: Text::new("look"),
                input: raw("{}"),
            },
            AnswerBlock::Image {
                format: "png".to_owned(),
                base64: Text::new("aGk="),
            },
        ],
        stop: StopReason {
            finish_reason: "tool_calls",
            raw: "tool_use".to_owned(),
            format: None,
        },
        usage: Some(Usage {
            input_tokens: 3,
            output_tokens: 4,
            ..Usage::default()
        }),
        trace: Some(raw(r#"{"guardrail":{}}"#)),
        service_tier: Some("priority".to_owned()),
        provider_fields: vec![
            ("reasoningContentBlocks".to_owned(), raw("[]")),
            ("other".to_owned(), raw("1")),
        ],
        details: vec![("metrics".to_owned(), raw("{}"))],
        native: None,
    }
}

fn words_of(text: &str, least: usize) -> Vec<&str> {
    words(text, least).collect()
}

fn assembled(chunks: &[ChatChunk]) -> Option<ChatAnswer> {
    let mut assembler = Assembler::default();
    for chunk in chunks {
        assembler.saw(chunk);
    }
    assembler.finish()
}

/// What a client gets of the chunks.
fn rendered(chunks: &[ChatChunk]) -> String {
    let envelope = Envelope {
        id: "id".to_owned(),
        created: 1,
        model: "m".to_owned(),
        include_usage: true,
        content_blocks: true,
        asked: crate::dialect::Asked::Nothing,
    };
    let mut writer = ChatCompletions.stream(envelope);
    let mut out = Vec::new();
    for chunk in chunks {
        writer.chunk(chunk, &mut out);
    }
    writer.end(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn words_keep_the_white_space_behind_them() {
    assert_eq!(words_of("a bc\n\n d", 0), ["a ", "bc\n\n ", "d"]);
    assert_eq!(words_of("  lead", 0), ["  lead"]);
    assert_eq!(words_of("tail  ", 0), ["tail  "]);
    assert_eq!(words_of("a b c d e", 4), ["a b ", "c d ", "e"]);
    assert_eq!(words_of("", 0), [""; 0]);
}

#[test]
fn reasoning_and_calls_come_first_finish_and_usage_last() {
    let chunks = replay(full());
    let text = chunks
        .iter()
        .position(|chunk| matches!(chunk, ChatChunk::Text { .. }))
        .unwrap();
    let call = chunks
        .iter()
        .rposition(|chunk| matches!(chunk, ChatChunk::ToolInput { .. }))
        .unwrap();
    assert!(matches!(chunks[0], ChatChunk::Thinking { block: 0, .. }) && call < text);
    let tail: Vec<_> = chunks.iter().rev().take(4).collect();
    assert!(matches!(
        tail[..],
        [
            ChatChunk::Usage { .. },
            ChatChunk::Details(_),
            ChatChunk::Trace(_),
            ChatChunk::Finish { .. }
        ]
    ));
    let words: Vec<String> = chunks
        .iter()
        .filter_map(|chunk| match chunk {
            ChatChunk::Text { block: 2, text } => Some(text.decoded().into_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(words, ["Hello ", "there,\n\n", "you  ", "all. "]);
    assert!(
        matches!(&chunks[chunks.len() - 4], ChatChunk::Finish { provider_fields, .. } if provider_fields.len() == 1)
    );
}

#[test]
fn blank_text_is_one_piece() {
    for blank in ["", " \n ", "\u{a0}"] {
        let answer = ChatAnswer {
            blocks: vec![AnswerBlock::Text(Text::new(blank))],
            ..ChatAnswer::default()
        };
        assert_eq!(replay(answer).len(), 2, "{blank:?}");
    }
}

#[test]
fn long_text_comes_in_a_bounded_number_of_pieces() {
    let answer = ChatAnswer {
        blocks: vec![AnswerBlock::Text(Text::new(&"a ".repeat(100_000)))],
        ..ChatAnswer::default()
    };
    assert!(replay(answer).len() <= MOST_PIECES + 2);
}

#[test]
fn stream_is_put_together_and_played_the_same_again() {
    let first = replay(full());
    let second = replay(assembled(&first).unwrap());
    assert_eq!(rendered(&second), rendered(&first));
}

#[test]
fn pieces_of_every_block_are_joined_even_in_turns() {
    let text = |block, text: &str| ChatChunk::Text {
        block,
        text: Text::new(text),
    };
    let input = |block, fragment: &str| ChatChunk::ToolInput {
        block,
        index: 0,
        fragment: Text::new(fragment),
    };
    let chunks = [
        text(0, "a \""),
        ChatChunk::ToolStart {
            block: 1,
            index: 0,
            id: Text::new("c"),
            name: Text::new("t"),
        },
        input(1, "{\"x\":"),
        text(0, "b\n"),
        input(1, " \"y\\n\"}"),
        ChatChunk::Finish {
            stop: StopReason::default(),
            provider_fields: Vec::new(),
        },
    ];
    let answer = assembled(&chunks).unwrap();
    assert!(matches!(&answer.blocks[0], AnswerBlock::Text(text) if text.decoded() == "a \"b\n"));
    assert!(
        matches!(&answer.blocks[1], AnswerBlock::ToolUse { input, .. } if input.get() == "{\"x\": \"y\\n\"}")
    );
}

#[test]
fn stream_that_is_not_whole_is_no_answer() {
    let chunks = replay(full());
    let finish = chunks
        .iter()
        .position(|chunk| matches!(chunk, ChatChunk::Finish { .. }))
        .unwrap();
    assert!(assembled(&chunks[..finish]).is_none());
    assert!(assembled(&[]).is_none());
    // Arguments that were cut off by a token limit are no JSON.
    let cut = [
        ChatChunk::ToolStart {
            block: 0,
            index: 0,
            id: Text::new("c"),
            name: Text::new("t"),
        },
        ChatChunk::ToolInput {
            block: 0,
            index: 0,
            fragment: Text::new("{\"x\":"),
        },
        chunks[finish].clone(),
    ];
    assert!(assembled(&cut).is_none());
}

#[test]
fn stream_that_is_too_long_is_given_up() {
    let text = Text::new(&"x".repeat(300_000));
    let mut chunks = vec![ChatChunk::Text { block: 0, text }; 3];
    let finish = ChatChunk::Finish {
        stop: StopReason::default(),
        provider_fields: Vec::new(),
    };
    chunks.push(finish.clone());
    assert!(assembled(&chunks).is_some());
    chunks.insert(0, chunks[0].clone());
    chunks.insert(0, chunks[0].clone());
    chunks.push(finish);
    assert!(assembled(&chunks).is_none());
}

proptest! {
    #[test]
    fn pieces_join_to_the_text(text in "[a-c \n\u{a0}\u{e9}\"\\\\]{0,60}", least in 0_usize..8) {
        prop_assert_eq!(words_of(&text, least).concat(), text.clone());
        let answer = ChatAnswer { blocks: vec![AnswerBlock::Text(Text::new(&text))], ..ChatAnswer::default() };
        let again = assembled(&replay(answer)).unwrap();
        let joined = match &again.blocks[0] {
            AnswerBlock::Text(text) => text.decoded().into_owned(),
            _ => String::new(),
        };
        prop_assert_eq!(joined, text);
    }
}
