//! A response as it was kept, for a client that wants to see it again.
//!
//! A record has the whole conversation, `input`, and the `response` that it led to, reasoning packed. What requests take out
//! of it is in `references`.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::canonical::{RawJson, RawObject};

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
    let own = |place: usize| format!("in_{name}_{place}");
    let items = list(record.get("input")?).into_iter().enumerate();
    // A conversation may be long: no more than ids is read of what is not shown.
    let mut items: Vec<(usize, &str)> = items.filter(|(_, item)| item.starts_with('{')).collect();
    if page.order == Order::Descending {
        items.reverse();
    }
    if let Some(after) = &page.after {
        let is_it =
            |&(place, item): &(usize, &str)| id_of(item, own(place)).as_deref() == Some(after);
        let place = items.iter().position(is_it)?;
        items.drain(..=place);
    }
    let has_more = items.len() > page.limit;
    items.truncate(page.limit);
    let items = items.into_iter();
    let items: Vec<Value> = items
        .filter_map(|(place, item)| whole(item, &own(place)))
        .collect();
    let id_of = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    Some(RawJson::from_value(&json!({
        "object": "list",
        "first_id": id_of(items.first()),
        "last_id": id_of(items.last()),
        "has_more": has_more,
        "data": items,
    })))
}

/// Returns the id that an item is listed by: what it says itself, else `own`.
fn id_of(item: &str, own: String) -> Option<String> {
    let members = RawObject::parse(item)?;
    match members.get("id") {
        None | Some("null") => Some(own),
        Some(_) => members.text("id").map(Cow::into_owned),
    }
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

/// The elements of a list, as written; none where it is no list.
pub(super) fn list(json: &str) -> Vec<&str> {
    let elements: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
    elements.into_iter().map(RawValue::get).collect()
}

/// The items that a response consists of.
pub(super) fn output<'a>(record: &RawObject<'a>) -> Vec<&'a str> {
    let response = RawObject::parse(record.get("response").unwrap_or("null")).unwrap_or_default();
    list(response.get("output").unwrap_or("[]"))
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
