//! Amazon Nova Canvas and Titan Image Generator: one body with a task, the task's parameters and a configuration.
//!
//! <https://docs.aws.amazon.com/nova/latest/userguide/image-gen-access.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-image.html>.

use super::super::inline_media::base64_of;
use super::super::invoke_model::{self, Envelope};
use super::super::members::{Body, Members, invalid, missing};
use super::answer::Images;
use super::params::{leave_to_model, prompt, refuse_all, settle_alike, size};
use crate::canonical::{Image, ImageEdit, ImageRequest, RawJson, Text};
use crate::error::Result;
use crate::provider::{Exchange, Target, TransformError, Transformer};

/// Speaks Amazon's format for images.
#[derive(Debug, Clone, Copy)]
pub struct Canvas {
    /// Words for quality, and what the model calls them.
    qualities: &'static [(&'static str, &'static str)],
}

/// Nova Canvas.
pub static CANVAS: Canvas = Canvas {
    qualities: &[
        ("hd", "premium"),
        ("premium", "premium"),
        ("high", "premium"),
        ("standard", "standard"),
        ("medium", "standard"),
        ("low", "standard"),
    ],
};

/// Titan Image Generator.
pub static TITAN: Canvas = CANVAS;

/// A task: its name, the member that holds its parameters, what it takes, and which loose members belong to it.
#[derive(Debug)]
struct Task {
    name: &'static str,
    params: &'static str,
    /// Whether the prompt is its `text`.
    takes_text: bool,
    images: TaskImages,
    /// Whether it takes a mask.
    takes_mask: bool,
    /// Whether it takes `imageGenerationConfig`.
    takes_config: bool,
    loose: &'static [&'static str],
}

/// Where the images of an edit go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TaskImages {
    None,
    One,
    Several,
    /// The first is changed by the second.
    SourceAndReference,
}

const TASKS: [Task; 7] = [
    Task {
        name: "TEXT_IMAGE",
        params: "textToImageParams",
        takes_text: true,
        images: TaskImages::None,
        takes_mask: false,
        takes_config: true,
        loose: &[
            "negativeText",
            "conditionImage",
            "controlMode",
            "controlStrength",
            "style",
        ],
    },
    Task {
        name: "COLOR_GUIDED_GENERATION",
        params: "colorGuidedGenerationParams",
        takes_text: true,
        images: TaskImages::None,
        takes_mask: false,
        takes_config: true,
        loose: &["negativeText", "colors", "referenceImage"],
    },
    Task {
        name: "INPAINTING",
        params: "inPaintingParams",
        takes_text: true,
        images: TaskImages::One,
        takes_mask: true,
        takes_config: true,
        loose: &["negativeText", "maskPrompt", "maskImage", "image"],
    },
    Task {
        name: "OUTPAINTING",
        params: "outPaintingParams",
        takes_text: true,
        images: TaskImages::One,
        takes_mask: true,
        takes_config: true,
        loose: &[
            "negativeText",
            "maskPrompt",
            "maskImage",
            "outPaintingMode",
            "image",
        ],
    },
    Task {
        name: "IMAGE_VARIATION",
        params: "imageVariationParams",
        takes_text: true,
        images: TaskImages::Several,
        takes_mask: false,
        takes_config: true,
        loose: &["negativeText", "similarityStrength", "images"],
    },
    Task {
        name: "BACKGROUND_REMOVAL",
        params: "backgroundRemovalParams",
        takes_text: false,
        images: TaskImages::One,
        takes_mask: false,
        takes_config: false,
        loose: &["image"],
    },
    Task {
        name: "VIRTUAL_TRY_ON",
        params: "virtualTryOnParams",
        takes_text: false,
        images: TaskImages::SourceAndReference,
        takes_mask: false,
        takes_config: true,
        loose: &[
            "sourceImage",
            "referenceImage",
            "maskType",
            "maskShape",
            "mergeStyle",
            "returnMask",
        ],
    },
];

/// Other spellings of members, and how AWS writes them.
const SPELLINGS: [(&str, &str); 6] = [
    ("task_type", "taskType"),
    ("negative_prompt", "negativeText"),
    ("mask_prompt", "maskPrompt"),
    ("inpaintingParams", "inPaintingParams"),
    ("outpaintingParams", "outPaintingParams"),
    ("cfg_scale", "cfgScale"),
];

/// Members of `imageGenerationConfig` that may stand loose; the whole numbers first.
const CONFIG: [&str; 5] = ["width", "height", "numberOfImages", "seed", "cfgScale"];
const WHOLE_IN_CONFIG: usize = 4;

