//! Connections that rest, by a client that writes HTTP/2's frames itself.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_util::sync::CancellationToken;

use super::rest::Rests;
use super::{Manners, speak, unread};

const NEVER: Duration = Duration::from_hours(1);
const SHORT: Duration = Duration::from_millis(20);
/// How long the answer of `/` takes after its head.
const LONG: Duration = Duration::from_millis(150);

const DATA: u8 = 0;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END: u8 = 1;

/// `GET /` in the static table of HPACK, for the host `a`.
const GET: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 1, b'a'];

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    let head = [0, 0, length, kind, flags, 0, 0, 0, stream];
    [&head, payload].concat()
}

/// A client of HTTP/2.
struct Client {
    io: DuplexStream,
    /// Whether it says that it is there.
    is_alive: bool,
}

impl Client {
    async fn begin(&mut self) {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let hello = [preface.as_slice(), &frame(SETTINGS, 0, 0, &[])].concat();
        self.io.write_all(&hello).await.unwrap();
    }

    /// Reads until the connection ends; returns the kinds and flags of the frames.
    async fn heard(mut self) -> Vec<(u8, u8)> {
        let mut heard = Vec::new();
        let mut opening = [0; 9];
        while self.io.read_exact(&mut opening).await.is_ok() {
            let [a, b, c, kind, flags, ..] = opening;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            self.io.read_exact(&mut payload).await.unwrap();
            heard.push((kind, flags));
            let is_asked = matches!(kind, SETTINGS | PING) && flags == 0;
            if is_asked && self.is_alive {
                let said = if kind == PING { payload } else { Vec::new() };
                // The server may have closed the connection meanwhile.
                let _gone = self.io.write_all(&frame(kind, 1, 0, &said)).await;
            }
        }
        heard
    }
}

/// Serves a client; returns what it heard.
async fn served(rests: Rests, is_alive: bool, asks: bool) -> Vec<(u8, u8)> {
    let slow = || async {
        let pieces = stream::once(async {
            tokio::time::sleep(LONG).await;
            Ok::<_, std::io::Error>(Bytes::from_static(b"late"))
        });
        Body::from_stream(pieces)
    };
    let router = Router::new().route("/", get(slow));
    let (io, server) = tokio::io::duplex(64 * 1024);
    let mut client = Client { io, is_alive };
    let asking = async {
        client.begin().await;
        if asks {
            client.io.write_all(&frame(1, 5, 1, &GET)).await.unwrap();
        }
        client.heard().await
    };
    let manners = Manners {
        rests,
        header_read_timeout: NEVER,
    };
    let answer = |request| unread::answer(router.clone(), request, None);
    let draining = CancellationToken::new();
    let serving = speak(server, answer, &draining, manners);
    tokio::join!(asking, serving).0
}

fn place(heard: &[(u8, u8)], kind: u8, flag: u8) -> Option<usize> {
    let is_it = |frame: &(u8, u8)| frame.0 == kind && frame.1 & flag == flag;
    heard.iter().position(is_it)
}

#[tokio::test]
async fn client_of_http2_that_is_gone_does_not_leave_its_connection() {
    let rests = Rests {
        rest: NEVER,
        ping: SHORT,
        pong: SHORT,
    };
    let heard = served(rests, false, false).await;
    assert!(place(&heard, PING, 0).is_some(), "{heard:?}");
}

#[tokio::test]
async fn connection_of_http2_that_rests_is_ended_and_told_so() {
    let rests = Rests {
        rest: SHORT,
        ping: NEVER,
        pong: NEVER,
    };
    let heard = served(rests, true, false).await;
    assert!(place(&heard, GOAWAY, 0).is_some(), "{heard:?}");
}

#[tokio::test]
async fn request_of_http2_that_takes_long_is_no_rest() {
    let rests = Rests {
        rest: SHORT,
        ping: SHORT,
        pong: NEVER,
    };
    let heard = served(rests, true, true).await;
    let answered = place(&heard, DATA, END).unwrap();
    let ended = place(&heard, GOAWAY, 0).unwrap();
    assert!(answered < ended, "{heard:?}");
}
