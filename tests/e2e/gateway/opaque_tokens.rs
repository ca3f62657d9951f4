//! Tokens that only their issuer can read: is it asked, believed and obeyed, and not more often than it must be?
//!
//! The issuer is a stand-in that answers by the internal API's `validate` contract, and is asked as often as it can count.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::json;
use wicketgate_e2e::world::{Plan, World};

use super::frames::{Frames, Open};
use super::recorder::{Recorder, Script, Seen, event_stream, json_answer};
use super::scene::{RULES, call};
use super::stage::{self, eventually, exchange, request};
use super::stand_in::clusters;

/// Before an echoing upstream, with an issuer that answers by `script`.
async fn world(name: &str, upstream: &Recorder, issuer: &Recorder) -> World {
    world_with(name, upstream, issuer, |_| {}).await
}

async fn world_with(
    name: &str,
    upstream: &Recorder,
    issuer: &Recorder,
    change: impl FnOnce(&mut Plan),
) -> World {
    let policy = stage::policy("{request_bytes: 64KiB}", RULES).replace(
        "    clock_skew: 1s\n",
        "    clock_skew: 1s\n    validate: {cluster: issuer, path: /v1/validate, remember: 2s, timeout: 30s}\n",
    );
    stage::world(name, |plan| {
        plan.upstream = Some(upstream.upstream.clone());
        plan.set_policy(&policy).unwrap();
        plan.envoy_changes.push(clusters(&[("issuer", issuer)]));
        change(plan);
    })
    .await
}

fn answer(body: &serde_json::Value) -> Script {
    Script::Answer(json_answer(&body.to_string()))
}

/// What the issuer says of tokens, by their name.
fn word(origin: &str, seen: &Seen) -> Script {
    let question = seen.json();
    let resource = question["resource"].as_str().unwrap_or_default().to_owned();
    let good = json!({"active": true, "token_type": "Bearer", "iss": origin, "sub": "alice", "aud": resource,
        "exp": 4_000_000_000_u64, "iat": 1, "jti": "j", "client_id": "c1", "scope": "mcp:read", "grant_id": "g1"});
    match question["token"].as_str().unwrap_or_default() {
        "good-token" => answer(&good),
        "foreign-token" => {
            answer(&json!({"active": true, "iss": origin, "sub": "a", "aud": "https://other.example",
            "exp": 4_000_000_000_u64}))
        }
        "broken-token" => Script::Break(b"HTTP/1.1 200".to_vec()),
        "vague-token" => answer(&json!({"active": "true"})),
        _ => answer(&json!({"active": false})),
    }
}

