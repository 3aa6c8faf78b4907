//! What of a chat request is in its key: all of it.
//!
//! Each type is taken apart by name, so that a field which is added elsewhere does not compile here until it is written.
//! Media counts as the client gave it: an address counts as an address, whatever is found there later.

use super::canon::{Canon, Canonical};
use super::key::{KeyWriter, Keyed};
use crate::canonical::{
    CacheControl, ChatParams, ChatRequest, Content, JsonSchemaFormat, Media, MediaKind,
    MediaSource, Message, Native, Part, PartKind, RawJson, RawObject, ResponseFormat, Role, Text,
    Thinking, Tool, ToolCall, ToolChoice,
};

impl Keyed for ChatRequest {
    const OPERATION: &'static str = "acompletion";

    fn messages(&self) -> usize {
        self.messages.len()
    }

    fn is_stream(&self) -> bool {
        self.stream
    }

    fn write_key(&self, key: &mut KeyWriter<'_>) {
        self.write(key.0);
    }
}

impl Canonical for ChatRequest {
    fn write(&self, out: &mut Canon) {
        let Self {
            messages,
            messages_present,
            params,
            stream,
            include_usage,
            betas,
            content_blocks,
            portkey,
            // A name for upstreams, which says nothing of what is asked.
            session: _,
            native,
            // What it loses is in what it says.
            loss: _,
        } = self;
        out.object(|out| {
            out.member("messages", messages);
            out.member("messages_present", messages_present);
            out.member("params", params);
            out.member("stream", stream);
            out.member("include_usage", include_usage);
            out.member("betas", betas);
            out.member("content_blocks", content_blocks);
            out.member("portkey", portkey);
            if let Some(native) = native {
                write_native(native, messages, out);
            }
        });
    }
}

/// Writes what a client's own body says that the other fields have no place for: unknown blocks and members of the
/// conversation. Its other members are parameters, or the gateway's.
fn write_native(native: &Native, messages: &[Message], out: &mut Canon) {
    let body = RawObject::parse(native.body.get()).unwrap_or_default();
    for member in native.format.telling_members() {
        let written = body
            .get(member)
            .filter(|it| *member != "input" || !is_last(it, messages));
        let written = written.map(|written| {
            let bytes = native.body.bytes().slice_ref(written.as_bytes());
            RawJson::from_checked(bytes)
        });
        out.member(&format!("native_{member}"), &written);
    }
}

/// A mere text that was read as the last message says nothing more than that, and chats may ask the same.
fn is_last(written: &str, messages: &[Message]) -> bool {
    let last = messages.last().map(|message| &message.content);
    matches!(last, Some(Content::Text(text)) if text.raw() == written)
}

impl Canonical for ChatParams {
    fn write(&self, out: &mut Canon) {
        let Self {
            max_tokens,
            max_completion_tokens,
            temperature,
            top_p,
            top_k,
            stop,
            tools,
            tool_choice,
            parallel_tool_calls,
            response_format,
            reasoning_effort,
            effort_is_wish,
            thinking,
            output_config,
            guardrail,
            openai,
            extra,
            drop_params,
            additional_drop_params,
            allowed_openai_params,
            user_continue_message,
            assistant_continue_message,
            extra_headers,
            user,
        } = self;
        out.object(|out| {
            out.member("max_tokens", max_tokens);
            out.member("max_completion_tokens", max_completion_tokens);
            out.member("temperature", temperature);
            out.member("top_p", top_p);
            out.member("top_k", top_k);
            out.member("stop", stop);
            out.member("tools", tools);
            out.member("tool_choice", tool_choice);
            out.member("parallel_tool_calls", parallel_tool_calls);
            out.member("response_format", response_format);
            out.member("reasoning_effort", reasoning_effort);
            out.member("effort_is_wish", effort_is_wish);
            out.member("thinking", thinking);
            out.member("output_config", output_config);
            out.member("guardrail", guardrail);
            out.member("openai", &ByName(openai));
            out.member("extra", &ByName(extra));
            out.member("drop_params", drop_params);
            out.member("additional_drop_params", additional_drop_params);
            out.member("allowed_openai_params", allowed_openai_params);
            out.member("user_continue_message", user_continue_message);
            out.member("assistant_continue_message", assistant_continue_message);
            out.member("extra_headers", &ByName(extra_headers));
            out.member("user", user);
        });
    }
}

/// Members of one object: their order does not count.
pub(super) struct ByName<'a, T>(pub(super) &'a [(String, T)]);

impl<T: Canonical> Canonical for ByName<'_, T> {
    fn write(&self, out: &mut Canon) {
        let mut sorted: Vec<&(String, T)> = self.0.iter().collect();
        sorted.sort_by(|one, other| one.0.cmp(&other.0));
        out.list(sorted);
    }

    fn is_absent(&self) -> bool {
        self.0.is_empty()
    }
}

impl Canonical for Message {
    fn write(&self, out: &mut Canon) {
        let Self {
            role,
            content,
            cache,
            tool_calls,
            thinking,
            tool_call_id,
            name,
            prefix,
            is_error,
            search_results,
        } = self;
        out.object(|out| {
            out.member("role", role);
            out.member("content", content);
            out.member("cache", cache);
            out.member("tool_calls", tool_calls);
            out.member("thinking", thinking);
            out.member("tool_call_id", tool_call_id);
            out.member("name", name);
            out.member("prefix", prefix);
            out.member("is_error", is_error);
            out.member("search_results", search_results);
        });
    }
}

