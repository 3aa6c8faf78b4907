//! Follows what a call was told, by its path and by the markers in its texts, until the head of its answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::dispatch::{Call, Failure};
use super::faults::FaultKind;
use super::json::Node;
use super::misbehave::{Directions, Fault};
use super::state::OpenStream;

/// Follows the directions in these texts, and those of the path; returns them, and the fault that strikes.
pub(super) async fn follow<'t>(
    mut texts: impl Iterator<Item = &'t str>,
    call: &Call<'_>,
) -> Result<(Directions, Option<Fault>), Failure> {
    let mut directions = call.directions.clone();
    let mut markers = Directions::default();
    texts.try_for_each(|text| markers.add_markers(text))?;
    directions.merge(markers);
    let fault = directions.strike(call.shared)?;
    wait(&directions, fault.as_ref(), call).await?;
    Ok((directions, fault))
}

/// Follows the directions that stand in any text of a body.
pub(super) async fn follow_all(
    body: &Node<'_>,
    call: &Call<'_>,
) -> Result<(Directions, Option<Fault>), Failure> {
    let mut texts = Vec::new();
    collect(body, &mut texts);
    follow(texts.into_iter(), call).await
}

/// Collects every string of a tree.
fn collect<'t>(node: &'t Node<'_>, texts: &mut Vec<&'t str>) {
    match node {
        Node::Text(text) => texts.push(text),
        Node::List(items) => items.iter().for_each(|item| collect(item, texts)),
        Node::Object(members) => members.iter().for_each(|(_, value)| collect(value, texts)),
        Node::Null | Node::Flag(_) | Node::Number(_) => {}
    }
}

/// Plays what happens before the head of the response: a delay, silence, a dropped connection.
async fn wait(
    directions: &Directions,
    fault: Option<&Fault>,
    call: &Call<'_>,
) -> Result<(), Failure> {
    // Counts as cancelled if the client does not wait.
    let open = || OpenStream::new(Arc::clone(call.shared), call.outcome.clone());
    if let Some(delay) = directions.slow_start {
        let mut open = open();
        tokio::time::sleep(delay).await;
        open.finish();
    }
    match fault.map(|fault| fault.kind) {
        Some(FaultKind::Stall) => {
            let _counted = open();
            std::future::pending().await
        }
        // With `at` the stream itself resets, in its middle.
        Some(FaultKind::Reset) if directions.at.is_none() => {
            call.reset.store(true, Ordering::Release);
            Err(Failure::Drop)
        }
        _ => Ok(()),
    }
}
