//! A fake Bedrock that costs next to nothing, so that it does not hide the price of what is measured.
//!
//! Raw HTTP/1.1 over TCP, keep-alive, answers computed once. It reads a request to its end and looks at nothing in it
//! but the path: signatures and bodies are not checked, that is the simulator's and the tests' work. A stream has one
//! HTTP chunk per event, as AWS sends it, and goes out in one write (a burst) or one delta at a time (paced).

pub(crate) mod answers;
mod frames;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use memchr::memmem;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use self::answers::Answers;
pub(crate) use self::answers::{DELTAS, FIRST_DELTA};

/// The server; shared by its connections.
pub(crate) struct Upstream {
    answers: Answers,
    pace_us: AtomicU64,
}

enum Operation {
    Converse,
    ConverseStream,
}

impl Upstream {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            answers: Answers::new(),
            pace_us: AtomicU64::new(0),
        })
    }

    /// Sets the time between two deltas of the streams that start from now on; zero means all in one burst.
    pub(crate) fn set_pace(&self, pace: Duration) {
        let micros = u64::try_from(pace.as_micros()).unwrap_or(u64::MAX);
        self.pace_us.store(micros, Ordering::Relaxed);
    }

    /// Accepts connections for as long as the runtime lives.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) -> io::Result<()> {
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let upstream = Arc::clone(&self);
            tokio::spawn(async move {
                // A client that goes away is no news here: the driver sees its own side of every failure.
                drop(upstream.connection(socket).await);
            });
        }
    }

    async fn connection(&self, mut socket: TcpStream) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(16 << 10);
        while let Some(operation) = read_request(&mut socket, &mut buffer).await? {
            let pace = Duration::from_micros(self.pace_us.load(Ordering::Relaxed));
            match operation {
                Operation::Converse => socket.write_all(&self.answers.whole).await?,
                Operation::ConverseStream if pace.is_zero() => {
                    socket.write_all(&self.answers.burst).await?;
                }
                Operation::ConverseStream => self.paced(&mut socket, pace).await?,
            }
        }
        Ok(())
    }

    async fn paced(&self, socket: &mut TcpStream, pace: Duration) -> io::Result<()> {
        let mut due = Instant::now();
        socket.write_all(&self.answers.opening).await?;
        for delta in &self.answers.deltas {
            socket.write_all(delta).await?;
            due += pace;
            tokio::time::sleep_until(due).await;
        }
        socket.write_all(&self.answers.closing).await
    }
}

/// Reads one request and forgets it; `None` when the client closed between two requests.
async fn read_request(
    socket: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Operation>> {
    buffer.clear();
    let head_bytes = loop {
        if let Some(end) = memmem::find(buffer, b"\r\n\r\n") {
            break end + 4;
        }
        if socket.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = buffer.get(..head_bytes).unwrap_or_default();
    let operation = operation(head)?;
    let body_bytes = content_length(head)?;
    let total = head_bytes + body_bytes;
    buffer.reserve(total.saturating_sub(buffer.len()));
    while buffer.len() < total {
        if socket.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(operation))
}

fn operation(head: &[u8]) -> io::Result<Operation> {
    let line_end = memchr::memchr(b'\r', head).unwrap_or(head.len());
    let line = head.get(..line_end).unwrap_or_default();
    if line.ends_with(b"/converse-stream HTTP/1.1") {
        Ok(Operation::ConverseStream)
    } else if line.ends_with(b"/converse HTTP/1.1") {
        Ok(Operation::Converse)
    } else {
        Err(io::Error::other("neither Converse nor ConverseStream"))
    }
}

/// Finds `content-length` among the headers; a signed Bedrock request always has one.
pub(crate) fn content_length(head: &[u8]) -> io::Result<usize> {
    const NAME: &[u8] = b"content-length:";
    head.split(|&byte| byte == b'\n')
        .find_map(|line| {
            let (name, value) = line.split_at_checked(NAME.len())?;
            name.eq_ignore_ascii_case(NAME)
                .then(|| std::str::from_utf8(value).ok()?.trim().parse().ok())
                .flatten()
        })
        .ok_or_else(|| io::Error::other("no content-length"))
}
