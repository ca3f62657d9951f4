//! One Envoy with a listener for each buffer limit, before an upstream that keeps every byte; an issuer that is asked about each
//! token and answers when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};
use wicketgate_e2e::world::{HostMode, World};
use wicketgate_e2e::{files, layout, ports};

use super::super::recorder::{Recorder, Script, Seen, json_answer};
use super::super::scene::RULES;
use super::super::stage::{self, request};
use super::super::stand_in::{Signer, clusters};

/// What the listeners buffer.
const BUFFERS: [usize; 3] = [32 << 10, 1 << 20, 2 << 20];
/// An issuer that says yes to every token, or no to bad ones; about late ones, when the gate is open.
#[derive(Clone, Default)]
pub(super) struct Gate {
    open: Arc<AtomicBool>,
    pub(super) asked: Arc<AtomicUsize>,
}

// === impl Gate ===

impl Gate {
    fn script(&self, seen: &Seen) -> Script {
        let question = seen.json();
        let Some(resource) = question["resource"].as_str() else {
            return Script::Answer(json_answer(&json!({"keys": [Signer::quick("any").jwk()]}).to_string()));
        };
        let issuer = resource.strip_suffix("/mcp").unwrap();
        let verdict = json!({"active": true, "token_type": "Bearer", "iss": issuer, "sub": question["token"], "aud": resource,
            "exp": 4_000_000_000_u64, "iat": 1, "client_id": "c1", "scope": "mcp:read"});
        let token = question["token"].as_str().unwrap_or_default();
        let verdict = if token.contains("bad") { json!({"active": false}) } else { verdict };
        let verdict = json_answer(&verdict.to_string());
        self.asked.fetch_add(1, Ordering::SeqCst);
        if token.starts_with("late") {
            Script::Once(Arc::clone(&self.open), verdict)
        } else {
            Script::Answer(verdict)
        }
    }

    pub(super) fn set(&self, open: bool) {
        self.open.store(open, Ordering::SeqCst);
    }
}

/// The listener of the reference once more, on another port, with another buffer and another time for requests.
fn listener(reference: &str, port: u16, buffer: usize, seconds: u64, mode: HostMode) -> String {
    let from = reference.find("    - name: public\n").unwrap();
    let mut text = reference[from..reference.find("\n  clusters:\n").unwrap()].to_owned();
    let mut change = |old: &str, new: &str| {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    };
    change("    - name: public\n", &format!("    - name: public_{port}\n"));
    change("address: 127.0.0.1, port_value: 8080}", &format!("address: 127.0.0.1, port_value: {port}}}"));
    change("limit_bytes: 16777216", &format!("limit_bytes: {buffer}"));
    change("request_timeout: 30s ", &format!("request_timeout: {seconds}s "));
    if let Some((old, new)) = mode.envoy_change() {
        change(&old, &new);
    }
    text
}

pub(super) struct Stage {
    pub(super) world: World,
    pub(super) upstream: Recorder,
    pub(super) gate: Gate,
    /// By buffer limit.
    pub(super) listeners: Vec<(usize, u16)>,
    /// One that gives a request a second.
    pub(super) hurried: u16,
    tokens: AtomicUsize,
}

// === impl Stage ===

impl Stage {
    pub(super) async fn start() -> Self {
        let (upstream, gate) = (Recorder::echo().await, Gate::default());
        let script = gate.clone();
        let issuer = Recorder::start(move |seen| script.script(seen)).await;
        let policy = stage::policy("{request_bytes: 4MiB, flood: {rate: 60000/m, burst: 1000}}", RULES)
            .replace("jwks: {cluster: auth_internal, path: /v1/jwks}", "jwks: {cluster: issuer, path: /keys}")
            .replace(
                "    clock_skew: 1s\n",
                "    validate: {cluster: issuer, path: /v1/validate, timeout: 30s}\n",
            )
            .replace("    limits:", "    match: {routes: [mcp]}\n    limits:");
        let listeners: Vec<_> = BUFFERS.iter().map(|buffer| (*buffer, ports::free().unwrap())).collect();
        let hurried = ports::free().unwrap();
        let world = stage::world("body-sizes", |plan| {
            plan.with_sidecar = false;
            plan.upstream = Some(upstream.upstream.clone());
            plan.set_policy(&policy).unwrap();
            let reference = files::read(&layout::root().join("envoy/envoy.yaml")).unwrap();
            let mut text: String = listeners
                .iter()
                .map(|(buffer, port)| listener(&reference, *port, *buffer, 30, plan.host_mode))
                .collect();
            text.push_str(&listener(&reference, hurried, 1 << 20, 1, plan.host_mode));
            let (needle, clusters) = clusters(&[("issuer", &issuer)]);
            plan.envoy_changes.push((needle, format!("{text}\n{clusters}")));
            let route = "                        - name: mcp\n";
            let other = "                        - name: other\n                          match: {prefix: /mcp, headers: [{name: x-other, present_match: true}]}\n                          route: {cluster: mcp_upstream}\n";
            plan.envoy_changes.push((route.to_owned(), format!("{other}{route}")));
        })
        .await;
        Self { world, upstream, gate, listeners, hurried, tokens: AtomicUsize::new(0) }
    }

    /// A token that nobody has asked about.
    pub(super) fn token(&self, kind: &str) -> String {
        format!("{kind}-{}", self.tokens.fetch_add(1, Ordering::SeqCst))
    }

    /// A connection from an address that has asked little so far: questions are counted by address.
    pub(super) async fn connect(&self, port: u16) -> TcpStream {
        let at = self.tokens.load(Ordering::SeqCst) / 30 + 2;
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("127.0.0.{at}:0").parse().unwrap()).unwrap();
        socket.connect(format!("127.0.0.1:{port}").parse().unwrap()).await.unwrap()
    }

    /// Head and body, whose framing is in both.
    pub(super) fn split(&self, token: &str, body: &str, in_chunks: bool) -> (Vec<u8>, Vec<u8>) {
        let framed = match in_chunks {
            true => {
                let (first, rest) = body.split_at(body.len() / 3);
                let trailers = "0\r\nx-after: yes\r\n\r\n";
                format!("{:x}\r\n{first}\r\n{:x}\r\n{rest}\r\n{trailers}", first.len(), rest.len())
            }
            false => body.to_owned(),
        };
        let fields: &[(&str, &str)] = if in_chunks { &[("Transfer-Encoding", "chunked")] } else { &[] };
        let bytes = request(&self.world, "POST /mcp", Some(token), fields, framed.as_bytes());
        let (head, body) = bytes.split_at(bytes.len() - framed.len());
        (head.to_vec(), body.to_vec())
    }
}
