//! Remote images and documents, fetched into the request once, before the first attempt.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::try_join_all;

use super::Call;
use crate::canonical::{ChatRequest, MediaSource, Text};
use crate::error::Result;
use crate::state::Parts;

/// Returns the request with every remote part fetched; borrows it when there is none.
///
/// # Errors
///
/// A part that may not or cannot be fetched, with its address.
pub(super) async fn fetch<'a>(call: &'a Call, parts: &Parts) -> Result<Cow<'a, ChatRequest>> {
    let mut request = Cow::Borrowed(&call.request);
    if !has_remote(&call.request) {
        return Ok(request);
    }
    let allowed = &call.snapshot.config.litellm.user_url_allowed_hosts;
    let remote = request.to_mut().remote_media();
    let fetches = remote.iter().map(|part| match &part.source {
        MediaSource::Url(url) => parts.upstream.fetch(url, allowed),
        _ => parts.upstream.fetch("", allowed),
    });
    let files = try_join_all(fetches).await?;
    for (part, file) in remote.into_iter().zip(files) {
        part.mime = file.mime;
        part.source = MediaSource::Base64(Text::new(&STANDARD.encode(&file.bytes)));
    }
    Ok(request)
}

fn has_remote(request: &ChatRequest) -> bool {
    use crate::canonical::{Content, PartKind};
    request.messages.iter().any(|message| match &message.content {
        Content::Parts(parts) => parts.iter().any(|part| {
            matches!(&part.kind, PartKind::Media(media) if matches!(media.source, MediaSource::Url(_)))
        }),
        Content::Absent | Content::Text(_) => false,
    })
}
