//! Does a request body arrive whole and once, or not at all, whatever Envoy can buffer and however late the verdict comes? And
//! what of one that never ends, and of one that Envoy routes elsewhere?
//!
//! [`listeners`] says in which world.

mod listeners;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use wicketgate_e2e::client::raw;
use wicketgate_e2e::world::{BUFFERED, HostMode};

use self::listeners::Stage;
use super::stage::{self, eventually, request, tool_call};

/// Bodies well on one side of each of them.
const SIZES: [usize; 7] = [100, 30_000, 40_000, 900_000, 1_200_000, 1_900_000, 3_000_000];

/// Requests whose tokens nobody has asked about, all at once; and about how many of them one worker asks at a time.
const QUESTIONS: usize = 200;
const AT_ONCE: u64 = 64;

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

// === impl Stage ===

impl Stage {
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

    /// More questions than an issuer should have to answer at a time are not asked: these requests end at once, the others
    /// when they are answered.
    async fn questions_are_bounded(&self) {
        self.gate.set(false);
        self.upstream.take();
        let asked = self.gate.asked.load(Ordering::SeqCst);
        let (ended, port) = (Arc::new(AtomicUsize::new(0)), stage::port(&self.world));
        let mut waiting = Vec::new();
        for _ in 0..QUESTIONS {
            let (head, body) = self.split(&self.token("late"), &of_size("get_note", 100), false);
            let (mut stream, ended) = (self.connect(port).await, Arc::clone(&ended));
            waiting.push(tokio::spawn(async move {
                stream.write_all(&[head, body].concat()).await.unwrap();
                let mut answer = Vec::new();
                let read = timeout(stage::DEADLINE, stream.read_buf(&mut answer)).await;
                assert!(matches!(read, Ok(Ok(1..))), "no answer");
                ended.fetch_add(1, Ordering::SeqCst);
                raw::status(&answer).unwrap()
            }));
        }
        eventually("each is asked about, or ends", stage::DEADLINE, || async {
            let asked = self.gate.asked.load(Ordering::SeqCst) - asked;
            let ended = ended.load(Ordering::SeqCst);
            if asked + ended == QUESTIONS { Ok(()) } else { Err(format!("{asked} asked, {ended} ended")) }
        })
        .await;
        let asked = self.gate.asked.load(Ordering::SeqCst) - asked;
        let workers = self.world.envoy.stat("server.concurrency").await.unwrap().unwrap();
        assert!(asked as u64 <= workers * AT_ONCE && asked < QUESTIONS, "{asked} of {QUESTIONS}");
        self.gate.set(true);
        let mut answers = Vec::new();
        for one in waiting {
            answers.push(one.await.unwrap());
        }
        let (good, none) = answers.iter().partition::<Vec<u16>, _>(|status| **status == 200);
        assert!(good.len() == asked && none.iter().all(|status| *status == 503), "{asked}: {answers:?}");
        assert_eq!(self.upstream.take().len(), asked);
    }

    /// One without a body could only be held at its head, in either way to hold; its issuer does not know the token.
    async fn a_request_without_a_body_waits_too(&self) {
        self.gate.set(false);
        self.upstream.take();
        let asked = self.gate.asked.load(Ordering::SeqCst);
        let mut waiting = Vec::new();
        for line in ["GET /mcp", "DELETE /mcp"] {
            let mut stream = self.connect(stage::port(&self.world)).await;
            let fields = [("Mcp-Session-Id", "one")];
            let bytes = request(&self.world, line, Some(&self.token("late-bad")), &fields, b"");
            stream.write_all(&bytes).await.unwrap();
            waiting.push((line, stream));
        }
        eventually("the issuer is asked about both", stage::DEADLINE, || async {
            let now = self.gate.asked.load(Ordering::SeqCst) - asked;
            if now == 2 { Ok(()) } else { Err(format!("{now}")) }
        })
        .await;
        self.gate.set(true);
        for (line, mut stream) in waiting {
            let mut answer = Vec::new();
            let read = timeout(stage::DEADLINE, stream.read_buf(&mut answer)).await;
            assert!(matches!(read, Ok(Ok(1..))), "{line}: no answer");
            assert_eq!(raw::status(&answer).unwrap(), 401, "{line}");
        }
        // What went there before them has arrived once this has.
        let probe = request(
            &self.world,
            "POST /mcp",
            Some(&self.token("quick")),
            &[],
            of_size("get_note", 100).as_bytes(),
        );
        assert_eq!(stage::exchange(&self.world, &probe).await.status, 200);
        let raw = self.upstream.raw();
        assert!(!raw.contains("GET ") && !raw.contains("DELETE "), "{raw}");
    }

    /// Envoy and the policy must mean the same server.
    async fn another_route_is_denied(&self) {
        let denied = "wasmcustom.wicketgate.decisions_total.internal";
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
    stage.a_request_without_a_body_waits_too().await;
    stage.questions_are_bounded().await;
    stage.bodies_arrive_whole_or_not_at_all().await;
    stage.denied_ones_are_never_seen().await;
    stage.a_body_that_never_ends_does().await;
    stage.world.discard().await;
}
