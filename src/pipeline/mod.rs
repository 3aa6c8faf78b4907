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
use std::time::{Duration, Instant};

use http::HeaderMap;

pub use call::{Brought, Call, CallOptions, Deadline};
pub use relay::{ChunkSource, Progress};
pub use settle::Settlement;

use crate::canonical::{ChatAnswer, ChatChunk};
use crate::error::Result;
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
    /// Since when an attempt has been under way.
    pub waiting_since: Option<Instant>,
    /// The bound on the last attempt: the operator's, or the caller's where that was smaller.
    pub timeout: Duration,
    /// Sends upstream so far.
    pub attempts: u32,
    /// What was left out or changed in the request.
    pub warnings: Vec<String>,
}

impl Served {
    /// Opens an entry for a deployment that was chosen.
    fn by(deployment: &Arc<Deployment>, shown_group: &str) -> Self {
        Self {
            deployment: Arc::clone(deployment),
            shown_group: shown_group.to_owned(),
            upstream_headers: HeaderMap::new(),
            upstream: Duration::ZERO,
            waiting_since: None,
            timeout: Duration::ZERO,
            attempts: 0,
            warnings: Vec::new(),
        }
    }

    /// Returns AWS's id of the last attempt.
    pub fn aws_request_id(&self) -> Option<&str> {
        self.upstream_headers.get("x-amzn-requestid")?.to_str().ok()
    }
}

/// The answer to a call.
#[derive(Debug)]
pub enum Reply {
    /// A whole answer.
    Whole(Box<ChatAnswer>),
    /// The first chunks of a stream, content among them, and where the rest comes from.
    Stream(Vec<ChatChunk>, Box<ChunkSource>),
}

impl Pipeline {
    /// Makes the pipeline.
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// Returns what calls are run with.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Runs one call; what is learned on the way stands in `books`, also when the call is given up.
    ///
    /// # Errors
    ///
    /// What the client is to be told.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the call upstream at once; nothing is left behind.
    pub async fn run(&self, call: &Call, books: &mut Settlement) -> Result<Reply> {
        let group = plan::plan(call, &self.parts)?;
        let request = media::fetch(call, &self.parts).await?;
        attempts::run(call, &request, &group, books, &self.parts).await
    }
}
