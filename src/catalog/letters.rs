//! Kinds of characters, told by the byte or the JSON escape that begins them.

/// What a byte begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Lower,
    Upper,
    Digit,
    Mark,
    Line,
    Space,
    Two,
    Indic,
    Three,
    Four,
    /// Half of a pair of `\u` escapes that is one character of four bytes.
    Half,
    /// A byte inside a character.
    Inside,
}

impl Kind {
    pub(super) fn is_letter(self) -> bool {
        matches!(self, Self::Lower | Self::Upper)
    }

    const fn of(byte: u8) -> Self {
        match byte {
            b'a'..=b'z' => Self::Lower,
            b'A'..=b'Z' => Self::Upper,
            b'0'..=b'9' => Self::Digit,
            b'\n' | b'\r' => Self::Line,
            b' ' | b'\t' => Self::Space,
            0x80..=0xBF => Self::Inside,
            0xC0..=0xDF => Self::Two,
            0xE0 | 0xE1 => Self::Indic,
            0xE2..=0xEF => Self::Three,
            0xF0..=0xFF => Self::Four,
            _ => Self::Mark,
        }
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "a byte is a place in a table of 256, and the compiler works it out"
)]
pub(super) const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Mark; 256];
    let mut byte = 0_u8;
    loop {
        kinds[byte as usize] = Kind::of(byte);
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    kinds
};

/// Reads the escape whose backslash stands before `place`: what it stands for, and how many bytes it has.
pub(super) fn escape(bytes: &[u8], place: usize) -> (Kind, usize) {
    match bytes.get(place) {
        Some(b'n' | b'r') => (Kind::Line, 1),
        Some(b't') => (Kind::Space, 1),
        Some(b'u') => (unicode(bytes, place + 1), 5),
        Some(_) => (Kind::Mark, 1),
        None => (Kind::Mark, 0),
    }
}

fn unicode(bytes: &[u8], place: usize) -> Kind {
    let digits = bytes.get(place..place + 4).unwrap_or_default();
    let code = digits.iter().fold(0_u32, |code, digit| {
        let value = char::from(*digit).to_digit(16).unwrap_or(0);
        code * 16 + value
    });
    match code {
        0..0x80 => Kind::of(u8::try_from(code).unwrap_or(b'?')),
        0x80..0x800 => Kind::Two,
        0x800..0x2000 => Kind::Indic,
        0xD800..0xE000 => Kind::Half,
        _ => Kind::Three,
    }
}
