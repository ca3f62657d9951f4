//! Redis stops, dies, is replaced, while clients refresh: they get their answer or a 503, and go on with what they have afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::{JoinHandle, block_in_place};

use crate::flow::outcome;
use crate::place::Place;
use crate::redis::{Redis, until};
use crate::served::Served;
use crate::world::client::{Client, Tokens};
use crate::world::{World, encode, form_headers, read};

const PATIENCE: Duration = Duration::from_secs(60);
/// A replica must have what is answered.
const CONFIRMED: &str = ", replicas: {acknowledge: 1, within_ms: 1000}";
/// Clients that refresh at the same time.
const CLIENTS: usize = 4;
/// Answers after which one goes on: more than one, for what was on its way when something happened.
const ENOUGH: usize = 5;

/// Clients that refresh until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    counts: Vec<Arc<AtomicUsize>>,
    refused: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Family>>,
    reader: JoinHandle<()>,
}

/// A client, its last tokens, and a refresh token that was used some time ago.
struct Family {
    client: Client,
    last: Tokens,
    used: String,
}

// === impl Load ===

impl Load {
    async fn start(world: &Arc<World>) -> Self {
        let (stop, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (mut counts, mut clients) = (Vec::new(), Vec::new());
        for _ in 0..CLIENTS {
            let client = Client::public(world).await;
            let tokens = client.tokens(world).await;
            let count = Arc::new(AtomicUsize::new(0));
            counts.push(Arc::clone(&count));
            let (world, stop, refused) = (Arc::clone(world), Arc::clone(&stop), Arc::clone(&refused));
            clients.push(tokio::spawn(refresh_on(world, client, tokens, stop, count, refused)));
        }
        let reader = tokio::spawn(read_on(Arc::clone(world), Arc::clone(&stop)));
        Self { stop, counts, refused, clients, reader }
    }

    /// Every client gets some answers more.
    async fn goes_on(&self) {
        let before: Vec<_> = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        eventually("every client goes on", async || {
            let now = self.counts.iter().zip(&before);
            now.into_iter().all(|(count, before)| count.load(Ordering::Relaxed) >= before + ENOUGH)
                || self.clients.iter().any(JoinHandle::is_finished)
        })
        .await;
    }

    /// All of them stop, and nothing that was answered is lost.
    async fn ends(self, world: &World) {
        self.stop.store(true, Ordering::Relaxed);
        self.reader.await.unwrap();
        for client in self.clients {
            let Family { client, last, used } = client.await.unwrap();
            let form = [("token", last.access.as_str())];
            let (_, answer) =
                Client::configured("resource-server").post(world, "/introspect", &form, &[]).await;
            assert_eq!(answer["active"], json!(true), "{answer}");
            let (status, body) = client.refresh(world, &last.refresh, &[]).await;
            assert_eq!(status, 200, "{body}");
            // One family: a used one ends it.
            for token in [used, Tokens::of(body).refresh] {
                assert_eq!(outcome(&client.refresh(world, &token, &[]).await), (400, "invalid_grant"));
            }
        }
    }
}

/// One client, which asks again with the same token until it gets an answer.
async fn refresh_on(
    world: Arc<World>,
    client: Client,
    first: Tokens,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
) -> Family {
    let mut last = first.clone();
    let mut used = vec![first.refresh];
    while !stop.load(Ordering::Relaxed) {
        let form =
            [("grant_type", "refresh_token"), ("client_id", &client.id), ("refresh_token", &last.refresh)];
        let request = world.http.post(world.url("/token")).headers(form_headers()).body(encode(&form));
        let response = request.send().await.unwrap();
        let may_retry = response.headers().contains_key("retry-after");
        let (status, body) = read(response).await;
        if status == 200 {
            last = Tokens::of(body);
            used.push(last.refresh.clone());
            used.drain(..used.len().saturating_sub(ENOUGH));
            count.fetch_add(1, Ordering::Relaxed);
        } else {
            assert_eq!((status, may_retry, &body["error"]), (503, true, &json!("temporarily_unavailable")));
            refused.fetch_add(1, Ordering::Relaxed);
        }
        pause().await;
    }
    Family { client, last, used: used.swap_remove(0) }
}

/// What needs no store is there all the time.
async fn read_on(world: Arc<World>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/jwks"]
        {
            let document: Value = world.get(path).await.error_for_status().unwrap().json().await.unwrap();
            assert!(document.is_object());
        }
        assert_eq!(world.http.get(format!("{}/livez", world.admin)).send().await.unwrap().status(), 200);
        pause().await;
    }
}

/// Between two requests of one client: the load is light.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        pause().await;
    }
}

async fn readiness(world: &World, wanted: u16) {
    eventually(&format!("/readyz says {wanted}"), async || {
        world.http.get(format!("{}/readyz", world.admin)).send().await.unwrap().status() == wanted
    })
    .await;
}

