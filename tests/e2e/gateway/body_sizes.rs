//! Does a request body arrive whole and once, or not at all, whatever Envoy can buffer and however late the verdict comes? And
//! what of one that never ends, and of one that Envoy routes elsewhere?
//!
//! One Envoy with a listener for each buffer limit; an issuer that is asked about each token and answers when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use wicketgate_e2e::client::raw;
use wicketgate_e2e::world::{BUFFERED, HostMode, World};
use wicketgate_e2e::{files, layout, ports};

use super::recorder::{Recorder, Script, Seen, json_answer};
use super::scene::RULES;
use super::stage::{self, eventually, request, tool_call};
use super::stand_in::{Signer, clusters};

/// What the listeners buffer.
const BUFFERS: [usize; 3] = [32 << 10, 1 << 20, 2 << 20];
/// Bodies well on one side of each of them.
const SIZES: [usize; 7] = [100, 30_000, 40_000, 900_000, 1_200_000, 1_900_000, 3_000_000];

/// When the verdict can fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    /// Who it is may be known before the body is there.
    AtOnce,
    /// With half of the body there.
    HalfWay,
    /// When the whole body is there.
    Late,
}

/// An issuer that says yes to every token; to those that say so, when the gate is open.
#[derive(Clone, Default)]
struct Gate {
    open: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

// === impl Gate ===

impl Gate {
    fn script(&self, seen: &Seen) -> Script {
        let question = seen.json();
        let Some(resource) = question["resource"].as_str() else {
            return Script::Answer(json_answer(&json!({"keys": [Signer::quick("any").jwk()]}).to_string()));
        };
        let issuer = resource.strip_suffix("/mcp").unwrap();
        let verdict = json!({"active": true, "token_type": "Bearer", "iss": issuer, "sub": "alice", "aud": resource,
            "exp": 4_000_000_000_u64, "iat": 1, "client_id": "c1", "scope": "mcp:read"});
        let verdict = json_answer(&verdict.to_string());
        self.asked.fetch_add(1, Ordering::SeqCst);
        match question["token"].as_str() {
            Some(token) if token.starts_with("late") => Script::Once(Arc::clone(&self.open), verdict),
            _ => Script::Answer(verdict),
        }
    }

