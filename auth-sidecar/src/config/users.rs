//! Who may sign in with a password? Local users, for small teams and development.

use serde::Deserialize;
use zeroize::Zeroizing;

use super::ConfigError;
use super::secret_ref::SecretRef;

/// A local user.
#[derive(Clone, Debug)]
pub struct User {
    /// The name to sign in with; also the `sub` of tokens, so it must never be given to another person.
    pub name: String,
    /// What a password is verified against.
    pub verifier: Verifier,
    /// The `groups` claim.
    pub groups: Vec<String>,
    /// The `roles` claim.
    pub roles: Vec<String>,
    /// The `org` claim.
    pub org: Option<String>,
}

/// What a password is verified against.
#[derive(Clone)]
pub enum Verifier {
    /// A PHC string of Argon2id.
    Hash(String),
    /// A password in clear, from a file or the environment; hashed when the server starts and then forgotten.
    Clear(Zeroizing<String>),
}

/// Mirrors the document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUser {
    name: String,
    password: Option<SecretRef>,
    password_hash: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    org: Option<String>,
}

// === impl Verifier ===

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier(..)")
    }
}

pub(super) fn compile(raw: Vec<RawUser>) -> Result<Vec<User>, ConfigError> {
    let mut users: Vec<User> = Vec::new();
    for (index, raw) in raw.into_iter().enumerate() {
        let path = format!("users[{index}]");
        // It is the `sub` of ID tokens (OpenID Connect Core section 2: ASCII).
        if raw.name.is_empty() || raw.name.len() > 128 || !raw.name.bytes().all(|b| matches!(b, b' '..=b'~'))
        {
            return Err(ConfigError::new(
                format!("{path}.name"),
                "must be 1 to 128 printable ASCII characters",
            ));
        }
        if users.iter().any(|other| other.name == raw.name) {
            return Err(ConfigError::new(format!("{path}.name"), "is listed twice"));
        }
        let verifier = match (raw.password, raw.password_hash) {
            (Some(reference), None) => Verifier::Clear(reference.resolve(&format!("{path}.password"))?),
            (None, Some(hash)) if crate::idp::password::is_argon2id(&hash) => Verifier::Hash(hash),
            (None, Some(_)) => {
                let message = "must be an Argon2id hash; `wicketgate-auth hash-password` prints one";
                return Err(ConfigError::new(format!("{path}.password_hash"), message));
            }
            _ => return Err(ConfigError::new(path, "needs either `password` or `password_hash`")),
        };
        users.push(User { name: raw.name, verifier, groups: raw.groups, roles: raw.roles, org: raw.org });
    }
    Ok(users)
}
