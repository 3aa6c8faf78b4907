//! Pictures and files in `input` that were fetched, put where their addresses stand.
//!
//! Each is put in once: an address may be repeated where nobody reads it, and a few bytes must not become as many files.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::canonical::{ChatRequest, Media, MediaKind, ObjectWriter, RawObject, write_escaped};
use crate::provider::bedrock::inline_media::data_url_of;
use crate::provider::bedrock::invoke::openai_request::write_url;

/// The members that may say where a file is, in the order in which they count.
const PLACES_OF_FILES: [&str; 3] = ["file_id", "file_data", "file_url"];

/// Returns `input` with every picture and file in it that was fetched; as it was written where none was.
pub(super) fn inlined<'w>(input: &'w str, request: &ChatRequest) -> Cow<'w, str> {
    let fetched = request.media().filter(|media| media.fetched_from.is_some());
    let mut fetched = Fetched(fetched.collect());
    if fetched.0.is_empty() {
        return Cow::Borrowed(input);
    }
    let mut out = Vec::with_capacity(input.len());
    write_list(input, &mut fetched, &mut out);
    String::from_utf8(out).map_or(Cow::Borrowed(input), Cow::Owned)
}

/// What was fetched and is not put in yet.
struct Fetched<'f>(Vec<&'f Media>);

impl<'f> Fetched<'f> {
    fn take(&mut self, url: &str, is_picture: bool) -> Option<&'f Media> {
        let place = self.0.iter().position(|media| {
            media.fetched_from.as_deref() == Some(url)
                && (media.kind == MediaKind::Image) == is_picture
        })?;
        Some(self.0.remove(place))
    }
}

fn write_list(list: &str, fetched: &mut Fetched<'_>, out: &mut Vec<u8>) {
    let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(list) else {
        out.extend_from_slice(list.as_bytes());
        return;
    };
    out.push(b'[');
    for (place, element) in elements.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_object(element.get(), fetched, out);
    }
    out.push(b']');
}

/// Writes an item or a part, and what is in it.
fn write_object(written: &str, fetched: &mut Fetched<'_>, out: &mut Vec<u8>) {
    let Some(object) = RawObject::parse(written) else {
        out.extend_from_slice(written.as_bytes());
        return;
    };
    let done = match object.text("type").as_deref() {
        Some("input_image" | "computer_screenshot") => write_picture(&object, fetched, out),
        Some("input_file") => write_file(&object, fetched, out),
        _ => None,
    };
    if done.is_some() {
        return;
    }
    let mut writer = ObjectWriter::open(out);
    for (name, value) in object.members() {
        match (name, value.as_bytes().first()) {
            ("content" | "output", Some(b'[')) => write_list(value, fetched, writer.member(name)),
            ("output", Some(b'{')) => write_object(value, fetched, writer.member(name)),
            _ => writer.raw(name, value),
        }
    }
    writer.close();
}

/// Writes a picture that was fetched; `None` for any other.
fn write_picture(
    object: &RawObject<'_>,
    fetched: &mut Fetched<'_>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let media = fetched.take(&object.text("image_url")?, true)?;
    let data = data_url_of(media, "input").ok()?;
    let mut writer = ObjectWriter::open(out);
    for (name, value) in object.members() {
        if name == "image_url" {
            writer.member(name).extend_from_slice(&data);
        } else {
            writer.raw(name, value);
        }
    }
    writer.close();
    Some(())
}

/// Writes a file that was fetched, with its name, without which it would not be taken; `None` for any other.
fn write_file(object: &RawObject<'_>, fetched: &mut Fetched<'_>, out: &mut Vec<u8>) -> Option<()> {
    let url = PLACES_OF_FILES.iter().find_map(|name| object.text(name))?;
    let media = fetched.take(&url, false)?;
    let mut data = Vec::new();
    write_url(media, "application/pdf", &mut data).ok()?;
    let mut writer = ObjectWriter::open(out);
    for (name, value) in object.members() {
        if name != "filename" && !PLACES_OF_FILES.contains(&name) {
            writer.raw(name, value);
        }
    }
    let name = media.filename.as_deref().unwrap_or("document.pdf");
    write_escaped(name, writer.member("filename"));
    writer.member("file_data").extend_from_slice(&data);
    writer.close();
    Some(())
}
