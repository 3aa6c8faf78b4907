//! Sockets: accepts connections and serves HTTP/1.1 on each.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dispatch;
use super::state::Shared;

/// Wait after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// Requests with more headers are refused by the HTTP parser.
const MAX_HEADERS: usize = 128;

/// Listens and starts serving in the background until `stop` is cancelled.
pub(super) async fn start(
    bind: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: &TaskTracker,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(bind).await?;
    let address = listener.local_addr()?;
    tasks.spawn(accept(listener, shared, stop, tasks.clone()));
    Ok(address)
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tasks.spawn(serve(stream, Arc::clone(&shared), stop.clone()));
            }
            // Out of file descriptors, most likely: let connections end before trying again.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>, stop: CancellationToken) {
    let reset = Arc::new(AtomicBool::new(false));
    if stream.set_nodelay(true).is_err() {
        return; // The client is gone already.
    }
    let wire = TokioIo::new(Wire {
        stream,
        reset: Arc::clone(&reset),
    });
    let service = service_fn(move |request| {
        dispatch::answer(Arc::clone(&shared), Arc::clone(&reset), request)
    });
    let mut server = http1::Builder::new();
    // Without half-close a client that hangs up ends its connection at once, and the stream on it.
    server.half_close(false).max_headers(MAX_HEADERS);
    let connection = server.serve_connection(wire, service);
    tokio::select! {
        () = stop.cancelled() => {}
        // A connection that fails, fails for the client alone.
        _ended = connection => {}
    }
}

/// A TCP stream that ends with a reset when asked to.
struct Wire {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Acquire) {
            // Where the system cannot do that, the connection is merely closed.
            drop(self.stream.set_zero_linger());
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
