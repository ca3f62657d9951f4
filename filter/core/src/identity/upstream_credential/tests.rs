//! What is asked, what is believed of the answer, and what could be taken for a credential.

use super::*;

fn source(header: &str) -> Source {
    Source {
        kind: Kind::Exchanged,
        header: header.to_owned(),
        audience: "https://crm.internal".to_owned(),
        scopes: vec!["a".to_owned(), "b".to_owned()],
        at: Destination {
            cluster: "auth".to_owned(),
            authority: "auth".to_owned(),
            path: "/v1/exchange".to_owned(),
            timeout: Duration::from_secs(1),
        },
    }
}

const NOW: Timestamp = Timestamp::from_secs(1_900_000_000);

#[test]
fn a_field_that_a_server_could_take_for_it_is_told() {
    let credential = UpstreamCredential::Static("x-api-key".to_owned());
    for name in ["x-api-key", "X-Api-Key", "x_api_key", "x-api_KEY"] {
        assert!(credential.is_feigned_by(name), "{name}");
    }
    for name in ["x-api-keys", "x-api-ke", "api-key", "x+api+key", ""] {
        assert!(!credential.is_feigned_by(name), "{name}");
    }
}

#[test]
fn an_answer_is_a_credential_with_an_end() {
    let answer = br#"{"active": true, "credential": "a.b-c_d~e==", "expires_in": 65}"#;
    let given = source("authorization").read(Some(answer), NOW).unwrap();
    assert_eq!((given.value.text(), given.until), ("Bearer a.b-c_d~e==", NOW.plus(Duration::from_secs(60))));
    assert!(!format!("{given:?}").contains("a.b"), "{given:?}");
    let given = source("x-wicketgate-identity").read(Some(answer), NOW).unwrap();
    assert_eq!(given.value.text(), "a.b-c_d~e==");
    let brief = br#"{"active": true, "credential": "x", "expires_in": 3}"#;
    assert_eq!(source("authorization").read(Some(brief), NOW).unwrap().until, NOW, "for this request alone");
}

#[test]
fn anything_else_is_none() {
    let long = format!(r#"{{"active": true, "credential": "{}", "expires_in": 9}}"#, "x".repeat(20_000));
    let wide = json!({"active": true, "error": "insufficient_scope", "scope": "x".repeat(2049)}).to_string();
    for answer in [
        None,
        Some(""),
        Some("[]"),
        Some("{}"),
        Some(r#"{"active": "true", "credential": "x", "expires_in": 9}"#),
        Some(r#"{"active": true, "expires_in": 9}"#),
        Some(r#"{"active": true, "credential": 1, "expires_in": 9}"#),
        Some(r#"{"active": true, "credential": "", "expires_in": 9}"#),
        Some(r#"{"active": true, "credential": "x y", "expires_in": 9}"#),
        Some(r#"{"active": true, "credential": "x\r\nx-admin: 1", "expires_in": 9}"#),
        Some(r#"{"active": true, "credential": "x"}"#),
        Some(r#"{"active": true, "credential": "x", "expires_in": 0}"#),
        Some(r#"{"active": true, "credential": "x", "expires_in": -1}"#),
        Some(r#"{"active": true, "credential": "x", "expires_in": 86401}"#),
        Some(r#"{"active": true, "credential": "x", "expires_in": "9"}"#),
        Some(long.as_str()),
        Some(r#"{"active": true, "error": "insufficient_scope"}"#),
        Some(r#"{"active": true, "error": "insufficient_scope", "scope": ""}"#),
        Some(r#"{"active": true, "error": "insufficient_scope", "scope": "a  b"}"#),
        Some(r#"{"active": true, "error": "insufficient_scope", "scope": "a\"b"}"#),
        Some(r#"{"active": true, "error": "insufficient_scope", "scope": ["a"]}"#),
        Some(r#"{"active": true, "error": "invalid_target", "scope": "a"}"#),
        Some(r#"{"active": true, "error": "x", "credential": "x", "expires_in": 9}"#),
        Some(wide.as_str()),
    ] {
        let read = source("authorization").read(answer.map(str::as_bytes), NOW);
        assert_eq!(read, Err(AWAY), "{answer:?}");
    }
    let ended = source("authorization").read(Some(br#"{"active": false}"#), NOW);
    assert!(matches!(ended, Err(Denial::InvalidCredential(_))), "{ended:?}");
    let answer = br#"{"active": true, "error": "insufficient_scope", "scope": "a b"}"#;
    let needs = source("authorization").read(Some(answer), NOW);
    assert_eq!(needs, Err(Denial::UpstreamScope(vec!["a".to_owned(), "b".to_owned()])));
}
