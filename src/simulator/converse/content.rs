//! Rules about content blocks: who may send them, blank text, documents, sizes.

use super::super::check::decoded_len;
use super::super::error::AwsError;
use super::super::json::Node;
use super::super::model_id::Family;
use super::request::{Block, Request};

/// Source of the media limits: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html>.
const MAX_IMAGE_BYTES: usize = 3_932_160;
const MAX_DOCUMENT_BYTES: usize = 4_718_592;
const MAX_VIDEO_BYTES: usize = 25 * 1024 * 1024;
const MAX_DOCUMENTS_PER_MESSAGE: usize = 5;
const MAX_CACHE_POINTS: usize = 4;

const ONLY_USER: [&str; 5] = ["toolResult", "document", "video", "audio", "guardContent"];
const ONLY_ASSISTANT: [&str; 3] = ["toolUse", "reasoningContent", "citationsContent"];

type Checked = Result<(), AwsError>;

pub(super) fn check(request: &Request<'_>) -> Checked {
    let mut names: Vec<&str> = Vec::new();
    for block in request.blocks() {
        let (kind, node) = block.kind();
        check_role(&block, kind)?;
        if kind == "text" && node.text().is_some_and(|text| text.trim().is_empty()) {
            return Err(AwsError::validation(format!(
                "The text field in the ContentBlock object at {} is blank. Add text to the text field, and try again.",
                block.place()
            )));
        }
        check_media(request, kind, node, &block.place(), &mut names)?;
        for (index, inner) in node
            .items_of("content")
            .iter()
            .enumerate()
            .filter(|_| kind == "toolResult")
        {
            let inner = Block {
                node: inner,
                ..block
            };
            let (kind, node) = inner.kind();
            if kind == "image" && request.model.family == Family::Gpt {
                return Err(AwsError::validation(format!(
                    "This model doesn't support image content in the toolResult block at {}.",
                    block.place()
                )));
            }
            let place = format!("{}.toolResult.content.{index}", block.place());
            check_media(request, kind, node, &place, &mut names)?;
        }
    }
    check_documents(request)?;
    check_cache_points(request)
}

fn check_role(block: &Block<'_>, kind: &str) -> Checked {
    let wrong_role = match block.role {
        "user" => ONLY_ASSISTANT.contains(&kind).then_some("assistant"),
        _ => ONLY_USER.contains(&kind).then_some("user"),
    };
    match wrong_role {
        Some(role) => Err(AwsError::validation(format!(
            "The {kind} block at {} can only be included in a message with the {role} role.",
            block.place()
        ))),
        None => Ok(()),
    }
}

fn check_media<'a>(
    request: &Request<'_>,
    kind: &str,
    node: &'a Node<'a>,
    place: &str,
    names: &mut Vec<&'a str>,
) -> Checked {
    let limit = match kind {
        "image" => MAX_IMAGE_BYTES,
        "video" => MAX_VIDEO_BYTES,
        "document" => {
            check_document(node, place, names)?;
            let pdf = node.text_of("format") == Some("pdf");
            // Both read PDF natively and take what fits in the request.
            let unlimited =
                request.model.is_claude_from(4, 0) || request.model.family == Family::Nova;
            if pdf && unlimited {
                usize::MAX
            } else {
                MAX_DOCUMENT_BYTES
            }
        }
        _ => return Ok(()),
    };
    let bytes = node
        .at(&["source", "bytes"])
        .and_then(Node::text)
        .and_then(decoded_len)
        .unwrap_or_default();
    if bytes > limit {
        return Err(AwsError::validation(format!(
            "The {kind} at {place} is {bytes} bytes long. The model allows at most {limit} bytes. Reduce its size and try \
             again."
        )));
    }
    Ok(())
}

fn check_document<'a>(node: &'a Node<'a>, place: &str, names: &mut Vec<&'a str>) -> Checked {
    let name = node.text_of("name").unwrap_or_default();
    // quirk(bedrock): the documentation leaves out the underscore, the service accepts it.
    let allowed =
        |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "-()[]_".contains(c);
    let doubled = name
        .as_bytes()
        .windows(2)
        .any(|pair| pair.iter().all(u8::is_ascii_whitespace));
    if doubled || !name.chars().all(allowed) {
        return Err(AwsError::validation(
            "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, \
             parentheses, and square brackets. The name can't contain more than one consecutive whitespace character.",
        ));
    }
    if names.contains(&name) {
        return Err(AwsError::validation(format!(
            "Document names must be unique. {name} at {place} is already in use."
        )));
    }
    names.push(name);
    let needs_format = node
        .get("source")
        .is_some_and(|source| source.has("bytes") || source.has("s3Location"));
    if needs_format && !node.has("format") {
        return Err(AwsError::validation(format!(
            "The format field at {place}.document is required."
        )));
    }
    Ok(())
}

/// A message with documents needs a text that says what to do with them.
fn check_documents(request: &Request<'_>) -> Checked {
    for (index, message) in request.messages().iter().enumerate() {
        let blocks = message.items_of("content");
        let documents = blocks.iter().filter(|block| block.has("document")).count();
        if documents > MAX_DOCUMENTS_PER_MESSAGE {
            return Err(AwsError::validation(format!(
                "The message at messages.{index} has {documents} documents. A message can have up to \
                 {MAX_DOCUMENTS_PER_MESSAGE} documents."
            )));
        }
        let has_text = blocks
            .iter()
            .any(|block| block.has("text") || block.has("guardContent"));
        if documents > 0 && !has_text {
            return Err(AwsError::validation(format!(
                "The message at messages.{index} must include a text block when it includes a document. Add a text block \
                 and try again."
            )));
        }
    }
    Ok(())
}

fn check_cache_points(request: &Request<'_>) -> Checked {
    let count = |nodes: &[Node<'_>]| nodes.iter().filter(|node| node.has("cachePoint")).count();
    let in_messages: usize = request
        .messages()
        .iter()
        .map(|message| count(message.items_of("content")))
        .sum();
    let found = in_messages + count(request.root.items_of("system")) + count(request.tools());
    if found > MAX_CACHE_POINTS {
        return Err(AwsError::from_model(format!(
            "A maximum of {MAX_CACHE_POINTS} blocks with cache_control may be provided. Found {found}."
        )));
    }
    Ok(())
}
