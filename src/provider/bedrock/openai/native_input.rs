//! Pictures in `input` that were fetched, put where their addresses stand.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::canonical::{ChatRequest, ObjectWriter, RawObject};
use crate::provider::bedrock::inline_media::data_url_of;

/// Returns `input` with every picture in it that was fetched; as it was written where none was.
pub(super) fn inlined<'w>(input: &'w str, request: &ChatRequest) -> Cow<'w, str> {
    let fetched: HashMap<&str, Vec<u8>> = request
        .media()
        .filter_map(|media| {
            let from = media.fetched_from.as_deref()?;
            let url = data_url_of(media, "input").ok()?;
            Some((from, url.to_vec()))
        })
        .collect();
    if fetched.is_empty() {
        return Cow::Borrowed(input);
    }
    let mut out = Vec::with_capacity(input.len());
    write_list(input, &fetched, &mut out);
    String::from_utf8(out).map_or(Cow::Borrowed(input), Cow::Owned)
}

type Fetched<'f> = HashMap<&'f str, Vec<u8>>;

fn write_list(list: &str, fetched: &Fetched<'_>, out: &mut Vec<u8>) {
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
fn write_object(written: &str, fetched: &Fetched<'_>, out: &mut Vec<u8>) {
    let Some(object) = RawObject::parse(written) else {
        out.extend_from_slice(written.as_bytes());
        return;
    };
    let kind = object.text("type");
    let is_picture = matches!(kind.as_deref(), Some("input_image" | "computer_screenshot"));
    let mut writer = ObjectWriter::open(out);
    for (name, value) in object.members() {
        match (name, value.as_bytes().first()) {
            ("image_url", Some(b'"')) if is_picture => {
                let url = object.text(name).unwrap_or_default();
                match fetched.get(&*url) {
                    Some(data) => writer.member(name).extend_from_slice(data),
                    None => writer.raw(name, value),
                }
            }
            ("content" | "output", Some(b'[')) => write_list(value, fetched, writer.member(name)),
            ("output", Some(b'{')) => write_object(value, fetched, writer.member(name)),
            _ => writer.raw(name, value),
        }
    }
    writer.close();
}
