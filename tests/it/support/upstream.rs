//! Upstreams of a test's own: one that answers as it is told, and one that passes everything on to another and cuts the
//! answer short.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What stands before the body.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// Where answers are cut.
#[derive(Debug)]
pub struct Cut {
    /// So many bytes are handed on.
    pub after: AtomicUsize,
    /// How many were, the last time.
    pub sent: AtomicUsize,
}

/// A listener and its connections; dropping it ends all of them.
pub struct Upstream {
    pub url: String,
    calls: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    /// Starts an upstream that answers a request for a path with a status and a JSON body; status 0: it hangs up.
    pub async fn answering(
        answer: impl Fn(&str) -> (u16, String) + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::serving(move |mut client, calls| {
            let answer = answer.clone();
            async move {
                while let Some(request) = read_message(&mut client).await {
                    calls.fetch_add(1, Ordering::SeqCst);
                    let (status, body) = answer(&path_of(&request));
                    if status == 0 {
                        return;
                    }
                    let answer = format!(
                        "HTTP/1.1 {status} Told\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    if client.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await
    }

    /// Starts an upstream that has `other` answer, hands on the beginning of each answer, its head included, and hangs up.
    pub async fn cutting(other: SocketAddr, cut: Arc<Cut>) -> Self {
        Self::serving(move |mut client, calls| {
            let cut = Arc::clone(&cut);
            async move {
                let Some(request) = read_message(&mut client).await else {
                    return;
                };
                calls.fetch_add(1, Ordering::SeqCst);
                let mut server = TcpStream::connect(other).await.unwrap();
                let once = once(&request);
                server.write_all(&once).await.unwrap();
                let (after, mut sent) = (cut.after.load(Ordering::SeqCst), 0);
                let mut piece = vec![0; 4096];
                while sent < after {
                    let Ok(count @ 1..) = server.read(&mut piece).await else {
                        break;
                    };
                    let count = count.min(after - sent);
                    if client.write_all(&piece[..count]).await.is_err() {
                        break;
                    }
                    sent += count;
                }
                cut.sent.store(sent, Ordering::SeqCst);
            }
        })
        .await
    }

    async fn serving<F>(serve: impl Fn(TcpStream, Arc<AtomicUsize>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&calls);
        let task = tokio::task::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                connections.spawn(serve(client, Arc::clone(&counted)));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { url, calls, task }
    }

    /// How many requests came.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// Reads a whole HTTP message with a `content-length`; `None` where there is no other.
async fn read_message(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(whole) = length_of(&message)
            && message.len() >= whole
        {
            return Some(message);
        }
        let Ok(count @ 1..) = from.read(&mut piece).await else {
            return None;
        };
        message.extend_from_slice(&piece[..count]);
    }
}

/// The request as one that is the last of its connection.
fn once(request: &[u8]) -> Vec<u8> {
    let mut lines = request.splitn(2, |byte| *byte == b'\n');
    let mut once = lines.next().unwrap().to_vec();
    once.extend_from_slice(b"\nconnection: close\r\n");
    once.extend_from_slice(lines.next().unwrap());
    once
}

/// How long a message is, once its head has come.
fn length_of(message: &[u8]) -> Option<usize> {
    let mut windows = message.windows(END_OF_HEAD.len());
    let head = windows.position(|window| window == END_OF_HEAD)?;
    let text = String::from_utf8_lossy(&message[..head]).to_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .unwrap_or("0");
    Some(head + END_OF_HEAD.len() + length.trim().parse::<usize>().unwrap())
}

fn path_of(request: &[u8]) -> String {
    let line = request.split(|byte| *byte == b'\r').next().unwrap();
    let line = String::from_utf8_lossy(line);
    line.split(' ').nth(1).unwrap().to_owned()
}
