//! Markers in a text: `[[sim:name]]`, `[[sim:name=argument]]`. What they mean is for whoever asks.

use memchr::memmem;

const OPENING: &str = "[[sim:";
const CLOSING: &str = "]]";

/// One `[[sim:…]]` in a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Marker<'a> {
    /// Everything between `sim:` and the brackets.
    pub(super) whole: &'a str,
    pub(super) name: &'a str,
    pub(super) argument: &'a str,
}

impl<'a> Marker<'a> {
    /// Finds the markers of a text, in order.
    pub(super) fn all(text: &'a str) -> impl Iterator<Item = Marker<'a>> {
        let mut rest = text;
        std::iter::from_fn(move || {
            let start = memmem::find(rest.as_bytes(), OPENING.as_bytes())? + OPENING.len();
            let inner = rest.get(start..)?;
            let length = end_of_marker(inner)?;
            rest = inner.get(length..)?;
            let whole = inner.get(..length)?;
            let (name, argument) = split(whole);
            Some(Marker {
                whole,
                name,
                argument,
            })
        })
    }

    /// Returns the text without its markers.
    pub(super) fn strip(text: &str) -> String {
        let mut kept = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(OPENING) {
            let inner = rest.get(start + OPENING.len()..).unwrap_or_default();
            let Some(length) = end_of_marker(inner) else {
                break;
            };
            kept.push_str(rest.get(..start).unwrap_or_default());
            rest = inner.get(length + CLOSING.len()..).unwrap_or_default();
        }
        kept.push_str(rest);
        kept
    }
}

/// Splits `name`, `name=argument`, `name argument` or `name:argument`.
pub(super) fn split(item: &str) -> (&str, &str) {
    let (name, argument) = item.split_once(['=', ' ', ':']).unwrap_or((item, ""));
    (name.trim(), argument.trim())
}

/// Finds the brackets that close a marker: the first pair outside the brackets of its argument.
fn end_of_marker(inner: &str) -> Option<usize> {
    let bytes = inner.as_bytes();
    let mut depth = 0_usize;
    for (position, byte) in bytes.iter().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' if depth > 0 => depth -= 1,
            b']' if bytes.get(position + 1) == Some(&b']') => return Some(position),
            _ => {}
        }
    }
    // Brackets inside a JSON string need not pair up.
    inner.find(CLOSING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_found_with_their_arguments() {
        let markers: Vec<_> =
            Marker::all("a [[sim:tool=get {\"l\": [[1]]}]] b [[sim:throttle]] [[sim:open")
                .map(|m| (m.name, m.argument))
                .collect();
        assert_eq!(markers, [("tool", "get {\"l\": [[1]]}"), ("throttle", "")]);
        assert_eq!(Marker::strip("a [[sim:x]]b[[sim:y=1]]"), "a b");
        assert_eq!(Marker::strip("a [[sim:x"), "a [[sim:x");
    }
}
