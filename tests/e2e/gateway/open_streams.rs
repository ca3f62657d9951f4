//! How many streams may one principal have open? Exactly so many, however many workers and connections carry them, and the
//! place of one that has ended is free again.

use std::sync::Arc;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wicketgate_e2e::client::oauth;
use wicketgate_e2e::client::raw;
use wicketgate_e2e::world::World;

use super::recorder::{Recorder, Script, Seen, event_stream, json_answer, result};
use super::scene::{RULES, call};
use super::stage::{self, eventually};

const STREAMS: usize = 6;

fn script(seen: &Seen) -> Script {
    if seen.json()["params"]["arguments"]["whole"] == true {
        return Script::Answer(json_answer(&result(seen)));
    }
    if seen.field("x-ends").is_some() {
        return Script::Break(event_stream(": open\n\n"));
    }
    Script::Hang(event_stream(": open\n\n"))
}

/// Sends it on a connection of its own and reads the head of the answer.
pub(super) async fn open(world: &World, bytes: &[u8]) -> (u16, TcpStream, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", stage::port(world))).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
        let read = tokio::time::timeout(stage::DEADLINE, stream.read_buf(&mut answer)).await;
        assert!(matches!(read, Ok(Ok(1..))), "only this came: {:?}", String::from_utf8_lossy(&answer));
    }
    (raw::status(&answer).unwrap(), stream, String::from_utf8_lossy(&answer).into_owned())
}

/// GET and POST streams, all at once; those that were admitted.
async fn storm(world: &Arc<World>, token: &str, times: usize) -> Vec<TcpStream> {
    let tasks = (0..times).map(|at| {
        let (line, body) =
            if at % 2 == 0 { ("GET /mcp", String::new()) } else { ("POST /mcp", call("get_note")) };
        let bytes = stage::request(world, line, Some(token), &[], body.as_bytes());
        let world = Arc::clone(world);
        tokio::spawn(async move { open(&world, &bytes).await })
    });
    let mut admitted = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        let (status, stream, head) = task.await.unwrap();
        match status {
            200 => admitted.push(stream),
            other => assert_eq!(other, 429, "{head}"),
        }
    }
    admitted
}

async fn one(world: &World, token: &str) -> Option<TcpStream> {
    let bytes = stage::request(world, "GET /mcp", Some(token), &[], b"");
    let (status, stream, _) = open(world, &bytes).await;
    (status == 200).then_some(stream)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_streams_is_exact_and_places_are_freed() {
    let recorder = Recorder::start(script).await;
    let upstream = recorder.upstream.clone();
    let limits = format!("{{streams: {STREAMS}}}");
    let world = stage::world("open-streams", |plan| {
        plan.users = vec![stage::operator("alice"), stage::operator("bob")];
        plan.upstream = Some(upstream);
        plan.set_policy(&stage::policy(&limits, RULES)).unwrap();
    })
    .await;
    let workers = world.envoy.stat("server.concurrency").await.unwrap();
    assert!(workers >= Some(2), "the test means nothing with {workers:?} workers");
    let alice = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    let bob = oauth::log_in(&world.http, &world.mcp, &stage::operator("bob").login, Some("mcp:read")).await;
    let bob = bob.unwrap().tokens.access_token;

    let world = Arc::new(world);
    let mut streams = storm(&world, &alice, 5 * STREAMS).await;
    assert_eq!(streams.len(), STREAMS);
    recorder.take();
    let refused = stage::exchange(
        &world,
        &stage::request(&world, "POST /mcp", Some(&alice), &[], call("get_note").as_bytes()),
    )
    .await;
    assert_eq!(
        (refused.status, refused.code(), &refused.json()["id"]),
        (429, json!(-31030), &json!(5)),
        "{refused:?}"
    );
    assert_eq!(recorder.bytes(), 0, "what is refused reaches nobody");
    assert!(one(&world, &bob).await.is_some(), "another principal's are his own");

    // A client that hangs up gives its place back, and only that.
    streams.truncate(STREAMS - 2);
    eventually("two may be opened again", stage::DEADLINE, || async {
        let freed = storm(&world, &alice, 2).await.len();
        if freed == 2 { Ok(()) } else { Err(format!("{freed} of 2")) }
    })
    .await;
    drop(streams);
    // So does a server that ends one, and an answer that is whole: each would otherwise use up a place for good.
    let ending = stage::request(&world, "GET /mcp", Some(&alice), &[("X-Ends", "1")], b"");
    let whole = stage::tool_call(1, "get_note", &json!({"whole": true})).to_string();
    let whole = stage::request(&world, "POST /mcp", Some(&alice), &[], whole.as_bytes());
    for bytes in [ending, whole] {
        for _ in 0..2 * STREAMS {
            eventually("there is a place", stage::DEADLINE, || async {
                let (status, _stream, head) = open(&world, &bytes).await;
                if status == 200 { Ok(()) } else { Err(head) }
            })
            .await;
        }
    }
    eventually("all places are free", stage::DEADLINE, || async {
        let free = storm(&world, &alice, 3 * STREAMS).await.len();
        assert!(free <= STREAMS, "{free}");
        if free == STREAMS { Ok(()) } else { Err(format!("{free} of {STREAMS}")) }
    })
    .await;
    Arc::into_inner(world).unwrap().discard().await;
}
