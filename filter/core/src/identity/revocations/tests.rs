use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://auth.example";
const NOW: u64 = 1_900_000_000;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(NOW + seconds)
}

fn issuers(max_age: &str) -> Vec<Issuer> {
    let document = json!({
        "version": 1, "hold_headers": true,
        "issuers": [
            {"issuer": ISSUER, "algorithms": ["EdDSA"], "clock_skew": "2s", "jwks": {"cluster": "auth", "path": "/k"},
             "revocations": {"cluster": "auth", "path": "/v1/feed", "max_age": max_age}},
            {"issuer": "https://other.example", "algorithms": ["EdDSA"], "jwks": {"cluster": "auth", "path": "/k"}},
        ],
        "servers": [{"name": "demo", "url": "https://gate.example/mcp", "rules": []}],
    });
    crate::config::compile(document.to_string().as_bytes()).unwrap().guard.issuers
}

fn alice(issued: u64) -> Identity {
    Identity {
        grant: Some("g1".into()),
        client: Some("c1".into()),
        issued: Some(at(issued)),
        ..Identity::named(ISSUER, "alice")
    }
}

fn entry(kind: &str, name: &str, before: u64) -> Value {
    let id = URL_SAFE_NO_PAD.encode(Mark::of(kind, name).0);
    json!({"kind": kind, "id": id, "before": NOW + before, "until": NOW + 3600})
}

fn feed(since: u64, seq: u64, made: u64, entries: &[Value]) -> Members {
    let said = json!({"iss": ISSUER, "iat": NOW + made, "epoch": "e1", "seq": seq, "since": since, "revocations": entries});
    said.as_object().unwrap().clone()
}

struct Known {
    issuers: Vec<Issuer>,
    known: Revocations,
}

impl Known {
    fn new() -> Self {
        let issuers = issuers("60s");
        Self { known: Revocations::new(&issuers), issuers }
    }

    fn hear(&mut self, said: &Members, now: u64) -> Result<(), &'static str> {
        self.known.hear(0, &self.issuers[0], said, at(now))
    }

    fn standing(&self, identity: &Identity, now: u64) -> Standing {
        self.known.standing(0, identity, at(now))
    }
}

#[test]
fn a_grant_a_subject_and_a_client_are_withdrawn() {
    for (entry, issued, standing) in [
        (entry("grant", "g1", 0), 50, Standing::Revoked),
        (entry("grant", "g2", 0), 5, Standing::Good),
        (entry("subject", "alice", 10), 9, Standing::Revoked),
        (entry("subject", "alice", 10), 10, Standing::Good),
        (entry("client", "c1", 10), 9, Standing::Revoked),
        (entry("client", "c1", 10), 10, Standing::Good),
        (entry("client", "alice", 10), 9, Standing::Good),
    ] {
        let mut known = Known::new();
        assert_eq!(known.standing(&alice(issued), 0), Standing::Unheard);
        known.hear(&feed(0, 1, 10, std::slice::from_ref(&entry)), 10).unwrap();
        assert_eq!(known.standing(&alice(issued), 10), standing, "{entry}, issued {issued}");
    }
    let mut known = Known::new();
    known.hear(&feed(0, 1, 10, &[entry("client", "c0", 10)]), 10).unwrap();
    for (granted_to, issued, standing) in [
        (Some("c0"), 9, Standing::Revoked),
        (Some("c0"), 10, Standing::Good),
        (Some("c1"), 9, Standing::Good),
        (None, 9, Standing::Good),
    ] {
        let exchanged = Identity { grant_client: granted_to.map(Into::into), ..alice(issued) };
        assert_eq!(known.standing(&exchanged, 10), standing, "exchanged, granted to {granted_to:?}");
    }
    let mut known = Known::new();
    known.hear(&feed(0, 1, 0, &[entry("subject", "alice", 10)]), 0).unwrap();
    let undated = Identity { issued: None, ..alice(0) };
    assert_eq!(known.standing(&undated, 0), Standing::Revoked, "when it was issued nobody knows");
    assert_eq!(known.known.standing(1, &alice(0), at(0)), Standing::Good, "the other issuer has no feed");
    assert_eq!(known.known.standing(7, &alice(0), at(0)), Standing::Unheard);
}

/// Two replicas whose clocks are apart may say so one after the other, the one behind last.
#[test]
fn what_was_withdrawn_twice_is_withdrawn_until_the_later_moment() {
    for entries in [vec![vec![12, 10]], vec![vec![12], vec![10]]] {
        let mut known = Known::new();
        for (at, before) in entries.into_iter().enumerate() {
            let said: Vec<Value> =
                before.into_iter().map(|before| entry("subject", "alice", before)).collect();
            let seq = at as u64;
            known.hear(&feed(seq, seq + 1, 10, &said), 10).unwrap();
        }
        assert_eq!(known.standing(&alice(11), 10), Standing::Revoked);
        assert_eq!(known.standing(&alice(12), 10), Standing::Good);
    }
}

