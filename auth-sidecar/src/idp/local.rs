//! Who are the local users? Those of the configuration.

use std::collections::HashMap;

use async_trait::async_trait;

use super::hashing::Hashing;
use super::password::{self, PasswordError};
use super::{Account, Busy, IdentityProvider};
use crate::config::{User, Verifier};

/// The users of the configuration.
pub struct LocalUsers {
    users: HashMap<String, LocalUser>,
    /// What an unknown name is verified against, so that it takes as long as a known one; it opens nothing. A hash of the
    /// configuration where there is one: those may cost more than ours.
    dummy: String,
    hashing: Hashing,
}

struct LocalUser {
    account: Account,
    phc: String,
}

// === impl LocalUsers ===

impl LocalUsers {
    /// Hashes what stands in clear and forgets it.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn new(users: &[User]) -> Result<Self, PasswordError> {
        let mut known = HashMap::new();
        for user in users {
            let phc = match &user.verifier {
                Verifier::Hash(phc) => phc.clone(),
                Verifier::Clear(password) => password::hash(password)?,
            };
            let account = Account {
                subject: user.name.clone(),
                username: Some(user.name.clone()),
                groups: user.groups.clone(),
                roles: user.roles.clone(),
                org: user.org.clone(),
            };
            known.insert(user.name.clone(), LocalUser { account, phc });
        }
        let costs_as_much = users.iter().find_map(|user| match &user.verifier {
            Verifier::Hash(phc) => Some(phc.clone()),
            Verifier::Clear(_) => None,
        });
        let dummy = match costs_as_much {
            Some(phc) => phc,
            None => password::hash("no one has this password: the name is unknown")?,
        };
        Ok(Self { users: known, dummy, hashing: Hashing::on_all_cores() })
    }
}

#[async_trait]
impl IdentityProvider for LocalUsers {
    async fn sign_in(&self, name: &str, password: &str) -> Result<Option<Account>, Busy> {
        let user = self.users.get(name);
        let matches = self.hashing.matches(password, user.map_or(&self.dummy, |user| &user.phc)).await?;
        Ok(user.filter(|_| matches).map(|user| user.account.clone()))
    }

    fn account(&self, subject: &str) -> Option<Account> {
        self.users.get(subject).map(|user| user.account.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_user_signs_in_with_the_right_password_only() {
        let user = User {
            name: "alice".into(),
            verifier: Verifier::Clear(String::from("wonderland").into()),
            groups: vec!["engineering".into()],
            roles: vec![],
            org: None,
        };
        let users = LocalUsers::new(&[user]).unwrap();
        let account = users.sign_in("alice", "wonderland").await.unwrap().unwrap();
        assert_eq!(
            (account.subject.as_str(), account.groups.as_slice()),
            ("alice", ["engineering".into()].as_slice())
        );
        assert_eq!(users.sign_in("alice", "looking-glass").await, Ok(None));
        assert_eq!(users.sign_in("mallory", "wonderland").await, Ok(None));
        let dummy = "no one has this password: the name is unknown";
        assert_eq!(users.sign_in("mallory", dummy).await, Ok(None), "the dummy hash opens nothing");

        let hashed = |name: &str, password| User {
            name: name.into(),
            verifier: Verifier::Hash(password::hash(password).unwrap()),
            groups: vec![],
            roles: vec![],
            org: None,
        };
        let users = LocalUsers::new(&[hashed("bob", "builder"), hashed("carol", "singer")]).unwrap();
        assert!(users.sign_in("carol", "singer").await.unwrap().is_some());
        assert_eq!(users.sign_in("mallory", "builder").await, Ok(None), "nor does somebody else's");
    }
}
