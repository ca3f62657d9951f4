//! What every store must do, asked of each adapter there is. One function holds the contract; an adapter adds one test.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken contract fails by panicking")]

#[path = "store_contract/devices.rs"]
mod devices;
#[path = "store_contract/keys.rs"]
mod keys;
#[path = "store_contract/kill_switches.rs"]
mod kill_switches;
#[path = "store_contract/lending.rs"]
mod lending;
#[path = "store_contract/lists.rs"]
mod lists;
#[path = "store_contract/news.rs"]
mod news;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wicketgate_auth::clock::UnixTime;
use wicketgate_auth::oauth::authorization_request::{AuthorizationRequest, Prompt};
use wicketgate_auth::oauth::client::{AuthMethod, Client, GrantType};
use wicketgate_auth::oauth::openid::{OpenIdRequest, Preferences};
use wicketgate_auth::oauth::scope::ScopeSet;
use wicketgate_auth::secret::Digest;
use wicketgate_auth::store::embedded::EmbeddedStore;
use wicketgate_auth::store::grant::{Binding, Code, Grant, Redeemed, Redemption, Rotated, Rotation};
use wicketgate_auth::store::records::PendingAuthorization;
use wicketgate_auth::store::used_tokens::MOST_USED;
use wicketgate_auth::store::{Store, StoreError};

#[path = "store_contract/managed_clients.rs"]
mod managed_clients;
#[path = "store_contract/people.rs"]
mod people;
#[path = "redis/mod.rs"]
mod redis;
#[path = "store_contract/servers.rs"]
mod servers;
#[path = "store_contract/transfer.rs"]
mod transfer;
#[path = "store_contract/upstream.rs"]
mod upstream;

const T0: UnixTime = UnixTime(1_000_000);

fn at(seconds: u64) -> UnixTime {
    T0.plus(Duration::from_secs(seconds))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_store_fulfils_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&folder.path().join("store.redb")));
    contract(&store).await;
    sweeping(&store).await;
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = open(&path);
    store.put_grant(grant("g", 60)).await.unwrap();
    assert_eq!(store.redeem("g", redemption("code-g", "r0"), at(1)).await.unwrap(), Redeemed::First);
    drop(store);
    let store = open(&path);
    assert_eq!(store.redeem("g", redemption("code-g", "r0"), at(2)).await.unwrap(), Redeemed::Reused);
    drop(store);
    let store = open(&path);
    assert!(!store.grant("g", at(3)).await.unwrap().unwrap().is_live(), "a revocation is never lost");
}

#[tokio::test]
async fn a_second_opener_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let _first = EmbeddedStore::open(&path).unwrap();
    let Err(error) = EmbeddedStore::open(&path) else { unreachable!("two have the file") };
    assert!(matches!(error, StoreError::InUse(_)) && error.to_string().contains("in use by another process"));
}

/// What lies in this file.
fn open(path: &Path) -> Store {
    Store::new(EmbeddedStore::open(path).unwrap())
}

async fn contract(store: &Arc<Store>) {
    store.ping().await.unwrap();
    clients(store).await;
    managed_clients::contract(store).await;
    upstream::contract(store).await;
    pending_requests(store).await;
    people::contract(store).await;
    codes(store).await;
    code_races(store).await;
    rotation(store).await;
    rotation_races(store).await;
    used_digests_are_bounded(store).await;
    keys::contract(store).await;
    counters(store).await;
    lending::contract(store).await;
    devices::contract(store).await;
    news::contract(store).await;
    transfer::contract(store).await;
    kill_switches::contract(store).await;
    lists::contract(store).await;
}

async fn clients(store: &Store) {
    assert!(store.client("c", T0).await.unwrap().is_none());
    store.put_client(client("c"), at(10), T0).await.unwrap();
    assert_eq!(store.client("c", at(9)).await.unwrap().unwrap().redirect_uris, ["https://a.example/cb"]);
    assert!(store.client("c", at(10)).await.unwrap().is_none(), "gone from the moment it ends");
    store.extend_client("c", at(5), at(1)).await.unwrap();
    assert!(store.client("c", at(9)).await.unwrap().is_some(), "never shortened");
    store.extend_client("c", at(20), at(1)).await.unwrap();
    assert!(store.client("c", at(19)).await.unwrap().is_some());
    store.extend_client("c", at(90), at(20)).await.unwrap();
    assert!(store.client("c", at(21)).await.unwrap().is_none(), "what has ended is not revived");
}

