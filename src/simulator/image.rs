//! Plays image models: every image is the same pixel.
//!
//! Source of the shapes: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/stable-image-services.html> and
//! <https://docs.aws.amazon.com/nova/latest/userguide/image-gen-req-resp-structure.html>.

use serde_json::{Value, json};

use super::error::AwsError;
use super::json::Node;
use super::operation::exactly_one;
use super::shape::{
    BLOB, COUNT, FROM_ZERO, NON_EMPTY, NUMBER, RATIO, Shape, TEXT, list, optional, required, text,
};

/// A format of bodies and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    DiffusionXl,
    StableImage,
    StabilityEdits,
    Amazon,
}

/// One transparent pixel, a PNG.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const PROMPT: Shape = text(1, 10_000);
const RATIOS: Shape = Shape::Choice(&[
    "16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21",
]);
const FORMATS: Shape = Shape::Choice(&["jpeg", "png", "webp"]);

static DIFFUSION_XL: Shape = Shape::Structure(&[
    required(
        "text_prompts",
        &list(&Shape::Structure(&[
            required("text", &text(0, 2000)),
            optional(
                "weight",
                &Shape::Decimal {
                    min: -10.0,
                    max: 10.0,
                },
            ),
        ])),
    ),
    optional("height", &COUNT),
    optional("width", &COUNT),
    optional("cfg_scale", &NUMBER),
    optional("clip_guidance_preset", &TEXT),
    optional("sampler", &TEXT),
    optional("samples", &COUNT),
    optional("seed", &FROM_ZERO),
    optional("steps", &COUNT),
    optional("style_preset", &TEXT),
    optional("extras", &Shape::Object),
    optional("init_image", &BLOB),
    optional("init_image_mode", &TEXT),
    optional("image_strength", &RATIO),
    optional("mask_source", &TEXT),
    optional("mask_image", &BLOB),
]);

static STABLE_IMAGE: Shape = Shape::Structure(&[
    required("prompt", &PROMPT),
    optional("negative_prompt", &TEXT),
    optional("aspect_ratio", &RATIOS),
    optional("mode", &Shape::Choice(&["text-to-image", "image-to-image"])),
    optional("image", &BLOB),
    optional("strength", &RATIO),
    optional("seed", &FROM_ZERO),
    optional("output_format", &FORMATS),
]);

static STABILITY_EDITS: Shape = Shape::Structure(&[
    optional("image", &BLOB),
    optional("init_image", &BLOB),
    optional("style_image", &BLOB),
    optional("mask", &BLOB),
    optional("prompt", &PROMPT),
    optional("negative_prompt", &TEXT),
    optional("select_prompt", &TEXT),
    optional("search_prompt", &TEXT),
    optional("aspect_ratio", &RATIOS),
    optional("output_format", &FORMATS),
    optional("style_preset", &TEXT),
    optional("mode", &TEXT),
    optional("seed", &FROM_ZERO),
    optional("left", &FROM_ZERO),
    optional("right", &FROM_ZERO),
    optional("up", &FROM_ZERO),
    optional("down", &FROM_ZERO),
    optional("strength", &RATIO),
    optional("creativity", &RATIO),
    optional("control_strength", &RATIO),
    optional("grow_mask", &NUMBER),
    optional("fidelity", &RATIO),
    optional("composition_fidelity", &RATIO),
    optional("style_strength", &RATIO),
    optional("change_strength", &RATIO),
]);

const WORDS: Shape = text(1, 1024);
const IMAGES: Shape = Shape::List {
    item: &BLOB,
    min: 1,
    max: 5,
};

static AMAZON: Shape = Shape::Structure(&[
    required(
        "taskType",
        &Shape::Choice(&[
            "TEXT_IMAGE",
            "COLOR_GUIDED_GENERATION",
            "IMAGE_VARIATION",
            "INPAINTING",
            "OUTPAINTING",
            "BACKGROUND_REMOVAL",
            "VIRTUAL_TRY_ON",
        ]),
    ),
    optional(
        "textToImageParams",
        &Shape::Structure(&[
            required("text", &WORDS),
            optional("negativeText", &WORDS),
            optional("conditionImage", &BLOB),
            optional(
                "controlMode",
                &Shape::Choice(&["CANNY_EDGE", "SEGMENTATION"]),
            ),
            optional("controlStrength", &RATIO),
            optional("style", &TEXT),
        ]),
    ),
    optional(
        "colorGuidedGenerationParams",
        &Shape::Structure(&[
            required("text", &WORDS),
            optional("negativeText", &WORDS),
            required("colors", &list(&NON_EMPTY)),
            optional("referenceImage", &BLOB),
        ]),
    ),
    optional(
        "imageVariationParams",
        &Shape::Structure(&[
            required("images", &IMAGES),
            optional("text", &WORDS),
            optional("negativeText", &WORDS),
            optional("similarityStrength", &RATIO),
        ]),
    ),
    optional(
        "inPaintingParams",
        &Shape::Structure(&[
            required("image", &BLOB),
            optional("text", &WORDS),
            optional("negativeText", &WORDS),
            optional("maskPrompt", &WORDS),
            optional("maskImage", &BLOB),
        ]),
    ),
    optional(
        "outPaintingParams",
        &Shape::Structure(&[
            required("image", &BLOB),
            required("text", &WORDS),
            optional("negativeText", &WORDS),
            optional("maskPrompt", &WORDS),
            optional("maskImage", &BLOB),
            optional("outPaintingMode", &Shape::Choice(&["DEFAULT", "PRECISE"])),
        ]),
    ),
    optional(
        "backgroundRemovalParams",
        &Shape::Structure(&[required("image", &BLOB)]),
    ),
    optional("virtualTryOnParams", &Shape::Object),
    optional(
        "imageGenerationConfig",
        &Shape::Structure(&[
            optional("width", &COUNT),
            optional("height", &COUNT),
            optional("numberOfImages", &COUNT),
            optional("quality", &Shape::Choice(&["standard", "premium"])),
            optional("cfgScale", &NUMBER),
            optional("seed", &FROM_ZERO),
        ]),
    ),
]);

