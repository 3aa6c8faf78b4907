//! Pass-through: what came is sent to the service that its path names, and what comes back goes back as it is.
//!
//! There is no canonical form here. [`RawPath`] says which service and model a path means and refuses what could mean another;
//! [`RawRequest`] becomes a [`WireRequest`]; a [`Tap`] reads the usage from a copy of the answer. Which deployment signs it,
//! and where the service is, the pipeline decides.

mod body;
mod counts;
mod guardrail;
mod headers;
mod member;
mod path;
mod place;
mod tap;

use std::collections::HashSet;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

use body::{Leaf, walk};
pub use guardrail::guard;
pub use headers::{back, onward};
pub use path::RawPath;
pub use place::Operation;
pub use tap::Tap;

use super::model_id::{ModelId, Route, names_a_model};
use super::url::Service;
use crate::catalog::Size;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::WireRequest;

/// Tokens that an answer is taken to have where the request does not bound it.
const OUTPUT_TOKENS: u64 = 256;
/// Longest text of a request that counts as text: what is longer and has no space is a file.
const LONGEST_WORD: usize = 2048;
/// How many models a body may name; each is compared with every entry of a key's list.
const MOST_MODELS: usize = 64;
/// Members that bound an answer, in the formats of all families; none stands deeper than one object inside of the body.
const LIMITS: [&str; 6] = [
    "maxTokens",
    "max_tokens",
    "max_completion_tokens",
    "max_tokens_to_sample",
    "max_gen_len",
    "maxTokenCount",
];

/// Members that name a model in requests of the agent runtime, at any depth: `InvokeInlineAgent` has `foundationModel` in
/// itself, in its collaborators and in its prompts, `OptimizePrompt` has `targetModelId`, all others `modelArn`.
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Agents_for_Amazon_Bedrock_Runtime.html>.
const NAMES_OF_AGENTS: [&str; 4] = ["modelArn", "foundationModel", "targetModelId", "modelId"];

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

    /// Returns the models, each once, that the body names where it is the body that names them: Bedrock's OpenAI-shaped API, jobs, and
    /// the agent runtime.
    ///
    /// # Errors
    ///
    /// 400 for a body that cannot be read to its end, because AWS might find a model where we did not look; for one that
    /// names several where it may name one, because AWS might mean another than we do; and for one that names too many.
    pub fn models_in_body(&self) -> Result<Vec<String>> {
        let (names, is_at_top) = match self.path.operation() {
            Operation::OpenAi => (&["model"][..], true),
            Operation::AsyncInvoke => (&["modelId"][..], true),
            _ if self.path.service() == Service::AgentRuntime => (&NAMES_OF_AGENTS[..], false),
            _ => return Ok(Vec::new()),
        };
        if self.body.is_empty() {
            return Ok(Vec::new());
        }
        let mut models = Vec::new();
        let mut seen = HashSet::new();
        let is_whole = walk(&self.body, &mut |member, depth, leaf| {
            if let Leaf::Text(text) = leaf
                && member.is_some_and(|member| names.contains(&member))
                && (depth == 1 || !is_at_top)
                && models.len() <= MOST_MODELS
                && (is_at_top || !seen.contains(text))
            {
                seen.insert(text.to_owned());
                models.push(text.to_owned());
            }
        });
        if !is_whole {
            let message = "the body cannot be read as JSON to its end, so nobody can tell which model it names";
            return Err(Error::new(ErrorKind::BadRequest, message));
        }
        match names {
            _ if !is_at_top && models.len() > MOST_MODELS => {
                let message = format!("the body names more than {MOST_MODELS} models");
                Err(Error::new(ErrorKind::BadRequest, message))
            }
            [name] if models.len() > 1 => {
                let message = format!("the body has the member '{name}' more than once");
                Err(Error::bad_request(*name, message))
            }
            _ => Ok(models),
        }
    }

    /// Says whether the call does something by itself (an agent that acts, a job that is started, a session that grows), so that
    /// sending it again may do it twice.
    pub fn acts(&self) -> bool {
        let is_of_these = self.path.service() == Service::AgentRuntime
            || self.path.operation() == Operation::AsyncInvoke;
        is_of_these && !self.method.is_safe() && !self.path.is_a_reading()
    }

    /// Measures the request's text, and returns how many tokens its answer may have.
    pub fn size(&self) -> (Size, u64) {
        let mut size = Size::default();
        let mut limit = None;
        // What cannot be read is not measured.
        let _is_whole = walk(&self.body, &mut |member, depth, leaf| match leaf {
            Leaf::Text(text) if text.len() <= LONGEST_WORD || text.contains(' ') => {
                size.add_json(text);
            }
            Leaf::Count(count)
                if depth <= 2 && member.is_some_and(|name| LIMITS.contains(&name)) =>
            {
                limit.get_or_insert(count);
            }
            Leaf::Text(_) | Leaf::Count(_) => {}
        });
        (size, limit.unwrap_or(OUTPUT_TOKENS))
    }
}

/// Refuses a model that AWS has behind another API.
///
/// # Errors
///
/// 400, by the member `model`.
pub fn check_route(model: &ModelId) -> Result<()> {
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

#[cfg(test)]
#[path = "raw_tests.rs"]
mod tests;
