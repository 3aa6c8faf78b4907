//! Paths: what is refused, where the others lead, and how a model is named in them.

use http::StatusCode;
use proptest::prelude::*;
use url::Url;

use super::*;
use crate::config::Environment;
use crate::provider::bedrock::url::{Overrides, Precedence, Service, endpoint};

fn parse(method: &Method, path: &str) -> Result<RawPath> {
    RawPath::parse(method, path)
}

fn post(path: &str) -> RawPath {
    parse(&Method::POST, path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn request(method: &Method, path: &str, query: Option<&str>, body: &str) -> RawRequest {
    RawRequest {
        method: method.clone(),
        path: parse(method, path).unwrap_or_else(|error| panic!("{path}: {error}")),
        query: query.map(str::to_owned),
        headers: Vec::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn model(text: &str) -> ModelId {
    ModelId::parse(text, None, None).unwrap()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, one row for each path")]
fn each_path_belongs_to_one_service() {
    use Service::{AgentBuildTime, AgentRuntime, ControlPlane, Runtime};
    for (method, path, service, operation) in [
        ("POST", "/model/m/converse", Runtime, Operation::Converse),
        (
            "POST",
            "/v2/model/m/converse-stream",
            Runtime,
            Operation::ConverseStream,
        ),
        ("POST", "/model/m/invoke", Runtime, Operation::Invoke),
        (
            "POST",
            "/model/m/invoke-with-response-stream",
            Runtime,
            Operation::InvokeStream,
        ),
        (
            "POST",
            "/model/m/count-tokens",
            Runtime,
            Operation::CountTokens,
        ),
        (
            "POST",
            "/guardrail/g/version/1/apply",
            Runtime,
            Operation::Other,
        ),
        (
            "POST",
            "/guardrail-checks/invoke",
            Runtime,
            Operation::Other,
        ),
        ("POST", "/async-invoke", Runtime, Operation::AsyncInvoke),
        ("GET", "/async-invoke", Runtime, Operation::Other),
        (
            "POST",
            "/openai/v1/chat/completions",
            Runtime,
            Operation::OpenAi,
        ),
        ("POST", "/rerank", AgentRuntime, Operation::Other),
        (
            "POST",
            "/retrieveAndGenerate",
            AgentRuntime,
            Operation::Other,
        ),
        (
            "POST",
            "/retrieveAndGenerateStream",
            AgentRuntime,
            Operation::OtherStream,
        ),
        (
            "POST",
            "/knowledgebases/k/retrieve",
            AgentRuntime,
            Operation::Other,
        ),
        (
            "POST",
            "/agents/a/agentAliases/b/sessions/s/text",
            AgentRuntime,
            Operation::Agent,
        ),
        (
            "DELETE",
            "/agents/a/agentAliases/b/memories",
            AgentRuntime,
            Operation::Other,
        ),
        ("POST", "/agents/s", AgentRuntime, Operation::Agent),
        ("POST", "/agents/a/", AgentBuildTime, Operation::Other),
        ("POST", "/agents/", AgentBuildTime, Operation::Other),
        ("GET", "/agents/a", AgentBuildTime, Operation::Other),
        (
            "POST",
            "/flows/f/aliases/a",
            AgentRuntime,
            Operation::OtherStream,
        ),
        ("POST", "/flows/f/aliases", AgentBuildTime, Operation::Other),
        (
            "GET",
            "/flows/f/aliases/a",
            AgentBuildTime,
            Operation::Other,
        ),
        ("GET", "/flows/f/executions", AgentRuntime, Operation::Other),
        (
            "POST",
            "/flows/f/aliases/a/executions/e/stop",
            AgentRuntime,
            Operation::Other,
        ),
        ("GET", "/knowledgebases/k", AgentBuildTime, Operation::Other),
        ("GET", "/prompts/p/", AgentBuildTime, Operation::Other),
        ("GET", "/inference-profiles", ControlPlane, Operation::Other),
        ("DELETE", "/guardrails/g", ControlPlane, Operation::Other),
        (
            "POST",
            "/listTagsForResource",
            ControlPlane,
            Operation::Other,
        ),
    ] {
        let method = Method::try_from(method).unwrap();
        let path = parse(&method, &format!("/bedrock{path}")).unwrap();
        assert_eq!(
            (path.service(), path.operation()),
            (service, operation),
            "{path:?}"
        );
    }
}

#[test]
fn what_bedrock_does_not_have_is_not_found() {
    for path in [
        "/bedrock",
        "/bedrock/",
        "/bedrockmodel/m/converse",
        "/bedrock/nothing",
        "/bedrock/model",
        "/bedrock/model/m",
        "/bedrock/model/m/",
        "/bedrock/model/m/nonsense",
        "/bedrock/%6dodel/m/converse",
        "/bedrock/MODEL/m/converse",
        "/bedrock/v2",
        "/bedrock/v3/model/m/converse",
        "/other/model/m/converse",
    ] {
        let error = parse(&Method::POST, path).unwrap_err();
        assert_eq!(error.status(), StatusCode::NOT_FOUND, "{path}");
    }
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
        let error = parse(&method, "/bedrock/model/m/converse").unwrap_err();
        assert_eq!(error.status(), StatusCode::NOT_FOUND, "{method}");
    }
    let both = "/bedrock/model/m/invoke-with-bidirectional-stream";
    let error = parse(&Method::POST, both).unwrap_err();
    assert_eq!(error.status(), StatusCode::NOT_IMPLEMENTED);
}

#[test]
fn what_could_be_read_as_another_place_is_refused() {
    for path in [
        "/model/../../evil.example/converse",
        "/model/m/../converse",
        "/model/./converse",
        "/model/%2e%2e/converse",
        "/model/%2E%2e%2Fguardrails/converse",
        "/model/%252e%252e/converse",
        "/model/%25252e%25252e/converse",
        "/model/m%2F..%2F..%2Fguardrails/invoke",
        "/model/m%5C..%5Cx/invoke",
        "/model/m\\..\\x/invoke",
        "/model//evil.example/converse",
        "/model/m%2F%2Fevil/converse",
        "/model/m%00/converse",
        "/model/m%0d%0aHost:%20evil/converse",
        "/model/m%7f/converse",
        "/model/m%zz/converse",
        "/model/m%/converse",
        "/model/m%4/converse",
        "/model/m%ff/converse",
        "/model/m /converse",
        "/model/{m}/converse",
        "/model/m\"/converse",
        "/model/gr\u{fc}n/converse",
        "/model/%20/converse",
        "/model/%2520/converse",
        "/model/m%2525252541/converse",
        "//model/m/converse",
        "/inference-profiles/..;/foundation-models/..",
    ] {
        let path = format!("/bedrock{path}");
        match parse(&Method::POST, &path) {
            Err(error) => assert!(
                matches!(error.status().as_u16(), 400 | 404),
                "{path}: {error}"
            ),
            Ok(read) => panic!("{path} was read as {read:?}"),
        }
    }
    let long = format!("/bedrock/model/{}/converse", "m".repeat(9000));
    let error = parse(&Method::POST, &long).unwrap_err();
    assert_eq!(error.status(), StatusCode::URI_TOO_LONG);
}

#[test]
fn schemes_hosts_and_users_in_a_path_stay_in_the_path() {
    for id in [
        "https:%2F%2Fevil.example%2F",
        "@evil.example",
        "user:pass@evil.example",
        "evil.example:443",
        "http:",
        "169.254.169.254",
    ] {
        for path in [
            format!("/model/{id}/converse"),
            format!("/guardrail/{id}/version/1/apply"),
        ] {
            let Ok(read) = parse(&Method::POST, &format!("/bedrock{path}")) else {
                continue;
            };
            let endpoint = "https://bedrock-runtime.us-west-2.amazonaws.com";
            let url = Url::parse(&format!("{endpoint}{}", read.naming(None))).unwrap();
            assert_eq!(
                url.host_str(),
                Some("bedrock-runtime.us-west-2.amazonaws.com"),
                "{path}"
            );
            assert_eq!(url.path(), path);
        }
    }
}

#[test]
fn model_is_named_as_it_was_written_unless_another_is_meant() {
    let arn = "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/abc";
    let encoded =
        "arn%3Aaws%3Abedrock%3Aus-west-2%3A123456789012%3Aapplication-inference-profile%2Fabc";
    for (written, id, sent) in [
        (
            "amazon.titan-embed-text-v2:0",
            "amazon.titan-embed-text-v2:0",
            "amazon.titan-embed-text-v2:0",
        ),
        ("a.b-v1%3a0", "a.b-v1:0", "a.b-v1%3a0"),
        (encoded, arn, encoded),
        (arn, arn, encoded),
        ("mine", arn, encoded),
        (
            "team/mine",
            "amazon.nova-lite-v1:0",
            "amazon.nova-lite-v1%3A0",
        ),
    ] {
        let path = post(&format!("/bedrock/model/{written}/invoke"));
        assert_eq!(
            path.naming(Some(id)),
            format!("/model/{sent}/invoke"),
            "{written}"
        );
    }
    assert_eq!(
        post("/bedrock/model/team/mine/invoke").model(),
        Some("team/mine")
    );
    assert_eq!(
        post("/bedrock/model/a.b-v1%3A0/invoke").model(),
        Some("a.b-v1:0")
    );
    assert_eq!(post("/bedrock/rerank").naming(Some("x")), "/rerank");
}

#[test]
fn request_is_written_for_its_service() {
    let asked = request(
        &Method::GET,
        "/bedrock/inference-profiles",
        Some("type=SYSTEM_DEFINED"),
        "",
    );
    let wire = asked
        .wire(
            "https://bedrock.us-west-2.amazonaws.com",
            Naming::Nobody,
            &[],
        )
        .unwrap();
    assert_eq!(
        wire.url,
        "https://bedrock.us-west-2.amazonaws.com/inference-profiles?type=SYSTEM_DEFINED"
    );
    assert_eq!((wire.method, wire.service), (Method::GET, "bedrock"));
}

#[test]
fn deployment_decides_what_is_sent_in_the_place_of_its_name() {
    let claude = model("bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0");
    let sent = |action: &str, naming: Naming<'_>| {
        let asked = request(
            &Method::POST,
            &format!("/bedrock/model/mine/{action}"),
            None,
            "{}",
        );
        let wire = asked.wire("http://h", naming, &[("X-Own".to_owned(), "1".to_owned())]);
        wire.map(|wire| {
            assert_eq!(wire.headers.len(), 1);
            wire.url
        })
    };
    assert_eq!(
        sent("converse", Naming::Deployment(&claude)).unwrap(),
        "http://h/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    );
    assert_eq!(
        sent("count-tokens", Naming::Deployment(&claude)).unwrap(),
        "http://h/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens"
    );
    let prefixed = model("bedrock/invoke/us-west-2/anthropic.claude-3-haiku-20240307-v1:0[1m]");
    assert_eq!(
        sent("invoke", Naming::AsAsked(&prefixed)).unwrap(),
        "http://h/model/anthropic.claude-3-haiku-20240307-v1%3A0/invoke"
    );
    let elsewhere = model("bedrock/converse_like/anything");
    let error = sent("converse", Naming::Deployment(&elsewhere)).unwrap_err();
    assert_eq!(error.param(), Some("model"));
}

#[test]
fn models_are_found_where_the_body_names_them() {
    let models = |path: &str, body: &str| {
        let asked = request(&Method::POST, path, None, body);
        asked.models_in_body().unwrap()
    };
    let generate = r#"{"input":{"text":"x"},"retrieveAndGenerateConfiguration":{"knowledgeBaseConfiguration":
        {"modelArn":"arn:a","orchestrationConfiguration":{"modelArn":"b"}}}}"#;
    assert_eq!(
        models("/bedrock/retrieveAndGenerate", generate),
        ["arn:a", "b"]
    );
    let chat = "/bedrock/openai/v1/chat/completions";
    assert_eq!(
        models(
            chat,
            r#"{"model":"openai.gpt-oss-20b-1:0","x":{"model":"y"}}"#
        ),
        ["openai.gpt-oss-20b-1:0"]
    );
    assert_eq!(models("/bedrock/async-invoke", r#"{"modelId":"m"}"#), ["m"]);
    assert!(models(chat, "").is_empty());
    assert!(
        models(
            "/bedrock/model/m/converse",
            r#"{"model":"x","modelArn":"y"}"#
        )
        .is_empty()
    );
    let inline = r#"{"foundationModel":"a","collaborators":[{"foundationModel":"b"}],"promptOverrideConfiguration":
        {"promptConfigurations":[{"foundationModel":"c"}]},"knowledgeBases":[{"x":{"modelArn":"d"}}]}"#;
    assert_eq!(models("/bedrock/agents/s", inline), ["a", "b", "c", "d"]);
    let optimize = r#"{"input":{"textPrompt":{"text":"x"}},"targetModelId":"m"}"#;
    assert_eq!(models("/bedrock/optimize-prompt", optimize), ["m"]);
}

#[test]
fn body_whose_models_cannot_all_be_seen_is_refused() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for (path, name) in [
        ("/bedrock/openai/v1/chat/completions", "model"),
        ("/bedrock/async-invoke", "modelId"),
        ("/bedrock/retrieveAndGenerate", "modelArn"),
        ("/bedrock/agents/s", "foundationModel"),
    ] {
        for before in [
            r#""x":"\ud800""#,
            r#""\ud800":1"#,
            r#""x":1e999"#,
            &format!(r#""x":{deep}"#),
        ] {
            let body = format!(r#"{{{before},"{name}":"m"}}"#);
            let asked = request(&Method::POST, path, None, &body);
            let error = asked.models_in_body().unwrap_err();
            assert_eq!(error.status(), StatusCode::BAD_REQUEST, "{path} {before}");
        }
        for body in [format!(r#"{{"{name}":"m"}} x"#), "not json".to_owned()] {
            let asked = request(&Method::POST, path, None, &body);
            assert!(asked.models_in_body().is_err(), "{path} {body}");
        }
    }
}

#[test]
fn models_of_a_body_are_counted_once_and_not_without_end() {
    let models = |names: &mut dyn Iterator<Item = String>| {
        let members: Vec<String> = names
            .map(|name| format!(r#"{{"modelId":"{name}","modelArn":"{name}"}}"#))
            .collect();
        let body = format!(r#"{{"x":[{}]}}"#, members.join(","));
        request(&Method::POST, "/bedrock/agents/s", None, &body).models_in_body()
    };
    let same = models(&mut (0..10_000).map(|place| format!("m{}", place % 64)));
    assert_eq!(same.unwrap().len(), 64);
    let error = models(&mut (0..65).map(|place| format!("m{place}"))).unwrap_err();
    assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    assert!(error.message().contains("more than 64"), "{error}");
}

#[test]
fn body_that_names_one_model_twice_is_refused() {
    for (path, name) in [
        ("/bedrock/openai/v1/chat/completions", "model"),
        ("/bedrock/async-invoke", "modelId"),
    ] {
        let body = format!(r#"{{"{name}":"a","{name}":"b"}}"#);
        let asked = request(&Method::POST, path, None, &body);
        let error = asked.models_in_body().unwrap_err();
        assert_eq!(error.param(), Some(name));
    }
}

#[test]
fn text_is_measured_and_files_are_not() {
    let size = |body: &str| {
        let (size, output) = request(&Method::POST, "/bedrock/model/m/converse", None, body).size();
        (size.tokens(crate::catalog::Tokenizer::Claude), output)
    };
    let (short, output) = size(
        r#"{"messages":[{"content":[{"text":"hello there"}]}],"inferenceConfig":{"maxTokens":7}}"#,
    );
    assert!(short > 0 && short < 20 && output == 7, "{short} {output}");
    let picture = "A".repeat(100_000);
    let (with, output) = size(&format!(
        r#"{{"messages":[{{"content":[{{"text":"hello there"}},{{"image":{{"bytes":"{picture}"}}}}]}}],"max_tokens":9}}"#
    ));
    assert!(with < short + 10 && output == 9, "{with}");
    assert_eq!(size("[[[").1, 256);
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(size(&deep).1, 256);
    let (escaped, _) = size(r#"{"a\"b":["x y", null, -1, 1.5, true, "\u00e9"]}"#);
    assert!(escaped > 0);
}

/// Paths made of what an attacker would try, around what is really there.
fn hostile_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z.]{0,8}",
        Just("..".to_owned()),
        Just("%2e%2e".to_owned()),
        Just("%252e".to_owned()),
        Just("%2F".to_owned()),
        Just("%5c".to_owned()),
        Just("\\".to_owned()),
        Just("@evil.example".to_owned()),
        Just("//evil.example".to_owned()),
        Just("https://evil.example".to_owned()),
        Just(":8443".to_owned()),
        Just("?x=/".to_owned()),
        Just("#/".to_owned()),
        Just("model".to_owned()),
        Just("agents".to_owned()),
        Just("converse".to_owned()),
        Just("inference-profiles".to_owned()),
        "\\PC{0,3}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| format!("/bedrock/{}", pieces.join("/")))
}

proptest! {
    #[test]
    fn host_is_always_one_of_bedrocks(path in hostile_path(), region in "[a-z]{2}-[a-z]{4,9}-[1-9]", named in any::<bool>()) {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
            let Ok(read) = parse(&method, &path) else { continue };
            let environment = Environment::default();
            let base = endpoint(read.service(), &region, Overrides::default(), Precedence::ApiBase, &environment).unwrap();
            let id = named.then_some("us.anthropic.claude-sonnet-4-5-20250929-v1:0/..");
            let sent = read.naming(id);
            let url = Url::parse(&format!("{base}{sent}")).unwrap();
            let hosts = ["bedrock-runtime", "bedrock-agent-runtime", "bedrock", "bedrock-agent"]
                .map(|label| format!("{label}.{region}."));
            let host = url.host_str().unwrap();
            prop_assert!(hosts.iter().any(|start| host.starts_with(start)) && host.contains(".amazonaws.com"), "{host}");
            prop_assert_eq!(url.path(), &*sent, "what is sent is what was signed");
            prop_assert!(url.username().is_empty() && url.port().is_none() && url.query().is_none() && url.fragment().is_none());
        }
    }
}