/// Something happens to Redis under load, and is over.
async fn outage(topology: &str, more: &str, happens: impl FnOnce(&mut Redis), ends: impl FnOnce(&mut Redis)) {
    let Some(place) = Place::of(topology) else { return };
    let mut place = place.with(&format!(", timeout_ms: 1000{more}"));
    let mut world = place.world();
    world.restart().await;
    let world = Arc::new(world);
    let load = Load::start(&world).await;
    load.goes_on().await;
    block_in_place(|| happens(place.servers()));
    readiness(&world, 503).await;
    eventually("somebody is refused", async || load.refused.load(Ordering::Relaxed) > 0).await;
    block_in_place(|| ends(place.servers()));
    readiness(&world, 200).await;
    load.goes_on().await;
    load.ends(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_and_goes_on() {
    let signal = |signal| move |redis: &mut Redis| redis.servers[0].signal(signal);
    outage("single", "", signal("-STOP"), signal("-CONT")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_dies_and_comes_back_with_its_log() {
    outage("single", "", |redis| redis.servers[0].kill(), |redis| redis.servers[0].start_again()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_a_cluster_that_dies_and_comes_back() {
    outage("cluster", "", |redis| redis.servers[1].kill(), |redis| redis.servers[1].start_again()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_dies_loses_nothing_that_a_replica_confirmed() {
    a_master_dies("sentinel").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_one_that_speaks_tls() {
    a_master_dies("sentinel over TLS").await;
}

async fn a_master_dies(topology: &str) {
    // Alone the new one confirms nothing: the old one comes back as its replica.
    let fails_over = |redis: &mut Redis| {
        is_replaced(redis);
        redis.servers[0].start_again();
    };
    outage(topology, CONFIRMED, |redis| redis.servers[0].kill(), fails_over).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_wakes_up_after_it_was_replaced_changes_nothing() {
    let wakes_up = |redis: &mut Redis| {
        is_replaced(redis);
        redis.servers[0].signal("-CONT");
    };
    outage("sentinel", CONFIRMED, |redis| redis.servers[0].signal("-STOP"), wakes_up).await;
}

fn is_replaced(redis: &Redis) {
    let promoted = redis.servers[1].port;
    until("the replica is the master", || redis.master_port() == Some(promoted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_a_cluster_that_dies_loses_nothing_that_its_replica_confirmed() {
    a_node_dies("cluster with replicas").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_a_node_that_speaks_tls() {
    a_node_dies("cluster with replicas over TLS").await;
}

async fn a_node_dies(topology: &str) {
    let fails_over = |redis: &mut Redis| {
        let dead = redis.servers[0].port;
        until("a replica has taken over", || redis.servers[1].goes_on_without(dead));
        redis.servers[0].start_again();
    };
    outage(topology, CONFIRMED, |redis| redis.servers[0].kill(), fails_over).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_over_by_itself() {
    let Some(place) = Place::of("sentinel") else { return };
    let mut place = place.with(", timeout_ms: 1000");
    let mut world = place.world();
    world.restart().await;
    let client = Client::public(&world).await;
    let tokens = client.tokens(&world).await;
    let mut master = place.servers().servers[0].connection();
    redis::cmd("SET").arg("last").arg(1).exec(&mut master).unwrap();
    assert_eq!(redis::cmd("WAIT").arg(1).arg(5000).query::<u8>(&mut master).unwrap(), 1);
    place.servers().servers[0].kill();
    readiness(&world, 503).await;
    assert_eq!(outcome(&client.refresh(&world, &tokens.refresh, &[]).await).0, 503);
    readiness(&world, 200).await;
    assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_replica_nothing_is_begun_that_must_be_confirmed() {
    let Some(mut place) = Place::of("sentinel") else { return };
    let mut world = place.world();
    world.restart().await;
    let client = Client::public(&world).await;
    let code = client.code(&world).await;
    let tokens = client.tokens(&world).await;
    block_in_place(|| {
        let redis = place.servers();
        redis.servers[1].kill();
        let master = &redis.servers[0];
        until("the master is alone", || {
            let info = redis::cmd("INFO").arg("replication").query::<String>(&mut master.connection());
            info.unwrap().contains("connected_slaves:0")
        });
    });
    readiness(&world, 503).await;
    assert_eq!(outcome(&client.redeem(&world, &code, &[]).await), (503, "temporarily_unavailable"));
    assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.0, 503);
    block_in_place(|| place.servers().servers[1].start_again());
    readiness(&world, 200).await;
    assert_eq!(client.redeem(&world, &code, &[]).await.0, 200, "the code was not used up");
    assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sentinel_that_hangs_does_not_matter() {
    let Some(place) = Place::of("sentinel") else { return };
    let mut place = place.with(", timeout_ms: 1000");
    place.servers().sentinels[0].signal("-STOP");
    let mut world = place.world();
    world.restart().await;
    readiness(&world, 200).await;
    let client = Client::public(&world).await;
    client.tokens(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_there_before_redis_becomes_ready() {
    let Some(mut place) = Place::of("single") else { return };
    place.servers().servers[0].kill();
    let served = Served::of(place.world());
    readiness(&served.world, 503).await;
    assert_eq!(served.world.get("/jwks").await.status(), 503, "there are no keys yet");
    block_in_place(|| place.servers().servers[0].start_again());
    readiness(&served.world, 200).await;
    let client = Client::public(&served.world).await;
    client.tokens(&served.world).await;
}
