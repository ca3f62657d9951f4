//! How are many requests sent at little cost? Ready bytes over HTTP/1.1 connections that stay open; of an answer only the
//! status and the end are read.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Generous: an answer that takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where ordinary requests come from; others take other addresses of loopback.
pub(super) const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// One connection to Envoy.
pub(super) struct Wire {
    stream: TcpStream,
    rest: Vec<u8>,
}

/// An answer as it came.
pub(super) struct Message {
    pub(super) answer: Answer,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

/// What is kept of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Whether the peer ends the connection after it.
    pub(super) closes: bool,
}

// === impl Wire ===

impl Wire {
    pub(super) async fn open(port: u16, from: Ipv4Addr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        let stream = socket.connect(SocketAddr::from((HERE, port))).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, rest: Vec::new() }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        // A peer that has closed is noticed at the answer.
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next answer, read to its end; `None` when the peer hangs up before that.
    pub(super) async fn answer(&mut self) -> Option<Answer> {
        self.message().await.map(|message| message.answer)
    }

    /// The same with all that it says.
    pub(super) async fn message(&mut self) -> Option<Message> {
        loop {
            if let Some((answer, at, used)) = whole(&self.rest) {
                let mut body: Vec<u8> = self.rest.drain(..used).collect();
                let head: Vec<u8> = body.drain(..at).collect();
                return Some(Message { answer, head: String::from_utf8_lossy(&head).into_owned(), body });
            }
            self.more().await?;
        }
    }

    /// The head of the next answer, whose body is left to [`Wire::text_until`].
    pub(super) async fn head(&mut self) -> Option<Answer> {
        loop {
            if let Some(end) = find(&self.rest, b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.rest[..end]).to_ascii_lowercase();
                self.rest.drain(..end + 4);
                return Some(read_head(&head));
            }
            self.more().await?;
        }
    }

    /// Reads until these bytes have come; whether they did, and how many came before them.
    pub(super) async fn text_until(&mut self, needle: &[u8]) -> (bool, usize) {
        let mut before = 0;
        loop {
            if let Some(at) = find(&self.rest, needle) {
                self.rest.drain(..at + needle.len());
                return (true, before + at);
            }
            let keep = self.rest.len().min(needle.len());
            before += self.rest.len() - keep;
            self.rest.drain(..self.rest.len() - keep);
            if self.more().await.is_none() {
                return (false, before + self.rest.len());
            }
        }
    }

    async fn more(&mut self) -> Option<()> {
        match timeout(PATIENCE, self.stream.read_buf(&mut self.rest)).await {
            Ok(Ok(1..)) => Some(()),
            _ => None,
        }
    }
}

/// The first answer in `bytes`, if it is there whole, where its body begins, and its length.
fn whole(bytes: &[u8]) -> Option<(Answer, usize, usize)> {
    let end = find(bytes, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let answer = read_head(&head);
    if let Some(length) = field(&head, "content-length") {
        let length = length.parse::<usize>().unwrap();
        return (bytes.len() >= end + length).then_some((answer, end, end + length));
    }
    if field(&head, "transfer-encoding").is_none() {
        return Some((answer, end, end));
    }
    let last = find(&bytes[end..], b"\r\n0\r\n\r\n")? + 7;
    Some((answer, end, end + last))
}

fn read_head(head: &str) -> Answer {
    let status =
        head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status: {head}"));
    Answer { status, closes: field(head, "connection") == Some("close") }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// The first field of this name in a head as it came.
pub(super) fn field_of<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(its, _)| its.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

pub(super) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
