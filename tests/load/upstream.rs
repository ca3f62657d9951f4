//! Who answers behind the gateway, without being what is measured? A server in this process that answers at once, and on
//! request begins an event and goes on when it is told to. The issuer of tokens is one of its kind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::wire::find;

/// What follows a request.
pub(super) enum Script {
    /// These bytes.
    Answer(Arc<[u8]>),
    /// These bytes, and the others once the server is told to go on.
    Half(Arc<[u8]>, Arc<[u8]>),
}

/// A running server.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) port: u16,
    requests: Arc<AtomicU64>,
    go_on: Arc<watch::Sender<bool>>,
}

/// A request: its head in lower case.
pub(super) struct Request<'a> {
    pub(super) head: &'a str,
}

// === impl Server ===

impl Server {
    pub(super) async fn start(script: impl Fn(&Request<'_>) -> Script + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, requests: Arc::default(), go_on: Arc::new(watch::Sender::new(false)) };
        let (own, script) = (server.clone(), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (own, script) = (own.clone(), Arc::clone(&script));
                tokio::spawn(async move { own.serve(stream, &*script).await });
            }
        });
        server
    }

    /// One that answers every call alike.
    pub(super) async fn plain() -> Self {
        let result =
            json_answer(r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[]}}"#);
        Self::start(move |_| Script::Answer(Arc::clone(&result))).await
    }

    /// How many requests came so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// Tells all halves to go on, or that new ones should wait again.
    pub(super) fn go_on(&self, on: bool) {
        self.go_on.send_replace(on);
    }

    async fn serve(&self, mut stream: TcpStream, script: &(impl Fn(&Request<'_>) -> Script + ?Sized)) {
        let _ = stream.set_nodelay(true);
        let mut bytes = Vec::new();
        loop {
            while let Some(used) = self.answer_first(&bytes, &mut stream, script).await {
                bytes.drain(..used);
            }
            if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
                return;
            }
        }
    }

    /// Answers the first request in `bytes`; its length, or `None` when it is not whole.
    async fn answer_first(
        &self,
        bytes: &[u8],
        stream: &mut TcpStream,
        script: &(impl Fn(&Request<'_>) -> Script + ?Sized),
    ) -> Option<usize> {
        let end = find(bytes, b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let used = body_length(&head, &bytes[end..])?;
        self.requests.fetch_add(1, Ordering::SeqCst);
        match script(&Request { head: &head }) {
            Script::Answer(answer) => drop(stream.write_all(&answer).await),
            Script::Half(first, second) => {
                let mut go_on = self.go_on.subscribe();
                let _ = stream.write_all(&first).await;
                let told = go_on.wait_for(|on| *on).await.is_ok();
                if told {
                    let _ = stream.write_all(&second).await;
                }
            }
        }
        Some(end + used)
    }
}

/// A JSON answer with its head.
pub(super) fn json_answer(body: &str) -> Arc<[u8]> {
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
    format!("{head} {length}\r\n\r\n{body}").into_bytes().into()
}

/// How many bytes the body after this head takes; `None` when it is not whole.
fn body_length(head: &str, bytes: &[u8]) -> Option<usize> {
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if let Some(length) = field("content-length:") {
        let length = length.parse().unwrap();
        return (bytes.len() >= length).then_some(length);
    }
    if field("transfer-encoding:").is_none() {
        return Some(0);
    }
    let mut at = 0;
    loop {
        let line = find(bytes.get(at..)?, b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..at + line]).ok()?, 16).ok()?;
        if size == 0 {
            let after = find(&bytes[at + line..], b"\r\n\r\n")?;
            return Some(at + line + after + 4);
        }
        at += line + 2 + size + 2;
    }
}
