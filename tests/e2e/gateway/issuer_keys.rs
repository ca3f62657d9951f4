//! Do keys come and go as their issuer says, and do good ones outlast its illness, and not for ever? Times are the smallest
//! that a policy may name.

use std::time::{Duration, Instant};

use wicketgate_e2e::client::http::Http;
use wicketgate_e2e::client::mcp::McpClient;
use wicketgate_e2e::world::World;

use super::recorder::Recorder;
use super::scene::RULES;
use super::stage::eventually;
use super::stand_in::{self, Mood, Signer, StandIn, sends, server};

/// Two rounds of refreshing, and some patience.
const ROUNDS: Duration = Duration::from_secs(60);
/// Fetches of one worker for requests may run side by side up to this number; then nothing for ten seconds.
const AT_ONCE: u64 = 8;
const FLOOR: u64 = 10;

/// What a new token of this key gets on connections of their own, which spread over the workers.
async fn statuses(world: &World, issuer: &StandIn, key: &Signer) -> Vec<u16> {
    let mut seen = Vec::new();
    for _ in 0..6 {
        let token = key.token(&issuer.url, std::slice::from_ref(&world.mcp));
        seen.push(sends(world, "/mcp", &token).await.status);
    }
    seen
}

/// All workers say so; on the way there, only what is in `before`.
async fn become_all(world: &World, issuer: &StandIn, key: &Signer, status: u16, before: &[u16]) {
    eventually(&format!("everybody says {status}"), ROUNDS, || async {
        let seen = statuses(world, issuer, key).await;
        assert!(seen.iter().all(|s| *s == status || before.contains(s)), "{seen:?}");
        if seen.iter().all(|s| *s == status) { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
}

/// Keys that are seldom fetched: a token names a new one, and it is looked for.
async fn a_new_key_is_looked_for_and_made_up_ones_are_not_for_long(
    world: &World,
    issuer: &StandIn,
    old: &Signer,
) {
    let new = Signer::quick("new");
    issuer.publish(&[old.clone(), new.clone()]);
    become_all(world, issuer, &new, 200, &[401, 503]).await;

    issuer.take_fetches();
    let workers = world.envoy.stat("server.concurrency").await.unwrap().unwrap();
    let began = Instant::now();
    // Through one floor at least: then every worker has looked once more.
    while issuer.fetches() == 0 {
        assert!(began.elapsed() < ROUNDS, "nobody looks");
        let flood = (0..120).map(|at| {
            let made_up =
                Signer::quick(&format!("made-up-{at}")).token(&issuer.url, std::slice::from_ref(&world.mcp));
            async move { sends(world, "/mcp", &made_up).await.status }
        });
        for status in futures(flood).await {
            assert!(matches!(status, 401 | 503), "{status}");
        }
        assert!(statuses(world, issuer, &new).await.iter().all(|status| *status == 200));
    }
    let most = workers * AT_ONCE * (began.elapsed().as_secs() / FLOOR + 1);
    assert!(issuer.take_fetches() as u64 <= most, "more than {most} for {:?}", began.elapsed());
}

/// All of them at once; what each gave.
async fn futures(flood: impl Iterator<Item = impl Future<Output = u16>>) -> Vec<u16> {
    let mut waiting: Vec<_> = flood.map(Box::pin).collect();
    let mut given = Vec::new();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Ready(status) => {
                given.push(status);
                false
            }
            std::task::Poll::Pending => true,
        });
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    given
}

/// A key that is withdrawn counts no more, for tokens that were accepted before neither; the others go on.
async fn a_withdrawn_key_counts_no_more(world: &World, issuer: &StandIn, old: &Signer) {
    let kept = Signer::quick("kept");
    issuer.publish(&[old.clone(), kept.clone()]);
    become_all(world, issuer, &kept, 200, &[401, 503]).await;
    let remembered = old.token(&issuer.url, std::slice::from_ref(&world.mcp));
    assert_eq!(sends(world, "/mcp", &remembered).await.status, 200);
    issuer.publish(std::slice::from_ref(&kept));
    eventually("the withdrawn key is gone", ROUNDS, || async {
        let mut seen = statuses(world, issuer, old).await;
        for _ in 0..4 {
            seen.push(sends(world, "/mcp", &remembered).await.status);
        }
        assert!(statuses(world, issuer, &kept).await.iter().all(|status| *status == 200));
        if seen.iter().all(|status| *status == 401) { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
    // Another key under its name is another key.
    let namesake = Signer::quick("old");
    issuer.publish(&[kept, namesake.clone()]);
    become_all(world, issuer, &namesake, 200, &[401, 503]).await;
    assert!(statuses(world, issuer, old).await.iter().all(|status| *status == 401));
}

/// An issuer that answers wrongly or not at all: what it said last counts until it is too old.
async fn good_keys_outlast_an_ill_issuer(world: &World, issuer: &StandIn, key: &Signer) {
    let known = key.token(&issuer.url, std::slice::from_ref(&world.mcp));
    // One connection stays with one worker.
    let known = McpClient::modern(Http::new().unwrap(), &world.mcp, Some(&known));
    assert_eq!(ping(&known).await, 200);
    issuer.take_fetches();
    issuer.feel(Mood::Ill);
    let unknown = Signer::quick("unknown");
    eventually("the keys are too old", ROUNDS, || async {
        let failed = issuer.fetches();
        let seen = statuses(world, issuer, key).await;
        assert!(seen.iter().all(|status| matches!(status, 200 | 503)), "{seen:?}");
        let strange = statuses(world, issuer, &unknown).await;
        assert!(strange.iter().all(|status| matches!(status, 401 | 503)), "{strange:?}");
        if seen.iter().all(|status| *status == 200) {
            return Err(format!("{failed} fetches failed, all good"));
        }
        // Every kind of failure came before.
        assert!(failed >= 3, "only {failed} fetches failed, and {seen:?}");
        if seen.contains(&200) { Err(format!("{seen:?}")) } else { Ok(()) }
    })
    .await;
    assert_eq!(ping(&known).await, 200, "verified while the keys were good");
    issuer.feel(Mood::Well);
    become_all(world, issuer, key, 200, &[503]).await;
}

async fn ping(client: &McpClient) -> u16 {
    let params = serde_json::json!({"name": "get_note", "arguments": {}});
    client.clone().send("tools/call", params).await.unwrap().status
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_and_go_as_their_issuer_says() {
    let upstream = Recorder::echo().await;
    let old = Signer::quick("old");
    let keys = std::slice::from_ref(&old);
    let [seldom, often, ill] =
        [StandIn::start(keys).await, StandIn::start(keys).await, StandIn::start(keys).await];
    let issuers = [
        ("seldom", &seldom, ""),
        ("often", &often, ", refresh: 10s"),
        ("ill", &ill, ", refresh: 10s, max_stale: 25s, timeout: 1s"),
    ];
    let generous = "limits: {flood: {rate: 60000/m, burst: 10000}}";
    let servers = server("tested", "/mcp", &[generous], RULES);
    let world = stand_in::world("issuer-keys", &upstream, &issuers, &servers, |_| {}).await;
    tokio::join!(
        a_new_key_is_looked_for_and_made_up_ones_are_not_for_long(&world, &seldom, &old),
        a_withdrawn_key_counts_no_more(&world, &often, &old),
        good_keys_outlast_an_ill_issuer(&world, &ill, &old),
    );
    world.discard().await;
}
