//! Which of Bedrock's services a path belongs to, and what it asks for there.
//!
//! The path says what is called, never where: every service's host comes from the configuration, and a path that fits none
//! is refused. The table has the operations of AWS's service models; agents, flows and knowledge bases have a runtime and a
//! build-time API under the same first segment, and only the runtime's operations are told apart by name.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/welcome.html>.

use http::Method;

use crate::provider::bedrock::url::Service;

/// What a path asks for, as far as it matters to who passes it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `Converse`.
    Converse,
    /// `ConverseStream`.
    ConverseStream,
    /// `InvokeModel`.
    Invoke,
    /// `InvokeModelWithResponseStream`.
    InvokeStream,
    /// `CountTokens`.
    CountTokens,
    /// A stream in both directions, which needs HTTP/2 up to the model.
    Bidirectional,
    /// Bedrock's OpenAI-shaped API; its body names the model.
    OpenAi,
    /// `StartAsyncInvoke`; its body names the model.
    AsyncInvoke,
    /// `InvokeAgent` and `InvokeInlineAgent`: an event stream.
    Agent,
    /// Another event stream: flows, knowledge bases, prompts.
    OtherStream,
    /// Anything else.
    Other,
}

impl Operation {
    /// Returns its name, as spans and logs spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Converse => "converse",
            Self::ConverseStream => "converse_stream",
            Self::Invoke => "invoke_model",
            Self::InvokeStream => "invoke_model_with_response_stream",
            Self::CountTokens => "count_tokens",
            Self::Bidirectional => "invoke_model_with_bidirectional_stream",
            Self::OpenAi => "openai",
            Self::AsyncInvoke => "async_invoke",
            Self::Agent => "invoke_agent",
            Self::OtherStream => "stream",
            Self::Other => "pass_through",
        }
    }

    /// Says whether its answer is a stream, so that it is bounded as one.
    pub fn streams(self) -> bool {
        matches!(
            self,
            Self::ConverseStream | Self::InvokeStream | Self::Agent | Self::OtherStream
        )
    }

    /// Says whether its body is in the format of one family, which another's model cannot read.
    pub fn is_of_one_family(self) -> bool {
        matches!(self, Self::Invoke | Self::InvokeStream)
    }

    /// Returns the operation on a model that the last segment of its path names. AWS would answer any other with 404, which
    /// must not be taken for a model that is missing.
    fn on_model(action: &str) -> Option<Self> {
        Some(match action {
            "converse" => Self::Converse,
            "converse-stream" => Self::ConverseStream,
            "invoke" => Self::Invoke,
            "invoke-with-response-stream" => Self::InvokeStream,
            "invoke-with-bidirectional-stream" => Self::Bidirectional,
            "count-tokens" => Self::CountTokens,
            _ => return None,
        })
    }
}

/// First segments of the control plane.
const CONTROL_PLANE: [&str; 32] = [
    "advanced-prompt-optimization-job",
    "advanced-prompt-optimization-jobs",
    "automated-reasoning-policies",
    "create-foundation-model-agreement",
    "custom-models",
    "data-retention",
    "delete-foundation-model-agreement",
    "enforcedGuardrailsConfiguration",
    "evaluation-job",
    "evaluation-jobs",
    "foundation-model-availability",
    "foundation-models",
    "guardrails",
    "imported-models",
    "inference-profiles",
    "list-foundation-model-agreement-offers",
    "listTagsForResource",
    "logging",
    "marketplace-model",
    "model-copy-jobs",
    "model-customization",
    "model-customization-jobs",
    "model-import-jobs",
    "model-invocation-job",
    "model-invocation-jobs",
    "prompt-routers",
    "provisioned-model-throughput",
    "provisioned-model-throughputs",
    "resource-policy",
    "tagResource",
    "untagResource",
    "use-case-for-model-access",
];

/// Finds the service of a path, given as its segments, and what it asks for; `None` where Bedrock has nothing there.
///
/// A path that ends with a slash has an empty last segment: that is how build-time operations differ from some of the
/// runtime's.
pub(super) fn place(method: &Method, segments: &[&str]) -> Option<(Service, Operation)> {
    let first = *segments.first()?;
    let runtime = |operation| Some((Service::Runtime, operation));
    let agent_runtime = |operation| Some((Service::AgentRuntime, operation));
    match first {
        "model" => match segments {
            [_, .., id, action] if *method == Method::POST && !id.is_empty() => {
                runtime(Operation::on_model(action)?)
            }
            _ => None,
        },
        "openai" => runtime(Operation::OpenAi),
        "async-invoke" if *method == Method::POST => runtime(Operation::AsyncInvoke),
        "guardrail" | "guardrail-checks" | "async-invoke" => runtime(Operation::Other),
        "retrieveAndGenerateStream" | "agenticRetrieveStream" | "optimize-prompt" => {
            agent_runtime(Operation::OtherStream)
        }
        "rerank" | "retrieveAndGenerate" | "generateQuery" | "sessions" | "tags" => {
            agent_runtime(Operation::Other)
        }
        "agents" | "flows" | "knowledgebases" => Some(match agents_runtime(method, segments) {
            Some(operation) => (Service::AgentRuntime, operation),
            None => (Service::AgentBuildTime, Operation::Other),
        }),
        "prompts" | "resourcepolicy" | "retrievalinstructions" => {
            Some((Service::AgentBuildTime, Operation::Other))
        }
        _ => CONTROL_PLANE
            .contains(&first)
            .then_some((Service::ControlPlane, Operation::Other)),
    }
}

/// The runtime's operations on agents, flows and knowledge bases.
fn agents_runtime(method: &Method, segments: &[&str]) -> Option<Operation> {
    let (post, get) = (*method == Method::POST, *method == Method::GET);
    let (is_of_runtime, operation) = match segments {
        ["agents", _, "agentAliases", _, "sessions", _, "text"] => (post, Operation::Agent),
        ["agents", session] => (post && !session.is_empty(), Operation::Agent),
        ["agents", _, "agentAliases", _, "memories"] => {
            (get || *method == Method::DELETE, Operation::Other)
        }
        ["flows", _, "aliases", alias] => (post && !alias.is_empty(), Operation::OtherStream),
        ["flows", _, "aliases", _, "executions", ..] => (get || post, Operation::Other),
        ["flows", _, "executions"] => (get, Operation::Other),
        ["knowledgebases", _, "retrieve"]
        | [
            "knowledgebases",
            _,
            "datasources",
            _,
            "documents",
            _,
            "content",
        ] => (post, Operation::Other),
        ["knowledgebases", _, "datasources", _, last] => {
            let is_acl = matches!(
                *last,
                "check-ingested-document-acl" | "get-ingested-document-acl"
            );
            (post && is_acl, Operation::Other)
        }
        _ => (false, Operation::Other),
    };
    is_of_runtime.then_some(operation)
}
