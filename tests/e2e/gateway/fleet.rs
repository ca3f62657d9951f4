//! Does a limit hold across two Envoys that share an authorization server, or each have one of its replicas, and what holds when that
//! is away?

use serde_json::json;
use tokio::task::JoinSet;
use wicketgate_e2e::envoy::Change;
use wicketgate_e2e::files;
use wicketgate_e2e::world::{Plan, World};

use self::replica::Redis;
use super::recorder::Recorder;
use super::scene::{RULES, call};
use super::stage::{self, Raw, eventually, request};
use super::stand_in::{self, Signer, StandIn, cluster_at, server};

mod replica;

const BURST: usize = 40;
/// An eighth of it: what each Envoy may have leased and not spent.
const SHARE: usize = BURST / 8;
const AFTERWARDS: usize = 3;

struct Fleet {
    first: World,
    second: World,
    issuer: StandIn,
    key: Signer,
}

// === impl Fleet ===

impl Fleet {
    /// The first has the authorization server and refuses without it; the second goes on by itself.
    async fn start() -> Self {
        let key = Signer::quick("k");
        let (upstream, issuer) = (Recorder::echo().await, StandIn::start(std::slice::from_ref(&key)).await);
        let first = world("fleet-first", &upstream, &issuer, "auth_internal", "refuse", |plan| {
            plan.with_sidecar = true;
        })
        .await;
        let port = first.sidecar.listeners.internal.port();
        let second = world("fleet-second", &upstream, &issuer, "theirs", "local", |plan| {
            plan.envoy_changes.push(beside_ours("theirs", port));
        })
        .await;
        Self { first, second, issuer, key }
    }

    /// Each has a replica of it, and these share a Redis; both refuse without theirs.
    async fn start_with(redis: &Redis) -> Self {
        let key = Signer::quick("k");
        let (upstream, issuer) = (Recorder::echo().await, StandIn::start(std::slice::from_ref(&key)).await);
        let replica = |plan: &mut Plan| {
            plan.with_sidecar = true;
            plan.auth_config = Some(redis.replica(plan));
        };
        let first = world("fleet-redis-1", &upstream, &issuer, "auth_internal", "refuse", replica).await;
        let second = world("fleet-redis-2", &upstream, &issuer, "auth_internal", "refuse", replica).await;
        Self { first, second, issuer, key }
    }

    /// That no more than the burst was admitted, hardly less, and what the filter says of it.
    async fn holds(&self) {
        let [first, second] = self.calls("/mcp", BURST).await;
        let by = [count(&first, 200), count(&second, 200)];
        let admitted = by[0] + by[1];
        assert!(admitted <= BURST, "{by:?} of {BURST}");
        assert!(admitted >= BURST - 2 * SHARE, "{by:?} of {BURST}: no more is lost than may be leased ahead");
        assert!(by.iter().all(|one| *one > 0), "both had of it: {by:?}");
        for answer in first.iter().chain(&second).filter(|answer| answer.status != 200) {
            assert_eq!(answer.status, 429, "{answer:?}");
            let after: u64 = answer.field("retry-after").unwrap().parse().unwrap();
            assert!((80_000..=86_401).contains(&after), "one token a day, but Retry-After is {after}");
        }
        for world in [&self.first, &self.second] {
            let stat = |name: &str| format!("wasmcustom.wicketgate.{name}");
            let leased = world.envoy.stat(&stat("leased_tokens_total")).await.unwrap();
            assert!(leased.is_some_and(|leased| leased > 0), "{leased:?}");
            assert_eq!(world.envoy.stat(&stat("lease_failures_total")).await.unwrap(), Some(0));
        }
    }

    /// Calls at once of one principal through both, as many through each; the answers of each.
    async fn calls(&self, path: &str, each: usize) -> [Vec<Raw>; 2] {
        let urls = [&self.first, &self.second].map(|world| format!("{}{path}", world.origin));
        let token = self.key.token(&self.issuer.url, &urls);
        let [first, second] = [&self.first, &self.second].map(|world| all(world, path, &token, each));
        let (first, second) = tokio::join!(first, second);
        [first, second]
    }
}

