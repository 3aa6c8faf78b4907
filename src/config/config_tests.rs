use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Config, Findings> {
    load_bytes(
        Path::new("config.yaml"),
        text.as_bytes(),
        environment(variables),
        &Overrides::default(),
    )
}

fn good(text: &str, variables: &[(&str, &str)]) -> Config {
    load_text(text, variables).unwrap_or_else(|findings| panic!("{findings}"))
}

/// One deployment with these `litellm_params`, each on a line of its own.
fn deployment(params: &str, variables: &[(&str, &str)]) -> DeploymentConfig {
    let lines: Vec<_> = params
        .lines()
        .map(|line| {
            format!(
                "      {}
",
                line.trim()
            )
        })
        .collect();
    let lines = lines.concat();
    let text = format!(
        "model_list:\n  - model_name: m\n    litellm_params:\n      model: bedrock/x\n{lines}"
    );
    good(&text, variables).deployments.remove(0)
}

fn param<'a>(deployment: &'a DeploymentConfig, name: &str) -> Option<&'a str> {
    deployment
        .params
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.get())
}

#[test]
fn empty_sections_give_the_defaults() {
    let config = good("model_list:\nlitellm_settings:\n", &[]);
    assert_eq!(config.router, RouterSettings::default());
    assert_eq!(config.litellm, LitellmSettings::default());
    assert_eq!(config.general, GeneralSettings::default());
}

#[test]
fn later_layers_win() {
    let text = "router_settings: {num_retries: 1, timeout: 10, stream_timeout: 7}\nlitellm_settings: {json_logs: false}\n";
    let overrides = Overrides::default().set("litellm_settings.json_logs", "true");
    let config = load_bytes(
        Path::new("config.yaml"),
        text.as_bytes(),
        environment(&[
            ("SWITCHYARD_ROUTER_SETTINGS__NUM_RETRIES", "5"),
            ("SWITCHYARD_ROUTER_SETTINGS__MODEL_GROUP_ALIAS", "{Fast: m}"),
            ("SWITCHYARD_PORT", "4000"),
        ]),
        &overrides,
    )
    .unwrap();
    assert_eq!(config.router.num_retries, 5);
    assert_eq!(config.router.timeout, Duration::from_secs(10));
    assert_eq!(config.router.stream_timeout, Some(Duration::from_secs(7)));
    assert_eq!(config.router.aliases[0].name, "Fast");
    assert!(config.litellm.json_logs);
}

#[test]
fn finding_of_a_variable_names_it() {
    let findings = load_text(
        "model_list:\n",
        &[
            ("SWITCHYARD_ROUTER_SETTINGS__TIMEOUT", "soon"),
            ("LITELLM_MASTER_KEY", "sk-k"),
        ],
    )
    .unwrap_err();
    let finding = &findings.0[0];
    assert_eq!(finding.file, "$SWITCHYARD_ROUTER_SETTINGS__TIMEOUT");
    assert_eq!(finding.key, "router_settings.timeout");
    let config = good(
        "model_list:\n",
        &[
            ("SWITCHYARD_ROUTER_SETTINGS__TIMEOUTS", "1"),
            ("LITELLM_MASTER_KEY", "sk-k"),
        ],
    );
    assert_eq!(
        config.warnings[0].hint.as_deref(),
        Some("did you mean `TIMEOUT`?")
    );
}

#[test]
fn keys_that_say_the_same_are_read_in_litellms_order() {
    let config = good(
        "litellm_settings: {num_retries: 4, request_timeout: 20, fallbacks: [{a: [b]}]}\n\
         router_settings: {fallbacks: []}\n",
        &[],
    );
    assert_eq!(config.router.num_retries, 4);
    assert_eq!(config.router.timeout, Duration::from_secs(20));
    let rule = &config.router.fallbacks.general[0];
    assert_eq!(
        (rule.group.as_str(), rule.targets[0].model.as_str()),
        ("a", "b")
    );
    let config = good("model_list:\n", &[("REQUEST_TIMEOUT", "30")]);
    assert_eq!(config.router.timeout, Duration::from_secs(30));
}

