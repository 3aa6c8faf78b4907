//! The body of a request, as a model that speaks this format itself is to get it.
//!
//! It stays as the client wrote it, but for what means something here alone: reasoning that was packed here, and the names
//! under which a conversation was kept here. Names are compared as they are read, not as they are written, so that no model is
//! asked anything else than what was read here.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::packed;
use super::record::list;
use crate::canonical::{Native, NativeFormat, ObjectWriter, RawJson, RawObject};

/// The member that names the response which a request goes on from.
const PREVIOUS: &str = "previous_response_id";

/// Keeps the body of a request, whose members are these.
pub(super) fn native(body: &Bytes, members: &[(Cow<'_, str>, &RawValue)]) -> Native {
    let edited = edited(body, members);
    Native {
        format: NativeFormat::Responses,
        body: edited.unwrap_or_else(|| RawJson::from_checked(body.clone())),
        is_alone: false,
    }
}

fn edited(body: &Bytes, members: &[(Cow<'_, str>, &RawValue)]) -> Option<RawJson> {
    let goes_on = (members.iter()).any(|(name, value)| name == PREVIOUS && value.get() != "null");
    let names = |word: &str| memchr::memmem::find(body, word.as_bytes()).is_some();
    if !goes_on && !names("\"reasoning\"") && is_said_once(body) {
        return None;
    }
    let mut out = Vec::with_capacity(body.len());
    let mut writer = ObjectWriter::open(&mut out);
    for (name, value) in members {
        if name == "input" && value.get().starts_with('[') {
            write_items(value.get(), goes_on, writer.member(name));
        } else if name != PREVIOUS {
            writer.raw(name, value.get());
        }
    }
    writer.close();
    Some(RawJson::from_checked(out.into()))
}

/// Says whether a body has each member once and none that holds others: whoever reads it reads the same then.
fn is_said_once(body: &Bytes) -> bool {
    let written = std::str::from_utf8(body).ok().and_then(RawObject::parse);
    written.is_some_and(|written| {
        written.get("extra_body").is_none() && written.members().count() == written.0.len()
    })
}

fn write_items(items: &str, goes_on: bool, out: &mut Vec<u8>) {
    out.push(b'[');
    for item in list(items) {
        let Some(object) = RawObject::parse(item) else {
            continue;
        };
        let kind = object.text("type");
        let kind = kind.as_deref().unwrap_or("message");
        if kind == "reasoning" && !means_something(&object, goes_on) {
            continue;
        }
        if !out.ends_with(b"[") {
            out.push(b',');
        }
        if goes_on && matches!(kind, "message" | "function_call" | "custom_tool_call") {
            let mut writer = ObjectWriter::open(out);
            for (name, value) in object.members().filter(|(name, _)| *name != "id") {
                writer.raw(name, value);
            }
            writer.close();
        } else {
            out.extend_from_slice(item.as_bytes());
        }
    }
    out.push(b']');
}

/// Says whether the model can make something of a thought: of one that it encrypted itself, or keeps under its id.
fn means_something(item: &RawObject<'_>, goes_on: bool) -> bool {
    match item.text("encrypted_content") {
        Some(packed) => !packed::is_ours(&packed),
        None => !goes_on && !item.text("id").is_some_and(|id| is_ours(&id)),
    }
}

/// Says whether an id of reasoning was given here: `rs_<uuid>_<place>`.
fn is_ours(id: &str) -> bool {
    const UUID: usize = 36;
    let parts = id.strip_prefix("rs_").and_then(|id| id.rsplit_once('_'));
    parts.is_some_and(|(uuid, place)| {
        uuid.len() == UUID && place.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::request::members;
    use serde_json::{Value, json};

    fn kept(body: &Value) -> Value {
        let body = Bytes::from(body.to_string());
        let native = native(&body, &members(&body).unwrap());
        assert_eq!(native.format, NativeFormat::Responses);
        native.body.to_value()
    }

    #[test]
    fn a_body_stays_as_it_was_written() {
        let body = Bytes::from_static(br#"{ "model":"m", "input" : "\u0041", "x": [1.0] }"#);
        let native = native(&body, &members(&body).unwrap());
        assert_eq!(native.body.bytes().as_ptr(), body.as_ptr());
    }

    #[test]
    fn members_of_an_extra_body_are_members() {
        let body = json!({"input": "x", "extra_body": {"truncation": "auto"}});
        assert_eq!(kept(&body), json!({"input": "x", "truncation": "auto"}));
    }

    #[test]
    fn what_is_read_is_what_is_sent_however_it_is_written() {
        for body in [
            r#"{"input":"A","extra\u005fbody":{"input":"B"}}"#,
            r#"{"input":"A","inp\u0075t":"B"}"#,
            r#"{"input":"B","input":null}"#,
            r#"{"input":"A","extra_body":{"\u0069nput":"B"}}"#,
        ] {
            let body = Bytes::from(body);
            let native = native(&body, &members(&body).unwrap());
            assert_eq!(native.body.to_value(), json!({"input": "B"}), "{body:?}");
        }
    }

    #[test]
    fn only_reasoning_that_the_model_knows_stays() {
        let ours = "rs_01234567-89ab-cdef-0123-456789abcdef_0";
        let thought = |id: &str, packed: Option<&str>| {
            let mut item = json!({"type": "reasoning", "id": id, "summary": []});
            if let Some(packed) = packed {
                item["encrypted_content"] = json!(packed);
            }
            item
        };
        let user = json!({"role": "user", "content": "hi"});
        let kept_here = thought(ours, None);
        let packed_here = thought("rs_1", Some("swy1.W10"));
        let (encrypted, named) = (thought("rs_2", Some("gAAA")), thought("rs_68", None));
        let input = json!([user, kept_here, packed_here, encrypted, named]);
        assert_eq!(
            kept(&json!({"input": input, "tools": []})),
            json!({"input": [user, encrypted, named], "tools": []})
        );
        let going_on = json!({"input": input, "previous_response_id": "resp_1"});
        assert_eq!(kept(&going_on), json!({"input": [user, encrypted]}));
    }

    #[test]
    fn a_conversation_that_was_kept_here_comes_without_its_names() {
        let call = json!({"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"});
        let result =
            json!({"type": "function_call_output", "id": "o", "call_id": "c", "output": "x"});
        let asked =
            json!({"previous_response_id": "resp_1", "model": "m", "input": [call, result]});
        let mut bare = call.clone();
        bare.as_object_mut().unwrap().remove("id");
        assert_eq!(kept(&asked), json!({"model": "m", "input": [bare, result]}));
    }
}
