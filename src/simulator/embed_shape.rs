//! What AWS documents of each embeddings body: its members, and their limits where there are any.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html>, one page for each family, and
//! <https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html>.

use super::embed::Format;
use super::shape::{
    BLOB, COUNT, FLAG, NON_EMPTY, NUMBER, OBJECT, Shape, TEXT, list, optional, required, text,
};

const LONG_TEXT: Shape = text(1, 50_000);

static TITAN_TEXT_1: Shape = Shape::Structure(&[required("inputText", &LONG_TEXT)]);

static TITAN_TEXT_2: Shape = Shape::Structure(&[
    required("inputText", &LONG_TEXT),
    optional("dimensions", &COUNT),
    optional("normalize", &FLAG),
    optional(
        "embeddingTypes",
        &list(&Shape::Choice(&["float", "binary"])),
    ),
]);

static TITAN_IMAGE: Shape = Shape::Structure(&[
    optional("inputText", &NON_EMPTY),
    optional("inputImage", &BLOB),
    optional(
        "embeddingConfig",
        &Shape::Structure(&[optional("outputEmbeddingLength", &COUNT)]),
    ),
]);

const TRUNCATE: Shape = Shape::Choice(&["NONE", "START", "END", "LEFT", "RIGHT"]);
const INPUT_TYPE: Shape = Shape::Choice(&[
    "search_document",
    "search_query",
    "classification",
    "clustering",
    "image",
]);
const COHERE_TYPES: Shape = list(&Shape::Choice(&[
    "float", "int8", "uint8", "binary", "ubinary",
]));
const COHERE_TEXTS: Shape = Shape::List {
    item: &TEXT,
    min: 1,
    max: 96,
};
const COHERE_3_IMAGES: Shape = Shape::List {
    item: &NON_EMPTY,
    min: 1,
    max: 1,
};
const COHERE_4_IMAGES: Shape = Shape::List {
    item: &NON_EMPTY,
    min: 1,
    max: 96,
};

static COHERE_3: Shape = Shape::Structure(&[
    required("input_type", &INPUT_TYPE),
    optional("texts", &COHERE_TEXTS),
    optional("images", &COHERE_3_IMAGES),
    optional("truncate", &TRUNCATE),
    optional("embedding_types", &COHERE_TYPES),
]);

static COHERE_4: Shape = Shape::Structure(&[
    required("input_type", &INPUT_TYPE),
    optional("texts", &COHERE_TEXTS),
    optional("images", &COHERE_4_IMAGES),
    optional(
        "inputs",
        &Shape::List {
            item: &Shape::Structure(&[required("content", &list(&OBJECT))]),
            min: 1,
            max: 96,
        },
    ),
    optional("truncate", &TRUNCATE),
    optional("embedding_types", &COHERE_TYPES),
    optional("output_dimension", &COUNT),
    optional("max_tokens", &COUNT),
]);

const S3: Shape = Shape::Structure(&[required("uri", &NON_EMPTY), optional("bucketOwner", &TEXT)]);
const NOVA_SOURCE: Shape = Shape::Union(&[optional("bytes", &BLOB), optional("s3Location", &S3)]);
const SEGMENTATION: Shape = OBJECT;
const NOVA_PARAMS: Shape = Shape::Structure(&[
    required(
        "embeddingPurpose",
        &Shape::Choice(&[
            "GENERIC_INDEX",
            "GENERIC_RETRIEVAL",
            "TEXT_RETRIEVAL",
            "IMAGE_RETRIEVAL",
            "VIDEO_RETRIEVAL",
            "DOCUMENT_RETRIEVAL",
            "AUDIO_RETRIEVAL",
            "CLASSIFICATION",
            "CLUSTERING",
        ]),
    ),
    optional("embeddingDimension", &COUNT),
    optional(
        "text",
        &Shape::Structure(&[
            optional("truncationMode", &Shape::Choice(&["START", "END", "NONE"])),
            optional("value", &NON_EMPTY),
            optional("source", &NOVA_SOURCE),
            optional("segmentationConfig", &SEGMENTATION),
        ]),
    ),
    optional(
        "image",
        &Shape::Structure(&[
            optional(
                "detailLevel",
                &Shape::Choice(&["STANDARD_IMAGE", "DOCUMENT_IMAGE"]),
            ),
            required("format", &Shape::Choice(&["png", "jpeg", "gif", "webp"])),
            required("source", &NOVA_SOURCE),
        ]),
    ),
    optional(
        "audio",
        &Shape::Structure(&[
            required("format", &Shape::Choice(&["mp3", "wav", "ogg"])),
            required("source", &NOVA_SOURCE),
            optional("segmentationConfig", &SEGMENTATION),
        ]),
    ),
    optional(
        "video",
        &Shape::Structure(&[
            required(
                "format",
                &Shape::Choice(&[
                    "mp4", "mov", "mkv", "webm", "flv", "mpeg", "mpg", "wmv", "3gp",
                ]),
            ),
            required("source", &NOVA_SOURCE),
            optional(
                "embeddingMode",
                &Shape::Choice(&["AUDIO_VIDEO_COMBINED", "AUDIO_VIDEO_SEPARATE"]),
            ),
            optional("segmentationConfig", &SEGMENTATION),
        ]),
    ),
]);

