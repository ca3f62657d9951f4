//! Is this the password? Argon2id (RFC 9106) with 19 MiB, two passes, one lane.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

/// Longer passwords are refused unseen: hashing must not take time in proportion to what a stranger sends.
pub const LONGEST: usize = 1024;

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
pub fn matches(password: &str, phc: &str) -> bool {
    if password.len() > LONGEST {
        return false;
    }
    PasswordHash::new(phc)
        .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
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
        assert!(matches("correct horse", &phc) && !matches("Correct horse", &phc) && !matches("", &phc));
        assert!(is_argon2id(&phc) && !is_argon2id("$2b$10$abc") && !is_argon2id("secret"));
        assert!(hash("").is_err() && hash(&"x".repeat(LONGEST + 1)).is_err());
    }
}
