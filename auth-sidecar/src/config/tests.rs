use std::ffi::OsString;

use super::Config;

mod redis;

pub(super) const GOOD: &str = r"
issuer: http://127.0.0.1:8080
listen: {public: 127.0.0.1:0, internal: 127.0.0.1:0, admin: 127.0.0.1:0, metrics: 127.0.0.1:0}
store: {embedded: {path: auth.redb}}
resources:
  - url: http://127.0.0.1:8080/mcp
    scopes: [mcp:read, mcp:write]
    default_scopes: [mcp:read]
signing: {algorithm: ES256}
data_key: {file: DATA_KEY}
registration: {open: true}
lifetimes: {access_token: 10m}
users:
  - {name: alice, password: {file: DATA_KEY}, groups: [engineering]}
clients:
  - {id: web, secret: {file: DATA_KEY}, redirect_uris: ['https://app.example/cb'], scopes: [mcp:read]}
";

/// The document with a real key file in place of `DATA_KEY`.
fn parse(text: &str) -> Result<Config, String> {
    parse_under(text, std::iter::empty())
}

/// The same with what these variables say otherwise.
pub(super) fn parse_under(
    text: &str,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Config, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), crate::sealing::SealingKey::generate_base64().unwrap() + "\n").unwrap();
    let text = text.replace("DATA_KEY", file.path().to_str().unwrap());
    Config::parse_under(&text, variables).map_err(|error| error.to_string())
}

#[test]
fn a_good_document_compiles() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.issuer.as_str(), "http://127.0.0.1:8080");
    assert_eq!(config.lifetimes.access_token.as_secs(), 600);
    assert_eq!(config.lifetimes.refresh_absolute.as_secs(), 90 * 24 * 3600);
    assert_eq!(config.resources.implied().unwrap().default_scopes.to_string(), "mcp:read");
    assert_eq!(config.resources.named("HTTP://127.0.0.1:8080/mcp").unwrap().url, "http://127.0.0.1:8080/mcp");
    assert!(config.resources.named("http://127.0.0.1:8080/mcp#x").is_none());
    assert_eq!(config.clients.len(), 1);
}

