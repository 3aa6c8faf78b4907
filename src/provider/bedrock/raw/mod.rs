//! Pass-through: what came is sent to the service that its path names, and what comes back goes back as it is.
//!
//! There is no canonical form here. [`RawPath`] says which service and model a path means and refuses what could mean another;
//! [`RawRequest`] becomes a [`WireRequest`]; a [`Tap`] reads the usage from a copy of the answer. Which deployment signs it,
//! and where the service is, the pipeline decides.

mod counts;
mod headers;
mod member;
mod path;
mod place;
mod tap;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;

pub use headers::{back, onward};
pub use path::RawPath;
pub use place::Operation;
pub use tap::Tap;

use super::model_id::{ModelId, Route, names_a_model};
use crate::catalog::Size;
use crate::error::{Error, Result};
use crate::provider::WireRequest;

/// Tokens that an answer is taken to have where the request does not bound it.
const OUTPUT_TOKENS: u64 = 256;
/// Longest text of a request that counts as text: what is longer and has no space is a file.
const LONGEST_WORD: usize = 2048;
/// How deep a body is searched.
const DEEPEST: usize = 64;

/// A request that is passed through.
#[derive(Debug, Clone)]
pub struct RawRequest {
    /// Its method.
    pub method: Method,
    /// Its path.
    pub path: RawPath,
    /// Its query, as it was written.
    pub query: Option<String>,
    /// The headers that go on.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body, as it came.
    pub body: Bytes,
}

/// Which model a request is sent for.
#[derive(Debug, Clone, Copy)]
pub enum Naming<'a> {
    /// The one that it names itself; a prefix that only this gateway knows is taken off.
    AsAsked(&'a ModelId),
    /// The model of a deployment.
    Deployment(&'a ModelId),
    /// None.
    Nobody,
}

impl RawRequest {
    /// Returns the request for the service at `endpoint`, with headers that the operator adds.
    ///
    /// # Errors
    ///
    /// A model that is not reached by `InvokeModel` and its like, or a header that cannot be one.
    pub fn wire(
        &self,
        endpoint: &str,
        naming: Naming<'_>,
        extra: &[(String, String)],
    ) -> Result<WireRequest> {
        let id = match naming {
            Naming::Nobody => None,
            Naming::AsAsked(model) => {
                check_route(model)?;
                Some(model.wire.as_str())
            }
            Naming::Deployment(model) => {
                check_route(model)?;
                // Tokens are counted for foundation models only.
                let counts = self.path.operation() == Operation::CountTokens;
                let by_base = counts && names_a_model(&model.base);
                Some(if by_base { &model.base } else { &model.wire }.as_str())
            }
        };
        let path = self.path.naming(id);
        let url = match &self.query {
            Some(query) => format!("{endpoint}{path}?{query}"),
            None => format!("{endpoint}{path}"),
        };
        Ok(WireRequest {
            method: self.method.clone(),
            url,
            headers: self.headers_with(extra)?,
            body: self.body.clone(),
            service: self.path.service().signing_name(),
        })
    }

    /// The headers, with the operator's over the caller's.
    fn headers_with(&self, extra: &[(String, String)]) -> Result<Vec<(HeaderName, HeaderValue)>> {
        let mut headers = self.headers.clone();
        for (name, value) in extra {
            let unusable = || Error::bad_request("extra_headers", "a header cannot be sent");
            let name = HeaderName::try_from(name.as_str()).map_err(|_| unusable())?;
            let value = HeaderValue::try_from(value.as_str()).map_err(|_| unusable())?;
            headers.retain(|(known, _)| *known != name);
            headers.push((name, value));
        }
        Ok(headers)
    }

    /// Returns the models that the body names where it is the body that names them: Bedrock's OpenAI-shaped API, jobs, and
    /// the agent runtime. What is no JSON names none.
    pub fn models_in_body(&self) -> Vec<String> {
        let name = match self.path.operation() {
            Operation::OpenAi => "model",
            Operation::AsyncInvoke => "modelId",
            _ => "modelArn",
        };
        let Ok(body) = serde_json::from_slice::<Value>(&self.body) else {
            return Vec::new();
        };
        if name != "modelArn" {
            let model = body.get(name).and_then(Value::as_str);
            return model.map(str::to_owned).into_iter().collect();
        }
        let mut models = Vec::new();
        each_text(&body, 0, &mut |member, text| {
            if member == Some(name) {
                models.push(text.to_owned());
            }
        });
        models
    }

    /// Measures the request's text, and returns how many tokens its answer may have.
    pub fn size(&self) -> (Size, u64) {
        let mut size = Size::default();
        let Ok(body) = serde_json::from_slice::<Value>(&self.body) else {
            return (size, OUTPUT_TOKENS);
        };
        each_text(&body, 0, &mut |_, text| {
            if text.len() <= LONGEST_WORD || text.contains(' ') {
                size.add_json(text);
            }
        });
        let limit = ["max_tokens", "max_completion_tokens", "max_gen_len"]
            .iter()
            .find_map(|name| body.get(name)?.as_u64())
            .or_else(|| body.get("inferenceConfig")?.get("maxTokens")?.as_u64());
        (size, limit.unwrap_or(OUTPUT_TOKENS))
    }
}

/// Refuses a model that AWS has behind another API.
fn check_route(model: &ModelId) -> Result<()> {
    match model.route {
        Route::Converse | Route::Invoke | Route::ChatCompletions | Route::AsyncInvoke => Ok(()),
        Route::ConverseLike
        | Route::Mantle
        | Route::Agent
        | Route::AgentCore
        | Route::ClaudePlatform => Err(Error::bad_request(
            "model",
            "this model is not served by Bedrock's runtime API, so calls of that cannot be passed through to it",
        )),
    }
}

/// Calls `read` with every string of a tree, and the name of its member.
fn each_text<'v>(value: &'v Value, depth: usize, read: &mut impl FnMut(Option<&'v str>, &'v str)) {
    if depth > DEEPEST {
        return;
    }
    match value {
        Value::String(text) => read(None, text),
        Value::Array(items) => items
            .iter()
            .for_each(|item| each_text(item, depth + 1, read)),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) => read(Some(name), text),
                    _ => each_text(value, depth + 1, read),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
#[path = "raw_tests.rs"]
mod tests;
