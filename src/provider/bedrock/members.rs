//! The members of a request that has no conversation, laid over its deployment's defaults: what a family's format does
//! not take by name goes into the body as it was written.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Number, Value};

use super::chat::{drop_paths, metadata, params};
use crate::canonical::{ChatParams, ObjectWriter, Options, ParamMap, RawJson, Text};
use crate::error::{Error, Result};
use crate::provider::Target;

/// Other spellings of members, and the name they are carried by.
const ALIASES: [(&str, &str); 2] = [
    ("performance_config", "performanceConfig"),
    ("request_metadata", "requestMetadata"),
];

/// What is left to be written of a request.
#[derive(Debug)]
pub(super) struct Members<'a> {
    /// Where it goes.
    pub(super) target: &'a Target,
    /// What was left out or changed.
    pub(super) warnings: Vec<String>,
    /// The guardrail, which travels in headers.
    pub(super) guardrail: Option<RawJson>,
    list: ParamMap,
    refused: Vec<String>,
    allowed: Vec<String>,
    drop: bool,
}

impl<'a> Members<'a> {
    /// Lays the members of a request over those of its deployment, less what either wants removed.
    pub(super) fn new(options: &Options, target: &'a Target) -> Result<Self> {
        let own = ChatParams {
            extra: options.members.clone(),
            guardrail: options.guardrail.clone(),
            additional_drop_params: options.additional_drop_params.clone(),
            allowed_openai_params: options.allowed_openai_params.clone(),
            ..ChatParams::default()
        };
        let mut own = own.over(&target.defaults);
        for (name, _) in &mut own.extra {
            if let Some((_, carried)) = ALIASES.iter().find(|(alias, _)| alias == name) {
                (*carried).clone_into(name);
            }
        }
        let mut warnings = Vec::new();
        metadata::leave_to_operator(&mut own, target, &mut warnings);
        let repairs = &target.repairs;
        let of_request = std::mem::take(&mut own.additional_drop_params);
        drop_paths::apply(&mut own, &repairs.additional_drop_params, &of_request)?;
        let mut list = own.extra;
        for (name, value) in own.openai {
            if !list.iter().any(|(known, _)| *known == name) {
                list.push((name, value));
            }
        }
        list.retain(|(name, value)| !value.is_null() && name != "stream_options");
        let mut allowed = repairs.allowed_openai_params.clone();
        allowed.append(&mut own.allowed_openai_params);
        Ok(Self {
            target,
            warnings,
            guardrail: own.guardrail,
            list,
            refused: Vec::new(),
            allowed,
            drop: options
                .drop_params
                .or(target.defaults.drop_params)
                .unwrap_or(repairs.drop_params),
        })
    }

    /// Takes a member out.
    pub(super) fn take(&mut self, name: &str) -> Option<RawJson> {
        let place = self.list.iter().position(|(known, _)| known == name)?;
        Some(self.list.remove(place).1)
    }

    /// Puts a member back, or under another name.
    pub(super) fn put_back(&mut self, name: &str, value: RawJson) {
        self.list.push((name.to_owned(), value));
    }

    /// Takes a member out that goes by one of two names; the first one wins.
    pub(super) fn take_either(&mut self, name: &str, other: &str) -> Option<RawJson> {
        let second = self.take(other);
        self.take(name).or(second)
    }

