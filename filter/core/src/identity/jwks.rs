//! Which keys does an issuer publish? A JWK set (RFC 7517 section 5), taken apart by us and imported once.

use crate::json;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::claims;
use super::issuer::Algorithm;
use super::key::{KeyMark, PublicKey};

/// The usable signature keys of one issuer.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<Entry>);

/// What a set has under a `kid` and algorithm.
#[derive(Clone, Copy, Debug)]
pub enum Pick<'a> {
    /// This one.
    One(&'a PublicKey),
    /// Nothing.
    Nothing,
    /// More than one: choosing would be guessing.
    Several,
}

#[derive(Clone, Debug)]
struct Entry {
    kid: Option<String>,
    key: PublicKey,
}

// === impl KeySet ===

impl KeySet {
    /// The longest document that is parsed; large sets with certificate chains stay below a tenth of it.
    pub const MAX_BYTES: usize = 256 * 1024;
    /// The most keys that a document may hold.
    pub const MAX_KEYS: usize = 64;
    /// The longest `kid` of a usable key, in bytes.
    pub const MAX_KID_BYTES: usize = 256;

    /// The keys of a JWK set. Keys that cannot verify one of our algorithms are skipped (RFC 7517 section 5): other types,
    /// uses and curves, RSA below 2048 bits, private and symmetric keys (what is published is not secret), malformed ones.
    ///
    /// # Errors
    /// Our own words if the document is not a JWK set or exceeds the bounds. An empty set is none: an issuer may withdraw
    /// all its keys.
    pub fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.len() > Self::MAX_BYTES {
            return Err("JWK set too large");
        }
        let document =
            json::object(bytes).map_err(|()| "JWK set is not a JSON object with unique members")?;
        let Some(Value::Array(keys)) = document.get("keys") else {
            return Err("JWK set without a keys array");
        };
        if keys.len() > Self::MAX_KEYS {
            return Err("JWK set with too many keys");
        }
        Ok(Self(keys.iter().filter_map(Value::as_object).flat_map(import).collect()))
    }

    /// The key for a token that names `kid` and `algorithm`. Without `kid` only a set with one key of that algorithm has an
    /// answer (RFC 7515 section 4.1.4).
    pub fn pick(&self, kid: Option<&str>, algorithm: Algorithm) -> Pick<'_> {
        let fits = |e: &&Entry| e.key.algorithm() == algorithm && (kid.is_none() || e.kid.as_deref() == kid);
        let mut fitting = self.0.iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (None, _) => Pick::Nothing,
            (Some(entry), None) => Pick::One(&entry.key),
            (Some(_), Some(_)) => Pick::Several,
        }
    }

    /// Whether a key of exactly this material is in the set.
    pub fn has(&self, mark: KeyMark) -> bool {
        self.0.iter().any(|e| e.key.mark() == mark)
    }

    /// How many usable keys; an RSA key that names no algorithm counts for RS256 and for PS256.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no key is usable.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The keys that one JWK stands for: none, one, or two for an RSA key that names no algorithm.
fn import(jwk: &Map<String, Value>) -> Vec<Entry> {
    let algorithms: Vec<Algorithm> = match jwk.get("alg") {
        None => Algorithm::ALL.to_vec(),
        Some(name) => name.as_str().and_then(Algorithm::parse).into_iter().collect(),
    };
    if !is_for_verifying(jwk) {
        return Vec::new();
    }
    let kid = match jwk.get("kid") {
        None => None,
        Some(Value::String(kid)) if kid.len() <= KeySet::MAX_KID_BYTES => Some(kid.as_str()),
        Some(_) => return Vec::new(),
    };
    let keys = algorithms.into_iter().filter_map(|algorithm| key(jwk, kid, algorithm));
    keys.map(|key| Entry { kid: kid.map(str::to_owned), key }).collect()
}

/// The key that a proof brings along, if it is a public one for this algorithm (RFC 9449 section 4.2).
pub(super) fn embedded(jwk: &Map<String, Value>, algorithm: Algorithm) -> Option<PublicKey> {
    let named = jwk.get("alg").is_none_or(|alg| alg.as_str() == Some(algorithm.as_str()));
    if named && is_for_verifying(jwk) { key(jwk, None, algorithm) } else { None }
}

/// Whether `use` and `key_ops` permit verifying (RFC 7517 sections 4.2, 4.3) and nothing secret was published.
fn is_for_verifying(jwk: &Map<String, Value>) -> bool {
    let for_signatures = jwk.get("use").is_none_or(|u| u.as_str() == Some("sig"));
    let may_verify = jwk.get("key_ops").is_none_or(|ops| {
        ops.as_array().is_some_and(|ops| ops.iter().any(|op| op.as_str() == Some("verify")))
    });
    let leaked = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|name| jwk.contains_key(*name));
    for_signatures && may_verify && !leaked
}

/// The JWK as a key of that algorithm, if type, curve and material fit (RFC 7518 section 6, RFC 8037 section 2).
fn key(jwk: &Map<String, Value>, kid: Option<&str>, algorithm: Algorithm) -> Option<PublicKey> {
    let text = |name: &str| claims::text(jwk, name);
    match (algorithm, text("kty")?) {
        (Algorithm::Rs256 | Algorithm::Ps256, "RSA") => {
            PublicKey::rsa(algorithm, kid, &bytes(text("n")?)?, &bytes(text("e")?)?)
        }
        (Algorithm::Es256, "EC") if text("crv") == Some("P-256") => {
            PublicKey::p256(kid, &coordinate(text("x")?)?, &coordinate(text("y")?)?)
        }
        (Algorithm::EdDsa, "OKP") if text("crv") == Some("Ed25519") => {
            PublicKey::ed25519(kid, &coordinate(text("x")?)?)
        }
        _ => None,
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn coordinate(text: &str) -> Option<[u8; 32]> {
    bytes(text)?.try_into().ok()
}

#[cfg(test)]
mod tests;
