//! The simulator over real sockets.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

const MODEL: &str = "anthropic.claude-3-haiku-20240307-v1%3A0";
const BEARER: &str = "Bearer ABSKsim-bedrock-api-key-0001";

async fn simulator() -> Simulator {
    Simulator::start(Options::default()).await.unwrap()
}

fn body(text: &str) -> String {
    json!({"messages": [{"role": "user", "content": [{"text": text}]}]}).to_string()
}

async fn post(
    url: String,
    headers: &[(&str, &str)],
    body: String,
) -> (u16, http::HeaderMap, Vec<u8>) {
    let mut request = reqwest::Client::new()
        .post(url)
        .header("content-type", "application/json")
        .body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.bytes().await.unwrap().to_vec())
}

/// Signs like a client, for `service`, and returns the headers to send.
fn sign(
    key: &AccessKey,
    address: SocketAddr,
    path: &str,
    service: &str,
    body: &str,
) -> Vec<(&'static str, String)> {
    let date = clock::amz_date(clock::unix_seconds(clock::now()));
    let mut headers = http::HeaderMap::new();
    headers.insert("host", address.to_string().parse().unwrap());
    headers.insert("x-amz-date", date.parse().unwrap());
    let mut sent = vec![("x-amz-date", date.clone())];
    if let Some(token) = &key.session_token {
        headers.insert("x-amz-security-token", token.parse().unwrap());
        sent.push(("x-amz-security-token", token.clone()));
    }
    let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let day = date.split('T').next().unwrap();
    let scope = format!("{day}/us-east-1/{service}/aws4_request");
    let header = |signature: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
            key.id,
            names.join(";")
        )
    };
    let unsigned = header("0");
    let authorization = sigv4::Authorization::parse(&unsigned).unwrap();
    let signed = sigv4::Signed {
        method: "POST",
        path,
        query: "",
        headers: &headers,
        body: body.as_bytes(),
    };
    let canonical = signed.canonical_request(&authorization.signed_headers);
    let signing_key = sigv4::signing_key(&key.secret, day, "us-east-1", service);
    let signature = sigv4::sign(
        &signing_key,
        &sigv4::string_to_sign(&authorization, &date, &canonical),
    );
    sent.push(("authorization", header(&signature)));
    sent
}

async fn converse_signed(
    simulator: &Simulator,
    key: &AccessKey,
    extra: &[(&str, &str)],
) -> (u16, String) {
    let path = format!("/model/{MODEL}/converse");
    let signed = sign(key, simulator.address(), &path, "bedrock", &body("hi"));
    let mut headers: Vec<(&str, &str)> = signed
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    headers.extend(extra);
    let (status, headers, _) =
        post(format!("{}{path}", simulator.url()), &headers, body("hi")).await;
    let error = headers
        .get("x-amzn-errortype")
        .map_or("", |value| value.to_str().unwrap());
    (
        status,
        error.split(':').next().unwrap_or_default().to_owned(),
    )
}

#[tokio::test]
async fn signed_calls_are_answered_and_others_refused() {
    let simulator = simulator().await;
    let main = AccessKey::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY);
    assert_eq!(
        converse_signed(&simulator, &main, &[]).await,
        (200, String::new())
    );
    let refused = |name: &str| (403, name.to_owned());

    let wrong = AccessKey::new(ACCESS_KEY_ID, "wrong");
    assert_eq!(
        converse_signed(&simulator, &wrong, &[]).await,
        refused("InvalidSignatureException")
    );
    let unknown = AccessKey::new("AKIAUNKNOWN", "x");
    assert_eq!(
        converse_signed(&simulator, &unknown, &[]).await,
        refused("UnrecognizedClientException")
    );
    simulator.add_key(unknown.clone());
    assert_eq!(converse_signed(&simulator, &unknown, &[]).await.0, 200);

    let extra = [("x-amzn-bedrock-trace", "ENABLED")];
    assert_eq!(
        converse_signed(&simulator, &main, &extra).await,
        refused("InvalidSignatureException")
    );
    assert_eq!(
        converse_signed(&simulator, &main, &[("x-amzn-trace-id", "t")])
            .await
            .0,
        200
    );

    let [temporary, expired] = ["ASIASIMTEMP0000000004", "ASIASIMEXPIRED0000005"].map(|id| {
        keys::built_in()
            .into_iter()
            .find(|key| key.id == id)
            .unwrap()
    });
    assert_eq!(converse_signed(&simulator, &temporary, &[]).await.0, 200);
    let no_token = AccessKey {
        session_token: None,
        ..temporary
    };
    assert_eq!(
        converse_signed(&simulator, &no_token, &[]).await,
        refused("UnrecognizedClientException")
    );
    assert_eq!(
        converse_signed(&simulator, &expired, &[]).await,
        refused("ExpiredTokenException")
    );
    simulator.shutdown().await;
}

