//! How does a connection become requests? Met in clear or in TLS ([`handshake`]), then hyper with bounds on time and size that
//! `axum::serve` does not set: there a connection with unfinished headers stays open for ever.

mod certificate;
mod handshake;
mod renewal;
mod unread;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::{Request, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt as _;

use self::handshake::{Handshakes, Met};
pub(crate) use self::renewal::{AllHandshakes, watch as watch_certificates};
use self::unread::Unread;

/// From the first byte (or, on a kept connection, from the end of the last response) to the end of the headers. A
/// proxy in front must give up idle connections sooner, or it will send requests into closing ones.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Bounds the headers of a request.
const MAX_BUFFER: usize = 32 * 1024;
/// What holds for one listener.
const BOUNDS: Bounds = Bounds { connections: 1_024, unread: Duration::from_secs(30) };
/// How long requests in flight may take to finish when the server stops.
const DRAIN: Duration = Duration::from_secs(10);
/// Pause after a failed accept (no file descriptors left): trying at once would fail at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy)]
struct Bounds {
    /// At a time; more wait in the system's queue.
    connections: u32,
    /// A client that takes nothing of its answers for so long has gone away, or wants to keep its place.
    unread: Duration,
}

/// Serves until `stopped` turns true, then drains. Each request goes to the router that is `current` when it comes and stays
/// there.
pub(crate) async fn serve(
    listener: TcpListener,
    handshakes: Arc<Handshakes>,
    current: impl Fn() -> Router + Clone + Send + 'static,
    stopped: watch::Receiver<bool>,
) {
    serve_within(BOUNDS, listener, handshakes, current, stopped).await;
}

async fn serve_within(
    bounds: Bounds,
    listener: TcpListener,
    handshakes: Arc<Handshakes>,
    current: impl Fn() -> Router + Clone + Send + 'static,
    mut stopped: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(bounds.connections as usize));
    loop {
        let next = async {
            // Closed by nobody.
            let place = Arc::clone(&places).acquire_owned().await.map_err(std::io::Error::other)?;
            listener.accept().await.map(|accepted| (place, accepted))
        };
        let next = tokio::select! {
            next = next => next,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        match next {
            Ok((place, (stream, peer))) => {
                let (handshakes, current) = (Arc::clone(&handshakes), current.clone());
                let (stopped, watcher) = (stopped.clone(), graceful.watcher());
                let stream = Unread::new(stream, bounds.unread);
                tokio::spawn(async move {
                    match handshakes.meet(stream, peer, stopped).await {
                        Some(Met::Clear(stream)) => connection(stream, peer, || true, current, watcher).await,
                        Some(Met::Tls(stream, certificate)) => {
                            let may_ask = move || handshakes.still_meets(&certificate, peer);
                            connection(*stream, peer, may_ask, current, watcher).await;
                        }
                        None => {}
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(event = "accept_failed", %error);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = async {
        graceful.shutdown().await;
        // A place is given back when the connection is gone with all that it holds, the store among it.
        drop(places.acquire_many(bounds.connections).await);
    };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!(event = "drain_timeout", "requests in flight were cut off");
    }
}

/// Ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the client's certificate counts no more")]
struct Withdrawn;

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    may_ask: impl Fn() -> bool + Send + 'static,
    current: impl Fn() -> Router + Send + 'static,
    watcher: Watcher,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        // Read now, answered later.
        let answer = may_ask().then(|| current().oneshot(request.map(Body::new)));
        async {
            let Ok(response) = answer.ok_or(Withdrawn)?.await;
            Ok::<_, Withdrawn>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(MAX_BUFFER)
        .max_header_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        // Clients that go away or send rubbish are no news.
        tracing::debug!(event = "connection_error", %error);
    }
}

#[cfg(test)]
mod tests;
