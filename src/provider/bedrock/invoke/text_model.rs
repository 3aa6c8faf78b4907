//! Families whose request is one JSON object with a prompt, and whose answer is one text.
//!
//! A family is a [`TextModel`]: the parameters it takes, how it writes its body and how it reads its answer. The rest is
//! here.

use super::envelope::Outgoing;
use super::said::{Read, Reasoning, SaidDecoder};
use super::screen;
use super::transcript::{self, Line, Words};
use crate::canonical::{Chat, ChatParams, ChatRequest, RawJson, write_escaped};
use crate::error::{Error, Result};
use crate::provider::bedrock::chat::fields::Fields;
use crate::provider::bedrock::chat::{extras, warnings};
use crate::provider::bedrock::converse::Converse;
use crate::provider::{Exchange, Target, TransformError, Transformer};

/// A family whose request is one prompt.
#[derive(Debug)]
pub(crate) struct TextModel {
    /// The parameters that it takes, by their OpenAI names.
    pub(super) taken: &'static [&'static str],
    /// What it has words for beside text.
    pub(super) words: Words,
    /// Where the models take tools by Converse alone: a request with tools goes there, unless `InvokeModel` was asked for.
    pub(super) tools_by_converse: bool,
    /// Writes the body: the prompt first.
    pub(super) write: Write,
    /// Where the caller's own members stand, if not beside the prompt.
    pub(super) inside: Option<&'static str>,
    /// Members of a request that are read here and not sent.
    pub(super) not_sent: &'static [&'static str],
    /// How its text is read.
    pub(super) reasoning: Reasoning,
    /// Reads an answer or a chunk.
    pub(super) read: Read,
}

/// Parameters that most of these families take.
pub(super) const USUAL: [&str; 5] = [
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "stop",
];

/// The same, and one more.
pub(super) const USUAL_AND_TOP_K: [&str; 6] = [
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop",
];

/// How a family writes its body.
#[derive(Debug, Clone, Copy)]
pub(super) enum Write {
    /// Whatever is asked can be written.
    Always(fn(&Asked<'_>, &mut Fields)),
    /// Some requests are refused.
    MayRefuse(fn(&Asked<'_>, &mut Fields) -> Result<()>),
}

/// What a body is written from.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// The conversation.
    pub(super) lines: Vec<Line>,
    /// The parameters that the family takes.
    pub(super) params: &'a ChatParams,
    /// What the client asked.
    pub(super) request: &'a ChatRequest,
    /// Where it goes.
    pub(super) target: &'a Target,
}

impl Asked<'_> {
    /// Returns the base model.
    pub(super) fn base(&self) -> &str {
        &self.target.model.base
    }

    /// Sets the parameters that the family calls by these names.
    pub(super) fn set_sampling(&self, names: &[(&str, &str)], fields: &mut Fields) {
        for (openai, native) in names {
            if let Some(value) = self.param(openai) {
                fields.set(native, value);
            }
        }
    }

    /// Returns a parameter by its OpenAI name.
    pub(super) fn param(&self, name: &str) -> Option<RawJson> {
        let params = self.params;
        match name {
            "max_tokens" => screen::limit(params),
            "temperature" => params.temperature.as_ref().map(RawJson::from_value),
            "top_p" => params.top_p.as_ref().map(RawJson::from_value),
            "top_k" => params.top_k.as_ref().map(RawJson::from_value),
            "stop" => params.stop.as_ref().map(RawJson::from_value),
            _ => {
                let mut others = params.openai.iter();
                let found = others.find(|(known, _)| known == name);
                found.map(|(_, value)| value.clone())
            }
        }
    }
}

impl Transformer<Chat> for TextModel {
    fn encode(
        &self,
        request: &ChatRequest,
        target: &Target,
    ) -> Result<Exchange<Chat>, TransformError> {
        if self.tools_by_converse && !target.model.route_is_asked && has_tools(request, target) {
            return Converse.encode(request, target);
        }
        Ok(self.exchange(request, target)?)
    }
}

impl TextModel {
    /// A family with words for text alone, whose answer may have thoughts in tags, and which has nothing else of its own.
    pub(super) const fn new(taken: &'static [&'static str], write: Write, read: Read) -> Self {
        Self {
            taken,
            words: Words::TEXT,
            tools_by_converse: false,
            write,
            inside: None,
            not_sent: &[],
            reasoning: Reasoning::Tagged,
            read,
        }
    }

    fn exchange(&self, request: &ChatRequest, target: &Target) -> Result<Exchange<Chat>> {
        must_have_messages(request)?;
        let mut warnings = Vec::new();
        let params = screen::screen(request, target, self.taken, &mut warnings)?;
        if !params.tools.is_empty() && !self.words.tools {
            warnings.push("tools were left out: not supported".to_owned());
        }
        let asked = Asked {
            lines: transcript::read(request, &params, target, self.words)?,
            params: &params,
            request,
            target,
        };
        let mut fields = Fields::default();
        match self.write {
            Write::Always(write) => write(&asked, &mut fields),
            Write::MayRefuse(write) => write(&asked, &mut fields)?,
        }
        add_callers_members(&params, self.inside, self.not_sent, &mut fields);
        let mut body = Vec::new();
        fields.write(&mut body);
        let decoder = SaidDecoder::new(self.read, self.reasoning, body.len());
        let wire = Outgoing {
            request,
            params: &params,
            target,
            streamed: request.stream && !target.model.cannot_stream(false),
            body,
        }
        .wire(&mut warnings)?;
        Ok(Exchange {
            requests: vec![wire],
            decoder: Box::new(decoder),
            warnings: warnings::fit(warnings),
        })
    }
}

/// Says whether a request brings tools.
pub(super) fn has_tools(request: &ChatRequest, target: &Target) -> bool {
    !request.params.tools.is_empty() || !target.defaults.tools.is_empty()
}

/// Refuses a request without a conversation.
pub(in crate::provider::bedrock) fn must_have_messages(request: &ChatRequest) -> Result<()> {
    if request.messages.is_empty() && !request.messages_present {
        return Err(Error::bad_request(
            "messages",
            "/chat/completions: Missing required parameter: 'messages'.",
        ));
    }
    Ok(())
}

/// Adds the caller's own members as they are written; those in `additionalModelRequestFields` win over everything.
pub(in crate::provider::bedrock) fn add_callers_members(
    params: &ChatParams,
    inside: Option<&str>,
    not_sent: &[&str],
    fields: &mut Fields,
) {
    let given =
        extras::for_the_model(params).filter(|(name, _)| !not_sent.contains(&name.as_str()));
    match inside {
        None => {
            for (name, value) in given {
                fields.set(name, value.clone());
            }
        }
        Some(inside) => {
            let mut members = Fields::default();
            if let Some(own) = fields.get(inside) {
                members.merge(&own.clone());
            }
            for (name, value) in given {
                members.set(name, value.clone());
            }
            if !members.is_empty() {
                let mut written = Vec::new();
                members.write(&mut written);
                fields.set(inside, raw(&written));
            }
        }
    }
    if let Some(given) = params.extra("additionalModelRequestFields") {
        fields.merge(given);
    }
}

/// Takes JSON that was written here.
pub(super) fn raw(written: &[u8]) -> RawJson {
    serde_json::from_slice(written).unwrap_or_else(|_| RawJson::from_value(&()))
}

/// Sets a member to a text.
pub(super) fn set_text(name: &str, text: &str, fields: &mut Fields) {
    let mut written = Vec::with_capacity(text.len() + 16);
    write_escaped(text, &mut written);
    fields.set(name, raw(&written));
}