/// Tasks, and the member that holds the parameters of each.
const TASKS: [(&str, &str); 7] = [
    ("TEXT_IMAGE", "textToImageParams"),
    ("COLOR_GUIDED_GENERATION", "colorGuidedGenerationParams"),
    ("IMAGE_VARIATION", "imageVariationParams"),
    ("INPAINTING", "inPaintingParams"),
    ("OUTPAINTING", "outPaintingParams"),
    ("BACKGROUND_REMOVAL", "backgroundRemovalParams"),
    ("VIRTUAL_TRY_ON", "virtualTryOnParams"),
];

impl Format {
    /// Tells the format by the base model.
    pub(super) fn of(base: &str) -> Option<Self> {
        let starts = |starts: &[&str]| starts.iter().any(|start| base.starts_with(start));
        if starts(&["amazon.nova-canvas", "amazon.titan-image"]) {
            Some(Self::Amazon)
        } else if starts(&["stability.stable-diffusion-xl"]) {
            Some(Self::DiffusionXl)
        } else if starts(&[
            "stability.sd3",
            "stability.stable-image-core",
            "stability.stable-image-ultra",
        ]) {
            Some(Self::StableImage)
        } else if starts(&["stability."]) {
            Some(Self::StabilityEdits)
        } else {
            None
        }
    }

    /// Returns the shape of the body.
    pub(super) fn shape(self) -> &'static Shape {
        match self {
            Self::DiffusionXl => &DIFFUSION_XL,
            Self::StableImage => &STABLE_IMAGE,
            Self::StabilityEdits => &STABILITY_EDITS,
            Self::Amazon => &AMAZON,
        }
    }

    /// Checks what a shape cannot say.
    pub(super) fn check(self, body: &Node<'_>) -> Result<(), AwsError> {
        match self {
            Self::DiffusionXl | Self::StableImage => Ok(()),
            Self::StabilityEdits => exactly_one(body, &["image", "init_image"]),
            Self::Amazon => {
                let task = body.text_of("taskType").unwrap_or_default();
                let own = TASKS.iter().find(|(name, _)| *name == task);
                let own = own.map_or("", |(_, params)| *params);
                let present = TASKS.iter().filter(|(_, params)| body.has(params));
                let extra = present.map(|(_, params)| *params).find(|name| *name != own);
                if extra.is_some() || !body.has(own) {
                    return Err(AwsError::validation(format!(
                        "Malformed input request: taskType {task} takes [{own}] and no other parameters, please \
                         reformat your input and try again."
                    )));
                }
                if task == "BACKGROUND_REMOVAL" && body.has("imageGenerationConfig") {
                    return Err(AwsError::validation(
                        "Malformed input request: extraneous key [imageGenerationConfig] is not permitted, please \
                         reformat your input and try again.",
                    ));
                }
                match task {
                    "INPAINTING" | "OUTPAINTING" => match body.get(own) {
                        Some(params) => exactly_one(params, &["maskPrompt", "maskImage"]),
                        None => Ok(()),
                    },
                    _ => Ok(()),
                }
            }
        }
    }

    /// Answers a checked body.
    pub(super) fn answer(self, body: &Node<'_>) -> Value {
        let count = |path: &[&str]| {
            let count = body.at(path).and_then(Node::integer).unwrap_or(1);
            usize::try_from(count.min(10)).unwrap_or(1)
        };
        match self {
            Self::DiffusionXl => {
                let one = json!({"base64": PIXEL, "finishReason": "SUCCESS", "seed": 4242});
                json!({"result": "success", "artifacts": vec![one; count(&["samples"])]})
            }
            Self::StableImage | Self::StabilityEdits => {
                json!({"seeds": [4242], "finish_reasons": [null], "images": [PIXEL]})
            }
            Self::Amazon => {
                let count = count(&["imageGenerationConfig", "numberOfImages"]);
                json!({"images": vec![PIXEL; count], "error": null})
            }
        }
    }
}
