//! Responses that are kept: what a request goes on from, and the endpoints that show one again or forget it.
//!
//! They are in the response cache, so there are none where no cache is configured. A key finds its own only.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use serde_json::json;
use serde_json::value::RawValue;

use super::App;
use super::admission::authenticate;
use super::headers::{call_id, error_response_naming, insert, json as answer};
use super::layers::catching;
use crate::cache::{AdminError, CacheControls, ResponseCache, Room, Tenant};
use crate::canonical::{Answer, ChatChunk, NativeFormat, RawJson};
use crate::dialect::responses::{
    Found, NotKept, Order, Page, input_items, place_of_item, references, response_of,
};
use crate::dialect::{Asked, Envelope, Front, Kept, StreamWriter};
use crate::error::{Error, ErrorKind, Result};
use crate::keys::Identity;
use crate::pipeline::{Call, Reply, check_caller};
use crate::state::Snapshot;
use crate::telemetry::names;

/// The owner of what was asked with the master key; ids of keys are hexadecimal.
const ADMINISTRATOR: &str = "administrator";
/// How many items are looked for at a time, of which only the response is wanted.
const PLACES_AT_ONCE: usize = 64;
/// How much of kept responses is read for one request: so many times what a request may have. A response has the whole
/// conversation that led to it, of which a request may need one item.
const MOST_READ: usize = 2;
/// How many items are listed at once, if the client does not say.
const PAGE: usize = 20;
/// How many a client may ask for.
const LARGEST_PAGE: usize = 100;

/// What the paths begin with.
pub(super) const STARTS: [&str; 3] = ["/v1/responses", "/responses", "/openai/v1/responses"];

/// Adds the endpoints to the table.
pub(super) fn add(mut table: Router<Arc<App>>) -> Router<Arc<App>> {
    for start in STARTS {
        table = table
            .route(&format!("{start}/{{id}}"), get(show).delete(forget))
            .route(&format!("{start}/{{id}}/input_items"), get(items))
            .route(&format!("{start}/{{id}}/cancel"), post(cancel));
    }
    table
}

// What a request goes on from.

/// Whose responses a caller finds.
pub(super) fn owner(identity: &Identity) -> Tenant {
    let key = identity.key();
    let id = key.map(|key| key.id.clone());
    // Where some paths are public, what anyone asks there is not the administrator's.
    let administrator = identity
        .is_administrator()
        .then(|| ADMINISTRATOR.to_owned());
    Tenant {
        key: id.or(administrator),
        team: key.and_then(|key| key.config.team_id.clone()),
    }
}

/// Puts into a body what it only names; `path` says how it came. That may be a thousand times as much, so who may not make the
/// call is told before.
///
/// # Errors
///
/// Something that is not kept, or nothing is kept at all; more than a request may have; a caller that may not call now.
pub(super) async fn complete(
    app: &App,
    snapshot: &Snapshot,
    identity: &Identity,
    path: &super::inference::Asking,
    body: Bytes,
) -> Result<Bytes> {
    let mut references = references(&body)?;
    if references.is_empty() {
        return Ok(body);
    }
    if path.front.takes_from_limits() {
        let forced = snapshot.config.general.completion_model.as_deref();
        let asked = path.model.as_deref().or(references.model.as_deref());
        let now = (app.clock.now(), app.clock.wall());
        let model = forced.or(asked).unwrap_or_default();
        check_caller(snapshot, identity, model, now)?;
    }
    let Some(cache) = &snapshot.cache else {
        // What only names items is refused by whoever reads it: they are not there.
        if references.previous.is_none() {
            return Ok(body);
        }
        let message = "previous_response_id: responses are not kept here, because no cache is configured \
                       (`litellm_settings.cache`); send the whole conversation in `input`";
        return Err(Error::bad_request("previous_response_id", message));
    };
    let owner = owner(identity);
    for ids in references.unplaced().chunks(PLACES_AT_ONCE) {
        let places = cache.recall(&owner, ids.to_vec()).await;
        for (id, place) in places.map_err(store_failed)? {
            if let Some(place) = read(place) {
                references.place(id, &place)?;
            }
        }
    }
    let most = snapshot.config.general.max_request_bytes;
    let mut found = Found::new(&references, most);
    let all = most.saturating_mul(MOST_READ);
    let mut room = all;
    // One by one: each may be large.
    for id in references.responses() {
        let records = cache.recall(&owner, vec![id.clone()]).await;
        for (id, record) in records.map_err(store_failed)? {
            let left = room.checked_sub(record.len());
            room = left.ok_or_else(|| too_much(all))?;
            if let Some(record) = read(record) {
                found.add(&id, &record)?;
            }
            // This is not the only call.
            tokio::task::yield_now().await;
        }
    }
    found.put_into(&body)
}

fn too_much(most: usize) -> Error {
    let message = format!(
        "input: the responses that it names are larger than {} MB together; send the items themselves",
        most / 1024 / 1024
    );
    Error::bad_request("input", message)
}

