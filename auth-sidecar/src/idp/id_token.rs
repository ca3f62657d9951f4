//! Is this ID token about a sign-in that we asked for? OpenID Connect Core sections 3.1.3.7 and 3.1.3.6.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256, Sha512};

use super::jwt::{self, Claims, Fault, Jwt};
use crate::clock::UnixTime;
use crate::oauth::jwk::{Algorithm, KeySet};
use crate::secret::Digest;

/// It was made for the code that we have just redeemed.
const OLDEST: u64 = 10 * 60;

/// What the token must fit.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    /// What came with it.
    pub(super) access_token: &'a str,
    pub(super) algorithms: &'a [Algorithm],
    pub(super) now: UnixTime,
}

/// What a token says that holds.
#[derive(Debug)]
pub(super) struct IdToken {
    pub(super) subject: String,
    pub(super) auth_time: Option<UnixTime>,
    pub(super) claims: Map<String, Value>,
}

/// Reads a token.
pub(super) fn read(text: &str, keys: &KeySet, expected: &Expected<'_>) -> Result<IdToken, Fault> {
    let Expected { issuer, algorithms, now, .. } = *expected;
    let common = jwt::Expected { issuer, algorithms, is_kind: is_plain, oldest: OLDEST, now };
    let jwt = Jwt::read(text, &common)?;
    judge(&jwt.claims, jwt.algorithm, expected).map_err(Fault::Claims)?;
    jwt.verify(keys, &common)?;
    Ok(IdToken { subject: jwt.subject, auth_time: jwt.auth_time, claims: jwt.claims.into_map() })
}

/// No other kind of JWT of the same provider passes.
fn is_plain(typ: Option<&str>) -> bool {
    typ.is_none_or(|typ| typ.eq_ignore_ascii_case("jwt"))
}

/// The name of the first claim that does not fit is the error.
fn judge(claims: &Claims, algorithm: Algorithm, expected: &Expected<'_>) -> Result<(), &'static str> {
    judge_audience(claims, expected.client_id)?;
    if !Digest::of(claims.text("nonce")?).matches(&Digest::of(expected.nonce)) {
        return Err("nonce");
    }
    match claims.optional_text("at_hash")? {
        Some(hash) if hash != at_hash(expected.access_token, algorithm) => Err("at_hash"),
        _ => Ok(()),
    }
}

/// We are meant, and, where others are meant too, it was issued to us.
fn judge_audience(claims: &Claims, client_id: &str) -> Result<(), &'static str> {
    let (named, others) = match claims.get("aud") {
        Some(Value::String(one)) => (one == client_id, false),
        Some(Value::Array(many)) if many.iter().all(Value::is_string) => {
            (many.iter().any(|one| one == client_id), many.len() > 1)
        }
        _ => (false, false),
    };
    if !named {
        return Err("aud");
    }
    match claims.get("azp") {
        None if others => Err("azp"),
        Some(party) if party != client_id => Err("azp"),
        _ => Ok(()),
    }
}

/// The left half of the hash that belongs to the algorithm.
fn at_hash(access_token: &str, algorithm: Algorithm) -> String {
    let hash = match algorithm {
        Algorithm::EdDsa => Sha512::digest(access_token).to_vec(),
        Algorithm::Es256 | Algorithm::Rs256 | Algorithm::Ps256 => Sha256::digest(access_token).to_vec(),
    };
    URL_SAFE_NO_PAD.encode(hash.get(..hash.len() / 2).unwrap_or_default())
}
