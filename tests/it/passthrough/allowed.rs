//! Who may call what.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    KEY, KEYS, MASTER, MODEL, Relayed, before, call, gateway, get, hello, own_identity, post,
    post_as, send, settings,
};
use crate::support::Gateway;
use crate::support::entry::serving;
use crate::support::upstream::Upstream;

#[tokio::test]
async fn keys_call_what_is_theirs() {
    let gateway = gateway().await;
    let (free, bound) = (KEY, "sk-two-and-long-enough");
    let ask = hello("x");
    let generate = |model: &str| {
        json!({"input": {"text": "fox"}, "retrieveAndGenerateConfiguration": {"type": "KNOWLEDGE_BASE",
            "knowledgeBaseConfiguration": {"knowledgeBaseId": "KB12345678", "modelArn": model}}})
    };
    let arn =
        "arn:aws:bedrock:us-west-2::foundation-model/anthropic.claude-3-5-sonnet-20240620-v1:0";
    let guardrail =
        json!({"name": "g", "blockedInputMessaging": "no", "blockedOutputsMessaging": "no"});
    let raw = format!("/model/{MODEL}/converse");
    let (none, retrieve) = (Value::Null, json!({"retrievalQuery": {"text": "fox"}}));
    let inline =
        json!({"inputText": "hi", "foundationModel": MODEL, "instruction": "x".repeat(40)});
    let apply = json!({"source": "INPUT", "content": [{"text": {"text": "x"}}]});
    for (key, method, path, body, status) in [
        ("sk-nobodys", Method::POST, "/model/m/converse", &ask, 401),
        (bound, Method::POST, "/model/m/converse", &ask, 200),
        (bound, Method::POST, &*raw, &ask, 403),
        (free, Method::POST, &*raw, &ask, 200),
        (
            bound,
            Method::POST,
            "/retrieveAndGenerate",
            &generate(arn),
            403,
        ),
        (
            free,
            Method::POST,
            "/retrieveAndGenerate",
            &generate(arn),
            200,
        ),
        (
            bound,
            Method::POST,
            "/knowledgebases/KB12345678/retrieve",
            &retrieve,
            200,
        ),
        (bound, Method::POST, "/agents/s1", &inline, 403),
        (free, Method::POST, "/agents/s1", &inline, 200),
        (
            bound,
            Method::POST,
            "/guardrail/gr1/version/DRAFT/apply",
            &apply,
            200,
        ),
        (
            bound,
            Method::GET,
            "/inference-profiles?type=SYSTEM_DEFINED",
            &none,
            200,
        ),
        (free, Method::GET, "/foundation-models", &none, 200),
        (free, Method::POST, "/guardrails", &guardrail, 403),
        (MASTER, Method::POST, "/guardrails", &guardrail, 200),
        (free, Method::DELETE, "/guardrails/gr1", &none, 403),
        (free, Method::POST, "/agents/", &json!({}), 403),
        (free, Method::GET, "/agents/SIMAGENT01/", &none, 403),
        (MASTER, Method::POST, "/agents/", &json!({}), 200),
        (MASTER, Method::GET, "/agents/SIMAGENT01/", &none, 200),
        (MASTER, Method::GET, "/nothing", &none, 404),
        (
            MASTER,
            Method::POST,
            "/model/m/invoke-with-bidirectional-stream",
            &none,
            501,
        ),
    ] {
        let before = gateway.simulator.calls_total();
        let answer = call(&gateway, key, method.clone(), path, body).await;
        let what = format!("{key} {method} {path}");
        assert_eq!(answer.status, status, "{what}: {}", answer.json());
        let is_sent = gateway.simulator.calls_total() > before;
        assert_eq!(is_sent, status == 200, "{what}");
        if status != 200 {
            let (body, name) = (answer.json(), answer.header("x-amzn-errortype"));
            assert!(name.ends_with("Exception"), "{what}");
            assert_eq!(body["message"], body["error"]["message"], "{what}");
        }
    }
}

