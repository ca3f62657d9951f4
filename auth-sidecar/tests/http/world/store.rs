//! Where do the records of a world lie? In a file, or where `WICKETGATE_TEST_STORE` says: on Redis servers that all worlds of this
//! process share, each under a prefix of its own.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::redis::Redis;

/// `single`, `sentinel` or `cluster`.
const VARIABLE: &str = "WICKETGATE_TEST_STORE";

static SHARED: OnceLock<Option<Redis>> = OnceLock::new();
static WORLDS: AtomicUsize = AtomicUsize::new(0);

fn shared() -> Option<&'static Redis> {
    let start = || std::env::var(VARIABLE).ok().map(|topology| Redis::of(&topology).unwrap());
    SHARED.get_or_init(start).as_ref()
}

/// The `store` of a configuration; its files lie in this folder.
pub(super) fn of_world(folder: &Path) -> String {
    let Some(redis) = shared() else {
        return format!("{{embedded: {{path: {}}}}}", folder.join("auth.redb").display());
    };
    let prefix = format!("world{}:", WORLDS.fetch_add(1, Ordering::Relaxed));
    redis.store(&folder.join("redis.url"), &format!(", timeout_ms: 3000, prefix: '{prefix}'"))
}

/// All that a world with this configuration keeps on Redis.
pub(super) fn kept(yaml: &str) -> Option<Vec<u8>> {
    let (_, prefix) = yaml.split_once("prefix: '")?;
    let prefix = prefix.split_once('\'')?.0;
    Some(shared()?.servers.iter().flat_map(|server| server.dump(prefix)).flatten().collect())
}