#[tokio::test]
async fn bearer_keys_are_checked() {
    let simulator = simulator().await;
    let url = format!("{}/model/{MODEL}/converse", simulator.url());
    assert_eq!(
        post(url.clone(), &[("authorization", BEARER)], body("hi"))
            .await
            .0,
        200
    );
    let (status, headers, reply) = post(
        url.clone(),
        &[("authorization", "Bearer other")],
        body("hi"),
    )
    .await;
    assert_eq!(status, 403);
    assert!(
        headers["x-amzn-errortype"]
            .to_str()
            .unwrap()
            .starts_with("AccessDeniedException:")
    );
    assert!(
        String::from_utf8(reply)
            .unwrap()
            .contains("API Key is valid")
    );
    let (status, headers, _) = post(url, &[], body("hi")).await;
    assert_eq!(status, 403);
    assert!(
        headers["x-amzn-errortype"]
            .to_str()
            .unwrap()
            .starts_with("MissingAuthenticationTokenException")
    );

    // A key that may be real is not shown.
    let calls = simulator.calls();
    let shown = |index: usize| calls[index].headers["authorization"].to_str().unwrap();
    assert_eq!(
        (shown(0), shown(1).starts_with("Bearer hmac:")),
        (BEARER, true)
    );
}

#[tokio::test]
async fn faults_strike_as_often_as_they_are_told_to() {
    let simulator = simulator().await;
    let url = format!(
        "{}/fault/throttle=2,throttle-after=7/model/{MODEL}/converse",
        simulator.url()
    );
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (status, headers, _) =
            post(url.clone(), &[("authorization", BEARER)], body("hi")).await;
        seen.push((
            status,
            headers
                .get("retry-after")
                .map(|value| value.to_str().unwrap().to_owned()),
        ));
    }
    let throttled = (429, Some("7".to_owned()));
    assert_eq!(seen, [throttled.clone(), throttled, (200, None)]);
    let marked = body("[[sim:context-window]]");
    let url = format!("{}/model/{MODEL}/converse-stream", simulator.url());
    let (status, _, reply) = post(url, &[("authorization", BEARER)], marked).await;
    assert_eq!(
        (status, reply.as_slice()),
        (
            400,
            br#"{"message":"Input is too long for requested model."}"#.as_slice()
        )
    );
}

#[tokio::test]
async fn converse_like_takes_any_path_below_its_own() {
    let simulator = simulator().await;
    let url = format!("{}/converse-like/v1/x", simulator.url());
    let (status, headers, _) = post(url.clone(), &[("authorization", BEARER)], body("hi")).await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (200, "application/json")
    );
    let (status, headers, _) = post(
        format!("{url}?stream"),
        &[("authorization", BEARER)],
        body("hi"),
    )
    .await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (200, "application/vnd.amazon.eventstream")
    );
}

#[tokio::test]
async fn other_operations_are_refused_by_name() {
    let simulator = simulator().await;
    assert_eq!(
        post(format!("{}/nothing", simulator.url()), &[], String::new())
            .await
            .0,
        404
    );
}

