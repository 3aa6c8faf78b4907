//! Images that a request names by URL: how many, and for how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::Gateway;
use crate::support::entry::{Entry, serving};

const ALLOWED: &str = "litellm_settings:\n  user_url_allowed_hosts: [\"127.0.0.1\"]\n";

fn naming(urls: impl Iterator<Item = String>) -> Value {
    let images: Vec<Value> = urls
        .map(|url| json!({"type": "image_url", "image_url": {"url": url}}))
        .collect();
    json!({"model": "m", "messages": [{"role": "user", "content": images}]})
}

#[tokio::test]
async fn more_files_than_one_call_may_name_are_refused() {
    let gateway = Gateway::start("", ALLOWED).await;
    let urls = (0..21).map(|index| format!("http://127.0.0.1:1/{index}.png"));
    let answer = gateway.post(&naming(urls), &[]).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains("at most 20"), "{message}");
}

#[tokio::test]
async fn callers_deadline_bounds_the_fetching() {
    let gateway = Gateway::start("", ALLOWED).await;
    // Takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/a.png", silent.local_addr().unwrap());
    for header in ["x-litellm-timeout", "x-switchyard-deadline"] {
        let body = naming([url.clone()].into_iter());
        let answer = gateway.post(&body, &[(header, "0.05")]).await;
        assert_eq!(answer.status, 408, "{header}: {}", answer.body);
        assert_eq!(answer.json()["error"]["type"], "timeout_error");
    }
    assert_eq!(gateway.simulator.calls_total(), 0);
}

/// Serves a picture, and says how often it did.
async fn picture() -> (String, Arc<AtomicUsize>) {
    const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/a.png", listener.local_addr().unwrap());
    let png = STANDARD.decode(PNG).unwrap();
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _read = connection.read(&mut request).await;
            count.fetch_add(1, Ordering::SeqCst);
            let length = png.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            let _written = connection.write_all(head.as_bytes()).await;
            let _written = connection.write_all(&png).await;
        }
    });
    (url, served)
}

#[tokio::test]
async fn files_are_fetched_once_where_a_limit_leads_to_other_models() {
    const KEY: &str = "sk-one-and-long-enough";
    let (url, served) = picture().await;
    let named = |name, fault| Entry::of(name, name).fault(fault);
    let entries = [
        named("m", ""),
        named("bad1", "error503"),
        named("bad2", "error503"),
        named("good", ""),
    ];
    let rest = format!(
        "{ALLOWED}router_settings: {{num_retries: 0, disable_cooldowns: true, fallbacks: [{{m: [bad1, bad2, good]}}]}}\n\
         virtual_keys:\n  - {{key: {KEY}, model_rpm_limit: {{m: 1}}}}\n"
    );
    let gateway = serving(&entries, &rest).await;
    let bearer = format!("Bearer {KEY}");
    for group in ["m", "good"] {
        let before = served.load(Ordering::SeqCst);
        let body = naming([url.clone()].into_iter());
        let answer = gateway.post(&body, &[("authorization", &bearer)]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("x-litellm-model-group"), group);
        assert_eq!(served.load(Ordering::SeqCst) - before, 1, "{group}");
    }
}
