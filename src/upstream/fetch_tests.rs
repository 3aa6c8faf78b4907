use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::*;
use crate::clock::ManualClock;
use crate::upstream::UpstreamOptions;
use crate::upstream::test_server::{TestServer, answer};

fn upstream() -> Upstream {
    Upstream::new(
        UpstreamOptions::default(),
        Arc::new(ManualClock::at(UNIX_EPOCH)),
    )
    .unwrap()
}

async fn refusal(url: &str, allowed: &[String]) -> Error {
    upstream()
        .fetch(url, allowed, &FetchBudget::default())
        .await
        .unwrap_err()
}

#[tokio::test]
async fn private_addresses_are_refused() {
    let server = TestServer::start(|_| answer(200, &[], "secret")).await;
    let port = server.address.port();
    for url in [
        server.url("/x"),
        format!("http://localhost:{port}/x"),
        format!("http://[::ffff:127.0.0.1]:{port}/x"),
        format!("http://2130706433:{port}/x"),
        format!("http://0x7f.1:{port}/x"),
        format!("http://0:{port}/x"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[fd00:ec2::254]/latest/meta-data/".to_owned(),
    ] {
        let error = refusal(&url, &[]).await;
        assert_eq!(error.kind(), ErrorKind::BadRequest, "{url}: {error:?}");
        assert!(
            error.message().contains("not on the public Internet"),
            "{url}: {error:?}"
        );
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn only_http_is_fetched() {
    for url in [
        "file:///etc/passwd",
        "ftp://example.com/x",
        "gopher://example.com",
        "no url",
        "",
    ] {
        let error = refusal(url, &["example.com".to_owned()]).await;
        assert_eq!(error.kind(), ErrorKind::BadRequest, "{url}");
    }
}

#[tokio::test]
async fn listed_host_is_fetched() {
    let server =
        TestServer::start(|_| answer(200, &[("content-type", "Image/PNG; q=1")], "png")).await;
    let port = server.address.port();
    let fetched = upstream()
        .fetch(
            &server.url("/x?sig=1"),
            &["127.0.0.1".to_owned()],
            &FetchBudget::default(),
        )
        .await
        .unwrap();
    assert_eq!(fetched.bytes, "png");
    assert_eq!(fetched.mime.as_deref(), Some("image/png"));
    assert_eq!(server.asked()[0].line, "GET /x?sig=1 HTTP/1.1");

    let url = format!("http://localhost:{port}/x");
    assert!(
        upstream()
            .fetch(
                &url,
                &[format!("LOCALHOST:{port}")],
                &FetchBudget::default()
            )
            .await
            .is_ok()
    );
    let other = [
        format!("localhost:{}", port ^ 1),
        "localhos".to_owned(),
        "localhost.example".to_owned(),
    ];
    assert_eq!(refusal(&url, &other).await.kind(), ErrorKind::BadRequest);
}

#[tokio::test]
async fn redirects_are_checked_again() {
    let secret = TestServer::start(|_| answer(200, &[], "secret")).await;
    let target = secret.url("/");
    let server = TestServer::start(move |asked| match asked.line.as_str() {
        "GET /in HTTP/1.1" => answer(302, &[("location", &target)], ""),
        "GET /loop HTTP/1.1" => answer(302, &[("location", "/loop")], ""),
        "GET /nowhere HTTP/1.1" => answer(302, &[], ""),
        "GET /ok HTTP/1.1" => answer(301, &[("location", "/here.pdf")], ""),
        _ => answer(200, &[("content-type", "application/octet-stream")], "pdf"),
    })
    .await;
    let allowed = [server.address.to_string()];
    let error = refusal(&server.url("/in"), &allowed).await;
    assert!(
        error.message().contains("not on the public Internet"),
        "{error}"
    );
    assert!(secret.asked().is_empty());
    let error = refusal(&server.url("/loop"), &allowed).await;
    assert!(error.message().contains("redirects"), "{error}");
    assert_eq!(
        refusal(&server.url("/nowhere"), &allowed).await.kind(),
        ErrorKind::Garbled
    );
    let fetched = upstream()
        .fetch(&server.url("/ok"), &allowed, &FetchBudget::default())
        .await
        .unwrap();
    assert_eq!(fetched.mime.as_deref(), Some("application/pdf"));
}

#[tokio::test]
async fn failures_name_the_address_without_its_secrets() {
    let server = TestServer::start(|asked| match asked.line.as_str() {
        "GET /gone?key=canary HTTP/1.1" => answer(404, &[], ""),
        "GET /zip HTTP/1.1" => answer(200, &[("content-encoding", "gzip")], "x"),
        "GET /big HTTP/1.1" => b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n".to_vec(),
        "GET /cut HTTP/1.1" => Vec::new(),
        _ => answer(503, &[], ""),
    })
    .await;
    let allowed = [server.address.to_string()];
    let with_password = format!(
        "http://user:canary@{}/gone?key=canary#canary",
        server.address
    );
    let gone = refusal(&with_password, &allowed).await;
    assert_eq!(gone.kind(), ErrorKind::BadRequest);
    let expected = format!(
        "cannot fetch {}: its server answered 404",
        server.url("/gone")
    );
    assert_eq!(gone.message(), expected);
    assert!(!server.asked()[0].headers.contains_key("authorization"));
    for (path, kind) in [
        ("/zip", ErrorKind::BadRequest),
        ("/big", ErrorKind::BadRequest),
        ("/cut", ErrorKind::Garbled),
        ("/down", ErrorKind::Garbled),
    ] {
        assert_eq!(
            refusal(&server.url(path), &allowed).await.kind(),
            kind,
            "{path}"
        );
    }
}

#[tokio::test]
async fn files_of_one_call_share_a_budget() {
    let server = TestServer::start(|_| answer(200, &[], "0123456789")).await;
    let (upstream, allowed) = (upstream(), [server.address.to_string()]);
    let budget = FetchBudget::new(25);
    for _ in 0..2 {
        let fetched = upstream.fetch(&server.url("/x"), &allowed, &budget).await;
        assert_eq!(fetched.unwrap().bytes, "0123456789");
    }
    let error = upstream
        .fetch(&server.url("/x"), &allowed, &budget)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadRequest);
    assert!(error.message().contains("together"), "{error}");
}
