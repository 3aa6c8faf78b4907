//! One call, from top to bottom.
//!
//! [`Pipeline::run`] is the steps of a call and nothing else: fetch what the request refers to, find who may serve it, try
//! them, and hand back the answer. Everything is said in the steps' signatures; nothing travels beside them.

mod attempts;
mod call;
mod media;
mod plan;
mod relay;
mod send;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

pub use call::{Brought, Call, CallOptions, Deadline};
pub use relay::{ChunkSource, Progress};
pub use settle::Settlement;

use crate::canonical::{ChatAnswer, ChatChunk};
use crate::error::Error;
use crate::router::Deployment;
use crate::state::Parts;

/// Runs calls.
#[derive(Debug, Clone)]
pub struct Pipeline {
    parts: Parts,
}

/// Who served a call, or failed it last.
#[derive(Debug, Clone)]
pub struct Served {
    /// The deployment.
    pub deployment: Arc<Deployment>,
    /// The group's name as the client knows it: an alias under its own name.
    pub shown_group: String,
    /// The headers of AWS's answer.
    pub upstream_headers: HeaderMap,
    /// Time spent waiting for AWS until its answer, or the first content of a stream.
    pub upstream: Duration,
    /// The bound on the last attempt.
    pub timeout: Duration,
    /// Sends upstream so far.
    pub attempts: u32,
    /// What was left out or changed in the request.
    pub warnings: Vec<String>,
}

/// The answer to a call.
#[derive(Debug)]
pub enum Reply {
    /// A whole answer.
    Whole(Box<ChatAnswer>),
    /// The first chunks of a stream, content among them, and where the rest comes from.
    Stream(Vec<ChatChunk>, Box<ChunkSource>),
}

/// A call that failed.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong.
    pub error: Error,
    /// Who failed it, if a deployment was chosen.
    pub served: Option<Served>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            served: None,
        }
    }
}

impl Pipeline {
    /// Makes the pipeline.
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// Runs one call.
    ///
    /// # Errors
    ///
    /// What the client is to be told, and who failed last.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the call upstream at once; nothing is left behind.
    pub async fn run(&self, call: &Call) -> Result<(Reply, Served), Failure> {
        let group = plan::plan(call, &self.parts)?;
        let request = media::fetch(call, &self.parts).await?;
        attempts::run(call, &request, &group, &self.parts).await
    }
}
