//! Clients that are changed and removed with their registration token.

use wicketgate_auth::oauth::client::{Client, DynamicRegistration};
use wicketgate_auth::secret::Digest;
use wicketgate_auth::store::Store;

use super::{T0, at, client};

pub(super) async fn contract(store: &Store) {
    let managed = |token: &str| {
        let registration_token = Some(Digest::of(token));
        let metadata = serde_json::Map::new();
        Client {
            dynamic: Some(DynamicRegistration { issued_at: T0, metadata, registration_token }),
            ..client("managed")
        }
    };
    let (old, new) = (Digest::of("old"), Digest::of("new"));
    assert!(!store.replace_client(managed("new"), old, T0).await.unwrap(), "nothing is there");
    store.put_client(managed("old"), at(10), T0).await.unwrap();
    assert!(!store.replace_client(managed("new"), new, T0).await.unwrap());
    assert!(store.replace_client(managed("new"), old, T0).await.unwrap());
    assert!(!store.replace_client(managed("new"), old, T0).await.unwrap(), "of two callers one succeeds");
    assert!(store.client("managed", at(9)).await.unwrap().unwrap().is_managed_with(&new));
    assert!(store.client("managed", at(10)).await.unwrap().is_none(), "it keeps its end");
    assert!(!store.remove_client("managed", new, at(10)).await.unwrap());
    assert!(!store.remove_client("managed", old, T0).await.unwrap());
    assert!(store.remove_client("managed", new, T0).await.unwrap());
    assert!(store.client("managed", T0).await.unwrap().is_none());
    store.put_client(client("unmanaged"), at(10), T0).await.unwrap();
    assert!(!store.remove_client("unmanaged", new, T0).await.unwrap(), "it has no token");
}