async fn pending_requests(store: &Store) {
    let id = Digest::of("pending");
    store.put_pending(id, pending(), at(10)).await.unwrap();
    assert_eq!(store.pending(id, at(9)).await.unwrap().unwrap().request.client_id, "c");
    assert!(store.take_pending(id, at(10)).await.unwrap().is_none());
    store.put_pending(id, pending(), at(10)).await.unwrap();
    assert!(store.take_pending(id, at(9)).await.unwrap().is_some());
    assert!(store.take_pending(id, at(9)).await.unwrap().is_none(), "taken once");
    assert!(store.pending(id, at(9)).await.unwrap().is_none());
}

async fn codes(store: &Store) {
    store.put_grant(grant("g1", 60)).await.unwrap();
    assert_eq!(store.redeem("none", redemption("code-g1", "r"), at(1)).await.unwrap(), Redeemed::Refused);
    assert_eq!(store.redeem("g1", redemption("guess", "r"), at(1)).await.unwrap(), Redeemed::Refused);
    assert_eq!(
        store.redeem("g1", redemption("code-g1", "r"), at(60)).await.unwrap(),
        Redeemed::Refused,
        "expired"
    );
    assert_eq!(store.redeem("g1", redemption("code-g1", "r"), at(59)).await.unwrap(), Redeemed::First);
    let kept = store.grant("g1", at(60)).await.unwrap().unwrap();
    assert!(kept.is_live() && kept.is_current_refresh(&Digest::of("r"), at(60)), "outlives its code");
    assert_eq!(store.redeem("g1", redemption("guess", "x"), at(61)).await.unwrap(), Redeemed::Refused);
    assert!(store.grant("g1", at(61)).await.unwrap().unwrap().is_live(), "a guess changes nothing");
    assert_eq!(store.redeem("g1", redemption("code-g1", "x"), at(61)).await.unwrap(), Redeemed::Reused);
    assert!(!store.grant("g1", at(61)).await.unwrap().unwrap().is_live());
    assert_eq!(store.rotate("g1", rotated("r", "r2"), at(62)).await.unwrap(), Rotated::Refused, "revoked");

    store.put_grant(grant("g2", 60)).await.unwrap();
    assert!(store.revoke_grant("g2", at(1)).await.unwrap());
    assert!(!store.revoke_grant("g2", at(2)).await.unwrap(), "it had ended");
    assert!(!store.revoke_grant("none", at(1)).await.unwrap());
    assert_eq!(
        store.redeem("g2", redemption("code-g2", "r"), at(2)).await.unwrap(),
        Redeemed::Refused,
        "revoked"
    );
}

async fn code_races(store: &Arc<Store>) {
    store.put_grant(grant("race", 60)).await.unwrap();
    let tasks: Vec<_> = (0..50)
        .map(|index| {
            let store = Arc::clone(store);
            let redemption = redemption("code-race", &format!("r{index}"));
            tokio::spawn(async move { store.redeem("race", redemption, at(1)).await.unwrap() })
        })
        .collect();
    let mut first = 0;
    for task in tasks {
        first += usize::from(task.await.unwrap() == Redeemed::First);
    }
    assert_eq!(first, 1);
    assert!(!store.grant("race", at(1)).await.unwrap().unwrap().is_live());
}

