//! Images that a request names by URL: how many, and for how long.

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::Gateway;

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
