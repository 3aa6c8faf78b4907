//! Converse's citations in Anthropic's words.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Citation.html>,
//! <https://docs.anthropic.com/en/docs/build-with-claude/citations>.

use serde_json::{Map, Value, json};

use crate::canonical::{RawJson, write_value};

/// Appends the citations of a block (`citationsContent`) as a JSON list.
pub(super) fn write_all(block: &RawJson, out: &mut Vec<u8>) {
    let block = block.to_value();
    let given = block.get("citations").and_then(Value::as_array);
    let list = given.into_iter().flatten().filter_map(citation).collect();
    write_value(&Value::Array(list), out);
}

/// Returns one citation; `None` for one that points nowhere that Anthropic has a word for.
pub(super) fn one(raw: &RawJson) -> Option<Value> {
    citation(&raw.to_value())
}

fn citation(given: &Value) -> Option<Value> {
    let Value::Object(location) = given.get("location")? else {
        return None;
    };
    let (kind, place) = location.iter().next()?;
    let mut out = Map::new();
    let mut put = |name: &str, value: Option<&Value>| {
        let value = value.cloned().unwrap_or(Value::Null);
        out.insert(name.to_owned(), value);
    };
    let (kind, title, index, ends) = match kind.as_str() {
        "documentChar" => ("char_location", "document_title", "documentIndex", "char"),
        "documentPage" => ("page_location", "document_title", "documentIndex", "page"),
        "documentChunk" => (
            "content_block_location",
            "document_title",
            "documentIndex",
            "block",
        ),
        "searchResultLocation" => (
            "search_result_location",
            "title",
            "searchResultIndex",
            "block",
        ),
        "web" => {
            put("type", Some(&json!("web_search_result_location")));
            put("url", place.get("url"));
            put("title", given.get("title"));
            put("encrypted_index", Some(&json!("")));
            put("cited_text", Some(&json!(cited(given))));
            return Some(Value::Object(out));
        }
        _ => return None,
    };
    put("type", Some(&json!(kind)));
    put("cited_text", Some(&json!(cited(given))));
    let name = if index == "searchResultIndex" {
        put("source", given.get("source"));
        "search_result_index"
    } else {
        "document_index"
    };
    put(name, place.get(index));
    put(title, given.get("title"));
    let (start, end) = match ends {
        "char" => ("start_char_index", "end_char_index"),
        "page" => ("start_page_number", "end_page_number"),
        _ => ("start_block_index", "end_block_index"),
    };
    put(start, place.get("start"));
    put(end, place.get("end"));
    Some(Value::Object(out))
}

/// Puts the cited text together.
fn cited(given: &Value) -> String {
    let content = given.get("sourceContent").and_then(Value::as_array);
    let pieces = content.into_iter().flatten();
    pieces
        .filter_map(|piece| piece.get("text")?.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_named_in_anthropics_words() {
        let given = json!({"title": "T", "sourceContent": [{"text": "a"}, {"text": "b"}],
            "location": {"documentPage": {"documentIndex": 1, "start": 2, "end": 3}}});
        let expected = json!({"type": "page_location", "cited_text": "ab", "document_index": 1, "document_title": "T",
            "start_page_number": 2, "end_page_number": 3});
        assert_eq!(one(&RawJson::from_value(&given)), Some(expected));
        let given = json!({"title": "T", "source": "s",
            "location": {"searchResultLocation": {"searchResultIndex": 0, "start": 0, "end": 1}}});
        let expected = json!({"type": "search_result_location", "cited_text": "", "source": "s",
            "search_result_index": 0, "title": "T", "start_block_index": 0, "end_block_index": 1});
        assert_eq!(one(&RawJson::from_value(&given)), Some(expected));
        assert_eq!(one(&RawJson::from_value(&json!({"title": "T"}))), None);
    }
}