/// Nobody knows now what is kept; later that may be otherwise.
fn store_failed(error: AdminError) -> Error {
    let message = "the store that has the kept responses does not answer";
    Error::new(ErrorKind::Overloaded, message).with_source(error)
}

/// What comes from a store may be anybody's: it is JSON, or nothing.
fn read(record: Bytes) -> Option<RawJson> {
    serde_json::from_slice::<&RawValue>(&record).ok()?;
    Some(RawJson::from_checked(record))
}

/// Says in `asked` that the response will be kept, if it will.
pub(super) fn to_keep(asked: Asked, snapshot: &Snapshot, controls: &CacheControls) -> Asked {
    match asked {
        Asked::Response(asked) if asked.may_keep() && !controls.no_store && !controls.off => {
            Asked::Response(match &snapshot.cache {
                Some(cache) => Arc::new(asked.kept(cache.most_remembered())),
                None => asked,
            })
        }
        asked => asked,
    }
}

/// Keeps what a whole answer leaves behind. Where it was to be kept and is not, returns what the answer is to say instead.
pub(super) fn keep(call: &Call, answer: &Answer, envelope: &Envelope) -> Option<Asked> {
    let Asked::Response(asked) = &envelope.asked else {
        return None;
    };
    let cache = call.snapshot.cache.as_ref().filter(|_| asked.is_kept())?;
    let not_kept = |why| Some(Asked::Response(Arc::new(asked.not_kept(why))));
    let Some(room) = cache.room() else {
        return not_kept(NotKept::NoRoom);
    };
    let kept = call.front.kept(answer, envelope);
    if kept.is_some_and(|kept| remember(call, cache, &kept, room)) {
        return None;
    }
    not_kept(NotKept::TooLarge)
}

/// Makes a kept answer one of this call's own: what is kept for later calls is found by its id, and each repeats its own
/// request.
pub(super) fn made_own(reply: &mut Reply) {
    if let Reply::Whole(answer) = reply
        && let Answer::Chat(answer) = &mut **answer
    {
        (answer.native).take_if(|native| native.format == NativeFormat::Responses);
    }
}

/// Keeps what an answer leaves behind, and where each item is whose name does not say it; says whether it did.
fn remember(call: &Call, cache: &ResponseCache, kept: &Kept, room: Room) -> bool {
    let place = place_of_item(&kept.id);
    let items = kept.items.iter();
    let mut records = vec![(kept.id.as_str(), kept.record.bytes().clone())];
    records.extend(items.map(|item| (item.as_str(), place.bytes().clone())));
    let is_kept = cache.remember(&call.options.tenant, records, room);
    if !is_kept {
        tracing::debug!(call_id = %call.id, "response was not kept");
    }
    is_kept
}

/// Keeps what a stream leaves behind, when it has come to its end.
#[derive(Debug)]
pub(super) struct Keeping {
    call: Arc<Call>,
    inner: Box<dyn StreamWriter>,
}

impl Keeping {
    /// Writes with `inner`.
    pub(super) fn new(call: &Arc<Call>, inner: Box<dyn StreamWriter>) -> Self {
        Self {
            call: Arc::clone(call),
            inner,
        }
    }
}

impl StreamWriter for Keeping {
    fn chunk(&mut self, chunk: &ChatChunk, out: &mut Vec<u8>) {
        self.inner.chunk(chunk, out);
    }

