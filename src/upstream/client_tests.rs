use std::sync::Arc;
use std::time::UNIX_EPOCH;

use http::header;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::*;
use crate::clock::ManualClock;
use crate::config::Secret;
use crate::error::{Error, ErrorKind};
use crate::upstream::test_server::{TestServer, answer};

fn upstream(options: UpstreamOptions) -> Upstream {
    let clock = ManualClock::at(UNIX_EPOCH + Duration::from_secs(1_767_323_045));
    Upstream::new(options, Arc::new(clock)).unwrap()
}

fn request(url: &str) -> WireRequest {
    WireRequest {
        method: Method::POST,
        url: url.to_owned(),
        headers: vec![(
            header::HeaderName::from_static("anthropic-beta"),
            header::HeaderValue::from_static("b"),
        )],
        body: Bytes::from_static(b"{\"messages\":[]}"),
        service: "bedrock",
    }
}

fn bearer() -> Credentials {
    Credentials::Bearer(Secret::new("key"))
}

#[tokio::test]
async fn request_is_signed_and_sent_as_it_is() {
    let server = TestServer::start(|_| answer(200, &[("x-amzn-requestid", "r1")], "{}")).await;
    let keys = Credentials::keys("AKID", "secret", None);
    let upstream = upstream(UpstreamOptions::default());
    let response = upstream
        .send(
            &Trust::Platform,
            &request(&server.url("/model/a%3A0/converse")),
            &keys,
            "us-east-1",
        )
        .await
        .unwrap();
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(response.headers.get("x-amzn-requestid").unwrap(), "r1");
    assert_eq!(response.body.collect(10).await.unwrap(), "{}");
    let [asked] = server.asked().try_into().unwrap();
    assert_eq!(asked.line, "POST /model/a%3A0/converse HTTP/1.1");
    assert_eq!(asked.body, "{\"messages\":[]}");
    assert_eq!(asked.header("content-type"), "application/json");
    assert_eq!(asked.header("anthropic-beta"), "b");
    assert_eq!(asked.header("x-amz-date"), "20260102T030405Z");
    assert_eq!(asked.header("host"), server.address.to_string());
    assert!(
        asked
            .header("authorization")
            .starts_with("AWS4-HMAC-SHA256 Credential=AKID/20260102/us-east-1/bedrock/")
    );
}

#[tokio::test]
async fn connection_is_kept() {
    let server = TestServer::start(|_| answer(200, &[], "ok")).await;
    let upstream = upstream(UpstreamOptions::default());
    for _ in 0..3 {
        let response = upstream
            .send(&Trust::Platform, &request(&server.url("/")), &bearer(), "r")
            .await
            .unwrap();
        assert_eq!(response.body.collect(10).await.unwrap(), "ok");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn redirects_are_answers_and_nothing_is_decompressed() {
    let server = TestServer::start(|_| {
        answer(
            307,
            &[("location", "/elsewhere"), ("content-encoding", "gzip")],
            "raw",
        )
    })
    .await;
    let upstream = upstream(UpstreamOptions::default());
    let response = upstream
        .send(&Trust::Platform, &request(&server.url("/")), &bearer(), "r")
        .await
        .unwrap();
    assert_eq!(response.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(response.body.collect(10).await.unwrap(), "raw");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn corrected_clock_signs_the_next_request_to_the_same_host() {
    let server = TestServer::start(|_| answer(200, &[], "")).await;
    let other = TestServer::start(|_| answer(200, &[], "")).await;
    let upstream = upstream(UpstreamOptions::default());
    let mut headers = HeaderMap::new();
    let date = header::HeaderValue::from_static("Fri, 02 Jan 2026 05:04:05 GMT");
    headers.insert(header::DATE, date);
    let wall = UNIX_EPOCH + Duration::from_secs(1_767_323_045);
    assert!(upstream.correct_clock(&server.url("/any"), &headers, wall));
    let keys = Credentials::keys("AKID", "secret", None);
    for (server, date) in [(server, "20260102T050405Z"), (other, "20260102T030405Z")] {
        upstream
            .send(&Trust::Platform, &request(&server.url("/")), &keys, "r")
            .await
            .unwrap();
        assert_eq!(server.asked()[0].header("x-amz-date"), date);
    }
}

#[tokio::test]
async fn failures_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    let closing = TestServer::start(|_| Vec::new()).await;

    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let no_tls = format!("https://{}/", plain.local_addr().unwrap());
    TaskTracker::new().spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream.write_all(b"this is not TLS").await.unwrap();
    });
    let upstream = upstream(UpstreamOptions::default());
    for (url, failure, kind) in [
        (
            format!("http://{free}/"),
            SendFailure::Connect,
            ErrorKind::Unavailable,
        ),
        (closing.url("/"), SendFailure::Reset, ErrorKind::Unavailable),
        (no_tls, SendFailure::Tls, ErrorKind::Unavailable),
        (
            "http://nowhere.invalid/".to_owned(),
            SendFailure::Dns,
            ErrorKind::Unavailable,
        ),
        (
            "nonsense".to_owned(),
            SendFailure::Address,
            ErrorKind::Internal,
        ),
        (
            "ftp://127.0.0.1/".to_owned(),
            SendFailure::Address,
            ErrorKind::Internal,
        ),
    ] {
        let error = upstream
            .send(&Trust::Platform, &request(&url), &bearer(), "r")
            .await
            .unwrap_err();
        assert_eq!(error.failure(), failure, "{url}: {error:?}");
        let error = Error::from(error);
        assert_eq!(error.kind(), kind);
        assert!(!error.message().contains("127.0.0.1"), "{error}");
    }
}

#[tokio::test]
async fn proxy_of_the_environment_is_used_but_not_for_this_machine() {
    let proxy = TestServer::start(|_| answer(200, &[], "proxied")).await;
    let direct = TestServer::start(|_| answer(200, &[], "direct")).await;
    let environment = [
        ("HTTP_PROXY".to_owned(), proxy.url("")),
        ("no_proxy".to_owned(), "10.0.0.0/8,.internal".to_owned()),
    ]
    .into_iter()
    .collect();
    let upstream = upstream(UpstreamOptions::from_environment(
        Duration::from_secs(5),
        &environment,
    ));
    let response = upstream
        .send(
            &Trust::Platform,
            &request("http://bedrock.test/x"),
            &bearer(),
            "r",
        )
        .await
        .unwrap();
    assert_eq!(response.body.collect(10).await.unwrap(), "proxied");
    assert_eq!(proxy.asked()[0].line, "POST http://bedrock.test/x HTTP/1.1");
    let response = upstream
        .send(&Trust::Platform, &request(&direct.url("/")), &bearer(), "r")
        .await
        .unwrap();
    assert_eq!(response.body.collect(10).await.unwrap(), "direct");
}

#[tokio::test]
async fn unreadable_bundle_is_a_tls_failure_of_its_deployment_only() {
    let server = TestServer::start(|_| answer(200, &[], "ok")).await;
    let upstream = upstream(UpstreamOptions::default());
    let request = request(&server.url("/"));
    let bundle = Trust::Bundle("/no/such/bundle.pem".into());
    let error = upstream
        .send(&bundle, &request, &bearer(), "r")
        .await
        .unwrap_err();
    assert_eq!(error.failure(), SendFailure::Tls);
    for trust in [Trust::Platform, Trust::Anybody] {
        assert!(
            upstream
                .send(&trust, &request, &bearer(), "r")
                .await
                .is_ok()
        );
    }
}
