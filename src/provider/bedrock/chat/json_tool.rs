//! The answer that came as a call of the stand-in tool for a JSON schema.
//!
//! On models without structured answers of their own the schema is sent as the parameters of a tool, and the arguments of
//! its call are the answer. Two shapes are unwrapped: models like to put the object under a single key `properties`, as
//! they saw it in the schema, and a schema that is not an object was sent under the key `value`.
//!
//! In a stream the arguments leave as they come. Only what may turn out to be wrapped is held back, and of a `value` only
//! the wrapping.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::context::JsonTool;
use crate::canonical::Text;

/// Returns the answer that a whole call has as its arguments.
pub(crate) fn unwrap(arguments: &str, tool: JsonTool) -> &str {
    let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(arguments) else {
        return arguments;
    };
    let inner = if tool.wrapped {
        members.get("value")
    } else if members.len() == 1 {
        let values = members.get("values").filter(|_| tool.may_be_values);
        members.get("properties").or(values)
    } else {
        None
    };
    inner.map_or(arguments, |value| value.get())
}

/// Unwraps arguments that come in pieces.
#[derive(Debug)]
pub(crate) struct JsonStream {
    tool: JsonTool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// What came may still be the beginning of a wrapped answer.
    Prefix(String),
    /// The answer is wrapped in a way that shows only at its end.
    Hold(String),
    /// Within the value of `value`.
    Value(ValueEnd),
    /// Nothing to unwrap.
    Pass,
    /// Behind the value of `value`.
    Done,
}

impl JsonStream {
    /// Makes the reader of one call's arguments.
    pub(crate) fn new(tool: JsonTool) -> Self {
        let state = State::Prefix(String::new());
        Self { tool, state }
    }

    /// Takes a piece of the arguments and returns what of the answer is certain.
    pub(crate) fn feed(&mut self, fragment: Text) -> Option<Text> {
        match &mut self.state {
            State::Pass => Some(fragment).filter(|fragment| !fragment.is_empty()),
            State::Done => None,
            State::Hold(held) => {
                held.push_str(&fragment.decoded());
                None
            }
            State::Value(_) => self.value(&fragment.decoded()),
            State::Prefix(held) => {
                held.push_str(&fragment.decoded());
                let held = std::mem::take(held);
                self.decide(held)
            }
        }
    }

    /// Returns what was held back; the call is over.
    pub(crate) fn finish(&mut self) -> Option<Text> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Prefix(held) | State::Hold(held) if !held.is_empty() => {
                Some(Text::new(unwrap(&held, self.tool)))
            }
            _ => None,
        }
    }

    fn decide(&mut self, held: String) -> Option<Text> {
        let found = match (self.tool.wrapped, self.tool.may_be_values) {
            (true, _) => match_key(&held, "value"),
            (false, true) => match_key(&held, "properties").or(match_key(&held, "values")),
            (false, false) => match_key(&held, "properties"),
        };
        match found {
            KeyMatch::Partial => {
                self.state = State::Prefix(held);
                None
            }
            KeyMatch::Value(start) if self.tool.wrapped => {
                self.state = State::Value(ValueEnd::default());
                self.value(held.get(start..).unwrap_or_default())
            }
            // Whether `properties` is the only key shows at the end; so does where `value` is if it is not the first.
            KeyMatch::Value(_) => {
                self.state = State::Hold(held);
                None
            }
            KeyMatch::Other if self.tool.wrapped => {
                self.state = State::Hold(held);
                None
            }
            KeyMatch::Other => {
                self.state = State::Pass;
                Some(Text::new(&held))
            }
        }
    }

    fn value(&mut self, piece: &str) -> Option<Text> {
        let State::Value(end) = &mut self.state else {
            return None;
        };
        let piece = match end.find(piece) {
            None => piece,
            Some(at) => {
                self.state = State::Done;
                piece.get(..at).unwrap_or_default()
            }
        };
        (!piece.is_empty()).then(|| Text::new(piece))
    }
}

/// How a text compares with `{"key":`.
#[derive(Debug, PartialEq, Eq)]
enum KeyMatch {
    /// It may become that.
    Partial,
    /// It begins with that; the value is at this place.
    Value(usize),
    /// It is something else.
    Other,
}

impl KeyMatch {
    /// Returns what is known of two keys, of which at most one is there.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Value(at), _) | (_, Self::Value(at)) => Self::Value(at),
            (Self::Partial, _) | (_, Self::Partial) => Self::Partial,
            (Self::Other, Self::Other) => Self::Other,
        }
    }
}

/// Compares `text` with `{"key":`, with white space between as JSON allows it.
fn match_key(text: &str, key: &str) -> KeyMatch {
    let quoted = format!("\"{key}\"");
    let mut left = text.trim_start();
    for token in ["{", quoted.as_str(), ":"] {
        if left.len() < token.len() && token.starts_with(left) {
            return KeyMatch::Partial;
        }
        let Some(after) = left.strip_prefix(token) else {
            return KeyMatch::Other;
        };
        left = after.trim_start();
    }
    if left.is_empty() {
        return KeyMatch::Partial;
    }
    KeyMatch::Value(text.len() - left.len())
}

