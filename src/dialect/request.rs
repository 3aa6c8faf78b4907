//! The body of a request that has no conversation: its members one by one, and what all operations read alike.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::body::{DEPTH_LIMIT, invalid_json, is_deeper_than};
use super::guardrail::guardrail;
use super::read::{Members, Node, Path};
use super::{Asked, Controls, Parsed, controls};
use crate::canonical::Options;
use crate::error::{Error, Result};

/// Reads the members of a body; those of `extra_body` come last, and so win.
///
/// # Errors
///
/// [`crate::error::ErrorKind::BadRequest`] for what is no JSON object.
pub(super) fn members(body: &Bytes) -> Result<Vec<(Cow<'_, str>, &RawValue)>> {
    let text = std::str::from_utf8(body).map_err(|error| invalid_json(&error.to_string()))?;
    if is_deeper_than(text.as_bytes(), DEPTH_LIMIT) {
        return Err(invalid_json("recursion limit exceeded"));
    }
    let Members(members) = serde_json::from_str(text).map_err(|error| explain(text, &error))?;
    let mut out = Vec::with_capacity(members.len());
    let mut of_extra_body = Members::default();
    for (name, raw) in members {
        if name == "extra_body" {
            let path = Path::ROOT.member(&name);
            let node = Node {
                body,
                raw,
                path: &path,
            };
            of_extra_body = node.members()?;
        } else {
            out.push((name, raw));
        }
    }
    let of_extra_body = of_extra_body.0.into_iter();
    out.extend(of_extra_body.filter(|(name, _)| name != "extra_body"));
    Ok(out)
}

/// Calls `read` with each member of a body; those of `extra_body` come last, and so win.
///
/// # Errors
///
/// [`crate::error::ErrorKind::BadRequest`] for what is no JSON object, and whatever `read` refuses.
pub(super) fn each_member(
    body: &Bytes,
    mut read: impl FnMut(&str, &Node<'_, '_>) -> Result<()>,
) -> Result<()> {
    for (name, raw) in members(body)? {
        let path = Path::ROOT.member(&name);
        read(
            &name,
            &Node {
                body,
                raw,
                path: &path,
            },
        )?;
    }
    Ok(())
}

fn explain(text: &str, error: &serde_json::Error) -> Error {
    if error.classify() == Category::Data && !text.trim_start().starts_with('{') {
        return invalid_json("the body must be a JSON object");
    }
    invalid_json(&error.to_string())
}

/// Collects what every operation reads alike.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// `model`.
    pub(super) model: Option<String>,
    /// What is for the model.
    pub(super) options: Options,
    /// What steers the gateway.
    pub(super) controls: Controls,
}

impl Reader {
    /// Reads a member that the operation itself does not know; what nobody knows is for the model.
    pub(super) fn member(&mut self, name: &str, node: &Node<'_, '_>) -> Result<()> {
        if controls::is_for_tests(name) {
            return Err(node.error("requests cannot make the gateway pretend failures"));
        }
        match name {
            "model" => {
                let model = node.owned();
                self.model = Some(
                    model.map_err(|_| Error::bad_request("model", "'model' must be a string."))?,
                );
            }
            "drop_params" => self.options.drop_params = Some(node.boolean()?),
            "additional_drop_params" => {
                self.options.additional_drop_params = node.list(|name| name.owned())?;
            }
            "allowed_openai_params" => {
                self.options.allowed_openai_params = node.list(|name| name.owned())?;
            }
            "extra_headers" => self.options.extra_headers = headers(node)?,
            "guardrailConfig" | "guardrail_config" => {
                self.options.guardrail = Some(guardrail(node)?);
            }
            _ if controls::read(name, node, &mut self.controls)? => {}
            _ => self.options.set(name, node.json()),
        }
        Ok(())
    }

    /// Returns what was read, with the request that it belongs to.
    pub(super) fn finish<R>(self, request: impl FnOnce(Options) -> R) -> Parsed<R> {
        Parsed {
            model: self.model,
            request: request(self.options),
            controls: self.controls,
            asked: Asked::Nothing,
            form: None,
        }
    }
}

fn headers(node: &Node<'_, '_>) -> Result<Vec<(String, String)>> {
    let Members(members) = node.members()?;
    members
        .into_iter()
        .map(|(name, raw)| {
            let value = node.member(&name, Some(raw), |value| value.owned())?;
            Ok((name.into_owned(), value.unwrap_or_default()))
        })
        .collect()
}

/// Says whether a whole number is there, and at least 1.
pub(super) fn check_count(node: &Node<'_, '_>) -> Result<()> {
    match node.whole()? {
        0 => Err(node.error("it must be at least 1")),
        _ => Ok(()),
    }
}

/// Checks that a string is there.
pub(super) fn check_string(node: &Node<'_, '_>) -> Result<()> {
    node.text().map(drop)
}
