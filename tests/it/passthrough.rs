//! `/bedrock`: Bedrock's own APIs through the gateway. What AWS says comes back as it is; who may call what, by whose identity
//! and through which limits is the gateway's.

use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use switchyard::limit::LimitName;
use switchyard::simulator::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

use crate::support::Gateway;
use crate::support::entry::{Entry, file, serving, until};
use crate::support::upstream::Upstream;

const MASTER: &str = "sk-master-and-long-enough";
const KEY: &str = "sk-one-and-long-enough";
const MODEL: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const EVENTS: &str = "application/vnd.amazon.eventstream";

/// An answer as it came.
struct Relayed {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Relayed {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }
}

async fn send(
    client: &reqwest::Client,
    method: Method,
    url: String,
    headers: &[(&str, &str)],
    body: String,
) -> Relayed {
    let mut request = client.request(method, url).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    Relayed {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.bytes().await.unwrap(),
    }
}

/// Calls a path with a key.
async fn call(gateway: &Gateway, key: &str, method: Method, path: &str, body: &Value) -> Relayed {
    let bearer = format!("Bearer {key}");
    let headers = [
        ("authorization", &*bearer),
        ("content-type", "application/json"),
    ];
    let url = format!("{}/bedrock{path}", gateway.url);
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    send(&gateway.client, method, url, &headers, body).await
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> Relayed {
    call(gateway, MASTER, Method::POST, path, body).await
}

/// The same call without a gateway.
async fn directly(gateway: &Gateway, path: &str, body: &Value) -> Relayed {
    let url = format!("{}{path}", gateway.simulator.url());
    let headers = [("authorization", "Bearer ABSKsim-bedrock-api-key-0001")];
    send(
        &gateway.client,
        Method::POST,
        url,
        &headers,
        body.to_string(),
    )
    .await
}

fn hello(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": [{"text": text}]}]})
}

/// Keys, and where the control plane is.
fn settings(more: &str) -> String {
    format!(
        "general_settings: {{master_key: {MASTER}{more}}}\n\
         router_settings: {{num_retries: 1, retry_after: 0, disable_cooldowns: true}}\n\
         environment_variables: {{AWS_ENDPOINT_URL_BEDROCK: $URL, AWS_ENDPOINT_URL_BEDROCK_AGENT: $URL, \
         AWS_ACCESS_KEY_ID: {ACCESS_KEY_ID}, AWS_SECRET_ACCESS_KEY: {SECRET_ACCESS_KEY}}}\n"
    )
}

const KEYS: &str = "virtual_keys:\n  - {key: sk-one-and-long-enough}\n  - {key: sk-two-and-long-enough, models: [m]}\n";

fn own_identity() -> Entry<'static> {
    Entry {
        params: ", use_in_pass_through: true",
        ..Entry::default()
    }
}

async fn gateway() -> Gateway {
    serving(&[own_identity()], &format!("{}{KEYS}", settings(""))).await
}

#[tokio::test]
async fn answers_are_awss_whole_and_streamed() {
    let gateway = gateway().await;
    let ask = hello("one two three");
    let anthropic = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]});
    for (action, body, kind) in [
        ("converse", &ask, "application/json"),
        ("converse-stream", &ask, EVENTS),
        ("invoke", &anthropic, "application/json"),
        ("invoke-with-response-stream", &anthropic, EVENTS),
    ] {
        let asked = directly(&gateway, &format!("/model/{MODEL}/{action}"), body).await;
        assert_eq!(asked.status, 200, "{action}");
        for id in ["m", MODEL, "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"] {
            let answer = post(&gateway, &format!("/model/{id}/{action}"), body).await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (200, kind),
                "{action} {id}"
            );
            assert_eq!(answer.body, asked.body, "{action} {id}");
            assert!(!answer.header("x-amzn-requestid").is_empty());
            assert!(!answer.header("x-litellm-call-id").is_empty());
            let sent = gateway.simulator.calls().pop().unwrap();
            assert_eq!(
                percent_encoding::percent_decode_str(&sent.path).decode_utf8_lossy(),
                format!("/model/{MODEL}/{action}")
            );
            assert_eq!(sent.body, body.to_string());
        }
    }
    let named = post(&gateway, "/model/m/converse", &ask).await;
    assert_eq!(named.header("x-litellm-model-group"), "m");
    assert_eq!(named.header("x-litellm-model-id"), "m1");
}

