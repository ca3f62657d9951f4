//! `/v1/api-keys`: the keys of service accounts and clients. `GET` lists, `POST` makes one; `GET`, `DELETE` one; `POST …/rotate`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::reply;
use super::question;
use crate::app::Context;
use crate::error::Failure;
use crate::grants::api_key::{self, Wanted};
use crate::oauth::error::ErrorCode;
use crate::oauth::params::Params;
use crate::secret::Opaque;
use crate::store::api_key::ApiKey;

/// Keys on one page of the list.
const PAGE: usize = 100;

/// What is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Creation {
    name: String,
    client_id: Option<String>,
    service_account: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    resources: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    org: Option<String>,
    /// Seconds.
    expires_in: Option<u64>,
}

/// How long both secrets work, in seconds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    #[serde(default)]
    overlap: u64,
}

pub(super) async fn list(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    match context.store.api_keys(params.get("after").unwrap_or_default(), PAGE, context.clock.now()).await {
        Ok(keys) => {
            let next = keys.last().filter(|_| keys.len() == PAGE).map(|last| last.id.clone());
            let keys: Vec<_> = keys.iter().map(shown).collect();
            reply::fresh_json(StatusCode::OK, &json!({"api_keys": keys, "next": next}))
        }
        Err(error) => reply::failure(&Failure::Store(error)),
    }
}

pub(super) async fn create(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let creation = match question::read::<Creation>(&headers, body) {
        Ok(creation) => creation,
        Err(refusal) => return *refusal,
    };
    let wanted = Wanted {
        name: creation.name,
        client_id: creation.client_id,
        service_account: creation.service_account,
        scopes: creation.scopes,
        resources: creation.resources,
        groups: creation.groups,
        roles: creation.roles,
        org: creation.org,
        expires_in: creation.expires_in.map(Duration::from_secs),
    };
    match api_key::create(&context, wanted, context.clock.now()).await {
        Ok((api_key, secret)) => reply::fresh_json(StatusCode::CREATED, &with_secret(&api_key, &secret)),
        Err(failure) => reply::failure(&failure),
    }
}

pub(super) async fn show(State(context): State<Arc<Context>>, Path(id): Path<String>) -> Response {
    match context.store.api_key(&id, context.clock.now()).await {
        Ok(Some(api_key)) => reply::fresh_json(StatusCode::OK, &shown(&api_key)),
        Ok(None) => absent(),
        Err(error) => reply::failure(&Failure::Store(error)),
    }
}

pub(super) async fn rotate(
    State(context): State<Arc<Context>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let rotation = match question::read::<Rotation>(&headers, body) {
        Ok(rotation) => rotation,
        Err(refusal) => return *refusal,
    };
    let overlap = Duration::from_secs(rotation.overlap);
    match api_key::rotate(&context, &id, overlap, context.clock.now()).await {
        Ok(Some((api_key, secret))) => reply::fresh_json(StatusCode::OK, &with_secret(&api_key, &secret)),
        Ok(None) => absent(),
        Err(failure) => reply::failure(&failure),
    }
}

pub(super) async fn revoke(State(context): State<Arc<Context>>, Path(id): Path<String>) -> Response {
    match context.store.revoke_api_key(&id, context.clock.now()).await {
        Ok(true) => {
            tracing::warn!(event = "api_key_revoked", id);
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(false) => absent(),
        Err(error) => reply::failure(&Failure::Store(error)),
    }
}

fn absent() -> Response {
    let mut response =
        reply::oauth_error(&ErrorCode::InvalidRequest.because("there is no such key, or it is dead"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
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
