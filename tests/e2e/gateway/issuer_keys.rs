//! Do keys come and go as their issuer says, and do good ones outlast its illness, and not for ever? Times are the smallest
//! that a policy may name.

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use wicketgate_e2e::client::http::Http;
use wicketgate_e2e::client::mcp::McpClient;
use wicketgate_e2e::world::World;

use super::recorder::Recorder;
use super::scene::{RULES, call};
use super::stage::{self, eventually};
use super::stand_in::{self, Mood, Signer, StandIn, sends, server};

/// Two rounds of refreshing, and some patience.
const ROUNDS: Duration = Duration::from_secs(60);
/// So many tokens of keys that nobody has, all at once.
const FLOOD: usize = 120;
/// So often one worker looks for them at a time for one caller; then not for ten seconds.
const AT_ONCE: usize = 8;
/// So many connections for each worker, that none is missed: which worker takes one is chance, and of two the second is without
/// any once in eight million times.
const CONNECTIONS: u64 = 12;

/// What a new token of this key gets on connections of their own, which spread over the workers.
async fn statuses(world: &World, issuer: &StandIn, key: &Signer) -> Vec<u16> {
    let workers = world.envoy.stat("server.concurrency").await.unwrap().unwrap();
    let mut seen = Vec::new();
    for _ in 0..CONNECTIONS * workers {
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

    let workers = world.envoy.stat("server.concurrency").await.unwrap().unwrap();
    // Again until the last look is long enough ago: then every worker looks once more.
    eventually("somebody looks", ROUNDS, || async {
        let _first = first_who_waits(world, issuer).await?;
        // He is one more.
        let all_are_told_of = |answered, looks| answered + looks > FLOOD;
        let fetched = crowd_asks(world, issuer, Ipv4Addr::LOCALHOST, all_are_told_of).await;
        assert!(fetched <= workers as usize * AT_ONCE, "{fetched} looks");
        if fetched > 0 { Ok(()) } else { Err("nobody did".into()) }
    })
    .await;
    // Who leaves at once has keys looked for no more often: Envoy then drops our question without a word.
    eventually("somebody looks for those who leave, and for others besides", ROUNDS, || async {
        drop(first_who_waits(world, issuer).await?);
        for _ in 0..FLOOD {
            drop(made_up(world, issuer).await);
        }
        let fetched = issuer.fetches();
        // One more is what the root context of each worker fetches in their stead.
        let most = workers as usize * (AT_ONCE + 1);
        assert!(fetched <= most, "{fetched} looks");
        let enough = |answered, looks| answered == FLOOD || looks > most;
        let fetched = crowd_asks(world, issuer, Ipv4Addr::new(127, 0, 0, 2), enough).await;
        if fetched > most { Ok(()) } else { Err(format!("{fetched} looks")) }
    })
    .await;
    issuer.feel(Mood::Well);
    assert!(statuses(world, issuer, &new).await.iter().all(|status| *status == 200));
}

fn of_a_made_up_key(world: &World, issuer: &StandIn) -> Vec<u8> {
    let token = Signer::quick("made-up").token(&issuer.url, std::slice::from_ref(&world.mcp));
    stage::request(world, "POST /mcp", Some(&token), &[], call("get_note").as_bytes())
}

/// Who has asked with a token of a made-up key.
async fn made_up(world: &World, issuer: &StandIn) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", stage::port(world))).await.unwrap();
    stream.write_all(&of_a_made_up_key(world, issuer)).await.unwrap();
    stream
}

/// One of those, while his key is looked for at an issuer that thinks; not for some seconds after a look. Of one it costs a port to find
/// that out, of a crowd all that there are.
async fn first_who_waits(world: &World, issuer: &StandIn) -> Result<TcpStream, String> {
    issuer.feel(Mood::Thoughtful);
    issuer.take_fetches();
    let stream = made_up(world, issuer).await;
    let waits = Cell::new(false);
    eventually("he is answered, or waits", stage::DEADLINE, || async {
        waits.set(issuer.fetches() > 0);
        let is_answered = stream.try_read(&mut [0]).is_ok();
        if waits.get() || is_answered { Ok(()) } else { Err("neither".to_owned()) }
    })
    .await;
    if waits.get() { Ok(stream) } else { Err("nobody looks".to_owned()) }
}

/// A crowd at this address asks with tokens of a made-up key, and the issuer thinks until `enough` are answered, or have been looked for:
/// how often keys have been by then.
async fn crowd_asks(
    world: &World,
    issuer: &StandIn,
    from: Ipv4Addr,
    enough: impl Fn(usize, usize) -> bool,
) -> usize {
    let answered = Cell::new(0);
    let one = |_| async {
        let request = of_a_made_up_key(world, issuer);
        let answer = stage::answer_from(from, stage::port(world), &request).await.unwrap();
        answered.set(answered.get() + 1);
        answer.status
    };
    let fetched = async {
        eventually("enough are answered, or wait for keys", stage::DEADLINE, || async {
            let (answered, looks) = (answered.get(), issuer.fetches());
            if enough(answered, looks) { Ok(()) } else { Err(format!("{answered} answered, {looks} looks")) }
        })
        .await;
        let fetched = issuer.fetches();
        issuer.tell();
        fetched
    };
    let (statuses, fetched) = tokio::join!(all((0..FLOOD).map(one)), fetched);
    assert!(statuses.iter().all(|status| matches!(status, 401 | 503)), "{statuses:?}");
    fetched
}

/// All of them at once; what each gave.
async fn all(flood: impl Iterator<Item = impl Future<Output = u16>>) -> Vec<u16> {
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
        let kept = statuses(world, issuer, &kept).await;
        assert!(kept.iter().all(|status| *status == 200), "{kept:?}");
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
    let unknown = Signer::quick("unknown");
    issuer.plant(&unknown);
    issuer.feel(Mood::Ill);
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
    assert_eq!(ping(&known).await, 503, "what a key has proved counts no longer than the key");
    issuer.feel(Mood::Well);
    become_all(world, issuer, key, 200, &[503]).await;
    assert_eq!(ping(&known).await, 200);
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
        ("seldom", &seldom, ", timeout: 30s"),
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

/// Who waits for the keys of an issuer that hangs, and has none here, keeps nobody from looking for those of another.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_hangs_takes_no_looks_from_another() {
    let upstream = Recorder::echo().await;
    let old = Signer::quick("old");
    let keys = std::slice::from_ref(&old);
    let [well, hung] = [StandIn::start(keys).await, StandIn::start(keys).await];
    let issuers = [("well", &well, ""), ("hung", &hung, ", timeout: 30s")];
    let generous = "limits: {flood: {rate: 60000/m, burst: 10000}}";
    let servers = server("tested", "/mcp", &[generous], RULES);
    let mut world = stand_in::world("issuer-hangs", &upstream, &issuers, &servers, |plan| {
        plan.workers = Some(1);
    })
    .await;
    hung.feel(Mood::Thoughtful);
    world.restart_envoy().await.unwrap();
    become_all(&world, &well, &old, 200, &[503]).await;
    hung.take_fetches();
    let mut waiting = Vec::new();
    for _ in 0..=2 * AT_ONCE {
        waiting.push(made_up(&world, &hung).await);
    }
    eventually("all of them wait", stage::DEADLINE, || async {
        let looks = hung.fetches();
        if looks == waiting.len() { Ok(()) } else { Err(format!("{looks} looks")) }
    })
    .await;
    let new = Signer::quick("new");
    well.publish(&[old.clone(), new.clone()]);
    become_all(&world, &well, &new, 200, &[401]).await;
    world.discard().await;
}
