//! Remote images and documents, fetched into the request once, before the first attempt.
//!
//! A caller decides how many there are and who serves them, so one call may neither name many, nor keep much, nor take all
//! the turns that files of all calls have together; and it waits no longer than it said it would.

use std::borrow::Cow;
use std::future::ready;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::Call;
use super::call::deadline_passed;
use crate::canonical::{Media, MediaSource, Request, Text};
use crate::error::{Error, Result};
use crate::state::Parts;
use crate::upstream::FetchBudget;

/// How many files are fetched for one call: as many images as Converse takes.
const MAX_FILES: usize = 20;

/// How many files of one call are fetched at once, so that other calls get their turn.
const AT_ONCE: usize = 4;

/// Returns the request with every remote part fetched; borrows it when there is none.
///
/// # Errors
///
/// A part that may not or cannot be fetched, with its address; too many parts; the caller's deadline.
pub(super) async fn fetch<'a>(call: &'a Call, parts: &Parts) -> Result<Cow<'a, Request>> {
    let mut request = Cow::Borrowed(&call.request);
    if !call.request.has_remote_media() {
        return Ok(request);
    }
    let files = request.to_mut().remote_media();
    if files.len() > MAX_FILES {
        return Err(too_many(files.len(), call.request.subject()));
    }
    let fetching = all(files, call, parts);
    match call.deadline() {
        None => fetching.await?,
        Some(deadline) => {
            let left = deadline
                .first_content
                .saturating_duration_since(parts.clock.now());
            tokio::time::timeout(left, fetching)
                .await
                .map_err(|_| deadline_passed())??;
        }
    }
    Ok(request)
}

async fn all(files: Vec<&mut Media>, call: &Call, parts: &Parts) -> Result<()> {
    let budget = FetchBudget::default();
    let allowed = &call.snapshot.config.litellm.user_url_allowed_hosts;
    let fetches: Vec<_> = files
        .into_iter()
        .map(|file| one(file, allowed, &budget, parts))
        .collect();
    stream::iter(fetches)
        .buffer_unordered(AT_ONCE)
        .try_for_each(|()| ready(Ok(())))
        .await
}

async fn one(
    file: &mut Media,
    allowed: &[String],
    budget: &FetchBudget,
    parts: &Parts,
) -> Result<()> {
    let MediaSource::Url(url) = &file.source else {
        return Ok(());
    };
    let fetched = parts.upstream.fetch(url, allowed, budget).await?;
    file.fetched_from = Some(url.clone());
    file.mime = fetched.mime;
    file.source = MediaSource::Base64(Text::new(&STANDARD.encode(&fetched.bytes)));
    Ok(())
}

fn too_many(total: usize, member: &str) -> Error {
    Error::bad_request(
        member,
        format!("{total} files are named by URL; at most {MAX_FILES} are fetched for one request"),
    )
}
