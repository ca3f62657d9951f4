use super::super::Config;
use super::super::identity_providers::tests::parse_with;
use super::{Check, TokenType};

const KEYS: &str = "{id: x, issuer: 'https://idp.example/', audiences: {'http://127.0.0.1:8080/mcp': [api]}, \
    allow: {everyone: true}}";
const ASKED: &str = "{id: x, issuer: 'https://idp.example/', audiences: {'http://127.0.0.1:8080/mcp': [api]}, \
    introspection: {url: 'https://idp.example/introspect', client_id: c, client_secret: {file: SECRET}}, \
    allow: {everyone: true}}";

fn parse(issuers: &[&str], more: &str) -> Result<Config, String> {
    let list: String = issuers.iter().map(|one| format!("  - {one}\n")).collect();
    parse_with(&format!("{more}external_issuers:\n{list}"))
}

#[test]
fn what_is_left_out_is_usual() {
    let config = parse(&[KEYS], "").unwrap();
    let one = &config.external_issuers[0];
    let Check::Keys { jwks_uri, algorithms, token_type } = &one.check else { panic!("check") };
    assert_eq!((jwks_uri, algorithms.len(), *token_type), (&None, 4, TokenType::AccessToken));
    assert_eq!((one.max_age.as_secs(), one.scopes.from.pointer()), (86_400, "/scope"));
    let config = parse(&[ASKED], "").unwrap();
    let Check::Introspection(how) = &config.external_issuers[0].check else { panic!("check") };
    assert_eq!((how.client_id.as_str(), how.prefix.as_str()), ("c", ""));
    assert!(!format!("{config:?}").contains(how.client_secret.expose()));
}

#[test]
fn every_mistake_is_refused_with_its_place() {
    for (base, from, to, wanted) in [
        (KEYS, "id: x", "id: X", "external_issuers[0].id: must be 1 to 32"),
        (KEYS, "id: x", "id: x, isuer: y", "external_issuers[0]"),
        (KEYS, "https://idp.example/", "http://idp.example/", "external_issuers[0].issuer: must be https"),
        (KEYS, "https://idp.example/", "http://127.0.0.1:8080", "external_issuers[0].issuer: is ours"),
        (
            KEYS,
            "audiences: {'http://127.0.0.1:8080/mcp': [api]}",
            "audiences: {}",
            "external_issuers[0].audiences",
        ),
        (KEYS, "[api]", "[]", "external_issuers[0].audiences: must name"),
        (KEYS, "[api]", "[api, '']", "external_issuers[0].audiences: must name"),
        (
            KEYS,
            "8080/mcp",
            "8080/mcp2",
            "external_issuers[0].audiences.http://127.0.0.1:8080/mcp2: is not among",
        ),
        (
            KEYS,
            "id: x",
            "id: x, jwks_uri: 'http://idp.example/jwks'",
            "external_issuers[0].jwks_uri: must be https",
        ),
        (KEYS, "id: x", "id: x, signing_algs: []", "external_issuers[0].signing_algs: must name"),
        (KEYS, "id: x", "id: x, signing_algs: [HS256]", "external_issuers[0].signing_algs[0]"),
        (KEYS, "id: x", "id: x, token_type: jwt", "external_issuers[0].token_type"),
        (KEYS, "id: x", "id: x, max_age: 1s", "external_issuers[0].max_age: must lie"),
        (KEYS, "id: x", "id: x, client_from: ''", "external_issuers[0].client_from"),
        (KEYS, "id: x", "id: x, required_claims: {ver: []}", "external_issuers[0].required_claims.ver"),
        (KEYS, "id: x", "id: x, scopes: {from: scp, only: []}", "external_issuers[0].scopes.names"),
        (KEYS, "everyone: true", "everyone: false", "external_issuers[0].allow: needs either"),
        (
            ASKED,
            "id: x",
            "id: x, jwks_uri: 'https://idp.example/k'",
            "external_issuers[0].jwks_uri: has no use",
        ),
        (ASKED, "id: x", "id: x, token_type: JWT", "external_issuers[0].token_type: has no use"),
        (ASKED, "{file: SECRET}", "topsecret", "external_issuers[0].introspection"),
        (ASKED, "client_id: c", "client_id: ''", "external_issuers[0].introspection.client_id"),
        (
            ASKED,
            "https://idp.example/introspect",
            "http://x.example/i",
            "external_issuers[0].introspection.url",
        ),
        (ASKED, "client_id: c", "client_id: c, prefix: ma_x", "external_issuers[0].introspection.prefix"),
        (ASKED, "client_id: c", "client_id: c, prefix: m", "external_issuers[0].introspection.prefix"),
    ] {
        assert!(base.contains(from), "{from}");
        let error = parse(&[&base.replacen(from, to, 1)], "").unwrap_err();
        assert!(error.contains(wanted) && !error.contains("topsecret"), "{to}: {error}");
    }
}

#[test]
fn nobody_is_two() {
    let twice = parse(&[KEYS, &KEYS.replace("idp.example", "other.example")], "").unwrap_err();
    assert_eq!(twice, "external_issuers[1].id: is listed twice");
    let same = parse(&[KEYS, &ASKED.replace("id: x", "id: y")], "").unwrap_err();
    assert_eq!(same, "external_issuers[1]: is the same issuer as another one");
    let user = "users: [{name: 'https://idp.example/#1', password: {file: SECRET}}]\n";
    assert!(parse(&[KEYS], user).unwrap_err().starts_with("users[0].name: must not be a URL"));
}
