//! Images, documents, videos and sounds → blocks.
//!
//! The MIME type decides the block, not the part that a client put the media in. Base64 text is passed on as it came.
//! Formats: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html>.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Wire;
use super::blocks::{Block, BlockSource, MediaBlock, Turn};
use super::media_form::{Form, form_of, unsupported};
use super::names::hex_digest;
use crate::canonical::{Media, MediaKind, MediaSource, Text};
use crate::error::{Error, ErrorKind, Result};

/// Makes the block of media whose bytes, or place in S3, are known.
pub(crate) fn block(media: &Media, wire: Wire) -> Result<MediaBlock> {
    let block = converse_block(media, wire)?;
    match wire {
        Wire::Converse => Ok(block),
        Wire::Messages => for_messages(block),
    }
}

/// Anthropic's own format takes images, PDFs and plain text, all with their bytes.
fn for_messages(mut block: MediaBlock) -> Result<MediaBlock> {
    const WHY: &str = "Invalid Message: this model is sent images (png jpeg gif webp) and documents (pdf, and plain text \
                       of any kind) with their bytes; it cannot be sent";
    let refused = |what: &str| Error::bad_request("messages", format!("{WHY} {what}."));
    let is_text = matches!(block.format, "txt" | "csv" | "html" | "md");
    match (&block.source, block.member) {
        (BlockSource::S3 { .. }, _) => return Err(refused("a location in S3")),
        (BlockSource::Bytes { text, from }, "document") if is_text => {
            let plain = decode_text(text, *from).ok_or_else(|| refused("text that is no UTF-8"))?;
            block.source = BlockSource::Text(Text::new(&plain));
        }
        (BlockSource::Bytes { .. }, "document") if block.format == "pdf" => {}
        (BlockSource::Bytes { .. }, "image")
        | (BlockSource::Text(_) | BlockSource::Content(_), _) => {}
        _ => return Err(refused(&format!("media of type '{}'", block.format))),
    }
    Ok(block)
}

fn decode_text(text: &Text, from: usize) -> Option<String> {
    let written = text.escaped().get(from..)?;
    let unescaped = serde_json::from_str::<String>(&format!("\"{written}\"")).ok()?;
    let dense: String = unescaped.split_whitespace().collect();
    String::from_utf8(STANDARD.decode(dense).ok()?).ok()
}

fn converse_block(media: &Media, wire: Wire) -> Result<MediaBlock> {
    let source = match &media.source {
        MediaSource::Base64(text) => BlockSource::Bytes {
            text: text.clone(),
            from: 0,
        },
        MediaSource::DataUrl { url, payload } => BlockSource::Bytes {
            text: url.clone(),
            from: *payload,
        },
        MediaSource::S3 { uri, bucket_owner } => {
            return in_s3(media, uri, bucket_owner.clone(), wire);
        }
        MediaSource::PlainText(text) => BlockSource::Text(text.clone()),
        MediaSource::TextParts(texts) => BlockSource::Content(texts.clone()),
        MediaSource::Url(_) => {
            return Err(Error::new(
                ErrorKind::Internal,
                "remote media was not fetched before the request was encoded",
            ));
        }
        MediaSource::Invalid(what) => return Err(unsupported(what)),
    };
    let form = form_of(media, &source)?;
    Ok(finish(media, form, source, wire))
}

fn in_s3(media: &Media, uri: &str, bucket_owner: Option<String>, wire: Wire) -> Result<MediaBlock> {
    let given = media.format.as_deref().or(media.mime.as_deref());
    let Some(given) = given else {
        return Err(Error::bad_request(
            "messages",
            "Invalid Message: mime_type is required for s3 URIs.",
        ));
    };
    let form = Form::of(given, media.kind).ok_or_else(|| unsupported(given))?;
    let is_account = |owner: &str| owner.len() == 12 && owner.bytes().all(|b| b.is_ascii_digit());
    if bucket_owner
        .as_deref()
        .is_some_and(|owner| !is_account(owner))
    {
        return Err(Error::bad_request(
            "messages",
            "Invalid Message: bucketOwner must be an account id of 12 digits.",
        ));
    }
    let uri = uri.to_owned();
    let source = BlockSource::S3 { uri, bucket_owner };
    Ok(finish(media, form, source, wire))
}

