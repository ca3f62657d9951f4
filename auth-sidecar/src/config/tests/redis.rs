//! How the configuration names a Redis, and which it cannot mean.

use super::super::{Config, StoreConfig};
use super::{GOOD, parse};

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
        (r", topology: cluster, prefix: 'a\b'", "store.redis.prefix: is printable"),
        (", topology: cluster, prefix: ''", "store.redis.prefix: is printable"),
        (", topology: cluster, tls: {key: DATA_KEY}", "store.redis.tls: `certificate` and `key`"),
        (", topology: cluster, tls: {ca: /nowhere}", "store.redis.tls.ca: cannot read /nowhere"),
        (", topology: cluster, database: 1", "store.redis"),
    ] {
        let refused = on_redis("redis://a:1,redis://b:1", more).unwrap_err();
        assert!(refused.starts_with(wanted), "{more}: {refused}");
    }
}

#[test]
fn a_redis_is_not_half_in_clear() {
    for (urls, more, wanted) in [
        ("rediss://a:1,redis://b:1", "", "store.redis.url: names servers with `rediss://` and with"),
        ("redis://a:1,rediss://b:1", "", "store.redis.url: names servers with `rediss://` and with"),
        ("rediss://a:1,rediss://b:1/#insecure", "", "store.redis.url: asks for TLS without a check"),
        ("redis://a:1,redis://b:1", ", tls: {ca: DATA_KEY}", "store.redis.tls: is for `rediss://`"),
    ] {
        for topology in ["cluster", "sentinel, master: m"] {
            let refused = on_redis(urls, &format!(", topology: {topology}{more}")).unwrap_err();
            assert!(refused.starts_with(wanted), "{urls} {topology}{more}: {refused}");
        }
    }
}
