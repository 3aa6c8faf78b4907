//! OpenAI's encoding `cl100k_base`, in the direction from tokens to text.
//!
//! Clients that were written for OpenAI cut text into tokens themselves and send their numbers; Bedrock's models take
//! text. The table (`cl100k.bin`) holds the bytes of every token, in the order of their numbers, each behind its length in
//! one byte. It is made from `cl100k_base.tiktoken` of <https://github.com/openai/tiktoken> (MIT licence).

use std::sync::LazyLock;

/// The bytes of every token, each behind its length.
static TABLE: &[u8] = include_bytes!("cl100k.bin");

/// Where each token begins in the table; found once, when the first token is asked for.
static PLACES: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let mut places = Vec::with_capacity(100_256);
    let mut place = 0_usize;
    while let Some(length) = TABLE.get(place) {
        places.push(u32::try_from(place).unwrap_or(u32::MAX));
        place += 1 + usize::from(*length);
    }
    places
});

/// Tokens that stand for no text of their own.
const SPECIAL: [(u64, &str); 5] = [
    (100_257, "<|endoftext|>"),
    (100_258, "<|fim_prefix|>"),
    (100_259, "<|fim_middle|>"),
    (100_260, "<|fim_suffix|>"),
    (100_276, "<|endofprompt|>"),
];

fn bytes_of(token: u64) -> Option<&'static [u8]> {
    if let Some((_, text)) = SPECIAL.iter().find(|(special, _)| *special == token) {
        return Some(text.as_bytes());
    }
    let place = *PLACES.get(usize::try_from(token).ok()?)?;
    let place = usize::try_from(place).ok()?;
    let length = usize::from(*TABLE.get(place)?);
    TABLE.get(place + 1..place + 1 + length)
}

/// Returns the text that `tokens` stand for; what is not Unicode becomes replacement characters.
///
/// # Errors
///
/// The position of the first number that is no token.
pub fn text_of(tokens: &[u64]) -> Result<String, usize> {
    let mut out = Vec::with_capacity(tokens.len() * 4);
    for (index, token) in tokens.iter().enumerate() {
        out.extend_from_slice(bytes_of(*token).ok_or(index)?);
    }
    Ok(match String::from_utf8(out) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_token() {
        assert_eq!(PLACES.len(), 100_256);
        assert_eq!(bytes_of(0), Some(&b"!"[..]));
        assert_eq!(bytes_of(100_255), Some(&b" Conveyor"[..]));
        assert_eq!(bytes_of(100_256), None);
    }

    #[test]
    fn tokens_become_the_text_they_were_cut_from() {
        assert_eq!(text_of(&[15_339, 1917]).unwrap(), "hello world");
        assert_eq!(text_of(&[9906, 100_257]).unwrap(), "Hello<|endoftext|>");
        assert_eq!(text_of(&[]).unwrap(), "");
    }

    #[test]
    fn the_first_number_that_is_no_token_is_named() {
        assert_eq!(text_of(&[1, 100_300]), Err(1));
        assert_eq!(text_of(&[u64::MAX]), Err(0));
    }
}
