//! How is the sample server met in TLS? With one certificate from files, read once.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

/// Who has not finished a handshake by then never will.
const PATIENCE: Duration = Duration::from_secs(10);
/// After a failed accept trying at once would fail at once.
const PAUSE: Duration = Duration::from_millis(100);

/// A listener whose connections are those that finished a handshake.
pub struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    /// Those that have not yet: nobody waits for another.
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

// === impl Tls ===

impl Tls {
    /// Reads the certificate, with what leads to its root, and its key, each PEM.
    ///
    /// # Errors
    /// A file cannot be read or holds something else; a sentence.
    pub fn new(listener: TcpListener, chain: &Path, key: &Path) -> Result<Self, String> {
        let wrong = |path: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let read = CertificateDer::pem_file_iter(chain).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let certificates = read.map_err(|why| wrong(chain, &why))?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|why| wrong(key, &why))?;
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(certificates, private).map_err(|why| wrong(chain, &why))?;
        Ok(Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), handshakes: JoinSet::new() })
    }
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let handshake = self.acceptor.accept(stream);
                        self.handshakes.spawn(async move {
                            let met = tokio::time::timeout(PATIENCE, handshake).await;
                            met.ok().and_then(Result::ok).map(|stream| (stream, peer))
                        });
                    }
                    Err(_) => tokio::time::sleep(PAUSE).await,
                },
                Some(Ok(Some(met))) = self.handshakes.join_next() => return met,
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
