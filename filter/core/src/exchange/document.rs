//! What may anybody read? The metadata of protected resources and the state of this VM; neither holds a secret.

use serde_json::json;

use super::World;
use crate::guard::METADATA_ROOT;
use crate::head::RequestHead;
use crate::identity::jwks::KeySet;
use crate::reply::Reply;

/// Where this VM says how it is: for probes and people, not for clients.
const STATUS: &str = "/wicketgate/status";
/// Clients look metadata up rarely; five minutes keep a change from being unseen for long.
const METADATA_MAX_AGE: u32 = 300;

/// The answer for one of our own public documents; `None` for any other path.
pub(super) fn public(head: &RequestHead, world: &World<'_>) -> Option<Reply> {
    let path = head.path.split('?').next().unwrap_or_default();
    if path == STATUS {
        return Some(answer(head, || status(world)));
    }
    let below = path.strip_prefix(METADATA_ROOT)?;
    if !(below.is_empty() || below.starts_with('/')) {
        return None;
    }
    let server = world.guard.metadata_for(&head.authority, &head.path)?;
    Some(answer(head, || Reply::document(200, server.metadata.clone().into_bytes(), METADATA_MAX_AGE)))
}

fn answer(head: &RequestHead, document: impl FnOnce() -> Reply) -> Reply {
    match head.method.as_str() {
        "GET" => document(),
        "HEAD" => Reply { body: Vec::new(), ..document() },
        "OPTIONS" => Reply::preflight(),
        _ => {
            Reply { status: 405, headers: vec![("allow", "GET, HEAD, OPTIONS".to_owned())], body: Vec::new() }
        }
    }
}

/// 200 while the keys of every issuer are at hand, else 503: a probe that is red while no token can be verified.
fn status(world: &World<'_>) -> Reply {
    let mut ready = true;
    let mut jwks = Vec::new();
    for (index, issuer) in world.guard.issuers.iter().enumerate() {
        let keys = world.memory.keys.keys(index, world.now).map_or(0, KeySet::len);
        ready &= keys > 0;
        let age = world.memory.keys.age(index, world.now).map(|age| age.as_secs());
        jwks.push(json!({ "issuer": issuer.issuer, "keys": keys, "age_seconds": age }));
    }
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "policy": world.guard.digest,
        "servers": world.guard.servers.len(),
        "jwks": jwks,
    });
    Reply::document(if ready { 200 } else { 503 }, body.to_string().into_bytes(), 0)
}
