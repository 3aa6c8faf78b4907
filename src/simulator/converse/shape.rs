//! The Converse request as tables: every member, its type and its limits.
//!
//! Source: the service model of Bedrock runtime 2023-09-30, shape `ConverseRequest`, as published in botocore 1.44
//! (`data/bedrock-runtime/2023-09-30/service-2.json`). Where the model says "document" and Bedrock wants an object, it
//! is an object here.

use super::super::shape::{
    Member, NON_EMPTY, Pattern, Shape, TEXT, list, optional, required, some, text,
};
use super::blocks::{CACHE_POINT, GUARD_CONTENT, MESSAGE, TEXT_UNION, TOOL_NAME};

static METADATA: Pattern = Pattern {
    text: "[a-zA-Z0-9\\s:_@$#=/+,-.]{1,256}",
    // The class contains the range from comma to full stop, which is comma, hyphen, full stop.
    matches: |text| {
        text.chars().all(|c| {
            c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":_@$#=/+,-.".contains(c)
        })
    },
};
static GUARDRAIL_ID: Pattern = Pattern {
    text: "(|([a-z0-9]+)|(arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+))",
    matches: |text| {
        let id = if text.starts_with("arn:aws") {
            text.split_once(":guardrail/").map(|(_, id)| id)
        } else {
            Some(text)
        };
        // Bedrock's own ids have no hyphen; those in guides that people copy (`gr-abc123`) do.
        id.is_some_and(|id| {
            id.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
    },
};
static GUARDRAIL_VERSION: Pattern = Pattern {
    text: "(|([1-9][0-9]{0,7})|(DRAFT))",
    matches: |text| {
        let number = text.len() <= 8
            && !text.starts_with('0')
            && text.bytes().all(|byte| byte.is_ascii_digit());
        text == "DRAFT" || number
    },
};
const MESSAGES: Shape = list(&MESSAGE);
const SYSTEM_BLOCK: Shape = Shape::Union(&[
    optional("text", &NON_EMPTY),
    optional("guardContent", &GUARD_CONTENT),
    optional("cachePoint", &CACHE_POINT),
]);
const SYSTEM: Shape = list(&SYSTEM_BLOCK);

const INFERENCE: Shape = Shape::Structure(&[
    optional("maxTokens", &Shape::Integer { min: 1 }),
    optional("temperature", &Shape::Decimal { min: 0.0, max: 1.0 }),
    optional("topP", &Shape::Decimal { min: 0.0, max: 1.0 }),
    optional(
        "stopSequences",
        &Shape::List {
            item: &NON_EMPTY,
            min: 0,
            max: 2500,
        },
    ),
]);

const TOOL: Shape = Shape::Union(&[
    optional(
        "toolSpec",
        &Shape::Structure(&[
            required("name", &TOOL_NAME),
            optional("description", &NON_EMPTY),
            required(
                "inputSchema",
                &Shape::Union(&[optional("json", &Shape::Object)]),
            ),
            optional("strict", &Shape::Flag),
        ]),
    ),
    optional(
        "systemTool",
        &Shape::Structure(&[required("name", &TOOL_NAME)]),
    ),
    optional("cachePoint", &CACHE_POINT),
]);
const TOOL_CONFIG: Shape = Shape::Structure(&[
    required("tools", &some(&TOOL)),
    optional(
        "toolChoice",
        &Shape::Union(&[
            optional("auto", &Shape::Structure(&[])),
            optional("any", &Shape::Structure(&[])),
            optional("tool", &Shape::Structure(&[required("name", &TOOL_NAME)])),
        ]),
    ),
]);

const GUARDRAIL_IDENTIFIER: Shape = Shape::Text {
    min: 0,
    max: 2048,
    pattern: Some(&GUARDRAIL_ID),
};
const GUARDRAIL_NUMBER: Shape = Shape::Text {
    min: 0,
    max: usize::MAX,
    pattern: Some(&GUARDRAIL_VERSION),
};
const GUARDRAIL_TRACE: Shape = Shape::Choice(&["enabled", "disabled", "enabled_full"]);
const GUARDRAIL: Shape = Shape::Structure(&[
    optional("guardrailIdentifier", &GUARDRAIL_IDENTIFIER),
    optional("guardrailVersion", &GUARDRAIL_NUMBER),
    optional("trace", &GUARDRAIL_TRACE),
]);
const STREAM_GUARDRAIL: Shape = Shape::Structure(&[
    optional("guardrailIdentifier", &GUARDRAIL_IDENTIFIER),
    optional("guardrailVersion", &GUARDRAIL_NUMBER),
    optional("trace", &GUARDRAIL_TRACE),
    optional("streamProcessingMode", &Shape::Choice(&["sync", "async"])),
]);

const RESPONSE_PATHS: Shape = Shape::List {
    item: &text(1, 256),
    min: 0,
    max: 10,
};
const REQUEST_METADATA: Shape = Shape::Map {
    key: &Shape::Text {
        min: 1,
        max: 256,
        pattern: Some(&METADATA),
    },
    value: &Shape::Text {
        min: 0,
        max: 256,
        pattern: Some(&METADATA),
    },
    max: 16,
};
const PROMPT_VARIABLES: Shape = Shape::Map {
    key: &TEXT,
    value: &TEXT_UNION,
    max: usize::MAX,
};
const PERFORMANCE: Shape = Shape::Structure(&[optional(
    "latency",
    &Shape::Choice(&["standard", "optimized"]),
)]);
const SERVICE_TIER: Shape = Shape::Structure(&[required(
    "type",
    &Shape::Choice(&["priority", "default", "flex", "reserved"]),
)]);
const OUTPUT_CONFIG: Shape = Shape::Structure(&[
    optional(
        "textFormat",
        &Shape::Structure(&[
            required("type", &Shape::Choice(&["json_schema"])),
            required(
                "structure",
                &Shape::Union(&[optional(
                    "jsonSchema",
                    &Shape::Structure(&[
                        required("schema", &TEXT),
                        optional("name", &TEXT),
                        optional("description", &TEXT),
                    ]),
                )]),
            ),
        ]),
    ),
    optional("effort", &text(0, 16)),
]);

/// Lists the top-level members, which differ only in the guardrail.
const fn request(guardrail: &'static Shape) -> [Member; 12] {
    [
        optional("messages", &MESSAGES),
        optional("system", &SYSTEM),
        optional("inferenceConfig", &INFERENCE),
        optional("toolConfig", &TOOL_CONFIG),
        optional("guardrailConfig", guardrail),
        optional("additionalModelRequestFields", &Shape::Object),
        optional("promptVariables", &PROMPT_VARIABLES),
        optional("additionalModelResponseFieldPaths", &RESPONSE_PATHS),
        optional("requestMetadata", &REQUEST_METADATA),
        optional("performanceConfig", &PERFORMANCE),
        optional("serviceTier", &SERVICE_TIER),
        optional("outputConfig", &OUTPUT_CONFIG),
    ]
}

static WHOLE_MEMBERS: [Member; 12] = request(&GUARDRAIL);
static STREAM_MEMBERS: [Member; 12] = request(&STREAM_GUARDRAIL);

/// The body of Converse.
pub(in crate::simulator) static CONVERSE: Shape = Shape::Structure(&WHOLE_MEMBERS);
/// The body of `ConverseStream`.
pub(in crate::simulator) static CONVERSE_STREAM: Shape = Shape::Structure(&STREAM_MEMBERS);
