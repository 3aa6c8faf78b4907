//! `multipart/form-data`: files become media, every other field a member of a JSON object.
//!
//! A form has text only, so a field that is written like JSON (a number, a switch, a list) is taken as JSON; a prompt
//! never is. <https://datatracker.ietf.org/doc/html/rfc7578>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;

use super::MOST_IMAGES;
use crate::canonical::{Media, MediaKind, MediaSource, Text, write_escaped};
use crate::error::{Error, Result};

/// How many parts a form may have.
const MOST_PARTS: usize = 256;
/// How many bytes the headers of a part may have.
const LONGEST_HEAD: usize = 8 * 1024;

/// A form, taken apart.
#[derive(Debug, Default)]
pub(super) struct Form {
    /// A JSON object of everything that is no file.
    pub(super) fields: Vec<u8>,
    /// `image`, `image[]`.
    pub(super) images: Vec<Media>,
    /// `mask`.
    pub(super) mask: Option<Media>,
    /// `style_image`.
    pub(super) style: Option<Media>,
}

/// Returns the boundary that a content type of forms names.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameter(parameters, "boundary").filter(|boundary| !boundary.is_empty())
}

/// Finds a parameter among `name=value; name="value"`.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let mut rest = parameters;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ';']);
        let (key, after) = rest.split_once('=')?;
        let (value, next) = if let Some(quoted) = after.strip_prefix('"') {
            unquoted(quoted)?
        } else {
            let (value, next) = after.split_once(';').unwrap_or((after, ""));
            (value.trim().to_owned(), next)
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = next;
    }
}

/// Reads up to the closing quote; browsers write a quote as `%22`, others as `\"`.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            _ => value.push(letter),
        }
    }
    None
}

fn bad(problem: &str) -> Error {
    Error::bad_request(
        "request_body",
        format!("Invalid multipart payload: {problem}"),
    )
}

impl Form {
    /// Reads a body whose parts are divided by `boundary`.
    pub(super) fn read(body: &[u8], boundary: &str) -> Result<Self> {
        let delimiter = format!("\r\n--{boundary}");
        let finder = memmem::Finder::new(&delimiter);
        // The first delimiter has no line before it.
        let first = delimiter.get(2..).unwrap_or_default();
        let start = if body.starts_with(first.as_bytes()) {
            first.len()
        } else {
            finder
                .find(body)
                .map(|at| at + delimiter.len())
                .ok_or_else(|| bad("the boundary is not in the body"))?
        };
        let mut rest = body.get(start..).unwrap_or_default();
        let mut form = Self::default();
        form.fields.push(b'{');
        for _ in 0..MOST_PARTS {
            if rest.starts_with(b"--") {
                form.fields.push(b'}');
                return Ok(form);
            }
            let content = after_line(rest).ok_or_else(|| bad("a boundary ends in no line"))?;
            let end = finder
                .find(content)
                .ok_or_else(|| bad("the last part has no end"))?;
            form.part(content.get(..end).unwrap_or_default())?;
            rest = content.get(end + delimiter.len()..).unwrap_or_default();
        }
        Err(bad(&format!("there are more than {MOST_PARTS} parts")))
    }

    /// Returns a JSON object of the fields, and of the files that came: `true`.
    pub(super) fn members(&self) -> Vec<u8> {
        let mut all = Self {
            fields: self.fields.clone(),
            ..Self::default()
        };
        all.fields.pop();
        for (name, is_there) in [
            ("image", !self.images.is_empty()),
            ("mask", self.mask.is_some()),
            ("style_image", self.style.is_some()),
        ] {
            if is_there {
                all.member(name, b"true");
            }
        }
        all.fields.push(b'}');
        all.fields
    }

