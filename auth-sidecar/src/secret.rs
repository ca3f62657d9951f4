//! What do our opaque credentials look like, and what of them is kept? 256 random bits, a prefix per kind, and only a
//! digest at rest.
//!
//! The prefix lets secret scanners find a leaked credential and lets us refuse one kind where another is due. SHA-256
//! is enough for values of 256 random bits; passwords, which are not random, go through Argon2id (`idp::local`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The operating system gave no randomness: nothing can be issued.
#[derive(Debug, thiserror::Error)]
#[error("the operating system provides no randomness")]
pub struct NoRandomness;

/// The kinds of opaque credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An authorization code, `mc_<grant id>.<secret>`.
    Code,
    /// A refresh token, `mr_<grant id>.<secret>`.
    Refresh,
    /// An opaque access token, `ma_<grant id>.<secret>`.
    Access,
    /// A device code, `md_<grant id>.<secret>`.
    Device,
    /// The secret of a confidential client, `ms_<secret>`.
    ClientSecret,
    /// An API key, `mk_<id>.<secret>`.
    ApiKey,
    /// What manages a registration (RFC 7592), `mreg_<secret>`.
    Registration,
}

/// SHA-256 of a credential: what the store keeps and what look-ups compare.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// A credential in clear, on its way to the one who may hold it. `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Opaque(String);

// === impl Kind ===

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Code,
        Self::Refresh,
        Self::Access,
        Self::Device,
        Self::ClientSecret,
        Self::ApiKey,
        Self::Registration,
    ];

    /// The prefix that marks this kind.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Code => "mc_",
            Self::Refresh => "mr_",
            Self::Access => "ma_",
            Self::Device => "md_",
            Self::ClientSecret => "ms_",
            Self::ApiKey => "mk_",
            Self::Registration => "mreg_",
        }
    }
}

// === impl Digest ===

impl Digest {
    /// The digest of `text`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// Whether both are equal, in time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// Its first bytes, which tell it from others that are known too.
    pub(crate) fn head<const N: usize>(&self) -> [u8; N] {
        const { assert!(N <= 32, "a digest has 32 bytes") };
        std::array::from_fn(|at| self.0.get(at).copied().unwrap_or_default())
    }

    /// Base64url without padding, 43 characters.
    #[must_use]
    pub fn encoded(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(..)")
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.encoded()
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| "not base64url")?;
        bytes.try_into().map(Self).map_err(|_| "not 32 bytes")
    }
}

// === impl Opaque ===

impl Opaque {
    /// A new credential that names its grant: the one record to look at is then known without an index.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn for_grant(kind: Kind, grant_id: &str) -> Result<Self, NoRandomness> {
        Ok(Self(format!("{}{grant_id}.{}", kind.prefix(), random_text::<32>()?)))
    }

    /// A new credential that names nothing.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn standalone(kind: Kind) -> Result<Self, NoRandomness> {
        Ok(Self(format!("{}{}", kind.prefix(), random_text::<32>()?)))
    }

    /// A new handle for a cookie or a hidden form field: 256 random bits without prefix.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn handle() -> Result<Self, NoRandomness> {
        random_text::<32>().map(Self)
    }

    /// The credential in clear: for the answer to its holder, and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the store keeps of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// The handle of a cookie that is there already, or a new one.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn of_cookie(value: Option<&str>) -> Result<Self, NoRandomness> {
        value.map_or_else(Self::handle, |value| Ok(Self(value.to_owned())))
    }

    /// Takes a credential that we sealed earlier back into its type.
    #[must_use]
    pub fn unsealed(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Opaque {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opaque(..)")
    }
}

/// The grant that a presented credential names, if it has the form of this kind.
#[must_use]
pub fn grant_id_of(kind: Kind, presented: &str) -> Option<&str> {
    let (grant_id, secret) = presented.strip_prefix(kind.prefix())?.split_once('.')?;
    // 32 bytes in base64url: nothing else was ever issued, so nothing else reaches the store.
    (is_grant_id(grant_id) && secret.len() == 43 && is_base64url(secret)).then_some(grant_id)
}

/// Whether this could be the id of a grant: 16 bytes in base64url.
#[must_use]
pub fn is_grant_id(text: &str) -> bool {
    text.len() == 22 && is_base64url(text)
}

/// `N` random bytes as base64url: identifiers (16) and secrets (32).
///
/// None begins with `-`: people give identifiers to commands, which take such a word for an option.
///
/// # Errors
/// [`NoRandomness`].
pub fn random_text<const N: usize>() -> Result<String, NoRandomness> {
    loop {
        let text = URL_SAFE_NO_PAD.encode(random_bytes::<N>()?);
        if !text.starts_with('-') {
            return Ok(text);
        }
    }
}

/// `N` random bytes of the operating system.
///
/// # Errors
/// [`NoRandomness`].
pub fn random_bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

fn is_base64url(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_names_its_grant_and_its_kind() {
        let grant = random_text::<16>().unwrap();
        let code = Opaque::for_grant(Kind::Code, &grant).unwrap();
        assert_eq!(grant_id_of(Kind::Code, code.expose()), Some(grant.as_str()));
        assert_eq!(
            grant_id_of(Kind::Refresh, code.expose()),
            None,
            "one kind is refused where another is due"
        );
        assert_eq!(grant_id_of(Kind::Code, &format!("{}x", code.expose())), None);
        assert_eq!(grant_id_of(Kind::Code, "mc_a.b"), None);
    }

    #[test]
    fn no_identifier_looks_like_an_option() {
        // One in 64 would, if they were left as they come.
        assert!((0..2_000).all(|_| !random_text::<16>().unwrap().starts_with('-')));
    }

    #[test]
    fn debug_shows_nothing_of_it() {
        let secret = Opaque::standalone(Kind::ClientSecret).unwrap();
        assert_eq!(format!("{secret:?} {:?}", secret.digest()), "Opaque(..) Digest(..)");
    }

    #[test]
    fn a_digest_survives_serialization() {
        let digest = Digest::of("x");
        let json = serde_json::to_string(&digest).unwrap();
        assert!(serde_json::from_str::<Digest>(&json).unwrap().matches(&digest));
        assert!(serde_json::from_str::<Digest>("\"short\"").is_err());
    }
}
