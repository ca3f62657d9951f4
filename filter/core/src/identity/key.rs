//! Did the issuer sign this? One public key, typed by its algorithm when it is imported, so that a token cannot choose
//! how it is checked (RFC 8725 section 3.1).

use std::fmt;

use p256::ecdsa::{self, signature::hazmat::PrehashVerifier as _};
use rsa::RsaPublicKey;
use rsa::{pkcs1v15, pss};
use sha2::{Digest, Sha256};

use super::host_signature::HostSignatures;
use super::issuer::Algorithm;

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

#[derive(Clone)]
enum Typed {
    Rs256(pkcs1v15::VerifyingKey<Sha256>),
    Ps256(pss::VerifyingKey<Sha256>),
    Es256(ecdsa::VerifyingKey),
    EdDsa(ed25519_compact::PublicKey),
}

/// `SubjectPublicKeyInfo` of a point on P-256, up to the point itself (RFC 5480 section 2).
const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// `SubjectPublicKeyInfo` of an RSA key (RFC 8017 appendix A.1.1, RFC 3279 section 2.3.1): the algorithm, then two numbers.
fn rsa_spki(n: &[u8], e: &[u8]) -> Vec<u8> {
    const ALGORITHM: [u8; 15] =
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    // A number with its highest bit set has a zero in front, which says that it is positive.
    let number = |bytes: &[u8]| {
        let leading = bytes.iter().take_while(|b| **b == 0).count();
        let digits = bytes.get(leading..).unwrap_or_default();
        let sign: &[u8] = if digits.first().is_some_and(|b| *b >= 0x80) { &[0] } else { &[] };
        der(0x02, &[sign, digits])
    };
    let numbers = der(0x30, &[&number(n), &number(e)]);
    der(0x30, &[&ALGORITHM, &der(0x03, &[&[0], &numbers])])
}

