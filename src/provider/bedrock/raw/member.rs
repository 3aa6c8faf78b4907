//! One member of a JSON object that passes by in pieces.
//!
//! The answer is on its way to the client and is not held back; of all of it only the value of one member at the top is
//! kept, within a bound. What is no JSON object has no such member.

use memchr::memchr2;

/// Longest name that is compared.
const LONGEST_NAME: usize = 64;

/// Looks for a member of the object at the top.
#[derive(Debug)]
pub(super) struct Member {
    name: &'static str,
    most_bytes: usize,
    depth: u32,
    in_string: bool,
    is_escaped: bool,
    /// The name that is being read, at the top, before its colon.
    key: Vec<u8>,
    /// Whether the next string at the top is a name.
    expects_key: bool,
    /// Whether the value that passes by is the one that is looked for.
    is_kept: bool,
    value: Vec<u8>,
}

impl Member {
    /// Looks for `name`; a value of more than `most_bytes` is not kept.
    pub(super) fn named(name: &'static str, most_bytes: usize) -> Self {
        Self {
            name,
            most_bytes,
            depth: 0,
            in_string: false,
            is_escaped: false,
            key: Vec::new(),
            expects_key: false,
            is_kept: false,
            value: Vec::new(),
        }
    }

    /// Looks at the next piece.
    pub(super) fn read(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some((byte, after)) = rest.split_first() {
            // Most of an answer is text that nobody looks at here.
            if self.in_string && !self.is_escaped && !self.is_watched() {
                let Some(at) = memchr2(b'"', b'\\', rest) else {
                    return;
                };
                if at > 0 {
                    rest = rest.get(at..).unwrap_or_default();
                    continue;
                }
            }
            self.step(*byte);
            rest = after;
        }
    }

    /// Returns the value, where it has come whole.
    pub(super) fn value(&self) -> Option<&[u8]> {
        (!self.is_kept && !self.value.is_empty()).then_some(self.value.as_slice())
    }

    /// Whether each byte counts: of a name at the top, or of the value that is kept.
    fn is_watched(&self) -> bool {
        self.is_kept || (self.depth == 1 && self.expects_key)
    }

    fn step(&mut self, byte: u8) {
        if self.in_string {
            self.step_in_string(byte);
            return;
        }
        match byte {
            b'"' => {
                self.in_string = true;
                if self.depth == 1 && self.expects_key {
                    self.key.clear();
                }
            }
            b'{' | b'[' => {
                self.depth = self.depth.saturating_add(1);
                if self.depth == 1 {
                    self.expects_key = byte == b'{';
                    return;
                }
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.ends();
                    return;
                }
            }
            b':' if self.depth == 1 && self.expects_key => {
                self.expects_key = false;
                self.is_kept = self.key == self.name.as_bytes();
                if self.is_kept {
                    // The last of equal names counts, as for most readers of JSON.
                    self.value.clear();
                }
                return;
            }
            b',' if self.depth == 1 => {
                self.ends();
                self.expects_key = true;
                return;
            }
            _ => {}
        }
        self.keep(byte);
    }

    fn step_in_string(&mut self, byte: u8) {
        if self.is_escaped {
            self.is_escaped = false;
        } else if byte == b'\\' {
            self.is_escaped = true;
        } else if byte == b'"' {
            self.in_string = false;
            self.keep(byte);
            return;
        }
        if self.depth == 1 && self.expects_key && self.key.len() <= LONGEST_NAME {
            self.key.push(byte);
        }
        self.keep(byte);
    }

    fn keep(&mut self, byte: u8) {
        if !self.is_kept {
            return;
        }
        if self.value.len() < self.most_bytes {
            self.value.push(byte);
        } else {
            self.is_kept = false;
            self.value.clear();
        }
    }

    fn ends(&mut self) {
        self.is_kept = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn found(text: &str, cut: usize) -> Option<Value> {
        let mut member = Member::named("usage", 1000);
        let (first, second) = text.as_bytes().split_at(cut.min(text.len()));
        member.read(first);
        member.read(second);
        serde_json::from_slice(member.value()?).ok()
    }

    #[test]
    fn value_is_found_wherever_the_pieces_are_cut() {
        let text = r#" {"a": "\"usage\": {\"x\":1}", "b": {"usage": {"inner": true}}, "c": ["usage", {"usage": 2}],
            "usage" : {"inputTokens": 3, "q": "}\\\"{", "l": [1, 2]}, "d": "end"} "#;
        let expected: Value =
            serde_json::from_str(r#"{"inputTokens": 3, "q": "}\\\"{", "l": [1, 2]}"#).unwrap();
        for cut in 0..=text.len() {
            assert_eq!(found(text, cut), Some(expected.clone()), "{cut}");
        }
    }

    #[test]
    fn what_is_not_there_or_not_whole_is_not_found() {
        for text in [
            "",
            "[]",
            r#"["usage", 3]"#,
            r#"{"usages": 3}"#,
            r#"{"a": {"usage": 3}}"#,
            r#"{"usage": {"a": 3"#,
            "<html>usage</html>",
        ] {
            assert_eq!(found(text, 3), None, "{text}");
        }
        let long = format!(r#"{{"usage": "{}"}}"#, "x".repeat(2000));
        assert_eq!(found(&long, 5), None);
    }

    proptest! {
        #[test]
        fn any_object_gives_what_a_parser_gives(value in json(), name in "[a-z\"\\\\]{0,4}", cut in 0usize..400) {
            let object = serde_json::json!({"a": value.clone(), &name: 1, "usage": value.clone(), "z": [value.clone()]});
            let text = object.to_string();
            let short = value.to_string().len() < 1000;
            prop_assert_eq!(found(&text, cut), Some(value).filter(|_| short));
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z\"]{0,5}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }
}
