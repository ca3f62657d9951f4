use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{Bounds, Handshakes, serve_within};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::metrics::Metrics;

/// Of answers that no buffer of a system holds many of.
const LARGE: usize = 1024 * 1024;

/// What goes to a listener of one place, and by which a client believes it, where it is met in TLS.
struct Served {
    address: SocketAddr,
    believed: Option<TlsConnector>,
    _stop: watch::Sender<bool>,
}

async fn served(in_tls: bool) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let key = KeyPair::generate().unwrap();
    let made = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (certificate, key) = (file("own.pem", &made.pem()), file("own.key", &key.serialize_pem()));
    let tls = match in_tls {
        true => format!(", tls: {{certificate: {certificate}, key: {key}}}"),
        false => String::new(),
    };
    let data_key = file("data.key", &crate::sealing::SealingKey::generate_base64().unwrap());
    let config = Config::parse(&format!(
        "issuer: http://127.0.0.1:1\nlisten: {{public: {{address: 127.0.0.1:0{tls}}}, internal: 127.0.0.1:0, \
         admin: 127.0.0.1:0, metrics: 127.0.0.1:0}}\nstore: {{embedded: {{path: x}}}}\n\
         data_key: {{file: {data_key}}}\nresources: [{{url: 'http://127.0.0.1:1/mcp'}}]\n"
    ))
    .unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let handshakes = Handshakes::new("public", &config.listen.public, &clock, &Arc::new(Metrics::new()));
    let routes = Router::new().route("/", get("well")).route("/large", get(async || "x".repeat(LARGE)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let bounds = Bounds { connections: 1, unread: Duration::from_millis(50) };
    tokio::spawn(serve_within(bounds, listener, Arc::new(handshakes), move || routes.clone(), stopped));
    let believed = in_tls.then(|| {
        let mut roots = RootCertStore::empty();
        roots.add(made.der().clone()).unwrap();
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        TlsConnector::from(Arc::new(client))
    });
    Served { address, believed, _stop: stop }
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

async fn connect(served: &Served) -> Box<dyn Stream> {
    let stream = TcpStream::connect(served.address).await.unwrap();
    match &served.believed {
        Some(tls) => Box::new(tls.connect("localhost".try_into().unwrap(), stream).await.unwrap()),
        None => Box::new(stream),
    }
}

#[tokio::test]
async fn a_client_that_reads_no_answers_loses_its_place() {
    for in_tls in [false, true] {
        let served = served(in_tls).await;
        let mut silent = connect(&served).await;
        silent.write_all("GET /large HTTP/1.1\r\nhost: a\r\n\r\n".repeat(64).as_bytes()).await.unwrap();
        silent.flush().await.unwrap();
        let asked = async {
            let mut next = connect(&served).await;
            next.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            drop(next.read_to_string(&mut answer).await);
            answer
        };
        let answer =
            tokio::time::timeout(Duration::from_secs(30), asked).await.expect("the place comes free");
        assert!(answer.ends_with("\r\n\r\nwell"), "in TLS {in_tls}: {answer}");
        drop(silent);
    }
}
