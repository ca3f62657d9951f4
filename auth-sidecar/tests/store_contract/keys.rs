//! Signing keys: what every store must do with them.

use std::sync::Arc;

use wicketgate_auth::oauth::algorithm::SigningAlgorithm;
use wicketgate_auth::store::Store;
use wicketgate_auth::store::records::{KeyState, StoredKey};

use super::T0;

pub(super) async fn contract(store: &Arc<Store>) {
    assert!(store.signing_keys().await.unwrap().is_empty());
    let tasks: Vec<_> = (0..10)
        .map(|index| {
            let store = Arc::clone(store);
            let first = vec![key(&index.to_string())];
            tokio::spawn(async move { store.replace_signing_keys(vec![], first).await.unwrap() })
        })
        .collect();
    let mut seen = std::collections::HashSet::new();
    for task in tasks {
        let keys = task.await.unwrap();
        assert_eq!(keys.len(), 1);
        seen.insert(keys[0].kid.clone());
    }
    assert_eq!(seen.len(), 1, "all who start at once use one key");
    let kept = store.signing_keys().await.unwrap();
    assert!(seen.contains(&kept[0].kid));
    let stale = store.replace_signing_keys(vec![key("other")], vec![key("late")]).await.unwrap();
    assert_eq!(stale, kept, "who has not seen the latest changes nothing");
    let replaced = store.replace_signing_keys(kept, vec![key("new")]).await.unwrap();
    assert_eq!((&replaced, &store.signing_keys().await.unwrap()), (&vec![key("new")], &replaced));
}

fn key(kid: &str) -> StoredKey {
    StoredKey {
        kid: kid.into(),
        algorithm: SigningAlgorithm::Es256,
        state: KeyState::Active,
        created_at: T0,
        since: T0,
        sealed: "sealed".into(),
    }
}