#[tokio::test]
async fn operator_turns_services_off_by_themselves() {
    let retrieve = json!({"retrievalQuery": {"text": "fox"}});
    for (setting, agents, control) in [
        ("disable_bedrock_agent_runtime_passthrough", 403, 200),
        ("disable_bedrock_control_plane_passthrough", 200, 403),
    ] {
        let gateway = serving(&[own_identity()], &settings(&format!(", {setting}: true"))).await;
        let answer = post(&gateway, "/knowledgebases/KB12345678/retrieve", &retrieve).await;
        assert_eq!(answer.status, agents, "{setting}");
        let answer = post(&gateway, "/agents/", &json!({})).await;
        assert_eq!(answer.status, agents, "{setting}");
        let answer = get(&gateway, MASTER, "/foundation-models").await;
        assert_eq!(answer.status, control, "{setting}");
        assert_eq!(
            post(&gateway, "/model/m/converse", &hello("x"))
                .await
                .status,
            200
        );
    }
}

#[tokio::test]
async fn hostile_paths_reach_nobody() {
    let gateway = gateway().await;
    for path in [
        "/model/..%2f..%2fguardrails/converse",
        "/model/%2e%2e/converse",
        "/model/%252e%252e/converse",
        "/model/m%5c..%5cx/converse",
        "//evil.example/model/m/converse",
        "/model//evil.example/converse",
        "/model/m%00/converse",
        "/model/m%0d%0ahost:evil/converse",
        "/http://169.254.169.254/latest",
    ] {
        // As it is: a URL library would mend it.
        let answer = raw(&gateway, &format!("/bedrock{path}")).await;
        assert!(answer.starts_with("HTTP/1.1 40"), "{path}: {answer}");
    }
    assert_eq!(gateway.simulator.calls_total(), 0);
}

