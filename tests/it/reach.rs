//! Who may reach the gateway at all, and what it asks of every call.

use reqwest::Method;
use serde_json::json;

use crate::support::Gateway;

const MASTER: &str = "sk-master-and-long-enough";
const KEY: &str = "sk-one-and-long-enough";

/// A gateway with these `general_settings` beside its master key, and a virtual key.
async fn with(settings: &str) -> Gateway {
    let rest = format!(
        "general_settings: {{master_key: {MASTER}, {settings}}}\nvirtual_keys:\n  - {{key: {KEY}}}\n"
    );
    Gateway::of(&[("m", "m1", "", "")], &rest).await
}

fn chat() -> serde_json::Value {
    json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]})
}

#[tokio::test]
async fn address_that_is_not_allowed_gets_403_everywhere_but_for_probes() {
    let gateway = with("allowed_ips: [10.0.0.0/8, 192.0.2.7]").await;
    let bearer = format!("Bearer {MASTER}");
    let key = [("authorization", bearer.as_str())];
    for path in [
        "/v1/chat/completions",
        "/bedrock/model/m/converse",
        "/nowhere",
    ] {
        let refused = gateway.post_to(path, &chat(), &key).await;
        assert_eq!(refused.status, 403, "{path}: {}", refused.body);
        let error = &refused.json()["error"];
        assert_eq!(error["type"], "permission_error", "{error}");
        assert!(
            error["message"].as_str().unwrap().contains("127.0.0.1"),
            "{error}"
        );
        assert!(!refused.header("x-litellm-call-id").is_empty(), "{path}");
        assert_eq!(refused.header("x-frame-options"), "DENY", "{path}");
    }
    let refused = gateway.post_to("/v1/messages", &chat(), &key).await;
    assert_eq!(refused.status, 403);
    let body = refused.json();
    assert_eq!(
        (&body["type"], &body["error"]["type"]),
        (&json!("error"), &json!("permission_error"))
    );
    let refused = gateway
        .post_to("/bedrock/model/m/converse", &chat(), &key)
        .await;
    assert_eq!(refused.header("x-amzn-errortype"), "AccessDeniedException");
    for path in ["/", "/v1/models", "/metrics", "/router/state"] {
        let refused = gateway.call(Method::GET, path, Some(MASTER)).await;
        assert_eq!(refused.status, 403, "{path}");
    }
    for path in [
        "/health/liveliness",
        "/health/liveness",
        "/health/readiness",
    ] {
        assert_eq!(
            gateway.call(Method::GET, path, None).await.status,
            200,
            "{path}"
        );
    }
    assert_eq!(gateway.calls_of("m1"), 0);
}

#[tokio::test]
async fn address_that_is_allowed_is_served_and_still_needs_a_key() {
    let gateway = with("allowed_ips: [\"::1\", 127.0.0.0/8]").await;
    assert_eq!(gateway.post(&chat(), &[]).await.status, 401);
    let bearer = format!("Bearer {KEY}");
    let served = gateway.post(&chat(), &[("authorization", &bearer)]).await;
    assert_eq!(served.status, 200, "{}", served.body);
}

#[tokio::test]
async fn forwarded_address_counts_from_a_trusted_proxy_alone() {
    let bearer = format!("Bearer {KEY}");
    for (proxy, allowed, forwarded, status) in [
        ("127.0.0.1", "203.0.113.0/24", "203.0.113.9", 200),
        ("127.0.0.1", "203.0.113.0/24", "198.51.100.1", 403),
        // Forged in front of what the proxy added.
        (
            "127.0.0.1",
            "203.0.113.0/24",
            "203.0.113.9, 198.51.100.1",
            403,
        ),
        // Not from a proxy: the connection's own address counts.
        ("10.0.0.0/8", "203.0.113.0/24", "203.0.113.9", 403),
        ("10.0.0.0/8", "127.0.0.1", "203.0.113.9", 200),
    ] {
        let settings = format!(
            "allowed_ips: [{allowed}], use_x_forwarded_for: true, trusted_proxy_ranges: [{proxy}]"
        );
        let gateway = with(&settings).await;
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-forwarded-for", forwarded),
        ];
        let answer = gateway.post(&chat(), &headers).await;
        assert_eq!(
            answer.status, status,
            "{settings} {forwarded}: {}",
            answer.body
        );
    }
    let gateway = with("allowed_ips: [203.0.113.0/24], trusted_proxy_ranges: [127.0.0.1]").await;
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-forwarded-for", "203.0.113.9"),
    ];
    let answer = gateway.post(&chat(), &headers).await;
    assert_eq!(
        answer.status, 403,
        "the header counts only where it is asked for"
    );
}