#[test]
fn every_mistake_is_refused_with_its_place() {
    let cases = [
        ("issuer: http", "isuer: http", "isuer"),
        ("issuer: http://127.0.0.1:8080", "issuer: http://auth.example", "issuer: must be https"),
        ("path: auth.redb", "file: auth.redb", "store.embedded"),
        ("embedded: {path: auth.redb}", "", "store: has one of `embedded` and `redis`"),
        ("{path: auth.redb}", "{path: auth.redb}, redis: {url: {file: DATA_KEY}}", "store: has one of"),
        ("embedded: {path: auth.redb}", "redis: {url: redis://x}", "store.redis.url: a secret stands here"),
        ("embedded: {path: auth.redb}", "redis: {url: {file: DATA_KEY}}", "store.redis.url: is `redis://"),
        ("registration:", "audit: {path: x}\nregistration:", "audit.path"),
        (
            "registration:",
            "telemetry: {otlp: {endpoint: 'x:y'}}\nregistration:",
            "telemetry.otlp.endpoint: must be",
        ),
        (
            "registration:",
            "telemetry: {otlp: {endpoint: 'http://u:p@x/'}}\nregistration:",
            "telemetry.otlp.endpoint: must be",
        ),
        (
            "registration:",
            "telemetry: {otlp: {endpoint: 'http://x/', sample: 2}}\nregistration:",
            "telemetry.otlp.sample: is from 0 to 1",
        ),
        (
            "registration:",
            "telemetry: {otlp: {endpoint: 'http://x/', headers: {authorization: Bearer}}}\nregistration:",
            "telemetry.otlp.headers.authorization: a secret stands here by reference only",
        ),
        (
            "registration:",
            "telemetry: {otlp: {endpoint: 'http://x/', headers: {'no header': {file: DATA_KEY}}}}\nregistration:",
            "telemetry.otlp.headers.no header: is no header",
        ),
        ("access_token: 10m", "access_token: 10", "lifetimes.access_token"),
        ("access_token: 10m", "access_token: 2h", "lifetimes.access_token: must lie between"),
        ("access_token: 10m", "acces_token: 1m", "lifetimes"),
        ("default_scopes: [mcp:read]", "default_scopes: [mcp:admin]", "resources[0].default_scopes"),
        ("scopes: [mcp:read, mcp:write]", "scopes: ['a b']", "resources[0].scopes"),
        ("algorithm: ES256", "algorithm: HS256", "signing.algorithm"),
        ("algorithm: ES256", "id_token: none", "signing.id_token"),
        ("algorithm: ES256", "publish_before: 60s", "signing.publish_before: must lie between"),
        ("algorithm: ES256", "rotate_every: 1h", "signing.rotate_every: must be at least"),
        ("algorithm: ES256", "rotate: 30d", "signing"),
        ("registration: {open: true}", "dpop: {nonce: true}", "dpop"),
        ("access_token: 10m", "pushed_request: 1h", "lifetimes.pushed_request: must lie between"),
        ("access_token: 10m", "device_code: 10s", "lifetimes.device_code: must lie between"),
        ("default_scopes: [mcp:read]", "access_tokens: paseto", "resources[0].access_tokens"),
        (
            "default_scopes: [mcp:read]",
            "default: true\n  - {url: 'https://b.example', default: true}",
            "resources[1].default: is true of another",
        ),
        ("id: web,", "id: web, access_tokens: random,", "clients[0].access_tokens"),
        (
            "id: web,",
            "id: web, id_token_signed_response_alg: HS256,",
            "clients[0].id_token_signed_response_alg",
        ),
        ("id: web,", "id: web, id_token_signed_response_alg: EdDSA,", "no such key is held"),
        ("data_key: {file: DATA_KEY}", "data_key: {file: /nonexistent}", "data_key: cannot read"),
        (
            "data_key: {file: DATA_KEY}",
            "data_key: {env: WICKETGATE_TEST_UNSET}",
            "data_key: environment variable",
        ),
        ("groups: [engineering]", "password_hash: x", "users[0]: needs either"),
        ("password: {file: DATA_KEY}", "password_hash: '$2b$10$abc'", "users[0].password_hash"),
        ("https://app.example/cb", "http://app.example/cb", "clients[0].redirect_uris[0]"),
        (
            "id: web,",
            "id: web, post_logout_redirect_uris: ['https://a.example/', 'http://a.example/'],",
            "clients[0].post_logout_redirect_uris[1]",
        ),
        (
            "id: web, secret: {file: DATA_KEY}",
            "id: web, introspects: ['http://127.0.0.1:8080/mcp']",
            "introspects",
        ),
        ("open: true", "open: true, initial_access_tokens: [abc]", "registration.initial_access_tokens"),
        ("open: true", "private_use_schemes: [javascript]", "registration.private_use_schemes: this scheme"),
        ("open: true", "private_use_schemes: cursor", "true, false or a list of schemes"),
        (
            "open: true",
            "open: true, initial_access_tokens: [{env: WICKETGATE_TEST_UNSET}]",
            "registration.initial_access_tokens[0]: environment",
        ),
        (
            "open: true",
            "open: true, client_credentials_scopes: ['a b']",
            "registration.client_credentials_scopes",
        ),
        ("signing:", "cimd: {enable: true}\nsigning:", "cimd"),
        ("signing:", "grants: {per_hour: 1}\nsigning:", "grants"),
        ("signing:", "fetch: {private_hosts: ['localhost:1']}\nsigning:", "fetch.private_hosts[0]"),
        ("signing:", "fetch: {private_hosts: [Localhost]}\nsigning:", "fetch.private_hosts[0]"),
        ("signing:", "fetch: {ca_file: /nonexistent}\nsigning:", "fetch.ca_file: cannot read"),
        ("signing:", "fetch: {ca_file: DATA_KEY}\nsigning:", "fetch.ca_file: holds no"),
        ("admin: 127.0.0.1:0", "admin: 0.0.0.0:0", "admin.token: is needed"),
        ("signing:", "admin: {token: {env: WICKETGATE_TEST_UNSET}}\nsigning:", "admin.token: environment"),
        ("signing:", "admin: {token: abc}\nsigning:", "admin.token"),
        ("signing:", "admin: {tokens: []}\nsigning:", "admin"),
        ("id: web", "id: 'https://web.example/c.json'", "clients[0].id"),
        ("id: web", "id: alice, grant_types: [client_credentials]", "clients[0].id: is also"),
        ("scopes: [mcp:read]}\n", "grant_types: [client_credentials]}\n", "clients[0].grant_types"),
        (
            "id: web, secret: {file: DATA_KEY}",
            "id: web, grant_types: [client_credentials]",
            "clients[0].grant_types",
        ),
        ("id: web", "id: web, jwks_uri: 'https://web.example/jwks'", "clients[0].jwks"),
        ("id: web", "id: web, auth_method: private_key_jwt", "clients[0].secret"),
        (
            "id: web, secret: {file: DATA_KEY}",
            "id: web, auth_method: private_key_jwt",
            "clients[0].jwks: or jwks_uri",
        ),
        (
            "id: web, secret: {file: DATA_KEY}",
            "id: web, jwks: {keys: [{kty: oct, k: AA}]}",
            "clients[0].jwks: holds a private",
        ),
        ("id: web, secret: {file: DATA_KEY}", "id: web, jwks: {keys: []}", "clients[0].jwks: holds no key"),
        (
            "id: web, secret: {file: DATA_KEY}",
            "id: web, jwks_uri: 'http://web.example/'",
            "clients[0].jwks_uri: must",
        ),
        ("id: web", "id: web, signing_alg: HS256", "clients[0].signing_alg"),
    ];
    assert_each_is_refused(GOOD, &cases);
}

