//! What was revoked: the log of it.

use wicketgate_auth::clock::ManualClock;
use wicketgate_auth::oauth::client::{Client, DynamicRegistration};
use wicketgate_auth::secret::Digest;
use wicketgate_auth::store::Store;
use wicketgate_auth::store::feed::{Kind, Place};

use super::{T0, at, client, grant, redemption, rotated};

/// Kind and name of what came after a place.
async fn after(store: &Store, place: Option<&Place>, now: u64) -> (u64, Vec<(Kind, String)>, Place) {
    let news = store.news(place.cloned(), at(now)).await.unwrap();
    (news.since, news.revocations.into_iter().map(|one| (one.kind, one.name)).collect(), news.place)
}

pub(super) async fn contract(store: &Store) {
    let (_, _, begin) = after(store, None, 0).await;
    for id in ["n1", "n2", "n3"] {
        store.put_grant(grant(id, 60)).await.unwrap();
        store.redeem(id, redemption(&format!("code-{id}"), "r0"), at(1)).await.unwrap();
    }
    assert_eq!(
        after(store, Some(&begin), 1).await,
        (begin.seq, vec![], begin.clone()),
        "nothing was revoked"
    );
    // Each way in which a grant ends, once; what is done to one that has ended is no news.
    for _ in 0..2 {
        store.revoke_grant("n1", at(2)).await.unwrap();
        store.redeem("n2", redemption("code-n2", "r1"), at(2)).await.unwrap();
    }
    store.rotate("n3", rotated("r0", "r1"), at(2)).await.unwrap();
    store.rotate("n3", rotated("r1", "r2"), at(2)).await.unwrap();
    store.rotate("n3", rotated("r0", "r3"), at(2)).await.unwrap();
    store.revoke_grant("none", at(2)).await.unwrap();
    let grants =
        |names: &[&str]| names.iter().map(|name| (Kind::Grant, (*name).to_owned())).collect::<Vec<_>>();
    let (since, news, here) = after(store, Some(&begin), 3).await;
    assert_eq!((since, news), (begin.seq, grants(&["n1", "n2", "n3"])));
    assert_eq!(here.epoch, begin.epoch);
    assert_eq!(after(store, Some(&here), 3).await, (here.seq, vec![], here.clone()));
    // A place of another store, or ahead of this one, is none: all is told.
    let foreign = Place { epoch: "other".into(), ..here.clone() };
    let ahead = Place { seq: here.seq + 1, ..here.clone() };
    for place in [None, Some(&foreign), Some(&ahead)] {
        let (since, news, _) = after(store, place, 3).await;
        assert!(since == 0 && news.ends_with(&grants(&["n1", "n2", "n3"])), "{place:?}: {news:?}");
    }
    clients_that_are_gone(store, &here).await;
    each_thing_once(store).await;
    let (_, news, _) = after(store, Some(&begin), 3600 + 70).await;
    assert_eq!(news, vec![], "what no token can mean any more");
}

async fn clients_that_are_gone(store: &Store, here: &Place) {
    let token = Digest::of("token");
    let dynamic = DynamicRegistration {
        issued_at: T0,
        metadata: serde_json::Map::new(),
        registration_token: Some(token),
    };
    store.put_client(Client { dynamic: Some(dynamic), ..client("leaves") }, at(10), T0).await.unwrap();
    assert!(store.remove_client("leaves", token, &ManualClock::at(at(4))).await.unwrap());
    let news = store.news(Some(here.clone()), at(4)).await.unwrap();
    let [gone] = news.revocations.as_slice() else { unreachable!("{news:?}") };
    assert_eq!((gone.kind, gone.name.as_str(), gone.before), (Kind::Client, "leaves", Some(at(5))));
}

/// What is ended again and again, by several at once too, takes the room of one.
async fn each_thing_once(store: &Store) {
    let (_, _, here) = after(store, None, 5).await;
    for (subject, when) in [("twice", 5), ("once", 5), ("twice", 6)] {
        store.withdraw_grants_of_user(subject, &ManualClock::at(at(when))).await.unwrap();
    }
    // The clock of another replica is behind: nothing of what was said is taken back.
    store.withdraw_grants_of_user("twice", &ManualClock::at(at(4))).await.unwrap();
    for place in [None, Some(here.clone())] {
        let news = store.news(place, at(6)).await.unwrap();
        let told: Vec<_> = news.revocations.iter().map(|one| (one.name.as_str(), one.before)).collect();
        let wanted = [("once", Some(at(6))), ("twice", Some(at(7)))];
        assert!(told.ends_with(&wanted), "{told:?}");
        let all = news.revocations.iter().filter(|one| one.name == "twice");
        assert_eq!((all.count(), news.place.seq), (1, here.seq + 4));
    }
}