/// Sends a request line as it is, and returns the answer's head.
async fn raw(gateway: &Gateway, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = gateway.url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {MASTER}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn model_that_only_the_body_names_is_checked_and_paid_for() {
    let upstream = Upstream::answering(|path| {
        let usage = json!({"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000});
        (200, json!({"path": path, "usage": usage}).to_string())
    })
    .await;
    let keys = format!(
        "virtual_keys:\n  - {{key: {KEY}, max_budget: 100000, budget_duration: 1d, models: [openai.gpt-oss-20b-1:0]}}\n"
    );
    let rest = format!("{}{keys}", settings(""));
    let gateway = before(&upstream, &rest).await;
    let ask = |model: &str| json!({"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
    let path = "/openai/v1/chat/completions";
    let refused = post_as(&gateway, KEY, path, &ask("openai.gpt-oss-120b-1:0")).await;
    assert_eq!((refused.status, upstream.calls()), (403, 0));
    let served = post_as(&gateway, KEY, path, &ask("openai.gpt-oss-20b-1:0")).await;
    assert_eq!(
        (served.status, served.json()["path"].as_str()),
        (200, Some(path))
    );
    assert_eq!(
        served.header("x-litellm-model-group"),
        "openai.gpt-oss-20b-1:0"
    );
    assert_eq!(served.header("x-litellm-model-api-base"), upstream.url);
    let spent = gateway.spent().await;
    assert!((0.1..10.0).contains(&spent), "{spent}");
}

#[tokio::test]
async fn aliases_of_a_key_say_what_is_called_and_open_nothing_else() {
    const OPUS: &str = "us.anthropic.claude-opus-4-6-v1";
    const NOVA: &str = "us.amazon.nova-lite-v1:0";
    let keys = format!(
        "virtual_keys:\n  - {{key: {KEY}, models: [\"{NOVA}\"], aliases: {{cheap: \"{NOVA}\", {OPUS}: \"{NOVA}\"}}}}\n"
    );
    let gateway = serving(&[own_identity()], &format!("{}{keys}", settings(""))).await;
    let arn = |id: &str| format!("arn:aws:bedrock:us-west-2:123456789012:inference-profile/{id}");
    let encoded = |id: &str| arn(id).replace(':', "%3A").replace('/', "%2F");
    let generate = |id: &str| {
        json!({"input": {"text": "fox"}, "retrieveAndGenerateConfiguration": {"type": "KNOWLEDGE_BASE",
            "knowledgeBaseConfiguration": {"knowledgeBaseId": "KB12345678", "modelArn": arn(id)}}})
    };
    let (ask, rag) = (hello("x"), "/retrieveAndGenerate");
    for (path, body, status, sent) in [
        ("/model/cheap/converse", &ask, 200, NOVA),
        (&*format!("/model/{OPUS}/converse"), &ask, 200, NOVA),
        (
            &*format!("/model/{}/converse", encoded(NOVA)),
            &ask,
            200,
            NOVA,
        ),
        (
            &*format!("/model/{}/converse", encoded(OPUS)),
            &ask,
            403,
            "",
        ),
        (rag, &generate(NOVA), 200, rag),
        (rag, &generate(OPUS), 403, ""),
        ("/model/m/converse", &ask, 403, ""),
    ] {
        let before = gateway.simulator.calls_total();
        let answer = post_as(&gateway, KEY, path, body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.json());
        let made = gateway.simulator.calls_total() - before;
        assert_eq!(made, u64::from(status == 200), "{path}");
        if status == 200 {
            let last = gateway.simulator.calls().pop().unwrap().path;
            let last = percent_encoding::percent_decode_str(&last).decode_utf8_lossy();
            assert!(
                last.contains(sent) && !last.contains("opus"),
                "{path}: {last}"
            );
        }
    }
}

/// Calls a path with a body that no JSON library would write.
async fn call_with(gateway: &Gateway, key: &str, path: &str, body: &str) -> Relayed {
    let bearer = format!("Bearer {key}");
    let url = format!("{}/bedrock{path}", gateway.url);
    let headers = [("authorization", &*bearer)];
    send(gateway, Method::POST, url, &headers, body).await
}

#[tokio::test]
async fn body_that_hides_its_model_is_refused() {
    let upstream = Upstream::answering(|_| (200, "{}".to_owned())).await;
    let rest = format!("{}{KEYS}", settings(""));
    let gateway = before(&upstream, &rest).await;
    let chat = "/openai/v1/chat/completions";
    for (path, body, status) in [
        (
            chat,
            r#"{"x":"\ud800","model":"openai.gpt-oss-20b-1:0"}"#,
            400,
        ),
        (chat, r#"{"x":1e999,"model":"openai.gpt-oss-20b-1:0"}"#, 400),
        (
            chat,
            r#"{"model":"m","model":"openai.gpt-oss-20b-1:0"}"#,
            400,
        ),
        (
            chat,
            r#"{"model":"converse_like/openai.gpt-oss-20b-1:0"}"#,
            400,
        ),
        (
            "/async-invoke",
            r#"{"x":"\ud800","modelId":"amazon.nova-reel-v1:0"}"#,
            400,
        ),
        (
            "/agents/s1",
            r#"{"x":"\ud800","foundationModel":"amazon.nova-lite-v1:0"}"#,
            400,
        ),
        (chat, "{}", 403),
        ("/async-invoke", "{}", 403),
        (
            "/agents/s1",
            r#"{"collaborators":[{"foundationModel":"amazon.nova-lite-v1:0"}]}"#,
            403,
        ),
        (
            "/optimize-prompt",
            r#"{"targetModelId":"amazon.nova-lite-v1:0"}"#,
            403,
        ),
        (chat, r#"{"model":"m"}"#, 200),
    ] {
        // A key of some models, and one of all.
        let bound = call_with(&gateway, "sk-two-and-long-enough", path, body).await;
        let free = call_with(&gateway, KEY, path, body).await;
        let of_all = if status == 400 { 400 } else { 200 };
        assert_eq!(
            (bound.status, free.status),
            (status, of_all),
            "{path} {body}"
        );
    }
    assert_eq!(upstream.calls(), 6, "what is refused is not sent");
}
