//! Which refresh tokens of a family were used? A family may have hundreds, and all of them are read and written at every refresh: so
//! they are kept as the first bytes of their digests, in one text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq as _;

use crate::secret::Digest;

/// How many used refresh tokens a grant remembers. A replay of a still older one is refused like an unknown one,
/// without killing the family; with the default lifetimes that is a token more than 42 hours old. The bound keeps the
/// record small (house.md, invariant 9).
pub const MOST_USED: usize = 256;

/// Bytes of each digest. Who guesses them ends a family, and gets nothing.
const HEAD: usize = 8;

/// Refresh tokens that were used, latest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsedTokens(Vec<[u8; HEAD]>);

/// As it lies in a record; earlier versions wrote whole digests, one by one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Heads(String),
    Digests(Vec<Digest>),
}

// === impl UsedTokens ===

impl UsedTokens {
    /// Notes one more; of too many the oldest is forgotten.
    pub fn push(&mut self, token: &Digest) {
        if self.0.len() >= MOST_USED {
            self.0.remove(0);
        }
        self.0.push(token.head());
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn holds(&self, token: &Digest) -> bool {
        self.0.iter().any(|head| is_of(head, token))
    }

    /// Whether it is the latest.
    #[must_use]
    pub fn is_latest(&self, token: &Digest) -> bool {
        self.0.last().is_some_and(|head| is_of(head, token))
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none was used yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn is_of(head: &[u8; HEAD], token: &Digest) -> bool {
    head.ct_eq(&token.head::<HEAD>()).into()
}

impl Serialize for UsedTokens {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0.as_flattened()))
    }
}

impl<'de> Deserialize<'de> for UsedTokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Digests(digests) => Ok(Self(digests.iter().map(Digest::head).collect())),
            Written::Heads(text) => {
                let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| D::Error::custom("not base64url"))?;
                let (heads, rest) = bytes.as_chunks::<HEAD>();
                match rest {
                    [] => Ok(Self(heads.to_vec())),
                    _ => Err(D::Error::custom("not whole")),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_read_as_they_were_written_and_as_earlier_versions_wrote_them() {
        let digests = ["a", "b", "c"].map(Digest::of);
        let mut used = UsedTokens::default();
        assert_eq!(serde_json::to_string(&used).unwrap(), "\"\"");
        digests.iter().for_each(|digest| used.push(digest));
        let text = serde_json::to_string(&used).unwrap();
        assert_eq!(text.len(), 3 * HEAD * 4 / 3 + "\"\"".len());
        let earlier = serde_json::to_string(&digests).unwrap();
        for written in [text, earlier] {
            let read: UsedTokens = serde_json::from_str(&written).unwrap();
            assert_eq!(read, used, "{written}");
        }
        assert!(digests.iter().all(|digest| used.holds(digest)) && !used.holds(&Digest::of("d")));
        assert!(used.is_latest(&Digest::of("c")) && !used.is_latest(&Digest::of("b")));
        for wrong in ["\"AAAA\"", "\"?\"", "3", "[\"AAAA\"]"] {
            assert!(serde_json::from_str::<UsedTokens>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn of_too_many_the_oldest_is_forgotten() {
        let mut used = UsedTokens::default();
        let digest = |number: usize| Digest::of(&number.to_string());
        (0..=MOST_USED).for_each(|number| used.push(&digest(number)));
        assert_eq!((used.len(), used.is_empty()), (MOST_USED, false));
        assert_eq!((used.holds(&digest(0)), used.holds(&digest(1))), (false, true));
    }
}
