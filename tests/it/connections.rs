//! Connections: clients that say nothing, and clients that leave early.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Gateway;

#[tokio::test]
async fn connection_that_says_nothing_is_closed() {
    let gateway = Gateway::start(
        "",
        "general_settings:\n  header_read_timeout_seconds: 0.05\n",
    )
    .await;
    let address = gateway.url.strip_prefix("http://").unwrap();
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut read = Vec::new();
    assert_eq!(silent.read_to_end(&mut read).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn hang_up_ends_the_call_upstream() {
    let gateway = Gateway::start("", "").await;
    let body = serde_json::json!({
        "model": "m", "stream": true,
        "messages": [{"role": "user", "content": "[[sim:long=100000]] [[sim:slow=5]]"}],
    });
    let request = gateway
        .client
        .post(format!("{}/v1/chat/completions", gateway.url))
        .body(body.to_string());
    let mut response = request.send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    drop(response);
    while gateway.simulator.cancelled_streams() == 0 {
        tokio::task::yield_now().await;
    }
}

/// Hangs up while AWS works on a whole answer; returns how the call ended there.
async fn ending_after_hang_up(settings: &str) -> &'static str {
    let gateway = Gateway::start("", settings).await;
    let body =
        r#"{"model":"m","messages":[{"role":"user","content":"hello [[sim:slow-start=200]]"}]}"#;
    let address = gateway.url.strip_prefix("http://").unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client
        .write_all(format!("{head}{body}").as_bytes())
        .await
        .unwrap();
    while gateway.simulator.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(client);
    loop {
        match gateway.simulator.calls()[0].outcome() {
            "open" => tokio::task::yield_now().await,
            ending => return ending,
        }
    }
}

#[tokio::test]
async fn hang_up_ends_a_whole_answer_unless_the_operator_says_otherwise() {
    assert_eq!(ending_after_hang_up("").await, "cancelled");
    let settings = "general_settings:\n  cancel_on_disconnect: false\n";
    assert_eq!(ending_after_hang_up(settings).await, "done");
}
