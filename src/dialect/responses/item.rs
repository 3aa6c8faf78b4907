//! The items of a response's output, and how they are written.

use serde_json::value::RawValue;

use super::asked::{Asked, Known};
use super::packed;
use crate::canonical::{ObjectWriter, RawJson, Text, Thinking, write_escaped};

/// The written form of a string, without its quotes: what a stream brings in pieces.
pub(super) type Escaped = Vec<u8>;

/// How an item is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It begins: without what it holds.
    Begun,
    /// It is over. `encrypted`: reasoning has what the model needs to see it again.
    Done {
        /// Whether reasoning has it.
        encrypted: bool,
    },
}

/// An item of a response's output.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) kind: Kind,
    /// Whether the model was cut off within it.
    pub(super) is_cut: bool,
}

/// What an item is.
#[derive(Debug)]
pub(super) enum Kind {
    /// What the model thought.
    Reasoning(Vec<Thought>),
    /// What it said.
    Message(Said),
    /// A call of a tool.
    Call(Call),
    /// A picture, base64.
    Image(Text),
}

/// One block of reasoning.
#[derive(Debug, Default)]
pub(super) struct Thought {
    /// Its text, or, where nobody can read it, its data.
    pub(super) text: Escaped,
    pub(super) signature: Option<Text>,
    pub(super) is_redacted: bool,
}

/// Text with its annotations.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) text: Escaped,
    /// The annotations, with commas between them.
    pub(super) annotations: Vec<u8>,
    /// How many there are, in a stream.
    pub(super) count: u64,
}

/// A call of a tool.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: Text,
    pub(super) tool: Known,
    /// The arguments: JSON, written as a string.
    pub(super) arguments: Escaped,
}

impl Item {
    /// Makes the item that stands at `place` of the response called `response`.
    ///
    /// Its id says whose it is and where it stands, so that a client that names it can be understood.
    pub(super) fn new(kind: Kind, response: &str, place: usize) -> Self {
        let prefix = match &kind {
            Kind::Reasoning(_) => "rs",
            Kind::Message(_) => "msg",
            Kind::Call(call) if call.tool.is_custom => "ctc",
            Kind::Call(_) => "fc",
            Kind::Image(_) => "ig",
        };
        let response = response.strip_prefix("resp_").unwrap_or(response);
        Self {
            id: format!("{prefix}_{response}_{place}"),
            kind,
            is_cut: false,
        }
    }

    /// Appends the item.
    pub(super) fn write(&self, stage: Stage, out: &mut Vec<u8>) {
        let is_begun = stage == Stage::Begun;
        let mut object = ObjectWriter::open(out);
        write_escaped(&self.id, object.member("id"));
        write_escaped(self.type_name(), object.member("type"));
        match &self.kind {
            Kind::Reasoning(thoughts) => write_reasoning(thoughts, stage, &mut object),
            Kind::Message(said) => {
                object.raw("role", r#""assistant""#);
                let content = object.member("content");
                content.push(b'[');
                if !is_begun {
                    said.write_part(content);
                }
                content.push(b']');
            }
            Kind::Call(call) => call.write(is_begun, &mut object),
            Kind::Image(base64) if !is_begun => object.raw("result", base64.raw()),
            Kind::Image(_) => object.raw("result", "null"),
        }
        // Reasoning has no state of its own in OpenAI's answers.
        if !matches!(self.kind, Kind::Reasoning(_)) {
            let status = match (is_begun, self.is_cut) {
                (true, _) => "in_progress",
                (false, true) => "incomplete",
                (false, false) => "completed",
            };
            write_escaped(status, object.member("status"));
        }
        object.close();
    }

    fn type_name(&self) -> &'static str {
        match &self.kind {
            Kind::Reasoning(_) => "reasoning",
            Kind::Message(_) => "message",
            Kind::Call(call) if call.tool.is_custom => "custom_tool_call",
            Kind::Call(_) => "function_call",
            Kind::Image(_) => "image_generation_call",
        }
    }
}

