//! A request that has several prompts: each is a call of its own, and all answers are one.
//!
//! They run a few at a time; the first that fails fails the request, and ends the others. One that finds no room because
//! others of its own request have taken it waits for them: a limit of one call at a time is no reason to refuse them all.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::response::Response;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::StatusCode;

use super::App;
use super::headers::{insert, json, say_served};
use super::inference::{envelope, failed, run, say_success};
use crate::canonical::{Answer, ChatAnswer, Text};
use crate::dialect::completions::{joined, message_of};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::{Call, Journal, Reply, Settlement};
use crate::telemetry::names;

/// How many prompts of one request are under way at a time.
const AT_ONCE: usize = 8;

/// One prompt's call.
struct Prompt {
    /// Where its answer belongs.
    place: usize,
    call: Arc<Call>,
    books: Settlement,
    /// Whether others of the request were under way when it was begun.
    has_company: bool,
}

/// A prompt that failed, and why.
struct Failed {
    prompt: Prompt,
    error: Error,
}

/// Answers the request's own prompt and `more`.
pub(super) async fn answer(app: &Arc<App>, call: Call, more: &[Text]) -> Response {
    let call = Arc::new(call);
    let others = more.iter().map(|prompt| Arc::new(of_prompt(&call, prompt)));
    let calls = std::iter::once(Arc::clone(&call)).chain(others);
    let prompts = calls.enumerate().map(|(place, call)| Prompt {
        place,
        books: Settlement::open(Arc::clone(&call), Arc::clone(&app.clock)),
        call,
        has_company: false,
    });
    let mut answered = match all(app, prompts).await {
        Ok(answered) => answered,
        Err(refused) => {
            let Failed { prompt, error } = *refused;
            return failed(&error, &call, prompt.books);
        }
    };
    answered.sort_unstable_by_key(|(prompt, _)| prompt.place);
    let answers: Vec<&ChatAnswer> = answered.iter().map(|(_, answer)| answer).collect();
    let mut response = json(StatusCode::OK, joined(&answers, &envelope(&call)));
    if let Some((first, _)) = answered.first() {
        say_success(response.headers_mut(), &first.books);
    }
    let journals = answered.iter().map(|(prompt, _)| prompt.books.journal());
    let together = Journal::sum(journals.map(Arc::as_ref));
    say_served(response.headers_mut(), Some(&together));
    insert(response.headers_mut(), names::CALL_ID, &call.id);
    response
}

/// Runs all calls, as many at a time as there is room for. Each is made when its turn comes: one that never began is in
/// nobody's books.
///
/// # Errors
///
/// The first failure.
async fn all(
    app: &Arc<App>,
    mut due: impl Iterator<Item = Prompt>,
) -> Result<Vec<(Prompt, ChatAnswer)>, Box<Failed>> {
    let mut running = FuturesUnordered::new();
    let mut room = AT_ONCE;
    let mut answered = Vec::new();
    let mut again = VecDeque::new();
    loop {
        while running.len() < room
            && let Some(mut prompt) = again.pop_front().or_else(|| due.next())
        {
            prompt.has_company = !running.is_empty();
            running.push(one(app, prompt));
        }
        let Some((mut prompt, reply)) = running.next().await else {
            return Ok(answered);
        };
        match reply.and_then(of_chat) {
            Ok(answer) => {
                prompt.books.used(answer.usage.unwrap_or_default());
                prompt.books.completed();
                prompt.books.make_room();
                answered.push((prompt, answer));
            }
            // It was one of the running ones, so there is less room each time, until each is alone.
            Err(error) if found_no_room(&prompt, &error) => {
                room = running.len().max(1);
                again.push_front(prompt);
            }
            Err(error) => return Err(Box::new(Failed { prompt, error })),
        }
    }
}

/// Whether others of the request may have taken what the prompt did not get.
fn found_no_room(prompt: &Prompt, error: &Error) -> bool {
    let is_full = matches!(
        error.kind(),
        ErrorKind::LimitReached | ErrorKind::NoDeployment | ErrorKind::BudgetReached
    );
    is_full && prompt.has_company && prompt.books.journal().sends() == 0
}

/// The call of another prompt.
fn of_prompt(call: &Call, prompt: &Text) -> Call {
    let mut call = call.clone();
    if let Some(request) = call.request.chat_mut() {
        // An agent that is asked two things in one session takes them for one conversation.
        request.session = Some(crate::random::uuid().to_string());
        request.messages = vec![message_of(prompt.clone())];
    }
    call
}

async fn one(app: &Arc<App>, mut prompt: Prompt) -> (Prompt, Result<Reply>) {
    let reply = run(app, &prompt.call, &mut prompt.books).await;
    (prompt, reply)
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
