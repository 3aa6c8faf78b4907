//! Health checks: the smallest question that a deployment can be asked, now and then, to know that it answers.
//!
//! A check is no call: it takes from no limit and no budget, and neither cooldowns nor latencies learn from it. What it finds
//! is kept by the deployment ([`crate::router::Health`]); whether routing goes by that is the router's settings.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::send::{MAX_ANSWER_BYTES, authorized};
use super::trip::{Hop, Trip};
use super::work::{Work, encoded, known};
use super::{Call, CallOptions, Served, plan};
use crate::canonical::{
    ChatParams, ChatRequest, Content, Document, EmbedRequest, Message, Operation, OperationKind,
    Request, RerankRequest, Role, Text,
};
use crate::config::HealthSettings;
use crate::dialect::{Asked as AskedFor, Front};
use crate::error::{Error, ErrorKind, Result};
use crate::keys::Identity;
use crate::provider::{Exchange, WireAnswer};
use crate::router::{Asked, CHECK_WITHIN, Checked, Deployment, ModelGroup, Unhealthy};
use crate::state::{Live, Parts, Snapshot};
use crate::telemetry::events;

/// How often it is looked whether checks are due: a reload may have turned them on.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How much a chat model may say. Some APIs take no less.
const MAX_TOKENS: u64 = 16;

/// Checks all deployments every `health_check_interval` while `background_health_checks` is on, as a task of the tracker,
/// until `stop`. The first round begins at once.
pub fn watch(live: &Arc<Live>, parts: &Parts, stop: CancellationToken) -> JoinHandle<()> {
    let (live, own) = (Arc::clone(live), parts.clone());
    parts.tracker.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = rounds(&live, &own) => {}
        }
    })
}

async fn rounds(live: &Live, parts: &Parts) {
    let mut begun: Option<Instant> = None;
    loop {
        let snapshot = live.load();
        let settings = &snapshot.config.router.health;
        let now = parts.clock.now();
        let is_due =
            begun.is_none_or(|begun| now.saturating_duration_since(begun) >= settings.interval);
        if settings.background && is_due {
            begun = Some(now);
            check(&snapshot, parts, deployments(&snapshot)).await;
        }
        parts.clock.sleep(settings.interval.min(LOOK_AGAIN)).await;
    }
}

/// Returns the deployments of a configuration that can be checked, each once.
pub fn deployments(snapshot: &Snapshot) -> Vec<Arc<Deployment>> {
    let groups = snapshot.router.groups().iter();
    let all = groups.flat_map(|group| &group.deployments);
    all.filter(|one| is_checked(one)).cloned().collect()
}

/// Says whether a deployment can be checked: it is served, it is one model, and asking it costs next to nothing, which cannot be
/// said of an image, nor of an agent, who may act on what it is told.
pub fn is_checked(deployment: &Deployment) -> bool {
    let entry = &deployment.entry;
    let own = &entry.info.health;
    let cannot_be_asked = deployment.model.contains('*') || deployment.is_agent();
    let has_model = !cannot_be_asked || own.model.is_some();
    !own.disabled
        && !entry.blocked
        && entry.mock_response.is_none()
        && deployment.gap.is_none()
        && has_model
        && operation(deployment).is_some()
}

/// Checks deployments, a few at a time, and keeps what is found.
pub async fn check(snapshot: &Arc<Snapshot>, parts: &Parts, deployments: Vec<Arc<Deployment>>) {
    let at_once = usize::try_from(snapshot.config.router.health.concurrency).unwrap_or(usize::MAX);
    let checks: Vec<_> = (deployments.iter())
        .map(|deployment| one(snapshot, parts, deployment))
        .collect();
    let mut checks = stream::iter(checks).buffer_unordered(at_once.max(1));
    while checks.next().await.is_some() {}
}

async fn one(snapshot: &Arc<Snapshot>, parts: &Parts, deployment: &Arc<Deployment>) {
    let settings = &snapshot.config.router.health;
    let within = deployment.entry.info.health.timeout.unwrap_or(CHECK_WITHIN);
    let outcome = tokio::time::timeout(within, ask(snapshot, parts, deployment)).await;
    let outcome = outcome.unwrap_or_else(|_| {
        let message = "the health check timed out";
        Err(Error::new(ErrorKind::Timeout, message))
    });
    events::health_checked(
        &deployment.metrics,
        outcome.as_ref().map(drop).map_err(Error::kind),
    );
    let failure = outcome.err();
    let status = failure.as_ref().map(|error| error.status().as_u16());
    // Who is throttled is there.
    if settings.ignore_transient && matches!(status, Some(408 | 429)) {
        return;
    }
    let checked = Checked {
        now: parts.clock.now(),
        at: parts.clock.wall(),
        failure: failure.as_ref().map(Unhealthy::of),
    };
    if deployment.runtime.health.note(checked) {
        events::health_changed(&deployment.metrics, failure.as_ref());
    }
}

