//! Pushed requests, device authorizations and opaque tokens: what every store must do with them.

use std::sync::Arc;
use std::time::Duration;

use wicketgate_auth::clock::UnixTime;
use wicketgate_auth::oauth::scope::ScopeSet;
use wicketgate_auth::secret::Digest;
use wicketgate_auth::store::Store;
use wicketgate_auth::store::device::{Approver, DeviceAuthorization, Polled};
use wicketgate_auth::store::grant::{MOST_OPAQUE, OpaqueToken};
use wicketgate_auth::store::records::PushedRequest;

use super::{T0, at, grant};

pub(super) async fn contract(store: &Arc<Store>) {
    pushed_requests(store).await;
    polling(store.as_ref()).await;
    deciding(store).await;
    opaque_tokens(store.as_ref()).await;
}

async fn pushed_requests(store: &Arc<Store>) {
    let id = Digest::of("pushed");
    let pushed = PushedRequest { client_id: "c".into(), params: vec![("a".into(), "1".into())] };
    store.put_pushed(id, pushed.clone(), at(60)).await.unwrap();
    assert!(store.take_pushed(Digest::of("other"), at(1)).await.unwrap().is_none());
    assert!(store.take_pushed(id, at(60)).await.unwrap().is_none(), "expired");
    store.put_pushed(id, pushed.clone(), at(60)).await.unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move { store.take_pushed(id, at(1)).await.unwrap() })
        })
        .collect();
    let mut taken = Vec::new();
    for task in tasks {
        taken.extend(task.await.unwrap());
    }
    assert!(taken.len() == 1 && taken[0].params == pushed.params, "one of many gets it");
}

fn device(id: &str) -> DeviceAuthorization {
    DeviceAuthorization {
        id: id.into(),
        device_code: Digest::of(&format!("device {id}")),
        user_code: Digest::of(&format!("user {id}")),
        client_id: "c".into(),
        scope: ScopeSet::default(),
        resources: vec![],
        expires_at: at(600),
        interval: 5,
        asked_at: None,
        approved: None,
        approver: None,
    }
}

async fn polling(store: &Store) {
    assert!(store.put_device(device("p"), T0).await.unwrap());
    let taken = DeviceAuthorization { user_code: device("p").user_code, ..device("q") };
    assert!(!store.put_device(taken, T0).await.unwrap(), "two devices never share a user code");
    let code = device("p").device_code;
    let poll = async |id, code, client, now| store.poll_device(id, code, client, at(now)).await.unwrap();
    assert_eq!(poll("q", device("q").device_code, "c", 1).await, Polled::Refused, "nothing was kept");
    assert_eq!(poll("p", Digest::of("guess"), "c", 1).await, Polled::Refused);
    assert_eq!(poll("p", code, "other", 1).await, Polled::Refused);
    for (now, wanted) in [
        (1, Polled::Pending),
        (5, Polled::SlowDown),
        (14, Polled::SlowDown),
        (29, Polled::Pending),
        (599, Polled::Pending),
        (600, Polled::Expired),
        (1_199, Polled::Expired),
        (1_200, Polled::Refused),
    ] {
        assert_eq!(poll("p", code, "c", now).await, wanted, "{now}");
    }
}

async fn deciding(store: &Arc<Store>) {
    store.put_device(device("d"), T0).await.unwrap();
    let found = store.device_of_user_code(device("d").user_code, at(1)).await.unwrap().unwrap();
    assert_eq!(found.id, "d");
    assert!(store.device_of_user_code(Digest::of("guess"), at(1)).await.unwrap().is_none());
    assert!(store.device_of_user_code(device("d").user_code, at(600)).await.unwrap().is_none(), "expired");
    let alice = Some(Approver { subject: "alice".into(), auth_time: T0, at: at(1) });
    let undated: Approver =
        serde_json::from_value(serde_json::json!({"subject": "alice", "auth_time": 1})).unwrap();
    assert_eq!(undated.at, UnixTime(0), "of an earlier version: any switch that was ever thrown ends it");
    assert!(store.decide_device("none", alice.clone(), at(1)).await.unwrap().is_none());
    let tasks: Vec<_> = (0..20)
        .map(|index| {
            let (store, approver) = (Arc::clone(store), alice.clone().filter(|_| index % 2 == 0));
            tokio::spawn(async move { store.decide_device("d", approver, at(1)).await.unwrap() })
        })
        .collect();
    let mut decided = Vec::new();
    for task in tasks {
        decided.extend(task.await.unwrap());
    }
    assert_eq!(decided.len(), 1, "one decision counts");
    let gone = store.device_of_user_code(device("d").user_code, at(2)).await.unwrap();
    assert!(gone.is_none(), "its user code works once");
    let wanted = if decided[0].approved == Some(true) { Polled::Approved } else { Polled::Denied };
    assert_eq!(store.poll_device("d", device("d").device_code, "c", at(2)).await.unwrap(), wanted);
    store.put_device(device("late"), T0).await.unwrap();
    assert!(store.decide_device("late", alice, at(600)).await.unwrap().is_none(), "too late");
}

fn token(name: &str, ends: u64) -> OpaqueToken {
    OpaqueToken {
        digest: Digest::of(name),
        id: name.into(),
        issued_at: T0,
        expires_at: at(ends),
        scope: ScopeSet::default(),
        resources: vec![],
        jkt: None,
        client_id: None,
    }
}

async fn opaque_tokens(store: &Store) {
    store.add_opaque_token("none", token("t", 10), T0).await.unwrap();
    assert!(store.grant("none", T0).await.unwrap().is_none(), "an unknown grant is not made");
    store.put_grant(grant("opaque", 60)).await.unwrap();
    store.add_opaque_token("opaque", token("first", 10), T0).await.unwrap();
    store.add_opaque_token("opaque", token("long", 700), T0).await.unwrap();
    let names = async |now: Duration| {
        let grant = store.grant("opaque", T0.plus(now)).await.unwrap().unwrap();
        grant.opaque_tokens.into_iter().map(|token| token.id).collect::<Vec<_>>()
    };
    assert_eq!(names(Duration::from_secs(1)).await, ["first", "long"]);
    assert_eq!(names(Duration::from_secs(699)).await, ["first", "long"], "the grant outlives its tokens");
    store.add_opaque_token("opaque", token("next", 600), at(10)).await.unwrap();
    assert_eq!(names(Duration::from_secs(10)).await, ["long", "next"], "what has expired is forgotten");
    for index in 0..MOST_OPAQUE {
        store.add_opaque_token("opaque", token(&index.to_string(), 600), at(11)).await.unwrap();
    }
    let kept = names(Duration::from_secs(11)).await;
    assert!(kept.len() == MOST_OPAQUE && kept[0] == "0", "bounded: {kept:?}");
}
