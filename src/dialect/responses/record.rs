//! A response as it was kept: for a request that continues it, and for a client that wants to see it again.
//!
//! A record has the whole conversation, `input`, and the `response` that it led to, reasoning packed. A request that goes on
//! from one (`previous_response_id`) gets all of its items in front of its own, one that only names items (`item_reference`)
//! gets them in their places. The id of an item says which response it is of.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::canonical::{ObjectWriter, RawJson, RawObject};
use crate::error::{Error, Result};

/// How many kept responses a request may name.
const MOST_RESPONSES: usize = 256;

/// What a request says of things that were kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// `previous_response_id`.
    pub previous: Option<String>,
    /// The items that it only names: their places in `input`, and their ids.
    items: Vec<(usize, String)>,
}

impl References {
    /// Says whether the request is complete without anything that was kept.
    pub fn is_empty(&self) -> bool {
        self.previous.is_none() && self.items.is_empty()
    }

    /// Returns the ids of the responses that are needed, each once.
    pub fn responses(&self) -> Vec<String> {
        let mut out: Vec<String> = self.previous.iter().cloned().collect();
        for (_, item) in &self.items {
            if let Some(response) = response_of_item(item)
                && !out.contains(&response)
            {
                out.push(response);
            }
        }
        out
    }
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
    let Some(object) = object(body) else {
        return Ok(out);
    };
    match object.get("previous_response_id") {
        None | Some("null") => {}
        Some(_) => {
            let id = object.text("previous_response_id").ok_or_else(|| {
                let message = "previous_response_id: expected a string";
                Error::bad_request("previous_response_id", message)
            })?;
            out.previous = Some(id.into_owned());
        }
    }
    for (place, item) in list(object.get("input").unwrap_or("null"))
        .iter()
        .enumerate()
    {
        if let Some(id) = referred(item) {
            out.items.push((place, id));
        }
        if out.responses().len() > MOST_RESPONSES {
            let message = format!("input: it names more than {MOST_RESPONSES} responses");
            return Err(Error::bad_request("input", message));
        }
    }
    Ok(out)
}

/// Returns the body with everything in it that it only named; `records` are what is kept, by the response's id.
///
/// # Errors
///
/// Something that is named and not kept.
pub fn continued(
    body: &Bytes,
    references: &References,
    records: &BTreeMap<String, RawJson>,
) -> Result<Bytes> {
    let Some(object) = object(body) else {
        return Ok(body.clone());
    };
    let mut items = Vec::new();
    if let Some(id) = &references.previous {
        let found = records.get(id).and_then(conversation);
        items = found.ok_or_else(|| {
            let message = format!("Previous response with id '{}' not found.", shown(id));
            Error::bad_request("previous_response_id", message)
        })?;
    }
    let new = object.get("input").unwrap_or("null");
    let as_item;
    if new.starts_with('"') {
        as_item = format!(r#"{{"type":"message","role":"user","content":{new}}}"#);
        items.push(&as_item);
    }
    for (place, item) in list(new).into_iter().enumerate() {
        let named = references.items.iter().find(|(named, _)| *named == place);
        items.push(match named {
            None => item,
            Some((_, id)) => find(id, records).ok_or_else(|| {
                let path = format!("input[{place}].id");
                let message = format!(
                    "Item with id '{}' not found: only what this gateway keeps can be referred to.",
                    shown(id)
                );
                Error::bad_request(path, message)
            })?,
        });
    }
    let mut out = Vec::with_capacity(body.len() * 2);
    let mut writer = ObjectWriter::open(&mut out);
    for (name, value) in object.members() {
        if name != "input" {
            writer.raw(name, value);
        }
    }
    // A request without input stays one.
    if !matches!(new, "null") {
        writer.raw("input", &format!("[{}]", items.join(",")));
    }
    writer.close();
    Ok(out.into())
}

/// Returns the items that a request which goes on from a record begins with.
fn conversation(record: &RawJson) -> Option<Vec<&str>> {
    let record = RawObject::parse(record.get())?;
    let mut items = list(record.get("input")?);
    record.get("response")?;
    items.extend(output(&record));
    Some(items)
}

/// Returns the response of a record, for a client; `encrypted`: with what the model needs to see its reasoning again.
pub fn response_of(record: &RawJson, encrypted: bool) -> Option<RawJson> {
    let record = RawObject::parse(record.get())?;
    let mut response: Value = serde_json::from_str(record.get("response")?).ok()?;
    if !encrypted && let Some(Value::Array(items)) = response.get_mut("output") {
        items.iter_mut().for_each(without_packed);
    }
    Some(RawJson::from_value(&response))
}

/// In which order items are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The oldest first.
    Ascending,
    /// The newest first.
    #[default]
    Descending,
}

