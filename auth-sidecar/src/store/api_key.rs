//! What may happen to an API key? One record: it is made, used, given a new secret, and revoked. Pure, like the grant's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::oauth::scope::ScopeSet;
use crate::secret::Digest;

/// A use is noted once in so long: what is used a thousand times a second is not written as often.
const NOTED_EVERY: Duration = Duration::from_secs(300);

/// A credential of a service account or a client that is no token: it lives long, and is asked about each time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiKey {
    /// 128 random bits, base64url. It is the `grant_id` of what the key stands for, so that the log of revocations knows it.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whose it is: a client's id, or the name of a service account. It is `sub` and `client_id`.
    pub owner: String,
    /// Whether the owner is a client, without which the key is worth nothing.
    pub is_clients: bool,
    /// What it allows.
    pub scope: ScopeSet,
    /// For which resource servers.
    pub resources: Vec<String>,
    /// The `groups` of a service account.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The `roles` of a service account.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The `org` of a service account.
    pub org: Option<String>,
    /// Digest of the secret that works.
    pub secret: Digest,
    /// The one before it, while both work.
    pub previous: Option<Previous>,
    /// When it was made.
    pub created_at: UnixTime,
    /// When its secret was.
    pub rotated_at: UnixTime,
    /// It works until this.
    pub expires_at: UnixTime,
    /// When it was used last, to a few minutes.
    pub last_used_at: Option<UnixTime>,
    /// Set once, never unset.
    pub revoked_at: Option<UnixTime>,
}

/// A secret that was replaced.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Previous {
    /// Its digest.
    pub secret: Digest,
    /// It works until this.
    pub until: UnixTime,
    /// When it was made. Earlier versions did not say, and it then counts as old as it can be.
    #[serde(default)]
    pub made_at: UnixTime,
}

/// A secret that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Until then.
    pub until: UnixTime,
    /// When it was made.
    pub made_at: UnixTime,
}

// === impl ApiKey ===

impl ApiKey {
    /// Whether it works at all.
    #[must_use]
    pub fn is_live(&self, now: UnixTime) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    /// `presented`, where it is a secret of this key that works.
    #[must_use]
    pub fn admits(&self, presented: &Digest, now: UnixTime) -> Option<Admitted> {
        if !self.is_live(now) {
            return None;
        }
        if self.secret.matches(presented) {
            return Some(Admitted { until: self.expires_at, made_at: self.rotated_at });
        }
        let previous = self.previous.as_ref().filter(|previous| previous.secret.matches(presented))?;
        let until = previous.until.min(self.expires_at);
        // No secret is older than its key.
        let made_at = previous.made_at.max(self.created_at);
        (now < until).then_some(Admitted { until, made_at })
    }

    /// Takes a new secret; the old one works for `overlap` yet. Of an older one nothing is left. `false`, and nothing has
    /// changed, when the key is dead.
    pub fn rotate(&mut self, secret: Digest, overlap: Duration, now: UnixTime) -> bool {
        if !self.is_live(now) {
            return false;
        }
        let until = now.plus(overlap).min(self.expires_at);
        let previous = Previous { secret: self.secret, until, made_at: self.rotated_at };
        self.previous = (now < until).then_some(previous);
        self.secret = secret;
        self.rotated_at = now;
        true
    }

    /// Revokes it. `false`, and nothing has changed, when it is dead.
    pub fn revoke(&mut self, now: UnixTime) -> bool {
        let is_live = self.is_live(now);
        if is_live {
            self.revoked_at = Some(now);
        }
        is_live
    }

    /// Whether a use now is worth a write.
    #[must_use]
    pub fn is_use_news(&self, now: UnixTime) -> bool {
        self.last_used_at.is_none_or(|last| now.since(last) >= NOTED_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_previous_secret_of_an_earlier_version_is_as_old_as_its_key() {
        let (old, new) = (Digest::of("old"), Digest::of("new"));
        let earlier = format!(
            r#"{{"id": "k", "name": "x", "owner": "robot", "is_clients": false, "scope": "", "resources": [], "org": null,
                "secret": "{}", "previous": {{"secret": "{}", "until": 50}}, "created_at": 10, "rotated_at": 40,
                "expires_at": 90, "last_used_at": null, "revoked_at": null}}"#,
            new.encoded(),
            old.encoded()
        );
        let api_key: ApiKey = serde_json::from_str(&earlier).unwrap();
        let [now, made_at, until] = [45, 10, 50].map(UnixTime);
        assert_eq!(api_key.admits(&old, now), Some(Admitted { until, made_at }));
        let [made_at, until] = [40, 90].map(UnixTime);
        assert_eq!(api_key.admits(&new, now), Some(Admitted { until, made_at }));
    }
}
