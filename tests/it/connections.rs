//! Connections: clients that say nothing, and clients that leave early.

use tokio::io::AsyncReadExt;
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