#[test]
fn what_was_heard_counts_for_a_while() {
    let mut known = Known::new();
    assert_eq!((known.known.query(0).as_str(), known.known.heard(0)), ("since=0", None));
    known.hear(&feed(0, 5, 0, &[]), 0).unwrap();
    assert_eq!((known.known.query(0).as_str(), known.known.heard(0)), ("since=5&epoch=e1", Some(at(0))));
    assert_eq!(known.standing(&alice(0), 60), Standing::Good);
    assert_eq!(known.standing(&alice(0), 61), Standing::Unheard);
    known.hear(&feed(5, 5, 61, &[]), 61).unwrap();
    assert_eq!(known.standing(&alice(0), 61), Standing::Good);
    known.hear(&feed(5, 5, 200, &[]), 200).unwrap();
    assert_eq!(known.standing(&alice(0), 140), Standing::Good, "the clock was set back a little");
    assert_eq!(known.standing(&alice(0), 139), Standing::Unheard, "too far for this to grow old in time");
}

#[test]
fn news_follow_each_other_or_all_is_told_again() {
    let mut known = Known::new();
    known.hear(&feed(0, 5, 0, &[entry("grant", "g1", 0)]), 0).unwrap();
    known.hear(&feed(5, 6, 1, &[entry("grant", "g2", 0)]), 1).unwrap();
    let second = Identity { grant: Some("g2".into()), ..alice(0) };
    assert_eq!(
        (known.standing(&alice(0), 1), known.standing(&second, 1)),
        (Standing::Revoked, Standing::Revoked)
    );
    // A gap, another store, a number that goes back: nothing changes, and all is asked for.
    let other = |name: &str, value: Value| {
        let mut said = feed(6, 7, 2, &[]);
        said.insert(name.into(), value);
        said
    };
    for said in
        [feed(7, 8, 2, &[]), other("epoch", json!("e2")), other("seq", json!(5)), other("since", json!(5))]
    {
        let mut known = Known::new();
        known.hear(&feed(0, 6, 1, &[entry("grant", "g1", 0)]), 1).unwrap();
        assert!(known.hear(&said, 2).is_err(), "{said:?}");
        assert_eq!(
            (known.standing(&alice(0), 2), known.known.query(0).as_str()),
            (Standing::Revoked, "since=0")
        );
    }
    known.hear(&feed(0, 9, 3, &[]), 3).unwrap();
    assert_eq!(known.standing(&alice(0), 3), Standing::Good, "a whole feed replaces what was known");
}

#[test]
fn what_is_not_right_is_not_heard() {
    let with = |name: &str, value: Value| {
        let mut said = feed(0, 5, 100, &[]);
        said.insert(name.into(), value);
        said
    };
    let bad_entry = |name: &str, value: Value| {
        let mut bad = entry("subject", "alice", 0);
        bad[name] = value;
        with("revocations", json!([bad]))
    };
    for said in [
        with("iss", json!("https://other.example")),
        with("iat", json!(NOW + 103)),
        with("iat", json!(NOW + 37)),
        with("iat", json!("now")),
        with("epoch", json!("a&b")),
        with("epoch", json!("")),
        with("epoch", json!("x".repeat(65))),
        with("seq", json!(-1)),
        with("revocations", json!({})),
        bad_entry("kind", json!("everybody")),
        bad_entry("id", json!("AAAA")),
        bad_entry("id", json!(7)),
        bad_entry("before", json!("x")),
        bad_entry("until", Value::Null),
    ] {
        let mut known = Known::new();
        assert!(known.hear(&said, 100).is_err(), "{said:?}");
        assert_eq!(known.standing(&alice(0), 100), Standing::Unheard);
    }
    assert!(Known::new().hear(&with("iat", json!(NOW + 102)), 100).is_ok());
    assert!(Known::new().hear(&with("iat", json!(NOW + 38)), 100).is_ok());
}

#[test]
fn too_many_are_not_forgotten_but_not_believed() {
    let many = |from: usize, to: usize| -> Vec<Value> {
        (from..to).map(|n| entry("grant", &n.to_string(), 0)).collect()
    };
    let mut known = Known::new();
    known.hear(&feed(0, 1, 0, &many(0, MAX_ROWS)), 0).unwrap();
    assert_eq!(known.standing(&alice(0), 0), Standing::Good);
    assert!(known.hear(&feed(1, 2, 1, &many(MAX_ROWS, MAX_ROWS + 1)), 1).is_err());
    assert_eq!(known.standing(&alice(0), 1), Standing::Unheard);
    let known_grant = Identity { grant: Some("7".into()), ..alice(0) };
    assert_eq!(known.standing(&known_grant, 1), Standing::Revoked);
    let mut known = Known::new();
    assert!(known.hear(&feed(0, 1, 0, &many(0, MAX_ROWS + 1)), 0).is_err());
}

#[test]
fn another_configuration_knows_what_the_last_one_knew() {
    let mut known = Known::new();
    known.hear(&feed(0, 5, 0, &[entry("grant", "g1", 0)]), 0).unwrap();
    let mut next = Revocations::new(&known.issuers);
    next.take_over(0, &known.known, 0);
    assert_eq!(next.standing(0, &alice(0), at(1)), Standing::Revoked);
    assert_eq!(known.standing(&alice(0), 1), Standing::Revoked, "for what goes on under the last one");
}
