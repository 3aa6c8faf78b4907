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

use super::admission::Admission;
use super::answer_headers::say_success;
use super::headers::{insert, json, say_served};
use super::inference::{envelope, failed, run};
use super::{App, prompt_stream};
use crate::canonical::{Answer, ChatAnswer, Text};
use crate::clock::SharedClock;
use crate::dialect::completions::{joined, message_of};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::{Call, Journal, Reply, Settlement};
use crate::telemetry::names;

/// How many prompts of one request are under way at a time.
pub(super) const AT_ONCE: usize = 8;

/// One prompt's call.
pub(super) struct Prompt {
    /// Where its answer belongs.
    pub(super) place: usize,
    call: Arc<Call>,
    pub(super) books: Settlement,
    /// Whether others of the request were under way when it was begun.
    pub(super) has_company: bool,
}

/// Prompts whose turn has not come. One that never begins is in nobody's books.
pub(super) struct Due {
    calls: VecDeque<(usize, Arc<Call>)>,
    /// Those that found no room.
    again: VecDeque<Prompt>,
    clock: SharedClock,
}

impl Due {
    /// Opens the next one.
    pub(super) fn next(&mut self) -> Option<Prompt> {
        let again = self.again.pop_front();
        again.or_else(|| {
            let (place, call) = self.calls.pop_front()?;
            Some(Prompt {
                place,
                books: Settlement::open(Arc::clone(&call), Arc::clone(&self.clock)),
                call,
                has_company: false,
            })
        })
    }

    /// Puts one back that found no room.
    pub(super) fn again(&mut self, prompt: Prompt) {
        self.again.push_front(prompt);
    }

    /// Says whether there are no more.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.again.is_empty()
    }

    /// Forgets them.
    pub(super) fn clear(&mut self) {
        self.calls.clear();
        self.again.clear();
    }
}

/// A prompt that failed, and why.
pub(super) struct Failed {
    pub(super) prompt: Prompt,
    pub(super) error: Error,
}

/// Answers the request's own prompt and `more`.
pub(super) async fn answer(
    app: &Arc<App>,
    call: Call,
    more: &[Text],
    admission: Admission,
) -> Response {
    let call = Arc::new(call);
    let others = more.iter().map(|prompt| Arc::new(of_prompt(&call, prompt)));
    let calls = std::iter::once(Arc::clone(&call)).chain(others);
    let due = Due {
        calls: calls.enumerate().collect(),
        again: VecDeque::new(),
        clock: Arc::clone(&app.clock),
    };
    if call.request.is_streamed() {
        return prompt_stream::answer(app, &call, due, admission).await;
    }
    let mut answered = match all(app, due).await {
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
    drop(admission);
    response
}

/// Runs all calls, as many at a time as there is room for.
///
/// # Errors
///
/// The first failure.
async fn all(app: &Arc<App>, mut due: Due) -> Result<Vec<(Prompt, ChatAnswer)>, Box<Failed>> {
    let mut running = FuturesUnordered::new();
    let mut room = AT_ONCE;
    let mut answered = Vec::new();
    loop {
        while running.len() < room
            && let Some(mut prompt) = due.next()
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
                due.again(prompt);
            }
            Err(error) => return Err(Box::new(Failed { prompt, error })),
        }
    }
}

/// Whether others of the request may have taken what the prompt did not get.
pub(super) fn found_no_room(prompt: &Prompt, error: &Error) -> bool {
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

pub(super) async fn one(app: &Arc<App>, mut prompt: Prompt) -> (Prompt, Result<Reply>) {
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

pub(super) fn other_answer() -> Error {
    let message = "a prompt had another answer than was asked for";
    Error::new(ErrorKind::Internal, message)
}
