//! Who has approved a file of pins? Ed25519 (RFC 8032), or ECDSA on P-256 with SHA-256 (ES256, RFC 7518 section 3.4).

use crate::document::read;
use crate::outcome::Unusable;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_compact as ed25519;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::pkcs8::DecodePrivateKey as _;
use std::path::Path;

/// A private key.
pub(super) enum Signer {
    Ed25519(ed25519::KeyPair),
    Es256(p256::ecdsa::SigningKey),
}

/// A public key as it stands in a policy: `ed25519:` or `es256:` and base64url, of the key's 32 bytes or of the point.
#[derive(Debug)]
pub(super) enum Verifier {
    Ed25519(ed25519::PublicKey),
    Es256(p256::ecdsa::VerifyingKey),
}

// === impl Signer ===

impl Signer {
    /// Reads PKCS #8 in PEM, as `openssl genpkey` writes it.
    pub(super) fn read(path: &Path) -> Result<Self, Unusable> {
        let pem = read(path)?;
        if let Ok(key) = ed25519::KeyPair::from_pem(&pem) {
            return Ok(Self::Ed25519(key));
        }
        p256::ecdsa::SigningKey::from_pkcs8_pem(&pem).map(Self::Es256).map_err(|_| {
            let what = "is no private key of Ed25519 or P-256 in PEM (PKCS #8, not encrypted)";
            Unusable(format!("{} {what}", path.display()))
        })
    }

    /// The public half, as a policy names it.
    pub(super) fn public(&self) -> String {
        match self {
            Self::Ed25519(key) => format!("ed25519:{}", URL_SAFE_NO_PAD.encode(key.pk.as_ref())),
            Self::Es256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                format!("es256:{}", URL_SAFE_NO_PAD.encode(point.as_bytes()))
            }
        }
    }

    /// The signature over `text`, base64.
    pub(super) fn sign(&self, text: &[u8]) -> String {
        match self {
            Self::Ed25519(key) => STANDARD.encode(key.sk.sign(text, None).as_ref()),
            Self::Es256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(text);
                STANDARD.encode(signature.to_bytes())
            }
        }
    }
}

// === impl Verifier ===

impl Verifier {
    /// Reads one.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let read = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        let key = match text.split_once(':') {
            Some(("ed25519", key)) => {
                read(key).and_then(|bytes| ed25519::PublicKey::from_slice(&bytes).ok()).map(Self::Ed25519)
            }
            Some(("es256", key)) => read(key)
                .and_then(|bytes| p256::ecdsa::VerifyingKey::from_sec1_bytes(&bytes).ok())
                .map(Self::Es256),
            _ => None,
        };
        key.ok_or_else(|| {
            "is a public key as `wicketgate pins key` prints it: `ed25519:…` or `es256:…`".to_owned()
        })
    }

    /// Whether the key has signed `text`; `signature` is base64.
    pub(super) fn holds(&self, text: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        match self {
            Self::Ed25519(key) => ed25519::Signature::from_slice(&signature)
                .is_ok_and(|signature| key.verify(text, &signature).is_ok()),
            Self::Es256(key) => p256::ecdsa::Signature::from_slice(&signature)
                .is_ok_and(|signature| key.verify(text, &signature).is_ok()),
        }
    }
}