/// Opens a stream over a bare socket and reads until something of it has arrived.
async fn open_stream(simulator: &Simulator, text: &str) -> TcpStream {
    let mut socket = TcpStream::connect(simulator.address()).await.unwrap();
    let body = body(text);
    let head = format!(
        "POST /model/{MODEL}/converse-stream HTTP/1.1\r\nhost: x\r\nauthorization: {BEARER}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(body.as_bytes()).await.unwrap();
    let mut start = [0; 64];
    assert!(socket.read(&mut start).await.unwrap() > 0);
    socket
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_is_noticed_while_the_stream_is_silent() {
    let simulator = simulator().await;
    let socket = open_stream(&simulator, "one two three [[sim:stall-mid]]").await;
    assert_eq!(
        (simulator.open_streams(), simulator.cancelled_streams()),
        (1, 0)
    );
    drop(socket);
    until(|| simulator.open_streams() == 0).await;
    assert_eq!(simulator.cancelled_streams(), 1);
    assert_eq!(simulator.calls()[0].outcome(), "cancelled");
    assert_eq!(simulator.calls()[0].status(), Some(200));
}

#[tokio::test]
async fn a_stream_that_ends_is_not_cancelled() {
    let simulator = simulator().await;
    let url = format!("{}/model/{MODEL}/converse-stream", simulator.url());
    let (status, _, bytes) = post(
        url,
        &[("authorization", BEARER)],
        body("hi [[sim:long=300]]"),
    )
    .await;
    assert_eq!(status, 200);
    assert!(bytes.len() > 300 * 100);
    until(|| simulator.open_streams() == 0).await;
    assert_eq!(
        (
            simulator.cancelled_streams(),
            simulator.calls()[0].outcome()
        ),
        (0, "done")
    );
}

#[tokio::test]
async fn a_cut_stream_arrives_up_to_the_cut() {
    let simulator = simulator().await;
    let mut socket = open_stream(&simulator, "one two three [[sim:cut]]").await;
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).await.unwrap();
    assert!(
        rest.windows(17)
            .any(|window| window == b"contentBlockDelta")
    );
    assert!(!rest.ends_with(b"0\r\n\r\n"));
    until(|| simulator.open_streams() == 0).await;
    assert_eq!(simulator.cancelled_streams(), 0);
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let simulator = simulator().await;
    let mut socket = TcpStream::connect(simulator.address()).await.unwrap();
    let body = body("[[sim:reset]]");
    let head = format!(
        "POST /model/{MODEL}/converse HTTP/1.1\r\nhost: x\r\nauthorization: {BEARER}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let error = socket.read(&mut [0; 16]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn assumed_roles_sign_until_they_expire() {
    let options = Options {
        sts_lifetime: Some(Duration::ZERO),
        ..Options::default()
    };
    for (options, expected) in [(Options::default(), 200), (options, 403)] {
        let simulator = Simulator::start(options).await.unwrap();
        let form =
            "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fok&RoleSessionName=me";
        let main = AccessKey::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY);
        let signed = sign(&main, simulator.address(), "/", "sts", form);
        let headers: Vec<(&str, &str)> = signed
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let (status, _, xml) = post(format!("{}/", simulator.url()), &headers, form.into()).await;
        let xml = String::from_utf8(xml).unwrap();
        assert_eq!(status, 200, "{xml}");
        let field = |name: &str| {
            let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap();
            rest.split_once('<').unwrap().0.to_owned()
        };
        let key = AccessKey {
            session_token: Some(field("SessionToken")),
            ..AccessKey::new(field("AccessKeyId"), field("SecretAccessKey"))
        };
        assert_eq!(converse_signed(&simulator, &key, &[]).await.0, expected);
    }
}

#[tokio::test]
async fn denied_roles_are_refused_in_xml() {
    let simulator = simulator().await;
    let form = "Action=AssumeRoleWithWebIdentity&RoleArn=arn:aws:iam::1:role/denied&RoleSessionName=me&WebIdentityToken=t";
    let (status, headers, xml) = post(format!("{}/", simulator.url()), &[], form.into()).await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (403, "text/xml")
    );
    assert!(
        String::from_utf8(xml)
            .unwrap()
            .contains("<Code>AccessDenied</Code>")
    );
}

