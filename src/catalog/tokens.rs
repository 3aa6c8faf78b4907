//! How many tokens a request is, by estimate: for limits, context windows and prompt caching before a call.
//!
//! No tokenizer is public for most of these models, so text is counted by the kind of its characters, in one pass over its
//! written form, and each kind has a rate per [`Tokenizer`]. The rates lean high, because what goes by them (a limit, a
//! window) is worse hurt by too little than by too much: English prose and code should come out between the true number
//! and a third above it, other scripts up to twice it; base64 and the like may be off by half either way. Images and
//! documents count a fixed amount, whatever their size. What a call really used settles it afterwards.

use super::letters::{KINDS, Kind, escape};
use super::tokenizer::Tokenizer;
use crate::canonical::{
    ChatRequest, Content, Document, EmbedInput, Media, MediaKind, MediaSource, Message, PartKind,
    Request, Text, Thinking,
};

/// Letters after which a run of them is no word any more.
const LONG_WORD: u32 = 12;
/// Tokens of a message beside what it says.
const MESSAGE: u64 = 5;
/// Tokens of a document that is not plain text: a page or two.
const DOCUMENT: u64 = 3_000;
/// Tokens of a video: ten seconds on Nova.
const VIDEO: u64 = 3_000;
/// Tokens of a sound.
const SOUND: u64 = 1_000;

/// How much there is of everything that takes tokens; counted once, then weighed for any tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    words: u64,
    letters: u64,
    tail: u64,
    digits: u64,
    marks: u64,
    gaps: u64,
    two_bytes: u64,
    indic: u64,
    three_bytes: u64,
    four_bytes: u64,
    messages: u64,
    images: u64,
    /// Tokens of what counts the same everywhere.
    fixed: u64,
    has_tools: bool,
}

/// Estimates the input tokens of `request`.
pub fn estimate(request: &ChatRequest, tokenizer: Tokenizer) -> u64 {
    Size::of(request).tokens(tokenizer)
}

impl Size {
    /// Measures a request: its messages and tools.
    pub fn of(request: &ChatRequest) -> Self {
        let mut size = Self::default();
        for message in &request.messages {
            size.add_message(message);
        }
        for tool in &request.params.tools {
            size.has_tools = true;
            size.add_json(tool.0.get());
        }
        size
    }

    /// Measures a request for any operation: of one that is no chat its texts and its images.
    pub fn of_request(request: &Request) -> Self {
        let mut size = Self::default();
        match request {
            Request::Chat(chat) | Request::Count(chat) => return Self::of(chat),
            Request::Embed(embed) => {
                for input in embed.input.iter().flatten() {
                    size.add_input(input);
                }
            }
            Request::Image(image) => size.add_texts(image.prompt.as_ref()),
            Request::Rerank(rerank) => {
                size.add_texts(rerank.query.as_ref());
                for document in rerank.documents.iter().flatten() {
                    match document {
                        Document::Text(text) => size.add_text(text),
                        Document::Json(json) => size.add_json(json.get()),
                    }
                }
            }
        }
        size
    }

    /// Measures one input of an embeddings request.
    pub fn of_input(input: &EmbedInput) -> Self {
        let mut size = Self::default();
        size.add_input(input);
        size
    }

    fn add_input(&mut self, input: &EmbedInput) {
        self.add_texts(input.text.as_ref());
        if let Some(media) = &input.media {
            self.add_media(media);
        }
    }