impl Transformer<Image> for Canvas {
    fn encode(
        &self,
        request: &ImageRequest,
        target: &Target,
    ) -> Result<Exchange<Image>, TransformError> {
        let mut members = Members::new(&request.options, target)?;
        let envelope = Envelope::new(&request.options, &mut members)?;
        for (other, name) in SPELLINGS {
            if let Some(value) = members.take_either(name, other) {
                members.put_back(name, value);
            }
        }
        let prompt = prompt(request, &mut members)?;
        settle_alike(&mut members)?;
        refuse_all(&mut members, &["output_format"]);
        refuse_openai_style(&mut members);
        let config = self.config(&mut members)?;
        let edit = request.edit.as_ref();
        let task = task(edit, &mut members)?;
        if task.name == "TEXT_IMAGE" && prompt.is_none() && !members.has(task.params) {
            return Err(missing("/images/generations", "prompt").into());
        }
        let params = params(task, prompt.as_ref(), edit, &mut members)?;
        members.settle()?;
        let mut body = Body::default();
        body.value("taskType", task.name);
        body.object(task.params, &params);
        if task.takes_config {
            body.object("imageGenerationConfig", &config);
        }
        body.lay_over(members.rest());
        Ok(Exchange {
            requests: vec![envelope.invoke(body.write())],
            decoder: Box::new(Images),
            warnings: invoke_model::fit(&mut members),
        })
    }
}

impl Canvas {
    /// Gathers the configuration: OpenAI's parameters, what stands loose, and what the caller wrote as AWS does.
    fn config(&self, members: &mut Members<'_>) -> Result<Body> {
        let mut config = Body::default();
        if let Some((width, height)) = size(members)? {
            config.value("width", &width);
            config.value("height", &height);
        }
        if let Some(n) = members.whole("n")? {
            config.value("numberOfImages", &n);
        }
        leave_to_model(members, "quality");
        if let Some(quality) = members.text("quality")? {
            let known = self.qualities.iter().find(|(word, _)| *word == quality);
            let (_, quality) = known.ok_or_else(|| {
                let words: Vec<&str> = self.qualities.iter().map(|(word, _)| *word).collect();
                invalid("quality", &format!("expected one of {}", words.join(", ")))
            })?;
            config.value("quality", quality);
        }
        for (index, name) in CONFIG.into_iter().enumerate() {
            if index < WHOLE_IN_CONFIG {
                if let Some(number) = members.whole(name)? {
                    config.value(name, &number);
                }
            } else if let Some(number) = members.number(name)? {
                config.value(name, &number);
            }
        }
        if let Some(written) = members.object("imageGenerationConfig")? {
            config.lay_over_object(written);
        }
        Ok(config)
    }
}

/// OpenAI's styles are no styles of Amazon's.
fn refuse_openai_style(members: &mut Members<'_>) {
    if let Some(style) = members.take("style") {
        if matches!(style.get(), "\"vivid\"" | "\"natural\"") {
            members.refuse_taken("style");
        } else {
            members.put_back("style", style);
        }
    }
}

/// Chooses the task: as the caller says, else by what there is.
fn task(edit: Option<&ImageEdit>, members: &mut Members<'_>) -> Result<&'static Task> {
    let name = members.text("taskType")?;
    let name = match (&name, edit) {
        (Some(name), _) => name.as_str(),
        (None, None) => "TEXT_IMAGE",
        (None, Some(edit)) if edit.mask.is_some() || members.has("maskPrompt") => "INPAINTING",
        (None, Some(_)) => "IMAGE_VARIATION",
    };
    TASKS.iter().find(|task| task.name == name).ok_or_else(|| {
        let names: Vec<&str> = TASKS.iter().map(|task| task.name).collect();
        invalid("taskType", &format!("expected one of {}", names.join(", ")))
    })
}

fn params(
    task: &Task,
    prompt: Option<&Text>,
    edit: Option<&ImageEdit>,
    members: &mut Members<'_>,
) -> Result<Body> {
    let mut params = Body::default();
    let prompt = prompt.filter(|prompt| task.takes_text && !prompt.is_empty());
    if let Some(prompt) = prompt {
        params.text("text", prompt);
    }
    if let Some(edit) = edit {
        put_images(task, edit, &mut params)?;
    }
    for name in task.loose {
        if let Some(value) = members.take(name) {
            params.set(*name, value.bytes().clone());
        }
    }
    if let Some(written) = members.object(task.params)? {
        params.lay_over_object(written);
    }
    Ok(params)
}

fn put_images(task: &Task, edit: &ImageEdit, params: &mut Body) -> Result<()> {
    let images =
        (edit.images.iter().map(|image| base64_of(image, "image"))).collect::<Result<Vec<_>>>()?;
    let mut images = images.into_iter();
    let mut next = || {
        images
            .next()
            .ok_or_else(|| missing("/images/edits", "image"))
    };
    match task.images {
        TaskImages::None => {}
        TaskImages::One => params.set("image", next()?),
        TaskImages::SourceAndReference => {
            params.set("sourceImage", next()?);
            params.set("referenceImage", next()?);
        }
        TaskImages::Several => {
            let mut list = vec![as_json(&next()?)];
            list.extend(images.map(|image| as_json(&image)));
            params.value("images", &list);
        }
    }
    if let Some(mask) = edit.mask.as_deref().filter(|_| task.takes_mask) {
        params.set("maskImage", base64_of(mask, "mask")?);
    }
    Ok(())
}

/// Takes a JSON string that is known to be one.
fn as_json(written: &bytes::Bytes) -> RawJson {
    serde_json::from_slice::<RawJson>(written).unwrap_or_else(|_| RawJson::from_value(""))
}
