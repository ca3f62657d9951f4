//! Whose session is it? To everybody but the principal who began it, on whichever worker, it does not exist.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use wicketgate_e2e::client::mcp::{LEGACY, MODERN};
use wicketgate_e2e::client::oauth::{self, Session};
use wicketgate_e2e::world::World;

use super::recorder::{Recorder, Script, Seen, result};
use super::scene::{RULES, call};
use super::stage::{self, Raw, exchange, request};

/// Each is a connection of its own, so that both workers are asked.
const ASKED: usize = 8;

/// A server that hands out a session to whoever initializes, and repeats an id that a request names.
async fn server() -> Recorder {
    let made = AtomicUsize::new(0);
    Recorder::start(move |seen: &Seen| {
        let initialize = seen.json()["method"] == "initialize";
        let session = match seen.field("mcp-session-id") {
            Some(id) => id.to_owned(),
            None if initialize => format!("session-{}", made.fetch_add(1, Ordering::SeqCst)),
            None => "of-nobody".to_owned(),
        };
        let body = result(seen);
        let length = body.len();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
        let answer = format!("{head}\r\nmcp-session-id: {session}\r\ncontent-length: {length}\r\n\r\n{body}");
        Script::Answer(answer.into_bytes())
    })
    .await
}

async fn before(recorder: &Recorder, name: &str, policy: &str) -> World {
    let upstream = recorder.upstream.clone();
    stage::world(name, |plan| {
        plan.users = vec![stage::operator("alice"), stage::operator("bob")];
        plan.upstream = Some(upstream);
        plan.set_policy(policy).unwrap();
    })
    .await
}

async fn bob(world: &World) -> Session {
    oauth::log_in(&world.http, &world.mcp, &stage::operator("bob").login, Some("mcp:read")).await.unwrap()
}

async fn send(world: &World, line: &str, token: &str, session: Option<&str>, body: &str) -> Raw {
    let mut fields = vec![("MCP-Protocol-Version", LEGACY)];
    fields.extend(session.map(|id| ("Mcp-Session-Id", id)));
    let body = if line.starts_with("POST") { body } else { "" };
    exchange(world, &request(world, line, Some(token), &fields, body.as_bytes())).await
}

