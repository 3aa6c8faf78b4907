use super::*;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn runtime(overrides: Overrides<'_>, variables: &[(&str, &str)]) -> String {
    endpoint(
        Service::Runtime,
        "us-east-1",
        overrides,
        Precedence::RuntimeEndpoint,
        &environment(variables),
    )
    .unwrap()
}

fn at(runtime_endpoint: &'static str) -> Overrides<'static> {
    Overrides {
        runtime_endpoint: Some(runtime_endpoint),
        api_base: None,
    }
}

#[test]
fn hosts_follow_partition_and_variant() {
    let none = environment(&[]);
    for (service, region, host) in [
        (
            Service::Runtime,
            "us-east-1",
            "bedrock-runtime.us-east-1.amazonaws.com",
        ),
        (
            Service::Runtime,
            "cn-north-1",
            "bedrock-runtime.cn-north-1.amazonaws.com.cn",
        ),
        (
            Service::Runtime,
            "us-gov-west-1",
            "bedrock-runtime.us-gov-west-1.amazonaws.com",
        ),
        (
            Service::Runtime,
            "us-iso-east-1",
            "bedrock-runtime.us-iso-east-1.c2s.ic.gov",
        ),
        (
            Service::Runtime,
            "us-isob-east-1",
            "bedrock-runtime.us-isob-east-1.sc2s.sgov.gov",
        ),
        (
            Service::Runtime,
            "us-isof-south-1",
            "bedrock-runtime.us-isof-south-1.csp.hci.ic.gov",
        ),
        (
            Service::Runtime,
            "eu-isoe-west-1",
            "bedrock-runtime.eu-isoe-west-1.cloud.adc-e.uk",
        ),
        (
            Service::AgentRuntime,
            "eu-west-1",
            "bedrock-agent-runtime.eu-west-1.amazonaws.com",
        ),
        (
            Service::ControlPlane,
            "eu-west-1",
            "bedrock.eu-west-1.amazonaws.com",
        ),
        (
            Service::AgentBuildTime,
            "eu-west-1",
            "bedrock-agent.eu-west-1.amazonaws.com",
        ),
        (
            Service::AgentCore,
            "eu-west-1",
            "bedrock-agentcore.eu-west-1.amazonaws.com",
        ),
        (Service::Sts, "eu-west-1", "sts.eu-west-1.amazonaws.com"),
    ] {
        assert_eq!(
            default_endpoint(service, region, &none),
            format!("https://{host}")
        );
    }
    let fips = environment(&[("AWS_USE_FIPS_ENDPOINT", "true")]);
    assert_eq!(
        default_endpoint(Service::Runtime, "us-gov-west-1", &fips),
        "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com"
    );
    let both = environment(&[
        ("AWS_USE_FIPS_ENDPOINT", "TRUE"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
    ]);
    assert_eq!(
        default_endpoint(Service::Runtime, "us-east-1", &both),
        "https://bedrock-runtime-fips.us-east-1.api.aws"
    );
}

#[test]
fn overrides_win_in_the_order_of_the_call() {
    let both = Overrides {
        runtime_endpoint: Some("http://runtime.test/"),
        api_base: Some("http://base.test/prefix/"),
    };
    let base = Overrides {
        runtime_endpoint: None,
        ..both
    };
    let variable = [("AWS_BEDROCK_RUNTIME_ENDPOINT", "http://env.test")];
    assert_eq!(runtime(both, &variable), "http://runtime.test");
    assert_eq!(runtime(base, &variable), "http://env.test");
    assert_eq!(runtime(base, &[]), "http://base.test/prefix");
    let sdk = [("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://sdk.test")];
    assert_eq!(runtime(base, &sdk), "http://base.test/prefix");
    assert_eq!(runtime(Overrides::default(), &sdk), "http://sdk.test");

    let invoke = |overrides, variables: &[(&str, &str)]| {
        let environment = environment(variables);
        endpoint(
            Service::Runtime,
            "us-east-1",
            overrides,
            Precedence::ApiBase,
            &environment,
        )
        .unwrap()
    };
    assert_eq!(invoke(both, &variable), "http://base.test/prefix");
    assert_eq!(
        invoke(at("http://runtime.test"), &variable),
        "http://runtime.test"
    );
    assert_eq!(invoke(Overrides::default(), &variable), "http://env.test");
}

#[test]
fn other_services_have_their_own_variables() {
    let environment = environment(&[
        ("AWS_BEDROCK_RUNTIME_ENDPOINT", "http://runtime.test"),
        ("AWS_ENDPOINT_URL_BEDROCK", "http://control.test"),
    ]);
    let of = |service| {
        let overrides = Overrides::default();
        endpoint(
            service,
            "us-east-1",
            overrides,
            Precedence::RuntimeEndpoint,
            &environment,
        )
        .unwrap()
    };
    assert_eq!(of(Service::AgentRuntime), "http://runtime.test");
    assert_eq!(of(Service::ControlPlane), "http://control.test");
    assert_eq!(
        of(Service::AgentBuildTime),
        "https://bedrock-agent.us-east-1.amazonaws.com"
    );
}

#[test]
fn hosts_of_a_neighbouring_service_are_mended() {
    for (written, meant) in [
        (
            "https://bedrock.us-gov-east-1.amazonaws.com",
            "https://bedrock-runtime.us-gov-east-1.amazonaws.com",
        ),
        (
            "https://bedrock-fips.us-gov-east-1.amazonaws.com/",
            "https://bedrock-runtime-fips.us-gov-east-1.amazonaws.com",
        ),
        (
            "bedrock.us-east-1.amazonaws.com",
            "https://bedrock-runtime.us-east-1.amazonaws.com",
        ),
        (
            "https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com",
            "https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com",
        ),
        ("https://bedrock.example.com", "https://bedrock.example.com"),
        (
            "https://bedrock-agent.us-east-1.amazonaws.com",
            "https://bedrock-agent.us-east-1.amazonaws.com",
        ),
    ] {
        assert_eq!(runtime(at(written), &[]), meant);
    }
    let agent = endpoint(
        Service::AgentRuntime,
        "us-east-1",
        at("https://bedrock-runtime.us-east-1.amazonaws.com"),
        Precedence::RuntimeEndpoint,
        &environment(&[]),
    );
    assert_eq!(
        agent.unwrap(),
        "https://bedrock-agent-runtime.us-east-1.amazonaws.com"
    );
}

#[test]
fn overrides_that_are_no_urls_are_refused_without_their_password() {
    for written in [
        "ftp://x",
        "http://",
        "http://h/?q=1",
        "http://user:pass@h/",
        "http://h h",
    ] {
        let result = endpoint(
            Service::Runtime,
            "us-east-1",
            Overrides {
                runtime_endpoint: Some(written),
                api_base: None,
            },
            Precedence::RuntimeEndpoint,
            &environment(&[]),
        );
        let message = result.unwrap_err().to_string();
        assert!(!message.contains("pass@"), "{message}");
    }
}

#[test]
fn region_is_found_in_order() {
    let all = [
        ("AWS_REGION_NAME", "r4"),
        ("AWS_REGION", "r5"),
        ("AWS_DEFAULT_REGION", "r6"),
    ];
    let find = |configured, of_model, skip: usize, of_profile, endpoint| {
        region(
            configured,
            of_model,
            &environment(&all[skip..]),
            of_profile,
            endpoint,
        )
        .unwrap()
    };
    let host = Some("https://vpce-1.bedrock-runtime.eu-west-2.vpce.amazonaws.com");
    assert_eq!(find(Some("r1"), Some("r2"), 0, Some("r7"), host), "r1");
    assert_eq!(find(Some(""), Some("r2"), 0, Some("r7"), host), "r2");
    assert_eq!(find(None, None, 0, Some("r7"), host), "r4");
    assert_eq!(find(None, None, 1, Some("r7"), host), "r5");
    assert_eq!(find(None, None, 2, Some("r7"), host), "r6");
    assert_eq!(find(None, None, 3, Some("r7"), host), "r7");
    assert_eq!(find(None, None, 3, None, host), "eu-west-2");
    assert_eq!(
        find(None, None, 3, None, Some("http://127.0.0.1:1")),
        "us-west-2"
    );
}

#[test]
fn region_that_would_change_the_host_is_refused() {
    for bad in ["us-east-1.evil.test", "us/east", "US-EAST-1", "a@b", "ü"] {
        let error = region(Some(bad), None, &environment(&[]), None, None).unwrap_err();
        assert!(matches!(error, UrlError::BadRegion(_)), "{bad}");
    }
}

#[test]
fn ids_are_encoded_whole() {
    let base = "https://h";
    for (id, path) in [
        (
            "anthropic.claude-3-haiku-20240307-v1:0",
            "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse",
        ),
        (
            "arn:aws:bedrock:us-east-1:1:imported-model/a",
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aimported-model%2Fa/converse",
        ),
        ("a~b_c[1m]ü", "/model/a~b_c%5B1m%5D%C3%BC/converse"),
    ] {
        assert_eq!(converse_url(base, id, false), format!("{base}{path}"));
        assert_eq!(converse_url(base, id, true), format!("{base}{path}-stream"));
    }
}

fn mantle(overrides: Overrides<'_>, precedence: Precedence, variables: &[(&str, &str)]) -> String {
    let environment = environment(variables);
    endpoint(
        Service::Mantle,
        "eu-west-1",
        overrides,
        precedence,
        &environment,
    )
    .unwrap()
}

#[test]
fn mantle_has_a_host_and_overrides_of_its_own() {
    let none = Overrides::default();
    for variables in [&[][..], &[("AWS_USE_FIPS_ENDPOINT", "true")]] {
        assert_eq!(
            mantle(none, Precedence::ApiBase, variables),
            "https://bedrock-mantle.eu-west-1.api.aws"
        );
    }
    let variable = [
        ("BEDROCK_MANTLE_API_BASE", "https://m/openai/v1/"),
        ("AWS_BEDROCK_RUNTIME_ENDPOINT", "https://r"),
    ];
    let both = Overrides {
        runtime_endpoint: Some("https://own"),
        api_base: Some("https://base/v1"),
    };
    for (overrides, precedence, expected) in [
        (none, Precedence::ApiBase, "https://m"),
        (both, Precedence::ApiBase, "https://base"),
        (both, Precedence::ApiBaseAlone, "https://base"),
        (at("https://own"), Precedence::ApiBase, "https://own"),
        // `bedrock_mantle/` is no part of the runtime.
        (at("https://own"), Precedence::ApiBaseAlone, "https://m"),
    ] {
        assert_eq!(mantle(overrides, precedence, &variable), expected);
    }
}
