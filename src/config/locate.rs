//! Where in a file each value stands.
//!
//! `serde_yaml` drops positions, so a second, marked parser (saphyr-parser) reads the same text and yields a tree of
//! [`Mark`]s of the same shape. It runs first, because it does not expand aliases: what a file of nested anchors would
//! become is counted here, before anything is built from it.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::node::At;

/// Deepest nesting of a file.
pub(super) const MAX_DEPTH: usize = 64;

/// Most brackets that may be open at one place, in whatever they stand. Both parsers look at every open one for each
/// word, so thousands of them take minutes before anybody asks how deep they are nested.
pub(super) const MAX_OPEN: usize = 256;

/// Most values that a file may have once its aliases are expanded.
pub(super) const MAX_VALUES: u64 = 1_000_000;

/// The place of a value, and of what is in it.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) at: At,
    pub(super) kind: MarkKind,
}

/// What stands at a [`Mark`].
#[derive(Debug, Clone)]
pub(super) enum MarkKind {
    /// A scalar without quotes, as written.
    Plain(String),
    /// A scalar in quotes or as a block, as read.
    Quoted(String),
    List(Vec<Mark>),
    /// Keys and values; `<<` is still among them.
    Map(Vec<(Mark, Mark)>),
    /// Another place's value, by the anchor's number.
    Alias(usize),
}

/// The marks of a whole file.
#[derive(Debug)]
pub(super) struct Marks {
    pub(super) root: Option<Mark>,
    /// Where a second document begins, of which there should be none.
    pub(super) second_document: Option<At>,
    anchors: BTreeMap<usize, Mark>,
}

/// Why there are no marks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LocateError {
    /// The text is not YAML: where, and what the parser says.
    Syntax(At, String),
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep(At),
    /// More than [`MAX_OPEN`] brackets without their partners.
    TooManyOpen(At),
    /// More than [`MAX_VALUES`] once expanded.
    TooMany(At),
}

/// A list or mapping that is still open.
struct Open {
    at: At,
    anchor: usize,
    is_map: bool,
    children: Vec<Mark>,
    values: u64,
}

/// Reads the places of all values of `text`; `source` is the index that they carry.
pub(super) fn locate(text: &str, source: u32) -> Result<Marks, LocateError> {
    check_brackets(text, source)?;
    let mut builder = Builder {
        source,
        open: Vec::new(),
        marks: Marks {
            root: None,
            second_document: None,
            anchors: BTreeMap::new(),
        },
        sizes: BTreeMap::new(),
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        match next {
            Ok((Event::StreamEnd, _)) => break,
            Ok((event, span)) => builder.take(event, span)?,
            Err(error) => {
                let marker = *error.marker();
                let at = builder.at(Span::empty(marker));
                return Err(LocateError::Syntax(at, error.info().to_owned()));
            }
        }
    }
    Ok(builder.marks)
}

/// Counts open brackets in one pass. Those in texts and comments count too: what they are only a parser can tell, and no
/// text has that many.
fn check_brackets(text: &str, source: u32) -> Result<(), LocateError> {
    let mut open = 0_usize;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > MAX_OPEN {
            let before = text.get(..index).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before
                .rsplit('\n')
                .next()
                .unwrap_or_default()
                .chars()
                .count()
                + 1;
            return Err(LocateError::TooManyOpen(At {
                source,
                line: u32::try_from(line).unwrap_or(u32::MAX),
                column: u32::try_from(column).unwrap_or(u32::MAX),
            }));
        }
    }
    Ok(())
}

struct Builder {
    source: u32,
    open: Vec<Open>,
    marks: Marks,
    /// How many values each anchor stands for.
    sizes: BTreeMap<usize, u64>,
}

