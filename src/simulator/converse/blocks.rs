//! The tables of a message and its content blocks.
//!
//! Source: shape `Message` of the service model that `shape.rs` names.

use super::super::shape::{BLOB, FROM_ZERO, Pattern, Shape, TEXT, list, optional, required, text};

static WORD: Pattern = Pattern {
    text: "[a-zA-Z0-9_-]+",
    matches: |text| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    },
};
static ID: Pattern = Pattern {
    text: "[a-zA-Z0-9_.:-]+",
    matches: |text| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte))
    },
};
static S3_URI: Pattern = Pattern {
    text: "s3://[a-z0-9][\\.\\-a-z0-9]{1,61}[a-z0-9](/.*)?",
    matches: |text| {
        let bucket = text
            .strip_prefix("s3://")
            .map(|rest| rest.split('/').next().unwrap_or_default());
        bucket.is_some_and(|bucket| {
            (3..=63).contains(&bucket.len())
                && bucket.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte)
                })
                && !bucket.starts_with(['.', '-'])
                && !bucket.ends_with(['.', '-'])
        })
    },
};
static ACCOUNT: Pattern = Pattern {
    text: "[0-9]{12}",
    matches: |text| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()),
};

pub(super) const TOOL_NAME: Shape = Shape::Text {
    min: 1,
    max: 64,
    pattern: Some(&WORD),
};
const TOOL_USE_ID: Shape = Shape::Text {
    min: 1,
    max: 64,
    pattern: Some(&ID),
};

pub(super) const CACHE_POINT: Shape = Shape::Structure(&[
    required("type", &Shape::Choice(&["default"])),
    optional("ttl", &Shape::Choice(&["5m", "1h"])),
]);
const CITATIONS_CONFIG: Shape = Shape::Structure(&[required("enabled", &Shape::Flag)]);
const ERROR_BLOCK: Shape = Shape::Structure(&[optional("message", &TEXT)]);
pub(super) const TEXT_UNION: Shape = Shape::Union(&[optional("text", &TEXT)]);

const URI: Shape = Shape::Text {
    min: 1,
    max: 1024,
    pattern: Some(&S3_URI),
};
const OWNER: Shape = Shape::Text {
    min: 0,
    max: usize::MAX,
    pattern: Some(&ACCOUNT),
};
const S3_LOCATION: Shape =
    Shape::Structure(&[required("uri", &URI), optional("bucketOwner", &OWNER)]);
const MEDIA_SOURCE: Shape = Shape::Union(&[
    optional("bytes", &BLOB),
    optional("s3Location", &S3_LOCATION),
]);

const IMAGE: Shape = Shape::Structure(&[
    required("format", &Shape::Choice(&["png", "jpeg", "gif", "webp"])),
    required("source", &MEDIA_SOURCE),
    optional("error", &ERROR_BLOCK),
]);
const VIDEO: Shape = Shape::Structure(&[
    required(
        "format",
        &Shape::Choice(&[
            "mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp",
        ]),
    ),
    required("source", &MEDIA_SOURCE),
]);
const AUDIO: Shape = Shape::Structure(&[
    required(
        "format",
        &Shape::Choice(&[
            "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a",
            "mpeg", "mpga", "pcm", "webm",
        ]),
    ),
    required("source", &MEDIA_SOURCE),
    optional("error", &ERROR_BLOCK),
]);
const DOCUMENT: Shape = Shape::Structure(&[
    optional(
        "format",
        &Shape::Choice(&[
            "pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md",
        ]),
    ),
    required("name", &text(1, 200)),
    required(
        "source",
        &Shape::Union(&[
            optional("bytes", &BLOB),
            optional("s3Location", &S3_LOCATION),
            optional("text", &TEXT),
            optional("content", &list(&TEXT_UNION)),
        ]),
    ),
    optional("context", &TEXT),
    optional("citations", &CITATIONS_CONFIG),
]);
const SEARCH_RESULT: Shape = Shape::Structure(&[
    required("source", &TEXT),
    required("title", &TEXT),
    required(
        "content",
        &list(&Shape::Structure(&[required("text", &TEXT)])),
    ),
    optional("citations", &CITATIONS_CONFIG),
]);