async fn rotation(store: &Store) {
    store.put_grant(grant("f", 60)).await.unwrap();
    assert_eq!(
        store.rotate("f", rotated("r0", "r1"), at(0)).await.unwrap(),
        Rotated::Refused,
        "no family yet"
    );
    store.redeem("f", redemption("code-f", "r0"), at(0)).await.unwrap();
    assert_eq!(store.rotate("f", rotated("guess", "x"), at(1)).await.unwrap(), Rotated::Refused);
    assert_eq!(store.rotate("f", rotated("r0", "r1"), at(1)).await.unwrap(), Rotated::Fresh);
    let again = store.rotate("f", rotated("r0", "other"), at(10)).await.unwrap();
    assert_eq!(again, Rotated::Again("sealed r1".into()), "the same successor, not the one proposed now");
    assert_eq!(store.rotate("f", rotated("r1", "r2"), at(10)).await.unwrap(), Rotated::Fresh);
    assert!(store.grant("f", at(10)).await.unwrap().unwrap().is_live());
    assert_eq!(
        store.rotate("f", rotated("r0", "x"), at(10)).await.unwrap(),
        Rotated::Reused,
        "older than the latest"
    );
    assert_eq!(
        store.rotate("f", rotated("r2", "r3"), at(10)).await.unwrap(),
        Rotated::Refused,
        "the family is dead"
    );

    store.put_grant(grant("late", 60)).await.unwrap();
    store.redeem("late", redemption("code-late", "l0"), at(0)).await.unwrap();
    store.rotate("late", rotated("l0", "l1"), at(0)).await.unwrap();
    assert_eq!(
        store.rotate("late", rotated("l0", "x"), at(10)).await.unwrap(),
        Rotated::Reused,
        "grace is over"
    );

    store.put_grant(grant("idle", 60)).await.unwrap();
    store.redeem("idle", redemption("code-idle", "i0"), at(0)).await.unwrap();
    assert_eq!(store.rotate("idle", rotated("i0", "i1"), at(1_000)).await.unwrap(), Rotated::Refused, "idle");
    let mut now = 0;
    for step in 0..4 {
        now += 900;
        let (this, next) = (format!("i{step}"), format!("i{}", step + 1));
        let wanted = if now < 3_000 { Rotated::Fresh } else { Rotated::Refused };
        assert_eq!(
            store.rotate("idle", rotated(&this, &next), at(now)).await.unwrap(),
            wanted,
            "{now}: absolute end"
        );
    }
}

async fn rotation_races(store: &Arc<Store>) {
    store.put_grant(grant("fork", 60)).await.unwrap();
    store.redeem("fork", redemption("code-fork", "r0"), at(0)).await.unwrap();
    let tasks: Vec<_> = (0..50)
        .map(|index| {
            let store = Arc::clone(store);
            let rotation = rotated("r0", &format!("s{index}"));
            tokio::spawn(async move { store.rotate("fork", rotation, at(1)).await.unwrap() })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|answer| **answer == Rotated::Fresh).count(), 1);
    answers.retain(|answer| *answer != Rotated::Fresh);
    answers.dedup();
    assert!(
        answers.len() == 1 && matches!(answers[0], Rotated::Again(_)),
        "all others got one successor: {answers:?}"
    );
}

async fn used_digests_are_bounded(store: &Store) {
    store.put_grant(grant("long", 60)).await.unwrap();
    store.redeem("long", redemption("code-long", "0"), at(0)).await.unwrap();
    for step in 0..MOST_USED + 2 {
        let rotation = rotated(&step.to_string(), &(step + 1).to_string());
        assert_eq!(store.rotate("long", rotation, at(1)).await.unwrap(), Rotated::Fresh);
    }
    let kept = store.grant("long", at(1)).await.unwrap().unwrap().refresh.unwrap();
    assert_eq!(kept.used.len(), MOST_USED);
    assert_eq!(store.rotate("long", rotated("0", "x"), at(1)).await.unwrap(), Rotated::Refused, "forgotten");
    assert_eq!(store.rotate("long", rotated("2", "x"), at(1)).await.unwrap(), Rotated::Reused, "remembered");
}

