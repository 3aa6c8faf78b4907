//! `/cache/*`: who may ask, and what is answered with and without a cache.

use reqwest::Method;
use serde_json::{Value, json};
use switchyard::config::{CacheBackend, CacheConfig, RedisConfig, Secret};

use crate::support::{Answer, Gateway};

const MASTER: &str = "general_settings: {master_key: sk-right-and-long-enough}\n";
const KEY: &str = "Bearer sk-right-and-long-enough";

async fn gateway(cache: Option<CacheConfig>) -> Gateway {
    Gateway::start_with("", MASTER, |config| config.cache = cache).await
}

async fn call(gateway: &Gateway, method: Method, path: &str, key: &str, body: &str) -> Answer {
    let request = gateway
        .client
        .request(method, format!("{}{path}", gateway.url))
        .header("authorization", key)
        .header("x-litellm-call-id", "mine")
        .body(body.to_owned());
    let response = request.send().await.unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    }
}

async fn get(gateway: &Gateway, path: &str) -> Answer {
    call(gateway, Method::GET, path, KEY, "").await
}

async fn post(gateway: &Gateway, path: &str, body: &str) -> Answer {
    call(gateway, Method::POST, path, KEY, body).await
}

#[tokio::test]
async fn only_the_administrator_may_ask() {
    let gateway = gateway(Some(CacheConfig::default())).await;
    for (method, path) in [
        (Method::GET, "/cache/ping"),
        (Method::POST, "/cache/delete"),
        (Method::POST, "/cache/flushall"),
        (Method::GET, "/cache/redis/info"),
    ] {
        let answer = call(&gateway, method, path, "Bearer sk-wrong", "{").await;
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.json()["error"]["type"], "auth_error", "{path}");
        assert_eq!(answer.header("x-litellm-call-id"), "mine", "{path}");
    }
    assert_eq!(post(&gateway, "/cache/ping", "").await.status, 405);
    assert_eq!(get(&gateway, "/cache/flushall").await.status, 405);
}

#[tokio::test]
async fn local_cache_answers_forgets_and_has_no_redis() {
    let gateway = gateway(Some(CacheConfig::default())).await;
    let ping = get(&gateway, "/cache/ping").await;
    let body = ping.json();
    assert_eq!(
        (ping.status, &body["status"], &body["cache_type"]),
        (200, &json!("healthy"), &json!("local"))
    );
    assert!(body.get("ping_response").is_none());
    let params: Value =
        serde_json::from_str(body["litellm_cache_params"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&params["type"], &params["mode"]),
        (&json!("local"), &json!("default_on"))
    );
    assert!(body["health_check_cache_params"].is_object());
    for (path, body) in [
        ("/cache/flushall", ""),
        ("/cache/delete", r#"{"keys": ["a", "b"]}"#),
    ] {
        let answer = post(&gateway, path, body).await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({"status": "success"})),
            "{path}"
        );
    }
    let info = get(&gateway, "/cache/redis/info").await;
    assert_eq!(
        (info.status, &info.json()["error"]["code"]),
        (400, &json!("400"))
    );
    assert!(info.body.contains("there is no Redis"), "{}", info.body);
}

#[tokio::test]
async fn keys_to_delete_are_a_list_of_strings() {
    let gateway = gateway(Some(CacheConfig::default())).await;
    let many = json!({"keys": vec!["k"; 10_001]}).to_string();
    for (body, param) in [
        ("{", "request_body"),
        ("{}", "keys"),
        ("[]", "keys"),
        (r#"{"keys": "a"}"#, "keys"),
        (r#"{"keys": [1]}"#, "keys"),
        (many.as_str(), "keys"),
    ] {
        let answer = post(&gateway, "/cache/delete", body).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["param"]),
            (400, &json!(param)),
            "{body:.40}"
        );
    }
}

#[tokio::test]
async fn no_cache_is_503_with_the_reason() {
    let gateway = gateway(None).await;
    let ping = get(&gateway, "/cache/ping").await;
    let error = &ping.json()["error"];
    assert_eq!(ping.status, 503);
    assert_eq!(
        (&error["type"], &error["param"], &error["code"]),
        (
            &json!("cache_ping_error"),
            &json!("cache_ping"),
            &json!("503")
        )
    );
    let message: Value = serde_json::from_str(error["message"].as_str().unwrap()).unwrap();
    assert!(
        message["message"]
            .as_str()
            .unwrap()
            .contains("Cache not initialized")
    );
    assert_eq!(post(&gateway, "/cache/flushall", "").await.status, 503);
    assert_eq!(
        post(&gateway, "/cache/delete", r#"{"keys": []}"#)
            .await
            .status,
        503
    );
    assert_eq!(get(&gateway, "/cache/redis/info").await.status, 503);
}

#[tokio::test]
async fn redis_that_is_not_there_is_unhealthy_and_no_secret_is_shown() {
    let redis = RedisConfig {
        host: Some("redis.internal".to_owned()),
        password: Some(Secret::new("hunter2")),
        ..RedisConfig::default()
    };
    let settings = CacheConfig {
        backend: CacheBackend::Redis,
        redis: Some(redis),
        ..CacheConfig::default()
    };
    let gateway = gateway(Some(settings)).await;
    let ping = get(&gateway, "/cache/ping").await;
    assert_eq!(ping.status, 503);
    assert!(
        !ping.body.contains("hunter2") && ping.body.contains("redis.internal"),
        "{}",
        ping.body
    );
    let info = get(&gateway, "/cache/redis/info").await;
    assert_eq!(info.status, 503, "{}", info.body);
    assert!(
        info.body.contains("not connected to Redis"),
        "{}",
        info.body
    );
}

#[tokio::test]
async fn open_gateway_lets_anyone_ask() {
    let gateway =
        Gateway::start_with("", "", |config| config.cache = Some(CacheConfig::default())).await;
    assert_eq!(
        call(&gateway, Method::GET, "/cache/ping", "", "")
            .await
            .status,
        200
    );
}
