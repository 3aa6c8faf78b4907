//! Keep-alive comments: only where the operator asked for them, and then an error after one is an error event.

use crate::support::Gateway;

#[tokio::test]
async fn keepalive_goes_out_before_slow_content() {
    let gateway = Gateway::start("      keepalive_seconds: 0.02", "").await;
    let answer = gateway.ask("hello [[sim:slow-start=150]]", true).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.starts_with(": ping\n\n"), "{}", answer.body);
    assert!(answer.text().starts_with("This is"));
    assert_eq!(answer.events().last(), Some(&"[DONE]"));
}

#[tokio::test]
async fn failure_behind_a_keepalive_is_an_error_event() {
    let gateway = Gateway::start("      keepalive_seconds: 0.02", "").await;
    let answer = gateway
        .ask("hello [[sim:slow-start=150]] [[sim:exception-first]]", true)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let last = answer
        .events()
        .last()
        .map(|event| (*event).to_owned())
        .unwrap();
    assert!(last.contains(r#""code":"429""#), "{}", answer.body);
    assert!(!answer.body.contains("[DONE]"));
}

#[tokio::test]
async fn without_keepalive_slow_errors_keep_their_status() {
    let gateway = Gateway::start("", "").await;
    let answer = gateway
        .ask("hello [[sim:slow-start=50]] [[sim:exception-first]]", true)
        .await;
    assert_eq!(answer.status, 429, "{}", answer.body);
}