    /// Takes a string out.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>> {
        self.take(name)
            .map(|value| as_text(name, &value))
            .transpose()
    }

    /// Takes a whole number out; a form writes it as text.
    pub(super) fn whole(&mut self, name: &str) -> Result<Option<u64>> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let number = number(&value).and_then(|number| match number.as_f64() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the guard admits only whole numbers that fit"
            )]
            Some(float) if float >= 0.0 && float.fract() == 0.0 && float < 9e15 => {
                Some(float as u64)
            }
            _ => None,
        });
        number
            .map(Some)
            .ok_or_else(|| invalid(name, "expected a whole number of 0 or more"))
    }

    /// Takes a number out; a form writes it as text.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<Number>> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        number(&value)
            .map(Some)
            .ok_or_else(|| invalid(name, "expected a number"))
    }

    /// Takes an object out, as its members.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<serde_json::Map<String, Value>>> {
        match self.take(name).map(|value| value.to_value()) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(_) => Err(invalid(name, "expected an object")),
        }
    }

    /// Takes a switch out.
    pub(super) fn switch(&mut self, name: &str) -> Result<Option<bool>> {
        match self.take(name).map(|value| value.to_value()) {
            None => Ok(None),
            Some(Value::Bool(on)) => Ok(Some(on)),
            Some(_) => Err(invalid(name, "expected a boolean")),
        }
    }

    /// Refuses a member if it is there, unless the operator or the client lets it through.
    pub(super) fn refuse(&mut self, name: &str) {
        if self.allowed.iter().any(|allowed| allowed == name) {
            return;
        }
        if self.take(name).is_some() {
            self.refused.push(name.to_owned());
        }
    }

    /// Refuses a value that was taken out.
    pub(super) fn refuse_taken(&mut self, name: &str) {
        self.refused.push(name.to_owned());
    }

    /// Says whether there is a member of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.list.iter().any(|(known, _)| known == name)
    }

    /// Ends with what was refused: leaves it out where that is wanted.
    ///
    /// # Errors
    ///
    /// LiteLLM's error for parameters that the model does not take.
    pub(super) fn settle(&mut self) -> Result<()> {
        let mut refused = std::mem::take(&mut self.refused);
        if refused.is_empty() {
            return Ok(());
        }
        refused.sort_unstable();
        refused.dedup();
        if !self.drop {
            let names: Vec<&str> = refused.iter().map(String::as_str).collect();
            return Err(params::unsupported(&names, model_name(self.target)));
        }
        for name in refused {
            let name: String = name.chars().take(64).collect();
            self.warnings
                .push(format!("parameter {name} was left out: not supported"));
        }
        Ok(())
    }

    /// Returns how many bytes what nobody took yet has.
    pub(super) fn bytes(&self) -> usize {
        let sizes = self
            .list
            .iter()
            .map(|(name, value)| name.len() + value.get().len());
        sizes.sum()
    }

    /// Returns what nobody took.
    pub(super) fn rest(&self) -> &ParamMap {
        &self.list
    }
}

/// Returns the model as errors name it: not an ARN, which tells the account.
fn model_name(target: &Target) -> &str {
    if target.model.wire.starts_with("arn:") {
        &target.model.base
    } else {
        &target.model.wire
    }
}

fn number(value: &RawJson) -> Option<Number> {
    match value.to_value() {
        Value::Number(number) => Some(number),
        Value::String(text) => serde_json::from_str(text.trim()).ok(),
        _ => None,
    }
}

/// Reads a string.
pub(super) fn as_text(name: &str, value: &RawJson) -> Result<String> {
    value
        .parse()
        .map_err(|_| invalid(name, "expected a string"))
}

/// Makes the error of a member that is wrong.
pub(super) fn invalid(name: &str, problem: &str) -> Error {
    Error::bad_request(name, format!("Invalid value for '{name}': {problem}."))
}

/// Makes the error of a member that is not there; `route` is the path that the client asked.
pub(super) fn missing(route: &str, name: &'static str) -> Error {
    Error::bad_request(
        name,
        format!("{route}: Missing required parameter: '{name}'."),
    )
}

/// A JSON object that is being put together; values are shared until it is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Body(Vec<(Cow<'static, str>, Bytes)>);

impl Body {
    /// Sets a member to JSON.
    pub(super) fn set(&mut self, name: impl Into<Cow<'static, str>>, json: Bytes) {
        let name = name.into();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = json,
            None => self.0.push((name, json)),
        }
    }

    /// Sets a member to a text.
    pub(super) fn text(&mut self, name: &'static str, text: &Text) {
        self.set(name, text.bytes().clone());
    }

    /// Sets a member to a small value.
    pub(super) fn value<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) {
        self.set(name, RawJson::from_value(value).bytes().clone());
    }

    /// Sets a member to an object, if that has members.
    pub(super) fn object(&mut self, name: &'static str, object: &Self) {
        if !object.0.is_empty() {
            self.set(name, Bytes::from(object.write()));
        }
    }

    /// Lays members over these as they were written: what the caller says in the model's own words wins.
    pub(super) fn lay_over(&mut self, members: &ParamMap) {
        for (name, value) in members {
            self.set(name.clone(), value.bytes().clone());
        }
    }

    /// Lays the members of an object over these.
    pub(super) fn lay_over_object(&mut self, members: serde_json::Map<String, Value>) {
        for (name, value) in members {
            self.set(name, RawJson::from_value(&value).bytes().clone());
        }
    }

    /// Lays another object's members over these.
    pub(super) fn join(&mut self, other: &Self) {
        for (name, value) in &other.0 {
            self.set(name.clone(), value.clone());
        }
    }

    /// Writes the object.
    pub(super) fn write(&self) -> Vec<u8> {
        let size: usize = self
            .0
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4)
            .sum();
        let mut out = Vec::with_capacity(size + 2);
        let mut object = ObjectWriter::open(&mut out);
        for (name, value) in &self.0 {
            object.member(name).extend_from_slice(value);
        }
        object.close();
        out
    }
}
