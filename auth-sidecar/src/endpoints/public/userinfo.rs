//! `GET` and `POST /userinfo` (OpenID Connect Core 5.3), with the refusals of RFC 6750 and, for tokens that are bound to
//! a key, RFC 9449 section 7.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde_json::json;

use super::super::body::Whole;
use super::super::{dpop as headers_of, media_type, reply};
use crate::app::Context;
use crate::clock::UnixTime;
use crate::error::Failure;
use crate::grants::dpop::{self, Target};
use crate::grants::userinfo::{self, Told, UserInfo};
use crate::oauth::bearer::{self, Presented, Refusal, Scheme};
use crate::oauth::dpop::{ALGORITHMS, ath};
use crate::oauth::error::ErrorCode;
use crate::oauth::params::Params;

/// The path below the issuer.
const PATH: &str = "/userinfo";

/// Why there is no answer.
enum Refused {
    Here(Scheme, Refusal),
    Failed(Failure),
}

pub(super) async fn any(
    State(context): State<Arc<Context>>,
    method: Method,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    Whole(body): Whole,
) -> Response {
    let is_form = method == Method::POST && media_type::is(&headers, "application/x-www-form-urlencoded");
    let form = Params::parse(if is_form { &body } else { b"" });
    let query = Params::parse(query.unwrap_or_default().as_bytes());
    let lines: Vec<&[u8]> =
        headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect();
    let response = match bearer::read(&lines, &form, &query) {
        Err(refusal) => refuse(Scheme::Bearer, &refusal),
        Ok(presented) => match tell(&context, method.as_str(), &headers, &presented).await {
            Ok(claims) => reply::fresh_json(StatusCode::OK, &claims),
            Err(Refused::Here(scheme, refusal)) => refuse(scheme, &refusal),
            Err(Refused::Failed(failure)) => reply::failure(&failure),
        },
    };
    headers_of::with_nonce(response, &context)
}

async fn tell(
    context: &Context,
    method: &str,
    headers: &HeaderMap,
    presented: &Presented,
) -> Result<UserInfo, Refused> {
    let now = context.clock.now();
    let refuse = |refusal| Refused::Here(presented.scheme, refusal);
    let found = userinfo::token(context, &presented.token, now).await;
    let claims = found.map_err(|error| Refused::Failed(error.into()))?;
    let claims = claims.ok_or_else(|| refuse(Refusal::InvalidToken))?;
    match (&claims.cnf, presented.scheme) {
        (None, Scheme::Bearer) => {}
        (Some(key), Scheme::Dpop) => prove(context, method, headers, presented, &key.jkt, now).await?,
        // A bound token that is merely shown, or a plain one under the wrong name (RFC 9449 section 7.1).
        _ => return Err(refuse(Refusal::InvalidToken)),
    }
    let told = userinfo::told(context, &claims, now).await;
    match told.map_err(|error| Refused::Failed(error.into()))? {
        Told::Claims(claims) => Ok(claims),
        Told::Unknown => Err(refuse(Refusal::InvalidToken)),
        Told::NotAllowed => Err(refuse(Refusal::InsufficientScope("openid"))),
    }
}

async fn prove(
    context: &Context,
    method: &str,
    headers: &HeaderMap,
    presented: &Presented,
    jkt: &str,
    now: UnixTime,
) -> Result<(), Refused> {
    let target = Target { method, path: PATH };
    let proof = dpop::proof(context, &headers_of::headers(headers), target, None, now).await;
    let proof = proof.map_err(|failure| match failure {
        Failure::Refused(error) if error.code == ErrorCode::UseDpopNonce => {
            Refused::Here(Scheme::Dpop, Refusal::NonceNeeded)
        }
        Failure::Refused(_) => Refused::Here(Scheme::Dpop, Refusal::InvalidProof),
        failure => Refused::Failed(failure),
    })?;
    let holds =
        |proof: &dpop::Proof| proof.jkt == jkt && proof.ath.as_deref() == Some(&ath(&presented.token));
    match proof {
        Some(proof) if holds(&proof) => Ok(()),
        _ => Err(Refused::Here(Scheme::Dpop, Refusal::InvalidProof)),
    }
}

/// RFC 6750 section 3: what is wrong stands in the challenge; the body repeats it for people.
fn refuse(scheme: Scheme, refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::Missing | Refusal::InvalidToken | Refusal::InvalidProof | Refusal::NonceNeeded => {
            StatusCode::UNAUTHORIZED
        }
        Refusal::InvalidRequest(_) => StatusCode::BAD_REQUEST,
        Refusal::InsufficientScope(_) => StatusCode::FORBIDDEN,
    };
    let mut challenge = format!("{} realm=\"wicketgate\"", scheme.name());
    let mut body = json!({});
    if let Some((error, description)) = refusal.error() {
        challenge.push_str(&format!(", error=\"{error}\", error_description=\"{description}\""));
        body = json!({"error": error, "error_description": description});
    }
    if let Refusal::InsufficientScope(scope) = refusal {
        challenge.push_str(&format!(", scope=\"{scope}\""));
    }
    if scheme == Scheme::Dpop {
        challenge.push_str(&format!(", algs=\"{}\"", ALGORITHMS.join(" ")));
    }
    let counted = refusal.error().map_or(reply::MISSING_TOKEN, |(error, _)| error);
    let mut response = reply::refusing(reply::fresh_json(status, &body), counted);
    if let Ok(challenge) = HeaderValue::from_str(&Cow::from(challenge)) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
