//! Sign-ins and consents.

use wicketgate_auth::oauth::scope::ScopeSet;
use wicketgate_auth::secret::Digest;
use wicketgate_auth::store::Store;
use wicketgate_auth::store::records::{Consent, ConsentKey, Session};

use super::{T0, at};

pub(super) async fn contract(store: &Store) {
    sessions(store).await;
    consents(store).await;
}

async fn sessions(store: &Store) {
    let id = Digest::of("session");
    let session =
        Session { subject: "alice".into(), auth_time: T0, started_at: T0, seen_at: T0, ends_at: at(100) };
    store.put_session(id, session.clone(), at(10)).await.unwrap();
    store.put_session(id, Session { seen_at: at(5), ..session }, at(15)).await.unwrap();
    assert_eq!(store.session(id, at(14)).await.unwrap().unwrap().seen_at, at(5), "replaced, with its end");
    assert!(store.session(id, at(15)).await.unwrap().is_none());
    assert!(store.see_session(id, at(8), at(18)).await.unwrap());
    assert_eq!(store.session(id, at(17)).await.unwrap().unwrap().seen_at, at(8), "used, with its end");
    assert!(store.session(id, at(18)).await.unwrap().is_none());
    store.remove_session(id).await.unwrap();
    store.remove_session(id).await.unwrap();
    assert!(!store.see_session(id, at(9), at(19)).await.unwrap());
    assert!(store.session(id, at(1)).await.unwrap().is_none(), "what has ended is not begun by being used");
}

async fn consents(store: &Store) {
    let key = |subject: &str, client: &str| ConsentKey {
        subject: subject.into(),
        client_id: client.into(),
        redirect_uri: "https://a.example/cb".into(),
        resources: vec!["https://r.example/".into()],
    };
    let consent = Consent { scope: ScopeSet::parse("a").unwrap(), given_at: T0 };
    store.put_consent(key("ab", "c"), consent, at(10)).await.unwrap();
    assert_eq!(store.consent(key("ab", "c"), at(9)).await.unwrap().unwrap().scope.to_string(), "a");
    assert!(store.consent(key("ab", "c"), at(10)).await.unwrap().is_none());
    assert!(
        store.consent(key("a", "bc"), at(9)).await.unwrap().is_none(),
        "parts do not run into each other"
    );
}