const TOOL_USE: Shape = Shape::Structure(&[
    required("toolUseId", &TOOL_USE_ID),
    required("name", &TOOL_NAME),
    required("input", &Shape::Object),
    optional("type", &Shape::Choice(&["server_tool_use"])),
]);
const TOOL_RESULT: Shape = Shape::Structure(&[
    required("toolUseId", &TOOL_USE_ID),
    required(
        "content",
        &list(&Shape::Union(&[
            optional("json", &Shape::Object),
            optional("text", &TEXT),
            optional("image", &IMAGE),
            optional("document", &DOCUMENT),
            optional("video", &VIDEO),
            optional("searchResult", &SEARCH_RESULT),
        ])),
    ),
    optional("status", &Shape::Choice(&["success", "error"])),
    optional("type", &TEXT),
]);
const TOOL_CHANGE: Shape = Shape::Structure(&[required(
    "tool",
    &Shape::Structure(&[
        optional("type", &text(1, 64)),
        optional("name", &text(1, 128)),
        optional("serverName", &text(1, 128)),
    ]),
)]);

pub(in crate::simulator) const GUARD_CONTENT: Shape = Shape::Union(&[
    optional(
        "text",
        &Shape::Structure(&[
            required("text", &TEXT),
            optional(
                "qualifiers",
                &list(&Shape::Choice(&[
                    "grounding_source",
                    "query",
                    "guard_content",
                ])),
            ),
        ]),
    ),
    optional(
        "image",
        &Shape::Structure(&[
            required("format", &Shape::Choice(&["png", "jpeg"])),
            required("source", &Shape::Union(&[optional("bytes", &BLOB)])),
        ]),
    ),
]);
const REASONING: Shape = Shape::Union(&[
    optional(
        "reasoningText",
        &Shape::Structure(&[required("text", &TEXT), optional("signature", &TEXT)]),
    ),
    optional("redactedContent", &Shape::Blob { min: 0 }),
]);

const IN_DOCUMENT: Shape = Shape::Structure(&[
    optional("documentIndex", &FROM_ZERO),
    optional("start", &FROM_ZERO),
    optional("end", &FROM_ZERO),
]);
const CITATIONS: Shape = Shape::Structure(&[
    optional("content", &list(&TEXT_UNION)),
    optional(
        "citations",
        &list(&Shape::Structure(&[
            optional("title", &TEXT),
            optional("source", &TEXT),
            optional("sourceContent", &list(&TEXT_UNION)),
            optional(
                "location",
                &Shape::Union(&[
                    optional(
                        "web",
                        &Shape::Structure(&[optional("url", &TEXT), optional("domain", &TEXT)]),
                    ),
                    optional("documentChar", &IN_DOCUMENT),
                    optional("documentPage", &IN_DOCUMENT),
                    optional("documentChunk", &IN_DOCUMENT),
                    optional(
                        "searchResultLocation",
                        &Shape::Structure(&[
                            optional("searchResultIndex", &FROM_ZERO),
                            optional("start", &FROM_ZERO),
                            optional("end", &FROM_ZERO),
                        ]),
                    ),
                ]),
            ),
        ])),
    ),
]);

pub(super) const MESSAGE: Shape = Shape::Structure(&[
    required("role", &Shape::Choice(&["user", "assistant", "system"])),
    required(
        "content",
        &list(&Shape::Union(&[
            optional("text", &TEXT),
            optional("image", &IMAGE),
            optional("document", &DOCUMENT),
            optional("video", &VIDEO),
            optional("audio", &AUDIO),
            optional("toolUse", &TOOL_USE),
            optional("toolResult", &TOOL_RESULT),
            optional("guardContent", &GUARD_CONTENT),
            optional("cachePoint", &CACHE_POINT),
            optional("reasoningContent", &REASONING),
            optional("citationsContent", &CITATIONS),
            optional("searchResult", &SEARCH_RESULT),
            optional("toolAddition", &TOOL_CHANGE),
            optional("toolRemoval", &TOOL_CHANGE),
        ])),
    ),
]);
