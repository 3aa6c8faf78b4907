//! A request that names several models, separated by commas: all are asked at once.
//!
//! The answer is a JSON array with one completion each, in the order of the names; with `fastest_response: true` it is the
//! first one alone. A model that fails has its error in its place; when all fail, the first error is the answer.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use http::StatusCode;

use super::App;
use super::headers::{insert, json};
use super::inference::{failed, new_answer_id, run, say_success, whole_body};
use crate::canonical::Request;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::{Call, Reply, Settlement};
use crate::telemetry::names;

/// How many models one request may name.
const MOST: usize = 8;

/// Takes the names of a request apart; `None` where it names one model.
///
/// # Errors
///
/// Too many names, or a stream of several.
pub(super) fn names_of(call: &Call) -> Result<Option<Vec<String>>> {
    let is_portkeys = call.options.direct || call.options.gateway.is_some();
    if !call.model.contains(',') || is_portkeys {
        return Ok(None);
    }
    if call
        .snapshot
        .router
        .resolve(&call.model, call.asker())
        .is_some()
    {
        return Ok(None);
    }
    let names: Vec<String> = call
        .model
        .split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    if names.len() > MOST {
        let message = format!("model: a request may name at most {MOST} models");
        return Err(Error::bad_request("model", message));
    }
    if call.request.is_streamed() {
        let message = "stream: several models cannot be streamed at once";
        return Err(Error::bad_request("stream", message));
    }
    Ok(Some(names))
}

/// Asks all models.
pub(super) async fn answer(
    app: &Arc<App>,
    call: &Call,
    names: Vec<String>,
    fastest: bool,
) -> Response {
    let asking = names.into_iter().map(|name| one(app, call, name));
    if fastest {
        return first(asking.collect()).await;
    }
    array(join_all(asking).await)
}

/// What came of one model.
struct Outcome {
    call: Arc<Call>,
    books: Settlement,
    reply: Result<Reply>,
}

async fn one(app: &Arc<App>, call: &Call, name: String) -> Outcome {
    let mut call = Call {
        shown_model: name.clone(),
        model: name,
        answer_id: new_answer_id(call.front),
        ..call.clone()
    };
    if let Request::Chat(chat) = &mut call.request {
        chat.session = Some(crate::random::uuid().to_string());
    }
    let call = Arc::new(call);
    let mut books = Settlement::open(Arc::clone(&call), Arc::clone(&app.clock));
    let reply = run(app, &call, &mut books).await;
    Outcome { call, books, reply }
}

async fn first(mut asking: FuturesUnordered<impl Future<Output = Outcome>>) -> Response {
    let mut last = None;
    while let Some(outcome) = asking.next().await {
        if outcome.reply.is_ok() {
            let mut response = array(vec![outcome]);
            insert(response.headers_mut(), names::FASTEST_RESPONSE, "True");
            return response;
        }
        last = Some(outcome);
    }
    array(last.into_iter().collect())
}

/// Writes what came: the array, or the one completion or error that there is.
fn array(mut outcomes: Vec<Outcome>) -> Response {
    let Some(good) = outcomes.iter().position(|outcome| outcome.reply.is_ok()) else {
        outcomes.truncate(1);
        return match outcomes.pop() {
            Some(Outcome {
                call,
                books,
                reply: Err(error),
            }) => failed(&error, &call, books),
            _ => super::headers::error_response(
                &Error::new(ErrorKind::BadRequest, "no model was named"),
                None,
            ),
        };
    };
    let is_single = outcomes.len() == 1;
    let mut response = json(StatusCode::OK, Bytes::new());
    let mut body: Vec<u8> = Vec::new();
    for (place, outcome) in outcomes.into_iter().enumerate() {
        let mut books = outcome.books;
        if place == good {
            let headers = response.headers_mut();
            say_success(headers, &books);
            insert(headers, names::CALL_ID, &outcome.call.id);
        }
        body.push(if place == 0 { b'[' } else { b',' });
        match outcome.reply {
            Ok(Reply::Whole(reply)) => {
                books.used(reply.usage());
                match whole_body(&outcome.call, &reply) {
                    Ok(written) => {
                        body.extend_from_slice(&written);
                        books.completed();
                    }
                    Err(error) => write_failed(&error, &outcome.call, &mut books, &mut body),
                }
            }
            Ok(Reply::Stream(..) | Reply::Raw(_)) => body.extend_from_slice(b"null"),
            Err(error) => write_failed(&error, &outcome.call, &mut books, &mut body),
        }
    }
    body.push(b']');
    if is_single {
        body.pop();
        body.remove(0);
    }
    *response.body_mut() = axum::body::Body::from(body);
    response
}

fn write_failed(error: &Error, call: &Call, books: &mut Settlement, body: &mut Vec<u8>) {
    body.extend_from_slice(&call.front.error(error, None));
    books.failed(error, error.status().as_u16());
}
