//! The signing keys as they were at one moment, opened and ready to work.

use jwt_simple::prelude::Token;
use serde_json::{Value, json};

use super::pair::Pair;
use super::{KeyError, LONGEST_TOKEN};
use crate::oauth::algorithm::SigningAlgorithm;
use crate::sealing::SealingKey;
use crate::store::records::{KeyState, StoredKey};

/// The keys as of one moment.
pub(super) struct Held {
    pub(super) stored: Vec<StoredKey>,
    pub(super) pairs: Vec<(KeyState, SigningAlgorithm, Pair)>,
    pub(super) jwks: Value,
}

// === impl Held ===

impl Held {
    pub(super) fn open(stored: Vec<StoredKey>, data_key: &SealingKey) -> Result<Self, KeyError> {
        let mut pairs = Vec::new();
        for key in &stored {
            let bytes = data_key.open(&purpose(&key.kid), &key.sealed)?;
            let pair = Pair::from_bytes(key.algorithm, &bytes)?;
            if pair.kid() != key.kid {
                return Err(KeyError::Malformed("a key does not have the name that it should"));
            }
            pairs.push((key.state, key.algorithm, pair));
        }
        let jwks = pairs.iter().map(|(_, _, pair)| pair.jwk()).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { stored, pairs, jwks: json!({ "keys": jwks }) })
    }

    pub(super) fn active(&self, algorithm: SigningAlgorithm) -> Result<&Pair, KeyError> {
        let mut active =
            self.pairs.iter().filter(|(state, of, _)| *state == KeyState::Active && *of == algorithm);
        active.next().map(|(_, _, pair)| pair).ok_or(KeyError::Malformed("none is active"))
    }

    /// The key that a token says to be signed with.
    pub(super) fn signer_of(&self, token: &str) -> Option<&Pair> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let metadata = Token::decode_metadata(token).ok()?;
        let kid = metadata.key_id()?;
        self.pairs.iter().map(|(_, _, pair)| pair).find(|pair| pair.kid() == kid)
    }
}

/// What a key is sealed for.
pub(super) fn purpose(kid: &str) -> String {
    format!("signing key {kid}")
}
