//! `GET /status`: how do we, and those whom we need, do? For people; nothing in it is secret. Probes ask `/readyz`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::reply;
use crate::app::Context;
use crate::config::StoreConfig;
use crate::grants::revocation_feed;
use crate::keys::KeySummary;
use crate::sightings::ProviderAges;

/// A signing key as operators see it.
#[derive(Serialize)]
struct Key {
    #[serde(flatten)]
    key: KeySummary,
    age: u64,
}

/// What was seen of a provider of identity.
#[derive(Serialize)]
struct Provider<'a> {
    id: &'a str,
    #[serde(flatten)]
    ages: ProviderAges,
}

pub(super) async fn get(State(context): State<Arc<Context>>) -> Response {
    let now = context.clock.now();
    let (config, sightings) = (&context.config, &context.sightings);
    let age = |at| now.since(at).as_secs();
    let keys: Vec<Key> =
        context.keys.list().into_iter().map(|key| Key { age: age(key.created_at), key }).collect();
    let provider = |id| Provider { id, ages: sightings.provider(id, now) };
    let providers: Vec<Provider<'_>> =
        config.identity_providers.iter().map(|one| provider(one.id.as_str())).collect();
    let position = revocation_feed::position(&context, now).await;
    let position = position.map(|place| json!({"epoch": place.epoch, "seq": place.seq}));
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "age": age(sightings.started_at),
        "config": {
            "digest": config.digest, "age": age(context.loaded_at), "overrides": config.overrides,
        },
        "store": {"kind": kind(&config.store), "reachable": context.store.ping().await.is_ok()},
        "signing_keys": {"keys": keys, "next_change": context.keys.next_change()},
        "identity_providers": providers,
        "mcp_servers": context.mcp_health.report(&config.mcp_servers.servers, now),
        "feed": position.unwrap_or(Value::Null),
        "gateways": sightings.gateways(now),
    });
    reply::fresh_json(StatusCode::OK, &status)
}

fn kind(store: &StoreConfig) -> &'static str {
    match store {
        StoreConfig::Embedded(_) => "embedded",
        StoreConfig::Redis(_) => "redis",
    }
}
