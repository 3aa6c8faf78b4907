//! What a request only names, and the body with all of it in place.
//!
//! A request that goes on from a response (`previous_response_id`) gets all of its items in front of its own, one that only
//! names items (`item_reference`) gets them in their places. The id of an item says which response it is of. Whatever a
//! request names, its body and every record are read once.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use serde_json::value::RawValue;

use super::record::{list, output};
use crate::canonical::{ObjectWriter, RawJson, RawObject, write_escaped};
use crate::dialect::request::members;
use crate::error::{Error, Result};

/// How many kept responses a request may name.
const MOST_RESPONSES: usize = 256;
/// How many items a request may name.
const MOST_NAMED: usize = 4096;

/// What a request says of things that were kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// `previous_response_id`.
    pub previous: Option<String>,
    /// `model`.
    pub model: Option<String>,
    /// The items that it only names: their ids, by their places in `input`.
    items: HashMap<usize, String>,
    /// The responses that are needed, each once.
    responses: Vec<String>,
    /// Which response an item is of, where its id does not say so.
    placed: HashMap<String, String>,
}

impl References {
    /// Says whether the request is complete without anything that was kept.
    pub fn is_empty(&self) -> bool {
        self.previous.is_none() && self.items.is_empty()
    }

    /// Returns the ids of the responses that are needed, each once.
    pub fn responses(&self) -> &[String] {
        &self.responses
    }

    /// Returns the ids of the items that do not say which response they are of: models that speak this format give them.
    pub fn unplaced(&self) -> Vec<String> {
        let items = self.items.values();
        let unplaced: HashSet<&String> =
            items.filter(|id| response_of_item(id).is_none()).collect();
        unplaced.into_iter().cloned().collect()
    }

    /// Notes which response an item is of, by what was kept of the item.
    ///
    /// # Errors
    ///
    /// More responses than a request may name.
    pub fn place(&mut self, item: String, kept: &RawJson) -> Result<()> {
        let kept = RawObject::parse(kept.get()).unwrap_or_default();
        let Some(response) = kept.text(PLACE).map(Cow::into_owned) else {
            return Ok(());
        };
        if !self.responses.contains(&response) {
            self.responses.push(response.clone());
            check(self.responses.len(), MOST_RESPONSES, "responses")?;
        }
        self.placed.insert(item, response);
        Ok(())
    }

    /// Says whether an item is of a response.
    fn is_of(&self, item: &str, response: &str) -> bool {
        match self.placed.get(item) {
            Some(placed) => placed == response,
            None => response_of_item(item).is_some_and(|of| of == response),
        }
    }
}

/// What an item is kept under that is no response: the name of its response.
const PLACE: &str = "item_of";

/// Returns what is kept of an item: which response it is of.
pub fn place_of_item(response: &str) -> RawJson {
    let mut out = Vec::with_capacity(response.len() + 16);
    let mut writer = ObjectWriter::open(&mut out);
    write_escaped(response, writer.member(PLACE));
    writer.close();
    RawJson::from_checked(out.into())
}

fn check(count: usize, most: usize, what: &str) -> Result<()> {
    if count > most {
        let message = format!("input: it names more than {most} {what}");
        return Err(Error::bad_request("input", message));
    }
    Ok(())
}

/// Finds what a request says of things that were kept. What is wrong with its body is said by whoever reads it next.
///
/// # Errors
///
/// More of them than a request may name.
pub fn references(body: &Bytes) -> Result<References> {
    let names = |word: &str| memchr::memmem::find(body, word.as_bytes()).is_some();
    let mut out = References::default();
    if !names("\"previous_response_id\"") && !names("\"item_reference\"") {
        return Ok(out);
    }
    let Ok(members) = members(body) else {
        return Ok(out);
    };
    // What it is, if it is no text, is said by whoever reads the request.
    out.model = value(&members, "model").and_then(|model| serde_json::from_str(model).ok());
    if let Some(id) = value(&members, "previous_response_id") {
        let id: String = serde_json::from_str(id).map_err(|_| {
            let message = "previous_response_id: expected a string";
            Error::bad_request("previous_response_id", message)
        })?;
        out.responses.push(id.clone());
        out.previous = Some(id);
    }
    let mut known: HashSet<String> = out.responses.iter().cloned().collect();
    let input = list(value(&members, "input").unwrap_or("null"));
    for (place, item) in input.into_iter().enumerate() {
        let Some(id) = referred(item) else { continue };
        if let Some(response) = response_of_item(&id)
            && known.insert(response.clone())
        {
            out.responses.push(response);
        }
        out.items.insert(place, id);
        check(out.responses.len(), MOST_RESPONSES, "responses")?;
        check(out.items.len(), MOST_NAMED, "items")?;
    }
    Ok(out)
}

/// What was found of what a request names.
#[derive(Debug)]
pub struct Found<'r> {
    references: &'r References,
    /// The ids of the items that are wanted.
    wanted: HashSet<&'r str>,
    /// The items that the request goes on from, each as written.
    previous: Option<Vec<RawJson>>,
    /// The items that it names, by their ids.
    items: HashMap<String, RawJson>,
    /// How many bytes that is.
    bytes: usize,
    most: usize,
}

impl<'r> Found<'r> {
    /// Begins with nothing; `most`: how many bytes a request may have.
    pub fn new(references: &'r References, most: usize) -> Self {
        Self {
            references,
            wanted: references.items.values().map(String::as_str).collect(),
            previous: None,
            items: HashMap::new(),
            bytes: 0,
            most,
        }
    }

