//! Did the issuer sign this? One public key, typed by its algorithm when it is imported, so that a token cannot choose
//! how it is checked (RFC 8725 section 3.1).

use std::collections::HashSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::algorithms::{
    ECDSAP256PublicKeyLike, ES256PublicKey, Ed25519PublicKey, EdDSAPublicKeyLike, PS256PublicKey,
    RS256PublicKey, RSAPublicKeyLike,
};
use jwt_simple::claims::{JWTClaims, NoCustomClaims};
use jwt_simple::common::VerificationOptions;
use jwt_simple::prelude::{Duration, UnixTimeStamp};
use sha2::{Digest, Sha256};

use super::credential::MAX_TOKEN_BYTES;
use super::host_signature::HostSignatures;
use super::issuer::{Algorithm, Issuer};
use crate::time::Timestamp;

/// A public key that can check one algorithm only.
#[derive(Clone)]
pub struct PublicKey {
    typed: Typed,
    spki: Option<Vec<u8>>,
    mark: KeyMark,
}

/// Which key it was, by its material: the first half of SHA-256 over algorithm, `kid` and key bytes. A key that comes
/// back under an old `kid` is another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyMark([u8; 16]);

/// What a token claims to be, as our own validator has already found it: the library looks at all of it again.
pub(super) struct Claimed<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) audience: &'a str,
    pub(super) now: Timestamp,
}

#[derive(Clone)]
enum Typed {
    Rs256(RS256PublicKey),
    Ps256(PS256PublicKey),
    Es256(ES256PublicKey),
    EdDsa(Ed25519PublicKey),
}

// === impl PublicKey ===

impl PublicKey {
    /// An RSA key for one of the two RSA algorithms. `None` unless the modulus has 2048 to 4096 bits and the exponent is
    /// 65537, which the library checks.
    pub(super) fn rsa(algorithm: Algorithm, kid: Option<&str>, n: &[u8], e: &[u8]) -> Option<Self> {
        let typed = match algorithm {
            Algorithm::Rs256 => Typed::Rs256(RS256PublicKey::from_components(n, e).ok()?),
            Algorithm::Ps256 => Typed::Ps256(PS256PublicKey::from_components(n, e).ok()?),
            Algorithm::Es256 | Algorithm::EdDsa => return None,
        };
        Some(Self { spki: typed.spki_der(), typed, mark: KeyMark::of(algorithm, kid, &[n, e]) })
    }

    /// A point on P-256, 32 bytes each. `None` if it is not on the curve.
    pub(super) fn p256(kid: Option<&str>, x: &[u8; 32], y: &[u8; 32]) -> Option<Self> {
        let point = [&[4][..], x, y].concat();
        let typed = Typed::Es256(ES256PublicKey::from_bytes(&point).ok()?);
        Some(Self { spki: typed.spki_der(), typed, mark: KeyMark::of(Algorithm::Es256, kid, &[x, y]) })
    }

    /// An Ed25519 key. `None` for points of small order.
    pub(super) fn ed25519(kid: Option<&str>, x: &[u8; 32]) -> Option<Self> {
        let typed = Typed::EdDsa(Ed25519PublicKey::from_bytes(x).ok()?);
        Some(Self { spki: typed.spki_der(), typed, mark: KeyMark::of(Algorithm::EdDsa, kid, &[x]) })
    }

    /// The only algorithm that it checks.
    pub fn algorithm(&self) -> Algorithm {
        match self.typed {
            Typed::Rs256(_) => Algorithm::Rs256,
            Typed::Ps256(_) => Algorithm::Ps256,
            Typed::Es256(_) => Algorithm::Es256,
            Typed::EdDsa(_) => Algorithm::EdDsa,
        }
    }

    /// Which key it is, by its material.
    pub fn mark(&self) -> KeyMark {
        self.mark
    }

    /// The key as DER `SubjectPublicKeyInfo` (RFC 5280 section 4.1), as Envoy's `verify_signature` takes it. `None` for
    /// Ed25519, which that function does not know.
    pub fn spki_der(&self) -> Option<&[u8]> {
        self.spki.as_deref()
    }

    /// Whether this key signed `token`, by the host's word where it may be asked.
    pub(super) fn signed(&self, token: &str, claimed: &Claimed<'_>, host: &HostSignatures) -> bool {
        self.signed_by_host(token, host).unwrap_or_else(|| self.signed_by_us(token, claimed))
    }

    fn signed_by_host(&self, token: &str, host: &HostSignatures) -> Option<bool> {
        let (text, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        host.verify(self.algorithm(), self.spki.as_ref()?, &signature, text.as_bytes())
    }

    /// The library has no check of a bare signature, so it parses the token once more;
    /// that costs microseconds beside the signature, and every option is set, so that none of its lenient defaults
    /// (15 minutes of drift, any issuer, any audience) can matter.
    fn signed_by_us(&self, token: &str, claimed: &Claimed<'_>) -> bool {
        let options = Some(claimed.options());
        let verified: Result<JWTClaims<NoCustomClaims>, _> = match &self.typed {
            Typed::Rs256(key) => key.verify_token(token, options),
            Typed::Ps256(key) => key.verify_token(token, options),
            Typed::Es256(key) => key.verify_token(token, options),
            Typed::EdDsa(key) => key.verify_token(token, options),
        };
        verified.is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("algorithm", &self.algorithm()).field("mark", &self.mark).finish()
    }
}

// === impl Typed ===

impl Typed {
    fn spki_der(&self) -> Option<Vec<u8>> {
        match self {
            Self::Rs256(key) => key.to_der().ok(),
            Self::Ps256(key) => key.to_der().ok(),
            Self::Es256(key) => key.to_der().ok(),
            Self::EdDsa(_) => None,
        }
    }
}

// === impl KeyMark ===

impl KeyMark {
    fn of(algorithm: Algorithm, kid: Option<&str>, material: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        let kid = kid.map(str::as_bytes);
        for part in
            [Some(algorithm.as_str().as_bytes()), kid].into_iter().chain(material.iter().map(|m| Some(*m)))
        {
            // Lengths in front, absent unlike empty: no two keys share an encoding.
            hash.update(part.map_or(u64::MAX, |p| p.len() as u64).to_be_bytes());
            hash.update(part.unwrap_or_default());
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut mark = [0; 16];
        mark.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(mark)
    }
}

// === impl Claimed ===

impl Claimed<'_> {
    fn options(&self) -> VerificationOptions {
        VerificationOptions {
            reject_before: None,
            accept_future: false,
            required_subject: None,
            required_key_id: None,
            required_signature_type: None,
            required_content_type: None,
            required_nonce: None,
            allowed_issuers: Some(HashSet::from([self.issuer.issuer.clone()])),
            allowed_audiences: Some(HashSet::from([self.audience.to_owned()])),
            // A second more than ours: the library knows whole seconds only, and must not undercut our validator.
            time_tolerance: Some(Duration::from_secs(self.issuer.skew.min(Issuer::MAX_SKEW).as_secs() + 1)),
            max_validity: None,
            max_token_length: Some(MAX_TOKEN_BYTES),
            max_header_length: Some(super::jwt::MAX_HEADER_CHARS),
            artificial_time: Some(UnixTimeStamp::from_secs(self.now.as_secs())),
        }
    }
}
