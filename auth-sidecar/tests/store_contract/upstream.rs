//! Sign-ins at providers, and what providers said.

use wicketgate_auth::secret::Digest;
use wicketgate_auth::store::Store;
use wicketgate_auth::store::records::{UpstreamAccount, UpstreamSignIn};

use super::{T0, at};

pub(super) async fn contract(store: &Store) {
    sign_ins(store).await;
    accounts(store).await;
}

async fn sign_ins(store: &Store) {
    let state = Digest::of("state");
    let sign_in =
        UpstreamSignIn { provider: "x".into(), pending: Digest::of("handle"), cookie: Digest::of("cookie") };
    assert!(store.upstream_sign_in(state, T0).await.unwrap().is_none());
    store.put_upstream_sign_in(state, sign_in.clone(), at(10)).await.unwrap();
    let read = store.upstream_sign_in(state, at(9)).await.unwrap().unwrap();
    assert!(read.provider == "x" && read.pending.matches(&sign_in.pending));
    assert!(store.upstream_sign_in(state, at(10)).await.unwrap().is_none(), "gone from the moment it ends");
    assert!(store.take_upstream_sign_in(state, at(1)).await.unwrap().is_some());
    assert!(store.take_upstream_sign_in(state, at(1)).await.unwrap().is_none(), "taken once");
    store.put_upstream_sign_in(state, sign_in, at(10)).await.unwrap();
    assert!(store.take_upstream_sign_in(state, at(10)).await.unwrap().is_none());
}

async fn accounts(store: &Store) {
    let account = UpstreamAccount {
        provider: "x".into(),
        subject: "https://idp.example#1".into(),
        groups: vec!["a".into()],
        roles: vec![],
        org: Some("acme".into()),
        rules: Digest::of("rules"),
        learned_at: T0,
    };
    let subject = account.subject.as_str();
    assert_eq!(store.upstream_account(subject, T0).await.unwrap(), None);
    store.put_upstream_account(account.clone(), at(10)).await.unwrap();
    assert_eq!(store.upstream_account(subject, at(9)).await.unwrap().as_ref(), Some(&account));
    assert_eq!(store.upstream_account("https://idp.example#2", at(9)).await.unwrap(), None);
    let later = UpstreamAccount { groups: vec![], learned_at: at(5), ..account.clone() };
    store.put_upstream_account(later.clone(), at(15)).await.unwrap();
    assert_eq!(store.upstream_account(subject, at(14)).await.unwrap(), Some(later), "replaced as a whole");
    assert_eq!(store.upstream_account(subject, at(15)).await.unwrap(), None);
    store.remove_upstream_account(subject).await.unwrap();
    assert_eq!(store.upstream_account(subject, at(6)).await.unwrap(), None);
    store.remove_upstream_account(subject).await.unwrap();
}