#[tokio::test]
async fn the_simulator_tells_what_it_saw() {
    let simulator = simulator().await;
    let url = format!("{}/model/{MODEL}/converse", simulator.url());
    for text in ["first", "second"] {
        assert_eq!(
            post(url.clone(), &[("authorization", BEARER)], body(text))
                .await
                .0,
            200
        );
    }
    let get = async |path: &str| -> Value {
        let response = reqwest::get(format!("{}{path}", simulator.url()))
            .await
            .unwrap();
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    };
    let state = get("/_simulator/state").await;
    assert_eq!(
        (&state["calls_total"], &state["open_streams"]),
        (&json!(2), &json!(0))
    );
    assert!(!state.to_string().contains(SECRET_ACCESS_KEY));
    let calls = get("/_simulator/calls?last=1").await;
    let call = &calls["calls"][0];
    assert_eq!(call["path"], format!("/model/{MODEL}/converse"));
    assert_eq!(
        (&call["status"], &call["outcome"]),
        (&json!(200), &json!("done"))
    );
    assert!(call["body"].as_str().unwrap().contains("second"));
    let deleted = reqwest::Client::new()
        .delete(format!("{}/_simulator/calls", simulator.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.status().as_u16(), 200);
    assert_eq!(get("/_simulator/calls").await, json!({"calls": []}));
}

#[tokio::test]
async fn tokens_are_counted_of_what_a_model_would_be_asked() {
    let simulator = simulator().await;
    let url = format!("{}/model/{MODEL}/count-tokens", simulator.url());
    let count = |body: serde_json::Value| {
        let url = url.clone();
        async move {
            let (status, _, body) = post(url, &[("authorization", BEARER)], body.to_string()).await;
            let body: serde_json::Value = serde_json::from_slice(body.as_ref()).unwrap();
            (status, body)
        }
    };
    let messages = serde_json::json!([{"role": "user", "content": [{"text": "twelve chars"}]}]);
    let (status, body) =
        count(serde_json::json!({"input": {"converse": {"messages": messages}}})).await;
    assert_eq!((status, body["inputTokens"].as_u64()), (200, Some(3)));
    let (status, body) = count(
        serde_json::json!({"input": {"converse": {"messages": messages, "inferenceConfig": {}}}}),
    )
    .await;
    assert_eq!(status, 400, "{body}");
    assert_eq!(count(serde_json::json!({})).await.0, 400);
}

#[tokio::test]
async fn agents_guardrails_and_knowledge_bases_are_checked_like_models() {
    let simulator = simulator().await;
    let key = AccessKey::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY);
    let agent = "/agents/SIMAGENT01/agentAliases/SIMALIAS01/sessions/s1/text";
    for (path, service, body, status) in [
        (agent, "bedrock", json!({"inputText": "hi"}), 200),
        (agent, "bedrock-agent", json!({"inputText": "hi"}), 403),
        (agent, "bedrock", json!({"text": "hi"}), 400),
        (
            "/agents/short/agentAliases/SIMALIAS01/sessions/s1/text",
            "bedrock",
            json!({}),
            400,
        ),
        (
            "/knowledgebases/KB12345678/retrieve",
            "bedrock",
            json!({"retrievalQuery": {"text": "fox"}}),
            200,
        ),
        (
            "/knowledgebases/KB12345678/retrieve",
            "bedrock",
            json!({"query": "fox"}),
            400,
        ),
        (
            "/knowledgebases/KB1/retrieve",
            "bedrock",
            json!({"retrievalQuery": {"text": "fox"}}),
            400,
        ),
        (
            "/retrieveAndGenerate",
            "bedrock",
            json!({"input": {"text": "fox"}}),
            200,
        ),
        (
            "/retrieveAndGenerate",
            "bedrock",
            json!({"input": "fox"}),
            400,
        ),
        (
            "/guardrail/gr1/version/1/apply",
            "bedrock",
            json!({"source": "INPUT", "content": []}),
            200,
        ),
        (
            "/guardrail/gr1/version/1/apply",
            "bedrock",
            json!({"source": "INPUT", "contents": []}),
            400,
        ),
        (
            "/guardrail/gr1/version/latest/apply",
            "bedrock",
            json!({"source": "INPUT", "content": []}),
            400,
        ),
        ("/guardrails", "bedrock", json!({"name": "g"}), 400),
        ("/agents/a/b/c", "bedrock", json!({}), 404),
    ] {
        let body = body.to_string();
        let signed = sign(&key, simulator.address(), path, service, &body);
        let headers: Vec<(&str, &str)> = (signed.iter())
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let answer = post(format!("{}{path}", simulator.url()), &headers, body.clone()).await;
        let said = String::from_utf8_lossy(&answer.2);
        assert_eq!(answer.0, status, "{path} {service} {body}: {said}");
    }
    // An API key is for models, guardrails and the control plane.
    for (path, status) in [(agent, 403), ("/guardrails", 400)] {
        let url = format!("{}{path}", simulator.url());
        let answer = post(url, &[("authorization", BEARER)], json!({}).to_string()).await;
        assert_eq!(answer.0, status, "{path}");
    }
}

