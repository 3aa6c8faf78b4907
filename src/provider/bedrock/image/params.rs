//! OpenAI's parameters of images, as far as all families treat them alike.

use super::super::members::{Members, as_text, invalid, missing};
use crate::canonical::{ImageRequest, Text};
use crate::error::Result;

/// Parameters of OpenAI's own models that no model of Bedrock's has.
const NOT_ON_BEDROCK: [&str; 5] = [
    "background",
    "input_fidelity",
    "moderation",
    "output_compression",
    "partial_images",
];

/// Refuses what no model of Bedrock's takes, and settles in which form the images come.
pub(super) fn settle_alike(members: &mut Members<'_>) -> Result<()> {
    refuse_all(members, &NOT_ON_BEDROCK);
    if let Some(format) = members.text("response_format")?
        && format != "b64_json"
    {
        // Nobody keeps the images, so there is no address to give.
        members.refuse_taken("response_format");
    }
    if members.switch("stream")? == Some(true) {
        members.refuse_taken("stream");
    }
    members.take("user");
    Ok(())
}

/// Takes out a value that leaves the choice to the model.
pub(super) fn leave_to_model(members: &mut Members<'_>, name: &str) {
    if let Some(value) = members.take(name) {
        let is_auto = value.get() == "\"auto\"" || value.get() == "\"\"";
        if !is_auto {
            members.put_back(name, value);
        }
    }
}

/// Refuses a number of images other than one.
pub(super) fn refuse_several(members: &mut Members<'_>) -> Result<()> {
    if members.whole("n")?.is_some_and(|n| n != 1) {
        members.refuse_taken("n");
    }
    Ok(())
}

/// Refuses parameters unless they leave the choice to the model.
pub(super) fn refuse_all(members: &mut Members<'_>, names: &[&str]) {
    for name in names {
        leave_to_model(members, name);
        members.refuse(name);
    }
}

/// Reads `size`: width and height in pixels.
pub(super) fn size(members: &mut Members<'_>) -> Result<Option<(u64, u64)>> {
    leave_to_model(members, "size");
    let Some(size) = members.text("size")? else {
        return Ok(None);
    };
    let (width, height) = size.split_once(['x', 'X']).unwrap_or_default();
    match (width.trim().parse(), height.trim().parse()) {
        (Ok(width), Ok(height)) => Ok(Some((width, height))),
        _ => Err(invalid("size", "expected a width and a height: 1024x1024")),
    }
}

/// Reads `size` for models that take the form of an image, not its pixels; one that has no such form is refused.
pub(super) fn aspect_ratio(members: &mut Members<'_>) -> Result<Option<&'static str>> {
    const RATIOS: [(u64, u64, &str); 5] = [
        (1024, 1024, "1:1"),
        (512, 512, "1:1"),
        (256, 256, "1:1"),
        (1792, 1024, "16:9"),
        (1024, 1792, "9:16"),
    ];
    let Some(size) = size(members)? else {
        return Ok(None);
    };
    let known = RATIOS
        .iter()
        .find(|(width, height, _)| (*width, *height) == size);
    if known.is_none() {
        members.refuse_taken("size");
    }
    Ok(known.map(|(_, _, ratio)| *ratio))
}

/// Returns the prompt: the client's, else the deployment's.
pub(super) fn prompt(request: &ImageRequest, members: &mut Members<'_>) -> Result<Option<Text>> {
    let of_deployment = members.take("prompt");
    match (&request.prompt, of_deployment) {
        (Some(prompt), _) => Ok(Some(prompt.clone())),
        (None, Some(prompt)) => Ok(Some(Text::new(&as_text("prompt", &prompt)?))),
        (None, None) => Ok(None),
    }
}

/// Returns the prompt of a generation.
pub(super) fn required_prompt(request: &ImageRequest, members: &mut Members<'_>) -> Result<Text> {
    prompt(request, members)?.ok_or_else(|| missing("/images/generations", "prompt"))
}
