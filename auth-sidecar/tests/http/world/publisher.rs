//! A web server on loopback that publishes documents over https, and the settings under which it may be asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// What it answers, by path.
#[derive(Clone)]
struct Answer {
    status: u16,
    headers: String,
    body: String,
}

#[derive(Default)]
struct Shelf {
    answers: HashMap<String, Answer>,
    asked: Vec<String>,
}

/// The server. It ends with the test's runtime.
pub(crate) struct Publisher {
    port: u16,
    shelf: Arc<Mutex<Shelf>>,
    folder: TempDir,
}

impl Publisher {
    pub(crate) async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shelf = Arc::new(Mutex::new(Shelf::default()));
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), Arc::clone(&shelf)));
        Self { port, shelf, folder }
    }

    /// The configuration that lets the server ask it, on top of `yaml`.
    pub(crate) fn allowed(&self, yaml: &str) -> String {
        let ca = self.folder.path().join("ca.pem");
        format!(
            "{yaml}cimd: {{enabled: true}}\nfetch: {{private_hosts: [localhost], ca_file: {}}}\n",
            ca.display()
        )
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    pub(crate) fn publish(&self, path: &str, document: &Value) {
        self.answer(path, 200, "content-type: application/json\r\n", &document.to_string());
    }

    pub(crate) fn answer(&self, path: &str, status: u16, headers: &str, body: &str) {
        let answer = Answer { status, headers: headers.to_owned(), body: body.to_owned() };
        self.shelf.lock().unwrap().answers.insert(path.to_owned(), answer);
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.shelf.lock().unwrap().asked.iter().filter(|asked| *asked == path).count()
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, shelf: Arc<Mutex<Shelf>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, shelf) = (acceptor.clone(), Arc::clone(&shelf));
        tokio::spawn(async move { answer(stream, acceptor, shelf).await });
    }
}

async fn answer(stream: TcpStream, acceptor: TlsAcceptor, shelf: Arc<Mutex<Shelf>>) -> Option<()> {
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?.to_owned();
    let found = {
        let mut shelf = shelf.lock().unwrap();
        shelf.asked.push(path.clone());
        shelf.answers.get(&path).cloned()
    };
    let missing = Answer { status: 404, headers: String::new(), body: String::new() };
    let Answer { status, headers, body } = found.unwrap_or(missing);
    let chunked = headers.contains("transfer-encoding");
    let length = if chunked { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let text = format!("HTTP/1.1 {status} X\r\n{headers}{length}connection: close\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}