    /// Takes out of the record of a response what the request needs of it.
    ///
    /// # Errors
    ///
    /// More than a request may have.
    pub fn add(&mut self, response: &str, record: &RawJson) -> Result<()> {
        let Some(record) = RawObject::parse(record.get()) else {
            return Ok(());
        };
        let output = output(&record);
        for item in &output {
            let Some(object) = RawObject::parse(item) else {
                continue;
            };
            let Some(id) = object.text("id").filter(|id| self.wanted.contains(&**id)) else {
                continue;
            };
            if self.references.is_of(&id, response) {
                let item = self.taken(item)?;
                self.items.insert(id.into_owned(), item);
            }
        }
        let is_previous = self.references.previous.as_deref() == Some(response);
        if is_previous && let (Some(input), Some(_)) = (record.get("input"), record.get("response"))
        {
            let all = list(input).into_iter().chain(output);
            let all = all.map(|item| self.taken(item)).collect::<Result<_>>();
            self.previous = Some(all?);
        }
        Ok(())
    }

    /// Returns a copy of an item, so that its record need not be held.
    fn taken(&mut self, item: &str) -> Result<RawJson> {
        self.bytes = self.bytes.saturating_add(item.len());
        if self.bytes > self.most {
            return Err(too_large(self.most));
        }
        Ok(RawJson::from_checked(Bytes::copy_from_slice(
            item.as_bytes(),
        )))
    }

    /// Returns the body with everything in it that it only named.
    ///
    /// # Errors
    ///
    /// Something that is named and was not found, or more than a request may have.
    pub fn put_into(&self, body: &Bytes) -> Result<Bytes> {
        let members = members(body)?;
        let new = value(&members, "input").unwrap_or("null");
        let conversation = self.conversation()?;
        let mut out = Vec::with_capacity(body.len().saturating_add(self.bytes).min(self.most));
        let mut writer = ObjectWriter::open(&mut out);
        for (name, value) in &members {
            if name != "input" {
                writer.raw(name, value.get());
            }
        }
        // A request without input stays one.
        if new != "null" {
            let items = writer.member("input");
            items.push(b'[');
            for item in conversation {
                self.write(item, items)?;
            }
            if new == "\"\"" {
                let message = "Invalid value for 'input': it must not be empty.";
                return Err(Error::bad_request("input", message));
            }
            if new.starts_with('"') {
                let item = format!(r#"{{"type":"message","role":"user","content":{new}}}"#);
                self.write(&item, items)?;
            }
            for (place, item) in list(new).into_iter().enumerate() {
                self.write(self.item(place, item)?, items)?;
            }
            items.push(b']');
        }
        writer.close();
        if out.len() > self.most {
            return Err(too_large(self.most));
        }
        Ok(out.into())
    }

    /// Returns the items that the request goes on from; none where it goes on from nothing.
    fn conversation(&self) -> Result<impl Iterator<Item = &str>> {
        if let (Some(id), None) = (&self.references.previous, &self.previous) {
            let message = format!("Previous response with id '{}' not found.", shown(id));
            return Err(Error::bad_request("previous_response_id", message));
        }
        Ok(self.previous.iter().flatten().map(RawJson::get))
    }

    /// Returns what stands at a place of the input: the item itself, or the one that it names.
    fn item<'i>(&'i self, place: usize, item: &'i str) -> Result<&'i str> {
        let Some(id) = self.references.items.get(&place) else {
            return Ok(item);
        };
        self.items.get(id).map(RawJson::get).ok_or_else(|| {
            let path = format!("input[{place}].id");
            let message = format!(
                "Item with id '{}' not found: only what this gateway keeps can be referred to.",
                shown(id)
            );
            Error::bad_request(path, message)
        })
    }

    /// Appends an item of the list that `out` ends with.
    fn write(&self, item: &str, out: &mut Vec<u8>) -> Result<()> {
        // One that is named a thousand times is there a thousand times.
        if out.len().saturating_add(item.len()) > self.most {
            return Err(too_large(self.most));
        }
        if !out.ends_with(b"[") {
            out.push(b',');
        }
        out.extend_from_slice(item.as_bytes());
        Ok(())
    }
}

fn too_large(most: usize) -> Error {
    let message = format!(
        "input: with what it goes on from it is larger than {} MB (`general_settings.max_request_size_mb`)",
        most / 1024 / 1024
    );
    Error::bad_request("input", message)
}

/// Returns the written value of a member; of two with the same name the later counts.
fn value<'a>(members: &[(Cow<'_, str>, &'a RawValue)], name: &str) -> Option<&'a str> {
    let found = members.iter().rev().find(|(known, _)| known == name);
    found.map(|(_, value)| value.get())
}

/// Returns the id that an item refers to, if that is all it does.
fn referred(item: &str) -> Option<String> {
    // Most items are long and none of these.
    memchr::memmem::find(item.as_bytes(), b"item_reference")?;
    let item = RawObject::parse(item)?;
    let is_reference = item.text("type")? == "item_reference";
    is_reference
        .then(|| item.text("id"))
        .flatten()
        .map(Into::into)
}

/// Returns the id of the response that an item is of: `msg_<response>_<place>`.
fn response_of_item(id: &str) -> Option<String> {
    #[cfg(test)]
    tests::LOOKED.with(|looked| looked.set(looked.get() + 1));
    let (_, rest) = id.split_once('_')?;
    let (response, _) = rest.rsplit_once('_')?;
    Some(format!("resp_{response}"))
}

/// As much of an id as an error repeats.
fn shown(id: &str) -> String {
    id.chars().take(128).collect()
}

#[cfg(test)]
#[path = "references_tests.rs"]
mod tests;