#[tokio::test]
async fn connection_goes_on_after_a_refused_address() {
    let gateway = with("allowed_ips: [10.0.0.1]").await;
    for _ in 0..3 {
        assert_eq!(gateway.post(&chat(), &[]).await.status, 403);
    }
}

#[tokio::test]
async fn only_allowed_routes_are_served() {
    let gateway = with("allowed_routes: [/v1/chat/completions, /models*]").await;
    let bearer = format!("Bearer {MASTER}");
    let key = [("authorization", bearer.as_str())];
    for path in ["/v1/chat/completions", "/chat/completions"] {
        assert_eq!(
            gateway.post_to(path, &chat(), &key).await.status,
            200,
            "{path}"
        );
    }
    for path in ["/v1/models", "/models/m"] {
        assert_eq!(
            gateway.call(Method::GET, path, Some(MASTER)).await.status,
            200,
            "{path}"
        );
    }
    for path in [
        "/v1/messages",
        "/bedrock/model/m/converse",
        "/config/reload",
    ] {
        let refused = gateway.post_to(path, &chat(), &key).await;
        assert_eq!(refused.status, 403, "{path}: {}", refused.body);
    }
    let probe = gateway.call(Method::GET, "/health/readiness", None).await;
    assert_eq!(probe.status, 200);
}

#[tokio::test]
async fn admin_only_routes_need_the_master_key_or_a_key_that_names_them() {
    let rest = format!(
        "general_settings: {{master_key: {MASTER}, admin_only_routes: [/v1/models, /bedrock/*]}}\nvirtual_keys:\n  \
         - {{key: {KEY}}}\n  - {{key: sk-two-and-long-enough, allowed_routes: [/models]}}\n"
    );
    let gateway = Gateway::of(&[("m", "m1", "", "")], &rest).await;
    for (key, path, status) in [
        (Some(MASTER), "/v1/models", 200),
        (Some(KEY), "/v1/models", 403),
        (Some(KEY), "/models", 403),
        (Some("sk-two-and-long-enough"), "/models", 200),
        (None, "/models", 401),
        (Some(KEY), "/bedrock/foundation-models", 403),
    ] {
        let answer = gateway.call(Method::GET, path, key).await;
        assert_eq!(answer.status, status, "{key:?} {path}: {}", answer.body);
    }
    let bearer = format!("Bearer {KEY}");
    let chat = gateway.post(&chat(), &[("authorization", &bearer)]).await;
    assert_eq!(chat.status, 200, "{}", chat.body);
}

#[tokio::test]
async fn admin_only_routes_hold_in_every_spelling() {
    let gateway = with(
        "admin_only_routes: [/v1/chat/completions, /v1/messages, /bedrock/model/*, /engines/m/embeddings, info_routes]",
    )
    .await;
    let bearer = format!("Bearer {KEY}");
    let key = [("authorization", bearer.as_str())];
    for path in [
        "/v1/chat/completions/",
        "/v1/v1/messages",
        "/bedrock/v2/model/m/converse",
        "/engines/%6d/embeddings",
        "/engines/m%2Fembeddings",
    ] {
        let refused = gateway.post_to(path, &chat(), &key).await;
        assert_eq!(refused.status, 403, "{path}: {}", refused.body);
    }
    for (caller, status) in [(KEY, 403), (MASTER, 200)] {
        let answer = gateway.call(Method::GET, "/v1/models/", Some(caller)).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    assert_eq!(gateway.calls_of("m1"), 0);
}

#[tokio::test]
async fn preflight_of_a_guarded_path_needs_no_key() {
    let gateway = with("admin_only_routes: [/v1/models, /bedrock/*]").await;
    let page = ("origin", "https://app.example.com");
    let asks = ("access-control-request-method", "GET");
    for path in ["/v1/models", "/bedrock/model/m/converse"] {
        for (method, headers, status) in [
            (Method::OPTIONS, &[page, asks][..], 200),
            (Method::OPTIONS, &[asks], 401),
            (Method::OPTIONS, &[page], 401),
            (Method::GET, &[page, asks], 401),
        ] {
            let url = format!("{}{path}", gateway.url);
            let mut request = gateway.client.request(method, url);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), status, "{path} {headers:?}");
            let allowed = answer.headers().get("access-control-allow-origin");
            assert_eq!(allowed.is_some(), status == 200, "{path} {headers:?}");
        }
    }
}

