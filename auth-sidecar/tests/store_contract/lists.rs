//! What can be found: the grants of a user or a client, and the clients.

use std::collections::BTreeSet;

use wicketgate_auth::clock::ManualClock;
use wicketgate_auth::oauth::client::Client;
use wicketgate_auth::secret::Digest;
use wicketgate_auth::store::grant::Grant;
use wicketgate_auth::store::{Holder, Store};

use super::{at, client, grant};

pub(super) async fn contract(store: &Store) {
    grants(store).await;
    clients(store).await;
}

/// The ids on a list, read in parts of two.
async fn grants_of(store: &Store, holder: Holder<'_>, now: u64) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let part = store.grants_of(holder, &after, 2, at(now)).await.unwrap();
        assert!(part.entries.len() <= 2);
        ids.extend(part.entries.into_iter().map(|grant| grant.id));
        match part.next {
            Some(next) => after = next,
            None => return ids,
        }
    }
}

async fn grants(store: &Store) {
    let (ann, bob, app) = (Holder::User("ann"), Holder::User("bob"), Holder::Client("app"));
    let given = |id: &str, subject: &str, client_id: &str| Grant {
        subject: subject.into(),
        client_id: client_id.into(),
        ..grant(id, 60)
    };
    for (id, subject, client_id) in
        [("l1", "ann", "app"), ("l2", "ann", "other"), ("l3", "bob", "app"), ("l4", "ann", "app")]
    {
        let given = given(id, subject, client_id);
        store.put_grant(given.clone()).await.unwrap();
        store.list_grant(&given, at(60), at(1)).await.unwrap();
    }
    // A client's own grant has no user.
    let own = Grant { redirect_uri: String::new(), ..given("l5", "app", "app") };
    store.put_grant(own.clone()).await.unwrap();
    store.list_grant(&own, at(60), at(1)).await.unwrap();
    assert_eq!(grants_of(store, ann, 2).await, ["l1", "l2", "l4"]);
    assert_eq!(grants_of(store, bob, 2).await, ["l3"]);
    assert_eq!(grants_of(store, app, 2).await, ["l1", "l3", "l4", "l5"]);
    assert_eq!(grants_of(store, Holder::User("app"), 2).await, Vec::<String>::new());
    store.revoke_grant("l1", at(3)).await.unwrap();
    assert_eq!(grants_of(store, ann, 3).await, ["l2", "l4"], "what is over is taken off");
    store.withdraw_client("other", &ManualClock::at(at(3))).await.unwrap();
    assert_eq!(grants_of(store, ann, 4).await, ["l4"]);
    assert_eq!(grants_of(store, app, 60).await, Vec::<String>::new(), "all have ended");
}

async fn clients(store: &Store) {
    for id in ["x1", "x2", "x3"] {
        store.put_client(client(id), at(10), at(1)).await.unwrap();
    }
    assert!(!store.put_new_client(&client("x1"), at(20), at(1)).await.unwrap(), "its id is taken");
    assert!(store.put_new_client(&client("x4"), at(10), at(1)).await.unwrap());
    store.extend_client("x2", at(20), at(2)).await.unwrap();
    let named = async |now: u64| {
        let part = store.clients("x", 1_000, at(now)).await.unwrap();
        let ids = part.entries.into_iter().map(|client| client.id).filter(|id| id.starts_with('x'));
        ids.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(named(9).await, ["x1", "x2", "x3", "x4"]);
    assert!(store.dismiss_client("x3", &ManualClock::at(at(3))).await.unwrap());
    assert!(!store.dismiss_client("x3", &ManualClock::at(at(3))).await.unwrap());
    assert_eq!(named(9).await, ["x1", "x2", "x4"]);
    assert_eq!(named(11).await, ["x2"], "a client that lives on stays on the list");

    let confidential = Client { secret: Some(Digest::of("old")), ..client("x5") };
    store.put_client(confidential, at(20), at(1)).await.unwrap();
    assert!(store.replace_client_secret("x5", Digest::of("new"), at(2)).await.unwrap());
    assert!(store.client("x5", at(2)).await.unwrap().unwrap().secret.unwrap().matches(&Digest::of("new")));
    for none in ["x1", "none"] {
        assert!(!store.replace_client_secret(none, Digest::of("new"), at(2)).await.unwrap(), "{none}");
    }
}