impl Canonical for Role {
    fn write(&self, out: &mut Canon) {
        match self {
            Self::System => out.string("system"),
            Self::User => out.string("user"),
            Self::Assistant => out.string("assistant"),
            Self::Tool => out.string("tool"),
            Self::Function => out.string("function"),
            Self::Other(name) => tagged("other", name, out),
        }
    }
}

impl Canonical for Content {
    fn write(&self, out: &mut Canon) {
        match self {
            Self::Absent => out.object(|_| ()),
            Self::Text(text) => text.write(out),
            Self::Parts(parts) => parts.write(out),
        }
    }

    fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// Appends a value with the name of what it is.
fn tagged<T: Canonical + ?Sized>(name: &str, value: &T, out: &mut Canon) {
    out.object(|out| {
        out.string(name);
        value.write(out);
    });
}

impl Canonical for Part {
    fn write(&self, out: &mut Canon) {
        let Self { kind, cache } = self;
        out.object(|out| {
            match kind {
                PartKind::Text(text) => out.member("text", text),
                PartKind::GuardedText(text) => out.member("guarded_text", text),
                PartKind::GroundingSource(text) => out.member("grounding_source", text),
                PartKind::GroundingQuery(text) => out.member("query", text),
                PartKind::Media(media) => out.member("media", media),
                PartKind::Thinking(thinking) => out.member("thinking", thinking),
                PartKind::Json(json) => out.member("json", json),
                PartKind::SearchResult(json) => out.member("search_result", json),
                PartKind::Unknown(name) => out.member("unknown", name),
            }
            out.member("cache", cache);
        });
    }
}

impl Canonical for Thinking {
    fn write(&self, out: &mut Canon) {
        out.object(|out| match self {
            Self::Shown { text, signature } => {
                out.member("text", text);
                out.member("signature", signature);
            }
            Self::Redacted(data) => out.member("redacted", data),
        });
    }
}

impl Canonical for ToolCall {
    fn write(&self, out: &mut Canon) {
        let Self {
            id,
            name,
            arguments,
            cache,
        } = self;
        out.object(|out| {
            out.member("id", id);
            out.member("name", name);
            out.member("arguments", arguments);
            out.member("cache", cache);
        });
    }
}

impl Canonical for CacheControl {
    fn write(&self, out: &mut Canon) {
        let Self { kind, ttl } = self;
        out.object(|out| {
            out.member("kind", kind);
            out.member("ttl", ttl);
        });
    }
}

impl Canonical for Media {
    fn write(&self, out: &mut Canon) {
        let Self {
            kind,
            source,
            format,
            mime,
            filename,
            title,
            context,
            citations,
            detail,
            // It is the source itself until it is fetched.
            fetched_from: _,
        } = self;
        let kind = match kind {
            MediaKind::Image => "image",
            MediaKind::File => "file",
            MediaKind::Document => "document",
            MediaKind::Video => "video",
            MediaKind::Audio => "audio",
        };
        out.object(|out| {
            out.member("kind", kind);
            out.member("source", source);
            out.member("format", format);
            out.member("mime", mime);
            out.member("filename", filename);
            out.member("title", title);
            out.member("context", context);
            out.member("citations", citations);
            out.member("detail", detail);
        });
    }
}

impl Canonical for MediaSource {
    fn write(&self, out: &mut Canon) {
        match self {
            Self::Base64(data) => tagged("base64", data, out),
            // Where its payload begins follows from the address.
            Self::DataUrl { url, payload: _ } => tagged("data_url", url, out),
            Self::Url(url) => tagged("url", url, out),
            Self::S3 { uri, bucket_owner } => out.object(|out| {
                out.member("s3", uri);
                out.member("bucket_owner", bucket_owner);
            }),
            Self::PlainText(text) => tagged("text", text, out),
            Self::TextParts(texts) => tagged::<Vec<Text>>("texts", texts, out),
            Self::Invalid(written) => tagged("invalid", written, out),
        }
    }
}

impl Canonical for Tool {
    fn write(&self, out: &mut Canon) {
        self.0.write(out);
    }
}

impl Canonical for ToolChoice {
    fn write(&self, out: &mut Canon) {
        match self {
            Self::Auto => out.string("auto"),
            Self::None => out.string("none"),
            Self::Required => out.string("required"),
            Self::Named(name) => tagged("named", name, out),
            Self::Allowed { names, required } => out.object(|out| {
                out.string("allowed");
                names.write(out);
                out.member("required", required);
            }),
            Self::Other(json) => tagged("other", json, out),
        }
    }
}

impl Canonical for ResponseFormat {
    fn write(&self, out: &mut Canon) {
        match self {
            Self::Text => out.string("text"),
            Self::JsonObject => out.string("json_object"),
            Self::JsonSchema(format) => {
                let JsonSchemaFormat {
                    name,
                    description,
                    schema,
                    strict,
                } = format;
                out.object(|out| {
                    out.member("name", name);
                    out.member("description", description);
                    out.member("schema", schema);
                    out.member("strict", strict);
                });
            }
            Self::Other(json) => tagged("other", json, out),
        }
    }
}
