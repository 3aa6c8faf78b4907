//! Counting the tokens of a chat: Bedrock is asked once, and what it does not say is estimated.
//!
//! It is no call of a model: nothing is taken from limits, nothing is retried, and a deployment that cannot count is none
//! the worse for it.

use std::sync::Arc;

use super::attempts::{Tries, begin};
use super::room::{Patience, ready};
use super::send::{self, Reason};
use super::trip::{Hop, Trip};
use super::{Call, Journal, Reply, media};
use crate::canonical::{Answer, ChatRequest};
use crate::error::{ErrorKind, Result};
use crate::provider::bedrock::count::estimated;
use crate::state::Parts;

/// Counts the tokens of `request` for the group of `hop`.
///
/// # Errors
///
/// What is wrong with the request; what AWS refuses for other reasons is estimated here.
pub(super) async fn count(
    call: &Arc<Call>,
    parts: &Parts,
    mut hop: Hop<'_>,
    request: &ChatRequest,
    journal: &Arc<Journal>,
) -> Result<Reply> {
    hop.request = media::fetch(call, parts).await?;
    let trip = Trip::new(call, parts, journal);
    let mut tries = Tries::default();
    let outcome = match ready(&trip, &hop, &tries, &[], Patience::None).await {
        Ok(ready) => {
            let attempt = begin(&trip, &hop, &mut tries, ready);
            send::attempt(&trip, &hop, attempt, Reason::Initial).await
        }
        Err(none) => Err(none),
    };
    match (outcome, hop.group.deployments.first()) {
        (Err(error), Some(deployment)) if journal.sends() > 0 || !is_callers(error.kind()) => {
            tracing::debug!(call_id = %call.id, %error, "tokens are estimated: they could not be counted");
            let answer = Answer::Count(estimated(request, &deployment.target));
            Ok(Reply::Whole(Box::new(answer)))
        }
        (outcome, _) => outcome,
    }
}

/// Whether the request itself could not be written for AWS.
fn is_callers(kind: ErrorKind) -> bool {
    kind == ErrorKind::BadRequest
}
