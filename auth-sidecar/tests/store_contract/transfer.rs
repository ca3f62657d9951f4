//! All that one store keeps, in another one.

use wicketgate_auth::clock::UnixTime;
use wicketgate_auth::oauth::client::Client;
use wicketgate_auth::store::transfer::{Item, SCHEMA};
use wicketgate_auth::store::{Store, StoreError};

use super::{T0, at, client, grant, redemption};

async fn all(store: &Store) -> Vec<Item> {
    let (mut items, mut place) = (Vec::new(), None);
    loop {
        let page = store.export(place.as_deref(), T0).await.unwrap();
        items.extend(page.items);
        match page.next {
            Some(next) => place = Some(next),
            None => return items,
        }
    }
}

fn lines(items: &[Item]) -> Vec<String> {
    let mut lines: Vec<_> = items.iter().map(|item| serde_json::to_string(item).unwrap()).collect();
    lines.sort();
    lines.dedup();
    lines
}

/// Everything of `from` gets into `to`, which is empty, through its written form.
pub(super) async fn moves(from: &Store, to: &Store) {
    assert!(to.is_empty(T0).await.unwrap());
    let kept = all(from).await;
    assert!(kept.len() > 600, "more than a page: {}", kept.len());
    for line in lines(&kept) {
        to.import(serde_json::from_str(&line).unwrap(), T0).await.unwrap();
    }
    assert_eq!(lines(&all(to).await), lines(&kept));
    // What it was is what it does.
    assert_eq!(to.count("moved", at(50), at(1)).await.unwrap(), 3);
    let grant = to.grant("moved", at(2)).await.unwrap().unwrap();
    assert!(!grant.is_live() && grant.code.used);
    let news = to.news(None, at(2)).await.unwrap().revocations;
    assert!(news.iter().any(|one| one.name == "moved"), "{news:?}");
    assert!(to.client("moved7", at(2)).await.unwrap().is_some());
    assert!(!to.is_empty(T0).await.unwrap());
}

pub(super) async fn contract(store: &Store) {
    store.admit_schema().await.unwrap();
    store.put_grant(grant("moved", 60)).await.unwrap();
    store.redeem("moved", redemption("code-moved", "r0"), at(1)).await.unwrap();
    store.revoke_grant("moved", at(1)).await.unwrap();
    for _ in 0..2 {
        store.count("moved", at(50), T0).await.unwrap();
    }
    for index in 0..600 {
        let id = format!("moved{index}");
        store.put_client(Client { id, ..client("x") }, at(1_000), T0).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let other = super::open(&folder.path().join("other.redb"));
    moves(store, &other).await;
    another_version(&other).await;
}

/// A store of another version is not touched.
async fn another_version(store: &Store) {
    store.admit_schema().await.unwrap();
    let newer =
        format!("{{\"record\":{{\"key\":\"schema\",\"value\":{},\"until\":{}}}}}", SCHEMA + 1, u64::MAX);
    store.import(serde_json::from_str(&newer).unwrap(), UnixTime(0)).await.unwrap();
    let refused = store.admit_schema().await.unwrap_err();
    assert!(matches!(refused, StoreError::Schema(version) if version == SCHEMA + 1), "{refused}");
    assert!(store.signing_keys().await.is_err());
}
