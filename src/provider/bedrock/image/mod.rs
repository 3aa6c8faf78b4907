//! Images by `InvokeModel`: generation and editing, one file for each format.

mod answer;
mod canvas;
mod diffusion_xl;
mod edits;
mod params;
mod stable_image;
mod unknown;

use super::model_id::{ModelId, names_a_model};

pub use canvas::{CANVAS, Canvas, TITAN};
pub use diffusion_xl::DiffusionXl;
pub use edits::StabilityEdits;
pub use stable_image::StableImage;
pub use unknown::Unknown;

/// Whose format an image body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageFamily {
    /// Stability's Stable Diffusion XL.
    DiffusionXl,
    /// Stability's Stable Diffusion 3, Core and Ultra.
    StableImage,
    /// Stability's services that change images.
    StabilityEdits,
    /// Amazon Titan Image Generator.
    Titan,
    /// Amazon Nova Canvas.
    Canvas,
}

/// What the names of Stability's services that change images have in them.
const EDITS: [&str; 11] = [
    "upscale",
    "outpaint",
    "inpaint",
    "erase",
    "remove-background",
    "search-recolor",
    "search-replace",
    "control-sketch",
    "control-structure",
    "style-guide",
    "style-transfer",
];

impl ImageFamily {
    /// Tells the family by the base model; of a name that tells nothing, by the vendor that stands in front of it.
    pub fn of(model: &ModelId) -> Option<Self> {
        let base = model.base.as_str();
        let is_edit = || EDITS.iter().any(|edit| base.contains(edit));
        if base.starts_with("amazon.nova-canvas") {
            return Some(Self::Canvas);
        }
        if base.starts_with("amazon.titan-image") {
            return Some(Self::Titan);
        }
        if base.starts_with("stability.stable-diffusion-xl") {
            return Some(Self::DiffusionXl);
        }
        if base.starts_with("stability.") {
            return Some(if is_edit() {
                Self::StabilityEdits
            } else {
                Self::StableImage
            });
        }
        if names_a_model(base) {
            return None;
        }
        match model.family? {
            super::family::Family::Nova => Some(Self::Canvas),
            super::family::Family::Titan => Some(Self::Titan),
            super::family::Family::Stability => Some(Self::StableImage),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