#[tokio::test]
async fn form_is_asked_for_its_fields() {
    let gateway = with("enforce_user_param: true, enforced_params: [image]").await;
    let field = |name: &str, value: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let basis = field("model", "nothing") + &field("prompt", "a hat");
    let user = field("user", "u-1");
    let file = field("image\"; filename=\"a.png", "abc");
    for (form, param) in [
        (basis.clone() + &file, json!("user")),
        (basis.clone() + &user, json!("image")),
        // Nothing is missing: it is refused for its model, which there is not.
        (basis + &user + &file, json!(null)),
    ] {
        let request = gateway
            .client
            .post(format!("{}/v1/images/edits", gateway.url))
            .bearer_auth(KEY)
            .header("content-type", "multipart/form-data; boundary=x")
            .body(form + "--x--\r\n");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 400, "{param}");
        let answer = answer.text().await.unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["error"]["param"], param, "{answer}");
    }
}

#[tokio::test]
async fn call_without_its_user_is_400_that_names_it() {
    let gateway = with("enforce_user_param: true").await;
    let bearer = format!("Bearer {KEY}");
    let key = [("authorization", bearer.as_str())];
    for (path, body) in [
        ("/v1/chat/completions", chat()),
        ("/v1/completions", json!({"model": "m", "prompt": "hi"})),
        ("/v1/embeddings", json!({"model": "m", "input": "hi"})),
        ("/v1/responses", json!({"model": "m", "input": "hi"})),
    ] {
        let refused = gateway.post_to(path, &body, &key).await;
        assert_eq!(refused.status, 400, "{path}: {}", refused.body);
        let error = &refused.json()["error"];
        let said = (&error["param"], &error["type"]);
        assert_eq!(said, (&json!("user"), &json!("invalid_request_error")));
    }
    assert_eq!(gateway.calls_of("m1"), 0);
    let mut body = chat();
    body["user"] = json!("u-1");
    assert_eq!(gateway.post(&body, &key).await.status, 200);
    let refused = gateway.post_to("/v1/messages", &body, &key).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    body["metadata"] = json!({"user_id": "u-1"});
    let served = gateway.post_to("/v1/messages", &body, &key).await;
    assert_eq!(served.status, 200, "{}", served.body);
}

#[tokio::test]
async fn enforced_params_are_asked_for_by_the_gateway_and_by_the_key() {
    let rest = format!(
        "general_settings: {{master_key: {MASTER}, enforced_params: [temperature]}}\nvirtual_keys:\n  \
         - {{key: {KEY}, metadata: {{enforced_params: [metadata.team]}}}}\n"
    );
    let gateway = Gateway::of(&[("m", "m1", "", "")], &rest).await;
    let mut body = chat();
    for (key, member, value, missing) in [
        (MASTER, "top_p", json!(1), Some("temperature")),
        (MASTER, "temperature", json!(0.5), None),
        (KEY, "top_p", json!(1), Some("metadata.team")),
        (KEY, "metadata", json!({"team": "a"}), None),
    ] {
        body[member] = value;
        let bearer = format!("Bearer {key}");
        let answer = gateway.post(&body, &[("authorization", &bearer)]).await;
        match missing {
            Some(missing) => {
                assert_eq!(answer.status, 400, "{}", answer.body);
                assert_eq!(answer.json()["error"]["param"], missing);
            }
            None => assert_eq!(answer.status, 200, "{}", answer.body),
        }
    }
}
