//! Reasoning that a model writes into its text: `<think>…</think>` at the beginning of a block.
//!
//! [`TagReader`] splits such a block into reasoning and text, whole or piece by piece. It holds back no more than what may
//! turn out to be a tag; text that cannot be one, nearly all there is, goes through untouched.

use crate::canonical::Text;

/// The tags, with what ends them.
const TAGS: [(&str, &str); 3] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<budget:thinking>", "</budget:thinking>"),
];

/// A piece of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text for the client.
    Text(Text),
    /// Reasoning.
    Thinking(Text),
}

/// Where in the block the reader is.
#[derive(Debug)]
enum State {
    /// At the beginning, with what may become a tag.
    Start(String),
    /// Behind the tag, with what may become `close`.
    Inside { close: &'static str, held: String },
    /// Past all tags.
    Plain,
}

/// Splits one block of text into reasoning and text.
#[derive(Debug)]
pub(super) struct TagReader(State);

impl Default for TagReader {
    fn default() -> Self {
        Self(State::Start(String::new()))
    }
}

impl TagReader {
    /// Takes the next piece of the block and hands on what is certain.
    pub(super) fn feed(&mut self, text: Text, mut out: impl FnMut(Piece)) {
        match &mut self.0 {
            State::Plain => emit(Piece::Text(text), &mut out),
            State::Start(held) if held.is_empty() && !may_begin_with_tag(&text) => {
                if !text.is_empty() {
                    self.0 = State::Plain;
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
    pub(super) fn finish(&mut self, mut out: impl FnMut(Piece)) {
        match std::mem::replace(&mut self.0, State::Plain) {
            State::Start(held) => emit(Piece::Text(Text::new(&held)), &mut out),
            State::Inside { held, .. } => emit(Piece::Thinking(Text::new(&held)), &mut out),
            State::Plain => {}
        }
    }

    fn begin(&mut self, out: &mut impl FnMut(Piece)) {
        let State::Start(held) = &self.0 else { return };
        for (open, close) in TAGS {
            if let Some(inside) = held.strip_prefix(open) {
                let held = inside.to_owned();
                self.0 = State::Inside { close, held };
                return self.look_for_end(out);
            }
        }
        if !TAGS.iter().any(|(open, _)| open.starts_with(held.as_str())) {
            let text = Text::new(held);
            self.0 = State::Plain;
            emit(Piece::Text(text), out);
        }
    }

    fn look_for_end(&mut self, out: &mut impl FnMut(Piece)) {
        let State::Inside { close, held } = &mut self.0 else {
            return;
        };
        if let Some((thinking, text)) = held.split_once(*close) {
            let (thinking, text) = (Text::new(thinking), Text::new(text));
            self.0 = State::Plain;
            emit(Piece::Thinking(thinking), out);
            emit(Piece::Text(text), out);
            return;
        }
        let keep = partial_end(held, close);
        let rest = held.split_off(held.len() - keep);
        let thinking = std::mem::replace(held, rest);
        emit(Piece::Thinking(Text::new(&thinking)), out);
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
fn partial_end(text: &str, tag: &str) -> usize {
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
        let mut reader = TagReader::default();
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
