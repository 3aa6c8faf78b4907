//! Members that a fallback or a gateway configuration lays over a request, read as the request's own operation reads them.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value};

use super::{WholeDialect as _, chat, embeddings, images, rerank};
use crate::canonical::{ChatRequest, ImageRequest, Loss, NativeFormat, Options, Request};
use crate::error::{Error, Result};

/// Returns the request with `members` laid over it. What steers the gateway is left out.
///
/// # Errors
///
/// [`crate::error::ErrorKind::BadRequest`] naming the member that the operation cannot read.
pub fn laid_over(request: &Request, members: &Map<String, Value>) -> Result<Request> {
    let body = serde_json::to_vec(members)
        .map_err(|error| Error::bad_request("fallbacks", error.to_string()))?;
    let (body, headers) = (Bytes::from(body), HeaderMap::new());
    let mut whole = request.clone();
    match &mut whole {
        Request::Chat(laid) | Request::Count(laid) => {
            chat(laid, chat::parse(&body, &headers)?.request);
        }
        Request::Embed(laid) => {
            let own = embeddings::Embeddings.parse(&body, &headers)?.request;
            laid.input = own.input.or(laid.input.take());
            options(&mut laid.options, own.options);
        }
        Request::Image(laid) => {
            let own = if laid.edit.is_some() {
                images::ImageEdits.parse(&body, &headers)?.request
            } else {
                images::ImageGenerations.parse(&body, &headers)?.request
            };
            image(laid, own);
        }
        Request::Rerank(laid) => {
            let own = rerank::Rerank.parse(&body, &headers)?.request;
            laid.query = own.query.or(laid.query.take());
            laid.documents = own.documents.or(laid.documents.take());
            options(&mut laid.options, own.options);
        }
    }
    Ok(whole)
}

fn chat(laid: &mut ChatRequest, own: ChatRequest) {
    if own.messages_present {
        laid.messages = own.messages;
        laid.native = None;
        laid.loss = Loss::default();
    }
    let is_of_chat = !own.params.tools.is_empty()
        || own.params.tool_choice.is_some()
        || own.params.response_format.is_some();
    if is_of_chat {
        // Chat's words for these say less than a response's own, so these cannot be laid over them.
        (laid.native).take_if(|native| native.format == NativeFormat::Responses);
    }
    if !own.params.tools.is_empty() {
        laid.params.tools.clear();
    }
    laid.params = own.params.over(&laid.params);
}

fn image(laid: &mut ImageRequest, own: ImageRequest) {
    laid.prompt = own.prompt.or(laid.prompt.take());
    if let (Some(laid), Some(own)) = (&mut laid.edit, own.edit) {
        if !own.images.is_empty() {
            laid.images = own.images;
        }
        laid.mask = own.mask.or(laid.mask.take());
        laid.style = own.style.or(laid.style.take());
    }
    options(&mut laid.options, own.options);
}

/// Lays what is said over what was said before.
fn options(laid: &mut Options, own: Options) {
    for (name, value) in own.members {
        laid.set(&name, value);
    }
    laid.guardrail = own.guardrail.or(laid.guardrail.take());
    laid.drop_params = own.drop_params.or(laid.drop_params);
    if !own.additional_drop_params.is_empty() {
        laid.additional_drop_params = own.additional_drop_params;
    }
    if !own.allowed_openai_params.is_empty() {
        laid.allowed_openai_params = own.allowed_openai_params;
    }
    for (name, value) in own.extra_headers {
        laid.extra_headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
        laid.extra_headers.push((name, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{EmbedRequest, RawJson, RerankRequest, Text};

    fn members(json: &str) -> Map<String, Value> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn each_operation_reads_its_own_members() {
        let image = Request::Image(ImageRequest {
            prompt: Some(Text::new("a cat")),
            ..ImageRequest::default()
        });
        let over = members(r#"{"model":"m","response_format":"b64_json","tags":["x"]}"#);
        let Request::Image(laid) = laid_over(&image, &over).unwrap() else {
            panic!("the operation stays");
        };
        assert_eq!(laid.prompt, Some(Text::new("a cat")));
        let names: Vec<_> = (laid.options.members.iter())
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["response_format"]);

        let mut embed = EmbedRequest::default();
        embed.options.set("dimensions", RawJson::from_value(&512));
        let over = members(r#"{"input":"other","dimensions":256}"#);
        let Request::Embed(laid) = laid_over(&Request::Embed(embed), &over).unwrap() else {
            panic!("the operation stays");
        };
        let input = laid.input.unwrap();
        assert_eq!(input[0].text, Some(Text::new("other")));
        let dimensions = laid.options.member("dimensions").map(RawJson::get);
        assert_eq!(dimensions, Some("256"));
        assert!(laid.options.member("input").is_none());

        let rerank = Request::Rerank(RerankRequest::default());
        let error = laid_over(&rerank, &members(r#"{"top_n":"many"}"#)).unwrap_err();
        assert_eq!(error.param(), Some("top_n"));
    }
}
