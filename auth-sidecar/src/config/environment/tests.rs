use std::collections::BTreeSet;

use super::super::{Config, tests};

/// The usual document under these variables.
fn under(variables: &[(&str, &str)]) -> Result<Config, String> {
    let named = |(name, value): &(&str, &str)| (format!("WICKETGATE_AUTH__{name}").into(), (*value).into());
    let other = ("WICKETGATE_AUTH_SERVICE_HOST".into(), "10.0.0.1".into());
    tests::parse_under(tests::GOOD, variables.iter().map(named).chain([other]))
}

#[test]
fn every_kind_of_value_can_be_overridden() {
    let seconds = |config: &Config| config.lifetimes.access_token.as_secs();
    let config = under(&[
        ("LIFETIMES__ACCESS_TOKEN", "5m"),
        ("LISTEN__PUBLIC", "127.0.0.1:9"),
        ("REGISTRATION__PER_HOUR", "7"),
        ("REGISTRATION__OPEN", "false"),
        ("REQUIRE_PUSHED_AUTHORIZATION_REQUESTS", "true"),
        ("SIGNING__ALGORITHM", "EdDSA"),
        ("ADDRESSES_FILE", "/run/addresses.json"),
        ("RESOURCES__0__DEFAULT_SCOPES", "[mcp:write]"),
        ("RESOURCES__1", "{url: 'http://127.0.0.1:8080/more', scopes: [more:use]}"),
        ("RESOURCES__2__URL", "http://127.0.0.1:8080/most"),
        ("LOGIN", "{per_account: 3, window: 1m}"),
        ("USERS__0__ORG", "0042"),
        ("CLIENTS__0__NAME", "true"),
        ("CLIENTS__0__REDIRECT_URIS__1", "https://app.example/second"),
        ("AUDIT__FILE", "audit.jsonl"),
    ])
    .unwrap();
    assert_eq!((seconds(&config), config.listen.public.address.port()), (300, 9));
    assert_eq!((config.registration.per_hour, config.registration.open), (7, false));
    assert!(config.require_pushed);
    assert_eq!(config.signing.algorithm.as_str(), "EdDSA");
    assert_eq!(config.addresses_file.as_deref(), Some("/run/addresses.json".as_ref()));
    let scopes = |url: &str| config.resources.exactly(url).map(|one| one.default_scopes.to_string());
    assert_eq!(scopes("http://127.0.0.1:8080/mcp").as_deref(), Some("mcp:write"));
    assert_eq!(scopes("http://127.0.0.1:8080/more").as_deref(), Some("more:use"));
    assert_eq!(scopes("http://127.0.0.1:8080/most").as_deref(), Some(""));
    assert_eq!((config.login.per_account, config.login.per_address), (3, 200), "a section as a whole");
    assert_eq!(config.users[0].org.as_deref(), Some("0042"), "a text that looks like a number");
    assert_eq!(config.clients[0].name.as_deref(), Some("true"));
    assert_eq!(config.clients[0].redirect_uris.len(), 2);
    let named: BTreeSet<_> = config.overrides.iter().map(String::as_str).collect();
    assert!(named.contains("WICKETGATE_AUTH__USERS__0__ORG") && named.len() == 15, "{named:?}");
}

#[test]
fn secrets_stay_references() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), crate::sealing::SealingKey::generate_base64().unwrap()).unwrap();
    let path = file.path().to_str().unwrap();
    let config = under(&[("DATA_KEY", &format!("{{file: {path}}}"))]).unwrap();
    let same = under(&[("DATA_KEY__FILE", path)]).unwrap();
    assert_eq!(config.data_key.digest("x").encoded(), same.data_key.digest("x").encoded());
    for (name, place) in [
        ("DATA_KEY", "data_key"),
        ("USERS__0__PASSWORD", "users[0].password"),
        ("CLIENTS__0__SECRET", "clients[0].secret"),
    ] {
        let error = under(&[(name, "hunter2-hunter2")]).unwrap_err();
        assert!(error.starts_with(&format!("{place}: a secret stands here by reference only")), "{error}");
        assert!(error.ends_with(&format!("(set by WICKETGATE_AUTH__{name})")), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn every_mistake_names_its_place_and_its_variable() {
    for (name, value, wanted) in [
        ("LIFETIMES__ACCESS_TOKEN", "2h", "lifetimes.access_token: must lie between"),
        ("LIFETIMES__ACCESS_TOKEN", "10", "lifetimes.access_token: "),
        ("LIFETIMES__ACCES_TOKEN", "5m", "lifetimes.acces_token: unknown field `acces_token`"),
        ("LIFETIMES", "{acces_token: 5m}", "lifetimes.acces_token: unknown field `acces_token`"),
        ("LIFETIME__CODE", "5m", "lifetime: unknown field `lifetime`"),
        ("ISUER", "https://x.example", "isuer: unknown field `isuer`"),
        ("ISSUER", "http://auth.example", "issuer: must be https"),
        ("LISTEN__PUBLIC", "nowhere", "listen.public: "),
        ("REGISTRATION__OPEN", "perhaps", "registration.open: "),
        ("CLIENTS__7__ID", "web", "clients[7]: the list has 1 entries"),
        ("CLIENTS__WEB__ID", "web", "clients: is a list: a number is due, not web"),
        ("ISSUER__X", "y", "issuer: is a value and has no x"),
        ("USERS__1__NAME", "bob", "users[1]: needs either `password` or `password_hash`"),
        ("RESOURCES__0__URL", "nowhere", "resources[0].url: must be an absolute URL"),
        ("STORE__EMBEDDED__PAHT", "x", "store.embedded.paht: unknown field `paht`"),
    ] {
        let error = under(&[(name, value)]).unwrap_err();
        assert!(error.starts_with(wanted), "{name}: {error}");
        let (_, who) = error.rsplit_once('(').unwrap();
        let variable = format!("WICKETGATE_AUTH__{name}");
        assert!(
            [format!("set by {variable})"), format!("{variable} sets a part of it)")].contains(&who.into()),
            "{error}"
        );
    }
    for (name, value, wanted) in [
        ("LISTEN____PUBLIC", "x", "names no key"),
        ("", "x", "names no key"),
        ("ISSUER", " ", "is empty"),
        ("ISSUER", "[", "is not YAML"),
    ] {
        let error = under(&[(name, value)]).unwrap_err();
        assert!(error.starts_with(&format!("WICKETGATE_AUTH__{name}: {wanted}")), "{error}");
    }
}

#[test]
fn a_mistake_of_the_document_blames_no_variable() {
    let variables = [("WICKETGATE_AUTH__LIFETIMES__CODE".into(), "30s".into())].into_iter();
    let error = tests::parse_under(&tests::GOOD.replace("10m", "2h"), variables).unwrap_err();
    assert_eq!(error, "lifetimes.access_token: must lie between 1s and 3600s");
    let variables = [("WICKETGATE_AUTH__LIFETIMES__CODE".into(), "30s".into())].into_iter();
    let error = tests::parse_under(&format!("{}\nissuer: again\n", tests::GOOD), variables).unwrap_err();
    assert!(error.contains("duplicate"), "as without variables: {error}");
}

#[test]
fn the_digest_is_that_of_all_that_was_said() {
    let digest = |variables: &[(&str, &str)]| under(variables).unwrap().digest;
    assert_ne!(digest(&[("LIFETIMES__CODE", "30s")]), digest(&[("LIFETIMES__CODE", "31s")]));
}
