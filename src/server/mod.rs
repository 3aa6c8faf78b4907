//! Listens, serves, and stops without cutting an answer.
//!
//! A signal begins the drain: probes say 503, no new calls are taken, running ones finish. A second signal, or the drain
//! timeout, ends what still runs; open streams get a final error event.

mod rest;
mod signals;
mod stall;
mod tls;
mod unread;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::http::{Request, Response};
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use signals::{interrupted, reload_on_hangup};
pub use tls::tls;

use rest::{Rests, Used, Uses};
use signals::Signals;
use stall::StallGuard;

use crate::http::{self, App};

/// How long a connection that comes during the drain may say nothing: the process waits for it.
const LATE_HEAD: Duration = Duration::from_secs(1);

/// How long clients have to read the last event after what runs was ended.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long a client has for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Pause after `accept` failed for want of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often the drain looks whether calls still run.
const DRAIN_STEP: Duration = Duration::from_millis(10);

/// A bound server.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    app: Arc<App>,
    signals: Signals,
}

/// What serves one connection.
#[derive(Clone)]
struct Connections {
    app: Arc<App>,
    router: Router,
    tls: Option<TlsAcceptor>,
}

impl Server {
    /// Binds the address.
    ///
    /// # Errors
    ///
    /// An address that is taken or may not be used, in words for the operator.
    pub async fn bind(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        app: Arc<App>,
    ) -> Result<Self, String> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let signals =
            Signals::listen().map_err(|error| format!("signals cannot be received: {error}"))?;
        Ok(Self {
            listener,
            address,
            tls,
            app,
            signals,
        })
    }

    /// Returns the bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until a signal; returns how many answers were cut.
    pub async fn run(self) -> usize {
        let tracker = TaskTracker::new();
        let connections = Connections {
            router: http::router(Arc::clone(&self.app)),
            app: Arc::clone(&self.app),
            tls: self.tls.clone().map(TlsAcceptor::from),
        };
        let serving = accept(self.listener, connections, tracker.clone());
        let stopping = stop(&self.app, &tracker, self.signals);
        tokio::select! {
            never = serving => match never {},
            cut = stopping => cut,
        }
    }
}

async fn accept(
    listener: TcpListener,
    connections: Connections,
    tracker: TaskTracker,
) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // A stream whose first piece waits for another packet is 40 ms late.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "the connection takes no TCP_NODELAY");
                }
                tracker.spawn(connections.clone().serve(stream, peer.ip()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Connections {
    async fn serve(self, stream: TcpStream, peer: IpAddr) {
        let Some(acceptor) = self.tls.clone() else {
            return self.speak(stream, peer).await;
        };
        match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.speak(stream, peer).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self,
        stream: S,
        peer: IpAddr,
    ) {
        let header_read_timeout = self.app.live.load().config.general.header_read_timeout;
        let manners = Manners {
            rests: Rests::of(header_read_timeout),
            header_read_timeout,
        };
        let draining = &self.app.shutdown.draining;
        let answer = |request| {
            let refusal = http::refusal(&self.app, peer, &request);
            unread::answer(self.router.clone(), request, refusal)
        };
        speak(stream, answer, draining, manners).await;
    }
}

/// What a connection is served by.
#[derive(Debug, Clone, Copy)]
struct Manners {
    rests: Rests,
    header_read_timeout: Duration,
}

/// Speaks HTTP/1.1 or HTTP/2, whichever the client begins with, until the connection has rested or the process is `draining`.
///
/// A connection that was there when the drain began ends after what it is doing. One that comes later is for probes and
/// clients that must be told to go elsewhere: it gets one answer.
async fn speak<S, F>(
    stream: S,
    answer: impl Fn(Request<Incoming>) -> F,
    draining: &CancellationToken,
    manners: Manners,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let Manners {
        rests,
        header_read_timeout,
    } = manners;
    let is_late = draining.is_cancelled();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .keep_alive(!is_late)
        .timer(TokioTimer::new())
        // To hyper the rest between two requests is a slow head; the first head has a bound of its own.
        .header_read_timeout(rests.rest);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(rests.ping)
        .keep_alive_timeout(rests.pong);
    let uses = Arc::new(Uses::default());
    let service = service_fn(|request| {
        let (answering, request_under_way) = (answer(request), uses.begin());
        async move {
            let answered = answering.await;
            answered.map(|response| response.map(|body| Used::new(body, request_under_way)))
        }
    });
    let stream = StallGuard::new(stream, rests.rest, header_read_timeout);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ending = async {
        if is_late {
            tokio::time::sleep(header_read_timeout.min(LATE_HEAD)).await;
        } else {
            tokio::select! {
                () = draining.cancelled() => {}
                () = uses.have_rested(rests.rest) => {}
            }
        }
    };
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = ending => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended with an error");
    }
}

/// Waits for a signal, then drains; returns how many answers were cut.
async fn stop(app: &App, connections: &TaskTracker, mut signals: Signals) -> usize {
    signals.next().await;
    let drain_timeout = app.live.load().config.general.drain_timeout;
    let running = app.running.load(Ordering::Relaxed);
    tracing::info!(
        running,
        drain_timeout_s = drain_timeout.as_secs(),
        "draining"
    );
    app.shutdown.draining.cancel();
    let finished = async {
        while app.running.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(DRAIN_STEP).await;
        }
        // A connection ends when its last answer has been written.
        connections.close();
        connections.wait().await;
    };
    tokio::select! {
        () = finished => {}
        () = tokio::time::sleep(drain_timeout) => tracing::warn!("the drain timeout has passed"),
        () = signals.next() => tracing::warn!("a second signal came"),
    }
    app.shutdown.cut.cancel();
    connections.close();
    // The last bytes go out; a client that does not read them is not waited for.
    let _finished = tokio::time::timeout(LAST_WORDS, connections.wait()).await;
    let cut = app.shutdown.cut_total.load(Ordering::Relaxed) + app.running.load(Ordering::Relaxed);
    tracing::info!(cut_total = cut, "stopped");
    cut
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
