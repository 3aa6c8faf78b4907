//! What model an application inference profile is of: `GetInferenceProfile` of the control plane, asked once and kept.
//!
//! It is a help, never a condition: who may not ask, or gets no answer in time, goes on without. What a caller finds out by
//! credentials of its own, and what it does not, is for itself: else who brings wrong ones would decide for everyone.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetInferenceProfile.html>.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use serde::Deserialize;

use super::{Source, Trust, Upstream};
use crate::config::AwsParams;
use crate::provider::WireRequest;
use crate::provider::bedrock::model_id::{base_of, names_a_model};

/// How long an answer is believed. Source: Portkey.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// How long nobody asks again after a failure.
const KEPT_UNKNOWN: Duration = Duration::from_secs(60);
/// How long a call waits for the answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest answer that is read.
const MOST_BYTES: usize = 1024 * 1024;
/// How many profiles are kept of the operator's, and of callers with credentials of their own.
const MOST: usize = 1000;

/// A question.
#[derive(Debug, Clone, Copy)]
pub struct ProfileQuestion<'a> {
    /// The profile's ARN.
    pub arn: &'a str,
    /// Where it is asked: the control plane's address of the profile.
    pub url: &'a str,
    /// Who asks.
    pub credentials: &'a Source,
    /// What those are, where a caller brings them; `None` for the operator's.
    pub brought: Option<&'a AwsParams>,
    /// Whose certificates are believed.
    pub trust: &'a Trust,
    /// The region that the question is signed for.
    pub region: &'a str,
}

/// The answers: the operator's by ARN, a caller's by its credentials, too.
#[derive(Debug, Default)]
pub struct Profiles {
    known: Mutex<Slots<String>>,
    of_callers: Mutex<Slots<(AwsParams, String)>>,
}

type Slots<K> = HashMap<K, Arc<Slot>>;

/// One profile; whoever asks holds it, so that nobody else asks the same.
#[derive(Debug, Default)]
struct Slot(tokio::sync::Mutex<Option<Answer>>);

#[derive(Debug, Clone)]
struct Answer {
    model: Option<String>,
    until: Instant,
}

impl Profiles {
    /// Returns the base model of a profile; `None` where it cannot be found out in time.
    ///
    /// # Cancel safety
    ///
    /// Who stops waiting leaves the question to the next.
    pub async fn base_model(
        &self,
        upstream: &Upstream,
        question: ProfileQuestion<'_>,
    ) -> Option<String> {
        let arn = question.arn.to_owned();
        let slot = match question.brought {
            None => slot(&self.known, arn),
            Some(brought) => slot(&self.of_callers, (brought.clone(), arn)),
        };
        let asking = async {
            let mut held = slot.0.lock().await;
            let now = upstream.clock().own().now();
            if let Some(answer) = held.as_ref().filter(|answer| now < answer.until) {
                return answer.model.clone();
            }
            let waiting = tokio::time::timeout(PATIENCE, ask(upstream, question));
            let model = waiting.await.ok().flatten();
            let kept = if model.is_some() { KEPT } else { KEPT_UNKNOWN };
            *held = Some(Answer {
                model: model.clone(),
                until: now + kept,
            });
            model
        };
        // The first to come may take all the time; others wait no longer for it.
        tokio::time::timeout(PATIENCE * 2, asking)
            .await
            .ok()
            .flatten()
    }
}

fn slot<K: Eq + Hash>(slots: &Mutex<Slots<K>>, key: K) -> Arc<Slot> {
    let mut known = slots.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= MOST && !known.contains_key(&key) {
        known.clear();
    }
    Arc::clone(known.entry(key).or_default())
}

async fn ask(upstream: &Upstream, question: ProfileQuestion<'_>) -> Option<String> {
    let credentials = question.credentials.credentials().await.ok()?;
    let request = WireRequest {
        method: Method::GET,
        url: question.url.to_owned(),
        headers: Vec::new(),
        body: Bytes::new(),
        service: "bedrock",
    };
    let sent = upstream.send_trusting(question.trust, &request, &credentials, question.region);
    let response = sent.await.ok()?;
    if !response.status.is_success() {
        tracing::debug!(status = %response.status, "an inference profile could not be looked up");
        return None;
    }
    model_of(&response.body.collect(MOST_BYTES).await.ok()?)
}

/// Reads the first model's ARN.
fn model_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Profile {
        models: Vec<Model>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Model {
        model_arn: String,
    }
    let profile: Profile = serde_json::from_slice(body).ok()?;
    let arn = profile.models.into_iter().next()?.model_arn;
    let name = arn.rsplit_once('/').map_or(arn.as_str(), |(_, name)| name);
    names_a_model(base_of(name)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_is_the_tail_of_the_first_arn() {
        let body = br#"{"inferenceProfileId":"x","models":[
            {"modelArn":"arn:aws:bedrock:us-west-2::foundation-model/anthropic.claude-3-haiku-20240307-v1:0"},
            {"modelArn":"arn:aws:bedrock:us-east-1::foundation-model/other.x"}]}"#;
        assert_eq!(
            model_of(body).as_deref(),
            Some("anthropic.claude-3-haiku-20240307-v1:0")
        );
        for other in [
            &b"{}"[..],
            br#"{"models":[]}"#,
            br#"{"models":[{"modelArn":"arn:aws:bedrock:x::custom-model/abc"}]}"#,
            b"not json",
        ] {
            assert_eq!(model_of(other), None);
        }
    }
}