#[tokio::test]
async fn nothing_of_ours_goes_to_aws_and_nothing_of_awss_passes_for_ours() {
    let gateway = gateway().await;
    let url = format!("{}/bedrock/model/m/converse?a=b%20c", gateway.url);
    let headers = [
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAFAKE/20260101/eu-central-1/bedrock/aws4_request, SignedHeaders=host, Signature=0",
        ),
        ("litellm_user_api_key", &*format!("Bearer {MASTER}")),
        ("x-amz-date", "20260101T000000Z"),
        ("x-amz-security-token", "theirs"),
        ("x-litellm-tags", "a"),
        ("cookie", "a=b"),
        ("x-amzn-bedrock-trace", "ENABLED"),
        ("anthropic-beta", "some-beta"),
    ];
    let answer = send(
        &gateway.client,
        Method::POST,
        url,
        &headers,
        hello("x").to_string(),
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let sent = gateway.simulator.calls().pop().unwrap();
    assert!(sent.path.ends_with("/converse?a=b%20c"), "{}", sent.path);
    let text = |name: &str| {
        sent.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    };
    assert_eq!(
        (text("x-amzn-bedrock-trace"), text("anthropic-beta")),
        ("ENABLED", "some-beta")
    );
    assert!(text("authorization").contains(&format!("Credential={ACCESS_KEY_ID}/")));
    let all = format!("{:?}", sent.headers);
    for ours in [
        "litellm",
        "cookie",
        "theirs",
        MASTER,
        "AKIAFAKE",
        "20260101T000000Z",
    ] {
        assert!(!all.contains(ours), "{ours}: {all}");
    }
}

#[tokio::test]
async fn region_of_a_clients_signature_counts_where_none_is_configured() {
    let params = format!(
        "  - {{model_name: other, litellm_params: {{model: bedrock/{MODEL}, aws_region_name: us-west-2}}}}\n"
    );
    let yaml = format!("model_list:\n{params}{}", settings("")).replace(
        "AWS_ACCESS_KEY_ID",
        "AWS_BEDROCK_RUNTIME_ENDPOINT: $URL, AWS_ACCESS_KEY_ID",
    );
    let gateway = Gateway::with(&yaml, std::sync::Arc::new(switchyard::clock::SystemClock)).await;
    let path = format!("/bedrock/model/{MODEL}/converse");
    for (signed, expected) in [
        ("eu-central-1", "/eu-central-1/bedrock/"),
        ("evil.example/x", "/us-west-2/bedrock/"),
        ("", "/us-west-2/bedrock/"),
    ] {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={MASTER}/20260101/{signed}/bedrock/aws4_request, Signature=0"
        );
        let headers = [("authorization", &*authorization)];
        let url = format!("{}{path}", gateway.url);
        let answer = send(
            &gateway.client,
            Method::POST,
            url,
            &headers,
            hello("x").to_string(),
        )
        .await;
        assert_eq!(answer.status, 200, "{signed}");
        let sent = gateway.simulator.calls().pop().unwrap();
        let authorization = sent.headers["authorization"].to_str().unwrap();
        assert!(
            authorization.contains(expected),
            "{signed}: {authorization}"
        );
    }
}

#[tokio::test]
async fn refusals_of_aws_come_back_as_they_are() {
    let gateway = gateway().await;
    for (text, status, name) in [
        ("[[sim:throttle]]", 429, "ThrottlingException"),
        ("[[sim:error500]]", 500, "InternalServerException"),
        ("[[sim:access-denied]]", 403, "AccessDeniedException"),
    ] {
        for id in ["m", MODEL] {
            let asked = directly(&gateway, &format!("/model/{MODEL}/converse"), &hello(text)).await;
            let answer = post(&gateway, &format!("/model/{id}/converse"), &hello(text)).await;
            assert_eq!(
                (answer.status, &answer.body),
                (status, &asked.body),
                "{text}"
            );
            assert!(
                answer.header("x-amzn-errortype").starts_with(name),
                "{text}"
            );
            assert_eq!(
                answer.header("x-amzn-errortype"),
                asked.header("x-amzn-errortype")
            );
            assert!(!answer.header("x-litellm-call-id").is_empty());
        }
    }
    let answer = post(
        &gateway,
        &format!("/model/{MODEL}/converse"),
        &json!({"bogus": 1}),
    )
    .await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json().as_object().unwrap().len(),
        1,
        "AWS's words alone"
    );
}

