//! Within one group: pick a deployment, send, judge.

use super::{Call, Reply, Served, Settlement, send};
use crate::canonical::ChatRequest;
use crate::error::{Error, ErrorKind, Result};
use crate::random;
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
    let deployment = group.pick(random::draw)?;
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