/// One DER value: tag, length (at most two bytes of it, enough for any key that we take), contents.
fn der(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let length = contents.iter().map(|part| part.len()).sum::<usize>();
    let [.., high, low] = length.to_be_bytes();
    let mut out = match (high, low) {
        (0, 0..=0x7f) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    out.extend(contents.concat());
    out
}

// === impl PublicKey ===

impl PublicKey {
    /// An RSA key for one of the two RSA algorithms. `None` unless the modulus is odd and has 2048 to 4096 bits, and the
    /// exponent is 65537: smaller keys are weak, larger ones cost too much, and no issuer has other exponents.
    pub(super) fn rsa(algorithm: Algorithm, kid: Option<&str>, n: &[u8], e: &[u8]) -> Option<Self> {
        let [modulus, exponent] = [n, e].map(rsa::BigUint::from_bytes_be);
        let odd = n.last().is_some_and(|last| last & 1 == 1);
        if !odd || !(2048..=4096).contains(&modulus.bits()) || exponent != rsa::BigUint::from(65_537_u32) {
            return None;
        }
        let key = RsaPublicKey::new(modulus, exponent).ok()?;
        let spki = rsa_spki(n, e);
        let typed = match algorithm {
            Algorithm::Rs256 => Typed::Rs256(pkcs1v15::VerifyingKey::new(key)),
            Algorithm::Ps256 => Typed::Ps256(pss::VerifyingKey::new(key)),
            Algorithm::Es256 | Algorithm::EdDsa => return None,
        };
        Some(Self { spki: Some(spki), typed, mark: KeyMark::of(algorithm, kid, &[n, e]) })
    }

    /// A point on P-256, 32 bytes each. `None` if it is not on the curve.
    pub(super) fn p256(kid: Option<&str>, x: &[u8; 32], y: &[u8; 32]) -> Option<Self> {
        let point = [&[4][..], x, y].concat();
        let typed = Typed::Es256(ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?);
        let spki = [&P256_SPKI[..], &point].concat();
        Some(Self { spki: Some(spki), typed, mark: KeyMark::of(Algorithm::Es256, kid, &[x, y]) })
    }

    /// An Ed25519 key. `None` for points of small order, and for what is no point.
    pub(super) fn ed25519(kid: Option<&str>, x: &[u8; 32]) -> Option<Self> {
        let key = ed25519_compact::PublicKey::new(*x);
        key.validate().ok()?;
        Some(Self { spki: None, typed: Typed::EdDsa(key), mark: KeyMark::of(Algorithm::EdDsa, kid, &[x]) })
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

    /// Whether `signature` over `text` is of this key (JWS, RFC 7515 section 5.2), by the host's word where it may be
    /// asked.
    pub(super) fn signed(&self, text: &[u8], signature: &[u8], host: &HostSignatures) -> bool {
        let by_host =
            self.spki.as_ref().and_then(|spki| host.verify(self.algorithm(), spki, signature, text));
        by_host.unwrap_or_else(|| self.typed.signed(text, signature))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("algorithm", &self.algorithm()).field("mark", &self.mark).finish()
    }
}

// === impl Typed ===

impl Typed {
    /// RFC 7518 sections 3.3 to 3.5 and RFC 8037 section 3.1; PSS with a salt as long as the hash.
    fn signed(&self, text: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rs256(key) => pkcs1v15::Signature::try_from(signature)
                .is_ok_and(|s| rsa::signature::Verifier::verify(key, text, &s).is_ok()),
            Self::Ps256(key) => pss::Signature::try_from(signature)
                .is_ok_and(|s| rsa::signature::Verifier::verify(key, text, &s).is_ok()),
            Self::Es256(key) => ecdsa::Signature::from_slice(signature)
                .is_ok_and(|s| key.verify_prehash(&Sha256::digest(text), &s).is_ok()),
            Self::EdDsa(key) => {
                ed25519_compact::Signature::from_slice(signature).is_ok_and(|s| key.verify(text, &s).is_ok())
            }
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

#[cfg(test)]
mod tests {
    use rsa::BigUint;
    use rsa::pkcs8::EncodePublicKey as _;

    use super::*;

    #[test]
    fn the_der_of_keys_is_that_of_the_library() {
        for bits in [2048_usize, 3072, 4096] {
            let mut n = vec![0xc1; bits / 8];
            n[bits / 8 - 1] = 0x0d;
            let e = [1, 0, 1];
            let key = RsaPublicKey::new(BigUint::from_bytes_be(&n), BigUint::from(65_537_u32)).unwrap();
            let expected = key.to_public_key_der().unwrap();
            assert_eq!(rsa_spki(&n, &e), expected.as_bytes(), "{bits}");
            assert_eq!(rsa_spki(&[&[0, 0], &n[..]].concat(), &e), expected.as_bytes(), "zeros in front");
        }
        let mut low = vec![0x41; 256];
        low[255] = 1;
        let key = RsaPublicKey::new(BigUint::from_bytes_be(&low), BigUint::from(65_537_u32)).unwrap();
        assert_eq!(rsa_spki(&low, &[1, 0, 1]), key.to_public_key_der().unwrap().as_bytes());
        let signing = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let point = signing.verifying_key().to_sec1_point(false);
        let (x, y) = (point.x().unwrap(), point.y().unwrap());
        let ours = PublicKey::p256(None, &(*x).into(), &(*y).into()).unwrap();
        let theirs = p256::pkcs8::EncodePublicKey::to_public_key_der(signing.verifying_key()).unwrap();
        assert_eq!(ours.spki_der(), Some(theirs.as_bytes()));
    }

    #[test]
    fn weak_and_strange_rsa_keys_are_none() {
        let of = |n: &[u8], e: &[u8]| PublicKey::rsa(Algorithm::Rs256, None, n, e).is_some();
        let odd = |bytes: usize| {
            let mut n = vec![0xc1; bytes];
            n[bytes - 1] = 0x0d;
            n
        };
        assert!(of(&odd(256), &[1, 0, 1]) && of(&odd(512), &[0, 1, 0, 1]));
        assert!(!of(&odd(255), &[1, 0, 1]) && !of(&odd(513), &[1, 0, 1]), "too small, too large");
        assert!(!of(&odd(256), &[3]) && !of(&odd(256), &[]) && !of(&[], &[1, 0, 1]));
        let mut even = odd(256);
        even[255] = 0x0c;
        assert!(!of(&even, &[1, 0, 1]));
    }
}