    fn set(&self, open: bool) {
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

struct Stage {
    world: World,
    upstream: Recorder,
    gate: Gate,
    /// By buffer limit.
    listeners: Vec<(usize, u16)>,
    /// One that gives a request a second.
    hurried: u16,
    tokens: AtomicUsize,
}

// === impl Stage ===

impl Stage {
    async fn start() -> Self {
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
    fn token(&self, kind: &str) -> String {
        format!("{kind}-{}", self.tokens.fetch_add(1, Ordering::SeqCst))
    }

    /// A connection from an address that has asked little so far: questions are counted by address.
    async fn connect(&self, port: u16) -> TcpStream {
        let at = self.tokens.load(Ordering::SeqCst) / 30 + 2;
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("127.0.0.{at}:0").parse().unwrap()).unwrap();
        socket.connect(format!("127.0.0.1:{port}").parse().unwrap()).await.unwrap()
    }

    /// Head and body, whose framing is in both.
    fn split(&self, token: &str, body: &str, in_chunks: bool) -> (Vec<u8>, Vec<u8>) {
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

    /// Sends it so that the verdict falls then; the status, and what came with it.
    async fn send(&self, port: u16, body: &str, in_chunks: bool, when: Answered) -> (u16, String) {
        self.gate.set(false);
        let token = self.token(if when == Answered::AtOnce { "quick" } else { "late" });
        let (head, body) = self.split(&token, body, in_chunks);
        let asked = self.gate.asked.load(Ordering::SeqCst);
        let mut stream = self.connect(port).await;
        stream.write_all(&head).await.unwrap();
        if when != Answered::AtOnce {
            eventually("the issuer is asked", stage::DEADLINE, || async {
                if self.gate.asked.load(Ordering::SeqCst) > asked { Ok(()) } else { Err("not yet".into()) }
            })
            .await;
        }
        let (mut read, mut write) = stream.split();
        let writes = async {
            let half = if when == Answered::HalfWay { body.len() / 2 } else { body.len() };
            // Envoy may refuse half-way and close.
            let mut sent = write.write_all(&body[..half]).await;
            self.gate.set(true);
            if sent.is_ok() {
                sent = write.write_all(&body[half..]).await;
            }
            drop(sent);
        };
        let mut answer = Vec::new();
        let reads = async {
            while !String::from_utf8_lossy(&answer).contains("\r\n\r\n") {
                if !matches!(read.read_buf(&mut answer).await, Ok(1..)) {
                    break;
                }
            }
        };
        let both = timeout(stage::DEADLINE, async { tokio::join!(writes, reads) }).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(both.is_ok(), "it hangs after {text:?}");
        (raw::status(&answer).unwrap_or_default(), text)
    }

    /// The most that may pass by this listener. A buffer filter puts its own bound in the place of the listener's.
    fn most(&self, buffer: usize) -> usize {
        if self.world.host_mode == HostMode::Hold { buffer } else { BUFFERED }
    }

    async fn bodies_arrive_whole_or_not_at_all(&self) {
        for (buffer, port) in &self.listeners {
            for size in SIZES {
                for (in_chunks, when) in [
                    (false, Answered::AtOnce),
                    (false, Answered::HalfWay),
                    (false, Answered::Late),
                    (true, Answered::Late),
                ] {
                    let what = format!("{size} bytes, chunks: {in_chunks}, {when:?}, a buffer of {buffer}");
                    self.upstream.take();
                    let body = of_size("get_note", size);
                    let (status, answer) = self.send(*port, &body, in_chunks, when).await;
                    if size > self.most(*buffer) {
                        assert_eq!(status, 413, "{what}: {answer}");
                        assert_eq!(self.upstream.bytes(), 0, "{what}");
                        continue;
                    }
                    assert_eq!(status, 200, "{what}: {answer}");
                    let seen = self.upstream.take();
                    assert!(
                        seen.len() == 1 && seen[0].body == body.as_bytes(),
                        "{what}: {} requests",
                        seen.len()
                    );
                }
            }
        }
    }

    async fn denied_ones_are_never_seen(&self) {
        for (buffer, port) in &self.listeners {
            for size in [100, 40_000, 900_000, 3_000_000] {
                for when in [Answered::HalfWay, Answered::Late] {
                    self.upstream.take();
                    let connections = self.upstream.connections();
                    let body = of_size("drop_everything", size);
                    let (status, answer) = self.send(*port, &body, when == Answered::Late, when).await;
                    let fits = size <= self.most(*buffer);
                    assert_eq!(
                        status,
                        if fits { 200 } else { 413 },
                        "{size} of {buffer}, {when:?}: {answer}"
                    );
                    assert_eq!(self.upstream.bytes(), 0, "{size} of {buffer}, {when:?}");
                    assert_eq!(self.upstream.connections(), connections, "{size} of {buffer}, {when:?}");
                }
            }
        }
    }

    /// Half a body, and then nothing: Envoy ends it, and we say so once.
    async fn a_body_that_never_ends_does(&self) {
        self.upstream.take();
        let token = self.token("quick");
        let (head, body) = self.split(&token, &of_size("get_note", 400), false);
        let (framed_head, framed) = self.split(&token, &of_size("get_note", 400), true);
        // Who it is is known, or not: nothing but the end can come then.
        for (token, half) in [
            (None, [&head[..], &body[..200]].concat()),
            (None, [&framed_head[..], &framed[..200]].concat()),
            (Some("late"), head),
        ] {
            self.gate.set(false);
            let half = match token {
                Some(kind) => {
                    let (head, body) = self.split(&self.token(kind), &of_size("get_note", 400), false);
                    [&head[..], &body[..200]].concat()
                }
                None => half,
            };
            let mut stream = self.connect(self.hurried).await;
            stream.write_all(&half).await.unwrap();
            let mut answer = Vec::new();
            let ended = timeout(stage::DEADLINE, stream.read_to_end(&mut answer)).await;
            let answer = String::from_utf8_lossy(&answer).into_owned();
            assert!(ended.is_ok() && answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
            self.gate.set(true);
            let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
            let records = stage::records(&self.world, id).await;
            let kinds: Vec<_> = records.iter().map(|r| (&r["record"], &r["verdict"], &r["reason"])).collect();
            let host = json!("answered_by_host");
            let (decision, completion, deny) = (json!("decision"), json!("completion"), json!("deny"));
            assert_eq!(kinds, [(&decision, &deny, &host), (&completion, &deny, &host)], "{records:?}");
            assert_eq!(records[1]["status"], 408, "{records:?}");
        }
        assert_eq!(self.upstream.bytes(), 0, "{}", self.upstream.raw());
    }

    /// Envoy and the policy must mean the same server.
    async fn another_route_is_denied(&self) {
        let denied = "wasmcustom.wicketgate.decisions.internal";
        let before = self.world.envoy.stat(denied).await.unwrap().unwrap_or_default();
        self.upstream.take();
        let post = |fields: &[(&str, &str)]| {
            request(
                &self.world,
                "POST /mcp",
                Some(&self.token("quick")),
                fields,
                of_size("get_note", 100).as_bytes(),
            )
        };
        let answer = stage::exchange(&self.world, &post(&[("X-Other", "1")])).await;
        assert_eq!((answer.status, answer.code()), (500, json!(-32603)), "{answer:?}");
        assert_eq!(self.upstream.bytes(), 0, "{}", self.upstream.raw());
        let records = stage::records(&self.world, answer.field("x-request-id").unwrap()).await;
        assert_eq!(
            (&records[0]["verdict"], &records[0]["detail"]),
            (&json!("deny"), &json!("Envoy chose another route")),
            "{records:?}"
        );
        assert_eq!(self.world.envoy.stat(denied).await.unwrap(), Some(before + 1));
        let answer = stage::exchange(&self.world, &post(&[])).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

/// A call of exactly so many bytes.
fn of_size(tool: &str, size: usize) -> String {
    let call = |text: &str| tool_call(5, tool, &json!({"t": text})).to_string();
    let least = call("").len();
    let body = call(&"x".repeat(size.saturating_sub(least)));
    assert!(serde_json::from_str::<Value>(&body).is_ok());
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_arrives_whole_and_once_or_not_at_all() {
    let stage = Stage::start().await;
    stage.another_route_is_denied().await;
    stage.bodies_arrive_whole_or_not_at_all().await;
    stage.denied_ones_are_never_seen().await;
    stage.a_body_that_never_ends_does().await;
    stage.world.discard().await;
}
