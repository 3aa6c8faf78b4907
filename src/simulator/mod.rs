//! A test double for Amazon Bedrock's runtime API.
//!
//! `switchyard --simulate` runs it inside the process, `switchyard simulate-bedrock` alone; tests and benches use the
//! same one. It stands apart: nothing here uses the rest of the crate, so that a mistake made there is not made here
//! a second time.
//!
//! **What it does.** It serves HTTP/1.1 and
//! - checks every request's SigV4 signature (recomputed, [`AccessKey`]) or Bedrock API key;
//! - validates Converse bodies against the documented shape and Bedrock's rules about conversations, with AWS's
//!   exception names, statuses, headers and wording;
//! - answers Converse and `ConverseStream` in the manner of the model's family: text, reasoning with signatures that it
//!   checks when they come back, tool calls that fit the tool's schema, JSON that fits `outputConfig`, usage, cache
//!   usage, stop sequences, `maxTokens`, guardrails; streams are real event-stream frames with checksums;
//! - answers `InvokeModel` and its stream in the format of each family, and refuses members that the family does not
//!   document;
//! - answers embeddings, image and rerank models by `InvokeModel`, `StartAsyncInvoke` and the agent runtime's `Rerank`,
//!   and checks their bodies against what AWS documents;
//! - answers `ApplyGuardrail`, the agent runtime's `Retrieve`, `RetrieveAndGenerate` and `InvokeAgent`, and what clients ask
//!   of the control plane: `ListFoundationModels`, `ListInferenceProfiles`, `GetInferenceProfile`, guardrails;
//! - answers OpenAI's chat completions and responses and Anthropic's messages, as the runtime and `bedrock-mantle` have them,
//!   with server-sent events;
//! - plays STS, so that assumed roles work: `AssumeRole`, `AssumeRoleWithWebIdentity`, `GetCallerIdentity`;
//! - misbehaves when told to, by `[[sim:throttle]]` in a user's text or by the path prefix `/fault/throttle/…`
//!   (the names are in `misbehave.rs`). Further markers shape an answer: `[[sim:tool]]`, `[[sim:tools]]`,
//!   `[[sim:long=500]]`, `[[sim:slow=20]]`, and those listed in `converse/answer.rs`;
//! - tells what it saw: `GET /_simulator/state`, `GET /_simulator/calls?last=N`, `DELETE /_simulator/calls`.
//!
//! Equal requests get equal answers, except that a cached prompt prefix is written the first time and read later, and
//! that faults may be limited to the first calls.
//!
//! **What it does not do.** No model runs here: answers quote the question and mean nothing. Tokens are counted as
//! characters divided by four. Media are checked for size and base64, not for content. Quotas, model access, regions,
//! KMS, IAM policies, real guardrails, cross-region routing and latency are not simulated; nor are IMDS, ECS, SSO,
//! HTTP/2, TLS and presigned URLs. Limits that Bedrock enforces but does not document are missing. A request that
//! passes here can fail at AWS.

mod agents;
mod async_invoke;
mod auth;
mod body;
mod calls;
mod check;
mod clock;
mod compatible;
mod control_plane;
mod converse;
mod count;
mod dispatch;
mod embed;
mod embed_shape;
mod error;
mod event_stream;
mod faults;
mod follow;
mod guardrail;
mod image;
mod introspect;
mod invoke;
mod json;
mod keys;
mod marker;
mod misbehave;
mod model_id;
mod operation;
mod rerank;
mod server;
mod shape;
mod sigv4;
mod state;
mod sts;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use calls::RecordedCall;
pub use keys::{ACCESS_KEY_ID, AccessKey, SECRET_ACCESS_KEY};
use state::Shared;

/// How a simulator is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen. Default: a free port of the loopback interface.
    pub bind: SocketAddr,
    /// Access keys that may sign. Default: the built-in ones, [`ACCESS_KEY_ID`] among them.
    pub keys: Vec<AccessKey>,
    /// Bedrock API keys that are accepted. Default: `ABSKsim-bedrock-api-key-0001` and `-0002`.
    pub bearer_keys: Vec<String>,
    /// Whether any non-empty bearer key is accepted. Default: no.
    pub accept_any_bearer: bool,
    /// Pause before each delta of a stream. Default: none.
    pub token_delay: Duration,
    /// Lifetime of keys issued by STS, in place of the `DurationSeconds` that the client asks for. Default: none.
    pub sts_lifetime: Option<Duration>,
    /// Whether the last calls are kept for [`Simulator::calls`]. Default: yes; benches switch it off.
    pub record_calls: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            keys: keys::built_in(),
            bearer_keys: keys::built_in_bearer(),
            accept_any_bearer: false,
            token_delay: Duration::ZERO,
            sts_lifetime: None,
            record_calls: true,
        }
    }
}

/// A running simulator. Dropping it ends it too, without waiting for its connections.
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: DropGuard,
}

impl Simulator {
    /// Binds the port and starts serving in the background.
    pub async fn start(options: Options) -> io::Result<Self> {
        let bind = options.bind;
        let shared = Arc::new(Shared::new(options));
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let address = server::start(bind, Arc::clone(&shared), stop.clone(), &tasks).await?;
        Ok(Self {
            address,
            shared,
            tasks,
            stop: stop.drop_guard(),
        })
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL for clients, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns how many streamed or withheld answers are being sent now.
    pub fn open_streams(&self) -> usize {
        self.shared.open_streams.load(Ordering::Acquire)
    }

    /// Returns how many of them ended because the client hung up.
    pub fn cancelled_streams(&self) -> u64 {
        self.shared.cancelled_streams.load(Ordering::Acquire)
    }

    /// Returns how many requests arrived, STS included and `/_simulator/…` excluded.
    pub fn calls_total(&self) -> u64 {
        self.shared.calls_total.load(Ordering::Acquire)
    }

    /// Returns the calls that are still kept, at most 256, oldest first.
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.shared.calls.last(usize::MAX)
    }

    /// Makes one more access key known, or changes one.
    pub fn add_key(&self, key: AccessKey) {
        self.shared.auth.keys.add(key, None);
    }

    /// Stops listening, drops every connection and waits until all of it has ended.
    pub async fn shutdown(self) {
        let Self { tasks, stop, .. } = self;
        drop(stop);
        tasks.close();
        tasks.wait().await;
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Simulator")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
