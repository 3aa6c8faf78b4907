//! What model an application inference profile is of: `GetInferenceProfile` of the control plane, asked once and kept.
//!
//! It is a help, never a condition: who may not ask, or gets no answer in time, goes on without.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetInferenceProfile.html>.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use serde::Deserialize;

use super::{Source, Trust, Upstream};
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
/// How many profiles are kept; callers may name some of their own.
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
    /// Whose certificates are believed.
    pub trust: &'a Trust,
    /// The region that the question is signed for.
    pub region: &'a str,
}

/// The answers, by ARN.
#[derive(Debug, Default)]
pub struct Profiles {
    known: Mutex<HashMap<String, Arc<Slot>>>,
}

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
        let slot = self.slot(question.arn);
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

    fn slot(&self, arn: &str) -> Arc<Slot> {
        let mut known = self.lock();
        if let Some(slot) = known.get(arn) {
            return Arc::clone(slot);
        }
        if known.len() >= MOST {
            known.clear();
        }
        Arc::clone(known.entry(arn.to_owned()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Slot>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    let sent = upstream.send(question.trust, &request, &credentials, question.region);
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
