use super::super::model_id::Route;
use super::super::{embed_transformer, image_transformer, rerank_transformer};
use super::*;
use crate::provider::bedrock::image::ImageFamily;
use crate::provider::bedrock::rerank::RerankApi;

fn family(model: &str) -> Option<EmbedFamily> {
    EmbedFamily::of(&ModelId::parse(model, None, None).unwrap())
}

#[test]
fn the_base_model_tells_the_family() {
    for (model, expected) in [
        (
            "bedrock/us.amazon.titan-embed-text-v2:0",
            Some(EmbedFamily::TitanText2),
        ),
        (
            "amazon.titan-embed-g1-text-02",
            Some(EmbedFamily::TitanText1),
        ),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-image-v1",
            Some(EmbedFamily::TitanImage),
        ),
        ("global.cohere.embed-v4:0", Some(EmbedFamily::Cohere)),
        (
            "async_invoke/us.twelvelabs.marengo-embed-2-7-v1:0",
            Some(EmbedFamily::Marengo2),
        ),
        (
            "eu.twelvelabs.marengo-embed-3-0-v1:0",
            Some(EmbedFamily::Marengo3),
        ),
        (
            "amazon.nova-2-multimodal-embeddings-v1:0",
            Some(EmbedFamily::Nova),
        ),
        (
            "cohere/arn:aws:bedrock:us-east-1:1:provisioned-model/x",
            Some(EmbedFamily::Cohere),
        ),
        ("arn:aws:bedrock:us-east-1:1:provisioned-model/x", None),
        ("anthropic.claude-3-haiku-20240307-v1:0", None),
        ("cohere.rerank-v3-5:0", None),
    ] {
        assert_eq!(family(model), expected, "{model}");
    }
}

#[test]
fn every_family_of_every_route_has_its_line() {
    let families = [
        EmbedFamily::TitanText1,
        EmbedFamily::TitanText2,
        EmbedFamily::TitanImage,
        EmbedFamily::Cohere,
        EmbedFamily::Nova,
        EmbedFamily::Marengo2,
        EmbedFamily::Marengo3,
    ];
    for family in families.map(Some).into_iter().chain([None]) {
        assert!(embed_transformer(Route::Invoke, family).is_some());
        assert!(embed_transformer(Route::AsyncInvoke, family).is_some());
        assert!(embed_transformer(Route::ConverseLike, family).is_none());
    }
    assert!(image_transformer(Route::Invoke, Some(ImageFamily::Canvas)).is_some());
    assert!(image_transformer(Route::AsyncInvoke, None).is_none());
    assert!(rerank_transformer(Route::Mantle, RerankApi::Invoke).is_none());
}
