//! Responses of a model that speaks this format itself: passed on as it wrote them.
//!
//! The client's words stay the client's: the model's name, and what a response repeats of who asks. Everything else, ids
//! included, is the model's. A stream that breaks ends in one event, which has what had come to its end by then.

use super::asked::Asked;
use super::failure::write_failure;
use super::record::list;
use crate::canonical::{
    ChatAnswer, ChatChunk, NativeEvent, NativeFormat, ObjectWriter, RawJson, RawObject,
    write_escaped,
};
use crate::dialect::in_line::write_in_line;
use crate::dialect::{Envelope, Kept};
use crate::error::Error;

/// What a response repeats of who asks. An answer out of the cache may have been another's.
const OF_THE_CLIENT: [&str; 5] = [
    "metadata",
    "previous_response_id",
    "prompt_cache_key",
    "safety_identifier",
    "user",
];

/// Returns the answer as it was written, where that is a response.
pub(super) fn own(answer: &ChatAnswer) -> Option<&RawJson> {
    let native = answer.native.as_ref()?;
    (native.format == NativeFormat::Responses).then_some(&native.body)
}

/// Returns the id of a response.
pub(super) fn id_of(response: &str) -> Option<String> {
    RawObject::parse(response)?.text("id").map(Into::into)
}

/// Returns the id of the response that an event is about, if it has that response.
pub(super) fn id_in(chunk: &ChatChunk) -> Option<String> {
    match chunk {
        ChatChunk::Native(event) if event.format == NativeFormat::Responses => {
            id_of(RawObject::parse(event.json.get())?.get("response")?)
        }
        _ => None,
    }
}

/// Writes a response with what is the client's; `None` when it is no object.
pub(super) fn retold(response: &RawJson, envelope: &Envelope, asked: &Asked) -> Option<RawJson> {
    retell(response.get(), envelope, asked)
}

fn retell(response: &str, envelope: &Envelope, asked: &Asked) -> Option<RawJson> {
    let response = RawObject::parse(response)?;
    let mut out = Vec::with_capacity(1024);
    let mut writer = ObjectWriter::open(&mut out);
    for (name, value) in response.members() {
        let clients = asked.repeated.iter().find(|(known, _)| *known == name);
        match clients.filter(|_| OF_THE_CLIENT.contains(&name)) {
            _ if name == "model" => write_escaped(&envelope.model, writer.member(name)),
            Some((_, clients)) => write_in_line(clients, writer.member(name)),
            None if OF_THE_CLIENT.contains(&name) => {
                let nothing = if name == "metadata" { "{}" } else { "null" };
                writer.raw(name, nothing);
            }
            None => writer.raw(name, value),
        }
    }
    writer.close();
    Some(RawJson::from_checked(out.into()))
}

/// Writes down a response with the conversation that led to it, if it is to be kept and not too large.
pub(super) fn record(response: &RawJson, asked: &Asked) -> Option<Kept> {
    let room = asked.room?;
    let mut out = Vec::with_capacity(response.bytes().len() + 1024);
    let mut writer = ObjectWriter::open(&mut out);
    writer.raw("input", asked.input.0.get());
    writer.raw("response", response.get());
    writer.close();
    (out.len() <= room).then_some(Kept {
        id: id_of(response.get())?,
        record: RawJson::from_checked(out.into()),
        items: ids_of_items(response),
    })
}

fn ids_of_items(response: &RawJson) -> Vec<String> {
    let response = RawObject::parse(response.get()).unwrap_or_default();
    let items = list(response.get("output").unwrap_or("[]"));
    items.into_iter().filter_map(id_of).collect()
}

/// How far a stream has come.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// The response as it was told last.
    response: Option<RawJson>,
    /// The items that have come to their end.
    items: Vec<RawJson>,
    /// The number of the next event.
    next: u64,
    is_over: bool,
}

impl Passed {
    /// Passes an event on.
    pub(super) fn event(
        &mut self,
        event: &NativeEvent,
        envelope: &Envelope,
        asked: &Asked,
        out: &mut Vec<u8>,
    ) {
        let object = RawObject::parse(event.json.get()).unwrap_or_default();
        let number = object.get("sequence_number");
        let number = number.and_then(|number| number.parse::<u64>().ok());
        self.next = number.unwrap_or(self.next).saturating_add(1);
        let response =
            (object.get("response")).and_then(|response| retell(response, envelope, asked));
        begin(&event.name, out);
        match response {
            None => write_in_line(&event.json, out),
            Some(response) => {
                let mut written = Vec::with_capacity(event.json.bytes().len() + 64);
                let mut writer = ObjectWriter::open(&mut written);
                for (name, value) in object.members() {
                    let is_response = name == "response";
                    writer.raw(name, if is_response { response.get() } else { value });
                }
                writer.close();
                write_in_line(&RawJson::from_checked(written.into()), out);
                self.response = Some(response);
            }
        }
        out.extend_from_slice(b"\n\n");
        match &*event.name {
            "response.output_item.done" => {
                let item = object.get("item").map(str::as_bytes);
                let item = item.map(|item| event.json.bytes().slice_ref(item));
                self.items.extend(item.map(RawJson::from_checked));
            }
            "response.completed" | "response.incomplete" => self.is_over = true,
            _ => {}
        }
    }

    /// Returns what is to be kept of a stream that has ended.
    pub(super) fn kept(&self, asked: &Asked) -> Option<Kept> {
        record(self.response.as_ref().filter(|_| self.is_over)?, asked)
    }

    /// Ends a stream that broke: the response failed, with the items that had come to their end.
    pub(super) fn error(&self, error: &Error, out: &mut Vec<u8>) {
        const KIND: &str = "response.failed";
        let told = self.response.as_ref().map_or("{}", RawJson::get);
        let told = RawObject::parse(told).unwrap_or_default();
        begin(KIND, out);
        let mut event = ObjectWriter::open(out);
        write_escaped(KIND, event.member("type"));
        event.raw("sequence_number", itoa::Buffer::new().format(self.next));
        let mut response = ObjectWriter::open(event.member("response"));
        for (name, value) in told.members() {
            if !matches!(name, "status" | "error" | "output") {
                write_in_line(&of(value), response.member(name));
            }
        }
        response.raw("status", r#""failed""#);
        write_failure(error, response.member("error"));
        let output = response.member("output");
        output.push(b'[');
        for item in &self.items {
            if !output.ends_with(b"[") {
                output.push(b',');
            }
            write_in_line(item, output);
        }
        output.push(b']');
        response.close();
        event.close();
        out.extend_from_slice(b"\n\n");
    }
}

fn of(json: &str) -> RawJson {
    RawJson::from_checked(bytes::Bytes::copy_from_slice(json.as_bytes()))
}

/// Begins an event.
fn begin(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    // A name is one word; what comes from elsewhere must not end the line.
    out.extend(name.bytes().filter(|byte| !byte.is_ascii_control()));
    out.extend_from_slice(b"\ndata: ");
}

#[cfg(test)]
#[path = "passed_tests.rs"]
mod tests;
