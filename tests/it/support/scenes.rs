//! What tests of routing need around a gateway: a clock that jumps over every wait and remembers it, endpoints that answer
//! what they are told, and one that refuses connections.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use switchyard::clock::{Clock, Sleep, SystemClock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

pub use super::entry::CLAUDE;
use super::{Answer, entry};

/// A model that takes no assistant prefill.
pub const NO_PREFILL: &str = "bedrock/converse/us.amazon.nova-lite-v1:0";

/// A clock on which every wait is over at once: it moves by what was waited for, and remembers it.
#[derive(Debug)]
pub struct Waits {
    start: Instant,
    wall: SystemTime,
    elapsed: Mutex<Duration>,
    made: Mutex<Vec<Duration>>,
}

impl Waits {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            start: SystemClock.now(),
            wall: SystemClock.wall(),
            elapsed: Mutex::default(),
            made: Mutex::default(),
        })
    }

    pub fn advance(&self, seconds: f64) {
        *self.elapsed.lock().unwrap() += Duration::from_secs_f64(seconds);
    }

    /// The waits since this was asked last, in seconds.
    pub fn taken(&self) -> Vec<f64> {
        let waits = std::mem::take(&mut *self.made.lock().unwrap());
        waits.iter().map(Duration::as_secs_f64).collect()
    }
}

impl Clock for Waits {
    fn now(&self) -> Instant {
        self.start + *self.elapsed.lock().unwrap()
    }

    fn wall(&self) -> SystemTime {
        self.wall + *self.elapsed.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        *self.elapsed.lock().unwrap() += duration;
        self.made.lock().unwrap().push(duration);
        Box::pin(std::future::ready(()))
    }
}

/// A port of the loopback interface where connections are refused, for as long as this lives.
pub struct Refusing {
    _bound: TcpSocket,
    pub url: String,
}

impl Refusing {
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address: SocketAddr = socket.local_addr().unwrap();
        Self {
            _bound: socket,
            url: format!("http://{address}"),
        }
    }
}

/// An endpoint that answers every request with the same bytes, and counts them.
pub struct Scripted {
    pub url: String,
    calls: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scripted {
    /// `head` is the status and the headers, without the length.
    pub fn answering(head: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = format!(
            "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let task = tokio::task::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut request = Vec::new();
                // The requests here are small and end with the body's last brace.
                while !request.ends_with(b"}") {
                    if client.read_buf(&mut request).await.unwrap() == 0 {
                        break;
                    }
                }
                client.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, calls, task }
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// Writes an entry of `model_list` whose endpoint is somewhere else than the simulator.
pub fn entry_at(name: &str, id: &str, url: &str) -> String {
    entry(name, id, "", "").replace("$URL", url)
}

/// What an answer says of its way: status, group, retries, fallbacks, attempts.
pub fn way(answer: &Answer) -> (u16, &str, &str, &str, &str) {
    (
        answer.status,
        answer.header("x-litellm-model-group"),
        answer.header("x-litellm-attempted-retries"),
        answer.header("x-litellm-attempted-fallbacks"),
        answer.header("x-switchyard-total-attempts"),
    )
}
