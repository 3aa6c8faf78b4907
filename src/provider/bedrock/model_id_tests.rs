use proptest::prelude::*;

use super::*;
use crate::catalog::CatalogProvider;

const APPLICATION: &str = "arn:aws:bedrock:us-east-1:1:application-inference-profile/ab12";

fn parse(model: &str) -> ModelId {
    ModelId::parse(model, None, None).unwrap()
}

/// model string, route, wire id, base model, region
type Row = (
    &'static str,
    Route,
    &'static str,
    &'static str,
    Option<&'static str>,
);

const TABLE: &[Row] = {
    use Route::*;
    &[
        // Base models.
        (
            "bedrock/us.anthropic.claude-3-7-sonnet-20250219-v1:0",
            Converse,
            "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
            "anthropic.claude-3-7-sonnet-20250219-v1:0",
            None,
        ),
        (
            "bedrock/converse/eu-west-3/mistral.mistral-large-2402-v1:0",
            Converse,
            "mistral.mistral-large-2402-v1:0",
            "mistral.mistral-large-2402-v1:0",
            Some("eu-west-3"),
        ),
        (
            "bedrock/arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-pro-v1:0",
            Converse,
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-pro-v1:0",
            "amazon.nova-pro-v1:0",
            Some("us-east-1"),
        ),
        (
            "bedrock/arn:aws:bedrock:us-east-1:1:application-inference-profile/ab12",
            Converse,
            APPLICATION,
            "ab12",
            Some("us-east-1"),
        ),
        (
            "bedrock/us.anthropic.claude-opus-4-6-v1[1m]",
            Converse,
            "us.anthropic.claude-opus-4-6-v1",
            "anthropic.claude-opus-4-6-v1",
            None,
        ),
        (
            "bedrock/nova-2/arn:aws:bedrock:us-west-2:1:custom-model-deployment/x",
            Converse,
            "arn:aws:bedrock:us-west-2:1:custom-model-deployment/x",
            "amazon.nova-2-custom",
            Some("us-west-2"),
        ),
        (
            "bedrock/nova/arn:aws:bedrock:us-west-2:1:custom-model-deployment/x",
            Converse,
            "arn:aws:bedrock:us-west-2:1:custom-model-deployment/x",
            "amazon.nova-custom",
            Some("us-west-2"),
        ),
        (
            "bedrock/anthropic.claude-v2:0:51k",
            Converse,
            "anthropic.claude-v2:0:51k",
            "anthropic.claude-v2:0",
            None,
        ),
        // Converse by default.
        (
            "bedrock/us.deepseek.r1-v1:0",
            Converse,
            "us.deepseek.r1-v1:0",
            "deepseek.r1-v1:0",
            None,
        ),
        (
            "bedrock/us.meta.llama4-scout-17b-instruct-v1:0",
            Converse,
            "us.meta.llama4-scout-17b-instruct-v1:0",
            "meta.llama4-scout-17b-instruct-v1:0",
            None,
        ),
        (
            "bedrock/amazon.nova-micro-v1:0",
            Converse,
            "amazon.nova-micro-v1:0",
            "amazon.nova-micro-v1:0",
            None,
        ),
        (
            "bedrock/mistral.pixtral-large-2502-v1:0",
            Converse,
            "mistral.pixtral-large-2502-v1:0",
            "mistral.pixtral-large-2502-v1:0",
            None,
        ),
        (
            "bedrock/anthropic.claude-v1",
            Converse,
            "anthropic.claude-v1",
            "anthropic.claude-v1",
            None,
        ),
        (
            "bedrock/ai21.jamba-instruct-v1:0",
            Converse,
            "ai21.jamba-instruct-v1:0",
            "ai21.jamba-instruct-v1:0",
            None,
        ),
        (
            "bedrock/meta.llama3-70b-instruct-v1:0",
            Converse,
            "meta.llama3-70b-instruct-v1:0",
            "meta.llama3-70b-instruct-v1:0",
            None,
        ),
        (
            "bedrock/openai.gpt-oss-20b-1:0",
            Converse,
            "openai.gpt-oss-20b-1:0",
            "openai.gpt-oss-20b-1:0",
            None,
        ),
        (
            "bedrock/moonshot.kimi-k2-thinking",
            Converse,
            "moonshot.kimi-k2-thinking",
            "moonshot.kimi-k2-thinking",
            None,
        ),
        (
            "bedrock/us.openai.gpt-5.5",
            Converse,
            "us.openai.gpt-5.5",
            "openai.gpt-5.5",
            None,
        ),
        (
            "us.amazon.nova-pro-v1:0",
            Converse,
            "us.amazon.nova-pro-v1:0",
            "amazon.nova-pro-v1:0",
            None,
        ),
        // Unknown ids and ARNs.
        (
            "bedrock/acme.llm-9-v1:0",
            Converse,
            "acme.llm-9-v1:0",
            "acme.llm-9-v1:0",
            None,
        ),
        (
            "bedrock/cohere.command-z-v9:0",
            Converse,
            "cohere.command-z-v9:0",
            "cohere.command-z-v9:0",
            None,
        ),
        (
            "bedrock/arn:aws:bedrock:us-east-1:1:provisioned-model/x",
            Converse,
            "arn:aws:bedrock:us-east-1:1:provisioned-model/x",
            "x",
            Some("us-east-1"),
        ),
        (
            "bedrock/arn:aws:bedrock:us-east-1:1:custom-model/x",
            Converse,
            "arn:aws:bedrock:us-east-1:1:custom-model/x",
            "x",
            Some("us-east-1"),
        ),
        (
            "bedrock/arn:aws:bedrock:us-east-1:1:imported-model/x",
            Converse,
            "arn:aws:bedrock:us-east-1:1:imported-model/x",
            "x",
            Some("us-east-1"),
        ),
        (
            "bedrock/arn:aws:bedrock:us-east-1:1:prompt/ABCDEFGHIJ:2",
            Converse,
            "arn:aws:bedrock:us-east-1:1:prompt/ABCDEFGHIJ:2",
            "ABCDEFGHIJ:2",
            Some("us-east-1"),
        ),
        (
            "bedrock/arn:aws:sagemaker:us-east-1:1:endpoint/e",
            Converse,
            "arn:aws:sagemaker:us-east-1:1:endpoint/e",
            "e",
            Some("us-east-1"),
        ),
        (
            "bedrock/arn:aws:bedrock:us-east-1::foundation-model/cohere.command-text-v14",
            Invoke,
            "arn:aws:bedrock:us-east-1::foundation-model/cohere.command-text-v14",
            "cohere.command-text-v14",
            Some("us-east-1"),
        ),
        // Invoke by default.
        (
            "bedrock/cohere.command-text-v14",
            Invoke,
            "cohere.command-text-v14",
            "cohere.command-text-v14",
            None,
        ),
        (
            "bedrock/cohere.command-light-text-v14",
            Invoke,
            "cohere.command-light-text-v14",
            "cohere.command-light-text-v14",
            None,
        ),
        (
            "bedrock/ai21.j2-grande-instruct",
            Invoke,
            "ai21.j2-grande-instruct",
            "ai21.j2-grande-instruct",
            None,
        ),
        (
            "bedrock/amazon.titan-text-express-v1",
            Invoke,
            "amazon.titan-text-express-v1",
            "amazon.titan-text-express-v1",
            None,
        ),
        (
            "bedrock/meta.llama2-13b-chat-v1",
            Invoke,
            "meta.llama2-13b-chat-v1",
            "meta.llama2-13b-chat-v1",
            None,
        ),
        (
            "bedrock/us-east-1/mistral.mixtral-8x7b-instruct-v0:1",
            Invoke,
            "mistral.mixtral-8x7b-instruct-v0:1",
            "mistral.mixtral-8x7b-instruct-v0:1",
            Some("us-east-1"),
        ),
        (
            "bedrock/us.twelvelabs.pegasus-1-2-v1:0",
            Invoke,
            "us.twelvelabs.pegasus-1-2-v1:0",
            "twelvelabs.pegasus-1-2-v1:0",
            None,
        ),
        (
            "bedrock/stability.sd3-large-v1:0",
            Invoke,
            "stability.sd3-large-v1:0",
            "stability.sd3-large-v1:0",
            None,
        ),
        (
            "bedrock/amazon.titan-embed-text-v2:0",
            Invoke,
            "amazon.titan-embed-text-v2:0",
            "amazon.titan-embed-text-v2:0",
            None,
        ),
        // Tokens.
        (
            "bedrock/invoke/anthropic.claude-3-sonnet-20240229-v1:0",
            Invoke,
            "anthropic.claude-3-sonnet-20240229-v1:0",
            "anthropic.claude-3-sonnet-20240229-v1:0",
            None,
        ),
        (
            "bedrock/converse/cohere.command-text-v14",
            Converse,
            "cohere.command-text-v14",
            "cohere.command-text-v14",
            None,
        ),
        (
            "bedrock_converse/amazon.titan-text-express-v1",
            Converse,
            "amazon.titan-text-express-v1",
            "amazon.titan-text-express-v1",
            None,
        ),
        (
            "bedrock/llama/arn:aws:bedrock:us-east-1:1:imported-model/a",
            Invoke,
            "arn:aws:bedrock:us-east-1:1:imported-model/a",
            "a",
            Some("us-east-1"),
        ),
        (
            "bedrock/openai/arn:aws:bedrock:us-east-1:1:imported-model/a",
            Invoke,
            "arn:aws:bedrock:us-east-1:1:imported-model/a",
            "a",
            Some("us-east-1"),
        ),
        (
            "bedrock/anthropic/arn:aws:bedrock:us-east-1:1:provisioned-model/x",
            Invoke,
            "arn:aws:bedrock:us-east-1:1:provisioned-model/x",
            "x",
            Some("us-east-1"),
        ),
        (
            "bedrock/chat_completions/openai.gpt-oss-20b-1:0",
            ChatCompletions,
            "openai.gpt-oss-20b-1:0",
            "openai.gpt-oss-20b-1:0",
            None,
        ),
        (
            "bedrock/us.openai.gpt-5.6-luna",
            ChatCompletions,
            "us.openai.gpt-5.6-luna",
            "openai.gpt-5.6-luna",
            None,
        ),
        (
            "bedrock/converse_like/some/model",
            ConverseLike,
            "some/model",
            "some/model",
            None,
        ),
        (
            "bedrock/async_invoke/twelvelabs.marengo-embed-2-7-v1:0",
            AsyncInvoke,
            "twelvelabs.marengo-embed-2-7-v1:0",
            "twelvelabs.marengo-embed-2-7-v1:0",
            None,
        ),
        (
            "bedrock/mantle/anthropic.claude-haiku-4-5",
            Mantle,
            "anthropic.claude-haiku-4-5",
            "anthropic.claude-haiku-4-5",
            None,
        ),
        (
            "bedrock_mantle/us-gov-east-1/openai.gpt-5.4",
            Mantle,
            "openai.gpt-5.4",
            "openai.gpt-5.4",
            Some("us-gov-east-1"),
        ),
        (
            "bedrock/agent/AGENT/ALIAS",
            Agent,
            "AGENT/ALIAS",
            "AGENT/ALIAS",
            None,
        ),
        (
            "bedrock/agentcore/arn:aws:bedrock-agentcore:us-west-2:1:runtime/r",
            AgentCore,
            "arn:aws:bedrock-agentcore:us-west-2:1:runtime/r",
            "r",
            Some("us-west-2"),
        ),
        (
            "bedrock/claude_platform/claude-sonnet-4-6",
            ClaudePlatform,
            "claude-sonnet-4-6",
            "claude-sonnet-4-6",
            None,
        ),
        // Prefixes that pile up, and places nobody has listed.
        (
            "bedrock/bedrock/us.amazon.nova-lite-v1:0",
            Converse,
            "us.amazon.nova-lite-v1:0",
            "amazon.nova-lite-v1:0",
            None,
        ),
        (
            "bedrock/ca.amazon.nova-lite-v1:0",
            Converse,
            "ca.amazon.nova-lite-v1:0",
            "amazon.nova-lite-v1:0",
            None,
        ),
        (
            "bedrock/mars.anthropic.claude-sonnet-4-6",
            Converse,
            "mars.anthropic.claude-sonnet-4-6",
            "anthropic.claude-sonnet-4-6",
            None,
        ),
        (
            "bedrock/us.acme.llm-1",
            Converse,
            "us.acme.llm-1",
            "acme.llm-1",
            None,
        ),
        (
            "bedrock/ap-southeast-3/deepseek.v3.2",
            Converse,
            "deepseek.v3.2",
            "deepseek.v3.2",
            Some("ap-southeast-3"),
        ),
        (
            "bedrock/mx-central-1/amazon.nova-lite-v1:0",
            Converse,
            "amazon.nova-lite-v1:0",
            "amazon.nova-lite-v1:0",
            Some("mx-central-1"),
        ),
        (
            "bedrock/us-isob-east-1/amazon.titan-text-lite-v1",
            Invoke,
            "amazon.titan-text-lite-v1",
            "amazon.titan-text-lite-v1",
            Some("us-isob-east-1"),
        ),
    ]
};

