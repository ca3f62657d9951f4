//! Is this JWT the word of its issuer, to the letter and now? What ID tokens and identity assertions have in common:
//! RFC 7519, RFC 8725, OpenID Connect Core section 3.1.3.7.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::{Duration as JwtDuration, VerificationOptions};
use serde_json::{Map, Value};

use super::strict_json;
use crate::clock::UnixTime;
use crate::oauth::jwk::{Algorithm, KeySet};

/// Longer ones are not parsed. Providers put many groups into them.
const LONGEST: usize = 64 * 1024;
/// OpenID Connect Core section 2.
const LONGEST_SUBJECT: usize = 255;
/// The clocks of issuer and server may differ by so many seconds.
pub(super) const LEEWAY: u64 = 30;

/// What every one must fit.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) algorithms: &'a [Algorithm],
    /// Whether it is of the kind that is due: `typ`, `None` where there is none.
    pub(super) is_kind: fn(Option<&str>) -> bool,
    /// How many seconds ago it may have been issued.
    pub(super) oldest: u64,
    pub(super) now: UnixTime,
}

/// One whose common claims fit; its signature is not verified yet.
pub(super) struct Jwt<'a> {
    text: &'a str,
    kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) subject: String,
    pub(super) auth_time: Option<UnixTime>,
    pub(super) expires_at: UnixTime,
    pub(super) claims: Claims,
}

/// All that it says.
pub(super) struct Claims(Map<String, Value>);

/// Why a token does not hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// None of the keys made this signature: there may be newer ones.
    Signature,
    /// Whatever the keys are.
    Claims(&'static str),
}

// === impl Jwt ===

impl<'a> Jwt<'a> {
    /// Reads a token. The cheap questions come first; what they are asked of is believed only when the signature holds.
    pub(super) fn read(text: &'a str, expected: &Expected<'_>) -> Result<Self, Fault> {
        let header = part(text, 0).ok_or(Fault::Claims("it is no JWT"))?;
        let claims = part(text, 1).ok_or(Fault::Claims("it is no JWT"))?;
        let typ = header.optional_text("typ").map_err(Fault::Claims)?;
        if !(expected.is_kind)(typ) {
            return Err(Fault::Claims("typ"));
        }
        // `none` and the symmetric ones are not among those that there are.
        let algorithm = header.text("alg").ok().and_then(Algorithm::named);
        let algorithm = algorithm.filter(|one| expected.algorithms.contains(one));
        let algorithm = algorithm.ok_or(Fault::Claims("alg"))?;
        let kid = header.optional_text("kid").map_err(Fault::Claims)?.map(ToOwned::to_owned);
        let (subject, auth_time, expires_at) = judge(&claims, expected).map_err(Fault::Claims)?;
        Ok(Self { text, kid, algorithm, subject, auth_time, expires_at, claims })
    }

    /// Verifies the signature.
    pub(super) fn verify(&self, keys: &KeySet, expected: &Expected<'_>) -> Result<(), Fault> {
        let options = VerificationOptions {
            allowed_issuers: Some(HashSet::from([expected.issuer.to_owned()])),
            time_tolerance: Some(JwtDuration::from_secs(LEEWAY)),
            artificial_time: Some(JwtDuration::from_secs(expected.now.0)),
            max_token_length: Some(LONGEST),
            ..VerificationOptions::default()
        };
        let verified = keys.verify(self.text, self.algorithm, self.kid.as_deref(), &options);
        verified.map(|_| ()).ok_or(Fault::Signature)
    }
}

// === impl Claims ===

impl Claims {
    /// A claim that must be a text; its name is the error.
    pub(super) fn text(&self, name: &'static str) -> Result<&str, &'static str> {
        self.optional_text(name)?.ok_or(name)
    }

    /// A claim that is a text where it is there.
    pub(super) fn optional_text(&self, name: &'static str) -> Result<Option<&str>, &'static str> {
        self.get(name).map(|value| value.as_str().ok_or(name)).transpose()
    }

    /// A claim that is a number of seconds since 1970 where it is there.
    pub(super) fn time(&self, name: &'static str) -> Result<Option<u64>, &'static str> {
        self.get(name).map(|value| value.as_u64().ok_or(name)).transpose()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(super) fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

/// The issuer that a token names: unverified, to know whose keys to look up.
pub(super) fn issuer_of(text: &str) -> Option<String> {
    part(text, 1)?.text("iss").ok().map(ToOwned::to_owned)
}

fn part(jwt: &str, index: usize) -> Option<Claims> {
    if jwt.len() > LONGEST || jwt.split('.').count() != 3 {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(index)?).ok()?;
    match strict_json::parse(&bytes) {
        Some(Value::Object(map)) => Some(Claims(map)),
        _ => None,
    }
}

/// Subject, time of the sign-in, and end; the name of the first claim that does not fit is the error.
fn judge(
    claims: &Claims,
    expected: &Expected<'_>,
) -> Result<(String, Option<UnixTime>, UnixTime), &'static str> {
    let now = expected.now.0;
    if claims.text("iss")? != expected.issuer {
        return Err("iss");
    }
    let expires_at = claims.time("exp")?.ok_or("exp")?;
    if now >= expires_at.saturating_add(LEEWAY) {
        return Err("exp");
    }
    let latest = now.saturating_add(LEEWAY);
    let issued_at = claims.time("iat")?.ok_or("iat")?;
    if issued_at > latest || issued_at.saturating_add(expected.oldest) < now {
        return Err("iat");
    }
    for name in ["nbf", "auth_time"] {
        if claims.time(name)?.is_some_and(|time| time > latest) {
            return Err(name);
        }
    }
    let subject = claims.text("sub")?.to_owned();
    if !is_subject(&subject) {
        return Err("sub");
    }
    Ok((subject, claims.time("auth_time")?.map(UnixTime), UnixTime(expires_at)))
}

/// Whether this can be (the provider's half of) somebody's identity.
fn is_subject(text: &str) -> bool {
    (1..=LONGEST_SUBJECT).contains(&text.len()) && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}
