//! Is this token good here, now? From the compact form (RFC 7515 section 3.1) to a [`Verified`] identity.
//!
//! Cheap checks come first: a token that is not for us, or not of our issuers, costs no signature and no fetch of keys.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::claims::{self, Members};
use super::credential::MAX_TOKEN_BYTES;
use super::host_signature::HostSignatures;
use super::issuer::{Algorithm, Issuer, TokenType};
use super::key::{KeyMark, PublicKey};
use super::key_ring::{KeyRing, Lookup};
use super::principal::Identity;
use crate::denial::Denial;
use crate::json;
use crate::time::Timestamp;

/// The longest header, in base64url characters.
pub const MAX_HEADER_CHARS: usize = 4096;

/// What a token must fit to be accepted by one server.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// All issuers of the configuration, in the order of the [`KeyRing`].
    pub issuers: &'a [Issuer],
    /// Indexes into `issuers`: those that this server accepts.
    pub accepted: &'a [usize],
    /// The server's resource identifier, compared with `aud` byte for byte (RFC 8707).
    pub audience: &'a str,
}

/// A token that holds in every respect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Who it speaks for.
    pub identity: Arc<Identity>,
    /// The issuer's index in the configuration.
    pub issuer: usize,
    /// The key that signed it; `None` for a token that its issuer vouched for.
    pub key: Option<KeyMark>,
    /// When it was found to hold.
    pub since: Timestamp,
    /// Until when it may be remembered: `exp`, or earlier where the issuer has to be asked again.
    pub until: Timestamp,
}

// === impl Verified ===

impl Verified {
    /// Whether it may be remembered at `now`. How long ago an issuer vouched for it nobody knows whose clock was set back since; what a
    /// key proves is as good then as if it were verified anew.
    pub fn holds(&self, now: Timestamp) -> bool {
        let known = self.key.is_some() || self.since <= now;
        known && now < self.until
    }
}

/// Why a token was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not hold. Our own words, for the audit.
    Invalid(&'static str),
    /// Its issuer must be asked, because only the issuer (its index) can read it.
    NeedValidation {
        /// The issuer's index in the configuration.
        issuer: usize,
    },
    /// Its issuer was asked and did not answer.
    Unanswered,
    /// It cannot be judged before the keys of this issuer (its index) are fetched. If
    /// [`KeyRing::may_fetch`] says no, they cannot be had now.
    NeedKeys {
        /// The issuer's index in the configuration.
        issuer: usize,
    },
}

/// That of a token which no key of its issuer signed.
pub(super) const FORGED: Fault = Fault::Invalid("signature");

/// The three parts as they stand, none of them empty.
pub(super) struct Parts<'t> {
    pub(super) header: &'t str,
    payload: &'t str,
    signature: &'t str,
    /// Header and payload with the dot between them.
    pub(super) signed: &'t [u8],
}

/// What we read of the header. `jku`, `x5u`, `x5c` and `x5t` are never read: the keys of tokens come from the ring alone.
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    kid: Option<String>,
    pub(super) typ: Option<String>,
}

/// The identity that `token` proves, for a server that expects `expected`, at `now`; our own code checks the signature.
///
/// # Errors
/// As [`verify_with`].
pub fn verify(
    token: &str,
    expected: &Expected<'_>,
    ring: &KeyRing,
    now: Timestamp,
) -> Result<Verified, Fault> {
    verify_with(token, expected, ring, &HostSignatures::NONE, now)
}

/// The same; the host checks the signature where it can.
///
/// # Errors
/// [`Fault::Invalid`] with a reason for the audit, or [`Fault::NeedKeys`].
pub fn verify_with(
    token: &str,
    expected: &Expected<'_>,
    ring: &KeyRing,
    host: &HostSignatures,
    now: Timestamp,
) -> Result<Verified, Fault> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Fault::Invalid("token too long"));
    }
    let parts = Parts::split(token)?;
    let header = Header::parse(parts.header)?;
    let payload = parts.payload()?;
    let signature = parts.signature()?;
    let members = object(&payload)?;

    let (index, issuer) = accepted_issuer(&members, expected)?;
    header.fits(issuer)?;
    let identity = claims::validate(&members, issuer, expected.audience, now).map_err(Fault::Invalid)?;

    let key = find_key(ring, index, &header, now)?;
    if !key.signed(parts.signed, &signature, host) {
        return Err(FORGED);
    }
    let until = identity.expires;
    Ok(Verified { identity: Arc::new(identity), issuer: index, key: Some(key.mark()), since: now, until })
}

/// What an issuer (its index) has signed that is no token: a JWS of exactly this `typ`, of any length.
///
/// # Errors
/// As [`verify_with`].
pub(super) fn statement(
    text: &str,
    typ: &str,
    (index, issuer): (usize, &Issuer),
    ring: &KeyRing,
    host: &HostSignatures,
    now: Timestamp,
) -> Result<Members, Fault> {
    let parts = Parts::split(text)?;
    let header = Header::parse(parts.header)?;
    if !issuer.algorithms.contains(&header.algorithm) || header.typ.as_deref() != Some(typ) {
        return Err(Fault::Invalid("alg or typ is not that of such a statement"));
    }
    let (payload, signature) = (parts.payload()?, parts.signature()?);
    if !find_key(ring, index, &header, now)?.signed(parts.signed, &signature, host) {
        return Err(FORGED);
    }
    Ok(object(&payload)?)
}

// === impl Expected ===

