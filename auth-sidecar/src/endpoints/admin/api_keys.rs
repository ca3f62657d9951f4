//! `/v1/api-keys`: the keys of service accounts and clients. `GET` lists, `POST` makes one; `GET`, `DELETE` one; `POST …/rotate`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer;
use super::request::{Id, InList, Json};
use crate::app::Context;
use crate::audit::Act;
use crate::grants::administration::Refusal;
use crate::grants::api_key::{self, Wanted};
use crate::secret::Opaque;
use crate::store::Part;
use crate::store::api_key::ApiKey;

/// How long both secrets work, in seconds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    #[serde(default)]
    overlap: u64,
}

pub(super) async fn list(State(context): State<Arc<Context>>, InList(listing): InList) -> Response {
    let part = context.store.api_keys(&listing.after, listing.most, context.clock.now()).await;
    let shown =
        |Part { entries, next }: Part<ApiKey>| Part { entries: entries.iter().map(shown).collect(), next };
    answer::list("api_keys", part.map(shown))
}

pub(super) async fn create(State(context): State<Arc<Context>>, Json(wanted): Json<Wanted>) -> Response {
    let made = api_key::create(&context, wanted, context.clock.now()).await;
    let made = made.map(|(api_key, secret)| with_secret(&api_key, &secret));
    answer::json(StatusCode::CREATED, made.map_err(Into::into))
}

pub(super) async fn show(State(context): State<Arc<Context>>, Id(id): Id) -> Response {
    let found = context.store.api_key(&id, context.clock.now()).await;
    answer::json(StatusCode::OK, there(found).map(|api_key| shown(&api_key)))
}

pub(super) async fn rotate(
    State(context): State<Arc<Context>>,
    Id(id): Id,
    Json(Rotation { overlap }): Json<Rotation>,
) -> Response {
    let overlap = Duration::from_secs(overlap);
    let rotated = api_key::rotate(&context, &id, overlap, context.clock.now()).await;
    answer::json(StatusCode::OK, there(rotated).map(|(api_key, secret)| with_secret(&api_key, &secret)))
}

pub(super) async fn revoke(State(context): State<Arc<Context>>, Id(id): Id) -> Response {
    let revoked = context.store.revoke_api_key(&id, context.clock.now()).await;
    // What had ended has been written down before.
    if matches!(revoked, Ok(Some(true))) {
        context.audit.write(&Act::ApiKeyRevoked.event().grant(&id));
    }
    answer::done(there(revoked).map(drop))
}

fn there<T>(found: Result<Option<T>, impl Into<Refusal>>) -> Result<T, Refusal> {
    found.map_err(Into::into)?.ok_or(Refusal::NotFound("there is no such key, or it is dead"))
}

/// A key as operators see it: all but its secrets.
fn shown(api_key: &ApiKey) -> Value {
    json!({
        "id": api_key.id,
        "name": api_key.name,
        (if api_key.is_clients { "client_id" } else { "service_account" }): api_key.owner,
        "scopes": api_key.scope.iter().collect::<Vec<_>>(),
        "resources": api_key.resources,
        "groups": api_key.groups,
        "roles": api_key.roles,
        "org": api_key.org,
        "created_at": api_key.created_at,
        "rotated_at": api_key.rotated_at,
        "previous_until": api_key.previous.as_ref().map(|previous| previous.until),
        "expires_at": api_key.expires_at,
        "last_used_at": api_key.last_used_at,
        "revoked_at": api_key.revoked_at,
    })
}

fn with_secret(api_key: &ApiKey, secret: &Opaque) -> Value {
    let mut shown = shown(api_key);
    if let Some(members) = shown.as_object_mut() {
        members.insert("api_key".to_owned(), secret.expose().into());
    }
    shown
}