#[tokio::test]
async fn another_deployment_and_another_group_answer_before_the_first_byte() {
    let entry = |name, id, fault| Entry {
        name,
        id,
        fault,
        ..Entry::default()
    };
    let rest = settings("").replace(
        "disable_cooldowns: true",
        "disable_cooldowns: true, fallbacks: [{ill: [m]}]",
    );
    for fault in ["throttle", "error500", "reset", "exception-first"] {
        let group = [
            entry("m", "bad", fault),
            entry("m", "good", ""),
            entry("ill", "ill", fault),
        ];
        let gateway = serving(&group, &rest).await;
        for _ in 0..4 {
            let answer = post(&gateway, "/model/m/converse-stream", &hello("x")).await;
            assert_eq!(answer.status, 200, "{fault}");
            assert_eq!(answer.header("x-litellm-model-id"), "good", "{fault}");
        }
        let answer = post(&gateway, "/model/ill/converse-stream", &hello("x")).await;
        assert_eq!(
            (answer.status, answer.header("x-litellm-model-id")),
            (200, "good"),
            "{fault}"
        );
        assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
        gateway.comes_to_rest().await;
    }
}

#[tokio::test]
async fn body_of_one_family_is_not_sent_to_another() {
    let claude = Entry {
        fault: "throttle",
        ..Entry::default()
    };
    let nova = Entry {
        name: "n",
        id: "n1",
        model: "bedrock/us.amazon.nova-pro-v1:0",
        ..Entry::default()
    };
    let rest = settings("").replace(
        "disable_cooldowns: true",
        "disable_cooldowns: true, fallbacks: [{m: [n]}]",
    );
    let gateway = serving(&[claude, nova], &rest).await;
    let body = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
    let answer = post(&gateway, "/model/m/invoke", &body).await;
    assert_eq!(answer.status, 429);
    assert!(
        answer
            .header("x-amzn-errortype")
            .starts_with("ThrottlingException")
    );
    assert_eq!(gateway.calls_of("n1"), 0);
    // Converse is one format for all.
    let answer = post(&gateway, "/model/m/converse", &hello("x")).await;
    assert_eq!(
        (answer.status, answer.header("x-litellm-model-id")),
        (200, "n1")
    );
}

/// A gateway whose tokens cost a dollar each, and whose only key has a budget.
async fn dear() -> Gateway {
    let entry = Entry {
        params: ", input_cost_per_token: 1, output_cost_per_token: 1",
        ..Entry::default()
    };
    let keys = format!(
        "virtual_keys:\n  - {{key: {KEY}, max_budget: 100000, budget_duration: 1d, tpm_limit: 100000}}\n"
    );
    serving(&[entry], &format!("{}{keys}", settings(""))).await
}

async fn spent(gateway: &Gateway) -> f64 {
    until(|| gateway.app.running.load(Ordering::Acquire) == 0).await;
    let snapshot = gateway.app.live.load();
    let mut keys = snapshot.keys.virtual_keys();
    keys.next().unwrap().runtime.spent(Instant::now())
}

#[tokio::test]
async fn usage_is_read_on_the_side_and_paid_for() {
    let ask = hello("one two three four five six");
    let anthropic = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50,
        "messages": [{"role": "user", "content": "one two three four five six"}]});
    for (action, body) in [
        ("converse", &ask),
        ("converse-stream", &ask),
        ("invoke", &anthropic),
        ("invoke-with-response-stream", &anthropic),
    ] {
        let gateway = dear().await;
        let whole = directly(&gateway, &format!("/model/{MODEL}/converse"), &ask).await;
        let answer = call(
            &gateway,
            KEY,
            Method::POST,
            &format!("/model/m/{action}"),
            body,
        )
        .await;
        assert_eq!(answer.status, 200, "{action}");
        let spent = spent(&gateway).await;
        let expected = whole.json()["usage"]["totalTokens"].as_f64().unwrap();
        assert!(
            (spent - expected).abs() < 1.0,
            "{action}: {spent}, and Converse {expected}"
        );
    }
}

