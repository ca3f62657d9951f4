//! Who is this person? Local users with passwords, and providers of identity elsewhere.

pub(crate) mod account_rules;
pub(crate) mod assertion_issuers;
pub(crate) mod external_issuers;
mod external_token;
#[cfg(fuzzing)]
pub mod fuzzing;
mod github;
mod hashing;
mod id_token;
pub(crate) mod identity_assertion;
mod jwt;
pub mod local;
mod oidc;
pub mod password;
mod published;
pub mod strict_json;
pub mod throttle;
pub(crate) mod upstream;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// What tokens say about a user. Read anew for every token, so that a change of groups takes effect at the next refresh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// `sub`.
    pub subject: String,
    /// What the user is called, if that is known: `preferred_username`.
    pub username: Option<String>,
    /// `groups`.
    pub groups: Vec<String>,
    /// `roles`.
    pub roles: Vec<String>,
    /// `org`.
    pub org: Option<String>,
}

// === impl Account ===

impl Account {
    /// What tokens say about a client that acts in its own name.
    #[must_use]
    pub fn of_client(id: &str) -> Self {
        Self { subject: id.to_owned(), username: None, groups: Vec::new(), roles: Vec::new(), org: None }
    }
}

/// Too many people sign in at this moment.
#[derive(Debug, PartialEq, Eq)]
pub struct Busy;

/// A provider of identity.
#[async_trait]
pub trait IdentityProvider: Send + Sync + 'static {
    /// The account that name and password belong to. An unknown name and a wrong password are one answer, and take
    /// the same time.
    async fn sign_in(&self, name: &str, password: &str) -> Result<Option<Account>, Busy>;

    /// The account of a subject as it is now; `None` once it is gone, and then nothing is issued to it any more.
    fn account(&self, subject: &str) -> Option<Account>;
}
