//! Does the gateway bear all of it at once, for as long as one likes? Good clients call and listen, others send what is mutated, tokens
//! end, and meanwhile the filter's policy and Envoy's routes change, a server is killed, and the authorization server is.
//!
//! Nothing that a good client meets is without an explanation, nothing goes past that may not, no VM fails, every request has
//! its decision record, and memory stays. `make soak` runs it for ten minutes (`SECONDS`, `SEED`); one round of each stands
//! among the other tests.
//!
//! | module | question |
//! |---|---|
//! | [`place`] | what is churned? |
//! | [`load`] | who asks meanwhile? |
//! | [`account`] | what has happened, and why? |

mod account;
mod load;
mod place;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use wicketgate_e2e::client::oauth;
use wicketgate_e2e::world::accounts;

use super::super::bypass::every_message;
use super::super::soak::{self, Passed, say};
use super::super::stage::{DEADLINE, eventually};
use account::{Account, Act};
use load::Load;
use place::{Known, Place};

const CALLERS: usize = 4;
const LISTENERS: usize = 4;
const MUTATORS: usize = 12;
/// How much more memory than when everything was warm is no leak yet: a quarter, and 64 MiB.
const SLACK_KIB: u64 = 64 << 10;

struct Churn {
    place: Place,
    load: Arc<Load>,
    passed: Passed,
    /// After each round, KiB.
    memory: Vec<[u64; 2]>,
}

// === impl Churn ===

impl Churn {
    async fn start(seed: u64, lifetime: Duration) -> Self {
        let (place, known) = Place::start(seed, lifetime).await;
        let passed = Passed::new(seed, place.edge.state.join("audit.jsonl"));
        let messages = messages(&known).await;
        let load = Load {
            known,
            account: Arc::new(Account::default()),
            over: AtomicBool::new(false),
            renew: AtomicBool::new(false),
            seed,
            messages: Mutex::new(Arc::new(messages)),
            sent: AtomicU64::new(0),
            answered: AtomicU64::new(0),
        };
        Self { place, load: Arc::new(load), passed, memory: Vec::new() }
    }

    /// Each act once, and a look at everything after each.
    async fn round(&mut self) {
        for act in Act::ALL {
            *self.load.messages.lock().unwrap() = Arc::new(messages(&self.load.known).await);
            self.load.account.begins(act);
            match act {
                Act::Filter => self.filter().await,
                Act::Routes => self.routes().await,
                Act::Server => self.server().await,
                Act::Authorization => self.authorization().await,
            }
            self.load.account.ends();
            self.some("call").await;
            self.passed.nothing_else(&self.place.recorder).await;
            self.place.edge.envoy.service.require_alive().unwrap();
            soak::no_vm_failed(self.place.edge.envoy.admin(), self.load.seed).await;
        }
        self.memory.push(self.place.memory());
    }

    async fn filter(&mut self) {
        let (before, refused) = self.place.edge.envoy.filter_updates().await.unwrap();
        self.place.another_policy();
        eventually("the policy is in force", DEADLINE, || async {
            let (accepted, _) = self.place.edge.envoy.filter_updates().await.unwrap();
            if accepted > before { Ok(()) } else { Err(accepted.to_string()) }
        })
        .await;
        assert_eq!(self.place.edge.envoy.filter_updates().await.unwrap().1, refused);
    }

    async fn routes(&mut self) {
        const UPDATES: [&str; 2] =
            ["http.public.rds.public.update_success", "cluster_manager.cds.update_success"];
        let before = [self.place.edge.stat(UPDATES[0]).await, self.place.edge.stat(UPDATES[1]).await];
        self.place.other_routes();
        for (name, before) in UPDATES.into_iter().zip(before) {
            self.place.edge.until(name, |count| count > before).await;
        }
    }

    async fn server(&mut self) {
        let refused = self.place.edge.stat("cluster.mcp_notes.upstream_cx_connect_fail").await;
        self.place.server.kill().await;
        self.place.edge.until("cluster.mcp_notes.upstream_cx_connect_fail", |count| count > refused).await;
        self.place.start_server().await;
        self.some("call").await;
    }

    /// Calls go on while it is away, as long as their tokens live: so one begins with a new one.
    async fn authorization(&mut self) {
        self.load.renew.store(true, Ordering::SeqCst);
        self.some("sign-in to call").await;
        self.place.authorization.kill().await;
        self.some("call").await;
        self.place.start_authorization().await;
    }

