//! Connections: clients that say nothing, and clients that leave early.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Gateway;

#[tokio::test]
async fn connection_that_does_not_get_to_the_point_is_closed_and_a_spare_one_is_not() {
    let gateway = Gateway::start(
        "",
        "general_settings:\n  header_read_timeout_seconds: 0.05\n",
    )
    .await;
    let address = gateway.url.strip_prefix("http://").unwrap();
    let mut spare = TcpStream::connect(address).await.unwrap();
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /health/liveliness HTTP/1.1\r\nHost: a\r\n")
        .await
        .unwrap();
    let mut read = Vec::new();
    assert_eq!(slow.read_to_end(&mut read).await.unwrap_or(0), 0);
    // It was there before the slow one, whose time is over.
    spare
        .write_all(b"GET /health/liveliness HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    assert!(read_answer(&mut spare).await.starts_with("http/1.1 200 "));
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

/// Reads one answer without a body, or with one of the length that it names.
async fn read_answer(client: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split_once("content-length: ").unwrap().1;
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            if body.len() >= length {
                return head.to_owned();
            }
        }
        let before = read.len();
        client.read_buf(&mut read).await.unwrap();
        assert!(read.len() > before, "the connection was closed");
    }
}

const KEYED: &str = "general_settings:\n  master_key: sk-of-the-test-0123456789\n";

async fn connected(gateway: &Gateway) -> TcpStream {
    let address = gateway.url.strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

fn refused_head(path: &str, length: usize, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{more}\r\n")
}

#[tokio::test]
async fn connection_lives_on_behind_a_body_that_comes_after_the_refusal() {
    let gateway = Gateway::start("", KEYED).await;
    for path in ["/v1/chat/completions", "/v1/nowhere"] {
        let mut client = connected(&gateway).await;
        for _ in 0..20 {
            let head = refused_head(path, 5, "");
            client.write_all(head.as_bytes()).await.unwrap();
            // The server sees the head alone.
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            client.write_all(b"{}   ").await.unwrap();
            let answer = read_answer(&mut client).await;
            assert!(answer.starts_with("http/1.1 40"), "{answer}");
            assert!(!answer.contains("connection: close"), "{answer}");
        }
    }
}

#[tokio::test]
async fn answer_says_that_a_body_which_is_not_awaited_ends_the_connection() {
    let gateway = Gateway::start("", KEYED).await;
    for (length, more) in [(100_000, ""), (5, "Expect: 100-continue\r\n"), (5, "")] {
        let mut client = connected(&gateway).await;
        let head = refused_head("/v1/chat/completions", length, more);
        client.write_all(head.as_bytes()).await.unwrap();
        let answer = read_answer(&mut client).await;
        assert!(answer.starts_with("http/1.1 401"), "{length}: {answer}");
        assert!(answer.contains("connection: close"), "{length}: {answer}");
        let mut rest = Vec::new();
        assert_eq!(client.read_to_end(&mut rest).await.unwrap_or(0), 0);
    }
}
