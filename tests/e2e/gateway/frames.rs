//! How is HTTP/2 spoken, frame by frame? A client on one connection, and an MCP server that answers with trailers.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use wicketgate_e2e::upstream::Upstream;
use wicketgate_e2e::world::World;

use super::stage;

/// One connection, without TLS and without an upgrade.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    sender: SendRequest<Bytes>,
    origin: String,
    token: String,
}

/// A request whose body is still to come.
#[derive(Debug)]
pub(super) struct Open {
    answer: h2::client::ResponseFuture,
    body: SendStream<Bytes>,
}

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Framed {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) trailers: Option<HeaderMap>,
}

// === impl Frames ===

impl Frames {
    pub(super) async fn connect(world: &World, token: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", stage::port(world))).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self { sender, origin: world.origin.clone(), token: token.to_owned() }
    }

    /// Sends the head of a POST with these fields besides the usual ones.
    pub(super) async fn open(&self, fields: &[(&str, &str)]) -> Open {
        let mut request = Request::post(format!("{}/mcp", self.origin))
            .header("accept", "application/json, text/event-stream")
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut sender = self.sender.clone().ready().await.unwrap();
        let (answer, body) = sender.send_request(request.body(()).unwrap(), false).unwrap();
        Open { answer, body }
    }

    /// Sends the body in frames of `size` bytes, with or without trailers, and reads the answer.
    pub(super) async fn post(&self, body: &str, size: usize, trailers: bool) -> Framed {
        let mut open = self.open(&[]).await;
        open.send(body, size);
        open.end(trailers).await.unwrap()
    }
}

// === impl Open ===

impl Open {
    /// Sends these bytes in frames of `size`. The peer may answer half-way: what it says counts, not that it stopped
    /// listening.
    pub(super) fn send(&mut self, body: &str, size: usize) {
        for piece in body.as_bytes().chunks(size) {
            let _ = self.body.send_data(Bytes::copy_from_slice(piece), false);
        }
    }

    /// The whole body, and the request is over.
    pub(super) fn finish(&mut self, body: &str) {
        let _ = self.body.send_data(Bytes::copy_from_slice(body.as_bytes()), true);
    }

    /// The status of the answer and its body, which may go on for long; the request stays as it is.
    pub(super) async fn begin(&mut self) -> Result<(u16, RecvStream), h2::Error> {
        let answer =
            timeout(stage::DEADLINE, &mut self.answer).await.unwrap_or_else(|_| panic!("no answer"))?;
        Ok((answer.status().as_u16(), answer.into_body()))
    }

    /// Ends the request and reads the answer.
    pub(super) async fn end(mut self, trailers: bool) -> Result<Framed, h2::Error> {
        if trailers {
            let _ = self.body.send_trailers(after());
        } else {
            let _ = self.body.send_data(Bytes::new(), true);
        }
        let answer = timeout(stage::DEADLINE, self.answer).await.unwrap_or_else(|_| panic!("no answer"))?;
        let status = answer.status().as_u16();
        let (body, trailers) = read(&mut answer.into_body()).await?;
        Ok(Framed { status, body: String::from_utf8_lossy(&body).into_owned(), trailers })
    }

    /// Gives the request up.
    pub(super) fn reset(mut self) {
        self.body.send_reset(Reason::CANCEL);
    }
}

// === impl Framed ===

impl Framed {
    /// The JSON document of the body, or of the one event in it; null when there is none.
    pub(super) fn json(&self) -> Value {
        let body = self.body.trim();
        serde_json::from_str(body.strip_prefix("data: ").unwrap_or(body)).unwrap_or_default()
    }
}

fn after() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("x-after"), http::HeaderValue::from_static("yes"))])
}

async fn read(stream: &mut RecvStream) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    Ok((body, stream.trailers().await?))
}

/// An MCP server that speaks HTTP/2 alone; ends with the test.
#[derive(Clone, Debug)]
pub(super) struct FramesServer {
    pub(super) upstream: Upstream,
    seen: Arc<Mutex<Vec<Arrived>>>,
}

/// One request as it came.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) message: Value,
    pub(super) trailers: Option<HeaderMap>,
}

// === impl FramesServer ===

impl FramesServer {
    /// Answers each message by `script`, with a type and a body; trailers always follow.
    pub(super) async fn start(script: fn(&Value) -> (&'static str, String)) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::default();
        let server =
            Self { upstream: Upstream { host: "127.0.0.1".into(), port, path: "/mcp".into() }, seen };
        let kept = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(kept.clone().serve(stream, script));
            }
        });
        server
    }

    /// The requests that came, and forgets them.
    pub(super) fn take(&self) -> Vec<Arrived> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    async fn serve(self, stream: TcpStream, script: fn(&Value) -> (&'static str, String)) {
        // Whoever only looks whether the port is open says nothing.
        let Ok(mut connection) = h2::server::handshake(stream).await else { return };
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let server = self.clone();
            tokio::spawn(async move {
                let Ok((body, trailers)) = read(&mut request.into_body()).await else { return };
                let message = serde_json::from_slice(&body).unwrap_or_default();
                let (kind, answer) = script(&message);
                server.seen.lock().unwrap().push(Arrived { message, trailers });
                let head = Response::builder().header("content-type", kind).body(()).unwrap();
                let Ok(mut stream) = respond.send_response(head, false) else { return };
                let _ = stream.send_data(Bytes::from(answer), false);
                let _ = stream.send_trailers(after());
            });
        }
    }
}