async fn all(world: &World, path: &str, token: &str, calls: usize) -> Vec<Raw> {
    let bytes = request(world, &format!("POST {path}"), Some(token), &[], call("get_note").as_bytes());
    let port = stage::port(world);
    let mut answers = Vec::new();
    // Some at a time, so that what one batch of tokens was asked for is spent before the last call has come.
    for first in (0..calls).step_by(8) {
        let mut under_way = JoinSet::new();
        for _ in first..calls.min(first + 8) {
            let bytes = bytes.clone();
            under_way.spawn(async move { stage::answer_of(port, &bytes).await.unwrap() });
        }
        answers.extend(under_way.join_all().await);
    }
    answers
}

async fn world(
    name: &str,
    upstream: &Recorder,
    issuer: &StandIn,
    cluster: &str,
    when_away: &str,
    change: impl FnOnce(&mut Plan),
) -> World {
    let limit = |burst| format!("limits: {{server: {{rate: 1/d, burst: {burst}, across: fleet}}}}");
    let servers = server("shared", "/mcp", &[&limit(BURST)], RULES)
        + &server("later", "/mcp/later", &[&limit(AFTERWARDS)], RULES);
    let leases = format!(
        "leases: {{cluster: {cluster}, path: /v1/leases, timeout: 5s, when_away: {when_away}}}\nissuers:\n"
    );
    stand_in::world(name, upstream, &[("issuer", issuer, "")], &servers, |plan| {
        let policy = files::read(&plan.policy).unwrap();
        plan.set_policy(&policy.replacen("issuers:\n", &leases, 1)).unwrap();
        change(plan);
    })
    .await
}

fn beside_ours(name: &str, port: u16) -> Change {
    let anchor = "    - name: mcp_upstream\n";
    (anchor.to_owned(), cluster_at(name, port) + anchor)
}

fn count(answers: &[Raw], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_across_envoys_and_never_goes_without() {
    let mut fleet = Fleet::start().await;
    fleet.holds().await;

    fleet.first.kill_sidecar().await;
    let [first, second] = fleet.calls("/mcp/later", 8).await;
    assert_eq!(count(&first, 503), 8, "{first:?}");
    assert_eq!((count(&second, 200), count(&second, 429)), (AFTERWARDS, 8 - AFTERWARDS), "{second:?}");
    let record = stage::records(&fleet.first, first[0].field("x-request-id").unwrap()).await;
    assert_eq!(
        (&record[0]["reason"], &record[0]["detail"]),
        (&json!("unavailable"), &json!("a lease of a rate limit"))
    );

    fleet.first.start_sidecar().await.unwrap();
    let whole = &fleet;
    eventually("leases are had again", stage::DEADLINE, || async {
        let [first, _] = whole.calls("/mcp/later", 1).await;
        if count(&first, 200) > 0 { Ok(()) } else { Err(format!("{first:?}")) }
    })
    .await;
    fleet.first.discard().await;
    fleet.second.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_across_replicas_of_the_authorization_server_on_one_redis() {
    let redis = match Redis::start().await {
        Ok(redis) => redis,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    let fleet = Fleet::start_with(&redis).await;
    fleet.holds().await;

    // Without Redis a replica can lend nothing, and what needs a lease is refused.
    let port = redis.stop().await;
    let [first, second] = fleet.calls("/mcp/later", 4).await;
    assert_eq!((count(&first, 503), count(&second, 503)), (4, 4), "{first:?} {second:?}");
    let redis = Redis::start_at(port).await.unwrap();
    let whole = &fleet;
    eventually("leases are had again", stage::DEADLINE, || async {
        let [first, second] = whole.calls("/mcp/later", 1).await;
        if count(&first, 200) + count(&second, 200) > 0 {
            Ok(())
        } else {
            Err(format!("{first:?} {second:?}"))
        }
    })
    .await;
    fleet.first.discard().await;
    fleet.second.discard().await;
    redis.stop().await;
}
