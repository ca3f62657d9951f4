//! Does the caller hold the key that the token is bound to? One DPoP proof: a JWT made for one request (RFC 9449 section 4).
//!
//! What costs little comes first. A signature is checked last, and by no key but the one that the token names: who has not
//! seen a bound token costs no signature. Whether the proof was seen before is for the store that all workers share
//! ([`crate::limits`]).

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::claims::{self, Members, Round};
use super::digest::sha256;
use super::host_signature::HostSignatures;
use super::jwks;
use super::jwt::{Header, Parts};
use crate::time::Timestamp;

/// The longest proof that is looked at, in bytes: one by an RSA key of 4096 bits takes a quarter of it.
pub const MAX_PROOF_BYTES: usize = 8 * 1024;

/// The longest `jti`, in bytes.
pub const MAX_ID_BYTES: usize = 512;

/// How far ahead a client's clock may be (RFC 9449 section 11.1).
pub const AHEAD: Duration = Duration::from_secs(30);

/// By what a proof may be signed, as a challenge names it (`algs`, RFC 9449 section 7.1): all that we check.
pub const ALGORITHMS: &str = "ES256 EdDSA PS256 RS256";

/// What becomes of tokens that are bound to a key, and of those that are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BoundTokens {
    /// Bound tokens with a proof, and bearer tokens.
    #[default]
    Accepted,
    /// Only bound ones.
    Required,
    /// Only bearer tokens.
    Refused,
}

/// A proof as presented, unverified. Its `Debug` shows the length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof(String);

/// Which key it is: the SHA-256 thumbprint of a JWK (RFC 7638), `jkt` of a confirmation (RFC 9449 section 6.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Thumbprint([u8; 32]);

/// What a proof must have been made for.
pub struct Expected<'a> {
    /// The request's verb.
    pub method: &'a str,
    /// Whether a URI is that of the request.
    pub is_target: &'a dyn Fn(&str) -> bool,
    /// The access token that it goes with.
    pub token: &'a str,
    /// The key that the token is bound to.
    pub key: Thumbprint,
    /// How old it may be.
    pub max_age: Duration,
}

/// A proof that holds, unless it was used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The key that signed it.
    pub key: Thumbprint,
    /// Its `jti`.
    pub id: String,
    /// From when on it is too old.
    pub until: Timestamp,
}

// === impl Proof ===

impl Proof {
    /// From the value of the `DPoP` header.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// In bytes.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// Checks it as RFC 9449 section 4.3 demands, but for its being used once.
    ///
    /// # Errors
    /// Our own words for the first thing that does not hold.
    pub fn verify(
        &self,
        expected: &Expected<'_>,
        host: &HostSignatures,
        now: Timestamp,
    ) -> Result<Shown, &'static str> {
        let parts = Parts::split(&self.0)?;
        let (header, members) = Header::read(parts.header)?;
        if header.typ.as_deref() != Some("dpop+jwt") {
            return Err("typ is not that of a proof");
        }
        let jwk = members.get("jwk").and_then(Value::as_object).ok_or("proof without a jwk")?;
        if Thumbprint::of(jwk) != Some(expected.key) {
            return Err("proof by another key");
        }
        let claims = parts.claims()?;
        let id = hold(&claims, expected)?;
        let until = fresh(&claims, expected.max_age, now)?;
        let signature = parts.signature()?;
        let key = jwks::embedded(jwk, header.algorithm).ok_or("jwk is not a public key of its alg")?;
        if !key.signed(parts.signed, &signature, host) {
            return Err("signature of the proof");
        }
        Ok(Shown { key: expected.key, id, until })
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proof({} bytes)", self.0.len())
    }
}

/// Whether the claims are about this request and this token; gives `jti`.
fn hold(claims: &Members, expected: &Expected<'_>) -> Result<String, &'static str> {
    let text = |name| claims::text(claims, name);
    if text("htm") != Some(expected.method) {
        return Err("htm is not the verb of the request");
    }
    if !text("htu").is_some_and(expected.is_target) {
        return Err("htu is not the URL of the server");
    }
    let digest = Thumbprint(sha256(&[expected.token.as_bytes()]));
    if text("ath").and_then(Thumbprint::parse) != Some(digest) {
        return Err("ath is not that of the token");
    }
    let id = text("jti").filter(|id| !id.is_empty() && id.len() <= MAX_ID_BYTES);
    id.map(str::to_owned).ok_or("jti missing, empty or too long")
}

/// Whether it was made just now; gives the time from which on it is too old.
fn fresh(claims: &Members, max_age: Duration, now: Timestamp) -> Result<Timestamp, &'static str> {
    // Rounded so that rounding never lengthens a life.
    let made = claims::seconds(claims, "iat", &Round::Down)?.ok_or("proof without iat")?;
    let until = made.plus(max_age);
    if until <= now {
        return Err("proof too old");
    }
    let latest = claims::seconds(claims, "iat", &Round::Up)?.max(claims::seconds(claims, "nbf", &Round::Up)?);
    if latest > Some(now.plus(AHEAD)) {
        return Err("proof made in the future");
    }
    if claims::seconds(claims, "exp", &Round::Down)?.is_some_and(|exp| exp <= now) {
        return Err("proof expired");
    }
    Ok(until)
}

// === impl Thumbprint ===

impl Thumbprint {
    /// As it stands in a confirmation: 32 bytes in base64url. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// That of a key: SHA-256 over its required members in alphabetical order (RFC 7638 section 3). `None` where one is
    /// missing or would have to be escaped, as no key's is.
    fn of(jwk: &Members) -> Option<Self> {
        let required: &[&str] = match claims::text(jwk, "kty")? {
            "EC" => &["crv", "kty", "x", "y"],
            "OKP" => &["crv", "kty", "x"],
            "RSA" => &["e", "kty", "n"],
            _ => return None,
        };
        let mut canonical = String::new();
        for name in required {
            let member = claims::text(jwk, name)?;
            if !member.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
                return None;
            }
            for part in [if canonical.is_empty() { "{\"" } else { ",\"" }, name, "\":\"", member, "\""] {
                canonical.push_str(part);
            }
        }
        Some(Self(sha256(&[canonical.as_bytes(), b"}"])))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

#[cfg(test)]
mod tests;