/// Which items are listed.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// In which order.
    pub order: Order,
    /// Only those behind the item with this id.
    pub after: Option<String>,
    /// How many.
    pub limit: usize,
}

/// Lists the items that led to the response of a record, which is called `id`.
pub fn input_items(record: &RawJson, id: &str, page: &Page) -> Option<RawJson> {
    let record = RawObject::parse(record.get())?;
    let name = id.strip_prefix("resp_").unwrap_or(id);
    let items = list(record.get("input")?).into_iter().enumerate();
    let mut items: Vec<Value> = items
        .filter_map(|(place, item)| whole(item, &format!("in_{name}_{place}")))
        .collect();
    if page.order == Order::Descending {
        items.reverse();
    }
    if let Some(after) = &page.after {
        let place = items.iter().position(|item| item["id"] == **after)?;
        items.drain(..=place);
    }
    let has_more = items.len() > page.limit;
    items.truncate(page.limit);
    let id_of = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    Some(RawJson::from_value(&json!({
        "object": "list",
        "first_id": id_of(items.first()),
        "last_id": id_of(items.last()),
        "has_more": has_more,
        "data": items,
    })))
}

/// Brings an item into the form in which items are listed: with a type, an id, and its content in parts.
fn whole(item: &str, id: &str) -> Option<Value> {
    let Value::Object(members) = serde_json::from_str(item).ok()? else {
        return None;
    };
    let mut out = Map::new();
    out.insert("id".to_owned(), json!(id));
    out.insert("type".to_owned(), json!("message"));
    out.extend(members.into_iter().filter(|(_, value)| !value.is_null()));
    if let Some(Value::String(text)) = out.get("content") {
        let is_models = out.get("role").is_some_and(|role| role == "assistant");
        let part = if is_models {
            json!({"type": "output_text", "text": text, "annotations": []})
        } else {
            json!({"type": "input_text", "text": text})
        };
        out.insert("content".to_owned(), json!([part]));
    }
    let mut item = Value::Object(out);
    without_packed(&mut item);
    Some(item)
}

fn without_packed(item: &mut Value) {
    if let Some(members) = item.as_object_mut() {
        members.shift_remove("encrypted_content");
    }
}

fn object(body: &Bytes) -> Option<RawObject<'_>> {
    RawObject::parse(std::str::from_utf8(body).ok()?)
}

/// The elements of a list, as written; none where it is no list.
fn list(json: &str) -> Vec<&str> {
    let elements: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
    elements.into_iter().map(RawValue::get).collect()
}

fn output<'a>(record: &RawObject<'a>) -> Vec<&'a str> {
    let response = RawObject::parse(record.get("response").unwrap_or("null")).unwrap_or_default();
    list(response.get("output").unwrap_or("[]"))
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

fn find<'r>(id: &str, records: &'r BTreeMap<String, RawJson>) -> Option<&'r str> {
    let record = RawObject::parse(records.get(&response_of_item(id)?)?.get())?;
    let is_it = |item: &&str| {
        let item = RawObject::parse(item);
        item.is_some_and(|item| item.text("id").is_some_and(|known| known == id))
    };
    output(&record).into_iter().find(is_it)
}

/// Returns the id of the response that an item is of: `msg_<response>_<place>`.
fn response_of_item(id: &str) -> Option<String> {
    let (_, rest) = id.split_once('_')?;
    let (response, _) = rest.rsplit_once('_')?;
    Some(format!("resp_{response}"))
}

/// As much of an id as an error repeats.
fn shown(id: &str) -> String {
    id.chars().take(128).collect()
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
