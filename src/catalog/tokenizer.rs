//! Whose tokenizer a model has, and what each kind of character costs there.

/// How a model cuts text into tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tokenizer {
    /// Anthropic's.
    Claude,
    /// Amazon Nova's.
    Nova,
    /// Meta's, since Llama 3.
    Llama,
    /// Mistral's.
    Mistral,
    /// Cohere's.
    Cohere,
    /// Anybody else's.
    #[default]
    Other,
}

/// What one unit of each kind costs, in thousandths of a token.
pub(super) struct Rates {
    /// The beginning of a word.
    pub(super) word: u64,
    /// A letter of a word, up to `LONG_WORD` of `tokens.rs`.
    pub(super) letter: u64,
    /// A letter after that: no word is so long, so this is an identifier, base64 or the like.
    pub(super) tail: u64,
    pub(super) digit: u64,
    /// Anything else that is ASCII and not white space.
    pub(super) mark: u64,
    /// A line end, or white space that is more than one space.
    pub(super) gap: u64,
    /// A character of two bytes: Latin with accents, Greek, Cyrillic, Hebrew, Arabic.
    pub(super) two_bytes: u64,
    /// A character of South and South-East Asia.
    pub(super) indic: u64,
    /// Any other character of three bytes: Chinese, Japanese, Korean, typographic marks.
    pub(super) three_bytes: u64,
    /// A character of four bytes: emoji, rare signs.
    pub(super) four_bytes: u64,
    /// What the model's own instructions for tools take, where there are tools, in tokens.
    pub(super) tools: u64,
    /// An image, in tokens.
    pub(super) image: u64,
}

impl Tokenizer {
    /// Returns the tokenizer of a base model: an id without what says where it runs.
    pub fn of(base: &str) -> Self {
        if base.starts_with("anthropic.") || base.contains("claude") {
            Self::Claude
        } else if base.starts_with("amazon.") {
            Self::Nova
        } else if base.starts_with("meta.") {
            Self::Llama
        } else if base.starts_with("mistral.") {
            Self::Mistral
        } else if base.starts_with("cohere.") {
            Self::Cohere
        } else {
            Self::Other
        }
    }

    /// Returns what everything costs there.
    pub(super) fn rates(self) -> &'static Rates {
        match self {
            Self::Claude => &CLAUDE,
            Self::Llama => &LLAMA,
            Self::Mistral => &MISTRAL,
            Self::Nova | Self::Cohere | Self::Other => &OTHER,
        }
    }
}

// An image of Claude's takes width × height / 750, at most about 1600 tokens; the instructions for tools 346:
// <https://docs.anthropic.com/en/docs/build-with-claude/vision>,
// <https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/overview>.
const CLAUDE: Rates = Rates {
    word: 900,
    letter: 130,
    tail: 450,
    digit: 700,
    mark: 750,
    gap: 600,
    two_bytes: 800,
    indic: 1_600,
    three_bytes: 1_200,
    four_bytes: 3_000,
    tools: 346,
    image: 1_600,
};
const OTHER: Rates = Rates {
    word: 820,
    letter: 115,
    tail: 400,
    digit: 600,
    mark: 700,
    gap: 600,
    two_bytes: 700,
    indic: 1_400,
    three_bytes: 1_100,
    four_bytes: 2_500,
    tools: 200,
    image: 1_800,
};
const LLAMA: Rates = Rates {
    word: 780,
    letter: 105,
    digit: 400,
    two_bytes: 650,
    indic: 1_200,
    three_bytes: 950,
    image: 1_600,
    ..OTHER
};
const MISTRAL: Rates = Rates {
    word: 880,
    letter: 130,
    digit: 1_000,
    three_bytes: 1_300,
    ..OTHER
};