fn write_reasoning(thoughts: &[Thought], stage: Stage, object: &mut ObjectWriter<'_>) {
    let summary = object.member("summary");
    summary.push(b'[');
    if stage != Stage::Begun {
        let shown = thoughts.iter().filter(|thought| thought.is_shown());
        for (place, thought) in shown.enumerate() {
            if place > 0 {
                summary.push(b',');
            }
            write_summary(&thought.text, summary);
        }
    }
    summary.push(b']');
    if stage == (Stage::Done { encrypted: true }) {
        let thoughts: Vec<Thinking> = thoughts.iter().map(Thought::replayed).collect();
        write_escaped(&packed::pack(&thoughts), object.member("encrypted_content"));
    }
}

/// Appends one part of a summary.
pub(super) fn write_summary(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"summary_text","text":""#);
    out.extend_from_slice(text);
    out.extend_from_slice(br#""}"#);
}

impl Thought {
    /// Says whether it has text that can be shown.
    pub(super) fn is_shown(&self) -> bool {
        !self.is_redacted && !self.text.is_empty()
    }

    /// Returns it as the model is to see it again.
    fn replayed(&self) -> Thinking {
        let text = text_of(&self.text);
        if self.is_redacted {
            Thinking::Redacted(text)
        } else {
            Thinking::Shown {
                text,
                signature: self.signature.clone(),
            }
        }
    }
}

impl Said {
    /// Appends the one part of the message.
    pub(super) fn write_part(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"type":"output_text","text":""#);
        out.extend_from_slice(&self.text);
        out.extend_from_slice(br#"","annotations":["#);
        out.extend_from_slice(&self.annotations);
        out.extend_from_slice(br#"],"logprobs":[]}"#);
    }
}

impl Call {
    /// Makes the call of the tool that models know by `name`.
    pub(super) fn new(call_id: &Text, name: &Text, asked: &Asked) -> Self {
        let name = name.decoded();
        let tool = asked.tools.get(&*name).cloned().unwrap_or_else(|| Known {
            name: name.into_owned(),
            ..Known::default()
        });
        Self {
            id: call_id.clone(),
            tool,
            arguments: Escaped::new(),
        }
    }

    /// Says whether the arguments that have come are a whole object.
    pub(super) fn is_whole(&self) -> bool {
        serde_json::from_str::<&RawValue>(&text_of(&self.arguments).decoded())
            .is_ok_and(|arguments| arguments.get().starts_with('{'))
    }

    /// Returns the text that a custom tool is called with.
    ///
    /// Models see such a tool as a function with one member `input`; one that calls it otherwise is quoted as it is.
    pub(super) fn input(&self) -> Text {
        #[derive(serde::Deserialize)]
        struct Arguments {
            input: Text,
        }
        let written = text_of(&self.arguments);
        match serde_json::from_str::<Arguments>(&written.decoded()) {
            Ok(arguments) => arguments.input,
            Err(_) => written,
        }
    }

    fn write(&self, is_begun: bool, object: &mut ObjectWriter<'_>) {
        object.raw("call_id", self.id.raw());
        write_escaped(&self.tool.name, object.member("name"));
        if let Some(namespace) = &self.tool.namespace {
            write_escaped(namespace, object.member("namespace"));
        }
        let member = if self.tool.is_custom {
            "input"
        } else {
            "arguments"
        };
        let out = object.member(member);
        if is_begun {
            out.extend_from_slice(br#""""#);
        } else if self.tool.is_custom {
            out.extend_from_slice(self.input().bytes());
        } else {
            out.push(b'"');
            out.extend_from_slice(&self.arguments);
            out.push(b'"');
        }
    }
}

/// Puts the quotes around the written form of a string.
fn text_of(escaped: &[u8]) -> Text {
    let mut json = Vec::with_capacity(escaped.len() + 2);
    json.push(b'"');
    json.extend_from_slice(escaped);
    json.push(b'"');
    RawJson::from_checked(json.into())
        .parse()
        .unwrap_or_else(|_| Text::new(""))
}