async fn sends(world: &World, token: &str) -> u16 {
    exchange(world, &request(world, "POST /mcp", Some(token), &[], call("get_note").as_bytes())).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn the_issuer_is_asked_and_its_word_counts() {
    let upstream = Recorder::echo().await;
    // The world's address is known only once it runs, and the question does not name it: it is the resource's origin.
    let issuer = Recorder::start(|seen| {
        let resource = seen.json()["resource"].as_str().unwrap_or_default().to_owned();
        word(resource.strip_suffix("/mcp").unwrap_or_default(), seen)
    })
    .await;
    let world = world("opaque", &upstream, &issuer).await;
    for (token, status) in [
        ("good-token", 200),
        ("bad-token", 401),
        ("foreign-token", 401),
        ("vague-token", 503),
        ("broken-token", 503),
    ] {
        upstream.take();
        assert_eq!(sends(&world, token).await, status, "{token}");
        let seen = upstream.take();
        assert_eq!(seen.len(), usize::from(status == 200), "{token}: {seen:?}");
        assert!(!upstream.raw().contains(token), "{token} went no further");
    }
    let good = request(&world, "POST /mcp", Some("good-token"), &[], call("get_note").as_bytes());
    let answer = exchange(&world, &good).await;
    let records = stage::records(&world, answer.field("x-request-id").unwrap()).await;
    assert_eq!(records[0]["principal"]["subject"], "alice", "{records:?}");
    assert!(!format!("{records:?}").contains("good-token"), "{records:?}");
    world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_made_up_tokens_reaches_the_issuer_within_bounds() {
    let upstream = Recorder::echo().await;
    let asked = Arc::new(AtomicU64::new(0));
    let issuer = Recorder::start({
        let asked = Arc::clone(&asked);
        move |_| {
            asked.fetch_add(1, Ordering::SeqCst);
            answer(&json!({"active": false}))
        }
    })
    .await;
    let world = world("opaque-flood", &upstream, &issuer).await;
    let began = std::time::Instant::now();
    let mut refused = 0;
    for n in 0..150 {
        let status = sends(&world, &format!("made-up-{n}")).await;
        assert!(matches!(status, 401 | 429), "{status}");
        refused += u64::from(status == 401);
    }
    // The bucket of questions: 50 at once, 10 each second after.
    let most = 50 + 10 * (began.elapsed().as_secs() + 1);
    let asked = asked.load(Ordering::SeqCst);
    assert!(
        asked >= 50 && asked <= most && asked == refused,
        "{asked} questions, {refused} refusals, {most} at most"
    );
    assert!(upstream.take().is_empty());
    world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_lasts_as_long_as_the_issuer_vouches_for_its_token() {
    let upstream = Recorder::start(|_| Script::Hang(event_stream(": open\n\n"))).await;
    let (asked, revoked) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let issuer = Recorder::start({
        let (asked, revoked) = (Arc::clone(&asked), Arc::clone(&revoked));
        move |seen| {
            asked.fetch_add(1, Ordering::SeqCst);
            if revoked.load(Ordering::SeqCst) {
                return answer(&json!({"active": false}));
            }
            let resource = seen.json()["resource"].as_str().unwrap_or_default().to_owned();
            word(resource.strip_suffix("/mcp").unwrap_or_default(), seen)
        }
    })
    .await;
    let world = world("opaque-stream", &upstream, &issuer).await;
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", stage::port(&world))).await.unwrap();
    let get = request(&world, "GET /mcp", Some("good-token"), &[], b"");
    tokio::io::AsyncWriteExt::write_all(&mut stream, &get).await.unwrap();
    eventually("the issuer is asked again and again", stage::DEADLINE, || async {
        let count = asked.load(Ordering::SeqCst);
        if count >= 3 { Ok(()) } else { Err(format!("{count} times")) }
    })
    .await;
    assert_eq!(upstream.hung_up(), 0, "it goes on while it is vouched for");
    revoked.store(true, Ordering::SeqCst);
    let mut all = Vec::new();
    let ended =
        tokio::time::timeout(stage::DEADLINE, tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut all))
            .await;
    assert!(ended.is_ok(), "still open: {}", String::from_utf8_lossy(&all));
    eventually("the completion says why", stage::DEADLINE, || async {
        let lines = world.records("audit.jsonl").unwrap_or_default();
        let said = lines.iter().any(|line| line.contains("\"credential_withdrawn\""));
        if said { Ok(()) } else { Err(format!("{lines:?}")) }
    })
    .await;
    world.discard().await;
}

/// The host forgets to tell of callouts that belong to a stream whose client is gone, and the filter's SDK remembers for good who
/// waits for them: so they belong to nobody's stream.
#[tokio::test(flavor = "multi_thread")]
async fn questions_of_clients_that_leave_are_heard_to_their_end() {
    const LEAVERS: u64 = 5;
    let upstream = Recorder::echo().await;
    let (asked, gate) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let issuer = Recorder::start({
        let (asked, gate) = (Arc::clone(&asked), Arc::clone(&gate));
        move |_| {
            asked.fetch_add(1, Ordering::SeqCst);
            Script::Once(Arc::clone(&gate), json_answer(&json!({"active": false}).to_string()))
        }
    })
    .await;
    let world = world("opaque-leavers", &upstream, &issuer).await;
    let mut leavers = Vec::new();
    for n in 0..LEAVERS {
        let token = format!("made-up-{n}");
        let request = request(&world, "POST /mcp", Some(&token), &[], call("get_note").as_bytes());
        let mut leaver = tokio::net::TcpStream::connect(("127.0.0.1", stage::port(&world))).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut leaver, &request).await.unwrap();
        leavers.push(leaver);
    }
    let reaches = async |what: &str, stat: &str, wanted: u64| {
        eventually(what, stage::DEADLINE, || async {
            let count = world.envoy.stat(stat).await.unwrap().unwrap_or_default();
            if count == wanted { Ok(()) } else { Err(format!("{count} of {wanted}")) }
        })
        .await;
    };
    reaches("all are asked about", "cluster.issuer.upstream_rq_active", LEAVERS).await;
    drop(leavers);
    reaches("all have left", "http.public.downstream_rq_active", 0).await;
    gate.store(true, Ordering::SeqCst);
    reaches("all are answered", "cluster.issuer.upstream_rq_200", LEAVERS).await;
    assert_eq!(asked.load(Ordering::SeqCst), LEAVERS);
    assert_eq!(sends(&world, "made-up").await, 401);
    world.discard().await;
}

/// Who leaves while he is asked about keeps his places, because the question goes on, and no more of them than he leaves free.
#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_while_he_is_asked_about_takes_nobody_elses_place() {
    /// Of the 64 questions that a worker may have under way.
    const HALF: usize = 32;
    let upstream = Recorder::echo().await;
    let issuer = Recorder::start(|seen| {
        if seen.json()["token"] == "silent-token" {
            return Script::Hang(Vec::new());
        }
        let resource = seen.json()["resource"].as_str().unwrap_or_default().to_owned();
        word(resource.strip_suffix("/mcp").unwrap_or_default(), seen)
    })
    .await;
    let world = world_with("opaque-crowd", &upstream, &issuer, |plan| plan.workers = Some(1)).await;
    let reaches = async |stat: &str, wanted: usize| {
        eventually(stat, stage::DEADLINE, || async {
            let count = world.envoy.stat(stat).await.unwrap().unwrap_or_default();
            if count == wanted as u64 { Ok(()) } else { Err(format!("{count} of {wanted}")) }
        })
        .await;
    };
    let mallory = Frames::connect(&world, "silent-token").await;
    let mut waiting = Vec::new();
    for _ in 0..HALF {
        waiting.push(mallory.open(&[]).await);
    }
    reaches("cluster.issuer.upstream_rq_active", HALF).await;
    waiting.into_iter().for_each(Open::reset);
    reaches("http.public.downstream_rq_active", 0).await;
    reaches("cluster.issuer.upstream_rq_active", HALF).await;
    let refused = mallory.post(&call("get_note"), 64, false).await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (503, &json!(-32603)), "{refused:?}");
    assert_eq!(issuer.take().len(), HALF, "what is refused is not asked");
    let alice = request(&world, "POST /mcp", Some("good-token"), &[], call("get_note").as_bytes());
    let answer = stage::answer_from(Ipv4Addr::new(127, 0, 0, 2), stage::port(&world), &alice).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    eventually("the record says why", stage::DEADLINE, || async {
        let lines = world.records("audit.jsonl").unwrap_or_default();
        let why = "\"detail\":\"room for more questions of one caller\"";
        if lines.iter().any(|line| line.contains(why)) { Ok(()) } else { Err(format!("{lines:?}")) }
    })
    .await;
    world.discard().await;
}
