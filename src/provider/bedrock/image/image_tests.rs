use super::*;

fn family(model: &str) -> Option<ImageFamily> {
    ImageFamily::of(&ModelId::parse(model, None, None).unwrap())
}

#[test]
fn the_base_model_tells_the_family() {
    for (model, expected) in [
        (
            "stability.stable-diffusion-xl-v0",
            Some(ImageFamily::DiffusionXl),
        ),
        (
            "bedrock/stability.sd3-large-v1:0",
            Some(ImageFamily::StableImage),
        ),
        (
            "stability.stable-image-core-v1:1",
            Some(ImageFamily::StableImage),
        ),
        (
            "us.stability.stable-image-style-guide-v1:0",
            Some(ImageFamily::StabilityEdits),
        ),
        (
            "stability.stable-creative-upscale-v1:0",
            Some(ImageFamily::StabilityEdits),
        ),
        (
            "us.stability.stable-image-remove-background-v1:0",
            Some(ImageFamily::StabilityEdits),
        ),
        ("us.amazon.nova-canvas-v1:0", Some(ImageFamily::Canvas)),
        ("amazon.titan-image-generator-v1", Some(ImageFamily::Titan)),
        ("amazon.nova-pro-v1:0", None),
        ("acme.paint-1", None),
    ] {
        assert_eq!(family(model), expected, "{model}");
    }
}
