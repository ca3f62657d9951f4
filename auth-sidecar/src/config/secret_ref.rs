//! Where does a secret come from? A file or an environment variable, never the document itself.

use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use zeroize::Zeroizing;

use super::ConfigError;
use crate::secret::Opaque;

/// `{file: PATH}` or `{env: NAME}`.
///
/// Deserialized by hand: the derived error for a wrong type repeats the value, and a value in this place is the secret
/// that someone wrote where a reference belongs.
pub(super) enum SecretRef {
    File(PathBuf),
    Env(String),
    /// One that we have just made; it cannot be written in a document.
    Made(Opaque),
}

/// Shorter ones could be guessed.
const SHORTEST_TOKEN: usize = 20;

struct ReferenceVisitor;

// === impl SecretRef ===

impl SecretRef {
    /// Reads the secret; one trailing line break is not part of it. An empty secret is refused.
    pub(super) fn resolve(&self, path: &str) -> Result<Zeroizing<String>, ConfigError> {
        let text = match self {
            Self::File(file) => {
                std::fs::read_to_string(file).map_err(|error| ConfigError::unreadable(path, file, error))
            }
            Self::Env(name) => std::env::var(name).map_err(|_| {
                ConfigError::new(path, format!("environment variable {name} is not set, or not UTF-8"))
            }),
            Self::Made(secret) => Ok(secret.expose().to_owned()),
        }
        .map(Zeroizing::new)?;
        let text = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
        if text.is_empty() { Err(ConfigError::new(path, "the secret is empty")) } else { Ok(text) }
    }

    /// Reads a secret that a client presents, of any characters; 128 random bits have 22 in base64url (RFC 6749 section 10.10).
    pub(super) fn resolve_client_secret(&self, path: &str) -> Result<Zeroizing<String>, ConfigError> {
        let secret = self.resolve(path)?;
        match secret.len() < SHORTEST_TOKEN {
            true => Err(ConfigError::new(path, "must be at least 20 bytes, and random")),
            false => Ok(secret),
        }
    }

    /// Reads a secret that is presented as a bearer token (RFC 6750 section 2.1).
    pub(super) fn resolve_token(&self, path: &str) -> Result<Zeroizing<String>, ConfigError> {
        let token = self.resolve(path)?;
        if token.len() < SHORTEST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ConfigError::new(path, "must be at least 20 visible ASCII characters"));
        }
        Ok(token)
    }
}

impl std::fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretRef(..)")
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReferenceVisitor)
    }
}

// === impl ReferenceVisitor ===

impl ReferenceVisitor {
    const EXPECTED: &str = "a secret stands here by reference only: {file: PATH} or {env: NAME}";
}

impl<'de> Visitor<'de> for ReferenceVisitor {
    type Value = SecretRef;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("{file: PATH} or {env: NAME}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
        let reference = match map.next_key::<String>()?.as_deref() {
            Some("file") => SecretRef::File(map.next_value()?),
            Some("env") => SecretRef::Env(map.next_value()?),
            _ => return Err(A::Error::custom(Self::EXPECTED)),
        };
        match map.next_key::<String>()? {
            None => Ok(reference),
            Some(_) => Err(A::Error::custom(Self::EXPECTED)),
        }
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<SecretRef, E> {
        Err(E::custom(Self::EXPECTED))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<SecretRef, E> {
        Err(E::custom(Self::EXPECTED))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<SecretRef, E> {
        Err(E::custom(Self::EXPECTED))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<SecretRef, E> {
        Err(E::custom(Self::EXPECTED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_secret_is_long_enough_to_be_random() {
        for (length, good) in [(1, false), (19, false), (20, true)] {
            let reference = SecretRef::Made(Opaque::unsealed("x".repeat(length)));
            let judged = reference.resolve_client_secret("clients[0].secret");
            assert_eq!(judged.is_ok(), good, "{length}");
        }
    }
}