fn finish(media: &Media, form: Form, source: BlockSource, wire: Wire) -> MediaBlock {
    let is_document = form.member == "document";
    let name = match wire {
        _ if !is_document => None,
        Wire::Converse => Some(document_name(media, form.format, &source)),
        Wire::Messages => media.title.clone(),
    };
    MediaBlock {
        member: form.member,
        format: form.format,
        name,
        source,
        context: media.context.clone().filter(|_| is_document),
        citations: media.citations && is_document,
    }
}

/// Names a document: as the client does, else by its content, so that equal requests hit the prompt cache.
fn document_name(media: &Media, format: &str, source: &BlockSource) -> String {
    let given = media.filename.as_deref().map(without_extension);
    let given = given.or(media.title.as_deref()).map(fit_name);
    if let Some(name) = given.filter(|name| !name.is_empty()) {
        return name;
    }
    let digest = content_digest(source);
    if media.kind == MediaKind::Document {
        format!("Document_{digest}_{format}")
    } else {
        format!("DocumentPDFmessages_{digest}_{format}")
    }
}

fn without_extension(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && extension.len() <= 5 => stem,
        _ => name,
    }
}

/// Keeps what Bedrock allows in a document's name: letters, digits, single spaces, `-()[]`.
fn fit_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        let c = if c.is_ascii_alphanumeric() || matches!(c, '-' | '(' | ')' | '[' | ']') {
            c
        } else {
            ' '
        };
        if c != ' ' || !(out.is_empty() || out.ends_with(' ')) {
            out.push(c);
        }
    }
    out.truncate(200);
    out.truncate(out.trim_end().len());
    out
}

/// Digests the base64 text: its first 64 KiB without white space, and its length.
fn content_digest(source: &BlockSource) -> String {
    const LOOKED_AT: usize = 65536;
    let text = match source {
        BlockSource::Bytes { text, from } => text.escaped().get(*from..).unwrap_or(""),
        BlockSource::S3 { uri, .. } => uri.as_str(),
        BlockSource::Text(text) => text.escaped(),
        BlockSource::Content(texts) => texts.first().map_or("", Text::escaped),
    };
    // In JSON every other white space is escaped.
    if memchr::memchr2(b'\\', b' ', text.as_bytes()).is_none() {
        let head = text.as_bytes().get(..LOOKED_AT).unwrap_or(text.as_bytes());
        return hex_digest(&[head, text.len().to_string().as_bytes()], 16);
    }
    let unescaped = serde_json::from_str::<String>(&format!("\"{text}\""));
    let unescaped = unescaped.unwrap_or_else(|_| text.to_owned());
    let dense: String = unescaped.split_whitespace().collect();
    let head = dense
        .as_bytes()
        .get(..LOOKED_AT)
        .unwrap_or(dense.as_bytes());
    hex_digest(&[head, dense.len().to_string().as_bytes()], 16)
}

/// Tells documents with one name apart: the first keeps it, others get `_2`, `_3`, …
pub(crate) fn number_documents(turns: &mut [Turn]) {
    let mut names: Vec<&mut String> = Vec::new();
    for turn in turns {
        for block in &mut turn.blocks {
            collect_names(block, &mut names);
        }
    }
    if names.len() < 2 {
        return;
    }
    let mut taken: HashSet<String> = names.iter().map(|name| (**name).clone()).collect();
    let mut seen: HashSet<String> = HashSet::new();
    let mut next: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    for name in names {
        if seen.insert(name.clone()) {
            continue;
        }
        let number = next.entry(name.clone()).or_insert(2);
        let fresh = loop {
            let candidate = format!("{name}_{number}");
            *number += 1;
            if taken.insert(candidate.clone()) {
                break candidate;
            }
        };
        *name = fresh;
    }
}

fn collect_names<'b>(block: &'b mut Block, names: &mut Vec<&'b mut String>) {
    match block {
        Block::Media(media) => names.extend(media.name.as_mut()),
        Block::ToolResult { content, .. } => {
            for block in content {
                collect_names(block, names);
            }
        }
        _ => {}
    }
}
