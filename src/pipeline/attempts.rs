//! Within one group: pick a deployment, send, judge.

use super::{Call, Reply, Served, Settlement, send};
use crate::canonical::ChatRequest;
use crate::error::{Error, ErrorKind, Result};
use crate::router::ModelGroup;
use crate::state::Parts;

/// Tries the group's deployments until one answers.
pub(super) async fn run(
    call: &Call,
    request: &ChatRequest,
    group: &ModelGroup,
    books: &mut Settlement,
    parts: &Parts,
) -> Result<Reply> {
    let deployment = group.pick(draw)?;
    let served = books.chosen(Served::by(deployment, &call.model));
    send::attempt(call, request, deployment, served, parts)
        .await
        .inspect_err(|error| {
            if error.kind() == ErrorKind::Internal {
                tracing::error!(call_id = %call.id, error = %chain(error), "attempt failed");
            } else {
                tracing::debug!(call_id = %call.id, error = %chain(error), "attempt failed");
            }
        })
}

/// The error and its causes, in one line.
fn chain(error: &Error) -> String {
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        line.push_str(": ");
        line.push_str(&next.to_string());
        cause = next.source();
    }
    line
}

/// A random number from 0 (inclusive) to 1.
fn draw() -> f64 {
    let bits = uuid::Uuid::new_v4().as_u128();
    let high = u32::try_from(bits >> 96).unwrap_or(0);
    f64::from(high) / (f64::from(u32::MAX) + 1.0)
}
