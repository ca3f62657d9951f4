//! How does a listener meet its clients? In clear, or in TLS with the certificate of the moment, within a time, and counted by what
//! came of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::{Error, ServerConfig};
use tokio_rustls::server::TlsStream;

use super::certificate::Certificate;
use crate::clock::Clock;
use crate::config::{ListenTls, Listener};
use crate::metrics::Metrics;

/// From the connection to the end of the handshake.
const LONGEST: Duration = Duration::from_secs(10);

/// One listener's.
pub(crate) struct Handshakes {
    pub(super) listener: &'static str,
    shown: watch::Sender<Option<Shown>>,
    clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
}

/// What new connections are met with.
#[derive(Clone)]
struct Shown {
    from: Arc<ListenTls>,
    acceptor: TlsAcceptor,
}

/// A connection on which requests may come.
pub(super) enum Met<S> {
    Clear(S),
    // Its state takes a kilobyte.
    Tls(Box<TlsStream<S>>, Certificate),
}

/// Certificates of clients are judged by the clock that everything else goes by.
#[derive(Clone)]
struct Time(Arc<dyn Clock>);

// === impl Handshakes ===

impl Handshakes {
    pub(crate) fn new(
        listener: &'static str,
        config: &Listener,
        clock: &Arc<dyn Clock>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let (clock, metrics) = (Arc::clone(clock), Arc::clone(metrics));
        let handshakes = Self { listener, shown: watch::Sender::new(None), clock, metrics };
        if config.tls.is_some() {
            handshakes.metrics.meets_in_tls(listener);
        }
        handshakes.show(config);
        handshakes
    }

    /// Meets who comes from now on as the configuration says; who is here already stays.
    pub(crate) fn show(&self, config: &Listener) {
        let shown = config.tls.as_ref().map(|tls| self.shown_of(Arc::clone(tls)));
        self.shown.send_replace(shown);
        if let Some(tls) = &config.tls {
            self.told(tls);
        }
    }

    /// The same with what the files of `before` hold now, unless another configuration came into force meanwhile.
    pub(super) fn renew(&self, before: &Arc<ListenTls>, now: ListenTls) -> bool {
        let now = Arc::new(now);
        let renewed = self.shown.send_if_modified(|shown| {
            let is_same = shown.as_ref().is_some_and(|shown| Arc::ptr_eq(&shown.from, before));
            if is_same {
                *shown = Some(self.shown_of(Arc::clone(&now)));
            }
            is_same
        });
        if renewed {
            self.told(&now);
        }
        renewed
    }

    /// What is shown now.
    pub(super) fn shows(&self) -> Option<Arc<ListenTls>> {
        self.shown.borrow().as_ref().map(|shown| Arc::clone(&shown.from))
    }

    /// Nothing where no request can come of it: the client is not met, took too long, or the server `stopped`.
    pub(super) async fn meet<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        peer: SocketAddr,
        mut stopped: watch::Receiver<bool>,
    ) -> Option<Met<S>> {
        let Some(Shown { from, acceptor }) = self.shown.borrow().clone() else {
            return Some(Met::Clear(stream));
        };
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(LONGEST, acceptor.accept(stream)) => shaken,
            _ = stopped.wait_for(|stop| *stop) => return None,
        };
        let (outcome, met) = match shaken {
            Ok(Ok(stream)) => {
                let certificate = Certificate::of(stream.get_ref().1.peer_certificates(), from);
                ("met", Some(Met::Tls(Box::new(stream), certificate)))
            }
            Ok(Err(error)) if is_about_certificate(&error) => {
                tracing::warn!(event = "client_refused", listener = self.listener, %peer, %error);
                ("refused", None)
            }
            Ok(Err(error)) => {
                // Clients that go away or send rubbish are no news.
                tracing::debug!(event = "handshake_failed", listener = self.listener, %peer, %error);
                ("failed", None)
            }
            Err(_) => ("timed_out", None),
        };
        self.metrics.shook_hands(self.listener, outcome);
        met
    }

    /// Whether a client that was met may go on asking: its certificate counts by what is shown now.
    pub(super) fn still_meets(&self, certificate: &Certificate, peer: SocketAddr) -> bool {
        let Some(tls) = self.shows() else { return true };
        let counts = certificate.counts(&tls, self.clock.now());
        if !counts {
            let error = "its certificate counts no more";
            tracing::warn!(event = "client_refused", listener = self.listener, %peer, error);
            self.metrics.shook_hands(self.listener, "refused");
        }
        counts
    }

    fn shown_of(&self, tls: Arc<ListenTls>) -> Shown {
        let mut server: ServerConfig = tls.server.clone();
        server.time_provider = Arc::new(Time(Arc::clone(&self.clock)));
        Shown { from: tls, acceptor: TlsAcceptor::from(Arc::new(server)) }
    }

    fn told(&self, tls: &ListenTls) {
        let (listener, until) = (self.listener, tls.expires.to_utc());
        self.metrics.certificate_ends(listener, tls.expires);
        self.metrics.revocations_end(listener, tls.lists_end());
        match tls.expires <= self.clock.now() {
            true => tracing::warn!(event = "certificate_expired", listener, until),
            false => tracing::info!(event = "certificate_shown", listener, until),
        }
    }
}

// === impl Time ===

impl std::fmt::Debug for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Time(..)")
    }
}

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.now().0)))
    }
}

/// Whether a handshake ended because the client has no certificate that is believed.
fn is_about_certificate(error: &std::io::Error) -> bool {
    let error = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(error, Some(Error::NoCertificatesPresented | Error::InvalidCertificate(_)))
}

#[cfg(test)]
mod tests;
