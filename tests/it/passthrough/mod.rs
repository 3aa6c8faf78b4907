//! `/bedrock`: Bedrock's own APIs through the gateway. What AWS says comes back as it is; who may call what, by whose identity
//! and through which limits is the gateway's.

mod allowed;
mod paid;
mod relayed;
mod routed;

use std::sync::Arc;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use switchyard::clock::SystemClock;
use switchyard::simulator::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

use crate::support::Gateway;
use crate::support::entry::{Entry, file, serving};
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
    gateway: &Gateway,
    method: Method,
    url: String,
    headers: &[(&str, &str)],
    body: impl ToString,
) -> Relayed {
    let mut request = gateway.client.request(method, url).body(body.to_string());
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
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    send(gateway, method, url, &headers, body).await
}

async fn post_as(gateway: &Gateway, key: &str, path: &str, body: &Value) -> Relayed {
    call(gateway, key, Method::POST, path, body).await
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> Relayed {
    post_as(gateway, MASTER, path, body).await
}

async fn get(gateway: &Gateway, key: &str, path: &str) -> Relayed {
    call(gateway, key, Method::GET, path, &Value::Null).await
}

/// The same call without a gateway.
async fn directly(gateway: &Gateway, path: &str, body: &Value) -> Relayed {
    let url = format!("{}{path}", gateway.simulator.url());
    let headers = [("authorization", "Bearer ABSKsim-bedrock-api-key-0001")];
    send(gateway, Method::POST, url, &headers, body).await
}

/// A body in Claude's own format.
fn claude_says(text: &str) -> Value {
    json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": [{"role": "user", "content": text}]})
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
    Entry::default().params(", use_in_pass_through: true")
}

async fn gateway() -> Gateway {
    serving(&[own_identity()], &format!("{}{KEYS}", settings(""))).await
}

/// A gateway whose deployment and control plane are `upstream`.
async fn before(upstream: &Upstream, rest: &str) -> Gateway {
    let url = format!("\"{}\"", upstream.url);
    let yaml = file(&[own_identity()], rest).replace("\"$URL\"", &url);
    Gateway::with(&yaml, Arc::new(SystemClock)).await
}
