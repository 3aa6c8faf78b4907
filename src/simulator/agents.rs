//! Plays the agent runtime, as far as people ask it through a gateway: `Retrieve`, `RetrieveAndGenerate`, `InvokeAgent`,
//! `InvokeInlineAgent`; and two readings of the build-time API.
//!
//! Every knowledge base holds the same three sentences, and an agent repeats what it was asked. Source: service models of
//! Bedrock agent runtime 2023-07-26 and Bedrock agent 2023-06-05.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use http::{HeaderValue, Method};
use serde_json::{Value, json};

use super::check::check;
use super::converse::stream::{self, EventFrame};
use super::dispatch::{Answered, Call};
use super::error::AwsError;
use super::event_stream::push_event;
use super::follow::follow_all;
use super::json::Node;
use super::operation::{follow, send};
use super::shape::{NON_EMPTY, Shape, list, optional, required, text};

/// What every knowledge base knows.
const KNOWN: [&str; 3] = [
    "The quick brown fox jumps over the lazy dog.",
    "A bedrock is the solid rock beneath the soil.",
    "A switchyard is where trains change tracks.",
];

const RESULTS: Shape = Shape::Integer { min: 1 };
const SEARCH: Shape = Shape::Structure(&[
    optional("numberOfResults", &RESULTS),
    optional(
        "overrideSearchType",
        &Shape::Choice(&["HYBRID", "SEMANTIC"]),
    ),
    optional("filter", &Shape::Object),
    optional("implicitFilterConfiguration", &Shape::Object),
    optional("rerankingConfiguration", &Shape::Object),
]);
const RETRIEVAL: Shape = Shape::Structure(&[
    optional("vectorSearchConfiguration", &SEARCH),
    optional("managedSearchConfiguration", &Shape::Object),
]);

static RETRIEVE: Shape = Shape::Structure(&[
    required(
        "retrievalQuery",
        &Shape::Structure(&[
            optional("text", &text(0, 1000)),
            optional("type", &Shape::Choice(&["TEXT", "IMAGE"])),
            optional("image", &Shape::Object),
        ]),
    ),
    optional("retrievalConfiguration", &RETRIEVAL),
    optional("guardrailConfiguration", &Shape::Object),
    optional("nextToken", &text(1, 2048)),
    optional("userContext", &Shape::Object),
]);

static GENERATE: Shape = Shape::Structure(&[
    required(
        "input",
        &Shape::Structure(&[required("text", &text(0, 1000))]),
    ),
    optional(
        "retrieveAndGenerateConfiguration",
        &Shape::Structure(&[
            required(
                "type",
                &Shape::Choice(&["KNOWLEDGE_BASE", "EXTERNAL_SOURCES"]),
            ),
            optional(
                "knowledgeBaseConfiguration",
                &Shape::Structure(&[
                    required("knowledgeBaseId", &text(1, 10)),
                    required("modelArn", &text(1, 2048)),
                    optional("generationConfiguration", &Shape::Object),
                    optional("orchestrationConfiguration", &Shape::Object),
                    optional("retrievalConfiguration", &RETRIEVAL),
                ]),
            ),
            optional("externalSourcesConfiguration", &Shape::Object),
        ]),
    ),
    optional("sessionConfiguration", &Shape::Object),
    optional("sessionId", &text(2, 100)),
    optional("userContext", &Shape::Object),
]);

const HISTORY: Shape = Shape::Structure(&[optional(
    "messages",
    &list(&Shape::Structure(&[
        required("role", &Shape::Choice(&["user", "assistant"])),
        required(
            "content",
            &list(&Shape::Structure(&[required("text", &NON_EMPTY)])),
        ),
    ])),
)]);
const SESSION_STATE: Shape = Shape::Structure(&[
    optional("conversationHistory", &HISTORY),
    optional("files", &list(&Shape::Object)),
    optional("invocationId", &NON_EMPTY),
    optional("knowledgeBaseConfigurations", &list(&Shape::Object)),
    optional("promptSessionAttributes", &Shape::Object),
    optional("returnControlInvocationResults", &list(&Shape::Object)),
    optional("sessionAttributes", &Shape::Object),
]);

static INVOKE: Shape = Shape::Structure(&[
    optional("inputText", &text(0, 25_000_000)),
    optional("enableTrace", &Shape::Flag),
    optional("endSession", &Shape::Flag),
    optional("memoryId", &text(2, 100)),
    optional("sessionState", &SESSION_STATE),
    optional("streamingConfigurations", &Shape::Object),
    optional("bedrockModelConfigurations", &Shape::Object),
    optional("promptCreationConfigurations", &Shape::Object),
]);

