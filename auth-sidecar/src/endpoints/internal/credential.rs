//! `POST /v1/exchange`, `POST /v1/identity`: what does a gateway show to a server in place of the client's token? A token for that
//! server's own audience, or a statement of who asks. Both are given for a token that the gateway was shown, and for nothing less: who
//! reaches this listener cannot speak for anybody whose token he does not have.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::super::body::Whole;
use super::super::{json, reply};
use crate::app::Context;
use crate::error::Failure;
use crate::grants::signed_identity;
use crate::grants::token_exchange::{self, ForGateway};
use crate::metrics::GrantLabel;
use crate::oauth::client::GrantType;
use crate::oauth::error::ErrorCode;
use crate::oauth::scope::ScopeSet;

/// The question about a token for another audience. It holds a token, so it has no `Debug`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    token: String,
    resource: String,
    audience: String,
    scope: Option<String>,
}

/// The same about a statement.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedIdentity {
    token: String,
    resource: String,
    audience: String,
}

/// What is given; nothing for a token that is dead or meant for another resource server, and the scopes that could help for one that
/// is alive and allows nothing there.
#[derive(Serialize)]
struct Given {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<ScopeSet>,
}

pub(super) async fn exchange(State(context): State<Arc<Context>>, Whole(body): Whole) -> Response {
    let Ok(wanted) = json::object::<Wanted>(&body) else {
        let why = "the body must be {token, resource, audience, scope}, of which scope may be missing";
        return reply::oauth_error(&ErrorCode::InvalidRequest.because(why));
    };
    let scope = match wanted.scope.as_deref().map(ScopeSet::parse).transpose() {
        Ok(scope) => scope,
        Err(why) => return reply::oauth_error(&ErrorCode::InvalidScope.because(why)),
    };
    let way = (wanted.resource.as_str(), wanted.audience.as_str());
    let now = context.clock.now();
    match token_exchange::for_gateway(&context, &wanted.token, way, scope.as_ref(), now).await {
        Ok(ForGateway::Given(credential, lives)) => {
            let grant_type = GrantType::TokenExchange.as_str();
            context.metrics.tokens_issued.get_or_create(&GrantLabel { grant_type }).inc();
            answer(Ok(Some((credential, lives))))
        }
        Ok(ForGateway::Dead) => answer(Ok(None)),
        Ok(ForGateway::Needs(scope)) => {
            let error = Some("insufficient_scope");
            let none = Given { active: true, credential: None, expires_in: None, error, scope: Some(scope) };
            reply::fresh_json(StatusCode::OK, &none)
        }
        Err(failure) => answer(Err(failure)),
    }
}

pub(super) async fn identity(State(context): State<Arc<Context>>, Whole(body): Whole) -> Response {
    let Ok(wanted) = json::object::<WantedIdentity>(&body) else {
        let why = "the body must be {token, resource, audience}";
        return reply::oauth_error(&ErrorCode::InvalidRequest.because(why));
    };
    let way = (wanted.resource.as_str(), wanted.audience.as_str());
    answer(signed_identity::sign(&context, &wanted.token, way, context.clock.now()).await)
}

fn answer(given: Result<Option<(String, u64)>, Failure>) -> Response {
    let nothing = Given { active: false, credential: None, expires_in: None, error: None, scope: None };
    let given = match given {
        Ok(Some((credential, lives))) => {
            Given { active: true, credential: Some(credential), expires_in: Some(lives), ..nothing }
        }
        Ok(None) => nothing,
        Err(failure) => return reply::failure(&failure),
    };
    reply::fresh_json(StatusCode::OK, &given)
}
