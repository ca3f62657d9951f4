//! Clients that are changed and removed with their registration token.

use wicketgate_auth::clock::ManualClock;
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
    let clock = ManualClock::at;
    assert!(!store.remove_client("managed", new, &clock(at(10))).await.unwrap());
    assert!(!store.remove_client("managed", old, &clock(T0)).await.unwrap());
    assert!(store.remove_client("managed", new, &clock(T0)).await.unwrap());
    assert!(store.client("managed", T0).await.unwrap().is_none());
    rotated_meanwhile(store, managed).await;
    store.put_client(client("unmanaged"), at(10), T0).await.unwrap();
    assert!(!store.remove_client("unmanaged", new, &clock(T0)).await.unwrap(), "it has no token");
}

/// An update that was made of what the client was when it was read: a secret that has been replaced since does not come back.
async fn rotated_meanwhile(store: &Store, managed: impl Fn(&str) -> Client) {
    let token = Digest::of("old");
    let secret = |name: &str| Some(Digest::of(name));
    let kept = async || store.client("managed", T0).await.unwrap().unwrap();
    for (is_rotated_first, asked, wanted) in [
        (true, secret("read"), secret("rotated")),
        (false, secret("read"), secret("rotated")),
        (true, None, None),
        (false, None, None),
    ] {
        let before = Client { secret: secret("read"), ..managed("old") };
        store.put_client(before, at(10), T0).await.unwrap();
        let update = Client { secret: asked, name: Some("updated".into()), ..managed("new") };
        let rotate =
            async || store.replace_client_secret("managed", Digest::of("rotated"), T0).await.unwrap();
        if is_rotated_first {
            assert!(rotate().await);
        }
        assert!(store.replace_client(update, token, T0).await.unwrap());
        if !is_rotated_first {
            assert_eq!(rotate().await, asked.is_some());
        }
        let now = kept().await;
        assert_eq!(
            (now.secret, now.name.as_deref()),
            (wanted, Some("updated")),
            "{is_rotated_first} {asked:?}"
        );
    }
    // Who had none gets the one that was made for the update.
    store.put_client(managed("old"), at(10), T0).await.unwrap();
    let first = Client { secret: secret("first"), ..managed("new") };
    assert!(store.replace_client(first, token, T0).await.unwrap());
    assert_eq!(kept().await.secret, secret("first"));
    assert!(store.remove_client("managed", Digest::of("new"), &ManualClock::at(T0)).await.unwrap());
}
