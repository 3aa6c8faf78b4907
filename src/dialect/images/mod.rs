//! OpenAI's images: generations, whose body is JSON, and edits, whose body is a form with files (JSON is read too).

mod form;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::media::inline;
use super::read::Node;
use super::request::{Reader, check_count, check_string, each_member};
use super::{Envelope, Parsed, WholeDialect};
use crate::canonical::{Image, ImageAnswer, ImageEdit, ImageRequest, Media, MediaKind};
use crate::error::Result;
use form::Form;

/// How many images an edit may have.
///
/// Source: <https://platform.openai.com/docs/api-reference/images/createEdit>.
const MOST_IMAGES: usize = 16;

/// `POST /v1/images/generations`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImageGenerations;

/// `POST /v1/images/edits`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImageEdits;

impl WholeDialect<Image> for ImageGenerations {
    fn path(&self) -> &'static str {
        "/images/generations"
    }

    fn parse(&self, body: &Bytes, _headers: &HeaderMap) -> Result<Parsed<ImageRequest>> {
        let mut reader = Reader::default();
        let mut prompt = None;
        each_member(body, |name, node| {
            if name == "prompt" {
                prompt = Some(node.text()?);
                return Ok(());
            }
            check(name, node)?;
            reader.member(name, node)
        })?;
        Ok(reader.finish(|options| ImageRequest {
            prompt,
            edit: None,
            options,
        }))
    }

    fn answer(&self, answer: &ImageAnswer, envelope: &Envelope) -> Bytes {
        render(answer, envelope)
    }
}

impl WholeDialect<Image> for ImageEdits {
    fn path(&self) -> &'static str {
        "/images/edits"
    }

    fn parse(&self, body: &Bytes, headers: &HeaderMap) -> Result<Parsed<ImageRequest>> {
        let boundary = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(form::boundary);
        match boundary {
            None => edit(body, Form::default()),
            Some(boundary) => {
                let mut form = Form::read(body, &boundary)?;
                let members = Bytes::from(form.members());
                let fields = std::mem::take(&mut form.fields);
                let mut parsed = edit(&Bytes::from(fields), form)?;
                parsed.form = Some(members);
                Ok(parsed)
            }
        }
    }

    fn answer(&self, answer: &ImageAnswer, envelope: &Envelope) -> Bytes {
        render(answer, envelope)
    }
}

/// Reads the members of an edit, whose files may have come beside them.
fn edit(body: &Bytes, files: Form) -> Result<Parsed<ImageRequest>> {
    let mut reader = Reader::default();
    let mut prompt = None;
    let mut edit = ImageEdit::default();
    each_member(body, |name, node| {
        match name {
            "prompt" => prompt = Some(node.text()?),
            "image" | "image[]" | "init_image" => edit.images = images(node)?,
            "mask" => edit.mask = Some(Box::new(picture(node)?)),
            "style_image" => edit.style = Some(Box::new(picture(node)?)),
            _ => {
                check(name, node)?;
                reader.member(name, node)?;
            }
        }
        Ok(())
    })?;
    edit.images.extend(files.images);
    edit.mask = files.mask.map(Box::new).or(edit.mask);
    edit.style = files.style.map(Box::new).or(edit.style);
    Ok(reader.finish(|options| ImageRequest {
        prompt,
        edit: Some(edit),
        options,
    }))
}

fn images(node: &Node<'_, '_>) -> Result<Vec<Media>> {
    if node.is_list() {
        return node.list_up_to(MOST_IMAGES, |node| picture(&node));
    }
    Ok(vec![picture(node)?])
}

/// Reads base64, a data URL or an address.
fn picture(node: &Node<'_, '_>) -> Result<Media> {
    inline(node, MediaKind::Image)
}

/// Checks the types of OpenAI's parameters.
fn check(name: &str, node: &Node<'_, '_>) -> Result<()> {
    match name {
        "n" => check_count(node),
        "size" | "quality" | "style" | "response_format" | "background" | "output_format" => {
            check_string(node)
        }
        "stream" => node.boolean().map(drop),
        _ => Ok(()),
    }
}

fn render(answer: &ImageAnswer, envelope: &Envelope) -> Bytes {
    let images: usize = answer
        .images
        .iter()
        .map(|image| image.bytes().len() + 16)
        .sum();
    let mut out = Vec::with_capacity(images + 192);
    out.extend_from_slice(format!(r#"{{"created":{},"data":["#, envelope.created).as_bytes());
    for (index, image) in answer.images.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(br#"{"b64_json":"#);
        out.extend_from_slice(image.bytes());
        out.push(b'}');
    }
    out.extend_from_slice(
        br#"],"usage":{"input_tokens":0,"input_tokens_details":{"image_tokens":0,"text_tokens":0},"#,
    );
    out.extend_from_slice(br#""output_tokens":0,"total_tokens":0}}"#);
    Bytes::from(out)
}

#[cfg(test)]
#[path = "images_tests.rs"]
mod tests;