#[test]
fn model_strings_are_taken_apart() {
    for (model, route, wire, base, region) in TABLE {
        let id = parse(model);
        assert_eq!(id.route, *route, "{model}");
        assert_eq!(id.wire, *wire, "{model}");
        assert_eq!(id.base, *base, "{model}");
        assert_eq!(id.region.as_deref(), *region, "{model}");
    }
}

#[test]
fn every_key_of_the_table_of_facts_is_understood() {
    for key in catalog::ids() {
        let id = parse(key);
        assert!(id.facts().known, "{key}");
        let facts = catalog::facts([key]);
        assert_eq!(id.facts().provider, facts.provider, "{key}");
        let is_plain = key.split('/').all(|part| {
            matches!(part, "bedrock" | "bedrock_mantle" | "invoke")
                || is_region(part)
                || part.contains('.')
        });
        if is_plain {
            assert!(!id.wire.contains('/'), "{key}");
            assert!(names_a_model(&id.base), "{key}: {}", id.base);
        }
        if facts.provider == Some(CatalogProvider::BedrockConverse) {
            assert!(
                matches!(id.route, Route::Converse | Route::ChatCompletions),
                "{key}"
            );
        }
    }
}

#[test]
fn what_only_a_price_has_is_no_part_of_the_id() {
    for (model, wire, region) in [
        (
            "1024-x-1024/50-steps/bedrock/amazon.nova-canvas-v1:0",
            "amazon.nova-canvas-v1:0",
            None,
        ),
        (
            "max-x-max/max-steps/stability.stable-diffusion-xl-v0",
            "stability.stable-diffusion-xl-v0",
            None,
        ),
        (
            "bedrock/us-east-1/6-month-commitment/anthropic.claude-v2:1",
            "anthropic.claude-v2:1",
            Some("us-east-1"),
        ),
        ("bedrock/x-steps/acme.llm-9", "x-steps/acme.llm-9", None),
    ] {
        let id = parse(model);
        assert_eq!((id.wire.as_str(), id.region.as_deref()), (wire, region));
    }
}

