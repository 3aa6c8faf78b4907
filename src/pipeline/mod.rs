//! One call, from top to bottom.
//!
//! [`Pipeline::run`] is the steps of a call and nothing else: fetch what the request refers to, find who may serve it, try
//! them, and hand back the answer. Everything is said in the steps' signatures; nothing travels beside them.

pub mod admit;
mod attempt;
mod attempts;
mod bound;
mod cached;
mod call;
mod continuation;
mod counting;
mod filling;
mod gate;
mod gateway;
pub mod health;
mod hedge;
mod journal;
mod lookup;
mod many;
mod media;
mod mock;
mod plan;
mod raw;
mod raw_source;
mod relay;
mod resume;
mod room;
mod send;
mod settle;
mod share;
mod silence;
mod stream;
mod trip;
mod walk;
mod weight;
mod work;

use std::borrow::Cow;
use std::sync::Arc;

pub(crate) use call::deadline_passed;
pub use call::{Brought, Call, CallFallbacks, CallOptions, Deadline};
pub use filling::Filling;
pub use gate::check_caller;
pub use gateway::{ConditionFacts, GatewayCall, OptionUsed, Provider};
pub use journal::{Entries, Journal, Served};
pub use lookup::{CacheFacts, Known, Lookup, look_up};
pub use raw::{RawCall, RawReply};
pub use raw_source::RawSource;
pub use relay::Progress;
pub use settle::Settlement;
pub use stream::ChunkSource;
pub use trip::RetryWish;

use crate::canonical::{Answer, ChatChunk, Request};
use crate::error::{ErrorKind, Result};
use crate::state::Parts;

/// Runs calls.
#[derive(Debug, Clone)]
pub struct Pipeline {
    parts: Parts,
    /// Equal calls under way.
    flights: Arc<cached::Shared>,
}

/// The answer to a call.
#[derive(Debug)]
pub enum Reply {
    /// A whole answer.
    Whole(Box<Answer>),
    /// The first chunks of a stream, content among them, and where the rest comes from.
    Stream(Vec<ChatChunk>, Box<ChunkSource>),
    /// What AWS says to a call that is passed through.
    Raw(Box<RawReply>),
}

impl Pipeline {
    /// Makes the pipeline.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            flights: Arc::default(),
        }
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
        if let Some(raw) = &call.raw {
            return Box::pin(raw::run(self, call, raw, books)).await;
        }
        let asked = Cow::Borrowed(&call.request);
        let gateway = (call.options.gateway.as_ref()).filter(|asked| asked.routes());
        let hop = if let Some(asked) = gateway {
            let hop = gateway::opening(call, &self.parts, asked)?;
            gate::check_key(call, &hop.shown, &self.parts)?;
            hop
        } else {
            gate::check_key(call, &call.model, &self.parts)?;
            match plan::hop(call, &self.parts, &call.model, asked) {
                Ok(hop) => hop,
                Err(error) if error.kind() == ErrorKind::UnknownModel => {
                    return Box::pin(walk::around(call, &self.parts, None, books, error)).await;
                }
                Err(error) => return Err(error),
            }
        };
        books.journal().enter(&hop);
        if let Request::Count(asked) = &call.request {
            let journal = Arc::clone(books.journal());
            return Box::pin(counting::count(call, &self.parts, hop, asked, &journal)).await;
        }
        if let Err(error) = gate::enter(call, &hop, &self.parts, books).await {
            return Box::pin(walk::around(call, &self.parts, Some(&hop), books, error)).await;
        }
        // What an agent says belongs to its session, and what it does is done for one caller.
        if call.snapshot.cache.is_none() || hop.group.has_agents() {
            let journal = Arc::clone(books.journal());
            return match gateway {
                Some(_) => Box::pin(self.route_into(call, &journal)).await,
                None => self.walk_from(call, hop, &journal).await,
            };
        }
        let routed_by = plan::routed_by(call, &hop);
        let group = hop.group.identity().into_owned();
        Box::pin(cached::answer(self, call, books, &group, &routed_by)).await
    }
}
