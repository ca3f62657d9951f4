//! Is this JWT the client's own word for who it is? `private_key_jwt`: RFC 7523 section 3, OpenID Connect Core section 9.

use std::collections::HashSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::{Audiences, Duration as JwtDuration, Token, VerificationOptions};
use serde::Deserialize;

use super::client::Client;
use super::jwk::{Algorithm, KeySet};
use crate::clock::UnixTime;

/// The only value of `client_assertion_type` (RFC 7523 section 2.2).
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Longer ones are not parsed.
const LONGEST: usize = 16 * 1024;
const LONGEST_JTI: usize = 255;
/// How far ahead `exp` may lie: so long must a `jti` be remembered, and so long could a stolen assertion be tried. Client libraries
/// make them for up to an hour.
const LONGEST_LIFE: Duration = Duration::from_secs(60 * 60);
/// A client's clock may be ahead of ours by so much.
const LEEWAY: Duration = Duration::from_secs(30);

/// A JWT as presented. It is a credential until it has been used: `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Assertion(String);

/// What an assertion that holds must still be asked: was it used before?
#[derive(Debug, PartialEq, Eq)]
pub struct Proven {
    /// Names the assertion; unique per client.
    pub jti: String,
    /// Until then it must be remembered.
    pub expires_at: UnixTime,
}

// === impl Assertion ===

impl Assertion {
    /// Takes what was presented; nothing is checked yet.
    #[must_use]
    pub fn new(jwt: &str) -> Self {
        Self(jwt.to_owned())
    }

    /// The client that it names as its subject: unverified, to know whose keys to look up.
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Claims {
            sub: String,
        }
        if self.0.len() > LONGEST {
            return None;
        }
        let payload = URL_SAFE_NO_PAD.decode(self.0.split('.').nth(1)?).ok()?;
        serde_json::from_slice(&payload).ok().map(|claims: Claims| claims.sub)
    }

    /// Verifies it as this client's: `iss` and `sub` are its id, every `aud` is one of `audiences` (the issuer and the
    /// token endpoint; one that also serves for another server could be replayed by that), `exp` lies ahead and not
    /// far, `nbf` and `iat` do not, and there is a `jti`.
    #[must_use]
    pub fn verify(
        &self,
        client: &Client,
        keys: &KeySet,
        audiences: &[String],
        now: UnixTime,
    ) -> Option<Proven> {
        if self.0.len() > LONGEST {
            return None;
        }
        let header = Token::decode_metadata(&self.0).ok()?;
        let algorithm = Algorithm::named(header.algorithm())?;
        if client.assertion_algorithm.is_some_and(|only| only != algorithm)
            || !is_plain(header.signature_type())
        {
            return None;
        }
        let options = VerificationOptions {
            allowed_issuers: Some(HashSet::from([client.id.clone()])),
            required_subject: Some(client.id.clone()),
            time_tolerance: Some(JwtDuration::from_secs(LEEWAY.as_secs())),
            artificial_time: Some(JwtDuration::from_secs(now.0)),
            max_token_length: Some(LONGEST),
            ..VerificationOptions::default()
        };
        let claims = keys.verify(&self.0, algorithm, header.key_id(), &options)?;
        let meant_for_us = match claims.audiences? {
            Audiences::AsString(one) => audiences.contains(&one),
            Audiences::AsSet(many) => !many.is_empty() && many.iter().all(|one| audiences.contains(one)),
        };
        let expires_at = UnixTime(claims.expires_at?.as_secs());
        let in_time = now < expires_at && expires_at.since(now) <= LONGEST_LIFE;
        let jti = claims.jwt_id.filter(|jti| !jti.is_empty() && jti.len() <= LONGEST_JTI)?;
        (meant_for_us && in_time).then_some(Proven { jti, expires_at })
    }
}

impl std::fmt::Debug for Assertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Assertion(..)")
    }
}

/// No other kind of JWT that the same key may have signed passes for an assertion (RFC 8725 section 3.11).
fn is_plain(typ: Option<&str>) -> bool {
    let usual = ["jwt", "client-authentication+jwt"];
    typ.is_none_or(|typ| usual.iter().any(|one| typ.eq_ignore_ascii_case(one)))
}
