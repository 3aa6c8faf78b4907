//! `virtual_keys` and `gateway_configs`.

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::*;
use crate::clock::{Clock, SystemClock};

fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Config, Findings> {
    let variables = variables.iter().chain(&[("LITELLM_MASTER_KEY", "sk-m")]);
    let environment = variables
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    load_bytes(
        Path::new("config.yaml"),
        text.as_bytes(),
        environment,
        &Overrides::default(),
    )
}

fn clean(text: &str, variables: &[(&str, &str)]) -> Config {
    let config = load_text(text, variables).unwrap_or_else(|findings| panic!("{findings}"));
    assert_eq!(config.warnings, [], "{text}");
    config
}

fn said(text: &str, variables: &[(&str, &str)]) -> String {
    match load_text(text, variables) {
        Ok(config) => Findings(config.warnings),
        Err(findings) => findings,
    }
    .to_string()
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

const MODELS: &str = "model_list: [{model_name: a, litellm_params: {model: bedrock/x}}, \
    {model_name: b, litellm_params: {model: bedrock/x}}]\n";

fn limits(rpm: u64, tpm: u64, parallel: u32) -> RateLimits {
    RateLimits {
        rpm: Some(rpm),
        tpm: Some(tpm),
        parallel: Some(parallel),
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "the entry has that many keys")]
fn virtual_key_is_read_whole() {
    let text = format!(
        "{MODELS}virtual_keys:
- key: os.environ/TEAM_KEY
  key_alias: team-key
  models: [a]
  aliases: {{mine: a}}
  rpm_limit: 1
  tpm_limit: 2
  max_parallel_requests: 3
  model_rpm_limit: {{a: 4}}
  model_tpm_limit: {{a: 5}}
  tag_rpm_limit: {{paid: 6}}
  user_id: u
  user_rpm_limit: 7
  user_tpm_limit: 8
  user_max_parallel_requests: 9
  team_id: t
  team_rpm_limit: 10
  team_tpm_limit: 11
  team_max_parallel_requests: 12
  tags: [x]
  max_budget: 5
  budget_duration: monthly
  expires: 2999-12-31T00:00:00Z
  blocked: true
  key_type: read_only
  enforced_params: [seed]
  allowed_model_region: eu
  allowed_cache_controls: [no-cache]
  metadata: {{tags: [x, y], model_rpm_limit: {{a: 99, b: 13}}, enforced_params: [user], note: hi}}
  router_settings:
    routing_strategy: p2c
    num_retries: 0
    timeout: 3
    enable_tag_filtering: true
    model_group_alias: {{short: a}}
    model_group_retry_policy: {{a: {{DefaultRetries: 1}}}}
    weights: {{a: {{one: 0.5, two: 2}}}}
    fallbacks: [{{a: [b]}}]
    context_window_fallbacks: []
  permissions: {{anything: true}}
"
    );
    let config = clean(&text, &[("TEAM_KEY", "sk-team")]);
    let text = |text: &str| text.to_owned();
    let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(32_503_593_600);
    let wanted = VirtualKeyConfig {
        hash: hash("sk-team"),
        alias: Some(text("team-key")),
        models: vec![text("a")],
        aliases: BTreeMap::from([(text("mine"), text("a"))]),
        limits: limits(1, 2, 3),
        model_limits: BTreeMap::from([
            (
                text("a"),
                RateLimits {
                    rpm: Some(4),
                    tpm: Some(5),
                    parallel: None,
                },
            ),
            (
                text("b"),
                RateLimits {
                    rpm: Some(13),
                    ..RateLimits::default()
                },
            ),
        ]),
        tag_rpm: BTreeMap::from([(text("paid"), 6)]),
        user_id: Some(text("u")),
        user_limits: limits(7, 8, 9),
        team_id: Some(text("t")),
        team_limits: limits(10, 11, 12),
        tags: vec![text("x"), text("y")],
        budget: Some(Budget {
            limit_usd: 5.0,
            period: Some(Duration::from_secs(30 * 86_400)),
        }),
        expires: Some(expires),
        blocked: true,
        allowed_routes: vec![text("info_routes")],
        enforced_params: vec![text("seed"), text("user")],
        allowed_cache_controls: Some(vec![text("no-cache")]),
        allowed_region: Some(text("eu")),
        router: KeyRouterSettings {
            strategy: Some(StrategyName::P2c),
            num_retries: Some(0),
            timeout: Some(Duration::from_secs(3)),
            tag_filtering: true,
            group_retry_policies: BTreeMap::from([(
                text("a"),
                ByClass {
                    default: Some(1),
                    ..ByClass::default()
                },
            )]),
            aliases: BTreeMap::from([(text("short"), text("a"))]),
            weights: BTreeMap::from([(
                text("a"),
                BTreeMap::from([(text("one"), 0.5), (text("two"), 2.0)]),
            )]),
            fallbacks: Some(vec![FallbackRule {
                group: text("a"),
                targets: vec![FallbackTarget {
                    model: text("b"),
                    ..FallbackTarget::default()
                }],
            }]),
            // None at all is another thing than the router's.
            context_window_fallbacks: Some(Vec::new()),
            content_policy_fallbacks: None,
        },
        metadata: match json!({"tags": ["x", "y"], "model_rpm_limit": {"a": 99, "b": 13}, "enforced_params": ["user"], "note": "hi"})
        {
            serde_json::Value::Object(members) => members,
            other => panic!("{other}"),
        },
    };
    assert_eq!(config.virtual_keys, [wanted]);
    let shown = format!("{:?}", config.virtual_keys);
    assert!(!shown.contains("sk-team"));
}

#[test]
fn hash_stands_for_its_key() {
    // `printf %s sk-x | sha256sum`, in capitals.
    let hex = "9DF37F5E7CBC3C391D872742B5F286C242E733A09ADD9EEAA4D26A599BD90B20";
    let text = format!("virtual_keys: [{{hash: {hex}}}]\n");
    assert_eq!(clean(&text, &[]).virtual_keys[0].hash, hash("sk-x"));
    let twice = format!("virtual_keys: [{{hash: \"{hex}\"}}, {{key: sk-x}}]\n");
    assert!(said(&twice, &[]).contains("virtual_keys[1]: this is the key of virtual_keys[0] too"));
}

#[test]
fn duration_counts_from_the_reading_of_the_file() {
    let before = SystemClock.wall();
    let config = clean("virtual_keys: [{key: sk-x, duration: 2h}]\n", &[]);
    let after = SystemClock.wall();
    let expires = config.virtual_keys[0].expires.unwrap();
    let hours = Duration::from_secs(7200);
    assert!((before + hours..=after + hours).contains(&expires));
}

#[test]
fn users_get_the_default_limits_that_they_do_not_set() {
    let text = "litellm_settings: {default_internal_user_params: {rpm_limit: 5, tpm_limit: 6, max_parallel_requests: 7}}\n\
                virtual_keys: [{key: sk-1, user_id: u, user_rpm_limit: 1}, {key: sk-2}]\n";
    let keys = clean(text, &[]).virtual_keys;
    assert_eq!(keys[0].user_limits, limits(1, 6, 7));
    assert_eq!(keys[1].user_limits, RateLimits::default());
}

#[test]
fn key_whose_variable_is_not_set_is_left_out_or_an_error() {
    let text = "virtual_keys: [{key: os.environ/NONE}, {key: sk-1}]\n";
    let config = load_text(text, &[]).unwrap();
    assert_eq!(config.virtual_keys.len(), 1);
    assert!(said(text, &[]).contains("the variable `NONE` is not set: the entry is left out"));
    let strict = format!("{text}general_settings: {{strict_env: true}}\n");
    assert!(load_text(&strict, &[]).is_err());
}

#[test]
fn mistakes_in_virtual_keys_are_errors_at_their_place() {
    for (entry, problem) in [
        (
            "{models: [a]}",
            "virtual_keys[0]: neither `key` nor `hash` is there",
        ),
        ("{key: \"\"}", "virtual_keys[0].key: the key is empty"),
        (
            "{key: sk-1, hash: abc}",
            "virtual_keys[0].hash: `key` and `hash` exclude each other",
        ),
        ("{hash: abc}", "virtual_keys[0].hash: expected a SHA-256"),
        ("{key: sk-m}", "virtual_keys[0]: this is the master key"),
        (
            "{key: sk-1, duration: 2 hours}",
            "virtual_keys[0].duration: expected a time span",
        ),
        (
            "{key: sk-1, expires: soon}",
            "virtual_keys[0].expires: expected a point in time",
        ),
        (
            "{key: sk-1, rpm_limit: many}",
            "virtual_keys[0].rpm_limit: expected a whole number",
        ),
        (
            "{key: sk-1, key_alias: k}, {key: sk-2, key_alias: k}",
            "virtual_keys[1].key_alias: virtual_keys[0] has the same alias",
        ),
        (
            "{key: sk-1, router_settings: {fallbacks: [a]}}",
            "router_settings.fallbacks[0]: expected a mapping with one key",
        ),
        ("sk-1", "virtual_keys[0]: expected a mapping"),
    ] {
        let text = format!("virtual_keys: [{entry}]\n");
        let findings = load_text(&text, &[]).unwrap_err().to_string();
        assert!(findings.contains(problem), "{findings}");
        assert!(!findings.contains("sk-"), "{findings}");
    }
}

#[test]
fn restriction_whose_variable_is_not_set_is_an_error() {
    for text in [
        "virtual_keys: [{key: sk-1, models: [os.environ/NONE]}]",
        "virtual_keys: [{key: sk-1, max_budget: os.environ/NONE}]",
        "virtual_keys: [{key: sk-1, model_rpm_limit: {a: os.environ/NONE}}]",
        "general_settings: {allowed_ips: os.environ/NONE}",
        "general_settings: {allowed_ips: [10.0.0.1, os.environ/NONE]}",
        "litellm_settings: {max_budget: os.environ/NONE}",
        "model_list: [{model_name: m, litellm_params: {model: bedrock/x}, model_info: {team_id: os.environ/NONE}}]",
        "model_list: [{model_name: m, litellm_params: {model: bedrock/x}, model_info: {blocked: os.environ/NONE}}]",
        "model_list: [{model_name: m, litellm_params: {model: bedrock/x, default_api_key_rpm_limit: os.environ/NONE}}]",
    ] {
        let findings = load_text(text, &[]).unwrap_err().to_string();
        assert!(
            findings.contains(
                "the variable `NONE` is not set: what it would keep out, or bound, would be open"
            ),
            "{findings}"
        );
    }
    for other in [
        "virtual_keys: [{key: sk-1, key_alias: os.environ/NONE}]",
        // A member of requests may be called anything.
        "model_list: [{model_name: m, litellm_params: {model: bedrock/x, duration: os.environ/NONE}}]",
        "model_list: [{model_name: m, litellm_params: {model: bedrock/x, requestMetadata: {team_id: os.environ/NONE}}}]",
        "model_list: [{model_name: m, litellm_params: {model: bedrock/x}, model_info: {metadata: {team_id: os.environ/NONE}}}]",
    ] {
        assert!(load_text(other, &[]).is_ok(), "{}", said(other, &[]));
    }
    let elsewhere = "model_list: [{model_name: m, litellm_params: {model: bedrock/x}, \
                     model_info: {supported_environments: [production], team_id: os.environ/NONE}}]";
    let here = [("LITELLM_ENVIRONMENT", "development")];
    assert!(
        load_text(elsewhere, &here).is_ok(),
        "{}",
        said(elsewhere, &here)
    );
    let there = [("LITELLM_ENVIRONMENT", "production")];
    assert!(load_text(elsewhere, &there).is_err());
}

#[test]
fn doubts_about_virtual_keys_are_warnings() {
    for (entry, problem) in [
        ("rpm_limits: 1", "did you mean `rpm_limit`?"),
        (
            "models: [claud]",
            "models[0]: no model group is called `claud`; did you mean `claude`?",
        ),
        ("max_budget: 0", "0 is no limit"),
        ("budget_duration: 1d", "a period alone is no budget"),
        ("expires: 2020-01-01", "this is over"),
        ("soft_budget: 1", "accepted, not supported yet"),
        ("router_settings: {retries: 1}", "unknown key"),
    ] {
        let text = format!(
            "model_list: [{{model_name: claude, litellm_params: {{model: bedrock/x}}}}]\nvirtual_keys: [{{key: sk-1, {entry}}}]\n"
        );
        assert!(load_text(&text, &[]).is_ok(), "{}", said(&text, &[]));
        assert!(said(&text, &[]).contains(problem), "{}", said(&text, &[]));
    }
}

#[test]
fn gateway_configs_are_trees_with_types() {
    let text = r#"credential_list: [{credential_name: prod, credential_values: {aws_region_name: us-east-1}}]
gateway_configs:
  pc-tiers:
    strategy:
      mode: conditional
      conditions:
        - {query: {"metadata.tier": {$eq: paid}}, then: good}
        - {query: {$or: [{"params.model": {$regex: "^a"}}, {url: x, "params.n": {$in: [1, 2]}}]}, then: cheap}
      default: cheap
    targets:
      - {name: good, provider: "@prod", overrideParams: {model: a}}
      - name: cheap
        strategy: {mode: loadbalance}
        targets: [{virtual_key: prod, weight: 0}, {provider: bedrock, api_key: k}]
    retry: {attempts: 3, onStatusCodes: [429, 503], use_retry_after_header: true}
    cache: {mode: simple, maxAge: 60}
    requestTimeout: 5000
  pc-keys: {provider: bedrock, api_key: os.environ/BEDROCK_KEY}
  pc-retry: {retry: {attempts: 2}}
"#;
    let configs = clean(text, &[("BEDROCK_KEY", "b")]).gateway_configs;
    assert_eq!(configs.len(), 3);
    let key = configs["pc-keys"].aws.api_key.as_ref().map(Secret::expose);
    assert_eq!(key, Some("b"));
    let tiers = &configs["pc-tiers"];
    assert_eq!(tiers.timeout, Some(Duration::from_secs(5)));
    assert_eq!(tiers.cache.unwrap().max_age, Some(Duration::from_mins(1)));
    let retry = tiers.retry.as_ref().unwrap();
    assert_eq!((retry.attempts, &retry.on_status[..]), (3, &[429, 503][..]));
    assert!(retry.honours_retry_after);
    let Some(GatewayMode::Conditional(conditions, default)) = &tiers.mode else {
        panic!("conditional");
    };
    let places: Vec<_> = conditions.iter().map(|condition| condition.then).collect();
    assert_eq!((places, *default), (vec![0, 1], Some(1)));
    assert_eq!(
        tiers.fields(),
        ["metadata.tier", "params.model", "url", "params.n"]
    );
    assert_eq!(tiers.targets[0].overrides["model"], "a");
    assert_eq!(tiers.targets[0].provider.as_deref(), Some("@prod"));
    let weights: Vec<_> = (tiers.targets[1].targets.iter())
        .map(|target| target.weight)
        .collect();
    assert_eq!(weights, [0.0, 1.0]);
    let retry = configs["pc-retry"].retry.as_ref().unwrap();
    assert_eq!(retry.on_status, [429, 500, 502, 503, 504]);
    assert!(!retry.honours_retry_after);
}

#[test]
fn mistakes_in_gateway_configs_are_errors_at_their_place() {
    for (config, problem) in [
        (
            "{weight: 1}",
            "gateway_configs.c: nothing is said of where calls go",
        ),
        (
            "{strategy: {mode: single}}",
            "gateway_configs.c.targets: `targets` is missing",
        ),
        (
            "{targets: [{provider: bedrock}]}",
            "gateway_configs.c.strategy: `strategy` is missing",
        ),
        (
            "{strategy: {mode: roundrobin}, targets: [{provider: bedrock}]}",
            "c.strategy.mode: `roundrobin` is not one of the values",
        ),
        (
            "{strategy: {}, targets: [{provider: bedrock}]}",
            "c.strategy.mode: `mode` is missing",
        ),
        (
            "{strategy: {mode: fallback}, targets: []}",
            "there is no target",
        ),
        (
            "{strategy: {mode: fallback}, targets: [{}]}",
            "c.targets[0]: nothing is said",
        ),
        (
            "{strategy: {mode: fallback}, targets: [x]}",
            "c.targets[0]: expected a mapping",
        ),
        (
            "{strategy: {mode: fallback, onStatusCodes: [7]}, targets: [{provider: bedrock}]}",
            "not an HTTP status",
        ),
        (
            "{strategy: {mode: loadbalance}, targets: [{provider: bedrock, weight: 0}]}",
            "every target has the weight 0",
        ),
        (
            "{strategy: {mode: loadbalance}, targets: [{provider: bedrock, weight: -1}]}",
            "c.targets[0].weight: expected a number, 0 or more",
        ),
        (
            "{strategy: {mode: conditional}, targets: [{provider: bedrock}]}",
            "`conditions` is missing",
        ),
        (
            "{strategy: {mode: conditional, conditions: [{query: {params.a: {$equals: 1}}, then: x}]}, targets: [{name: x, provider: bedrock}]}",
            "there is no operator `$equals`",
        ),
        (
            "{strategy: {mode: conditional, conditions: [{query: {tier: 1}, then: x}]}, targets: [{name: x, provider: bedrock}]}",
            "a field is `metadata.<name>`",
        ),
        (
            "{strategy: {mode: conditional, conditions: [{query: {params.a: {$regex: \"(\"}}, then: x}]}, targets: [{name: x, provider: bedrock}]}",
            "the pattern cannot be used",
        ),
        (
            "{strategy: {mode: conditional, default: y}, targets: [{name: x, provider: bedrock}]}",
            "no target has the name `y`",
        ),
        (
            "{retry: {on_status_codes: [429]}}",
            "c.retry.attempts: `attempts` is missing",
        ),
        (
            "{cache: {mode: none}}",
            "c.cache.mode: `none` is not one of the values",
        ),
        (
            "{request_timeout: 0}",
            "c.request_timeout: expected a whole number, 1 or more",
        ),
        (
            "{retry: {attempts: 1}, requestTimeout: 1, request_timeout: 2}",
            "`request_timeout` is written twice",
        ),
        ("text", "gateway_configs.c: expected a mapping"),
    ] {
        let text = format!("gateway_configs:\n  c: {config}\n");
        let findings = load_text(&text, &[]).unwrap_err().to_string();
        assert!(findings.contains(problem), "{config}\n{findings}");
    }
}

#[test]
fn doubts_about_gateway_configs_are_warnings() {
    for (config, problem) in [
        ("{retry: {attempts: 9}}", "more than 5 are 5"),
        ("{cache: {mode: semantic}}", "it is as `simple`"),
        ("{provider: openai, api_key: k}", "`openai` is not Bedrock"),
        (
            "{retry: {attempts: 1}, virtual_key: prd}",
            "no set called `prd`",
        ),
        ("{retry: {attempts: 1}, retries: 1}", "unknown key"),
        (
            "{retry: {attempts: 1}, input_guardrails: [g]}",
            "not a part of Switchyard",
        ),
        (
            "{retry: {attempts: 1}, aws_access_key_id: k}",
            "half a key pair",
        ),
    ] {
        let text = format!("gateway_configs:\n  c: {config}\n");
        assert!(load_text(&text, &[]).is_ok(), "{}", said(&text, &[]));
        assert!(said(&text, &[]).contains(problem), "{}", said(&text, &[]));
    }
}

#[test]
fn debug_output_of_a_configuration_has_no_secret() {
    let text = "gateway_configs: {c: {provider: bedrock, api_key: hunter2}}\n\
                virtual_keys: [{key: hunter2, metadata: {token: hunter2}}]\n\
                router_settings: {redis_url: \"redis://:hunter2@h\", default_litellm_params: {api_key: hunter2}}\n";
    let config = load_text(text, &[]).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}