static INVOKE_INLINE: Shape = Shape::Structure(&[
    required("foundationModel", &text(1, 2048)),
    required("instruction", &text(40, usize::MAX)),
    optional("inputText", &text(0, 25_000_000)),
    optional("enableTrace", &Shape::Flag),
    optional("endSession", &Shape::Flag),
    optional("agentName", &text(1, 200)),
    optional("actionGroups", &list(&Shape::Object)),
    optional(
        "agentCollaboration",
        &Shape::Choice(&["SUPERVISOR", "SUPERVISOR_ROUTER", "DISABLED"]),
    ),
    optional("bedrockModelConfigurations", &Shape::Object),
    optional("collaboratorConfigurations", &list(&Shape::Object)),
    optional("collaborators", &list(&Shape::Object)),
    optional("customOrchestration", &Shape::Object),
    optional("customerEncryptionKeyArn", &text(1, 2048)),
    optional("guardrailConfiguration", &Shape::Object),
    optional("idleSessionTTLInSeconds", &Shape::Integer { min: 60 }),
    optional("inlineSessionState", &SESSION_STATE),
    optional("knowledgeBases", &list(&Shape::Object)),
    optional(
        "orchestrationType",
        &Shape::Choice(&["DEFAULT", "CUSTOM_ORCHESTRATION"]),
    ),
    optional("promptCreationConfigurations", &Shape::Object),
    optional("promptOverrideConfiguration", &Shape::Object),
    optional("streamingConfigurations", &Shape::Object),
]);

static LIST_AGENTS: Shape = Shape::Structure(&[
    optional("maxResults", &RESULTS),
    optional("nextToken", &NON_EMPTY),
    optional("filters", &list(&Shape::Object)),
]);

/// Answers a call of the agent runtime or of its build-time API; `None` for a path that is neither's.
pub(super) async fn answer(method: &Method, path: &str, call: &Call<'_>) -> Option<Answered> {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    Some(match (method.as_str(), segments.as_slice()) {
        ("POST", ["knowledgebases", id, "retrieve"]) => retrieve(id, call).await,
        ("POST", ["retrieveAndGenerate"]) => generate(call).await,
        (
            "POST",
            [
                "agents",
                id,
                "agentAliases",
                alias,
                "sessions",
                session,
                "text",
            ],
        ) => invoke([id, alias], session, call).await,
        ("POST", ["agents", ""]) => list_agents(call).await,
        ("POST", ["agents", session]) => invoke_inline(session, call).await,
        ("GET", ["agents", id, ""]) => send(&json!({"agent": agent(id)}), None, call),
        _ => return None,
    })
}

/// The sentences that share the most words with a question, best first.
fn found(question: &str, wanted: u64) -> Vec<Value> {
    let words: Vec<String> = question
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let shared = |sentence: &str| {
        let sentence = sentence.to_lowercase();
        words.iter().filter(|word| sentence.contains(*word)).count()
    };
    let mut ranked: Vec<(usize, usize)> = (KNOWN.iter().enumerate())
        .map(|(place, sentence)| (place, shared(sentence)))
        .collect();
    ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let result = |(place, count): &(usize, usize)| {
        let uri = format!("s3://simulated-documents/{place}.txt");
        #[expect(clippy::cast_precision_loss, reason = "questions have few words")]
        let score = *count as f64 / words.len().max(1) as f64;
        json!({
            "content": {"type": "TEXT", "text": KNOWN.get(*place)},
            "location": {"type": "S3", "s3Location": {"uri": uri}},
            "metadata": {"x-amz-bedrock-kb-source-uri": uri},
            "score": score,
        })
    };
    ranked.iter().take(wanted).map(result).collect()
}

/// The number of results that a configuration asks for; five where it does not.
fn wanted(configuration: Option<&Node<'_>>) -> u64 {
    configuration
        .and_then(|node| node.at(&["vectorSearchConfiguration", "numberOfResults"]))
        .and_then(Node::integer)
        .unwrap_or(5)
}

async fn retrieve(id: &str, call: &Call<'_>) -> Answered {
    check_id(id, "knowledgeBaseId")?;
    let body = Node::parse(call.body)?;
    check(&body, &RETRIEVE)?;
    let fault = follow(&body, call).await?;
    let question = body.at(&["retrievalQuery", "text"]).and_then(Node::text);
    let results = found(
        question.unwrap_or_default(),
        wanted(body.get("retrievalConfiguration")),
    );
    send(
        &json!({ "retrievalResults": results }),
        fault.as_ref(),
        call,
    )
}

