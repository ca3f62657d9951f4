use serde_json::json;

use super::*;
use crate::identity::principal::Identity;
use crate::time::Timestamp;

const RESOURCE: &str = "https://gate.example/mcp";

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1000 + secs)
}

fn issuers() -> Vec<Issuer> {
    let document = json!({
        "version": 1,
        "issuers": [{"issuer": "https://auth.example", "algorithms": ["EdDSA"],
                     "jwks": {"cluster": "a", "path": "/k"},
                     "validate": {"cluster": "a", "path": "/v", "remember": "20s"}}],
        "servers": [{"name": "s", "url": RESOURCE, "rules": []}],
    });
    crate::config::compile(document.to_string().as_bytes()).unwrap().guard.issuers
}

fn credential() -> Credential {
    let head = crate::head::RequestHead {
        headers: crate::head::Headers::new(vec![("authorization".into(), b"Bearer opaque".to_vec())]),
        ..Default::default()
    };
    crate::identity::credential::present(&head).unwrap().unwrap().credential
}

fn vouched(until: Timestamp) -> Footing {
    let identity = Identity { expires: at(3600), ..Identity::named("https://auth.example", "alice") };
    let verified = Verified { identity: identity.into(), issuer: 0, key: None, since: at(0), until };
    Footing::of(&verified, Some(credential()), RESOURCE).unwrap()
}

fn answer(members: serde_json::Value) -> Vec<u8> {
    let mut all = json!({"active": true, "iss": "https://auth.example", "sub": "alice", "aud": RESOURCE,
                         "exp": 9000, "iat": 900});
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    all.to_string().into_bytes()
}

#[test]
fn a_word_is_asked_for_again_when_its_time_is_over() {
    let (issuers, mut footing) = (issuers(), vouched(at(20)));
    let memory = Memory::new(&issuers);
    assert_eq!(footing.stands(&memory, at(19)), Standing::Firm);
    assert_eq!(footing.stands(&memory, at(20)), Standing::Ask);
    assert!(footing.ask(at(20)).is_some());
    assert_eq!(footing.stands(&memory, at(20)), Standing::Ask, "until the question is on its way");
    footing.asked(at(20));
    assert_eq!(footing.stands(&memory, at(24)), Standing::Firm, "an answer is on its way");
    assert_eq!(footing.answered(Some(&answer(json!({}))), &issuers, at(21)), Standing::Firm);
    assert_eq!(footing.stands(&memory, at(40)), Standing::Firm);
    assert_eq!(footing.stands(&memory, at(41)), Standing::Ask);
}

#[test]
fn a_token_that_is_no_longer_good_ends_what_rests_on_it() {
    let (issuers, mut footing) = (issuers(), vouched(at(20)));
    for bad in [json!({"active": false}), json!({"aud": "https://other"}), json!({"exp": 1})] {
        assert_eq!(footing.answered(Some(&answer(bad)), &issuers, at(21)), Standing::Gone);
    }
}

#[test]
fn silence_is_borne_for_a_while_and_not_for_ever() {
    let (issuers, mut footing) = (issuers(), vouched(at(20)));
    let memory = Memory::new(&issuers);
    for second in [20, 25, 30, 35, 40, 45] {
        assert_eq!(footing.stands(&memory, at(second)), Standing::Ask, "{second}");
        assert!(footing.ask(at(second)).is_some());
        footing.asked(at(second));
        assert_eq!(footing.answered(None, &issuers, at(second + 1)), Standing::Firm);
        assert_eq!(footing.answered(Some(b"oops"), &issuers, at(second + 1)), Standing::Firm);
    }
    assert_eq!(footing.stands(&memory, at(49)), Standing::Firm);
    assert_eq!(footing.stands(&memory, at(50)), Standing::Gone);
}

#[test]
fn a_word_of_before_the_clock_was_set_back_is_asked_for_again() {
    let issuers = issuers();
    let memory = Memory::new(&issuers);
    let mut footing = vouched(at(3500));
    footing.answered(Some(&answer(json!({}))), &issuers, at(3000));
    assert_eq!(footing.stands(&memory, at(3000)), Standing::Firm);
    assert_eq!(footing.stands(&memory, at(100)), Standing::Ask);
    assert!(footing.ask(at(100)).is_some());
    footing.asked(at(100));
    assert_eq!(footing.stands(&memory, at(104)), Standing::Firm, "an answer is on its way");
    assert_eq!(footing.answered(Some(&answer(json!({}))), &issuers, at(104)), Standing::Firm);
    assert_eq!(
        (footing.stands(&memory, at(123)), footing.stands(&memory, at(124))),
        (Standing::Firm, Standing::Ask)
    );
}

#[test]
fn silence_after_the_clock_was_set_back_is_borne_no_longer_though_nobody_can_be_asked() {
    let mut footing = vouched(at(3500));
    let memory = Memory::new(&issuers());
    footing.answered(Some(&answer(json!({}))), &issuers(), at(3000));
    for second in 100..130 {
        assert_eq!(footing.stands(&memory, at(second)), Standing::Ask, "{second}");
        assert!(footing.ask(at(second)).is_some());
    }
    assert_eq!(footing.stands(&memory, at(130)), Standing::Gone);
}

#[test]
fn a_question_of_before_the_clock_was_set_back_is_asked_again() {
    let mut footing = vouched(at(20));
    let memory = Memory::new(&issuers());
    footing.ask(at(45));
    footing.asked(at(45));
    assert_eq!(footing.stands(&memory, at(45)), Standing::Firm);
    assert_eq!(footing.stands(&memory, at(30)), Standing::Ask);
}

#[test]
fn a_key_that_is_not_published_any_more_supports_nothing() {
    let issuers = issuers();
    let key = jwt_simple::prelude::Ed25519KeyPair::generate();
    let x = base64::Engine::encode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        key.public_key().to_bytes(),
    );
    let set = |kid: &str| {
        let document =
            json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": kid, "alg": "EdDSA", "x": x}]});
        crate::identity::jwks::KeySet::parse(document.to_string().as_bytes()).unwrap()
    };
    let mut memory = Memory::new(&issuers);
    memory.replace_keys(0, set("one"), at(0), at(0));
    let crate::identity::jwks::Pick::One(published) =
        memory.keys.keys(0, at(0)).unwrap().pick(Some("one"), crate::identity::issuer::Algorithm::EdDsa)
    else {
        panic!("no key")
    };
    let who = Arc::new(Identity::named("https://auth.example", "alice"));
    let mut footing = Footing::Key(0, published.mark(), Arc::clone(&who));
    assert_eq!(footing.stands(&memory, at(1)), Standing::Firm);
    assert!(footing.ask(at(1)).is_none());
    memory.replace_keys(0, set("two"), at(0), at(2));
    memory.replace_keys(0, set("one"), at(1), at(3));
    memory.replace_keys(0, set("two"), at(0), at(4));
    assert_eq!(footing.stands(&memory, at(4)), Standing::Firm, "what was asked for earlier is not news");
    memory.replace_keys(0, set("two"), at(2), at(4));
    assert_eq!(footing.stands(&memory, at(4)), Standing::Gone);
    assert_eq!(Footing::Key(7, published_mark(&footing), who).stands(&memory, at(4)), Standing::Gone);
}

fn published_mark(footing: &Footing) -> KeyMark {
    match footing {
        Footing::Key(_, mark, _) => *mark,
        Footing::Word(_) => panic!("no key"),
    }
}
