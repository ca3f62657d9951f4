//! Is a grant that its issuer withdraws refused at the gateway soon, by all workers, without a question for each call? And its
//! streams, do they end, and only these?

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use wicketgate_e2e::world::World;

use super::open_streams;
use super::recorder::{Recorder, Script, Seen, event_stream, json_answer, result};
use super::scene::RULES;
use super::stage::{self, eventually};
use super::stand_in::{self, Holder, Signer, StandIn, sends, server};

fn script(seen: &Seen) -> Script {
    if seen.head.starts_with("GET ") {
        return Script::Hang(event_stream(": open\n\n"));
    }
    Script::Answer(json_answer(&result(seen)))
}

/// So many connections for each worker, that none is missed.
const CONNECTIONS: u64 = 12;

/// What `token` gets from every worker, until it gets only this.
async fn becomes(world: &World, token: &str, status: u16, until_then: &[u16]) {
    let workers = world.envoy.stat("server.concurrency").await.unwrap().unwrap();
    eventually("every worker says so", stage::DEADLINE, || async {
        let mut seen = Vec::new();
        for _ in 0..CONNECTIONS * workers {
            seen.push(sends(world, "/mcp", token).await.status);
        }
        assert!(seen.iter().all(|s| *s == status || until_then.contains(s)), "{seen:?}");
        if seen.iter().all(|s| *s == status) { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
}

async fn stream(world: &World, token: &str) -> TcpStream {
    let bytes = stage::request(world, "GET /mcp", Some(token), &[], b"");
    let (status, stream, head) = open_streams::open(world, &bytes).await;
    assert_eq!(status, 200, "{head}");
    stream
}

/// Reads until the other side ends it.
async fn ends(mut open: TcpStream) {
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(stage::DEADLINE, open.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "its stream is still open");
}

/// By the real authorization server: a client that logs its user out takes the access token along, although that is good for
/// ten minutes more; and an operator who withdraws all of a user takes what is left.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_or_an_operator_revokes_ends_at_the_gateway() {
    let recorder = Recorder::start(script).await;
    let upstream = recorder.upstream.clone();
    let world = stage::world("revoked-grant", |plan| {
        plan.upstream = Some(upstream);
        // Here one address asks often.
        let policy = stage::hearing(&stage::policy("{flood: {rate: 60000/m, burst: 1000}}", RULES));
        let patient = "version: 1\nunknown_tokens: {rate: 60000/m, burst: 10000}\n";
        plan.set_policy(&policy.replacen("version: 1\n", patient, 1)).unwrap();
    })
    .await;
    let (leaves, stays) =
        (stage::log_in(&world, Some("mcp:read")).await, stage::log_in(&world, Some("mcp:read")).await);
    let (first, second) = (&leaves.tokens.access_token, &stays.tokens.access_token);
    becomes(&world, first, 200, &[503]).await;
    let (open, other) = (stream(&world, first).await, stream(&world, second).await);
    let refresh = leaves.tokens.refresh_token.clone().unwrap();
    let form =
        [("token".to_owned(), refresh), ("client_id".to_owned(), leaves.registration.client_id.clone())];
    let revoked = world.http.post_form(&format!("{}/revoke", world.origin), &[], &form).await.unwrap();
    assert_eq!(revoked.status, 200, "{}", revoked.text());
    becomes(&world, first, 401, &[200]).await;
    becomes(&world, second, 200, &[]).await;
    ends(open).await;
    let user = &world.login.as_ref().unwrap().user;
    let switch = format!("http://{}/v1/users/{user}/revoke", world.sidecar.listeners.admin);
    let withdrawn = world.http.post_json(&switch, &[], &json!({})).await.unwrap();
    assert_eq!(withdrawn.status, 204, "{}", withdrawn.text());
    becomes(&world, second, 401, &[200]).await;
    ends(other).await;
    world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_issuer_withdraws_is_refused_and_its_streams_end() {
    let (recorder, key) = (Recorder::start(script).await, Signer::quick("k"));
    let issuer = StandIn::start(std::slice::from_ref(&key)).await;
    issuer.withdraw(&key, &[]);
    let feed = "}\n    revocations: {cluster: issuer, path: /feed, max_age: 10s";
    let servers = server("tested", "/mcp", &["limits: {flood: {rate: 60000/m, burst: 1000}}"], RULES);
    let world =
        stand_in::world("revocations", &recorder, &[("issuer", &issuer, feed)], &servers, |_| {}).await;
    let token = |grant| {
        let holder = Holder { subject: "alice", client: "c1", organization: "acme", grant };
        key.token_of(holder, &issuer.url, std::slice::from_ref(&world.mcp))
    };
    let (first, second) = (token("first"), token("second"));
    becomes(&world, &first, 200, &[503]).await;
    becomes(&world, &second, 200, &[]).await;
    let (mut ends, mut goes_on) = (stream(&world, &first).await, stream(&world, &second).await);

    // One whose feed another key signed has said nothing.
    issuer.withdraw(&Signer::quick("k"), &["second"]);
    eventually("the forged one was polled", stage::DEADLINE, || async {
        let failed = world.envoy.stat("wasmcustom.wicketgate.revocation_poll_failures_total").await.unwrap();
        if failed > Some(0) { Ok(()) } else { Err(format!("{failed:?}")) }
    })
    .await;
    issuer.withdraw(&key, &["first"]);
    becomes(&world, &first, 401, &[200]).await;
    becomes(&world, &second, 200, &[]).await;
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(stage::DEADLINE, ends.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "its stream is still open");
    assert!(!rest.ends_with(b"0\r\n\r\n"), "ended as if it were whole");
    eventually("why is on record", stage::DEADLINE, || async {
        let records = world.records("audit.jsonl").unwrap_or_default();
        let records = records.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let ended =
            records.filter(|record| record["record"] == "completion").map(|record| record["reason"].clone());
        let ended: Vec<_> = ended.filter(|reason| *reason == json!("credential_withdrawn")).collect();
        if ended.len() == 1 { Ok(()) } else { Err(format!("{ended:?}")) }
    })
    .await;
    let mut byte = [0];
    let quiet = std::time::Duration::from_millis(100);
    assert!(tokio::time::timeout(quiet, goes_on.read(&mut byte)).await.is_err(), "the other goes on");

    issuer.fall_silent();
    becomes(&world, &second, 503, &[200]).await;
    issuer.withdraw(&key, &["first"]);
    becomes(&world, &second, 200, &[503]).await;
    assert_eq!(sends(&world, "/mcp", &first).await.status, 401);
    world.discard().await;
}
