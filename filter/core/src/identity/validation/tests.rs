use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::callout::Destination;
use crate::denial::Denial;
use crate::head::{Headers, RequestHead};
use crate::identity::credential::present;
use crate::identity::issuer::{Algorithm, ClaimNames, JwksSource, TokenType};

const AUDIENCE: &str = "https://gate.example/mcp";

fn issuer() -> Issuer {
    let (cluster, authority, path) = ("c".into(), "a".into(), "/".into());
    let second = Duration::from_secs(1);
    Issuer {
        revocations: None,
        issuer: "https://auth.example".into(),
        algorithms: vec![Algorithm::Es256],
        skew: Duration::ZERO,
        jwks: JwksSource {
            at: Destination { cluster, authority, path, timeout: second },
            refresh: second,
            max_stale: second,
        },
        validate: None,
        claims: ClaimNames::default(),
        token_type: TokenType::AccessToken,
    }
}

fn claims() -> Value {
    json!({"active": true, "token_type": "Bearer", "iss": "https://auth.example", "sub": "alice", "aud": AUDIENCE,
        "exp": 2000, "iat": 900, "jti": "j", "client_id": "c1", "scope": "mcp:read", "grant_id": "g"})
}

fn read_at(answer: &Value, now: u64) -> Result<Identity, Fault> {
    read(Some(answer.to_string().as_bytes()), &issuer(), AUDIENCE, Timestamp::from_secs(now))
        .map(|(who, _)| who)
}

#[test]
fn an_active_token_names_its_holder() {
    let identity = read_at(&claims(), 1000).unwrap();
    assert_eq!((identity.subject.as_str(), identity.client.as_deref()), ("alice", Some("c1")));
    assert_eq!(
        (identity.scopes, identity.expires),
        (vec!["mcp:read".to_owned()], Timestamp::from_secs(2000))
    );
}

#[test]
fn what_is_not_alive_or_not_for_us_is_refused() {
    let changed = |key: &str, value: Value| {
        let mut claims = claims();
        claims[key] = value;
        read_at(&claims, 1000)
    };
    assert_eq!(read_at(&json!({"active": false}), 1000), Err(Fault::Invalid("not active")));
    assert_eq!(
        changed("aud", json!("https://other.example")),
        Err(Fault::Invalid("aud is not this resource"))
    );
    assert_eq!(
        changed("iss", json!("https://evil.example")),
        Err(Fault::Invalid("iss is not the issuer that was asked"))
    );
    assert_eq!(read_at(&claims(), 2000), Err(Fault::Invalid("expired")));
    assert!(matches!(changed("cnf", json!({})), Err(Fault::Invalid(_))));
    assert_eq!(changed("token_type", json!("dpop")), Err(Fault::Invalid("bound, but not said to which key")));
    assert!(matches!(changed("sub", json!(1)), Err(Fault::Invalid(_))));
}

#[test]
fn what_is_no_answer_is_no_refusal_either() {
    for answer in [
        "",
        "{}",
        "[]",
        "null",
        "nonsense",
        r#"{"active":"true"}"#,
        r#"{"active":1}"#,
        r#"{"active":null}"#,
        r#"{"active":false,"active":true}"#,
    ] {
        let read = read(Some(answer.as_bytes()), &issuer(), AUDIENCE, Timestamp::from_secs(1000));
        assert_eq!(read, Err(Fault::Unanswered), "{answer}");
    }
    assert_eq!(Denial::from(Fault::Unanswered), Denial::Unavailable("token validation"));
}

#[test]
fn a_token_of_three_parts_is_a_jwt_and_no_other_is() {
    for opaque in ["abc", "a.b", "a.b.c.d", "wgat_Zm9v", "."] {
        assert!(is_opaque(opaque), "{opaque}");
    }
    for jwt in ["a.b.c", "..", "eyJ.e30.x"] {
        assert!(!is_opaque(jwt), "{jwt}");
    }
}

#[test]
fn the_question_holds_the_token_and_its_debug_does_not() {
    let headers = Headers::new(vec![("authorization".into(), b"Bearer s3cr3t".to_vec())]);
    let credential = present(&RequestHead { headers, ..RequestHead::default() }).unwrap().unwrap();
    let question = Question::new(0, credential.credential, AUDIENCE.into());
    let body: Value = serde_json::from_slice(&question.body()).unwrap();
    assert_eq!(body, json!({"token": "s3cr3t", "resource": AUDIENCE}));
    assert!(!format!("{question:?}").contains("s3cr3t"));
}