    fn add_texts<'t>(&mut self, texts: impl IntoIterator<Item = &'t Text>) {
        for text in texts {
            self.add_text(text);
        }
    }

    /// Returns how many tokens that is.
    pub fn tokens(&self, tokenizer: Tokenizer) -> u64 {
        let rates = tokenizer.rates();
        let weighed = [
            (self.words, rates.word),
            (self.letters, rates.letter),
            (self.tail, rates.tail),
            (self.digits, rates.digit),
            (self.marks, rates.mark),
            (self.gaps, rates.gap),
            (self.two_bytes, rates.two_bytes),
            (self.indic, rates.indic),
            (self.three_bytes, rates.three_bytes),
            (self.four_bytes, rates.four_bytes),
            (self.messages, MESSAGE * 1_000),
            (self.images, rates.image * 1_000),
            (u64::from(self.has_tools), rates.tools * 1_000),
        ];
        let thousandths = weighed.into_iter().fold(0_u64, |sum, (count, rate)| {
            sum.saturating_add(count.saturating_mul(rate))
        });
        thousandths.div_ceil(1_000).saturating_add(self.fixed)
    }

    /// Adds a message.
    pub fn add_message(&mut self, message: &Message) {
        self.messages += 1;
        for thinking in &message.thinking {
            self.add_thinking(thinking);
        }
        match &message.content {
            Content::Absent => {}
            Content::Text(text) => self.add_text(text),
            Content::Parts(parts) => {
                for part in parts {
                    self.add_part(&part.kind);
                }
            }
        }
        for call in &message.tool_calls {
            self.messages += 1;
            self.add_json(&call.name);
            self.add_json(&call.arguments);
        }
        if let Some(results) = &message.search_results {
            self.add_json(results.get());
        }
    }

    fn add_part(&mut self, part: &PartKind) {
        match part {
            PartKind::Text(text)
            | PartKind::GuardedText(text)
            | PartKind::GroundingSource(text)
            | PartKind::GroundingQuery(text) => self.add_text(text),
            PartKind::Media(media) => self.add_media(media),
            PartKind::Thinking(thinking) => self.add_thinking(thinking),
            PartKind::Json(json) | PartKind::SearchResult(json) => self.add_json(json.get()),
            PartKind::Unknown(_) => {}
        }
    }

    fn add_thinking(&mut self, thinking: &Thinking) {
        match thinking {
            Thinking::Shown { text, .. } => self.add_text(text),
            Thinking::Redacted(data) => self.fixed += length(data) / 4,
        }
    }

    fn add_media(&mut self, media: &Media) {
        if let Some(context) = &media.context {
            self.add_text(context);
        }
        match (&media.source, media.kind) {
            (MediaSource::PlainText(text), _) => self.add_text(text),
            (MediaSource::TextParts(parts), _) => parts.iter().for_each(|part| self.add_text(part)),
            (_, MediaKind::Image) => self.images += 1,
            (_, MediaKind::Video) => self.fixed += VIDEO,
            (_, MediaKind::Audio) => self.fixed += SOUND,
            (MediaSource::Base64(data), _) if is_plain_text(media) => {
                self.fixed += length(data) / 4;
            }
            (_, MediaKind::File) if is_image(media) => self.images += 1,
            (_, MediaKind::File | MediaKind::Document) => self.fixed += DOCUMENT,
        }
    }

    fn add_text(&mut self, text: &Text) {
        self.add_json(text.escaped());
    }

    /// Adds text in its written form: escapes count as what they stand for.
    pub fn add_json(&mut self, written: &str) {
        let bytes = written.as_bytes();
        let mut before = Kind::Mark;
        let mut run = 0_u32;
        let mut place = 0;
        while let Some(byte) = bytes.get(place) {
            place += 1;
            let kind = if *byte == b'\\' {
                let (kind, taken) = escape(bytes, place);
                place += taken;
                kind
            } else {
                KINDS.get(usize::from(*byte)).copied().unwrap_or(Kind::Mark)
            };
            match kind {
                Kind::Lower | Kind::Upper => {
                    let begins =
                        !before.is_letter() || (before, kind) == (Kind::Lower, Kind::Upper);
                    run = if begins { 1 } else { run + 1 };
                    self.words += u64::from(begins);
                    if run > LONG_WORD {
                        self.tail += 1;
                    } else {
                        self.letters += 1;
                    }
                }
                Kind::Digit => self.digits += 1,
                Kind::Mark => self.marks += 1,
                Kind::Line => self.gaps += u64::from(before != Kind::Line),
                // One space belongs to the word that follows; several are one gap.
                Kind::Space => self.gaps += u64::from(before == Kind::Space && run == 0),
                Kind::Two | Kind::Half => self.two_bytes += 1,
                Kind::Indic => self.indic += 1,
                Kind::Three => self.three_bytes += 1,
                Kind::Four => self.four_bytes += 1,
                Kind::Inside => continue,
            }
            // While spaces go on, `run` says that the gap is counted.
            run = match kind {
                Kind::Lower | Kind::Upper => run,
                Kind::Space if before == Kind::Space => 1,
                _ => 0,
            };
            before = kind;
        }
    }
}

/// The bytes of a JSON string, without its quotes.
fn length(text: &Text) -> u64 {
    u64::try_from(text.escaped().len()).unwrap_or(u64::MAX)
}

fn says(media: &Media, words: &[&str]) -> bool {
    let named = [&media.format, &media.mime, &media.filename];
    (named.into_iter().flatten()).any(|name| words.iter().any(|word| name.contains(word)))
}

fn is_plain_text(media: &Media) -> bool {
    says(
        media,
        &["text/", "txt", "csv", "html", ".md", "json", "xml"],
    ) && !says(media, &["openxmlformats", "docx", "xlsx", "pdf"])
}

fn is_image(media: &Media) -> bool {
    says(media, &["image/", "png", "jpeg", "jpg", "gif", "webp"])
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