async fn counters(store: &Store) {
    assert_eq!(store.count("k", at(10), at(0)).await.unwrap(), 1);
    assert_eq!(store.count("k", at(15), at(5)).await.unwrap(), 2);
    assert_eq!(store.count("other", at(10), at(0)).await.unwrap(), 1);
    store.uncount("k", at(6)).await.unwrap();
    assert_eq!(store.count("k", at(16), at(7)).await.unwrap(), 2, "one was taken back");
    for (key, time) in [("other", at(1)), ("other", at(1)), ("none", at(1)), ("k", at(10))] {
        store.uncount(key, time).await.unwrap();
    }
    assert_eq!(store.count("other", at(10), at(1)).await.unwrap(), 1, "never below nothing");
    assert_eq!(store.count("k", at(20), at(10)).await.unwrap(), 1, "the window is that of the first use");
    store.reset_count("k").await.unwrap();
    assert_eq!(store.count("k", at(20), at(11)).await.unwrap(), 1);
}

async fn sweeping(store: &Store) {
    let end = UnixTime(u64::MAX - 1);
    while store.sweep(end).await.unwrap() > 0 {}
    assert_eq!(store.signing_keys().await.unwrap().len(), 1, "keys do not expire");
    for (index, until) in [10, 20, 30].into_iter().enumerate() {
        store.put_client(client(&format!("s{index}")), at(until), T0).await.unwrap();
    }
    store.extend_client("s0", at(40), at(0)).await.unwrap();
    assert_eq!(store.sweep(at(19)).await.unwrap(), 0, "an extended record is swept at its new end");
    // Each goes with its place on the list of clients.
    assert_eq!(store.sweep(at(20)).await.unwrap(), 2);
    assert_eq!(store.sweep(at(40)).await.unwrap(), 4);
    assert_eq!(store.sweep(end).await.unwrap(), 0);
}

fn client(id: &str) -> Client {
    Client {
        id: id.into(),
        name: None,
        auth_method: AuthMethod::None,
        secret: None,
        keys: None,
        assertion_algorithm: None,
        redirect_uris: vec!["https://a.example/cb".into()],
        grant_types: vec![GrantType::AuthorizationCode],
        default_scope: None,
        scope_ceiling: None,
        post_logout_redirect_uris: vec![],
        introspects: vec![],
        preferences: Preferences::default(),
        document: None,
        dynamic: None,
    }
}

fn pending() -> PendingAuthorization {
    let request = AuthorizationRequest {
        client_id: "c".into(),
        redirect_uri: "https://a.example/cb".into(),
        state: None,
        scope: ScopeSet::default(),
        resources: vec![],
        challenge: Digest::of("v"),
        prompt: Prompt::default(),
        max_age: None,
        document: None,
        openid: OpenIdRequest::default(),
        is_assured: false,
        dpop_jkt: None,
    };
    PendingAuthorization {
        request,
        browser: Digest::of("b"),
        created_at: T0,
        signed_in_for_it: false,
        device: None,
        for_account: false,
    }
}

/// A grant whose code is `code-<id>` and lives for `code_life` seconds.
fn grant(id: &str, code_life: u64) -> Grant {
    Grant {
        id: id.into(),
        client_id: "c".into(),
        subject: "alice".into(),
        auth_time: T0,
        scope: ScopeSet::default(),
        resources: vec![],
        redirect_uri: "https://a.example/cb".into(),
        challenge: Digest::of("v"),
        document: None,
        code: Code {
            digest: Digest::of(&format!("code-{id}")),
            expires_at: at(code_life),
            used: false,
            used_at: None,
        },
        refresh: None,
        binding: Binding::default(),
        opaque_tokens: vec![],
        created_at: T0,
        expires_at: at(code_life),
        revoked_at: None,
    }
}

fn redemption(code: &str, refresh: &str) -> Redemption {
    Redemption {
        code: Digest::of(code),
        refresh: Some(Digest::of(refresh)),
        refresh_idle: Duration::from_secs(1_000),
        refresh_absolute: Duration::from_secs(3_000),
        refresh_jkt: None,
        grace: Duration::ZERO,
        access_token: Duration::from_secs(600),
    }
}

fn rotated(presented: &str, successor: &str) -> Rotation {
    Rotation {
        presented: Digest::of(presented),
        successor: Digest::of(successor),
        sealed_successor: format!("sealed {successor}"),
        refresh_idle: Duration::from_secs(1_000),
        grace: Duration::from_secs(10),
        refresh_jkt: None,
        access_token: Duration::from_secs(600),
    }
}
