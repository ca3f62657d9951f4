//! What does an MCP server behind the gateway get to see? A server that keeps every byte, answers as it is told, and
//! notices when the gateway hangs up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wicketgate_e2e::upstream::Upstream;

/// One request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Request line and header fields.
    pub(super) head: String,
    /// The body, out of its chunks.
    pub(super) body: Vec<u8>,
}

/// How a request is answered.
#[derive(Clone, Debug)]
pub(super) enum Script {
    /// With these bytes, and the connection goes on.
    Answer(Vec<u8>),
    /// With these bytes, and then nothing until the peer hangs up, which is counted.
    Hang(Vec<u8>),
    /// With these bytes, and the connection breaks off.
    Break(Vec<u8>),
    /// With these bytes, each in a segment of its own, and the connection goes on.
    Drip(Vec<u8>),
    /// With these bytes once this is true, and the connection goes on.
    Once(Arc<AtomicBool>, Vec<u8>),
    /// With these bytes, with the others once this is true, and the connection goes on.
    Then(Vec<u8>, Arc<AtomicBool>, Vec<u8>),
}

/// What has happened so far.
#[derive(Debug, Default)]
struct Record {
    requests: Vec<Seen>,
    raw: Vec<u8>,
    connections: usize,
    hung_up: usize,
    broken: usize,
}

/// The running server; ends with the test.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    pub(super) upstream: Upstream,
    record: Arc<Mutex<Record>>,
}

// === impl Recorder ===

impl Recorder {
    /// Starts one that answers by `script`.
    pub(super) async fn start(script: impl Fn(&Seen) -> Script + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let record = Arc::new(Mutex::new(Record::default()));
        let (kept, script) = (Arc::clone(&record), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                kept.lock().unwrap().connections += 1;
                let (kept, script) = (Arc::clone(&kept), Arc::clone(&script));
                tokio::spawn(async move { serve(stream, &kept, &*script).await });
            }
        });
        Self { upstream: Upstream { host: "127.0.0.1".into(), port, path: "/mcp".into() }, record }
    }

    /// One that answers every request with a result that holds only the id.
    pub(super) async fn echo() -> Self {
        Self::start(|seen| Script::Answer(json_answer(&result(seen)))).await
    }

    /// Everything that came so far, and forgets it.
    pub(super) fn take(&self) -> Vec<Seen> {
        let mut record = self.record.lock().unwrap();
        record.raw.clear();
        std::mem::take(&mut record.requests)
    }

    /// How many bytes came since the last [`Self::take`], half requests included.
    pub(super) fn bytes(&self) -> usize {
        self.record.lock().unwrap().raw.len()
    }

    /// The bytes themselves, as text.
    pub(super) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.record.lock().unwrap().raw).into_owned()
    }

    /// How many connections the peer has ended in the middle of a request, ever.
    pub(super) fn broken(&self) -> usize {
        self.record.lock().unwrap().broken
    }

    /// How many connections were made to it, ever.
    pub(super) fn connections(&self) -> usize {
        self.record.lock().unwrap().connections
    }

    /// How many hanging answers the peer has left.
    pub(super) fn hung_up(&self) -> usize {
        self.record.lock().unwrap().hung_up
    }
}

// === impl Seen ===

impl Seen {
    /// The body as JSON; null when it is none.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// A JSON answer with its head.
pub(super) fn json_answer(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// The head of a chunked event stream, and its first chunk.
pub(super) fn event_stream(events: &str) -> Vec<u8> {
    let length = events.len();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    format!("{head}{length:x}\r\n{events}\r\n").into_bytes()
}

/// A result that holds only the id.
pub(super) fn result(seen: &Seen) -> String {
    let id = &seen.json()["id"];
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","content":[]}}}}"#)
}

async fn serve(mut stream: TcpStream, record: &Mutex<Record>, script: &(impl Fn(&Seen) -> Script + ?Sized)) {
    let _ = stream.set_nodelay(true);
    let mut rest = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut rest, record).await {
        let answer = script(&seen);
        record.lock().unwrap().requests.push(seen);
        if !write_answer(&mut stream, &answer).await {
            return;
        }
        if matches!(answer, Script::Break(_)) {
            return;
        }
        if matches!(answer, Script::Hang(_)) {
            while read_more(&mut stream, &mut rest, record).await {}
            record.lock().unwrap().hung_up += 1;
            return;
        }
    }
}

/// Whether the peer took it.
async fn write_answer(stream: &mut TcpStream, answer: &Script) -> bool {
    let (first, gate, rest): (&[u8], _, &[u8]) = match answer {
        Script::Answer(bytes) | Script::Hang(bytes) | Script::Break(bytes) | Script::Drip(bytes) => {
            (bytes, None, &[])
        }
        Script::Once(gate, rest) => (&[], Some(gate), rest),
        Script::Then(first, gate, rest) => (first, Some(gate), rest),
    };
    let piece = if matches!(answer, Script::Drip(_)) { 1 } else { first.len().max(1) };
    for piece in first.chunks(piece) {
        if stream.write_all(piece).await.is_err() {
            return false;
        }
    }
    while gate.is_some_and(|gate| !gate.load(Ordering::SeqCst)) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stream.write_all(rest).await.is_ok()
}

/// The next whole request; what follows it stays in `rest`. `None` when the peer has closed.
async fn read_request(stream: &mut TcpStream, rest: &mut Vec<u8>, record: &Mutex<Record>) -> Option<Seen> {
    loop {
        if let Some((seen, used)) = split_request(rest) {
            rest.drain(..used);
            return Some(seen);
        }
        if !read_more(stream, rest, record).await {
            record.lock().unwrap().broken += usize::from(!rest.is_empty());
            return None;
        }
    }
}

async fn read_more(stream: &mut TcpStream, rest: &mut Vec<u8>, record: &Mutex<Record>) -> bool {
    match stream.read_buf(rest).await {
        Ok(count @ 1..) => {
            record.lock().unwrap().raw.extend_from_slice(&rest[rest.len() - count..]);
            true
        }
        _ => false,
    }
}

fn split_request(bytes: &[u8]) -> Option<(Seen, usize)> {
    let end = find(bytes, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut seen = Seen { head, body: Vec::new() };
    if seen.field("transfer-encoding").is_some() {
        let (body, used) = split_chunks(&bytes[end..])?;
        seen.body = body;
        return Some((seen, end + used));
    }
    let length: usize = seen.field("content-length").map_or(0, |length| length.parse().unwrap());
    seen.body = bytes.get(end..end + length)?.to_vec();
    Some((seen, end + length))
}

/// The body out of its chunks, and how many bytes these took, trailers included.
fn split_chunks(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = find(bytes.get(at..)?, b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..at + line]).ok()?, 16).ok()?;
        if size == 0 {
            // The line break of the last chunk may already be the first half of the empty line.
            let after = find(&bytes[at + line..], b"\r\n\r\n")?;
            return Some((body, at + line + after + 4));
        }
        at += line + 2;
        body.extend_from_slice(bytes.get(at..at + size)?);
        at += size + 2;
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[test]
fn requests_are_taken_apart() {
    let two = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx: y\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    let (first, used) = split_request(two).unwrap();
    assert_eq!(first.body, b"abcde");
    assert_eq!(split_request(&two[used..]).unwrap().0.head, "GET / HTTP/1.1\r\n\r\n");
    assert!(split_request(&two[..used - 1]).is_none());
}