/// Each change makes the good document one that is refused with these words.
fn assert_each_is_refused(good: &str, cases: &[(&str, &str, &str)]) {
    for (from, to, wanted) in cases {
        assert!(good.contains(from), "the case is stale: {from}");
        let message = parse(&good.replacen(from, to, 1)).expect_err(to);
        assert!(message.contains(wanted), "{to}: {message}");
    }
}

/// A client that exchanges tokens, appended to [`GOOD`] with another resource.
const EXCHANGE: &str = r"
  - {id: g, secret: {file: DATA_KEY}, grant_types: ['urn:ietf:params:oauth:grant-type:token-exchange'], scopes: [x]}
token_exchange:
  - {client: g, from: 'http://127.0.0.1:8080/mcp', to: 'https://b.example/mcp'}
";

#[test]
fn who_exchanges_tokens_is_listed_and_proves_who_it_is() {
    let good = GOOD.replace("signing:", "  - {url: 'https://b.example/mcp', scopes: [x]}\nsigning:");
    let good = good + EXCHANGE.trim_start_matches('\n');
    let config = parse(&good).unwrap();
    let [exchange] = config.exchanges.as_slice() else { panic!("one") };
    assert_eq!((exchange.client.as_str(), exchange.to.as_str()), ("g", "https://b.example/mcp"));
    let from = "from: 'http://127.0.0.1:8080/mcp'";
    let to = "to: 'https://b.example/mcp'";
    let rule = format!("  - {{client: g, {from}, {to}}}\n");
    let grants = "grant_types: ['urn:ietf:params:oauth:grant-type:token-exchange'], ";
    let cases = [
        ("client: g", "client: h", "token_exchange[0].client: is not among"),
        ("client: g", "client: web", "token_exchange[0].client: is not among"),
        ("client: g", "client: g, scopes: [x]", "token_exchange[0]"),
        (from, "from: 'https://c.example/mcp'", "token_exchange[0].from"),
        (from, "from: 'HTTP://127.0.0.1:8080/mcp'", "token_exchange[0].from"),
        (to, "to: 'https://c.example/mcp'", "token_exchange[0].to: is not among"),
        (to, "to: 'http://127.0.0.1:8080/mcp'", "token_exchange[0].to: must be another"),
        (&rule, &rule.repeat(2), "token_exchange[1]: is listed twice"),
        (&rule, "  []\n", "clients[1].grant_types: a client that exchanges tokens"),
        ("id: g, secret: {file: DATA_KEY}, ", "id: g, ", "clients[1].grant_types: urn:ietf"),
        (", scopes: [x]}\ntoken", "}\ntoken", "clients[1].grant_types: urn:ietf"),
        (grants, "", "token_exchange[0].client"),
        ("token_exchange:", "gateway_client: web\ntoken_exchange:", "gateway_client: is not a client of"),
    ];
    assert_each_is_refused(&good, &cases);
    assert_eq!(config.gateway_client, None);
    let gateway = good.replace("token_exchange:", "gateway_client: g\ntoken_exchange:");
    assert_eq!(parse(&gateway).unwrap().gateway_client.as_deref(), Some("g"));
}

/// Whose assertions count, appended to [`GOOD`]: a provider of sign-ins, and one that has keys alone.
const ASSERTED: &str = r"
  - {id: agent, secret: {file: DATA_KEY}, grant_types: ['urn:ietf:params:oauth:grant-type:jwt-bearer']}
identity_providers:
  - {id: x, kind: oidc, issuer: 'https://idp.example', client_id: c, client_secret: {file: DATA_KEY}, allow: {everyone: true}}
  - {id: gh, kind: github, client_id: c, client_secret: {file: DATA_KEY}, allow: {users: [1]}}
identity_assertions:
  - {provider: x, resources: ['http://127.0.0.1:8080/mcp']}
  - {issuer: 'https://b.example', jwks_uri: 'https://keys.example/jwks', tenant: t, allow: {subjects: [a]}, resources: ['http://127.0.0.1:8080/mcp']}
";

