//! Switchyard without its HTTP front: a snapshot, what outlives it, and the pipeline.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use switchyard::canonical::Request;
use switchyard::clock::{SharedClock, SystemClock};
use switchyard::config::{self, Environment, Overrides};
use switchyard::dialect::chat::ChatCompletions;
use switchyard::dialect::{Dialect as _, Envelope, Front};
use switchyard::keys::Identity;
use switchyard::pipeline::{Call, CallOptions, Pipeline};
use switchyard::router::Deployment;
use switchyard::state::{Parts, Snapshot};
use switchyard::upstream::{CredentialStore, Upstream, UpstreamOptions};
use tokio_util::task::TaskTracker;

use crate::inputs;

pub(crate) struct Gateway {
    snapshot: Arc<Snapshot>,
    clock: SharedClock,
    pub(crate) pipeline: Pipeline,
}

impl Gateway {
    /// Builds it from the configuration that the load bench uses too; runs inside a runtime.
    pub(crate) fn new(upstream_port: u16) -> Self {
        let yaml = inputs::config_yaml(upstream_port);
        let config = config::load_bytes(
            Path::new("bench.yaml"),
            yaml.as_bytes(),
            Environment::default(),
            &Overrides::default(),
        )
        .expect("the configuration is good");
        let clock: SharedClock = Arc::new(SystemClock);
        let upstream = Upstream::new(UpstreamOptions::default(), Arc::clone(&clock))
            .map(Arc::new)
            .expect("the client can be made");
        let credentials = CredentialStore::new(Arc::clone(&upstream), TaskTracker::new());
        let parts = Parts::new(upstream, Arc::new(credentials), Arc::clone(&clock));
        let snapshot =
            Snapshot::build(config, None, None, &parts).expect("the deployment can be built");
        Self {
            snapshot: Arc::new(snapshot),
            clock,
            pipeline: Pipeline::new(parts),
        }
    }

    /// The one deployment.
    pub(crate) fn deployment(&self) -> &Deployment {
        let group = self.snapshot.router.groups().first();
        group
            .and_then(|group| group.deployments.first())
            .expect("there is a deployment")
    }

    /// Returns the clock that calls are timed by.
    pub(crate) fn clock(&self) -> SharedClock {
        Arc::clone(&self.clock)
    }

    /// Parses a body and opens its call, as the HTTP front does.
    pub(crate) fn call(&self, body: &Bytes) -> Call {
        let parsed = ChatCompletions
            .parse(body, &HeaderMap::new())
            .expect("the body is good");
        Call {
            id: "a call".to_owned(),
            snapshot: Arc::clone(&self.snapshot),
            received: self.clock.now(),
            shown_model: String::new(),
            model: parsed.model.unwrap_or_default(),
            request: Request::Chat(parsed.request),
            front: Front::CHAT,
            raw: None,
            options: CallOptions::default(),
            traceparent: None,
            identity: Identity::Anyone,
            version: http::Version::HTTP_11,
            answer_id: "chatcmpl-1".to_owned(),
            asked: switchyard::dialect::Asked::Nothing,
            created: 0,
            span: tracing::Span::none(),
        }
    }
}

/// What stays the same for all pieces of an answer.
pub(crate) fn envelope() -> Envelope {
    Envelope {
        id: "chatcmpl-7f3f0f6e-3c0a-4a43-9a40-0d1b5f1f8f10".to_owned(),
        created: 1_763_632_800,
        model: "claude".to_owned(),
        include_usage: false,
        content_blocks: false,
        asked: switchyard::dialect::Asked::Nothing,
    }
}
