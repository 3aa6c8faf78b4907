//! What is charged by the piece.

use super::{EmbedRequest, ImageRequest, Request};

/// What of a call is charged by the piece, beside its tokens. Which of them have a price, the model decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Images in the request.
    pub input_images: u64,
    /// Images in the answer.
    pub output_images: u64,
    /// Questions: of a rerank, and texts of an embeddings model that charges by the text.
    pub queries: u64,
}

/// How many documents one question may have; more are charged as another.
///
/// Source: <https://aws.amazon.com/bedrock/pricing/>.
const DOCUMENTS_OF_A_QUERY: u64 = 100;

impl Pieces {
    /// Returns what a request will be charged for, as far as it says so itself.
    pub fn expected(request: &Request) -> Self {
        match request {
            Request::Chat(_) | Request::Count(_) => Self::default(),
            Request::Embed(request) => Self::of_inputs(request),
            Request::Image(request) => Self::of_image(request),
            Request::Rerank(request) => {
                let documents = request.documents.as_ref().map_or(0, Vec::len) as u64;
                Self {
                    queries: documents.div_ceil(DOCUMENTS_OF_A_QUERY).max(1),
                    ..Self::default()
                }
            }
        }
    }

    fn of_inputs(request: &EmbedRequest) -> Self {
        let inputs = request.input.as_ref().map_or(0, Vec::len) as u64;
        let images = request.media().count() as u64;
        Self {
            input_images: images,
            queries: inputs.saturating_sub(images),
            ..Self::default()
        }
    }

    fn of_image(request: &ImageRequest) -> Self {
        let asked = request.options.member("n");
        Self {
            input_images: request.media().count() as u64,
            output_images: asked.and_then(|n| n.parse().ok()).unwrap_or(1),
            ..Self::default()
        }
    }

    /// Returns the part that `came` of `total` requests are.
    #[must_use]
    pub fn part(self, came: u64, total: u64) -> Self {
        Self {
            input_images: part(self.input_images, came, total),
            output_images: part(self.output_images, came, total),
            queries: part(self.queries, came, total),
        }
    }
}

/// Returns the part of `whole` that `came` of `total` are, rounded up.
pub fn part(whole: u64, came: u64, total: u64) -> u64 {
    let part = u128::from(whole) * u128::from(came);
    let part = part.div_ceil(u128::from(total.max(1)));
    u64::try_from(part).unwrap_or(u64::MAX).min(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{Document, EmbedInput, Options, RawJson, RerankRequest, Text};

    #[test]
    fn requests_say_what_they_will_be_charged_for() {
        let document = Document::Text(Text::new("a"));
        let rerank = |documents| {
            Request::Rerank(RerankRequest {
                documents: Some(vec![document.clone(); documents]),
                ..RerankRequest::default()
            })
        };
        for (documents, queries) in [(1, 1), (100, 1), (101, 2)] {
            assert_eq!(Pieces::expected(&rerank(documents)).queries, queries);
        }
        let mut options = Options::default();
        options.set("n", RawJson::from_value(&3));
        let image = Request::Image(ImageRequest {
            options,
            ..ImageRequest::default()
        });
        assert_eq!(Pieces::expected(&image).output_images, 3);
        let embed = Request::Embed(EmbedRequest {
            input: Some(vec![EmbedInput::from(Text::new("a")); 5]),
            ..EmbedRequest::default()
        });
        let pieces = Pieces::expected(&embed);
        assert_eq!(pieces.queries, 5);
        assert_eq!(pieces.part(2, 5).queries, 2);
        assert_eq!(pieces.part(7, 5), pieces);
    }
}
