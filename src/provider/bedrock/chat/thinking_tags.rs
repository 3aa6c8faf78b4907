//! Reasoning that a model writes into its text: `<think>…</think>` at the beginning of a block.
//!
//! [`TagReader`] splits such a block into reasoning and text, whole or piece by piece. It holds back no more than what may
//! turn out to be a tag; text that cannot be one, nearly all there is, goes through untouched.

use crate::canonical::Text;

/// Tags, with what ends each.
type Tags = &'static [(&'static str, &'static str)];

/// The tags that models write by Converse.
const TAGS: Tags = &[
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<budget:thinking>", "</budget:thinking>"),
];

/// A piece of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Text for the client.
    Text(Text),
    /// Reasoning.
    Thinking(Text),
}

/// Tags of models that write `<reasoning>` where the others write `<think>`.
const REASONING_TAGS: Tags = &[
    ("<reasoning>", "</reasoning>"),
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
];

/// Where in the block the reader is.
#[derive(Debug)]
enum State {
    /// At the beginning, with what may become a tag.
    Start(String),
    /// Behind the tag, with what may become `close`.
    Inside { close: &'static str, held: String },
    /// Behind the closing tag, before what is not white space.
    Gap,
    /// Past all tags.
    Plain,
}

/// How a model marks its reasoning.
#[derive(Debug, Clone, Copy)]
struct Manner {
    tags: Tags,
    /// What ends the reasoning of a model that begins with it, mostly without saying so.
    untagged_close: Option<&'static str>,
    /// Whether white space behind the reasoning belongs to the tag.
    trims: bool,
}

/// Splits one block of text into reasoning and text.
#[derive(Debug)]
pub(crate) struct TagReader {
    state: State,
    manner: Manner,
}

impl Default for TagReader {
    fn default() -> Self {
        Self::new(Manner {
            tags: TAGS,
            untagged_close: None,
            trims: false,
        })
    }
}

impl TagReader {
    fn new(manner: Manner) -> Self {
        Self {
            state: State::Start(String::new()),
            manner,
        }
    }

    /// Reads a model that may begin with `<reasoning>`; white space behind it is not part of the answer.
    pub(crate) fn of_reasoning() -> Self {
        Self::new(Manner {
            tags: REASONING_TAGS,
            untagged_close: None,
            trims: true,
        })
    }

    /// Reads a model whose prompt ends with `<think>`: it reasons until `</think>`, with or without the tag before.
    pub(crate) fn of_prompted_thinking() -> Self {
        Self::new(Manner {
            tags: TAGS,
            untagged_close: Some("</think>"),
            trims: true,
        })
    }

    /// Takes the next piece of the block and hands on what is certain.
    pub(crate) fn feed(&mut self, text: Text, mut out: impl FnMut(Piece)) {
        let is_tagged = self.manner.untagged_close.is_none();
        match &mut self.state {
            State::Plain => emit(Piece::Text(text), &mut out),
            State::Gap => self.skip_gap(&text.decoded(), &mut out),
            State::Start(held) if is_tagged && held.is_empty() && !may_begin_with_tag(&text) => {
                if !text.is_empty() {
                    self.state = State::Plain;
                }
                emit(Piece::Text(text), &mut out);
            }
            State::Inside { held, .. } if held.is_empty() && !may_hold_tag(&text) => {
                emit(Piece::Thinking(text), &mut out);
            }
            State::Start(held) => {
                held.push_str(&text.decoded());
                self.begin(&mut out);
            }
            State::Inside { held, .. } => {
                held.push_str(&text.decoded());
                self.look_for_end(&mut out);
            }
        }
    }

    /// Hands on what was held back; the block is over.
    pub(crate) fn finish(&mut self, mut out: impl FnMut(Piece)) {
        match std::mem::replace(&mut self.state, State::Plain) {
            State::Start(held) if self.manner.untagged_close.is_some() => {
                emit(Piece::Thinking(Text::new(&held)), &mut out);
            }
            State::Start(held) => emit(Piece::Text(Text::new(&held)), &mut out),
            State::Inside { held, .. } => emit(Piece::Thinking(Text::new(&held)), &mut out),
            State::Gap | State::Plain => {}
        }
    }

    fn begin(&mut self, out: &mut impl FnMut(Piece)) {
        let State::Start(held) = &self.state else {
            return;
        };
        for (open, close) in self.manner.tags {
            if let Some(inside) = held.strip_prefix(open) {
                let held = inside.to_owned();
                self.state = State::Inside { close, held };
                return self.look_for_end(out);
            }
        }
        let may_become_tag = |(open, _): &(&str, &str)| open.starts_with(held.as_str());
        if self.manner.tags.iter().any(may_become_tag) {
            return;
        }
        if let Some(close) = self.manner.untagged_close {
            let held = held.clone();
            self.state = State::Inside { close, held };
            return self.look_for_end(out);
        }
        let text = Text::new(held);
        self.state = State::Plain;
        emit(Piece::Text(text), out);
    }

    fn look_for_end(&mut self, out: &mut impl FnMut(Piece)) {
        let State::Inside { close, held } = &mut self.state else {
            return;
        };
        if let Some((thinking, text)) = held.split_once(*close) {
            let (thinking, text) = (Text::new(thinking), text.to_owned());
            emit(Piece::Thinking(thinking), out);
            if self.manner.trims {
                self.state = State::Gap;
                self.skip_gap(&text, out);
            } else {
                self.state = State::Plain;
                emit(Piece::Text(Text::new(&text)), out);
            }
            return;
        }
        let keep = partial_end(held, close);
        let rest = held.split_off(held.len() - keep);
        let thinking = std::mem::replace(held, rest);
        emit(Piece::Thinking(Text::new(&thinking)), out);
    }

