//! One keep-alive connection that sends ready-made requests and reads answers as cheaply as it can.

use std::{
    io,
    time::{Duration, Instant},
};

use memchr::memmem;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::upstream::{FIRST_DELTA, content_length};

/// How long one request took.
#[derive(Clone, Copy)]
pub(crate) struct Timing {
    /// From the first byte sent to the first token; for a whole answer, to its end.
    pub(crate) first_token: Duration,
    pub(crate) whole: Duration,
}

pub(crate) struct Connection {
    socket: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(port: u16) -> io::Result<Self> {
        let socket = TcpStream::connect(("127.0.0.1", port)).await?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            answer: Vec::with_capacity(64 << 10),
        })
    }

    /// Sends `request` and reads the answer to its end.
    ///
    /// # Errors
    ///
    /// Anything but a complete answer with status 200.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<Timing> {
        let start = Instant::now();
        self.answer.clear();
        self.socket.write_all(request).await?;
        let head_bytes = self.read_head().await?;
        let head = self.answer.get(..head_bytes).unwrap_or_default();
        if !head.starts_with(b"HTTP/1.1 200") {
            // The body follows soon, if it is not here yet; it says what went wrong.
            let read = self.socket.read_buf(&mut self.answer);
            drop(tokio::time::timeout(Duration::from_millis(100), read).await);
            let text = String::from_utf8_lossy(&self.answer).into_owned();
            return Err(io::Error::other(text));
        }
        let mut first_token = None;
        if memmem::find(head, b"chunked").is_some() {
            loop {
                if first_token.is_none() && self.has_first_token(head_bytes) {
                    first_token = Some(start.elapsed());
                }
                if self.answer.ends_with(b"\r\n0\r\n\r\n") {
                    break;
                }
                self.read_more().await?;
            }
        } else {
            let total = head_bytes + content_length(head)?;
            while self.answer.len() < total {
                self.read_more().await?;
            }
        }
        let whole = start.elapsed();
        Ok(Timing {
            first_token: first_token.unwrap_or(whole),
            whole,
        })
    }

    /// The last answer, HTTP and all.
    pub(crate) fn last_answer(&self) -> &[u8] {
        &self.answer
    }

    fn has_first_token(&self, head_bytes: usize) -> bool {
        let body = self.answer.get(head_bytes..).unwrap_or_default();
        memmem::find(body, FIRST_DELTA.as_bytes()).is_some()
    }

    async fn read_head(&mut self) -> io::Result<usize> {
        loop {
            if let Some(end) = memmem::find(&self.answer, b"\r\n\r\n") {
                return Ok(end + 4);
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> io::Result<()> {
        match self.socket.read_buf(&mut self.answer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
