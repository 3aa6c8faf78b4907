//! Within one group: pick a deployment, send, judge.

use super::{Call, Failure, Reply, Served, send};
use crate::canonical::ChatRequest;
use crate::error::{Error, ErrorKind};
use crate::random;
use crate::router::ModelGroup;
use crate::state::Parts;

/// Tries the group's deployments until one answers.
pub(super) async fn run(
    call: &Call,
    request: &ChatRequest,
    group: &ModelGroup,
    parts: &Parts,
) -> Result<(Reply, Served), Failure> {
    let deployment = group.pick(random::draw())?;
    let mut served = Served {
        deployment: std::sync::Arc::clone(deployment),
        shown_group: call.model.clone(),
        upstream_headers: http::HeaderMap::new(),
        upstream: std::time::Duration::ZERO,
        timeout: std::time::Duration::ZERO,
        attempts: 0,
        warnings: Vec::new(),
    };
    match send::attempt(call, request, deployment, &mut served, parts).await {
        Ok(reply) => Ok((reply, served)),
        Err(error) => {
            if error.kind() == ErrorKind::Internal {
                tracing::error!(call_id = %call.id, error = %chain(&error), "attempt failed");
            } else {
                tracing::debug!(call_id = %call.id, error = %chain(&error), "attempt failed");
            }
            Err(Failure {
                error,
                served: Some(served),
            })
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