static NOVA: Shape = Shape::Structure(&[
    optional(
        "schemaVersion",
        &Shape::Choice(&["nova-multimodal-embed-v1"]),
    ),
    required(
        "taskType",
        &Shape::Choice(&["SINGLE_EMBEDDING", "SEGMENTED_EMBEDDING"]),
    ),
    optional("singleEmbeddingParams", &NOVA_PARAMS),
    optional("segmentedEmbeddingParams", &NOVA_PARAMS),
]);

const MARENGO_SOURCE: Shape =
    Shape::Union(&[optional("base64String", &BLOB), optional("s3Location", &S3)]);

static MARENGO_2: Shape = Shape::Structure(&[
    required(
        "inputType",
        &Shape::Choice(&["text", "image", "video", "audio"]),
    ),
    optional("inputText", &NON_EMPTY),
    optional("textTruncate", &Shape::Choice(&["end", "none"])),
    optional("mediaSource", &MARENGO_SOURCE),
    optional("startSec", &NUMBER),
    optional("lengthSec", &NUMBER),
    optional("useFixedLengthSec", &NUMBER),
    optional("minClipSec", &NUMBER),
    optional("embeddingOption", &list(&TEXT)),
]);

const MARENGO_MEDIA: Shape = Shape::Structure(&[
    required("mediaSource", &MARENGO_SOURCE),
    optional("startSec", &NUMBER),
    optional("endSec", &NUMBER),
    optional("segmentation", &OBJECT),
    optional("embeddingOption", &list(&TEXT)),
    optional("embeddingType", &list(&TEXT)),
    optional("embeddingScope", &list(&TEXT)),
]);

static MARENGO_3: Shape = Shape::Structure(&[
    required(
        "inputType",
        &Shape::Choice(&[
            "text",
            "image",
            "text_image",
            "multi_input",
            "video",
            "audio",
        ]),
    ),
    optional(
        "text",
        &Shape::Structure(&[required("inputText", &NON_EMPTY)]),
    ),
    optional(
        "image",
        &Shape::Structure(&[required("mediaSource", &MARENGO_SOURCE)]),
    ),
    optional(
        "text_image",
        &Shape::Structure(&[
            required("inputText", &NON_EMPTY),
            required("mediaSource", &MARENGO_SOURCE),
        ]),
    ),
    optional(
        "multi_input",
        &Shape::Structure(&[
            optional("inputText", &NON_EMPTY),
            required("mediaSources", &list(&OBJECT)),
        ]),
    ),
    optional("video", &MARENGO_MEDIA),
    optional("audio", &MARENGO_MEDIA),
    optional("inferenceId", &TEXT),
]);

/// Returns the shape of a format's body.
pub(super) fn of(format: Format) -> &'static Shape {
    match format {
        Format::TitanText1 => &TITAN_TEXT_1,
        Format::TitanText2 => &TITAN_TEXT_2,
        Format::TitanImage => &TITAN_IMAGE,
        Format::Cohere3 => &COHERE_3,
        Format::Cohere4 => &COHERE_4,
        Format::Nova => &NOVA,
        Format::Marengo2 => &MARENGO_2,
        Format::Marengo3 => &MARENGO_3,
    }
}