#[tokio::test]
async fn stream_that_breaks_ends_the_connection_and_is_billed_as_far_as_it_came() {
    for fault in ["cut", "reset]] [[sim:at=3"] {
        let gateway = dear().await;
        let body = hello(&format!(
            "one two three four five six seven eight [[sim:{fault}]]"
        ));
        let url = format!("{}/bedrock/model/m/converse-stream", gateway.url);
        let request = gateway
            .client
            .post(url)
            .bearer_auth(KEY)
            .body(body.to_string());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(
            response.bytes().await.is_err(),
            "{fault}: the break must be seen"
        );
        let spent = spent(&gateway).await;
        assert!((5.0..60.0).contains(&spent), "{fault}: {spent}");
        gateway.comes_to_rest().await;
    }
}

#[tokio::test]
async fn client_that_hangs_up_ends_the_call_at_aws() {
    let gateway = dear().await;
    let url = format!("{}/bedrock/model/m/converse-stream", gateway.url);
    let body = hello("one two three [[sim:stall-mid]]").to_string();
    let mut response = gateway
        .client
        .post(url)
        .bearer_auth(KEY)
        .body(body)
        .send()
        .await
        .unwrap();
    assert!(
        response.chunk().await.unwrap().is_some(),
        "what has come is not held back"
    );
    drop(response);
    gateway.comes_to_rest().await;
    assert_eq!(gateway.simulator.cancelled_streams(), 1);
    let spent = spent(&gateway).await;
    assert!((5.0..60.0).contains(&spent), "{spent}");
}

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
        let answer = call(
            &gateway,
            MASTER,
            Method::GET,
            "/foundation-models",
            &Value::Null,
        )
        .await;
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
async fn limits_of_a_key_hold_here_too() {
    let keys = format!("virtual_keys:\n  - {{key: {KEY}, rpm_limit: 2}}\n");
    let gateway = serving(&[own_identity()], &format!("{}{keys}", settings(""))).await;
    let first = call(
        &gateway,
        KEY,
        Method::POST,
        "/model/m/converse",
        &hello("x"),
    )
    .await;
    let second = call(
        &gateway,
        KEY,
        Method::GET,
        "/foundation-models",
        &Value::Null,
    )
    .await;
    assert_eq!((first.status, second.status), (200, 200));
    let third = call(
        &gateway,
        KEY,
        Method::POST,
        "/model/m/converse",
        &hello("x"),
    )
    .await;
    assert_eq!(
        (third.status, third.header("x-amzn-errortype")),
        (429, "ThrottlingException")
    );
    assert!(!third.header("retry-after").is_empty());
}

#[tokio::test]
async fn what_changes_something_is_sent_once() {
    let failing = Entry {
        fault: "error500",
        params: ", use_in_pass_through: true",
        ..Entry::default()
    };
    let rest = settings("").replace(
        "AWS_ENDPOINT_URL_BEDROCK: $URL",
        "AWS_ENDPOINT_URL_BEDROCK: $URL/fault/error500",
    );
    let gateway = serving(&[failing], &rest).await;
    let guardrail =
        json!({"name": "g", "blockedInputMessaging": "no", "blockedOutputsMessaging": "no"});
    assert_eq!(post(&gateway, "/guardrails", &guardrail).await.status, 500);
    assert_eq!(gateway.simulator.calls_total(), 1);
    let retrieve = json!({"retrievalQuery": {"text": "fox"}});
    let answer = post(&gateway, "/knowledgebases/KB12345678/retrieve", &retrieve).await;
    assert_eq!(answer.status, 500);
    assert_eq!(
        gateway.simulator.calls_total(),
        3,
        "the first attempt and one retry"
    );
}