#[test]
fn references_are_resolved_everywhere_after_the_files_own_variables() {
    let text = "environment_variables: {REGION: eu-west-1, COPY: os.environ/OUTSIDE}\n\
                model_list:\n\
                - model_name: m\n\
                \x20 litellm_params:\n\
                \x20   model: bedrock/x\n\
                \x20   aws_region_name: os.environ/REGION\n\
                \x20   num_retries: os.environ/RETRIES\n\
                \x20   drop_params: os.environ/DROP\n\
                \x20   additional_drop_params: [os.environ/COPY, plain]\n\
                \x20   requestMetadata: {team: os.environ/COPY, flag: os.environ/DROP}\n\
                \x20   aws_profile_name: os.environ/UNSET\n";
    let config = good(
        text,
        &[("OUTSIDE", "out"), ("RETRIES", "3"), ("DROP", "True")],
    );
    let deployment = &config.deployments[0];
    assert_eq!(deployment.aws.region.as_deref(), Some("eu-west-1"));
    assert_eq!(deployment.num_retries, Some(3));
    assert_eq!(deployment.drop_params, Some(true));
    assert_eq!(deployment.additional_drop_params, ["out", "plain"]);
    assert_eq!(
        param(deployment, "requestMetadata"),
        Some(r#"{"team":"out","flag":true}"#)
    );
    assert_eq!(deployment.aws.profile, None);
    assert_eq!(config.environment.get("COPY"), Some("out"));
    assert_eq!(Environment::of_process().get("COPY"), None);
    let unset: Vec<_> = config
        .warnings
        .iter()
        .filter(|finding| finding.message.contains("`UNSET`"))
        .collect();
    assert_eq!(unset.len(), 1);
    assert_eq!(
        unset[0].key,
        "model_list[0].litellm_params.aws_profile_name"
    );
    assert_eq!((unset[0].line, unset[0].column), (11, 23));
}

#[test]
fn secrets_are_in_no_message_and_no_debug_output() {
    let text = "model_list:\n- model_name: m\n  litellm_params:\n    model: bedrock/x\n    \
                aws_secret_access_key: hunter2\n    api_kee: hunter2\n    rpm: hunter2\n    timeout: os.environ/S\n\
                general_settings: {master_key: [hunter2], master_kye: hunter2}\n";
    let findings = load_text(text, &[("S", "hunter2")]).unwrap_err();
    assert!(findings.0.len() >= 5, "{findings}");
    assert!(!findings.to_string().contains("hunter2"), "{findings}");
    assert!(!to_json(&findings).to_string().contains("hunter2"));
    let deployment = deployment(
        "aws_secret_access_key: hunter2\napi_key: hunter2\naws_session_token: hunter2",
        &[],
    );
    assert!(!format!("{deployment:?}").contains("hunter2"));
}

#[test]
fn master_key_whose_variable_is_missing_is_remembered() {
    let text = "general_settings: {master_key: os.environ/KEY}\n";
    assert_eq!(
        good(text, &[]).general.master_key_missing.as_deref(),
        Some("KEY")
    );
    assert_eq!(
        good(text, &[("KEY", "")])
            .general
            .master_key_missing
            .as_deref(),
        Some("KEY")
    );
    let set = good(text, &[("KEY", "sk-long")]).general;
    assert_eq!(set.master_key, Some(Secret::new("sk-long")));
    assert_eq!(set.master_key_missing, None);
    let fallback = good("model_list:\n", &[("LITELLM_MASTER_KEY", "sk-long")]);
    assert_eq!(fallback.general.master_key, Some(Secret::new("sk-long")));
    assert!(fallback.warnings.is_empty());
}

#[test]
fn what_is_not_the_routers_goes_into_the_call() {
    let deployment = deployment(
        "max_tokens: 100\ntemperature: 0.5\nsome_field: {a: [1, yes]}\nrpm: 5\ntags: [x]\nstop: END",
        &[],
    );
    let names: Vec<_> = deployment
        .params
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["max_tokens", "temperature", "some_field", "stop"]);
    assert_eq!(param(&deployment, "some_field"), Some(r#"{"a":[1,true]}"#));
    assert_eq!(param(&deployment, "stop"), Some(r#""END""#));
    assert_eq!(deployment.limits.rpm, Some(5));
}

#[test]
fn prices_and_the_sdks_own_keys_are_not_sent() {
    let text = "model_list: [{model_name: m, litellm_params: {model: bedrock/x, base_model: b, caching: false, \
                input_cost_per_token_above_200k_tokens: 1e-06, litellm_session_id: s, max_tokens: 3.0}}]";
    let config = good(text, &[("LITELLM_MASTER_KEY", "sk-k")]);
    let names: Vec<_> = config.deployments[0]
        .params
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["max_tokens"]);
    assert_eq!(param(&config.deployments[0], "max_tokens"), Some("3"));
    assert_eq!(config.deployments[0].info.base_model.as_deref(), Some("b"));
    assert_eq!(config.warnings.len(), 1);
}

#[test]
fn line_ends_and_byte_order_marks_of_windows_are_no_matter() {
    let text = "\u{feff}model_list:\r\n  - model_name: 'ö'\r\n    litellm_params:\r\n      model: bedrock/x\r\n      rpm: x # ö\r\n";
    let findings = load_text(text, &[("LITELLM_MASTER_KEY", "sk-k")]).unwrap_err();
    assert_eq!(
        (findings.0[0].line, findings.0[0].column),
        (5, 12),
        "{findings}"
    );
}

#[test]
fn request_default_of_another_type_is_sent_with_a_warning() {
    let text = "model_list: [{model_name: m, litellm_params: {model: bedrock/x, temperature: <your-temp>, n: 017}}]";
    let config = good(text, &[("LITELLM_MASTER_KEY", "sk-k")]);
    assert_eq!(
        param(&config.deployments[0], "temperature"),
        Some(r#""<your-temp>""#)
    );
    assert_eq!(param(&config.deployments[0], "n"), Some("15"));
    assert_eq!(config.warnings[0].message, "expected a number, found text");
}

#[test]
fn credentials_fill_only_gaps() {
    let text = "credential_list:\n\
                - credential_name: prod\n\
                \x20 credential_values: {aws_region_name: us-west-2, aws_access_key_id: os.environ/ID, aws_role_name: r}\n\
                model_list:\n\
                - model_name: m\n\
                \x20 litellm_params: {model: bedrock/x, litellm_credential_name: prod, aws_region_name: eu-west-1}\n";
    let config = good(text, &[("ID", "AKIA")]);
    let deployment = &config.deployments[0];
    assert_eq!(deployment.aws.region.as_deref(), Some("eu-west-1"));
    assert_eq!(deployment.aws.access_key_id.as_deref(), Some("AKIA"));
    assert_eq!(deployment.aws.role.as_deref(), Some("r"));
    assert_eq!(deployment.credential_name.as_deref(), Some("prod"));
}

#[test]
fn every_key_of_the_endpoint_and_the_credentials_has_its_place() {
    let deployment = deployment(
        "region_name: us-east-2\napi_key: \"\"\naws_session_tags: [{Key: b, Value: 2}, {Key: a, Value: x}]\n\
         ssl_verify: no\nextra_headers: {X-Team: 7}\nrequest_timeout: 1.5\nstream_timeout: 0\n\
         configurable_clientside_auth_params: [api_key, {api_base: \"https://.*\"}]\nkeepalive_seconds: 15",
        &[],
    );
    assert_eq!(deployment.aws.region.as_deref(), Some("us-east-2"));
    assert_eq!(deployment.aws.api_key, Some(Secret::new("")));
    let tags = [
        ("a".to_owned(), "x".to_owned()),
        ("b".to_owned(), "2".to_owned()),
    ];
    assert_eq!(deployment.aws.session_tags, tags);
    assert_eq!(deployment.aws.ssl_verify.as_deref(), Some("false"));
    assert_eq!(
        deployment.extra_headers,
        [("X-Team".to_owned(), "7".to_owned())]
    );
    assert_eq!(deployment.timeout, Some(Duration::from_millis(1500)));
    assert_eq!(deployment.stream_timeout, None);
    let [key, base] = deployment.clientside_params.as_slice() else {
        panic!("two parameters");
    };
    assert!(key.allows("api_key", "any"));
    assert!(base.allows("api_base", "https://any") && !base.allows("api_base", "http://any"));
    assert_eq!(deployment.keepalive, Some(Duration::from_secs(15)));
}

#[test]
fn unusable_pattern_of_a_clientside_parameter_is_an_error() {
    for (value, found) in [("\"(\"", "cannot be used"), ("[a]", "expected a pattern")] {
        let text = format!(
            "model_list:\n- model_name: m\n\x20 litellm_params: {{model: bedrock/x, \
             configurable_clientside_auth_params: [api_key, {{api_base: {value}}}]}}\n"
        );
        let findings = load_text(&text, &[]).unwrap_err().to_string();
        assert!(findings.contains(found), "{findings}");
        let key = "model_list[0].litellm_params.configurable_clientside_auth_params[1].api_base";
        assert!(findings.contains(key), "{findings}");
    }
}

#[test]
fn model_info_keeps_what_it_does_not_know() {
    let text = "model_list:\n\
                - model_name: m\n\
                \x20 rpm: 3\n\
                \x20 litellm_params: {model: bedrock/x, tpm: 9}\n\
                \x20 model_info: {id: 7, mode: chat, supports_vision: no, max_tokens: 10, order: 2, team: [a], rpm: 8}\n";
    let deployment = good(text, &[]).deployments.remove(0);
    assert_eq!(deployment.id.as_deref(), Some("7"));
    assert_eq!(deployment.info.flags.get("supports_vision"), Some(&false));
    assert_eq!(deployment.info.max_output_tokens, Some(10));
    assert_eq!(
        (deployment.limits.rpm, deployment.limits.tpm),
        (Some(3), Some(9))
    );
    assert_eq!(deployment.limits.order, Some(2));
    assert!(
        deployment
            .info
            .extra
            .iter()
            .any(|(name, value)| name == "team" && value.get() == r#"["a"]"#)
    );
}

#[test]
fn every_capability_of_the_catalog_may_be_set_in_model_info() {
    for line in include_str!("../catalog/flag.rs").lines() {
        let Some(name) = line
            .trim()
            .strip_prefix("/// `")
            .and_then(|line| line.strip_suffix("`."))
        else {
            continue;
        };
        let text = format!(
            "model_list: [{{model_name: m, litellm_params: {{model: bedrock/x}}, model_info: {{{name}: true}}}}]"
        );
        let flags = &good(&text, &[]).deployments[0].info.flags;
        assert_eq!(flags.get(name), Some(&true), "{name}");
    }
}

#[test]
fn entries_are_for_bedrock_and_for_this_environment() {
    let entry = |params: &str, info: &str| {
        format!("- model_name: m\n  litellm_params: {{{params}}}\n  model_info: {{{info}}}\n")
    };
    let text = format!(
        "model_list:\n{}{}{}{}{}{}{}",
        entry("model: bedrock/converse/x", ""),
        entry("model: anthropic.claude-3-haiku-20240307-v1:0", ""),
        entry(
            "model: \"arn:aws:bedrock:us-east-1:1:application-inference-profile/a\"",
            ""
        ),
        entry("model: my-model, custom_llm_provider: bedrock", ""),
        entry(
            "model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY",
            ""
        ),
        entry("model: claude-3-haiku, custom_llm_provider: anthropic", ""),
        entry("model: bedrock/x", "supported_environments: [production]"),
    );
    let config = good(
        &text,
        &[
            ("LITELLM_ENVIRONMENT", "staging"),
            ("LITELLM_MASTER_KEY", "sk-k"),
        ],
    );
    assert_eq!(config.deployments.len(), 4);
    let keys: Vec<_> = config
        .warnings
        .iter()
        .map(|finding| finding.key.as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "model_list[4].litellm_params.model",
            "model_list[5].litellm_params.model"
        ]
    );
}

#[test]
fn merge_keys_and_anchors_work_as_in_pyyaml() {
    let text = "model_list:\n\
                - model_name: a\n\
                \x20 litellm_params: &base {model: bedrock/x, aws_region_name: us-east-1, drop_params: on}\n\
                - model_name: b\n\
                \x20 litellm_params: {<<: *base, model: bedrock/y}\n";
    let config = good(text, &[]);
    assert_eq!(config.deployments[1].model, "bedrock/y");
    assert_eq!(
        config.deployments[1].aws.region.as_deref(),
        Some("us-east-1")
    );
    assert_eq!(config.deployments[1].drop_params, Some(true));
}

#[test]
fn order_of_the_file_is_kept() {
    let text = "router_settings: {model_group_alias: {z: a, y: a, x: {model: a, hidden: true}}, \
                fallbacks: [{z: [b, {model: c}]}, {\"*\": [a]}]}\n";
    let config = good(text, &[]);
    let names: Vec<_> = config
        .router
        .aliases
        .iter()
        .map(|alias| alias.name.as_str())
        .collect();
    assert_eq!(names, ["z", "y", "x"]);
    assert!(config.router.aliases[2].hidden);
    let rules = &config.router.fallbacks.general;
    let targets: Vec<_> = (rules[0].targets.iter())
        .map(|target| target.model.as_str())
        .collect();
    assert_eq!(targets, ["b", "c"]);
    assert_eq!(rules[1].group, "*");
}

#[test]
fn included_files_are_merged_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    let entry = |name: &str| {
        format!("model_list: [{{model_name: {name}, litellm_params: {{model: bedrock/x}}}}]\n")
    };
    let root = |mode: &str| {
        format!(
            "{}include: [sub/b.yaml]\ninclude_merge: {mode}\n\
             litellm_settings: {{drop_params: true, modify_params: true}}\n",
            entry("a")
        )
    };
    write(
        "sub/b.yaml",
        &format!("{}include: [c.yaml, ../a.yaml, d.yaml]\n", entry("b")),
    );
    write("sub/c.yaml", "litellm_settings: {modify_params: false}\n");
    write(
        "d.yaml",
        &format!("{}router_settings: {{timeouts: 1}}\n", entry("d")),
    );
    write("a.yaml", &root("replace"));
    let path = folder.path().join("a.yaml");
    let config = load(&path, Environment::default()).unwrap();
    let names: Vec<_> = config
        .deployments
        .iter()
        .map(|entry| entry.model_name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "d"]);
    assert!(!config.litellm.drop_params && !config.litellm.modify_params);
    assert_eq!(config.files.len(), 4);
    assert!(
        config
            .warnings
            .iter()
            .any(|finding| finding.message.contains("lost: `drop_params`"))
    );
    let typo = config
        .warnings
        .iter()
        .find(|finding| finding.key == "router_settings.timeouts")
        .unwrap();
    assert!(typo.file.ends_with("d.yaml"));
    write("a.yaml", &root("deep"));
    let deep = load(&path, Environment::default()).unwrap();
    assert!(deep.litellm.drop_params && !deep.litellm.modify_params);
    assert_ne!(deep.hash, config.hash);
}

#[test]
fn files_that_are_too_big_or_too_deep_are_refused() {
    let big = format!("model_list: [{}]", " ".repeat(9 * 1024 * 1024));
    assert!(
        load_text(&big, &[])
            .unwrap_err()
            .to_string()
            .contains("larger than 8 MiB")
    );
    for (text, message) in [
        (
            format!("a: {}{}", "[".repeat(100), "]".repeat(100)),
            "nested more than 64 levels deep",
        ),
        // A parser that looks at these would take minutes.
        (
            format!("a: 1\nb: {}", "[".repeat(1_000_000)),
            "config.yaml:2:260: error: more than 256 brackets are open here",
        ),
        (
            "{a: ".repeat(1_000_000),
            "config.yaml:1:1025: error: more than 256 brackets are open here",
        ),
        ("- ".repeat(100_000), "nested more than 64 levels deep"),
    ] {
        let findings = load_text(&text, &[]).unwrap_err();
        assert!(findings.to_string().contains(message), "{findings}");
    }
    let bytes = load_bytes(
        Path::new("c"),
        b"a: \xff",
        Environment::default(),
        &Overrides::default(),
    );
    assert!(bytes.unwrap_err().to_string().contains("not UTF-8"));
}

#[test]
fn check_document_has_the_promised_members() {
    let findings = load_text("router_settings: {routing_strategy: leastbusy}\n", &[]).unwrap_err();
    let document = to_json(&findings);
    assert_eq!(document["ok"], false);
    let finding = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["severity"] == "error")
        .unwrap();
    assert_eq!(finding["key"], "router_settings.routing_strategy");
    assert_eq!(finding["hint"], "did you mean `least-busy`?");
    assert_eq!(
        (finding["line"].as_u64(), finding["column"].as_u64()),
        (Some(1), Some(37))
    );
    assert_eq!(
        to_json(&Findings::default()).to_string(),
        r#"{"ok":true,"findings":[]}"#
    );
}

/// A configuration with something of everything, for the properties to break.
const SAMPLE: &str = "include: []\nmodel_list:\n  - model_name: &n claude\n    litellm_params: &p\n      model: bedrock/x\n      \
    timeout: 12:30\n      tags: [a, 'b', \"c\"]\n      tools: [{type: function}]\n  - model_name: *n\n    litellm_params: {<<: *p, rpm: 017}\n\
    router_settings:\n  fallbacks: [{claude: [claude]}]\n  model_group_alias: {a: {model: claude, hidden: yes}}\n\
    environment_variables: {A: os.environ/B}\ngeneral_settings: {master_key: os.environ/A, unknown_model_status: 404}\n";

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let loaded = load_bytes(Path::new("c.yaml"), &bytes, Environment::default(), &Overrides::default());
        prop_assert!(loaded.map_or_else(|findings| findings.has_errors(), |_| true));
    }

    #[test]
    fn no_text_made_of_yaml_makes_it_panic(
        text in "([-?:,\\[\\]{}#&*!|>'\"%@`~ \t\n]|a|b|<<|os\\.environ/X|model_list|[0-9]){0,120}"
    ) {
        let loaded = load_text(&text, &[]);
        prop_assert!(loaded.map_or_else(|findings| findings.has_errors(), |_| true));
    }

    #[test]
    fn no_mutation_makes_it_panic(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..12_usize, "[-:\\[\\]{}&*!|>'\"\\n a0~<]{0,6}"), 1..5)
    ) {
        let mut text: Vec<char> = SAMPLE.chars().collect();
        for (place, cut, insert) in edits {
            let place = place.index(text.len());
            let end = (place + cut).min(text.len());
            text.splice(place..end, insert.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(findings) = load_text(&text, &[("B", "1")]) {
            prop_assert!(findings.has_errors());
        }
    }
}
