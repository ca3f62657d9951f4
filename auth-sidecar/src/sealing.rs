//! How is something kept that must be read again? Sealed with AES-256-GCM under a key that is not in the store.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::secret::{Digest, random_bytes};

const NONCE_BYTES: usize = 12;

/// A 256-bit key. `Debug` shows nothing; the bytes are wiped when it is dropped.
#[derive(Clone)]
pub struct SealingKey(Zeroizing<[u8; 32]>);

/// Why something could not be sealed or opened; says nothing about the content.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealingError {
    /// Not 32 bytes in base64.
    #[error("must be 32 bytes in base64; `wicketgate-auth generate-key` prints one")]
    MalformedKey,
    /// No randomness, or the cipher refused.
    #[error("could not be encrypted")]
    Seal,
    /// Another key, another purpose, or changed bytes.
    #[error("could not be decrypted: another data_key, or the stored bytes were changed")]
    Open,
}

// === impl SealingKey ===

impl SealingKey {
    /// Reads a key from standard base64 (with or without padding) of 32 bytes.
    ///
    /// # Errors
    /// [`SealingError::MalformedKey`].
    pub fn from_base64(text: &str) -> Result<Self, SealingError> {
        let text = text.trim();
        let bytes = Zeroizing::new(
            STANDARD
                .decode(text)
                .or_else(|_| URL_SAFE_NO_PAD.decode(text))
                .map_err(|_| SealingError::MalformedKey)?,
        );
        let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| SealingError::MalformedKey)?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// A key that only the holder of `presented` can derive: what is sealed under it opens for that holder alone,
    /// although the store keeps only a digest of `presented`. The label keeps this apart from that digest.
    #[must_use]
    pub fn derived_from(presented: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"wicketgate refresh successor v1\0");
        hash.update(presented.as_bytes());
        Self(Zeroizing::new(hash.finalize().into()))
    }

    /// A fresh key in standard base64, for `wicketgate-auth generate-key`.
    ///
    /// # Errors
    /// [`SealingError::Seal`] when there is no randomness.
    pub fn generate_base64() -> Result<String, SealingError> {
        Ok(STANDARD.encode(random_bytes::<32>().map_err(|_| SealingError::Seal)?))
    }

    /// The digest of `text` under this key: who does not have it can neither make nor check one.
    #[must_use]
    pub fn digest(&self, text: &str) -> Digest {
        let mut inner = Sha256::new();
        inner.update(b"wicketgate keyed digest v1\0");
        inner.update(self.0.as_slice());
        inner.update(text.as_bytes());
        // Hashed twice, so that nobody can append to `text` without the key.
        Digest::of(&URL_SAFE_NO_PAD.encode(inner.finalize()))
    }

    /// Encrypts `clear`; `purpose` must be the same when it is opened, so that one record cannot stand for another.
    ///
    /// # Errors
    /// [`SealingError::Seal`].
    pub fn seal(&self, purpose: &str, clear: &[u8]) -> Result<String, SealingError> {
        let nonce = random_bytes::<NONCE_BYTES>().map_err(|_| SealingError::Seal)?;
        let sealed = self
            .cipher()
            .encrypt(&Nonce::from(nonce), Payload { msg: clear, aad: purpose.as_bytes() })
            .map_err(|_| SealingError::Seal)?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Decrypts what [`Self::seal`] gave.
    ///
    /// # Errors
    /// [`SealingError::Open`].
    pub fn open(&self, purpose: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| SealingError::Open)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(SealingError::Open)?;
        self.cipher()
            .decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: purpose.as_bytes() })
            .map(Zeroizing::new)
            .map_err(|_| SealingError::Open)
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&(*self.0).into())
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_with_the_same_key_and_purpose() {
        let key = SealingKey::from_base64(&SealingKey::generate_base64().unwrap()).unwrap();
        let other = SealingKey::derived_from("other");
        let sealed = key.seal("a", b"secret").unwrap();
        assert_eq!(key.open("a", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(key.open("b", &sealed), Err(SealingError::Open));
        assert_eq!(other.open("a", &sealed), Err(SealingError::Open));
        assert_eq!(key.open("a", "AAAA"), Err(SealingError::Open));
        assert_ne!(sealed, key.seal("a", b"secret").unwrap(), "a fresh nonce each time");
    }

    #[test]
    fn refuses_a_short_key() {
        assert_eq!(SealingKey::from_base64("c2hvcnQ=").unwrap_err(), SealingError::MalformedKey);
        assert_eq!(format!("{:?}", SealingKey::derived_from("x")), "SealingKey(..)");
    }
}