impl Builder {
    fn at(&self, span: Span) -> At {
        At {
            source: self.source,
            line: u32::try_from(span.start.line()).unwrap_or(u32::MAX),
            column: u32::try_from(span.start.col().saturating_add(1)).unwrap_or(u32::MAX),
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), LocateError> {
        let at = self.at(span);
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let kind = match style {
                    ScalarStyle::Plain => MarkKind::Plain(text.into_owned()),
                    _ => MarkKind::Quoted(text.into_owned()),
                };
                self.close(Mark { at, kind }, anchor, 1)
            }
            Event::Alias(anchor) => {
                let size = self.sizes.get(&anchor).copied().unwrap_or(1);
                let kind = MarkKind::Alias(anchor);
                self.close(Mark { at, kind }, 0, size)
            }
            Event::DocumentStart(_) => {
                if self.marks.root.is_some() {
                    self.marks.second_document.get_or_insert(at);
                }
                Ok(())
            }
            Event::SequenceStart(anchor, _) => self.begin(at, anchor, false),
            Event::MappingStart(anchor, _) => self.begin(at, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, at: At, anchor: usize, is_map: bool) -> Result<(), LocateError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(LocateError::TooDeep(at));
        }
        self.open.push(Open {
            at,
            anchor,
            is_map,
            children: Vec::new(),
            values: 1,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), LocateError> {
        let Some(done) = self.open.pop() else {
            return Ok(());
        };
        let kind = if done.is_map {
            let mut pairs = Vec::with_capacity(done.children.len() / 2);
            let mut children = done.children.into_iter();
            while let (Some(key), Some(value)) = (children.next(), children.next()) {
                pairs.push((key, value));
            }
            MarkKind::Map(pairs)
        } else {
            MarkKind::List(done.children)
        };
        let mark = Mark { at: done.at, kind };
        self.close(mark, done.anchor, done.values)
    }

    fn close(&mut self, mark: Mark, anchor: usize, size: u64) -> Result<(), LocateError> {
        let at = mark.at;
        if anchor != 0 {
            self.sizes.insert(anchor, size);
            self.marks.anchors.insert(anchor, mark.clone());
        }
        match self.open.last_mut() {
            Some(parent) => {
                parent.values = parent.values.saturating_add(size);
                if parent.values > MAX_VALUES {
                    return Err(LocateError::TooMany(at));
                }
                parent.children.push(mark);
            }
            None if self.marks.root.is_none() => self.marks.root = Some(mark),
            None => {}
        }
        Ok(())
    }
}

impl Marks {
    /// Follows an alias to the value that it stands for.
    pub(super) fn target<'a>(&'a self, mark: &'a Mark) -> &'a Mark {
        match &mark.kind {
            MarkKind::Alias(anchor) => self.anchors.get(anchor).unwrap_or(mark),
            _ => mark,
        }
    }

    /// Finds the places of a key and its value in a mapping; a key that `<<` brought in is found where it is written.
    ///
    /// `place` is where the key is looked for first.
    pub(super) fn member<'a>(
        &'a self,
        map: &'a Mark,
        key: &str,
        place: usize,
    ) -> Option<(At, &'a Mark)> {
        let MarkKind::Map(pairs) = &self.target(map).kind else {
            return None;
        };
        let is_it = |(name, _): &&(Mark, Mark)| name.scalar() == Some(key);
        let own = pairs.get(place).filter(is_it);
        if let Some((name, value)) = own.or_else(|| pairs.iter().find(is_it)) {
            return Some((name.at, value));
        }
        let (_, merged) = pairs.iter().find(|(name, _)| name.scalar() == Some("<<"))?;
        match &self.target(merged).kind {
            MarkKind::List(sources) => sources
                .iter()
                .find_map(|source| self.member(source, key, 0)),
            MarkKind::Map(_) => self.member(merged, key, 0),
            _ => None,
        }
    }
}

impl Mark {
    /// Returns the text, if this is a scalar.
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.kind {
            MarkKind::Plain(text) | MarkKind::Quoted(text) => Some(text),
            _ => None,
        }
    }
}
