//! One call, from top to bottom.
//!
//! [`Pipeline::run`] is the steps of a call and nothing else: fetch what the request refers to, find who may serve it, try
//! them, and hand back the answer. Everything is said in the steps' signatures; nothing travels beside them.

pub mod admit;
mod attempt;
mod attempts;
mod call;
mod gateway;
mod hedge;
mod journal;
mod lookup;
mod media;
mod mock;
mod plan;
mod relay;
mod resume;
mod send;
mod settle;
mod stream;
mod trip;
mod walk;

use std::borrow::Cow;
use std::sync::Arc;

pub use call::{Brought, Call, CallFallbacks, CallOptions, Deadline};
pub use gateway::{ConditionFacts, GatewayCall, OptionUsed, Provider};
pub use journal::{Entries, Journal, Served};
pub use lookup::{CacheFacts, Lookup, look_up};
pub use relay::Progress;
pub use settle::Settlement;
pub use stream::ChunkSource;
pub use trip::RetryWish;
use trip::Trip;

use crate::canonical::{ChatAnswer, ChatChunk};
use crate::error::Result;
use crate::state::Parts;

/// Runs calls.
#[derive(Debug, Clone)]
pub struct Pipeline {
    parts: Parts,
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
    pub async fn run(&self, call: &Arc<Call>, books: &mut Settlement) -> Result<Reply> {
        let asked = Cow::Borrowed(&call.request);
        let gateway = call.options.gateway.as_ref().filter(|asked| asked.routes());
        if let Some(asked) = gateway {
            return Box::pin(gateway::answer(call, &self.parts, asked, books.journal())).await;
        }
        let mut hop = plan::hop(call, &self.parts, &call.model, asked)?;
        books.journal().enter(&hop.shown);
        hop.request = media::fetch(call, &self.parts).await?;
        let mut trip = Trip::new(call, &self.parts, books.journal());
        trip.attempted.note_group(&hop.shown);
        trip.attempted.note_group(&hop.group.name);
        walk::run(&mut trip, &hop, 0).await
    }
}
