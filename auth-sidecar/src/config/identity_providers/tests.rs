use super::super::Config;
use super::UpstreamKind;
use crate::sealing::SealingKey;

const BASE: &str = r"
issuer: http://127.0.0.1:8080
listen: {public: 127.0.0.1:0, internal: 127.0.0.1:0, admin: 127.0.0.1:0, metrics: 127.0.0.1:0}
store: {embedded: {path: auth.redb}}
resources: [{url: http://127.0.0.1:8080/mcp, scopes: [mcp:read]}]
data_key: {file: SECRET}
";
const OIDC: &str = "{id: x, kind: oidc, issuer: 'https://idp.example', client_id: c, client_secret: {file: SECRET}, \
    claims: {groups: {from: groups, only: [a]}}, allow: {everyone: true}}";
const GITHUB: &str = "{id: gh, kind: github, client_id: c, client_secret: {file: SECRET}, \
    claims: {groups: {from: teams, names: {'7': eng}}}, allow: {users: [1]}}";

fn parse(providers: &[&str], more: &str) -> Result<Config, String> {
    let list: String = providers.iter().map(|one| format!("  - {one}\n")).collect();
    parse_with(&format!("{more}identity_providers:\n{list}"))
}

/// A configuration with these further keys; `SECRET` is a file with one.
pub(in crate::config) fn parse_with(more: &str) -> Result<Config, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), SealingKey::generate_base64().unwrap()).unwrap();
    let text = format!("{BASE}{more}").replace("SECRET", file.path().to_str().unwrap());
    Config::parse(&text).map_err(|error| error.to_string())
}

#[test]
fn what_is_left_out_is_usual() {
    let config = parse(&[OIDC, GITHUB], "").unwrap();
    let [oidc, github] = config.identity_providers.as_slice() else { panic!("two") };
    assert_eq!((oidc.label.as_str(), oidc.scopes.as_slice()), ("x", ["openid".to_owned()].as_slice()));
    assert_eq!(oidc.remember_for.as_secs(), 7 * 24 * 3600);
    let UpstreamKind::Oidc { algorithms, userinfo, prompt } = &oidc.kind else { panic!("kind") };
    assert_eq!((algorithms.len(), *userinfo, *prompt), (4, false, "login"));
    assert_eq!(
        (github.issuer.as_str(), github.scopes.as_slice()),
        ("https://github.com", ["read:org".to_owned()].as_slice())
    );
    let UpstreamKind::Github { api } = &github.kind else { panic!("kind") };
    assert_eq!(api.as_str(), "https://api.github.com/");
    let enterprise = GITHUB.replace("kind: github", "kind: github, base_url: 'https://ghe.example'");
    let UpstreamKind::Github { api } = &parse(&[&enterprise], "").unwrap().identity_providers[0].kind else {
        panic!("kind")
    };
    assert_eq!(api.as_str(), "https://ghe.example/api/v3");
    assert!(!format!("{config:?}").contains(config.identity_providers[0].client_secret.expose()));
}

