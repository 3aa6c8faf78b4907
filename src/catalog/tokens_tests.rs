use proptest::prelude::*;

use super::*;
use crate::canonical::{Part, RawJson, Tool};

fn said(text: &str) -> ChatRequest {
    ChatRequest {
        messages: vec![Message {
            content: Content::Text(Text::new(text)),
            ..Message::default()
        }],
        ..ChatRequest::default()
    }
}

#[test]
fn english_is_about_four_characters_a_token() {
    let text =
        "The quick brown fox jumps over the lazy dog, while nobody is looking at it. ".repeat(50);
    for tokenizer in [
        Tokenizer::Claude,
        Tokenizer::Nova,
        Tokenizer::Llama,
        Tokenizer::Mistral,
    ] {
        let tokens = estimate(&said(&text), tokenizer);
        let per_token = text.len() as u64 * 10 / tokens;
        assert!((32..=48).contains(&per_token), "{tokenizer:?}: {per_token}");
    }
}

#[test]
fn written_form_does_not_matter() {
    let plain = estimate(&said("a\n\"b\" é"), Tokenizer::Claude);
    let mut escaped = said("");
    let raw: Box<serde_json::value::RawValue> =
        serde_json::from_str(r#""a\n\"b\" \u00e9""#).unwrap();
    let text = Text::from_raw(&bytes::Bytes::new(), &raw).unwrap();
    escaped.messages[0].content = Content::Text(text);
    assert_eq!(estimate(&escaped, Tokenizer::Claude), plain);
}

#[test]
fn what_is_no_word_counts_by_its_letters() {
    let base64 = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9w".repeat(20);
    let tokens = estimate(&said(&base64), Tokenizer::Llama);
    assert!(tokens > base64.len() as u64 / 4, "{tokens}");
}

#[test]
fn images_documents_and_tools_count() {
    let media = |kind| Media {
        kind,
        source: MediaSource::Url("https://example.com/x".to_owned()),
        format: None,
        mime: None,
        filename: None,
        title: None,
        context: None,
        citations: false,
        detail: None,
        fetched_from: None,
    };
    let mut request = said("");
    let parts = [MediaKind::Image, MediaKind::Document].map(|kind| Part {
        kind: PartKind::Media(Box::new(media(kind))),
        cache: None,
    });
    request.messages[0].content = Content::Parts(parts.into());
    let without = estimate(&request, Tokenizer::Claude);
    assert_eq!(without, 5 + 1_600 + 3_000);
    request.params.tools = vec![Tool(RawJson::from_value("x"))];
    assert!(estimate(&request, Tokenizer::Claude) > without + 346);
}

#[test]
fn runs_of_spaces_are_one_gap() {
    let mut size = Size::default();
    size.add_json("a b     c");
    assert_eq!((size.words, size.gaps), (3, 1));
}

proptest! {
    #[test]
    fn any_text_is_counted_and_more_text_is_not_less(text: String, more: String) {
        for tokenizer in [Tokenizer::Claude, Tokenizer::Llama, Tokenizer::Other] {
            let less = estimate(&said(&text), tokenizer);
            let both = format!("{text} . {more}");
            prop_assert!(estimate(&said(&both), tokenizer) >= less);
        }
    }

    #[test]
    fn broken_escapes_do_no_harm(written in "[\\\\u0-9a-fn\"é]{0,24}") {
        Size::default().add_json(&written);
    }
}