    fn ping(&mut self, out: &mut Vec<u8>) {
        self.inner.ping(out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        // The last event says whether it is kept.
        let cache = self.call.snapshot.cache.as_ref();
        let place = cache.and_then(|cache| Some((cache, cache.room()?)));
        if place.is_none() {
            self.inner.cannot_be_kept();
        }
        self.inner.end(out);
        if let (Some((cache, room)), Some(kept)) = (place, self.inner.kept()) {
            remember(&self.call, cache, &kept, room);
        }
    }

    fn error(&mut self, error: &Error, out: &mut Vec<u8>) {
        self.inner.error(error, out);
    }
}

// The endpoints.

type Id = Result<Path<String>, PathRejection>;

/// `GET /v1/responses/{id}`.
async fn show(State(app): State<Arc<App>>, path: Id, uri: Uri, headers: HeaderMap) -> Response {
    answering(&app, path, &uri, &headers, |asking| async move {
        if asking.all("stream").iter().any(|value| value != "false") {
            let message = "stream: a response that is kept is shown as a whole, and not streamed";
            return Err(Error::bad_request("stream", message));
        }
        let record = asking.record().await?;
        let encrypted = asking.says("include", "reasoning.encrypted_content")
            || asking.says("include[]", "reasoning.encrypted_content");
        response_of(&record, encrypted).ok_or_else(|| asking.unknown())
    })
    .await
}

/// `GET /v1/responses/{id}/input_items`.
async fn items(State(app): State<Arc<App>>, path: Id, uri: Uri, headers: HeaderMap) -> Response {
    answering(&app, path, &uri, &headers, |asking| async move {
        let page = asking.page()?;
        let record = asking.record().await?;
        input_items(&record, &asking.id, &page).ok_or_else(|| {
            Error::bad_request("after", "after: there is no such item in this response")
        })
    })
    .await
}

/// `DELETE /v1/responses/{id}`.
async fn forget(State(app): State<Arc<App>>, path: Id, uri: Uri, headers: HeaderMap) -> Response {
    answering(&app, path, &uri, &headers, |asking| async move {
        asking.record().await?;
        if let Some(cache) = &asking.snapshot.cache {
            let forgotten = cache.forget(&asking.owner()?, &asking.id).await;
            forgotten.map_err(store_failed)?;
        }
        Ok(RawJson::from_value(&json!({
            "id": asking.id, "object": "response", "deleted": true,
        })))
    })
    .await
}

/// `POST /v1/responses/{id}/cancel`.
async fn cancel(State(app): State<Arc<App>>, path: Id, uri: Uri, headers: HeaderMap) -> Response {
    answering(&app, path, &uri, &headers, |asking| async move {
        asking.record().await?;
        let message = "Only background responses can be cancelled, and there are none here.";
        Err(Error::new(ErrorKind::BadRequest, message))
    })
    .await
}

/// Answers a request about a response that is kept.
async fn answering<F: Future<Output = Result<RawJson>>>(
    app: &App,
    path: Id,
    uri: &Uri,
    headers: &HeaderMap,
    find: impl FnOnce(Arc<Asking>) -> F,
) -> Response {
    let answer = async { Asking::of(app, path, uri, headers).answer(find).await };
    catching(Front::RESPONSES, answer).await
}

/// A request about a response that is kept.
struct Asking {
    snapshot: Arc<Snapshot>,
    caller: Result<Identity>,
    /// What the client calls the response.
    id: String,
    query: String,
    call_id: String,
}

impl Asking {
    fn of(app: &App, path: Id, uri: &Uri, headers: &HeaderMap) -> Self {
        let snapshot = app.live.load();
        let caller = authenticate(&snapshot, uri, headers).and_then(|identity| {
            if let Some(key) = identity.key() {
                key.check_expiry(app.clock.wall())?;
            }
            Ok(identity)
        });
        Self {
            caller,
            snapshot,
            // An id that is no text is nobody's.
            id: path.map(|Path(id)| id).unwrap_or_default(),
            query: uri.query().unwrap_or_default().to_owned(),
            call_id: call_id(headers),
        }
    }

    async fn answer<F: Future<Output = Result<RawJson>>>(
        self,
        find: impl FnOnce(Arc<Self>) -> F,
    ) -> Response {
        let asking = Arc::new(self);
        match find(Arc::clone(&asking)).await {
            Ok(found) => {
                let mut response = answer(StatusCode::OK, found.bytes().clone());
                insert(response.headers_mut(), names::CALL_ID, &asking.call_id);
                response
            }
            Err(error) => {
                let named = asking.snapshot.config.general.include_call_id_in_error_body;
                error_response_naming(&error, Front::RESPONSES, Some(&asking.call_id), named)
            }
        }
    }

    fn owner(&self) -> Result<Tenant> {
        self.caller.as_ref().map(owner).map_err(Clone::clone)
    }

    async fn record(&self) -> Result<RawJson> {
        let owner = self.owner()?;
        let Some(cache) = &self.snapshot.cache else {
            return Err(self.unknown());
        };
        let found = cache.recall(&owner, vec![self.id.clone()]).await;
        let mut found = found.map_err(store_failed)?;
        let record = found.remove(&self.id).and_then(read);
        record.ok_or_else(|| self.unknown())
    }

    fn unknown(&self) -> Error {
        let id: String = self.id.chars().take(128).collect();
        let message = format!("Response with id '{id}' not found.");
        Error::new(ErrorKind::BadRequest, message).with_status(StatusCode::NOT_FOUND)
    }

    /// Returns the values of a member of the query.
    fn all(&self, name: &str) -> Vec<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
            .collect()
    }

    fn says(&self, name: &str, value: &str) -> bool {
        self.all(name).iter().any(|said| said == value)
    }

    fn page(&self) -> Result<Page> {
        let order = match self.all("order").pop().as_deref() {
            None | Some("desc") => Order::Descending,
            Some("asc") => Order::Ascending,
            Some(_) => {
                return Err(Error::bad_request(
                    "order",
                    "order: expected 'asc' or 'desc'",
                ));
            }
        };
        let limit = match self.all("limit").pop() {
            None => PAGE,
            Some(limit) => limit
                .parse()
                .ok()
                .filter(|limit| (1..=LARGEST_PAGE).contains(limit))
                .ok_or_else(|| {
                    let message = format!("limit: expected a number from 1 to {LARGEST_PAGE}");
                    Error::bad_request("limit", message)
                })?,
        };
        Ok(Page {
            order,
            after: self.all("after").pop(),
            limit,
        })
    }
}
