//! Converse's citations as OpenAI's `url_citation` annotations: nested in chat completions, flat in Responses.
//!
//! A citation of a search result says which characters it is about; one of a web page is about the whole text it stands
//! with. Citations of documents have no address, and so no annotation: they are in `provider_specific_fields` only.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::number::number;
use crate::canonical::{RawJson, Text};

/// Where in the answer's content the cited text lies, in characters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// How an annotation is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Its members stand in `url_citation`.
    Nested,
    /// Its members stand beside the type.
    Flat,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Citation<'a> {
    #[serde(borrow)]
    title: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    location: Option<Location<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Location<'a> {
    search_result_location: Option<SearchResult>,
    #[serde(borrow)]
    web: Option<Web<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SearchResult {
    start: u64,
    end: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Web<'a> {
    #[serde(borrow)]
    url: Option<&'a RawValue>,
    #[serde(borrow)]
    domain: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CitationsContent<'a> {
    #[serde(borrow)]
    citations: Option<Vec<&'a RawValue>>,
}

/// Appends the annotations of a whole `citationsContent` block, each with a comma before it unless `out` ends with `[`.
pub(super) fn write_block(raw: &RawJson, span: Span, form: Form, out: &mut Vec<u8>) {
    let block: CitationsContent<'_> = raw.parse().unwrap_or_default();
    for citation in block.citations.into_iter().flatten() {
        write_one(citation.get(), span, form, out);
    }
}

/// Appends the annotation of one citation, if it has an address.
pub(super) fn write_one(raw: &str, span: Span, form: Form, out: &mut Vec<u8>) {
    let Ok(citation) = serde_json::from_str::<Citation<'_>>(raw) else {
        return;
    };
    let location = citation.location.unwrap_or_default();
    let (url, title, span) = if let Some(web) = location.web {
        (web.url, citation.title.or(web.domain), span)
    } else if let Some(found) = location.search_result_location {
        let start = span.start.saturating_add(found.start);
        let end = span.start.saturating_add(found.end);
        (citation.source, citation.title, Span { start, end })
    } else {
        return;
    };
    let Some(url) = url.filter(|url| url.get().starts_with('"')) else {
        return;
    };
    if out.last() != Some(&b'[') {
        out.push(b',');
    }
    out.extend_from_slice(br#"{"type":"url_citation","#);
    if form == Form::Nested {
        out.extend_from_slice(br#""url_citation":{"#);
    }
    number(out, r#""start_index":"#, span.start);
    number(out, r#","end_index":"#, span.end);
    let title = title.filter(|title| title.get().starts_with('"'));
    // Clients of the flat form expect a title.
    let title = title.or((form == Form::Flat).then_some(url));
    if let Some(title) = title {
        out.extend_from_slice(br#","title":"#);
        out.extend_from_slice(title.get().as_bytes());
    }
    out.extend_from_slice(br#","url":"#);
    out.extend_from_slice(url.get().as_bytes());
    out.extend_from_slice(if form == Form::Nested { b"}}" } else { b"}" });
}

/// Counts the characters that `text` stands for, without unescaping it.
pub(super) fn characters(text: &Text) -> u64 {
    let written = text.bytes();
    let bytes = written.get(1..written.len().saturating_sub(1));
    written_characters(bytes.unwrap_or_default())
}

/// Counts the characters that the written form of a string stands for; it comes without its quotes.
pub(super) fn written_characters(bytes: &[u8]) -> u64 {
    let mut count = begun(bytes);
    let mut left = bytes;
    while let Some(at) = memchr::memchr(b'\\', left) {
        let escape = left.get(at..).unwrap_or_default();
        let (length, meant) = match escape {
            // The second half of a pair was counted with the first.
            [_, b'u', b'd' | b'D', b'c'..=b'f' | b'C'..=b'F', ..] => (6, 0),
            [_, b'u', ..] => (6, 1),
            _ => (2, 1),
        };
        count = count + meant - begun(escape.get(..length).unwrap_or(escape));
        left = escape.get(length..).unwrap_or_default();
    }
    count
}

/// Counts the characters that begin in `bytes`.
fn begun(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| (**byte & 0xc0) != 0x80).count() as u64
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;

    fn written(citation: &Value) -> Value {
        written_as(citation, Form::Nested)
    }

    fn written_as(citation: &Value, form: Form) -> Value {
        let mut out = b"[".to_vec();
        let span = Span { start: 10, end: 20 };
        write_one(&citation.to_string(), span, form, &mut out);
        out.push(b']');
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn search_results_say_where_they_are_cited() {
        let citation = json!({
            "title": "T", "source": "https://x.example", "location": {"searchResultLocation": {"start": 1, "end": 4}},
        });
        let expected = json!([{"type": "url_citation", "url_citation": {
            "start_index": 11, "end_index": 14, "title": "T", "url": "https://x.example",
        }}]);
        assert_eq!(written(&citation), expected);
    }

    #[test]
    fn web_pages_are_cited_for_the_whole_text() {
        let citation =
            json!({"location": {"web": {"url": "https://x.example/a", "domain": "x.example"}}});
        let expected = json!([{"type": "url_citation", "url_citation": {
            "start_index": 10, "end_index": 20, "title": "x.example", "url": "https://x.example/a",
        }}]);
        assert_eq!(written(&citation), expected);
    }

    #[test]
    fn flat_annotations_always_have_a_title() {
        let citation = json!({"location": {"web": {"url": "https://x.example/a"}}});
        let expected = json!([{"type": "url_citation", "start_index": 10, "end_index": 20,
            "title": "https://x.example/a", "url": "https://x.example/a"}]);
        assert_eq!(written_as(&citation, Form::Flat), expected);
    }

    #[test]
    fn citations_without_an_address_have_no_annotation() {
        for citation in [
            json!({"title": "T", "location": {"documentChar": {"documentIndex": 0, "start": 1, "end": 2}}}),
            json!({"location": {"searchResultLocation": {"start": 1, "end": 4}}}),
            json!({"location": {"web": {"url": 3}}}),
            json!([]),
        ] {
            assert_eq!(written(&citation), json!([]));
        }
    }

    #[test]
    fn characters_are_counted_as_they_are_meant() {
        for written in [
            r#""""#,
            r#""abc""#,
            r#""a\nb\"\\""#,
            r#""é😀""#,
            r#""\u00e9\ud83d\ude00x""#,
            r#""a\tbé""#,
        ] {
            let body = Bytes::from_static(written.as_bytes());
            let text = Text::from_raw(&body, serde_json::from_slice(&body).unwrap()).unwrap();
            assert_eq!(
                characters(&text),
                text.decoded().chars().count() as u64,
                "{written}"
            );
        }
    }
}