/// Finds where a JSON value ends that comes in pieces.
#[derive(Debug, Default)]
struct ValueEnd {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl ValueEnd {
    /// Returns how many bytes of `piece` still belong to the value; `None` when all do and more may come.
    fn find(&mut self, piece: &str) -> Option<usize> {
        for (at, byte) in piece.bytes().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                if !self.in_string && self.depth == 0 {
                    return Some(at + 1);
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' | b',' if self.depth == 0 => return Some(at),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: JsonTool = JsonTool {
        wrapped: false,
        may_be_values: false,
    };
    const WRAPPED: JsonTool = JsonTool {
        wrapped: true,
        may_be_values: false,
    };
    const VALUES: JsonTool = JsonTool {
        wrapped: false,
        may_be_values: true,
    };

    fn stream(pieces: &[&str], tool: JsonTool) -> String {
        let mut reader = JsonStream::new(tool);
        let mut out = String::new();
        for piece in pieces {
            if let Some(text) = reader.feed(Text::new(piece)) {
                out.push_str(&text.decoded());
            }
        }
        if let Some(text) = reader.finish() {
            out.push_str(&text.decoded());
        }
        out
    }

    const CASES: [(&str, JsonTool, &str); 18] = [
        (r#"{"values": {"a": 1}}"#, VALUES, r#"{"a": 1}"#),
        (r#"{"values": {"a": 1}}"#, PLAIN, r#"{"values": {"a": 1}}"#),
        (r#"{"valued": 1}"#, VALUES, r#"{"valued": 1}"#),
        (r#"{"a": 1}"#, PLAIN, r#"{"a": 1}"#),
        (r#"{"properties": {"a": 1}}"#, PLAIN, r#"{"a": 1}"#),
        (r#" { "properties" : [1] } "#, PLAIN, "[1]"),
        (
            r#"{"properties": 1, "b": 2}"#,
            PLAIN,
            r#"{"properties": 1, "b": 2}"#,
        ),
        (r#"{"property": 1}"#, PLAIN, r#"{"property": 1}"#),
        ("{}", PLAIN, "{}"),
        ("", PLAIN, ""),
        (r#"{"proper"#, PLAIN, r#"{"proper"#),
        (r#"{"value": 1}"#, PLAIN, r#"{"value": 1}"#),
        (
            r#"{"value": [1, "]", {"a": []}]}"#,
            WRAPPED,
            r#"[1, "]", {"a": []}]"#,
        ),
        (r#"{"value":"a\"}"}"#, WRAPPED, r#""a\"}""#),
        (r#"{"value":12}"#, WRAPPED, "12"),
        (r#"{"value":true,"x":1}"#, WRAPPED, "true"),
        (r#"{"x":1,"value":"é"}"#, WRAPPED, r#""é""#),
        ("[1]", WRAPPED, "[1]"),
    ];

    #[test]
    fn whole_arguments_are_unwrapped() {
        for (arguments, tool, expected) in CASES {
            assert_eq!(unwrap(arguments, tool), expected, "{arguments}");
        }
    }

    #[test]
    fn streamed_arguments_are_unwrapped_however_they_are_cut() {
        for (arguments, tool, expected) in CASES {
            let each: Vec<String> = arguments.chars().map(String::from).collect();
            let each: Vec<&str> = each.iter().map(String::as_str).collect();
            assert_eq!(stream(&each, tool), expected, "{arguments}");
            for (cut, _) in arguments.char_indices() {
                let (first, second) = arguments.split_at(cut);
                assert_eq!(
                    stream(&[first, second], tool),
                    expected,
                    "{arguments} at {cut}"
                );
            }
        }
    }

    #[test]
    fn arguments_leave_as_soon_as_they_cannot_be_wrapped() {
        let mut reader = JsonStream::new(PLAIN);
        assert_eq!(reader.feed(Text::new(r#"{"pro"#)), None);
        assert_eq!(
            reader.feed(Text::new("jects")),
            Some(Text::new(r#"{"projects"#))
        );
        let piece = Text::new(r#"": 1"#);
        let passed = reader.feed(piece.clone()).unwrap();
        assert_eq!(passed.bytes().as_ptr(), piece.bytes().as_ptr());
    }

    #[test]
    fn a_wrapped_list_leaves_as_it_comes() {
        let mut reader = JsonStream::new(WRAPPED);
        assert_eq!(
            reader.feed(Text::new(r#"{"value": [1"#)),
            Some(Text::new("[1"))
        );
        assert_eq!(reader.feed(Text::new(", 2]}")), Some(Text::new(", 2]")));
        assert_eq!(reader.finish(), None);
    }
}