    /// Waits until this has gone well a few times more.
    async fn some(&self, what: &'static str) {
        let (account, enough) = (&self.load.account, if what == "call" { 5 } else { 1 });
        let before = account.count(what);
        let limit = DEADLINE + self.load.known.lifetime;
        eventually(what, limit, || async {
            let now = account.count(what);
            if now >= before + enough { Ok(()) } else { Err(format!("{now}; {}", account.told())) }
        })
        .await;
    }

    /// Envoy and the authorization server have no more memory at the end than when all was warm.
    fn memory_stays(&self) {
        if self.memory.len() < 6 {
            return;
        }
        let third = self.memory.len() / 3;
        for (at, what) in ["Envoy", "the authorization server"].into_iter().enumerate() {
            let most = |part: &[[u64; 2]]| part.iter().map(|sample| sample[at]).max().unwrap();
            let (warm, last) = (most(&self.memory[..third]), most(&self.memory[self.memory.len() - third..]));
            let samples: Vec<u64> = self.memory.iter().map(|sample| sample[at]).collect();
            assert!(last <= warm + warm / 4 + SLACK_KIB, "{what} grows, KiB after each round: {samples:?}");
        }
    }
}

/// What is mutated, with a token that is good for now.
async fn messages(known: &Known) -> [Vec<super::super::bypass::Message>; 2] {
    let session = oauth::log_in(&known.http, &known.tested, &known.login, Some("mcp:read")).await.unwrap();
    every_message(&session.tokens.access_token, &format!("127.0.0.1:{}", known.port))
}

async fn churn(time: Duration, lifetime: Duration) {
    let seed = soak::seed();
    let mut churn = Churn::start(seed, lifetime).await;
    say(&format!("soak: {time:?} at least, SEED={seed}"));
    let mut loads = JoinSet::new();
    for _ in 0..CALLERS {
        loads.spawn(Arc::clone(&churn.load).calls());
    }
    for _ in 0..LISTENERS {
        loads.spawn(Arc::clone(&churn.load).listens());
    }
    for _ in 0..MUTATORS {
        loads.spawn(Arc::clone(&churn.load).mutates());
    }
    let (began, account) = (Instant::now(), Arc::clone(&churn.load.account));
    let told = |churn: &Churn| {
        let sent = churn.load.sent.load(Ordering::SeqCst);
        let (passed, memory) = (churn.passed.count, churn.memory.last().copied().unwrap_or_default());
        say(&format!(
            "soak: {} s: {sent} mutated, {passed} of them got past; {}; Envoy {} KiB, authorization server {} KiB",
            began.elapsed().as_secs(),
            account.told(),
            memory[0],
            memory[1]
        ));
    };
    loop {
        churn.round().await;
        told(&churn);
        if began.elapsed() >= time && account.count("end of a token") > 0 {
            break;
        }
    }
    churn.load.over.store(true, Ordering::SeqCst);
    // What panicked there fails here.
    loads.join_all().await;
    churn.passed.nothing_else(&churn.place.recorder).await;
    told(&churn);
    say(&format!("soak: {:?}", churn.passed.decisions));

    let unexplained = account.unexplained();
    assert!(
        unexplained.is_empty(),
        "seed {seed}: {} of {}: {:#?}",
        unexplained.len(),
        account.told(),
        &unexplained[..unexplained.len().min(9)]
    );
    assert!(churn.passed.count > 0 && churn.load.answered.load(Ordering::SeqCst) > 0, "seed {seed}");
    churn.memory_stays();
    let state = churn.place.edge.state.clone();
    churn.place.edge.envoy.service.stop().await;
    let settled = accounts::settled(&state);
    assert!(settled.is_ok(), "requests and decisions of {} differ: {settled:?}", state.display());
    churn.place.authorization.stop().await;
    churn.place.server.stop().await;
    churn.place.edge.discard().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_changes_and_fails_meanwhile_is_borne() {
    churn(Duration::ZERO, Duration::from_secs(12)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes as long as one likes; `make soak` runs it"]
async fn the_gateway_bears_it_for_long() {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    churn(Duration::from_secs(seconds.unwrap_or(600)), Duration::from_secs(30)).await;
}