#[test]
fn ids_that_the_table_has_in_another_spelling_are_sent_in_bedrocks() {
    for (model, wire) in [
        (
            "claude-sonnet-4-5-20250929-v1:0",
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
        (
            "bedrock/anthropic.claude-haiku-4-5@20251001",
            "anthropic.claude-haiku-4-5-20251001-v1:0",
        ),
        ("bedrock/claude-of-mine", "claude-of-mine"),
        ("bedrock/mine@20251001", "mine@20251001"),
    ] {
        assert_eq!(parse(model).wire, wire);
    }
}

#[test]
fn families_decide_the_invoke_body() {
    for (model, family) in [
        (
            "invoke/us.anthropic.claude-3-sonnet-20240229-v1:0",
            Some(Family::Anthropic),
        ),
        (
            "deepseek_r1/arn:aws:bedrock:us-east-1:1:imported-model/nova",
            Some(Family::DeepseekR1),
        ),
        (
            "qwen3/arn:aws:bedrock:us-east-1:1:imported-model/a",
            Some(Family::Qwen3),
        ),
        (
            "moonshot/arn:aws:bedrock:us-east-1:1:imported-model/a",
            Some(Family::Moonshot),
        ),
        ("invoke/amazon.nova-pro-v1:0", Some(Family::Nova)),
        ("invoke/acme.llm-9-v1:0", None),
    ] {
        assert_eq!(parse(&format!("bedrock/{model}")).family, family, "{model}");
    }
}

#[test]
fn model_id_replaces_the_url_and_brings_its_region() {
    let id = ModelId::parse(
        "bedrock/converse/anthropic.claude-3-5-sonnet-20240620-v1:0",
        Some(APPLICATION),
        None,
    )
    .unwrap();
    assert_eq!(id.wire, APPLICATION);
    assert_eq!(id.base, "anthropic.claude-3-5-sonnet-20240620-v1:0");
    assert_eq!(id.region.as_deref(), Some("us-east-1"));
    assert!(id.is_claude() && !id.is_opaque_arn());

    let with_path = ModelId::parse("bedrock/eu-west-1/x.y", Some(APPLICATION), None).unwrap();
    assert_eq!(with_path.region.as_deref(), Some("eu-west-1"));
}

#[test]
fn base_model_tells_what_is_behind_an_arn() {
    let opaque = parse(&format!("bedrock/{APPLICATION}"));
    assert!(opaque.is_opaque_arn() && !opaque.facts().known);

    let base = Some("bedrock/us.anthropic.claude-sonnet-4-6");
    let id = ModelId::parse(&format!("bedrock/{APPLICATION}"), None, base).unwrap();
    assert_eq!(id.base, "anthropic.claude-sonnet-4-6");
    assert_eq!(id.wire, APPLICATION);
    assert_eq!(id.route, Route::Converse);
    assert!(id.is_claude() && !id.is_opaque_arn() && id.facts().known);

    let imported = "bedrock/arn:aws:bedrock:us-east-1:1:imported-model/a";
    assert!(parse(imported).is_imported_without_family());
    let id = ModelId::parse(imported, None, Some("meta.llama3-8b-instruct-v1:0")).unwrap();
    assert_eq!((id.route, id.family), (Route::Invoke, Some(Family::Llama)));
}

#[test]
fn base_model_of_another_provider_is_ignored() {
    let id = ModelId::parse("bedrock/amazon.nova-pro-v1:0", None, Some("azure/gpt-4o")).unwrap();
    assert_eq!(id.base, "amazon.nova-pro-v1:0");
    assert!(id.facts().known);
}

#[test]
fn context_word_is_a_beta_on_claude_only() {
    let claude = parse("bedrock/us.anthropic.claude-sonnet-4-20250514-v1:0[1m]");
    assert_eq!(claude.context_beta(), Some("context-1m-2025-08-07"));
    assert_eq!(claude.wire, "us.anthropic.claude-sonnet-4-20250514-v1:0");
    assert_eq!(
        parse("bedrock/amazon.nova-pro-v1:0[1m]").context_beta(),
        None
    );
}

#[test]
fn models_know_their_kin() {
    assert!(parse("bedrock/us.anthropic.claude-sonnet-4-6").is_claude());
    assert!(
        parse("bedrock/converse/anthropic/arn:aws:bedrock:us-east-1:1:provisioned-model/x")
            .is_claude()
    );
    assert!(parse("bedrock/us.amazon.nova-2-lite-v1:0").is_nova2());
    assert!(
        parse("bedrock/nova-2/arn:aws:bedrock:us-east-1:1:custom-model-deployment/x").is_nova2()
    );
    let nova = parse("bedrock/amazon.nova-lite-v1:0");
    assert!(nova.is_nova() && !nova.is_nova2());
    let oss = parse("bedrock/openai.gpt-oss-120b-1:0");
    assert!(oss.is_gpt_oss() && oss.is_openai() && !oss.is_openai_gpt());
    assert!(parse("bedrock/us.openai.gpt-5.5").is_openai_gpt());
    assert!(parse("bedrock/us.deepseek.r1-v1:0").is_deepseek_r1());
    assert!(parse("bedrock/us.xai.grok-4.6").is_xai());
    assert!(parse("bedrock/arn:aws:bedrock:us-east-1:1:prompt/ABCDEFGHIJ:2").is_prompt());
}

#[test]
fn answers_that_aws_cannot_stream() {
    assert!(parse("bedrock/ai21.j2-mid-v1").cannot_stream(false));
    let llama = parse("bedrock/us.meta.llama3-3-70b-instruct-v1:0");
    assert!(llama.cannot_stream(true) && !llama.cannot_stream(false));
    assert!(!parse("bedrock/ai21.jamba-1-5-large-v1:0").cannot_stream(true));
}

#[test]
fn region_paths_are_recognised() {
    for region in [
        "us-east-1",
        "us-gov-west-1",
        "ap-southeast-4",
        "us-iso-east-1",
        "us-isob-east-1",
        "eu-isoe-west-1",
        "il-central-1",
    ] {
        assert!(is_region(region), "{region}");
    }
    for other in [
        "",
        "us",
        "us-east",
        "us-east-12",
        "US-east-1",
        "usa-east-1",
        "us-east-1-x",
        "us-isobb-east-1",
        "us--1",
    ] {
        assert!(!is_region(other), "{other}");
    }
}

#[test]
fn strings_that_name_no_model_are_refused() {
    for (model, error) in [
        ("", ModelIdError::Empty),
        ("bedrock/", ModelIdError::Empty),
        ("bedrock/converse/us-east-1/", ModelIdError::Empty),
        ("bedrock/..", ModelIdError::BadCharacters),
        ("bedrock/a b", ModelIdError::BadCharacters),
        ("bedrock/a\nb", ModelIdError::BadCharacters),
    ] {
        assert_eq!(
            ModelId::parse(model, None, None).unwrap_err(),
            error,
            "{model:?}"
        );
    }
    let long = format!("bedrock/{}", "x".repeat(2049));
    assert_eq!(
        ModelId::parse(&long, None, None).unwrap_err(),
        ModelIdError::TooLong
    );
    assert_eq!(
        ModelId::parse("bedrock/x.y", Some(".."), None).unwrap_err(),
        ModelIdError::BadCharacters
    );
}

#[test]
fn what_stands_in_front_of_a_route_is_not_thrown_away() {
    let llama = "meta.llama3-70b-instruct-v1:0";
    for (model, error) in [
        (
            format!("bedrock/anthropic.x/converse/{llama}"),
            ModelIdError::MisplacedRoute,
        ),
        (
            format!("anthropic.x/mantle/{llama}"),
            ModelIdError::MisplacedRoute,
        ),
        (
            format!("bedrock/us-east-1/anthropic.x/a/invoke/{llama}"),
            ModelIdError::MisplacedRoute,
        ),
        (
            "bedrock/anthropic.x/agent/ID/ALIAS".to_owned(),
            ModelIdError::MisplacedRoute,
        ),
        (
            "bedrock/mantle/agent/ID/ALIAS".to_owned(),
            ModelIdError::Contradiction,
        ),
        (
            format!("bedrock/us-east-1/eu-west-1/{llama}"),
            ModelIdError::Contradiction,
        ),
    ] {
        let refused = ModelId::parse(&model, None, None);
        assert_eq!(refused.unwrap_err(), error, "{model}");
    }
    // An ARN's resource may be called anything, and so may what other upstreams serve.
    let arn = "arn:aws:bedrock:us-east-1:1:custom-model/invoke/x";
    assert_eq!(parse(&format!("bedrock/{arn}")).wire, arn);
    assert_eq!(parse("bedrock/converse_like/a/invoke/b").wire, "a/invoke/b");
    assert_eq!(parse("bedrock/llama/us-east-1/invoke/x.y").wire, "x.y");
}

proptest! {
    #[test]
    fn any_string_is_taken_apart_or_refused(model in ".{0,80}", model_id in proptest::option::of(".{0,20}"), base in proptest::option::of(".{0,20}")) {
        if let Ok(id) = ModelId::parse(&model, model_id.as_deref(), base.as_deref()) {
            prop_assert!(!id.wire.is_empty());
        }
    }

    #[test]
    fn strings_of_known_parts_never_keep_a_prefix(parts in proptest::collection::vec(prop_oneof!["bedrock", "converse", "nova", "us-west-2", "llama"], 0..5)) {
        let mut model = parts.join("/");
        if !model.is_empty() {
            model.push('/');
        }
        model.push_str("amazon.nova-pro-v1:0[1m]");
        let id = parse(&model);
        prop_assert_eq!(id.wire, "amazon.nova-pro-v1:0");
        prop_assert_eq!(id.base, "amazon.nova-pro-v1:0");
    }
}
