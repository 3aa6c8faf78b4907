//! Text that a client gives as the numbers of its tokens, in OpenAI's encoding.

use serde_json::value::RawValue;

use super::read::Node;
use crate::canonical::Text;
use crate::catalog::cl100k;
use crate::error::Result;

/// How many tokens a request may have, written as numbers: each may stand for many more bytes of text.
const MOST_TOKENS: usize = 1_000_000;

/// Reads a list of inputs, at most so many, each of which `one` reads or is the numbers of its tokens; a list of numbers
/// is one input.
pub(super) fn list_of<T: From<Text>>(
    node: &Node<'_, '_>,
    most: usize,
    one: impl Fn(&Node<'_, '_>) -> Result<T>,
) -> Result<Vec<T>> {
    let elements: Vec<&RawValue> =
        serde_json::from_str(node.raw.get()).map_err(|error| node.error(&error.to_string()))?;
    let Some(first) = elements.first() else {
        return Err(node.error("it must not be empty"));
    };
    let mut room = MOST_TOKENS;
    if is_token(first) {
        return Ok(vec![detokenized(node, &mut room)?.into()]);
    }
    node.list_up_to(most, |element| {
        if element.is_list() {
            detokenized(&element, &mut room).map(T::from)
        } else {
            one(&element)
        }
    })
}

/// Says whether an element of a list is a token's number.
fn is_token(element: &RawValue) -> bool {
    element.get().starts_with(|c: char| c.is_ascii_digit())
}

/// Reads the numbers of tokens into the text that they stand for; `room` is how many the request may still have.
fn detokenized(node: &Node<'_, '_>, room: &mut usize) -> Result<Text> {
    let tokens: Vec<u64> = serde_json::from_str(node.raw.get())
        .map_err(|_| node.error("expected a list of strings, or of the numbers of tokens"))?;
    if tokens.is_empty() {
        return Err(node.error("it must not be empty"));
    }
    *room = room
        .checked_sub(tokens.len())
        .ok_or_else(|| node.error(&format!("there are more than {MOST_TOKENS} tokens")))?;
    let text = cl100k::text_of(&tokens).map_err(|index| {
        node.path
            .index(index)
            .error("it is no token of the encoding cl100k_base")
    })?;
    Ok(Text::new(&text))
}