impl Expected<'_> {
    /// The issuer that is asked about tokens which only it can read: the first accepted one that can be.
    pub(super) fn asked_about_opaque(&self) -> Option<usize> {
        let can = |index: &usize| self.issuers.get(*index).is_some_and(|issuer| issuer.validate.is_some());
        self.accepted.iter().copied().find(can)
    }
}

// === impl Fault ===

impl From<&'static str> for Fault {
    fn from(what: &'static str) -> Self {
        Self::Invalid(what)
    }
}

impl From<Fault> for Denial {
    /// For a fault that is final: keys that cannot be had make the exchange unavailable.
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Invalid(what) => Self::InvalidCredential(what),
            Fault::NeedKeys { .. } => Self::Unavailable("signing keys"),
            Fault::NeedValidation { .. } | Fault::Unanswered => Self::Unavailable("token validation"),
        }
    }
}

// === impl Parts ===

impl<'t> Parts<'t> {
    pub(super) fn split(token: &'t str) -> Result<Self, &'static str> {
        let split = || {
            let (signed, signature) = token.rsplit_once('.')?;
            let (header, payload) = signed.split_once('.')?;
            let whole = ![header, payload, signature].contains(&"") && !payload.contains('.');
            whole.then_some(Self { header, payload, signature, signed: signed.as_bytes() })
        };
        split().ok_or("not a signed JWT of three parts")
    }

    fn payload(&self) -> Result<Vec<u8>, &'static str> {
        decode(self.payload, "payload is not unpadded base64url")
    }

    pub(super) fn signature(&self) -> Result<Vec<u8>, &'static str> {
        decode(self.signature, "signature is not unpadded base64url")
    }

    /// What the payload says, whoever signed it.
    pub(super) fn claims(&self) -> Result<Members, &'static str> {
        object(&self.payload()?)
    }
}

// === impl Header ===

impl Header {
    /// That of a token.
    fn parse(encoded: &str) -> Result<Self, &'static str> {
        let (header, members) = Self::read(encoded)?;
        // A token that brings its own key wants to be believed by it.
        if members.contains_key("jwk") { Err("jwk in header") } else { Ok(header) }
    }

    /// That of any JWT, with all its members.
    pub(super) fn read(encoded: &str) -> Result<(Self, Members), &'static str> {
        if encoded.len() > MAX_HEADER_CHARS {
            return Err("header too long");
        }
        let bytes = decode(encoded, "header is not unpadded base64url")?;
        let members = json::object(&bytes).map_err(|()| "header is not a JSON object with unique members")?;
        // Any `crit` is refused: we understand no extension (RFC 7515 section 4.1.11).
        if members.contains_key("crit") {
            return Err("crit in header");
        }
        let text = |name, fault| match members.get(name) {
            None => Ok(None),
            Some(value) => value.as_str().map(|s| Some(s.to_owned())).ok_or(fault),
        };
        let algorithm = text("alg", "alg is not a string")?.and_then(|name| Algorithm::parse(&name));
        let header = Self {
            algorithm: algorithm.ok_or("alg is not supported")?,
            kid: text("kid", "kid is not a string")?,
            typ: text("typ", "typ is not a string")?,
        };
        Ok((header, members))
    }

    /// Whether algorithm and type are the issuer's.
    fn fits(&self, issuer: &Issuer) -> Result<(), Fault> {
        if !issuer.algorithms.contains(&self.algorithm) {
            return Err(Fault::Invalid("alg is not of this issuer"));
        }
        let typ = self.typ.as_deref();
        let is = |name: &str| typ.is_some_and(|t| t.eq_ignore_ascii_case(name));
        let access_token = is("at+jwt") || is("application/at+jwt");
        let plain = issuer.token_type == TokenType::PlainJwt && (typ.is_none() || is("JWT"));
        if access_token || plain { Ok(()) } else { Err(Fault::Invalid("typ is not that of an access token")) }
    }
}

/// The issuer that `iss` names byte for byte, if this server accepts it.
fn accepted_issuer<'a>(members: &Members, expected: &Expected<'a>) -> Result<(usize, &'a Issuer), Fault> {
    let iss = claims::text(members, "iss").ok_or(Fault::Invalid("iss missing or not a string"))?;
    let accepted = expected.accepted.iter().filter_map(|index| Some((*index, expected.issuers.get(*index)?)));
    accepted
        .into_iter()
        .find(|(_, issuer)| issuer.issuer == iss)
        .ok_or(Fault::Invalid("iss is not accepted here"))
}

fn find_key<'r>(
    ring: &'r KeyRing,
    issuer: usize,
    header: &Header,
    now: Timestamp,
) -> Result<&'r PublicKey, Fault> {
    match ring.find(issuer, header.kid.as_deref(), header.algorithm, now) {
        Lookup::Found(key) => Ok(key),
        Lookup::Unknown => Err(Fault::Invalid("signed by a key that the issuer does not publish")),
        Lookup::Ambiguous => Err(Fault::Invalid("several keys fit")),
        Lookup::Outdated | Lookup::NoKeys => Err(Fault::NeedKeys { issuer }),
    }
}

/// Strict base64url: no padding, no whitespace, no stray bits at the end.
fn decode(text: &str, fault: &'static str) -> Result<Vec<u8>, &'static str> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| fault)
}

fn object(payload: &[u8]) -> Result<Members, &'static str> {
    json::object(payload).map_err(|()| "payload is not a JSON object with unique members")
}

#[cfg(test)]
mod tests;
