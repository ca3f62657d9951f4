//! How is a message sent in a version of HTTP, and what comes back? Each on a connection of its own.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wicketgate_e2e::world::World;

use super::message::Message;
use crate::gateway::stage;

/// What came back: the status (0: nothing, the peer hung up), and the id under which records may stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) status: u16,
    pub(super) request_id: Option<String>,
}

/// Over HTTP/1.1.
pub(super) async fn plainly(world: &World, message: &Message) -> Came {
    let Some(answer) = stage::answer(world, &plain(message)).await else { return Came::default() };
    Came { status: answer.status, request_id: answer.field("x-request-id").map(str::to_owned) }
}

/// Its bytes in HTTP/1.1, on a connection that ends with it.
pub(in crate::gateway) fn plain(message: &Message) -> Vec<u8> {
    let line = [message.verb.as_slice(), b" ", &message.path, b" HTTP/1.1\r\n"].concat();
    let mut bytes =
        [line, b"Connection: close\r\nHost: ".to_vec(), message.host.clone(), b"\r\n".to_vec()].concat();
    for (name, value) in &message.fields {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    let chunked = message.chunks.is_some() || !message.trailers.is_empty();
    if chunked {
        bytes.extend(b"Transfer-Encoding: chunked\r\n");
    } else if !message.body.is_empty() && message.field("content-length").is_none() {
        bytes.extend(format!("Content-Length: {}\r\n", message.body.len()).into_bytes());
    }
    bytes.extend(b"\r\n");
    if !chunked {
        return [bytes, message.body.clone()].concat();
    }
    for chunk in message.body.chunks(message.chunks.unwrap_or(message.body.len().max(1))) {
        bytes.extend([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    }
    bytes.extend(b"0\r\n");
    for (name, value) in &message.trailers {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    [bytes, b"\r\n".to_vec()].concat()
}

/// Over HTTP/2.
///
/// # Errors
/// The message cannot be said in HTTP/2, or the client's library does not say it: the table must leave the case out.
pub(super) async fn in_frames(world: &World, message: &Message) -> Result<Came, String> {
    let request = framed(message)?;
    let stream = TcpStream::connect(("127.0.0.1", stage::port(world))).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let came = timeout(stage::DEADLINE, exchange(sender, message, request)).await;
    connection.abort();
    came.map_err(|_| "no answer".to_owned())?
}

fn framed(message: &Message) -> Result<Request<()>, String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string());
    let uri = format!("http://{}{}", text(&message.host)?, text(&message.path)?);
    let uri: Uri = uri.parse().map_err(|error| format!("{uri}: {error}"))?;
    let verb = Method::from_bytes(&message.verb).map_err(|error| error.to_string())?;
    let mut request = Request::builder().method(verb).uri(uri);
    for (name, value) in &message.fields {
        request = request.header(header_name(name)?, header_value(value)?);
    }
    request.body(()).map_err(|error| error.to_string())
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|error| format!("{name}: {error}"))
}

fn header_value(value: &[u8]) -> Result<HeaderValue, String> {
    HeaderValue::from_bytes(value).map_err(|error| {
        let mut shown = String::new();
        let _ = write!(shown, "{}: {error}", String::from_utf8_lossy(value));
        shown
    })
}

async fn exchange(
    sender: h2::client::SendRequest<Bytes>,
    message: &Message,
    request: Request<()>,
) -> Result<Came, String> {
    let mut trailers = http::HeaderMap::new();
    for (name, value) in &message.trailers {
        trailers.append(header_name(name)?, header_value(value)?);
    }
    let mut sender = sender.ready().await.map_err(|error| error.to_string())?;
    let bare = message.body.is_empty() && message.chunks.is_none() && trailers.is_empty();
    let (answer, mut body) = sender.send_request(request, bare).map_err(|error| error.to_string())?;
    // The peer may answer half-way: what it says counts, not that it stopped listening.
    for frame in message.body.chunks(message.chunks.unwrap_or(1 << 14)) {
        let _ = body.send_data(Bytes::copy_from_slice(frame), false);
    }
    if !trailers.is_empty() {
        let _ = body.send_trailers(trailers);
    } else if !bare {
        let _ = body.send_data(Bytes::new(), true);
    }
    let Ok(answer) = answer.await else { return Ok(Came::default()) };
    let request_id = answer.headers().get("x-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let status = answer.status().as_u16();
    let mut rest = answer.into_body();
    while let Some(Ok(data)) = rest.data().await {
        let _ = rest.flow_control().release_capacity(data.len());
    }
    Ok(Came { status, request_id })
}
