use proptest::prelude::*;
use serde_json::{Map, Value as Json};

use super::*;

fn hash(json: &str) -> String {
    let raw: RawJson = serde_json::from_str(json).unwrap();
    let mut canon = Canon::new("test");
    raw.write(&mut canon);
    canon.hex()
}

fn hash_text(written: &str) -> String {
    let text: Text = serde_json::from_str(written).unwrap();
    let mut canon = Canon::new("test");
    text.write(&mut canon);
    canon.hex()
}

#[test]
fn order_and_white_space_do_not_count() {
    let one = hash(r#"{"a": 1, "b": [ {"x": true, "y": null} ], "c": {"d": {"f": "g", "e": 2}}}"#);
    let other =
        hash("{\"c\":{\"d\":{\"e\":2,\"f\":\"g\"}},\n\"b\":[{\"y\":null,\"x\":true}],\"a\":1}");
    assert_eq!(one, other);
    assert_ne!(hash("[1,2]"), hash("[2,1]"));
}

#[test]
fn escapes_do_not_count() {
    assert_eq!(
        hash_text(r#""\u00e9\/\n\ud83d\ude00""#),
        hash_text("\"é/\\u000A😀\"")
    );
    assert_eq!(hash(r#"{"\u0061":"\u0062"}"#), hash(r#"{"a":"b"}"#));
    assert_ne!(hash_text(r#""\\n""#), hash_text(r#""\n""#));
    assert_ne!(hash_text(r#""\ud83d""#), hash_text(r#""\ude00""#));
}

#[test]
fn strings_written_plain_or_as_json_are_the_same() {
    for value in ["", "plain", "\"quoted\" \\ and\nmore\u{1}", "é😀"] {
        let mut plain = Canon::new("test");
        value.write(&mut plain);
        let mut written = Canon::new("test");
        Text::new(value).write(&mut written);
        assert_eq!(plain.hex(), written.hex(), "{value:?}");
    }
}

#[test]
fn shapes_are_told_apart() {
    let shapes = [
        "1",
        "\"1\"",
        "[1]",
        "[[1]]",
        "{\"1\":1}",
        "{}",
        "[]",
        "null",
        "false",
        "\"\"",
        "[{}]",
        "[1,1]",
        "{\"a\":{}}",
        "{\"a\":[]}",
        "{\"a\":{\"b\":1},\"c\":1}",
        "{\"a\":{\"b\":1,\"c\":1}}",
        "1.0",
        "-1",
    ];
    let mut hashes: Vec<String> = shapes.iter().map(|shape| hash(shape)).collect();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), shapes.len());
}

#[test]
fn what_is_no_json_ends_all_the_same() {
    for broken in [
        "", "{", "[1", "{\"a\"", "{\"a\":", "\"", "\"\\", "}", "[}", "{1:2}", "[,]",
    ] {
        let mut walk = Walk { rest: broken };
        walk.value(&mut Canon::default(), 0);
    }
    let deep = "[".repeat(5000);
    assert!(
        Walk { rest: &deep }
            .value(&mut Canon::default(), 0)
            .is_none()
    );
}

#[test]
fn huge_object_is_taken_in_batches() {
    let members: Vec<String> = (0..25_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let one = hash(&format!("{{{}}}", members.join(",")));
    let other = hash(&format!("{{{}}}", members[1..].join(",")));
    assert_ne!(one, other);
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        "[a-c\"\\\\\n\u{e9}]{0,4}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec(("[a-c\n]{0,2}", inner), 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

/// The same value with every object's members the other way round.
fn reversed(value: &Json) -> Json {
    match value {
        Json::Array(list) => list.iter().map(reversed).collect(),
        Json::Object(members) => {
            let turned: Map<String, Json> = members
                .iter()
                .rev()
                .map(|(name, value)| (name.clone(), reversed(value)))
                .collect();
            Json::Object(turned)
        }
        leaf => leaf.clone(),
    }
}

proptest! {
    #[test]
    fn hashes_are_equal_exactly_when_values_are(one in json(), other in json()) {
        let hashes = (hash(&one.to_string()), hash(&other.to_string()));
        prop_assert_eq!(hashes.0 == hashes.1, one == other);
        prop_assert_eq!(hash(&reversed(&one).to_string()), hashes.0);
    }

    #[test]
    fn any_text_is_walked_to_its_end(text in "[\\[\\]{}:,\"\\\\a1u ]{0,40}") {
        Walk { rest: &text }.value(&mut Canon::default(), 0);
    }
}
