use std::collections::BTreeMap;

use super::*;

#[test]
fn every_row_is_read_with_provider_and_mode() {
    assert_eq!(ids().count(), 591);
    let mut providers: BTreeMap<String, u32> = BTreeMap::new();
    for id in ids() {
        let facts = facts([id]);
        assert!(facts.known, "{id}");
        assert!(facts.mode.is_some(), "{id}");
        *providers
            .entry(format!("{:?}", TABLE.row(id).unwrap().provider.unwrap()))
            .or_default() += 1;
    }
    assert_eq!(providers["Bedrock"], 311);
    assert_eq!(providers["BedrockConverse"], 231);
    assert_eq!(providers["BedrockMantle"], 49);
}

#[test]
fn every_flag_of_the_table_has_a_name() {
    let csv = include_str!("models.csv");
    for word in csv.split([',', '|', '\n', '"']) {
        if word.starts_with("supports_") || word == "thinking_always_on" {
            assert!(Flag::parse(word).is_some(), "{word}");
        }
    }
}

#[test]
fn flags_are_true_false_or_absent() {
    let facts = facts(["anthropic.claude-opus-4-7"]);
    assert_eq!(facts.flag(Flag::SamplingParams), Some(false));
    assert_eq!(facts.flag(Flag::AdaptiveThinking), Some(true));
    assert_eq!(facts.flag(Flag::NovaCanvasImageEdit), None);
}

#[test]
fn first_id_decides_and_later_ids_fill_the_gaps() {
    let general = facts(["anthropic.claude-sonnet-4-5-20250929-v1:0"]);
    let both = facts([
        "bedrock/us-gov-east-1/anthropic.claude-sonnet-4-5-20250929-v1:0",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
    ]);
    assert_eq!(both.provider, Some(CatalogProvider::Bedrock));
    assert_eq!(general.provider, Some(CatalogProvider::BedrockConverse));
    assert!(both.is(Flag::PromptCaching));
}

#[test]
fn claude_of_a_known_stem_has_its_facts() {
    let dated = facts(["anthropic.claude-sonnet-4-6-20250929-v1:0"]);
    let plain = facts(["anthropic.claude-sonnet-4-6"]);
    assert!(dated.known);
    assert!(dated.is(Flag::AdaptiveThinking));
    assert_eq!(dated.flags, plain.flags);
}

#[test]
fn unknown_models_have_no_facts() {
    for id in [
        "acme.llm-9-v1:0",
        "anthropic.claude-sonnet-4-99",
        "ab12",
        "amazon.nova-pro-v9:0",
        "",
    ] {
        let facts = facts([id]);
        assert!(!facts.known, "{id}");
        assert_eq!(facts.flags, Flags::default(), "{id}");
    }
}

#[test]
fn bare_ids_of_the_table_select_bedrock() {
    for id in [
        "anthropic.claude-3-7-sonnet-20250219-v1:0",
        "us.amazon.nova-pro-v1:0",
        "amazon.titan-embed-text-v2:0",
    ] {
        assert!(is_bedrock_id(id), "{id}");
    }
    for id in ["gpt-4o", "claude-sonnet-4-5", "acme.llm-9-v1:0"] {
        assert!(!is_bedrock_id(id), "{id}");
    }
}

#[test]
fn model_info_overrides_the_table() {
    let info = ModelInfo {
        flags: [
            ("supports_vision".to_owned(), false),
            ("supports_telepathy".to_owned(), true),
        ]
        .into(),
        max_input_tokens: Some(7),
        ..ModelInfo::default()
    };
    let table = facts(["anthropic.claude-sonnet-4-6"]);
    let facts = table.with_overrides(&info);
    assert_eq!(facts.flag(Flag::Vision), Some(false));
    assert_eq!(facts.max_input_tokens, Some(7));
    assert_eq!(facts.max_output_tokens, table.max_output_tokens);
    assert!(facts.is(Flag::AdaptiveThinking));
}

#[test]
fn hour_long_cache_follows_its_price() {
    assert!(facts(["anthropic.claude-sonnet-4-5-20250929-v1:0"]).one_hour_cache);
    assert!(!facts(["amazon.nova-pro-v1:0"]).one_hour_cache);
}

#[test]
fn prices_come_from_the_table_and_from_model_info() {
    let haiku = facts(["anthropic.claude-haiku-4-5-20251001-v1:0"]);
    assert_eq!(haiku.input_cost_per_token, Some(1e-6));
    assert_eq!(haiku.output_cost_per_token, Some(5e-6));
    let zero = crate::canonical::RawJson::from_value(&0);
    let info = ModelInfo {
        extra: vec![("input_cost_per_token".to_owned(), zero)],
        ..ModelInfo::default()
    };
    let own = haiku.with_overrides(&info);
    assert_eq!(own.input_cost_per_token, Some(0.0));
    assert_eq!(own.output_cost_per_token, Some(5e-6));
    assert_eq!(facts(["acme.llm"]).input_cost_per_token, None);
}