async fn generate(call: &Call<'_>) -> Answered {
    let body = Node::parse(call.body)?;
    check(&body, &GENERATE)?;
    let fault = follow(&body, call).await?;
    let question = body
        .at(&["input", "text"])
        .and_then(Node::text)
        .unwrap_or_default();
    let references: Vec<Value> = found(question, 1)
        .into_iter()
        .map(|mut result| {
            if let Some(members) = result.as_object_mut() {
                members.remove("score");
            }
            result
        })
        .collect();
    let said = KNOWN.first().copied().unwrap_or_default();
    let span = json!({"start": 0, "end": said.chars().count()});
    let session = body.text_of("sessionId");
    let session = session.unwrap_or("51300000-0000-4000-8000-000000000001");
    let answer = json!({
        "sessionId": session,
        "output": {"text": said},
        "citations": [{
            "generatedResponsePart": {"textResponsePart": {"text": said, "span": span}},
            "retrievedReferences": references,
        }],
    });
    send(&answer, fault.as_ref(), call)
}

async fn invoke(ids: [&str; 2], session: &str, call: &Call<'_>) -> Answered {
    let [id, alias] = ids;
    check_id(id, "agentId")?;
    check_id(alias, "agentAliasId")?;
    let who = json!({"agentId": id, "agentAliasId": alias, "agentVersion": "1"});
    reply(&INVOKE, who, session, call).await
}

/// An agent that is described in its request, and has no id.
async fn invoke_inline(session: &str, call: &Call<'_>) -> Answered {
    reply(&INVOKE_INLINE, json!({}), session, call).await
}

/// Answers as an agent does: in pieces of text, after the trace of its one call of a model, which tells `who` it is.
async fn reply(shape: &'static Shape, who: Value, session: &str, call: &Call<'_>) -> Answered {
    let body = Node::parse(call.body)?;
    check(&body, shape)?;
    let (directions, fault) = follow_all(&body, call).await?;
    let asked = body.text_of("inputText").unwrap_or_default();
    let mut frames = Vec::new();
    if matches!(body.get("enableTrace"), Some(Node::Flag(true))) {
        frames.push(frame("trace", &trace(who, session, asked), false));
    }
    for word in format!("This is a simulated agent's reply to: {asked}").split_inclusive(' ') {
        frames.push(frame(
            "chunk",
            &json!({"bytes": STANDARD.encode(word)}),
            true,
        ));
    }
    let mut response = stream::send(&frames, fault.as_ref(), &directions, call);
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/json");
    headers.insert("x-amzn-bedrock-agent-content-type", json);
    if let Ok(session) = HeaderValue::from_str(session) {
        headers.insert("x-amz-bedrock-agent-session-id", session);
    }
    Ok(response)
}

/// What an agent tells of its one call of a model.
fn trace(mut who: Value, session: &str, asked: &str) -> Value {
    let usage = json!({"inputTokens": asked.chars().count().div_ceil(4) + 100, "outputTokens": 20});
    let output = json!({"traceId": "t-1", "metadata": {"usage": usage}});
    if let Some(members) = who.as_object_mut() {
        members.insert("sessionId".to_owned(), json!(session));
        let trace = json!({"orchestrationTrace": {"modelInvocationOutput": output}});
        members.insert("trace".to_owned(), trace);
    }
    who
}

fn frame(name: &str, payload: &Value, is_delta: bool) -> EventFrame {
    let mut bytes = BytesMut::new();
    push_event(name, payload.to_string().as_bytes(), &mut bytes);
    EventFrame {
        bytes: bytes.freeze(),
        is_delta,
        is_ending: false,
    }
}

async fn list_agents(call: &Call<'_>) -> Answered {
    let body = Node::parse(call.body)?;
    check(&body, &LIST_AGENTS)?;
    let fault = follow(&body, call).await?;
    let agent = agent("SIMAGENT01");
    send(&json!({ "agentSummaries": [agent] }), fault.as_ref(), call)
}

fn agent(id: &str) -> Value {
    json!({
        "agentId": id, "agentName": "simulated", "agentStatus": "PREPARED", "agentVersion": "DRAFT",
        "latestAgentVersion": "1", "idleSessionTTLInSeconds": 600, "agentArn": format!("arn:aws:bedrock:us-west-2:123456789012:agent/{id}"),
        "agentResourceRoleArn": "arn:aws:iam::123456789012:role/simulated",
        "createdAt": "2025-01-01T00:00:00Z", "updatedAt": "2025-01-01T00:00:00Z",
    })
}

/// Ids of agents, aliases and knowledge bases are ten letters and digits.
fn check_id(id: &str, member: &str) -> Result<(), AwsError> {
    if id.len() == 10 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(AwsError::validation(format!(
        "1 validation error detected: Value '{id}' at '{member}' failed to satisfy constraint: Member must satisfy regular \
         expression pattern: [0-9a-zA-Z]{{10}}"
    )))
}