    fn part(&mut self, part: &[u8]) -> Result<()> {
        let end = memmem::find(part, b"\r\n\r\n")
            .filter(|end| *end <= LONGEST_HEAD)
            .ok_or_else(|| bad("a part has no headers"))?;
        let head = part.get(..end).unwrap_or_default();
        let head =
            std::str::from_utf8(head).map_err(|_| bad("the headers of a part are no text"))?;
        let content = part.get(end + 4..).unwrap_or_default();
        let header = |name: &str| {
            head.split("\r\n").find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.trim()
                    .eq_ignore_ascii_case(name)
                    .then_some(value.trim())
            })
        };
        let disposition = header("content-disposition").unwrap_or_default();
        let (_, parameters) = disposition.split_once(';').unwrap_or_default();
        let name = parameter(parameters, "name").ok_or_else(|| bad("a part has no name"))?;
        match parameter(parameters, "filename") {
            Some(filename) => self.file(&name, content, header("content-type"), filename),
            None => self.field(&name, content),
        }
    }

    fn file(
        &mut self,
        name: &str,
        content: &[u8],
        content_type: Option<&str>,
        filename: String,
    ) -> Result<()> {
        let media = Media {
            kind: MediaKind::Image,
            source: MediaSource::Base64(Text::new(&STANDARD.encode(content))),
            format: None,
            mime: content_type.map(str::to_owned),
            filename: Some(filename).filter(|name| !name.is_empty()),
            title: None,
            context: None,
            citations: false,
            detail: None,
            fetched_from: None,
        };
        match name {
            "mask" => self.mask = Some(media),
            "style_image" => self.style = Some(media),
            _ if name == "image" || name == "init_image" || name.starts_with("image[") => {
                if self.images.len() == MOST_IMAGES {
                    let problem = format!("there are more than {MOST_IMAGES} images");
                    return Err(Error::bad_request(
                        "image",
                        format!("Invalid value for 'image': {problem}."),
                    ));
                }
                self.images.push(media);
            }
            // A native member that is an image, such as `referenceImage`: its base64.
            _ => {
                let MediaSource::Base64(text) = &media.source else {
                    return Ok(());
                };
                self.member(name, text.bytes());
            }
        }
        Ok(())
    }

    fn field(&mut self, name: &str, content: &[u8]) -> Result<()> {
        let text = std::str::from_utf8(content).map_err(|_| {
            Error::bad_request(
                name,
                format!("Invalid value for '{name}': it is no UTF-8 text."),
            )
        })?;
        if is_json(name, text) {
            self.member(name, text.as_bytes());
        } else {
            let mut written = Vec::with_capacity(text.len() + 2);
            write_escaped(text, &mut written);
            self.member(name, &written);
        }
        Ok(())
    }

    fn member(&mut self, name: &str, json: &[u8]) {
        if self.fields.len() > 1 {
            self.fields.push(b',');
        }
        write_escaped(name, &mut self.fields);
        self.fields.push(b':');
        self.fields.extend_from_slice(json);
    }
}

/// Says whether a field is JSON: it looks like it, and it is no text that people write.
fn is_json(name: &str, text: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_text = name.contains("prompt")
        || name.contains("text")
        || matches!(name.as_str(), "model" | "user" | "image" | "mask");
    !is_text
        && !text.starts_with('"')
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Returns what follows the end of the line that `rest` begins in; a boundary may have blanks behind it.
fn after_line(rest: &[u8]) -> Option<&[u8]> {
    let end = memmem::find(rest, b"\r\n")?;
    let blank = rest.get(..end)?.iter().all(|b| matches!(b, b' ' | b'\t'));
    // Part headers follow at once; a part without any begins with an empty line.
    blank.then(|| rest.get(end + 2..)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Form> {
        Form::read(body.replace('\n', "\r\n").as_bytes(), "x")
    }

    fn fields(form: &Form) -> serde_json::Value {
        serde_json::from_slice(&form.fields).unwrap()
    }

    #[test]
    fn boundaries_are_read_with_and_without_quotes() {
        for (written, expected) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            (
                "Multipart/Form-Data; charset=utf-8; boundary=\"a b\"",
                Some("a b"),
            ),
            ("multipart/form-data", None),
            ("application/json; boundary=abc", None),
            ("multipart/form-data; boundary=\"abc", None),
        ] {
            assert_eq!(boundary(written).as_deref(), expected, "{written}");
        }
    }

    #[test]
    fn fields_and_files_are_told_apart() {
        let form = read(
            "--x\nContent-Disposition: form-data; name=\"prompt\"\n\n12\n--x\ncontent-disposition: form-data; \
             name=\"n\"\n\n2\n--x\nContent-Disposition: form-data; name=\"image[]\"; filename=\"a\\\".png\"\n\
             Content-Type: image/png\n\nabc\n--x\nContent-Disposition: form-data; name=mask; filename=\"m\"\n\n\n--x--\n",
        )
        .unwrap();
        assert_eq!(fields(&form), serde_json::json!({"prompt": "12", "n": 2}));
        let [image] = form.images.as_slice() else {
            panic!("{form:?}")
        };
        assert_eq!(image.mime.as_deref(), Some("image/png"));
        assert_eq!(image.filename.as_deref(), Some("a\".png"));
        assert!(matches!(&image.source, MediaSource::Base64(text) if text.decoded() == "YWJj"));
        assert!(form.mask.is_some());
    }

    #[test]
    fn broken_forms_are_refused_by_name() {
        for body in [
            "",
            "--y--",
            "--x",
            "--x\nContent-Disposition: form-data; name=\"a\"\n\nno end",
            "--x\nno head\n--x--",
            "--x\nContent-Disposition: form-data\n\na\n--x--",
        ] {
            let error = read(body).unwrap_err();
            assert_eq!(error.param(), Some("request_body"), "{body}");
        }
        let many = "--x\nContent-Disposition: form-data; name=\"a\"\n\n1\n".repeat(MOST_PARTS + 1);
        assert!(read(&format!("{many}--x--")).is_err());
    }
}
