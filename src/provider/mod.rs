//! Canonical ↔ wire formats: pure functions, no I/O, no clock, no randomness.
//!
//! A [`Transformer`] encodes a canonical request for one target and returns, beside the bytes, the [`Decoder`] that reads
//! the answer: only the request knows which tools were renamed or whether a JSON tool must be unwrapped. Equal input
//! gives equal output; ids and timestamps are the pipeline's.

pub mod bedrock;
mod wire;

use std::fmt::Debug;
use std::sync::Arc;

pub use wire::{WireAnswer, WireEvent, WireRequest};

use crate::canonical::{ChatParams, NativeFormat, Operation};
use crate::catalog::Facts;
use crate::error::Error;
use bedrock::model_id::ModelId;

/// What a transformer could not do.
#[derive(Debug, Clone)]
pub enum TransformError {
    /// The request or the answer is wrong, in a way fit for the client.
    Rejected(Error),
    /// The target cannot do this at all.
    Unsupported(String),
}

impl From<Error> for TransformError {
    fn from(error: Error) -> Self {
        Self::Rejected(error)
    }
}

impl From<TransformError> for Error {
    fn from(error: TransformError) -> Self {
        match error {
            TransformError::Rejected(error) => error,
            TransformError::Unsupported(what) => {
                Self::new(crate::error::ErrorKind::BadRequest, what)
            }
        }
    }
}

/// Where a request goes and what the operator decided for it; built once per snapshot, never per request.
#[derive(Debug, Clone)]
pub struct Target {
    /// The deployment's model, taken apart.
    pub model: ModelId,
    /// What is known of the model, with the deployment's own `model_info` laid over.
    pub facts: Arc<Facts>,
    /// Base URL to which `/model/{id}/…` is appended, without a trailing slash; for `converse_like` the whole address.
    pub endpoint: String,
    /// The region that calls are signed for; some formats name it.
    pub region: String,
    /// Request defaults of the deployment.
    pub defaults: ChatParams,
    /// What to do with parameters and messages that Bedrock would refuse.
    pub repairs: Repairs,
    /// `extra_headers` of the deployment: name and value.
    pub extra_headers: Vec<(String, String)>,
    /// Whether a caller's `extra_headers` may carry an `authorization` of its own.
    pub allow_caller_authorization: bool,
}

/// What to do with parameters and messages that Bedrock would refuse.
#[derive(Debug, Clone, Default)]
pub struct Repairs {
    /// Leave out parameters that the model does not support instead of refusing the request (`drop_params`).
    pub drop_params: bool,
    /// Mend messages (`modify_params`): continue messages, dummy tools.
    pub modify_params: bool,
    /// Parameters that are removed first (`additional_drop_params`).
    pub additional_drop_params: Vec<String>,
    /// OpenAI parameters that are sent as they are (`allowed_openai_params`).
    pub allowed_openai_params: Vec<String>,
    /// `litellm_settings.bedrock_neutralize_orphaned_tool_blocks: false`: do not turn tool history without tools into text.
    pub keep_orphaned_tool_blocks: bool,
    /// `litellm_settings.bedrock_request_metadata_fields` is set: `requestMetadata` is the operator's, never the caller's.
    pub operators_request_metadata: bool,
    /// Betas that the operator allows beyond the built-in table.
    pub allowed_betas: Vec<String>,
}

/// Turns canonical requests into wire requests for one route and family.
pub trait Transformer<O: Operation>: Debug + Send + Sync {
    /// Writes the request for `target`, and returns what reads its answer.
    ///
    /// # Errors
    ///
    /// [`TransformError::Rejected`] names the request's member that is at fault.
    fn encode(&self, request: &O::Request, target: &Target) -> Result<Exchange<O>, TransformError>;
}

/// What is sent for one attempt, and what reads the answer.
#[derive(Debug)]
pub struct Exchange<O: Operation> {
    /// The requests; more than one only where an operation needs it.
    pub requests: Vec<WireRequest>,
    /// Reads the answer.
    pub decoder: Box<dyn Decoder<O>>,
    /// What was left out or changed, for a warning header and the log; never the client's text.
    pub warnings: Vec<String>,
}

/// Reads one answer: whole, or event by event.
pub trait Decoder<O: Operation>: Debug + Send {
    /// Reads whole answers, in the order of the requests.
    fn whole(&mut self, answers: &[WireAnswer<'_>]) -> Result<Decoded<O>, TransformError>;
    /// Reads one event and appends what it says to `out`.
    fn event(
        &mut self,
        event: WireEvent<'_>,
        out: &mut Vec<O::Chunk>,
    ) -> Result<(), TransformError>;
    /// Reads the end of the stream; an error if it ended too early.
    fn end(&mut self, out: &mut Vec<O::Chunk>) -> Result<(), TransformError>;
    /// Turns a whole answer into the chunks a stream would have had, for upstreams that cannot stream.
    fn chunks(&mut self, answer: O::Answer) -> Vec<O::Chunk>;
    /// Returns the client's own format, if the answer is kept as the model writes it in that.
    fn native(&self) -> Option<NativeFormat> {
        None
    }
    /// Says whether `whole` reads the body of a stream, for upstreams that always stream.
    fn reads_streams_whole(&self) -> bool {
        false
    }
}

/// What was read from whole answers.
#[derive(Debug)]
pub enum Decoded<O: Operation> {
    /// The answer.
    Answer(O::Answer),
    /// More must be asked first.
    More(Vec<WireRequest>),
}
