use proptest::prelude::*;

use super::*;

fn raw(json: &str) -> RawJson {
    serde_json::from_str(json).unwrap()
}

fn stored(answer: ChatAnswer) -> Stored {
    Stored {
        answer,
        id: "chatcmpl-1".to_owned(),
        created: 1_700_000_000,
        stored_ms: 1_700_000_000_123,
        expires_ms: Some(1_700_000_600_123),
    }
}

fn full() -> ChatAnswer {
    ChatAnswer {
        blocks: vec![
            AnswerBlock::Thinking {
                text: Text::new("hm"),
                signature: Some(Text::new("sig")),
            },
            AnswerBlock::Thinking {
                text: Text::new(""),
                signature: None,
            },
            AnswerBlock::Redacted(Text::new("cmVk")),
            AnswerBlock::Text(serde_json::from_str(r#""as \u00e9 written\n""#).unwrap()),
            AnswerBlock::ToolUse {
                id: Text::new("call_1"),
                name: Text::new("look"),
                input: raw(r#"{"b": 1.0, "a": [1,  2]}"#),
            },
            AnswerBlock::Citations {
                text: Text::new("cited"),
                raw: raw(r#"{"content":[],"citations":[{"title":"t"}]}"#),
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
            input_tokens: 1,
            output_tokens: 2,
            total_tokens: Some(3),
            cache_read_tokens: 4,
            cache_write_tokens: 5,
            cache_write_5m_tokens: Some(6),
            cache_write_1h_tokens: None,
            reasoning_tokens: Some(0),
        }),
        trace: Some(raw("null")),
        service_tier: Some("priority".to_owned()),
        provider_fields: vec![
            ("a \"name\"".to_owned(), raw("[1, 2]")),
            ("null".to_owned(), raw("null")),
        ],
        details: vec![("metrics".to_owned(), raw(r#"{"latencyMs": 5}"#))],
        native: None,
    }
}

/// Everything of an answer, texts in their written form.
fn spelled(answer: &ChatAnswer) -> String {
    let blocks: Vec<String> = answer
        .blocks
        .iter()
        .map(|block| match block {
            AnswerBlock::Text(text) => format!("text {}", text.raw()),
            AnswerBlock::Thinking { text, signature } => {
                format!(
                    "thinking {} {:?}",
                    text.raw(),
                    signature.as_ref().map(Text::raw)
                )
            }
            AnswerBlock::Redacted(data) => format!("redacted {}", data.raw()),
            AnswerBlock::ToolUse { id, name, input } => {
                format!("tool {} {} {}", id.raw(), name.raw(), input.get())
            }
            AnswerBlock::Citations { text, raw } => format!("cited {} {}", text.raw(), raw.get()),
            AnswerBlock::Image { format, base64 } => format!("image {format} {}", base64.raw()),
        })
        .collect();
    let members = |members: &[(String, RawJson)]| -> Vec<String> {
        members
            .iter()
            .map(|(name, value)| format!("{name}={}", value.get()))
            .collect()
    };
    format!(
        "{blocks:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        answer.stop,
        answer.usage,
        answer.trace.as_ref().map(RawJson::get),
        answer.service_tier,
        members(&answer.provider_fields),
        members(&answer.details)
    )
}

#[test]
fn answer_comes_back_as_it_was() {
    let before = stored(full());
    let after = decode(&encode(&before).unwrap()).unwrap();
    assert_eq!(spelled(&after.answer), spelled(&before.answer));
    assert_eq!((after.id, after.created), (before.id, before.created));
    assert_eq!(
        (after.stored_ms, after.expires_ms),
        (before.stored_ms, before.expires_ms)
    );
    let nothing = stored(ChatAnswer::default());
    let after = decode(&encode(&nothing).unwrap()).unwrap();
    assert_eq!(spelled(&after.answer), spelled(&nothing.answer));
}

#[test]
fn what_only_one_format_can_say_is_not_kept() {
    let own = |is_alone| ChatAnswer {
        native: Some(crate::canonical::Native {
            format: crate::canonical::NativeFormat::Messages,
            body: raw("{}"),
            is_alone,
        }),
        ..full()
    };
    assert!(encode(&stored(own(true))).is_none());
    assert!(encode(&stored(own(false))).is_some());
}

#[test]
fn texts_are_slices_of_what_was_kept() {
    let kept = encode(&stored(full())).unwrap();
    let answer = decode(&kept).unwrap().answer;
    let within = kept.as_ptr() as usize..kept.as_ptr() as usize + kept.len();
    assert!(
        matches!(&answer.blocks[3], AnswerBlock::Text(text) if within.contains(&(text.bytes().as_ptr() as usize)))
    );
}

#[test]
fn what_is_no_answer_of_this_version_is_none() {
    let kept = encode(&stored(full())).unwrap();
    let text = std::str::from_utf8(&kept).unwrap();
    for wrong in [
        text.replace("\"v\":1", "\"v\":2"),
        text.replace("\"tool_calls\"", "\"unheard_of\""),
        text.replace("\"hm\"", "5"),
        text.strip_suffix('}').unwrap().to_owned(),
        "[]".to_owned(),
        String::new(),
    ] {
        assert!(decode(&Bytes::from(wrong.clone())).is_none(), "{wrong}");
    }
    assert!(decode(&Bytes::from_static(b"\xff\xfe")).is_none());
}

#[test]
fn freshness_is_by_age_and_expiry() {
    let stored = stored(full());
    let at = |after_ms: u64, max_age: Option<u64>| {
        stored.is_fresh(
            stored.stored_ms + after_ms,
            max_age.map(Duration::from_secs),
        )
    };
    assert!(at(599_999, None) && !at(600_000, None));
    assert!(at(4999, Some(5)) && !at(5000, Some(5)));
    assert!(!at(0, Some(0)));
    assert!(stored.is_fresh(0, Some(Duration::from_secs(1))));
}

#[test]
fn emptiness_is_having_nothing_to_show() {
    let text = |text: &str| AnswerBlock::Text(Text::new(text));
    let with = |blocks| ChatAnswer {
        blocks,
        ..ChatAnswer::default()
    };
    assert!(is_empty(&with(vec![])) && is_empty(&with(vec![text(""), text("")])));
    assert!(!is_empty(&with(vec![text(" ")])) && !is_empty(&full()));
}

proptest! {
    #[test]
    fn any_text_comes_back(text in any::<String>(), id in any::<String>(), reason in 0_usize..4) {
        let mut answer = full();
        answer.blocks.push(AnswerBlock::Text(Text::new(&text)));
        answer.stop.finish_reason = ["stop", "length", "tool_calls", "content_filter"][reason];
        answer.stop.raw.clone_from(&text);
        let before = Stored { id, ..stored(answer) };
        let after = decode(&encode(&before).unwrap()).unwrap();
        prop_assert_eq!(spelled(&after.answer), spelled(&before.answer));
        prop_assert_eq!(after.id, before.id);
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in any::<Vec<u8>>()) {
        prop_assert!(decode(&Bytes::from(bytes)).is_none());
    }
}
