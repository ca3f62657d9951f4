//! What does one client do over and over? It sends the next request when it has the answer to the one before.

use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::wire::{HERE, Wire};

/// The request of a client.
#[derive(Clone)]
pub(super) enum Work {
    /// The same bytes each time, which this status answers.
    Same(Vec<u8>, u16),
    /// A refresh with what the last one gave.
    Refresh {
        /// Whose.
        client: String,
        /// The token that works now.
        token: String,
    },
}

/// A client with its server.
#[derive(Clone)]
pub(super) struct Lane {
    pub(super) port: u16,
    work: Work,
}

/// What came of a round.
pub(super) struct Measured {
    /// Of each request, microseconds.
    pub(super) latencies: Vec<u64>,
    elapsed: Duration,
}

// === impl Lane ===

impl Lane {
    /// A client of the server at this port of loopback.
    pub(super) fn new(port: u16, work: Work) -> Self {
        Self { port, work }
    }

    /// What is sent next.
    pub(super) fn request(&self) -> Vec<u8> {
        match &self.work {
            Work::Same(bytes, _) => bytes.clone(),
            Work::Refresh { client, token } => post(
                self.port,
                "/token",
                "application/x-www-form-urlencoded",
                &format!("grant_type=refresh_token&client_id={client}&refresh_token={token}"),
            ),
        }
    }

    fn take(&mut self, status: u16, body: &[u8]) {
        let expected = if let Work::Same(_, status) = self.work { status } else { 200 };
        assert_eq!(status, expected, "{}", String::from_utf8_lossy(body));
        if let Work::Refresh { token, .. } = &mut self.work {
            let answer: Value = serde_json::from_slice(body).unwrap();
            let next = answer["refresh_token"].as_str().unwrap();
            assert_ne!(next, token, "the refresh token is replaced");
            next.clone_into(token);
        }
    }

    async fn go_on(mut self, mut wire: Wire, until: Instant) -> (Self, Vec<u64>) {
        let mut latencies = Vec::new();
        while Instant::now() < until {
            let request = self.request();
            let sent = Instant::now();
            wire.send(&request).await;
            let message = wire.message().await.expect("an answer");
            latencies.push(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX));
            self.take(message.answer.status, &message.body);
        }
        (self, latencies)
    }
}

// === impl Measured ===

impl Measured {
    /// Requests a second.
    pub(super) fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let count = self.latencies.len() as f64;
        count / self.elapsed.as_secs_f64()
    }
}

/// Lets all clients work at once for so long.
pub(super) async fn drive(lanes: &mut Vec<Lane>, span: Duration) -> Measured {
    let mut wires = Vec::new();
    for lane in lanes.iter() {
        wires.push(Wire::open(lane.port, HERE).await);
    }
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for (lane, wire) in lanes.drain(..).zip(wires) {
        tasks.spawn(lane.go_on(wire, began + span));
    }
    let mut latencies = Vec::new();
    for (lane, own) in tasks.join_all().await {
        lanes.push(lane);
        latencies.extend(own);
    }
    Measured { latencies, elapsed: began.elapsed() }
}

/// A request in bytes, on a connection that stays open.
pub(crate) fn post(port: u16, path: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
