//! An exchange of several requests and pages: embeddings of many inputs, images in turn, long lists of results.
//!
//! All of it is one attempt. The requests of a page are sent together, a few at a time, and their answers read in the order
//! of the requests; the first failure ends it, and what came until then is billed.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
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
        let answers = all(trip, attempt, requests, served).await?;
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

/// The headers and the body of an answer.
type Whole = (HeaderMap, bytes::Bytes);

/// Sends one page of requests; the headers and bodies of their answers, in order.
async fn all(
    trip: &Trip<'_>,
    attempt: &mut Attempt,
    requests: Vec<WireRequest>,
    served: &mut Served,
) -> Result<Vec<Whole>> {
    let deployment = Arc::clone(attempt.deployment());
    let total = requests.len() as u64;
    let sending: Vec<_> = (requests.into_iter().enumerate())
        .map(|(place, request)| one(trip, &deployment, place, request))
        .collect();
    // In the order in which they end, so that a failure is seen when it happens.
    let mut sending = stream::iter(sending).buffer_unordered(AT_ONCE);
    let mut came: Vec<(usize, Whole)> = Vec::new();
    while let Some((place, outcome)) = sending.next().await {
        match outcome {
            Ok(whole) => came.push((place, whole)),
            Err((error, headers)) => {
                served.upstream_headers = headers;
                return Err(error);
            }
        }
        attempt.came(came.len() as u64, total);
    }
    came.sort_unstable_by_key(|(place, _)| *place);
    Ok(came.into_iter().map(|(_, whole)| whole).collect())
}

/// Sends one request, and says at which place its answer belongs; a failure has the headers that came with it.
async fn one(
    trip: &Trip<'_>,
    deployment: &Arc<Deployment>,
    place: usize,
    mut request: WireRequest,
) -> (usize, Result<Whole, (Error, HeaderMap)>) {
    carry_trace(trip.call, &mut request);
    let mut own = Served::by(deployment);
    let sending = async {
        let response = authorized(trip, deployment, &request, &mut own).await?;
        let body = response.body.collect(MAX_ANSWER_BYTES).await?;
        Ok((response.headers, body))
    };
    let outcome = sending.await;
    let outcome = outcome.map_err(|error: Error| (error, own.upstream_headers));
    (place, outcome)
}
