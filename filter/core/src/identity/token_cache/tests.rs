use std::sync::Arc;

use proptest::prelude::*;

use jwt_simple::prelude::Ed25519KeyPair;

use super::{Digested, TokenCache};
use crate::identity::issuer::Algorithm;
use crate::identity::jwks::{KeySet, Pick};
use crate::identity::jwt::Verified;
use crate::identity::key::KeyMark;
use crate::identity::principal::Identity;
use crate::time::Timestamp;

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1_790_000_000 + secs)
}

fn keys(kid: &str) -> (KeySet, KeyMark) {
    let jwk = Ed25519KeyPair::generate().with_key_id(kid).public_key().to_jwk();
    let set = KeySet::parse(format!(r#"{{"keys":[{jwk}]}}"#).as_bytes()).unwrap();
    let Pick::One(key) = set.pick(None, Algorithm::EdDsa) else { unreachable!() };
    let mark = key.mark();
    (set, mark)
}

fn verified(subject: &str, issuer: usize, key: KeyMark, expires: u64) -> Verified {
    let identity = Identity {
        issuer: "https://as.example".into(),
        subject: subject.into(),
        client: None,
        scopes: vec![],
        groups: vec![],
        roles: vec![],
        organization: None,
        grant: Some("g".into()),
        grant_client: None,
        issued: None,
        key: None,
        certificate: None,
        expires: at(expires),
    };
    Verified { since: at(0), until: identity.expires, identity: identity.into(), issuer, key: Some(key) }
}

#[test]
fn a_token_is_known_for_its_server_until_it_expires() {
    let (_, key) = keys("a");
    let mut cache = TokenCache::new(10);
    let digest = Digested::of(0, "token");
    cache.insert(digest, verified("alice", 0, key, 10), at(0));
    assert_eq!(cache.get(&digest, at(9)).map(|v| v.identity.subject.as_str()), Some("alice"));
    assert_eq!(cache.get(&Digested::of(1, "token"), at(0)), None);
    assert_eq!(cache.get(&Digested::of(0, "token2"), at(0)), None);
    assert!(cache.get(&digest, Timestamp::from_nanos(at(10).as_nanos() - 1)).is_some());
    assert_eq!(cache.get(&digest, at(10)), None);
    assert!(cache.is_empty(), "and forgotten");
    cache.insert(digest, verified("alice", 0, key, 10), at(10));
    assert!(cache.is_empty(), "not kept within the leeway of verification");
}

#[test]
fn a_token_that_its_issuer_vouched_for_is_known_for_a_while_whatever_keys_come() {
    let ((new, _), (_, key)) = (keys("a"), keys("b"));
    let mut cache = TokenCache::new(10);
    let digest = Digested::of(0, "opaque");
    let vouched = Verified { key: None, until: at(5), ..verified("alice", 0, key, 10) };
    cache.insert(digest, vouched, at(0));
    cache.keys_changed(0, &new);
    assert!(cache.get(&digest, at(4)).is_some());
    assert_eq!(cache.get(&digest, at(5)), None, "ask again, though it lives to 10");
}

#[test]
fn an_issuers_word_of_before_the_clock_was_set_back_is_forgotten_and_what_a_key_proves_is_not() {
    let (_, key) = keys("a");
    let mut cache = TokenCache::new(10);
    let signed = Verified { since: at(100), ..verified("alice", 0, key, 200) };
    for (token, verified) in [("signed", signed.clone()), ("opaque", Verified { key: None, ..signed })] {
        cache.insert(Digested::of(0, token), verified, at(100));
    }
    let mut known = |secs| ["signed", "opaque"].map(|t| cache.get(&Digested::of(0, t), at(secs)).is_some());
    assert_eq!(known(100), [true, true]);
    assert_eq!(known(99), [true, false]);
    assert_eq!(known(100), [true, false], "not again when the clock is there once more");
}

#[test]
fn tokens_of_a_withdrawn_key_are_forgotten() {
    let ((old, old_key), (new, new_key)) = (keys("a"), keys("a"));
    let mut cache = TokenCache::new(10);
    for (n, (issuer, key)) in [(0, old_key), (0, new_key), (1, old_key)].into_iter().enumerate() {
        cache.insert(Digested::of(0, &n.to_string()), verified("s", issuer, key, 10), at(0));
    }
    cache.keys_changed(1, &old);
    assert_eq!(cache.len(), 3);
    // The same kid, other material.
    cache.keys_changed(0, &new);
    let left: Vec<bool> =
        (0..3).map(|n| cache.get(&Digested::of(0, &n.to_string()), at(0)).is_some()).collect();
    assert_eq!(left, [false, true, true]);
    cache.retain(|v| v.identity.grant.as_deref() != Some("g"));
    assert!(cache.is_empty());
}

#[test]
fn tokens_in_use_outlive_those_that_came_once() {
    let (_, key) = keys("a");
    let mut cache = TokenCache::new(8);
    let regular = Digested::of(0, "regular");
    cache.insert(regular, verified("alice", 0, key, 1000), at(0));
    for n in 0..1000 {
        assert!(cache.get(&regular, at(0)).is_some(), "{n}");
        cache.insert(Digested::of(0, &n.to_string()), verified("s", 0, key, 1000), at(0));
        assert!(cache.len() <= 8);
    }
}

#[test]
fn a_huge_identity_is_not_kept() {
    let (_, key) = keys("a");
    let mut cache = TokenCache::new(8);
    let mut huge = verified("alice", 0, key, 10);
    Arc::make_mut(&mut huge.identity).groups = vec!["g".repeat(100); 80];
    cache.insert(Digested::of(0, "t"), huge, at(0));
    assert!(cache.is_empty());
}

proptest! {
    /// Against a model that never evicts: what the cache gives is true, and it stays within bounds.
    #[test]
    fn the_cache_never_makes_things_up(
        ops in proptest::collection::vec((0..20_u64, 0..30_u64, any::<bool>()), 1..200), capacity in 0..9_usize,
    ) {
        let (_, key) = keys("a");
        let mut cache = TokenCache::new(capacity);
        let mut model = std::collections::HashMap::new();
        for (now, (token, life, insert)) in ops.into_iter().enumerate() {
            let now = now as u64;
            let digest = Digested::of(0, &token.to_string());
            if insert {
                let subject = format!("{token}-{now}");
                cache.insert(digest, verified(&subject, 0, key, now + life), at(now));
                if life > 0 {
                    model.insert(token, (subject, now + life));
                }
            } else if let Some(identity) = cache.get(&digest, at(now)) {
                let (subject, expires) = &model[&token];
                prop_assert!(&identity.identity.subject == subject && *expires > now);
            }
            prop_assert!(cache.len() <= capacity.max(1) && cache.index.len() == cache.entries.len());
        }
    }

    /// House invariant 7.
    #[test]
    fn no_debug_output_holds_the_token(secret in "[A-Za-z0-9]{24,64}") {
        let (_, key) = keys("a");
        let mut cache = TokenCache::new(4);
        let digest = Digested::of(0, &secret);
        cache.insert(digest, verified("alice", 0, key, 10), at(0));
        let found = format!("{:?}", cache.get(&digest, at(0)).unwrap());
        let shown = format!("{cache:?} {digest:?} {found}");
        prop_assert!(!shown.contains(&secret));
    }
}
