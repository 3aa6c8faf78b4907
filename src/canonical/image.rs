//! Images: a prompt in, or a prompt and images to change; images out.

use std::convert::Infallible;

use super::{Media, Operation, Options, Text};

/// The image operation: generation and editing.
#[derive(Debug, Clone, Copy)]
pub struct Image;

impl Operation for Image {
    type Request = ImageRequest;
    type Answer = ImageAnswer;
    /// Images are never streamed.
    type Chunk = Infallible;
}

/// One image request.
#[derive(Debug, Clone, Default)]
pub struct ImageRequest {
    /// What the image shows; `None` when the client did not say, which a deployment's defaults or some edits make good.
    pub prompt: Option<Text>,
    /// What is edited; `None` where an image is generated.
    pub edit: Option<ImageEdit>,
    /// Everything else the client asked for.
    pub options: Options,
}

/// The images of an edit.
#[derive(Debug, Clone, Default)]
pub struct ImageEdit {
    /// The images to edit, in order (`image`, `image[]`).
    pub images: Vec<Media>,
    /// Which part is to change (`mask`).
    pub mask: Option<Box<Media>>,
    /// Whose style is taken over (`style_image`).
    pub style: Option<Box<Media>>,
}

impl ImageRequest {
    /// Returns all media, in order.
    pub fn media(&self) -> impl Iterator<Item = &Media> {
        (self.edit.iter()).flat_map(|edit| {
            edit.images
                .iter()
                .chain(edit.mask.as_deref())
                .chain(edit.style.as_deref())
        })
    }

    /// Returns the media that must be fetched before the request can be encoded, in order.
    pub fn remote_media(&mut self) -> Vec<&mut Media> {
        let Some(edit) = &mut self.edit else {
            return Vec::new();
        };
        edit.images
            .iter_mut()
            .chain(edit.mask.as_deref_mut())
            .chain(edit.style.as_deref_mut())
            .filter(|media| media.is_remote())
            .collect()
    }
}

/// A whole answer.
#[derive(Debug, Clone, Default)]
pub struct ImageAnswer {
    /// The images: base64, as JSON strings.
    pub images: Vec<Text>,
}
