use std::ffi::OsString;

use super::{Config, StoreConfig};

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
    assert_eq!(config.resources.only().unwrap().default_scopes.to_string(), "mcp:read");
    assert_eq!(config.resources.named("HTTP://127.0.0.1:8080/mcp").unwrap().url, "http://127.0.0.1:8080/mcp");
    assert!(config.resources.named("http://127.0.0.1:8080/mcp#x").is_none());
    assert_eq!(config.clients.len(), 1);
}

#[test]
fn every_mistake_is_refused_with_its_place() {
    for (from, to, wanted) in [
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
            "id: web, secret: {file: DATA_KEY}",
            "id: web, introspects: ['http://127.0.0.1:8080/mcp']",
            "introspects",
        ),
        ("open: true", "open: true, initial_access_tokens: [abc]", "registration.initial_access_tokens"),
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
        ("signing:", "fetch: {private_hosts: ['localhost:1']}\nsigning:", "fetch.private_hosts[0]"),
        ("signing:", "fetch: {private_hosts: [Localhost]}\nsigning:", "fetch.private_hosts[0]"),
        ("signing:", "fetch: {ca_file: /nonexistent}\nsigning:", "fetch.ca_file: cannot read"),
        ("signing:", "fetch: {ca_file: DATA_KEY}\nsigning:", "fetch.ca_file: holds no"),
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
    ] {
        assert!(GOOD.contains(from), "the case is stale: {from}");
        let message = parse(&GOOD.replacen(from, to, 1)).expect_err(to);
        assert!(message.contains(wanted), "{to}: {message}");
    }
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

/// A document whose store is Redis at these URLs, with these other keys.
fn on_redis(urls: &str, more: &str) -> Result<Config, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), urls).unwrap();
    let store = format!("redis: {{url: {{file: {}}}{more}}}", file.path().display());
    parse(&GOOD.replace("embedded: {path: auth.redb}", &store))
}

#[test]
fn redis_is_named_by_urls_and_how_several_are_one() {
    let one = "redis://wicketgate:pass%20word@redis.example:6380/2";
    let two = "rediss://a.example:26379, rediss://b.example:26379";
    let StoreConfig::Redis(config) = on_redis(one, "").unwrap().store else { unreachable!() };
    let settings = config.nodes[0].redis_settings();
    assert_eq!((settings.username(), settings.password()), (Some("wicketgate"), Some("pass word")));
    assert_eq!((settings.db(), config.prefix.as_str(), config.replicas), (2, "wicketgate:", 0));
    let shown = format!("{config:?}");
    assert!(shown.contains("redis.example:6380") && !shown.contains("pass"), "{shown}");
    let StoreConfig::Redis(config) =
        on_redis(two, ", topology: cluster, password: {file: DATA_KEY}").unwrap().store
    else {
        unreachable!()
    };
    assert!(
        config.nodes.len() == 2 && config.nodes.iter().all(|node| node.redis_settings().password().is_some())
    );
    assert!(
        on_redis(two, ", topology: sentinel, master: m, replicas: {acknowledge: 1, within_ms: 100}").is_ok()
    );
}

#[test]
fn a_redis_that_cannot_be_is_refused() {
    for (more, wanted) in [
        ("", "store.redis.url: names several"),
        (", topology: sentinel", "store.redis.master: is missing"),
        (", topology: cluster, master: m", "store.redis.master: belongs"),
        (", topology: ring", "store.redis.topology"),
        (", topology: cluster, timeout_ms: 0", "store.redis.timeout_ms: is from 1"),
        (", topology: cluster, replicas: {within_ms: 5001}", "store.redis.replicas.within_ms: is from 1"),
        (", topology: cluster, prefix: 'a{b'", "store.redis.prefix: is printable"),
        (", topology: cluster, prefix: ''", "store.redis.prefix: is printable"),
        (", topology: cluster, tls: {key: DATA_KEY}", "store.redis.tls: `certificate` and `key`"),
        (", topology: cluster, tls: {ca: /nowhere}", "store.redis.tls.ca: cannot read /nowhere"),
        (", topology: cluster, database: 1", "store.redis"),
    ] {
        let refused = on_redis("redis://a:1,redis://b:1", more).unwrap_err();
        assert!(refused.starts_with(wanted), "{more}: {refused}");
    }
}
