//! An exchange of several requests and pages: embeddings of many inputs, images in turn, long lists of results.
//!
//! All of it is one attempt. The requests of a page are sent together, a few at a time, and their answers read in the order
//! of the requests; the first failure ends it.

use std::future::ready;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::HeaderMap;

use super::Served;
use super::attempt::Attempt;
use super::send::{MAX_ANSWER_BYTES, authorized, carry_trace};
use super::trip::Trip;
use crate::canonical::{Answer, Operation};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Decoded, Exchange, WireAnswer, WireRequest};
use crate::router::Deployment;

/// How many requests of one attempt are under way at a time, so that a large batch does not take the account's whole rate.
const AT_ONCE: usize = 8;

/// How many pages one answer may have; an upstream that always promises more is broken.
const MOST_PAGES: usize = 100;

/// Sends the requests, reads the answers, and asks for more while there is more.
///
/// # Errors
///
/// The first failure, of whichever request.
pub(super) async fn exchange<O>(
    trip: &Trip<'_>,
    attempt: &mut Attempt,
    exchange: Exchange<O>,
    served: &mut Served,
) -> Result<Answer>
where
    O: Operation<Answer: Into<Answer>>,
{
    let Exchange {
        mut requests,
        mut decoder,
        ..
    } = exchange;
    for _ in 0..MOST_PAGES {
        attempt.sending();
        let answers = all(trip, attempt.deployment(), requests, served).await?;
        let read: Vec<WireAnswer<'_>> = (answers.iter())
            .map(|(headers, body)| WireAnswer {
                headers,
                body: body.clone(),
            })
            .collect();
        match decoder.whole(&read)? {
            Decoded::Answer(answer) => {
                if let Some((headers, _)) = answers.into_iter().next_back() {
                    served.upstream_headers = headers;
                }
                return Ok(answer.into());
            }
            Decoded::More(more) => requests = more,
        }
    }
    let message = format!("the answer had more than {MOST_PAGES} pages");
    Err(Error::new(ErrorKind::Garbled, message))
}

/// Sends one page of requests; the headers and bodies of their answers, in order.
async fn all(
    trip: &Trip<'_>,
    deployment: &Arc<Deployment>,
    requests: Vec<WireRequest>,
    served: &mut Served,
) -> Result<Vec<(HeaderMap, bytes::Bytes)>> {
    let sending = requests.into_iter().map(|mut request| async move {
        carry_trace(trip.call, &mut request);
        let mut own = Served::by(deployment);
        let outcome = async {
            let response = authorized(trip, deployment, &request, &mut own).await?;
            let body = response.body.collect(MAX_ANSWER_BYTES).await?;
            Ok((response.headers, body))
        };
        let outcome = outcome.await;
        outcome.map_err(|error: Error| (error, own.upstream_headers))
    });
    let sending: Vec<_> = sending.collect();
    let collected = stream::iter(sending)
        .buffered(AT_ONCE)
        .try_fold(Vec::new(), |mut all, one| {
            all.push(one);
            ready(Ok(all))
        })
        .await;
    collected.map_err(|(error, headers)| {
        served.upstream_headers = headers;
        error
    })
}