#[test]
fn every_mistake_is_refused_with_its_place() {
    for (from, to, wanted) in [
        ("id: x", "id: X", "identity_providers[0].id: must be 1 to 32"),
        ("id: x", "id: ''", "identity_providers[0].id"),
        ("id: x", "id: x, label: ''", "identity_providers[0].label"),
        ("id: x", "id: x, lable: y", "identity_providers[0]"),
        ("kind: oidc", "kind: saml", "identity_providers[0].kind"),
        (
            "kind: oidc, issuer: 'https://idp.example'",
            "kind: oidc",
            "identity_providers[0].issuer: is needed",
        ),
        ("https://idp.example", "http://idp.example", "identity_providers[0].issuer: must be https"),
        ("https://idp.example", "https://idp.example?x", "identity_providers[0].issuer"),
        ("https://idp.example", "https://u:p@idp.example", "identity_providers[0].issuer"),
        ("client_id: c", "client_id: ''", "identity_providers[0].client_id"),
        ("client_secret: {file: SECRET}", "client_secret: topsecret", "identity_providers[0].client_secret"),
        (
            "allow:",
            "base_url: 'https://x.example', allow:",
            "identity_providers[0].base_url: is for kind github",
        ),
        ("allow:", "scopes: [profile], allow:", "identity_providers[0].scopes: must have openid"),
        ("allow:", "scopes: [openid, 'a b'], allow:", "identity_providers[0].scopes[1]"),
        ("allow:", "signing_algs: [HS256], allow:", "identity_providers[0].signing_algs[0]"),
        ("allow:", "signing_algs: [none], allow:", "identity_providers[0].signing_algs[0]"),
        ("allow:", "signing_algs: [], allow:", "identity_providers[0].signing_algs"),
        ("allow:", "remember_for: 1s, allow:", "identity_providers[0].remember_for: must lie"),
        (", allow: {everyone: true}", "", "allow"),
        ("everyone: true", "everyone: false", "identity_providers[0].allow: needs either"),
        ("everyone: true", "everyone: true, subjects: [a]", "identity_providers[0].allow: needs either"),
        ("everyone: true", "subjects: []", "identity_providers[0].allow: needs either"),
        ("everyone: true", "claims: {hd: []}", "identity_providers[0].allow.claims.hd"),
        ("everyone: true", "users: [1]", "identity_providers[0].allow.users: is for kind github"),
        ("only: [a]", "only: []", "identity_providers[0].claims.groups.names"),
        ("only: [a]", "only: [a], names: {a: b}", "identity_providers[0].claims.groups.only"),
        ("from: groups", "from: /", "identity_providers[0].claims.groups.from"),
    ] {
        assert!(OIDC.contains(from), "{from}");
        let error = parse(&[&OIDC.replacen(from, to, 1)], "").unwrap_err();
        assert!(error.contains(wanted) && !error.contains("topsecret"), "{to}: {error}");
    }
    for (from, to, wanted) in [
        (
            "kind: github",
            "kind: github, issuer: 'https://x.example'",
            "identity_providers[0].issuer: is for kind oidc",
        ),
        ("kind: github", "kind: github, userinfo: true", "identity_providers[0].userinfo: is for kind oidc"),
        ("kind: github", "kind: github, base_url: 'https://x.example/'", "identity_providers[0].base_url"),
        ("users: [1]", "users: [octocat]", "identity_providers[0].allow.users[0]"),
        ("users: [1]", "subjects: ['1']", "identity_providers[0].allow.subjects: is for kind oidc"),
        ("from: teams", "from: login", "identity_providers[0].claims.groups.from"),
        (", names: {'7': eng}", "", "identity_providers[0].claims.groups.names"),
    ] {
        let error = parse(&[&GITHUB.replacen(from, to, 1)], "").unwrap_err();
        assert!(error.contains(wanted), "{to}: {error}");
    }
}

#[test]
fn nobody_is_two() {
    let twice = parse(&[OIDC, &OIDC.replace("idp.example", "other.example")], "").unwrap_err();
    assert_eq!(twice, "identity_providers[1].id: is listed twice");
    let same = parse(&[OIDC, &OIDC.replace("id: x", "id: y")], "").unwrap_err();
    assert_eq!(same, "identity_providers[1]: is the same issuer as another one");
    let user = "users: [{name: 'https://idp.example#1', password: {file: SECRET}}]\n";
    assert!(parse(&[OIDC], user).unwrap_err().starts_with("users[0].name: must not be a URL"));
}

#[test]
fn rules_have_a_digest_of_all_that_counts() {
    let digest = |provider: &str| parse(&[provider], "").unwrap().identity_providers[0].rules.digest();
    assert!(digest(OIDC).matches(&digest(&OIDC.replace("client_id: c", "client_id: d"))));
    for (from, to) in [
        ("only: [a]", "only: [a, b]"),
        ("only: [a]", "names: {a: b}"),
        ("from: groups", "from: roles"),
        ("groups: {", "roles: {"),
        ("only: [a]", "only: [a], prefix: 'x:'"),
        ("everyone: true", "subjects: [a]"),
        ("everyone: true", "claims: {hd: [a]}"),
    ] {
        assert!(!digest(OIDC).matches(&digest(&OIDC.replace(from, to))), "{to}");
    }
}