#[tokio::test]
async fn compatible_apis_refuse_what_they_do_not_document() {
    let simulator = simulator().await;
    let chat =
        |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
    let with = |mut body: Value, name: &str, value: Value| {
        body[name] = value;
        body
    };
    let oss = "openai.gpt-oss-120b";
    let item = json!([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]);
    let responses = json!({"model": "openai.gpt-5.6-cyber", "input": item});
    let messages = with(chat("anthropic.claude-haiku-4-5"), "max_tokens", json!(9));
    for (path, body, status) in [
        ("/v1/chat/completions", chat(oss), 200),
        (
            "/openai/v1/chat/completions",
            chat("us.openai.gpt-5.6-luna"),
            200,
        ),
        (
            "/v1/chat/completions",
            with(chat(oss), "max_tokens", json!(5)),
            400,
        ),
        ("/v1/chat/completions", with(chat(oss), "n", json!(2)), 400),
        (
            "/v1/chat/completions",
            with(chat(oss), "reasoning_effort", json!("some")),
            400,
        ),
        ("/v1/chat/completions", json!({"messages": []}), 400),
        // Newer models are behind `/openai` only, and some have responses only.
        ("/v1/chat/completions", chat("openai.gpt-5.5"), 404),
        (
            "/openai/v1/chat/completions",
            chat("openai.gpt-5.6-cyber"),
            400,
        ),
        (
            "/v1/chat/completions",
            chat("anthropic.claude-haiku-4-5"),
            404,
        ),
        ("/openai/v1/responses", responses.clone(), 200),
        (
            "/openai/v1/responses",
            with(responses.clone(), "max_output_tokens", json!(5)),
            400,
        ),
        (
            "/openai/v1/responses",
            with(responses, "messages", json!([])),
            400,
        ),
        ("/anthropic/v1/messages", messages.clone(), 200),
        ("/anthropic/v1/messages", with(messages, "n", json!(1)), 400),
        (
            "/anthropic/v1/messages",
            chat("anthropic.claude-haiku-4-5"),
            400,
        ),
        (
            "/anthropic/v1/messages",
            with(chat(oss), "max_tokens", json!(9)),
            404,
        ),
        ("/v2/chat/completions", chat(oss), 404),
    ] {
        let url = format!("{}{path}", simulator.url());
        let answer = post(url, &[("authorization", BEARER)], body.to_string()).await;
        assert_eq!(
            answer.0,
            status,
            "{path} {body}: {}",
            String::from_utf8_lossy(&answer.2)
        );
    }
    let url = format!("{}/v1/chat/completions", simulator.url());
    assert_eq!(post(url, &[], chat(oss).to_string()).await.0, 403);
}
