//! A request that has several prompts: each is a call of its own, and all answers are one.
//!
//! They run a few at a time, in the order of the prompts; the first that fails fails the request, and ends the others.

use std::sync::Arc;

use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use http::StatusCode;

use super::App;
use super::headers::{insert, json};
use super::inference::{envelope, failed, run, say_success};
use crate::canonical::{Answer, ChatAnswer, Text};
use crate::dialect::completions::{joined, message_of};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::{Call, Reply, Settlement};
use crate::telemetry::names;

/// How many prompts of one request are under way at a time.
const AT_ONCE: usize = 8;

/// Answers the request's own prompt and `more`.
pub(super) async fn answer(app: &Arc<App>, call: Call, more: &[Text]) -> Response {
    let call = Arc::new(call);
    let others = more.iter().map(|prompt| Arc::new(of_prompt(&call, prompt)));
    let calls: Vec<Arc<Call>> = std::iter::once(Arc::clone(&call)).chain(others).collect();
    let running = calls.into_iter().map(|call| one(app, call));
    let mut running = stream::iter(running.collect::<Vec<_>>()).buffered(AT_ONCE);
    let mut answers: Vec<ChatAnswer> = Vec::with_capacity(more.len() + 1);
    let mut first = None;
    while let Some((call, mut books, reply)) = running.next().await {
        match reply.and_then(of_chat) {
            Ok(answer) => {
                books.used(answer.usage.unwrap_or_default());
                answers.push(answer);
                books.completed();
                first.get_or_insert(books);
            }
            Err(error) => return failed(&error, &call, books),
        }
    }
    let answers: Vec<&ChatAnswer> = answers.iter().collect();
    let mut response = json(StatusCode::OK, joined(&answers, &envelope(&call)));
    if let Some(books) = first {
        say_success(response.headers_mut(), &books);
    }
    insert(response.headers_mut(), names::CALL_ID, &call.id);
    response
}

/// The call of another prompt.
fn of_prompt(call: &Call, prompt: &Text) -> Call {
    let mut call = call.clone();
    if let Some(request) = call.request.chat_mut() {
        request.messages = vec![message_of(prompt.clone())];
    }
    call
}

async fn one(app: &Arc<App>, call: Arc<Call>) -> (Arc<Call>, Settlement, Result<Reply>) {
    let mut books = Settlement::open(Arc::clone(&call), Arc::clone(&app.clock));
    let reply = run(app, &call, &mut books).await;
    (call, books, reply)
}

fn of_chat(reply: Reply) -> Result<ChatAnswer> {
    match reply {
        Reply::Whole(answer) => match *answer {
            Answer::Chat(answer) => Ok(answer),
            _ => Err(other_answer()),
        },
        Reply::Stream(..) | Reply::Raw(_) => Err(other_answer()),
    }
}

fn other_answer() -> Error {
    let message = "a prompt had another answer than was asked for";
    Error::new(ErrorKind::Internal, message)
}
