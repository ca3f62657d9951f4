use std::time::Duration;

use jwt_simple::prelude::Ed25519KeyPair;

use super::{KeyRing, Lookup};
use crate::callout::Destination;
use crate::identity::issuer::{Algorithm, ClaimNames, Issuer, JwksSource, TokenType};
use crate::identity::jwks::KeySet;
use crate::time::Timestamp;

const NOW: u64 = 1_790_000_000;

fn ring() -> KeyRing {
    let issuer = Issuer {
        validate: None,
        revocations: None,
        issuer: "https://as.example".into(),
        algorithms: vec![Algorithm::EdDsa],
        skew: Duration::ZERO,
        jwks: JwksSource {
            at: Destination {
                cluster: "auth".into(),
                authority: "auth".into(),
                path: "/jwks".into(),
                timeout: Duration::from_secs(5),
            },
            refresh: Duration::from_secs(300),
            max_stale: Duration::from_secs(3600),
        },
        claims: ClaimNames::default(),
        token_type: TokenType::AccessToken,
    };
    KeyRing::new(&[issuer.clone(), issuer])
}

fn keys(kid: &str) -> KeySet {
    let jwk = Ed25519KeyPair::generate().with_key_id(kid).public_key().to_jwk();
    KeySet::parse(format!(r#"{{"keys":[{jwk}]}}"#).as_bytes()).unwrap()
}

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(NOW + secs)
}

fn find(ring: &KeyRing, kid: &str, now: Timestamp) -> &'static str {
    match ring.find(0, Some(kid), Algorithm::EdDsa, now) {
        Lookup::Found(_) => "found",
        Lookup::Unknown => "unknown",
        Lookup::Outdated => "outdated",
        Lookup::NoKeys => "no keys",
        Lookup::Ambiguous => "ambiguous",
    }
}

#[test]
fn an_unknown_key_is_looked_for_once_in_the_floor() {
    let mut ring = ring();
    assert_eq!(find(&ring, "a", at(0)), "no keys");
    assert!(ring.may_fetch(0, at(0)) && ring.is_due(0, at(0)));
    ring.set(0, keys("a"), at(0), at(0));
    assert_eq!((find(&ring, "a", at(0)), find(&ring, "b", at(9))), ("found", "unknown"));
    assert!(!ring.may_fetch(0, at(9)));
    assert_eq!(find(&ring, "b", at(10)), "outdated");
    assert!(ring.may_fetch(0, at(10)) && !ring.is_due(0, at(10)));
    ring.set(0, keys("b"), at(10), at(10));
    assert_eq!((find(&ring, "b", at(10)), find(&ring, "a", at(10))), ("found", "unknown"));
}

#[test]
fn the_last_good_keys_serve_until_they_are_stale() {
    let mut ring = ring();
    ring.set(0, keys("a"), at(0), at(0));
    assert!(!ring.is_due(0, at(299)) && ring.is_due(0, at(300)));
    ring.failed(0, at(300));
    assert!(!ring.is_due(0, at(309)) && !ring.may_fetch(0, at(309)) && ring.is_due(0, at(310)));
    assert_eq!(find(&ring, "b", at(301)), "outdated", "not known to be unknown");
    assert_eq!((find(&ring, "a", at(3600)), find(&ring, "a", at(3601))), ("found", "no keys"));
    assert!(ring.keys(0, at(3600)).is_some() && ring.keys(0, at(3601)).is_none());
    assert_eq!(ring.age(0, at(3601)), Some(Duration::from_secs(3601)));
    assert_eq!(ring.age(1, at(0)), None);
}

#[test]
fn issuers_do_not_share_keys() {
    let mut ring = ring();
    ring.set(0, keys("a"), at(0), at(0));
    assert!(matches!(ring.find(1, Some("a"), Algorithm::EdDsa, at(0)), Lookup::NoKeys));
    assert!(matches!(ring.find(0, Some("a"), Algorithm::Es256, at(0)), Lookup::Unknown));
    ring.set(9, keys("a"), at(0), at(0));
    assert!(matches!(ring.find(9, Some("a"), Algorithm::EdDsa, at(0)), Lookup::NoKeys));
    assert!(!ring.may_fetch(9, at(0)) && !ring.is_due(9, at(0)));
}

#[test]
fn what_an_earlier_fetch_brings_does_not_replace_what_a_later_one_brought() {
    let mut ring = ring();
    assert!(ring.set(0, keys("new"), at(5), at(6)).is_some());
    assert!(ring.set(0, keys("old"), at(1), at(17)).is_none());
    assert_eq!((find(&ring, "new", at(17)), find(&ring, "old", at(17))), ("found", "outdated"));
    assert_eq!(ring.keys_since(0, at(17)), Some(at(6)), "it is no news of what is held");
    assert!(!ring.may_fetch(0, at(26)) && ring.may_fetch(0, at(27)), "but a fetch that ended");
    assert!(ring.set(0, keys("newest"), at(5), at(27)).is_some());
    assert!(ring.set(1, keys("old"), at(1), at(7)).is_some(), "each issuer by itself");
}

#[test]
fn what_is_fetched_after_the_clock_was_set_back_is_no_earlier() {
    let mut ring = ring();
    ring.set(0, keys("a"), at(1000), at(1001));
    assert!(ring.set(0, keys("b"), at(998), at(999)).is_some());
    assert_eq!(find(&ring, "b", at(999)), "found");
}

#[test]
fn what_was_fetched_when_is_taken_over() {
    let (mut old, mut new) = (ring(), ring());
    old.set(1, keys("a"), at(5), at(6));
    new.take_over(0, &old, 1);
    assert!(new.set(0, keys("b"), at(4), at(7)).is_none());
}

#[test]
fn keys_from_the_future_are_fetched_again() {
    let mut ring = ring();
    ring.set(0, keys("a"), at(1000), at(1000));
    assert_eq!((find(&ring, "a", at(0)), find(&ring, "b", at(0))), ("found", "outdated"));
    assert!(ring.is_due(0, at(0)));
}

#[test]
fn keys_of_a_moment_far_ahead_are_not_fresh_for_ever() {
    let mut ring = ring();
    ring.set(0, keys("a"), at(7201), at(7201));
    assert_eq!(find(&ring, "a", at(3601)), "found", "as long as they may be stale");
    assert_eq!(find(&ring, "a", at(3600)), "no keys");
}