#[test]
fn whose_assertions_count_is_listed_with_its_keys_and_resources() {
    let good = GOOD.to_owned() + ASSERTED.trim_start_matches('\n');
    let config = parse(&good).unwrap();
    let [provider, own] = config.identity_assertions.as_slice() else { panic!("two") };
    assert_eq!((provider.issuer.as_str(), &provider.jwks_uri), ("https://idp.example", &None));
    assert!(provider.rules.digest().matches(&config.identity_providers[0].rules.digest()));
    assert_eq!((own.issuer.as_str(), own.tenant.as_deref()), ("https://b.example", Some("t")));
    assert_eq!((own.algorithms.len(), own.resources.len()), (4, 1));
    let jwks = "jwks_uri: 'https://keys.example/jwks', ";
    let resources = "resources: ['http://127.0.0.1:8080/mcp']}";
    let (_, list) = ASSERTED.split_once("identity_assertions:").unwrap();
    let cases = [
        ("provider: x", "provider: y", "identity_assertions[0].provider: is not the id"),
        ("provider: x", "provider: gh", "identity_assertions[0].provider: is not the id"),
        (
            "provider: x",
            "provider: x, issuer: 'https://idp.example'",
            "identity_assertions[0].issuer: is that",
        ),
        ("provider: x", &format!("provider: x, {jwks}a: b"), "identity_assertions[0]"),
        ("provider: x", "provider: x, signing_algs: [ES256]", "identity_assertions[0].signing_algs"),
        ("provider: x", "provider: x, claims: {}", "identity_assertions[0].claims"),
        ("provider: x", "provider: x, allow: {everyone: true}", "identity_assertions[0].allow"),
        ("provider: x, ", "", "identity_assertions[0].issuer: or provider is needed"),
        (resources, "resources: []}", "identity_assertions[0].resources: must name"),
        (resources, "resources: ['https://c.example']}", "identity_assertions[0].resources[0]"),
        (&format!(", {resources}"), "}", "resources"),
        (
            "tenant: t",
            "published_clients: ['https://c.example/c.json']",
            "identity_assertions[1].published_clients: needs `cimd.enabled`",
        ),
        (
            "tenant: t",
            "published_clients: ['https://c.example/c.json', agent]",
            "identity_assertions[1].published_clients[1]: a client_id URL",
        ),
        (
            "tenant: t",
            "published_clients: ['https://c.example/c.json', 'https://c.example/c.json']",
            "identity_assertions[1].published_clients[1]: is listed twice",
        ),
        (
            "issuer: 'https://b.example'",
            "issuer: 'https://idp.example'",
            "identity_assertions[1].issuer: is that",
        ),
        (
            "issuer: 'https://b.example'",
            "issuer: 'http://b.example'",
            "identity_assertions[1].issuer: must be",
        ),
        (
            "'https://keys.example/jwks'",
            "'http://keys.example/jwks'",
            "identity_assertions[1].jwks_uri: must be",
        ),
        (jwks, "", "identity_assertions[1].jwks_uri: is needed"),
        (jwks, &format!("{jwks}signing_algs: [HS256], "), "identity_assertions[1].signing_algs[0]"),
        (jwks, &format!("{jwks}signing_algs: [], "), "identity_assertions[1].signing_algs: must"),
        ("tenant: t", "tenant: ''", "identity_assertions[1].tenant"),
        ("allow: {subjects: [a]}, ", "", "identity_assertions[1].allow: is needed"),
        ("allow: {subjects: [a]}", "allow: {}", "identity_assertions[1].allow: needs either"),
        (
            "provider: x",
            "issuer: 'https://b.example', jwks_uri: 'https://b.example/', allow: {everyone: true}",
            "identity_assertions[1]: is the same issuer",
        ),
        (list, " []\n", "clients[1].grant_types: whose assertions"),
        ("id: agent, secret: {file: DATA_KEY}", "id: agent", "clients[1].grant_types: urn:ietf"),
        ("name: alice", "name: 'https://b.example#a'", "users[0].name: must not be a URL"),
        (
            "issuer: 'https://b.example'",
            "issuer: 'http://127.0.0.1:8080'",
            "identity_assertions[1].issuer: is ours",
        ),
        (
            "issuer: 'https://idp.example'",
            "issuer: 'http://127.0.0.1:8080'",
            "identity_assertions[0].provider: is ours",
        ),
    ];
    assert_each_is_refused(&good, &cases);
}

#[test]
fn a_secret_in_the_document_is_refused_and_not_repeated() {
    for inline in
        ["hunter2", "'hunter2'", "{fil: hunter2}", "{file: a, env: hunter2}", "[hunter2]", "2718281828"]
    {
        let text = GOOD.replace("password: {file: DATA_KEY}", &format!("password: {inline}"));
        let message = parse(&text).expect_err(inline);
        assert!(message.contains("users[0].password"), "{message}");
        assert!(!message.contains("hunter2") && !message.contains("2718281828"), "{message}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let key = crate::sealing::SealingKey::generate_base64().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &key).unwrap();
    let config = Config::parse(&GOOD.replace("DATA_KEY", file.path().to_str().unwrap())).unwrap();
    let digest = crate::secret::Digest::of(&key).encoded();
    let shown = format!("{config:?}");
    assert!(!shown.contains(&key) && !shown.contains(&digest), "{shown}");
}