/// Begins a session; its id.
async fn begin(world: &World, token: &str) -> String {
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let answer =
        exchange(world, &request(world, "POST /mcp", Some(token), &[], message.to_string().as_bytes())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.field("mcp-session-id").unwrap_or_else(|| panic!("no session in {answer:?}")).to_owned()
}

async fn passes(world: &World, recorder: &Recorder, token: &str, session: &str) {
    recorder.take();
    for _ in 0..ASKED {
        let answer = send(world, "POST /mcp", token, Some(session), &call("get_note")).await;
        assert_eq!((answer.status, answer.field("mcp-session-id")), (200, Some(session)), "{answer:?}");
    }
    let seen = recorder.take();
    assert!(seen.len() == ASKED && seen.iter().all(|seen| seen.field("mcp-session-id") == Some(session)));
}

/// By every verb, on every worker, in the same words; nothing reaches the server.
async fn refused(world: &World, recorder: &Recorder, token: &str, session: &str, detail: &str) {
    recorder.take();
    for line in ["POST /mcp", "GET /mcp", "DELETE /mcp"] {
        for _ in 0..ASKED {
            let answer = send(world, line, token, Some(session), &call("get_note")).await;
            assert_eq!((answer.status, answer.code()), (404, json!(-31006)), "{line}: {answer:?}");
            assert_eq!(answer.json()["error"]["message"], "Session not found", "{answer:?}");
            assert_eq!(
                answer.json()["id"],
                if line == "POST /mcp" { json!(5) } else { Value::Null },
                "{answer:?}"
            );
        }
        assert_eq!(recorder.bytes(), 0, "{line} of another reached the server: {:?}", recorder.take());
    }
    let answer = send(world, "GET /mcp", token, Some(session), "").await;
    let records = stage::records(world, answer.field("x-request-id").unwrap()).await;
    assert_eq!((&records[0]["reason"], &records[0]["detail"]), (&json!("unknown_session"), &json!(detail)));
}

const OTHERS: &str = "the session of another principal";
const UNKNOWN: &str = "a session that was not begun here";

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_session_is_none() {
    let recorder = server().await;
    let mut world = before(&recorder, "bound-sessions", &stage::policy("{}", RULES)).await;
    let workers = world.envoy.stat("server.concurrency").await.unwrap();
    assert!(workers >= Some(2), "the test means nothing with {workers:?} workers");
    let alice = stage::log_in(&world, Some("mcp:read")).await;
    let (token, stranger) = (alice.tokens.access_token.clone(), bob(&world).await.tokens.access_token);
    let session = begin(&world, &token).await;
    passes(&world, &recorder, &token, &session).await;
    refused(&world, &recorder, &stranger, &session, OTHERS).await;
    // A second registration is another client, a refreshed token the same one.
    let second = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    refused(&world, &recorder, &second, &session, OTHERS).await;
    let fresh = oauth::refresh(&world.http, &alice).await.unwrap().access_token;
    passes(&world, &recorder, &fresh, &session).await;
    refused(&world, &recorder, &fresh, "never-begun", UNKNOWN).await;

    let own = begin(&world, &stranger).await;
    assert_ne!(own, session);
    passes(&world, &recorder, &stranger, &own).await;
    let ended = send(&world, "DELETE /mcp", &token, Some(&session), "").await;
    assert_eq!(ended.status, 200, "{ended:?}");
    refused(&world, &recorder, &fresh, &session, UNKNOWN).await;
    passes(&world, &recorder, &stranger, &own).await;

    // What was bound is forgotten with the process: clients are told to begin anew, and can.
    world.restart_envoy().await.unwrap();
    stage::eventually("the keys are there again", stage::DEADLINE, || async {
        let answer = send(&world, "POST /mcp", &stranger, None, &call("get_note")).await;
        if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    refused(&world, &recorder, &stranger, &own, UNKNOWN).await;
    let again = begin(&world, &stranger).await;
    passes(&world, &recorder, &stranger, &again).await;
    world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_session_is_adopted_where_the_policy_says_so() {
    let recorder = server().await;
    let policy =
        stage::policy("{}", RULES).replace("    limits:", "    sessions: {unknown: adopt}\n    limits:");
    let mut world = before(&recorder, "adopted-sessions", &policy).await;
    let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    let stranger = bob(&world).await.tokens.access_token;
    let session = begin(&world, &token).await;
    refused(&world, &recorder, &stranger, &session, OTHERS).await;
    world.restart_envoy().await.unwrap();
    stage::eventually("the keys are there again", stage::DEADLINE, || async {
        let answer = send(&world, "POST /mcp", &token, None, &call("get_note")).await;
        if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    passes(&world, &recorder, &token, &session).await;
    refused(&world, &recorder, &stranger, &session, OTHERS).await;
    world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stateless_revision_has_no_sessions() {
    let recorder = server().await;
    let world = before(&recorder, "no-sessions", &stage::policy("{}", RULES)).await;
    let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    let session = begin(&world, &token).await;
    let meta = json!({"io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {}});
    let body = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call",
        "params": {"name": "get_note", "arguments": {}, "_meta": meta}})
    .to_string();
    recorder.take();
    for id in [session.as_str(), "never-begun"] {
        let mut fields = stage::mirrored("tools/call", Some("get_note"));
        fields.push(("Mcp-Session-Id", id));
        let answer =
            exchange(&world, &request(&world, "POST /mcp", Some(&token), &fields, body.as_bytes())).await;
        assert_eq!((answer.status, answer.field("mcp-session-id")), (200, None), "{answer:?}");
    }
    let seen = recorder.take();
    assert!(seen.len() == 2 && seen.iter().all(|seen| seen.field("mcp-session-id").is_none()), "{seen:?}");
    world.discard().await;
}