/// Asks a deployment, or what is to be asked in its place.
async fn ask(snapshot: &Arc<Snapshot>, parts: &Parts, deployment: &Arc<Deployment>) -> Result<()> {
    let call = Arc::new(call(snapshot, parts, &deployment.group));
    let deployment = match &deployment.entry.info.health.model {
        Some(model) => {
            let mut entry = deployment.entry.clone();
            entry.model.clone_from(model);
            (entry.model_id, entry.info.base_model, entry.info.mode) = (None, None, None);
            Arc::new(plan::build(&call, entry, parts)?)
        }
        None => Arc::clone(deployment),
    };
    let Some(operation) = operation(&deployment) else {
        let message = "the model of the health check is none that can be asked so";
        return Err(Error::new(ErrorKind::BadRequest, message));
    };
    let settings = &snapshot.config.router.health;
    let journal = Arc::default();
    let trip = Trip::new(&call, parts, &journal);
    let hop = Hop {
        group: Arc::new(ModelGroup::new(
            &deployment.group,
            vec![Arc::clone(&deployment)],
        )),
        shown: deployment.group.clone(),
        request: Cow::Owned(question(settings, &deployment, operation)),
        asked: Asked::default(),
        tier: None,
        excluded: Vec::new(),
        retry: None,
        depth: 0,
    };
    let known = known(&trip, &deployment).await;
    match encoded(&trip, &hop, &deployment, known.as_deref())? {
        Work::Chat(exchange) => answered(&trip, &deployment, exchange).await,
        Work::Embed(exchange) => answered(&trip, &deployment, exchange).await,
        Work::Rerank(exchange) => answered(&trip, &deployment, exchange).await,
        Work::Image(_) | Work::Count(_) | Work::Known(_) => Ok(()),
    }
}

/// What a deployment is asked for: its mode, else what its model does. `None`: nothing that is cheap.
fn operation(deployment: &Deployment) -> Option<OperationKind> {
    let mode = deployment.entry.info.mode.as_deref();
    let by_mode = match mode {
        Some("embedding") => Some(OperationKind::Embed),
        Some("rerank") => Some(OperationKind::Rerank),
        Some("image_generation" | "image_edit") => return None,
        _ => None,
    };
    let all = [
        OperationKind::Chat,
        OperationKind::Embed,
        OperationKind::Rerank,
    ];
    let takes = |operation: &OperationKind| deployment.transformers.take(*operation);
    by_mode.or_else(|| all.into_iter().find(takes))
}

fn question(
    settings: &HealthSettings,
    deployment: &Deployment,
    operation: OperationKind,
) -> Request {
    let text = || Text::new(&settings.prompt);
    let max_tokens = deployment.entry.info.health.max_tokens;
    match operation {
        OperationKind::Embed => Request::Embed(EmbedRequest {
            input: Some(vec![text().into()]),
            ..EmbedRequest::default()
        }),
        OperationKind::Rerank => Request::Rerank(RerankRequest {
            query: Some(text()),
            documents: Some(vec![Document::Text(text())]),
            ..RerankRequest::default()
        }),
        OperationKind::Chat | OperationKind::Count | OperationKind::Image => {
            Request::Chat(ChatRequest {
                messages: vec![Message {
                    role: Role::User,
                    content: Content::Text(text()),
                    ..Message::default()
                }],
                messages_present: true,
                params: ChatParams {
                    max_tokens: Some(max_tokens.unwrap_or(MAX_TOKENS)),
                    ..ChatParams::default()
                },
                ..ChatRequest::default()
            })
        }
    }
}

/// Sends, and reads the answer to its end.
async fn answered<O: Operation>(
    trip: &Trip<'_>,
    deployment: &Arc<Deployment>,
    exchange: Exchange<O>,
) -> Result<()> {
    let Exchange {
        requests,
        mut decoder,
        ..
    } = exchange;
    let mut served = Served::by(deployment);
    let mut whole = Vec::with_capacity(requests.len());
    for request in &requests {
        let response = authorized(trip, deployment, request, &mut served).await?;
        let body = response.body.collect(MAX_ANSWER_BYTES).await?;
        whole.push((response.headers, body));
    }
    let answers: Vec<WireAnswer<'_>> = (whole.iter())
        .map(|(headers, body)| WireAnswer {
            headers,
            body: body.clone(),
        })
        .collect();
    decoder.whole(&answers)?;
    Ok(())
}

/// The call of nobody that a check is made in the name of.
fn call(snapshot: &Arc<Snapshot>, parts: &Parts, group: &str) -> Call {
    Call {
        id: "health-check".to_owned(),
        snapshot: Arc::clone(snapshot),
        received: parts.clock.now(),
        model: group.to_owned(),
        shown_model: group.to_owned(),
        request: Request::Chat(ChatRequest::default()),
        front: Front::CHAT,
        raw: None,
        options: CallOptions::default(),
        traceparent: None,
        identity: Identity::Administrator,
        version: http::Version::HTTP_11,
        answer_id: String::new(),
        asked: AskedFor::Nothing,
        created: 0,
        span: tracing::Span::none(),
    }
}