    fn skip_gap(&mut self, text: &str, out: &mut impl FnMut(Piece)) {
        let text = text.trim_start();
        if !text.is_empty() {
            self.state = State::Plain;
            emit(Piece::Text(Text::new(text)), out);
        }
    }
}

fn emit(piece: Piece, out: &mut impl FnMut(Piece)) {
    let (Piece::Text(text) | Piece::Thinking(text)) = &piece;
    if !text.is_empty() {
        out(piece);
    }
}

/// Says whether `text` begins with `<`, or with an escape that may stand for it.
fn may_begin_with_tag(text: &Text) -> bool {
    matches!(text.bytes().get(1), Some(b'<' | b'\\'))
}

/// Says whether `text` has a `<`, or an escape that may stand for it.
fn may_hold_tag(text: &Text) -> bool {
    memchr::memchr2(b'<', b'\\', text.bytes()).is_some()
}

/// Returns how many bytes at the end of `text` may be the beginning of `tag`.
pub(crate) fn partial_end(text: &str, tag: &str) -> usize {
    let longest = tag.len().saturating_sub(1).min(text.len());
    (1..=longest)
        .rev()
        .find(|count| tag.get(..*count).is_some_and(|start| text.ends_with(start)))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reasoning and text of a block that comes in these pieces.
    fn read(pieces: &[&str]) -> (String, String) {
        read_by(TagReader::default(), pieces)
    }

    fn read_by(mut reader: TagReader, pieces: &[&str]) -> (String, String) {
        let (mut thinking, mut text) = (String::new(), String::new());
        let mut take = |piece: Piece| match piece {
            Piece::Text(piece) => text.push_str(&piece.decoded()),
            Piece::Thinking(piece) => thinking.push_str(&piece.decoded()),
        };
        for piece in pieces {
            reader.feed(Text::new(piece), &mut take);
        }
        reader.finish(&mut take);
        (thinking, text)
    }

    fn pair(thinking: &str, text: &str) -> (String, String) {
        (thinking.into(), text.into())
    }

    #[test]
    fn all_tags_are_known() {
        for tag in ["think", "thinking", "budget:thinking"] {
            assert_eq!(read(&[&format!("<{tag}>a\nb</{tag}>c")]), pair("a\nb", "c"));
        }
    }

    #[test]
    fn tags_are_read_however_they_are_cut() {
        let whole = "<thinking>a < b, </think> é</thinking>\n\nyes <think>";
        let expected = pair("a < b, </think> é", "\n\nyes <think>");
        let characters: Vec<String> = whole.chars().map(String::from).collect();
        let each: Vec<&str> = characters.iter().map(String::as_str).collect();
        assert_eq!(read(&each), expected);
        for (cut, _) in whole.char_indices() {
            let (first, second) = whole.split_at(cut);
            assert_eq!(read(&[first, second]), expected, "{cut}");
        }
    }

    #[test]
    fn prompted_thinking_needs_no_opening_tag() {
        let read = |pieces: &[&str]| read_by(TagReader::of_prompted_thinking(), pieces);
        for whole in [
            "hm</think>\n\n Yes </think>",
            "<think>hm</think>Yes </think>",
        ] {
            for (cut, _) in whole.char_indices() {
                let (first, second) = whole.split_at(cut);
                let expected = pair("hm", "Yes </think>");
                assert_eq!(read(&[first, second]), expected, "{whole} at {cut}");
            }
        }
        assert_eq!(read(&["<thi"]), pair("<thi", ""));
    }

    #[test]
    fn tags_count_only_at_the_beginning() {
        for text in [
            "a <think>b</think>",
            "<b>bold</b>",
            "<",
            "<thin",
            "",
            "\n<think>x</think>",
        ] {
            assert_eq!(read(&[text]), pair("", text));
        }
    }

    #[test]
    fn reasoning_without_an_end_stays_reasoning() {
        assert_eq!(
            read(&["<think>cut short </thi"]),
            pair("cut short </thi", "")
        );
    }

    #[test]
    fn text_that_cannot_be_a_tag_leaves_at_once_and_unchanged() {
        let mut reader = TagReader::default();
        for piece in ["hello", "<think>", "é"].map(Text::new) {
            let mut out = Vec::new();
            reader.feed(piece.clone(), |piece| out.push(piece));
            let [Piece::Text(text)] = out.as_slice() else {
                panic!("{out:?}")
            };
            assert_eq!(text.bytes().as_ptr(), piece.bytes().as_ptr());
        }
    }

    #[test]
    fn a_tag_behind_an_escape_is_seen() {
        let body = bytes::Bytes::from_static(br#""\u003cthink>a\u003c/think>b""#);
        let raw: &serde_json::value::RawValue = serde_json::from_slice(&body).unwrap();
        let mut out = Vec::new();
        TagReader::default().feed(Text::from_raw(&body, raw).unwrap(), |piece| out.push(piece));
        assert_eq!(
            out,
            [Piece::Thinking(Text::new("a")), Piece::Text(Text::new("b"))]
        );
    }
}
