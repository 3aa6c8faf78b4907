//! Asking another deployment to go on with a stream that broke.

use std::sync::Arc;

use super::attempts::{self, Tries};
use super::relay::Relay;
use super::resume::serving;
use super::trip::{Hop, Trip};
use super::{Call, Journal, Reply, walk};
use crate::canonical::ChatChunk;
use crate::error::{Error, ErrorKind, Result};
use crate::router::Attempted;
use crate::state::Parts;

/// How far a call is in its tries, from one deployment of a stream to the next.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// What was tried in the group.
    pub(super) tries: Tries,
    /// Fallback targets that were tried.
    pub(super) attempted: Attempted,
    /// Further sends that `num_retries_per_request` leaves; `None`: no bound of that kind.
    pub(super) further: Option<u32>,
}

/// What continues a stream.
pub(super) struct Continued {
    pub(super) first: Vec<ChatChunk>,
    pub(super) relay: Relay,
    pub(super) standing: Standing,
    pub(super) deployment: String,
}

/// A continuation being asked for.
pub(super) struct Asking {
    pub(super) call: Arc<Call>,
    pub(super) parts: Parts,
    pub(super) journal: Arc<Journal>,
    pub(super) hop: Hop<'static>,
    pub(super) standing: Standing,
}

impl Asking {
    /// Judges the fault, waits as that says, and asks: the group again, then its fallbacks.
    pub(super) async fn run(mut self, fault: Error) -> Result<Continued> {
        let mut trip = Trip::new(&self.call, &self.parts, &self.journal);
        trip.resuming = true;
        trip.attempted = std::mem::take(&mut self.standing.attempted);
        trip.further = self.standing.further;
        let retried = match attempts::judge(&mut trip, &self.hop, &mut self.standing.tries, &fault)
        {
            Some(wait) => {
                trip.parts.clock.sleep(wait).await;
                attempts::go_on(&mut trip, &self.hop, &mut self.standing.tries).await
            }
            None => Err(fault),
        };
        let reply = match retried {
            Ok(reply) => reply,
            Err(error) => walk::after(&mut trip, &self.hop, self.hop.depth, error).await?,
        };
        let Reply::Stream(first, source) = reply else {
            let message = "a stream was continued by a whole answer";
            return Err(Error::new(ErrorKind::Internal, message));
        };
        let Some(relay) = source.into_relay() else {
            let message = "a stream was continued by a kept answer";
            return Err(Error::new(ErrorKind::Internal, message));
        };
        let standing = Standing {
            attempted: trip.attempted,
            further: trip.further,
            tries: self.standing.tries,
        };
        let deployment = serving(self.journal.entries().served.as_ref()).map(|(id, _)| id);
        Ok(Continued {
            first,
            relay,
            standing,
            deployment: deployment.unwrap_or_default(),
        })
    }
}
