//! What of a request that waits for keys is seen? Nothing, however it ends while they are fetched.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::json;
use wicketgate_e2e::sidecar::{Listeners, Sidecar};
use wicketgate_e2e::world::{HostMode, Plan, World};

use super::frames::Frames;
use super::recorder::{Recorder, Script, Seen, json_answer, result};
use super::scene::{RULES, call};
use super::stage::{self, eventually};

/// Keys come through the MCP server, which gives them out when it is told to.
#[derive(Clone, Default)]
struct Gate {
    open: Arc<AtomicBool>,
    keys: Arc<OnceLock<SocketAddr>>,
}

// === impl Gate ===

impl Gate {
    fn script(&self, seen: &Seen) -> Script {
        if !seen.head.starts_with("GET /keys ") {
            return Script::Answer(json_answer(&result(seen)));
        }
        let mut stream = TcpStream::connect(self.keys.get().unwrap()).unwrap();
        stream.write_all(b"GET /v1/jwks HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        Script::Once(Arc::clone(&self.open), json_answer(answer.split_once("\r\n\r\n").unwrap().1))
    }

    fn set(&self, open: bool) {
        self.open.store(open, Ordering::SeqCst);
    }

    /// A world whose sidecar is known before it starts, with its keys behind this gate.
    async fn world(&self, recorder: &Recorder, name: &str, change: impl FnOnce(&mut Plan)) -> World {
        let demo = stage::operator("demo");
        let mut world = stage::world(name, |plan| {
            let origin = format!("http://127.0.0.1:{}", plan.port);
            let listeners = Listeners::free(false).unwrap();
            self.keys.set(listeners.internal).unwrap();
            let (mcp, users) = (format!("{origin}/mcp"), std::slice::from_ref(&demo));
            let sidecar = Sidecar::generate(&plan.state, &origin, &mcp, listeners, users).unwrap();
            plan.auth_config = Some(sidecar.configuration);
            plan.upstream = Some(recorder.upstream.clone());
            let keys = "jwks: {cluster: mcp_upstream, path: /keys, timeout: 20s}";
            let policy = stage::policy("{}", RULES);
            plan.set_policy(&policy.replace("jwks: {cluster: auth_internal, path: /v1/jwks}", keys)).unwrap();
            change(plan);
        })
        .await;
        world.login = Some(demo.login);
        world
    }
}

async fn nothing_is_seen_while_keys_are_fetched(mode: HostMode, name: &str) {
    let gate = Gate::default();
    gate.set(true);
    let script = gate.clone();
    let recorder = Recorder::start(move |seen| script.script(seen)).await;
    let mut world = gate.world(&recorder, name, |plan| plan.host_mode = mode).await;
    let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    gate.set(false);
    world.restart_envoy().await.unwrap();
    recorder.take();

    let frames = Frames::connect(&world, &token).await;
    let mut waiting = Vec::new();
    for (name, trailers) in
        [("get_note", false), ("drop_everything", false), ("get_note", true), ("drop_everything", true)]
    {
        let mut open = frames.open(&[]).await;
        open.send(&call(name), 7);
        waiting.push((name, tokio::spawn(open.end(trailers))));
    }
    eventually("all of them wait for keys", stage::DEADLINE, || async {
        let asked = recorder.raw().matches("GET /keys ").count();
        if asked >= waiting.len() { Ok(()) } else { Err(format!("{asked} asked")) }
    })
    .await;
    // Answered at once, on the same connection: what was sent before has been read.
    let mut foreign = frames.open(&[("origin", "https://evil.example")]).await;
    foreign.send("{}", 2);
    assert_eq!(foreign.end(false).await.unwrap().status, 403);
    assert!(!recorder.raw().contains("POST "), "{}", recorder.raw());
    gate.set(true);
    for (name, answer) in waiting {
        let answer = answer.await.unwrap().unwrap();
        let passed = answer.json()["result"].is_object();
        let denied = answer.json()["error"]["code"] == json!(-32602);
        assert!(answer.status == 200 && passed != denied, "{name}: {answer:?}");
        assert_eq!(passed, name == "get_note", "{answer:?}");
    }
    let posts: Vec<_> = recorder.take().into_iter().filter(|seen| seen.head.starts_with("POST ")).collect();
    assert_eq!(posts.len(), 2, "{posts:?}");
    assert!(posts.iter().all(|seen| seen.body == call("get_note").as_bytes()), "{posts:?}");
    world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_head_is_held_waits_unseen() {
    nothing_is_seen_while_keys_are_fetched(HostMode::Hold, "waiting").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_body_is_held_waits_unseen() {
    nothing_is_seen_while_keys_are_fetched(HostMode::Buffer, "waiting-body").await;
}
