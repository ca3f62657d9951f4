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
}

// === impl ApiKey ===

impl ApiKey {
    /// Whether it works at all.
    #[must_use]
    pub fn is_live(&self, now: UnixTime) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    /// Until when `presented` works, where it is a secret of this key that does.
    #[must_use]
    pub fn admits(&self, presented: &Digest, now: UnixTime) -> Option<UnixTime> {
        if !self.is_live(now) {
            return None;
        }
        if self.secret.matches(presented) {
            return Some(self.expires_at);
        }
        let previous = self.previous.as_ref().filter(|previous| previous.secret.matches(presented))?;
        (now < previous.until).then(|| previous.until.min(self.expires_at))
    }

    /// Takes a new secret; the old one works for `overlap` yet. Of an older one nothing is left. `false`, and nothing has
    /// changed, when the key is dead.
    pub fn rotate(&mut self, secret: Digest, overlap: Duration, now: UnixTime) -> bool {
        if !self.is_live(now) {
            return false;
        }
        let until = now.plus(overlap).min(self.expires_at);
        self.previous = (now < until).then_some(Previous { secret: self.secret, until });
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
