//! Within one group: pick a deployment, send, judge.

use super::{Call, Reply, Served, Settlement, send};
use crate::canonical::ChatRequest;
use crate::error::{Error, ErrorKind, Result};
use crate::router::{Asked, History, ModelGroup, NoPick};
use crate::state::Parts;

/// Tries the group's deployments until one answers.
pub(super) async fn run(
    call: &Call,
    request: &ChatRequest,
    group: &ModelGroup,
    books: &mut Settlement,
    parts: &Parts,
) -> Result<Reply> {
    let asked = Asked::default();
    let settings = &call.snapshot.config.router;
    let now = parts.clock.now();
    let picked = group
        .pick(&asked, History::default(), settings, &parts.dice, now)
        .map_err(no_pick)?;
    let served = books.chosen(Served::by(&picked.deployment, &call.model));
    send::attempt(call, request, &picked.deployment, served, parts)
        .await
        .inspect_err(|error| {
            if error.kind() == ErrorKind::Internal {
                tracing::error!(call_id = %call.id, error = %chain(error), "attempt failed");
            } else {
                tracing::debug!(call_id = %call.id, error = %chain(error), "attempt failed");
            }
        })
}

fn no_pick(none: NoPick) -> Error {
    match none {
        NoPick::Error(error) => error,
        NoPick::Cooling { retry_after } => {
            Error::new(ErrorKind::NoDeployment, "no deployment is ready")
                .with_retry_after(Some(retry_after))
        }
        NoPick::Full { retry_after } => {
            Error::new(ErrorKind::NoDeployment, "every deployment is at a limit")
                .with_retry_after(retry_after)
        }
    }
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