#[tokio::test]
async fn agents_events_are_relayed_as_they_are() {
    let gateway = gateway().await;
    let path = "/agents/SIMAGENT01/agentAliases/SIMALIAS01/sessions/12345/text";
    let body = json!({"inputText": "Who do you know?", "enableTrace": true});
    let answer = post(&gateway, path, &body).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, EVENTS)
    );
    assert_eq!(answer.header("x-amz-bedrock-agent-session-id"), "12345");
    let total = u32::from_be_bytes(answer.body[..4].try_into().unwrap());
    let frame = &answer.body[..total as usize];
    let sum = u32::from_be_bytes(frame[frame.len() - 4..].try_into().unwrap());
    assert_eq!(sum, crc32fast::hash(&frame[..frame.len() - 4]));
    // An API key is no identity there, so the keys of the environment sign.
    let sent = gateway.simulator.calls().pop().unwrap();
    let authorization = sent.headers["authorization"].to_str().unwrap();
    assert!(
        authorization.contains("/bedrock/aws4_request"),
        "{authorization}"
    );
}

#[tokio::test]
async fn tokens_are_counted_for_the_model_and_not_for_its_profile() {
    let gateway = gateway().await;
    let body = json!({"input": {"converse": hello("one two three")}});
    let answer = post(&gateway, "/model/m/count-tokens", &body).await;
    assert!(answer.json()["inputTokens"].as_u64() > Some(0));
    let sent = gateway.simulator.calls().pop().unwrap();
    assert_eq!(
        sent.path,
        "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens"
    );
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
    let entry = own_identity();
    let rest = format!("{}{keys}", settings(""));
    let yaml = file(&[entry], &rest).replace("\"$URL\"", &format!("\"{}\"", upstream.url));
    let gateway = Gateway::with(&yaml, std::sync::Arc::new(switchyard::clock::SystemClock)).await;
    let ask = |model: &str| json!({"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
    let path = "/openai/v1/chat/completions";
    let refused = call(
        &gateway,
        KEY,
        Method::POST,
        path,
        &ask("openai.gpt-oss-120b-1:0"),
    )
    .await;
    assert_eq!((refused.status, upstream.calls()), (403, 0));
    let served = call(
        &gateway,
        KEY,
        Method::POST,
        path,
        &ask("openai.gpt-oss-20b-1:0"),
    )
    .await;
    assert_eq!(
        (served.status, served.json()["path"].as_str()),
        (200, Some(path))
    );
    assert_eq!(
        served.header("x-litellm-model-group"),
        "openai.gpt-oss-20b-1:0"
    );
    assert_eq!(served.header("x-litellm-model-api-base"), upstream.url);
    let spent = spent(&gateway).await;
    assert!((0.1..10.0).contains(&spent), "{spent}");
}

#[tokio::test]
async fn calls_are_counted_and_what_a_path_says_is_no_label() {
    let gateway = gateway().await;
    let none = Value::Null;
    let ask = hello("x");
    for (method, path, body) in [
        (Method::POST, "/model/m/converse", &ask),
        (Method::POST, "/model/m/converse-stream", &ask),
        (Method::POST, &*format!("/model/{MODEL}/converse"), &ask),
        (Method::GET, "/foundation-models", &none),
    ] {
        assert_eq!(
            call(&gateway, MASTER, method, path, body).await.status,
            200,
            "{path}"
        );
    }
    let refused = call(&gateway, MASTER, Method::GET, "/made-up/by-a-client", &none).await;
    assert_eq!(refused.status, 404);
    until(|| gateway.app.running.load(Ordering::Acquire) == 0).await;
    let metrics = gateway
        .call(Method::GET, "/metrics", Some(MASTER))
        .await
        .body;
    let total = |model: &str| {
        let line = format!(
            "litellm_proxy_total_requests_metric_total{{requested_model=\"{model}\",status_code=\"200\"}} "
        );
        metrics.lines().find_map(|found| found.strip_prefix(&*line))
    };
    assert_eq!(
        (total("m"), total("other")),
        (Some("2"), Some("2")),
        "{metrics}"
    );
    for word in [MODEL, "bedrock", "foundation", "made-up"] {
        assert!(
            !metrics.contains(&format!("requested_model=\"{word}")),
            "{word}"
        );
    }
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
        let answer = call(&gateway, KEY, Method::POST, path, body).await;
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
    send(
        &gateway.client,
        Method::POST,
        url,
        &headers,
        body.to_owned(),
    )
    .await
}

#[tokio::test]
async fn body_that_hides_its_model_is_refused() {
    let upstream = Upstream::answering(|_| (200, "{}".to_owned())).await;
    let rest = format!("{}{KEYS}", settings(""));
    let yaml = file(&[own_identity()], &rest).replace("\"$URL\"", &format!("\"{}\"", upstream.url));
    let gateway = Gateway::with(&yaml, std::sync::Arc::new(switchyard::clock::SystemClock)).await;
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

#[tokio::test]
async fn what_aws_does_not_have_cools_nobody() {
    let rest = settings("").replace(", disable_cooldowns: true", "");
    let gateway = serving(&[own_identity()], &rest).await;
    for (method, path) in [
        (Method::POST, "/model/m/nonsense"),
        (Method::GET, "/model/m/converse"),
    ] {
        let answer = call(&gateway, MASTER, method, path, &Value::Null).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    assert_eq!(gateway.simulator.calls_total(), 0);

    let told = "Unable to determine service/operation name to be authorized";
    let upstream =
        Upstream::answering(move |_| (404, json!({ "message": told }).to_string())).await;
    let yaml = file(&[own_identity()], &rest).replace("\"$URL\"", &format!("\"{}\"", upstream.url));
    let gateway = Gateway::with(&yaml, std::sync::Arc::new(switchyard::clock::SystemClock)).await;
    for calls in 1..=3 {
        let answer = post(&gateway, "/model/m/converse", &hello("x")).await;
        assert_eq!((answer.status, upstream.calls()), (404, calls));
        assert_eq!(answer.json()["message"], told);
    }
}

#[tokio::test]
async fn what_acts_is_sent_again_only_where_it_cannot_have_acted() {
    let agent = "/agents/SIMAGENT01/agentAliases/SIMALIAS01/sessions/12345/text";
    let inline = json!({"inputText": "hi", "foundationModel": "m", "instruction": "x".repeat(40)});
    for (fault, sent) in [("error500", 1), ("throttle", 2), ("reset", 1)] {
        let failing = Entry {
            fault,
            params: ", use_in_pass_through: true",
            ..Entry::default()
        };
        // Whatever the operator says of retries.
        let rest = settings("").replace(
            "num_retries: 1",
            "num_retries: 1, retry_policy: {InternalServerErrorRetries: 1}",
        );
        let gateway = serving(&[failing], &rest).await;
        for (path, body) in [
            (agent, &json!({"inputText": "hi"})),
            ("/agents/s1", &inline),
        ] {
            let before = gateway.simulator.calls_total();
            let answer = post(&gateway, path, body).await;
            assert!(answer.status >= 429, "{fault} {path}");
            let calls = gateway.simulator.calls_total() - before;
            assert_eq!(calls, sent, "{fault} {path}");
        }
    }
}

#[tokio::test]
async fn answers_without_a_body_are_complete() {
    let upstream = Upstream::answering(|path| {
        let status = if path.ends_with("memories") { 204 } else { 200 };
        (status, String::new())
    })
    .await;
    let rest = settings("").replace("BEDROCK: $URL", &format!("BEDROCK: {}", upstream.url));
    let yaml = file(&[own_identity()], &rest).replace("\"$URL\"", &format!("\"{}\"", upstream.url));
    let gateway = Gateway::with(&yaml, std::sync::Arc::new(switchyard::clock::SystemClock)).await;
    for (method, path, status) in [
        (Method::DELETE, "/agents/a/agentAliases/b/memories", 204),
        (Method::HEAD, "/foundation-models", 200),
        (Method::GET, "/foundation-models", 200),
    ] {
        let answer = call(&gateway, MASTER, method.clone(), path, &Value::Null).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.body.is_empty());
    }
    gateway.comes_to_rest().await;
    let scraped = gateway
        .call(Method::GET, "/metrics", Some(MASTER))
        .await
        .body;
    assert!(scraped.contains(r#"status_code="204""#), "{scraped}");
    assert!(!scraped.contains(r#"status_code="499""#), "{scraped}");
}

#[tokio::test]
async fn deployments_that_cannot_take_the_call_are_passed_over() {
    let entry = |name, id, model| Entry {
        name,
        id,
        model,
        ..Entry::default()
    };
    let elsewhere = "bedrock/converse_like/anything";
    let group = [
        entry("m", "like", elsewhere),
        entry("m", "claude", crate::support::entry::CLAUDE),
        entry("m", "nova", "bedrock/us.amazon.nova-pro-v1:0"),
        entry("none", "none", elsewhere),
    ];
    let gateway = serving(&group, &settings("")).await;
    let body = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
    for _ in 0..12 {
        let answer = post(&gateway, "/model/m/invoke", &body).await;
        let by = answer.header("x-litellm-model-id");
        assert_eq!((answer.status, by), (200, "claude"));
        let answer = post(&gateway, "/model/m/converse", &hello("x")).await;
        assert_eq!(answer.status, 200);
        assert_ne!(answer.header("x-litellm-model-id"), "like");
    }
    let answer = post(&gateway, "/model/none/converse", &hello("x")).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["param"], "model");
}

#[tokio::test]
async fn guardrail_of_a_deployment_holds_here_too() {
    let guarded = Entry {
        params: ", guardrailConfig: {guardrailIdentifier: gr1, guardrailVersion: \"1\"}",
        ..Entry::default()
    };
    let gateway = serving(&[guarded], &settings("")).await;
    let own = json!({"guardrailIdentifier": "gr1", "guardrailVersion": "1"});
    let answer = post(&gateway, "/model/m/converse", &hello("x")).await;
    assert_eq!(answer.status, 200);
    let sent = gateway.simulator.calls().pop().unwrap();
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(body["guardrailConfig"], own);
    assert_eq!(body["messages"], hello("x")["messages"]);

    let theirs = json!({"guardrailIdentifier": "gr2", "guardrailVersion": "2"});
    let mut asked = hello("x");
    asked["guardrailConfig"] = theirs;
    assert_eq!(
        post(&gateway, "/model/m/converse", &asked).await.status,
        200
    );
    let sent = gateway.simulator.calls().pop().unwrap();
    assert_eq!(
        sent.body,
        asked.to_string(),
        "a guardrail of the caller's stays"
    );
    asked["guardrailConfig"] = Value::Null;
    assert_eq!(
        post(&gateway, "/model/m/converse", &asked).await.status,
        400
    );

    let body = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(post(&gateway, "/model/m/invoke", &body).await.status, 200);
    let sent = gateway.simulator.calls().pop().unwrap();
    assert_eq!(sent.body, body.to_string());
    assert_eq!(sent.headers["x-amzn-bedrock-guardrailidentifier"], "gr1");
    assert_eq!(sent.headers["x-amzn-bedrock-guardrailversion"], "1");
}

#[tokio::test]
async fn a_stream_that_tells_of_its_failure_takes_from_limits_once() {
    for fault in ["exception-mid", "cut"] {
        let gateway = dear().await;
        let text = format!("one two three four five six seven eight [[sim:{fault},at=4]]");
        let body = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50,
            "messages": [{"role": "user", "content": text}]});
        let url = format!(
            "{}/bedrock/model/m/invoke-with-response-stream",
            gateway.url
        );
        let request = gateway
            .client
            .post(url)
            .bearer_auth(KEY)
            .body(body.to_string());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.bytes().await.is_err(), fault == "cut");
        let spent = spent(&gateway).await;
        assert!(spent > 5.0, "{fault}: {spent}");
        let snapshot = gateway.app.live.load();
        let key = snapshot.keys.virtual_keys().next().unwrap();
        let levels = key.meters("m", &[])[0].levels(Instant::now());
        let used = levels.iter().find(|level| level.limit == LimitName::Tpm);
        #[expect(clippy::cast_precision_loss, reason = "a few tokens")]
        let used = used.unwrap().used as f64;
        assert!((used - spent).abs() < 0.5, "{fault}: {used} of {spent}");
    }
}
