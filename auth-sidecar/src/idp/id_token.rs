//! Is this ID token about a sign-in that we asked for? OpenID Connect Core sections 3.1.3.7 and 3.1.3.6, RFC 8725.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::{Duration as JwtDuration, VerificationOptions};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256, Sha512};

use super::strict_json;
use crate::clock::UnixTime;
use crate::oauth::jwk::{Algorithm, KeySet};
use crate::secret::Digest;

/// Longer ones are not parsed. Providers put many groups into them.
const LONGEST: usize = 64 * 1024;
/// The clocks of provider and server may differ by so much.
const LEEWAY: u64 = 30;
/// It was made for the code that we have just redeemed.
const OLDEST: u64 = 10 * 60;
/// OpenID Connect Core section 2.
const LONGEST_SUBJECT: usize = 255;

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

/// Why a token does not hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// None of the keys made this signature: there may be newer ones.
    Signature,
    /// Whatever the keys are.
    Claims(&'static str),
}

/// Reads a token. The cheap questions come first; what they are asked of is believed only when the signature holds.
pub(super) fn read(jwt: &str, keys: &KeySet, expected: &Expected<'_>) -> Result<IdToken, Fault> {
    let header = part(jwt, 0).ok_or(Fault::Claims("it is no JWT"))?;
    let claims = part(jwt, 1).ok_or(Fault::Claims("it is no JWT"))?;
    let algorithm = algorithm(&header, expected)?;
    let kid = match header.get("kid") {
        None => None,
        Some(kid) => Some(kid.as_str().ok_or(Fault::Claims("kid"))?),
    };
    let token = judge(claims, algorithm, expected).map_err(Fault::Claims)?;
    let options = VerificationOptions {
        allowed_issuers: Some(HashSet::from([expected.issuer.to_owned()])),
        required_nonce: Some(expected.nonce.to_owned()),
        time_tolerance: Some(JwtDuration::from_secs(LEEWAY)),
        artificial_time: Some(JwtDuration::from_secs(expected.now.0)),
        max_token_length: Some(LONGEST),
        ..VerificationOptions::default()
    };
    keys.verify(jwt, algorithm, kid, &options).map(|_| token).ok_or(Fault::Signature)
}

fn part(jwt: &str, index: usize) -> Option<Map<String, Value>> {
    if jwt.len() > LONGEST || jwt.split('.').count() != 3 {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(index)?).ok()?;
    match strict_json::parse(&bytes) {
        Some(Value::Object(map)) => Some(map),
        _ => None,
    }
}

/// `none` and the symmetric ones are not among those that there are. No other kind of JWT of the same provider passes.
fn algorithm(header: &Map<String, Value>, expected: &Expected<'_>) -> Result<Algorithm, Fault> {
    let is_plain = match header.get("typ") {
        None => true,
        Some(typ) => typ.as_str().is_some_and(|typ| typ.eq_ignore_ascii_case("jwt")),
    };
    if !is_plain {
        return Err(Fault::Claims("typ"));
    }
    let named = header.get("alg").and_then(Value::as_str).and_then(Algorithm::named);
    named.filter(|one| expected.algorithms.contains(one)).ok_or(Fault::Claims("alg"))
}

/// The name of the first claim that does not fit is the error.
fn judge(
    claims: Map<String, Value>,
    algorithm: Algorithm,
    expected: &Expected<'_>,
) -> Result<IdToken, &'static str> {
    let text = |name: &'static str| claims.get(name).and_then(Value::as_str).ok_or(name);
    let time = |name: &'static str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or(name),
    };
    let now = expected.now.0;
    if text("iss")? != expected.issuer {
        return Err("iss");
    }
    judge_audience(&claims, expected.client_id)?;
    if now >= time("exp")?.ok_or("exp")?.saturating_add(LEEWAY) {
        return Err("exp");
    }
    let issued_at = time("iat")?.ok_or("iat")?;
    if issued_at > now.saturating_add(LEEWAY) || issued_at.saturating_add(OLDEST) < now {
        return Err("iat");
    }
    if time("nbf")?.is_some_and(|not_before| not_before > now.saturating_add(LEEWAY)) {
        return Err("nbf");
    }
    if !Digest::of(text("nonce")?).matches(&Digest::of(expected.nonce)) {
        return Err("nonce");
    }
    if let Some(hash) = claims.get("at_hash")
        && hash.as_str() != Some(&at_hash(expected.access_token, algorithm))
    {
        return Err("at_hash");
    }
    let auth_time = time("auth_time")?;
    if auth_time.is_some_and(|at| at > now.saturating_add(LEEWAY)) {
        return Err("auth_time");
    }
    let subject = text("sub")?.to_owned();
    if !is_subject(&subject) {
        return Err("sub");
    }
    Ok(IdToken { subject, auth_time: auth_time.map(UnixTime), claims })
}

/// We are meant, and, where others are meant too, it was issued to us.
fn judge_audience(claims: &Map<String, Value>, client_id: &str) -> Result<(), &'static str> {
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

/// Whether this can be (the provider's half of) somebody's identity.
pub(super) fn is_subject(text: &str) -> bool {
    (1..=LONGEST_SUBJECT).contains(&text.len()) && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

/// The left half of the hash that belongs to the algorithm.
fn at_hash(access_token: &str, algorithm: Algorithm) -> String {
    let hash = match algorithm {
        Algorithm::EdDsa => Sha512::digest(access_token).to_vec(),
        Algorithm::Es256 | Algorithm::Rs256 | Algorithm::Ps256 => Sha256::digest(access_token).to_vec(),
    };
    URL_SAFE_NO_PAD.encode(hash.get(..hash.len() / 2).unwrap_or_default())
}
