//! Is this the password? Argon2id (RFC 9106) with 19 MiB, two passes, one lane.

use argon2::password_hash::PasswordHasher as _;
use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, Version};

/// Longer passwords are refused unseen: hashing must not take time in proportion to what a stranger sends.
pub const LONGEST: usize = 1024;

/// The memory that hashes are computed in, one after the other; as large as the costliest of them.
#[derive(Default)]
pub struct Workspace(Vec<Block>);

/// A password that cannot be hashed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Empty or too long.
    #[error("a password is 1 to {LONGEST} bytes long")]
    Length,
    /// No randomness for the salt, or no memory.
    #[error("the password could not be hashed")]
    Hashing,
}

/// The PHC string of a password.
///
/// # Errors
/// [`PasswordError`].
pub fn hash(password: &str) -> Result<String, PasswordError> {
    if password.is_empty() || password.len() > LONGEST {
        return Err(PasswordError::Length);
    }
    // The defaults of the crate are the parameters named above; a test pins them.
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|_| PasswordError::Hashing)?;
    Ok(hash.to_string())
}

/// Whether `password` is what `phc` was made of. False for anything that is not a hash of ours.
#[must_use]
pub fn matches(password: &str, phc: &str, workspace: &mut Workspace) -> bool {
    if password.len() > LONGEST {
        return false;
    }
    let Ok(PasswordHash { algorithm, version, params, salt: Some(salt), hash: Some(hash) }) =
        PasswordHash::new(phc)
    else {
        return false;
    };
    let hasher = || {
        let version = version.map_or(Some(Version::default()), |version| Version::try_from(version).ok())?;
        let params = Params::try_from(&params).ok()?;
        Some(Argon2::new(Algorithm::try_from(algorithm.as_str()).ok()?, version, params))
    };
    hasher().and_then(|hasher| workspace.hash(&hasher, (password, &salt), hash.len())) == Some(hash)
}

// === impl Workspace ===

impl Workspace {
    /// `None` where there is no memory for it, or a part is too short or too long.
    fn hash(
        &mut self,
        hasher: &Argon2<'_>,
        (password, salt): (&str, &[u8]),
        length: usize,
    ) -> Option<Output> {
        let needed = hasher.params().block_count();
        self.0.try_reserve_exact(needed.saturating_sub(self.0.len())).ok()?;
        self.0.resize(needed.max(self.0.len()), Block::default());
        let mut buffer = [0; Output::MAX_LENGTH];
        let output = buffer.get_mut(..length)?;
        hasher.hash_password_into_with_memory(password.as_bytes(), salt, output, &mut self.0).ok()?;
        Output::new(output).ok()
    }
}

/// Whether `phc` is an Argon2id hash.
#[must_use]
pub fn is_argon2id(phc: &str) -> bool {
    PasswordHash::new(phc)
        .is_ok_and(|parsed| parsed.algorithm.as_str() == "argon2id" && parsed.hash.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_matches_its_password_alone() {
        let phc = hash("correct horse").unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        let mut workspace = Workspace::default();
        let mut matches = |password: &str, phc: &str| matches(password, phc, &mut workspace);
        assert!(matches("correct horse", &phc) && !matches("Correct horse", &phc) && !matches("", &phc));
        assert!(is_argon2id(&phc) && !is_argon2id("$2b$10$abc") && !is_argon2id("secret"));
        assert!(hash("").is_err() && hash(&"x".repeat(LONGEST + 1)).is_err());
    }

    /// Hashes that others made count as the crate itself has them, whatever was computed in the same memory before.
    #[test]
    fn other_parameters_are_read() {
        let mut workspace = Workspace::default();
        for (algorithm, version, memory, passes, lanes, length) in [
            (Algorithm::Argon2id, Version::V0x13, 64, 3, 1, 32),
            (Algorithm::Argon2id, Version::V0x13, 256, 1, 4, 16),
            (Algorithm::Argon2id, Version::V0x10, 32, 2, 2, 64),
            (Algorithm::Argon2i, Version::V0x13, 48, 1, 1, 32),
            (Algorithm::Argon2d, Version::V0x13, 16, 1, 2, 24),
        ] {
            let params = Params::new(memory, passes, lanes, Some(length)).unwrap();
            let made = Argon2::new(algorithm, version, params).hash_password(b"correct horse").unwrap();
            let phc = made.to_string();
            assert!(matches("correct horse", &phc, &mut workspace), "{phc}");
            assert!(!matches("wrong horse", &phc, &mut workspace), "{phc}");
            for (from, to) in [("m=", "m=1"), ("v=", "v=9"), ("$argon2", "$argon3"), ("t=", "t=9")] {
                let altered = phc.replacen(from, to, 1);
                assert!(!matches("correct horse", &altered, &mut workspace), "{altered}");
            }
        }
    }
}
