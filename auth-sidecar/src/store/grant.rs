//! What may happen to a grant? One record, one state machine: a code works once, a refresh token works once, and a
//! second use of either kills everything that came from it.
//!
//! Pure: adapters load the record, call one method, and store the record when it says so, all in one transaction.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::records::UpstreamAccount;
use super::used_tokens::UsedTokens;
use crate::clock::UnixTime;
use crate::oauth::scope::ScopeSet;
use crate::secret::Digest;

/// How many opaque access tokens of one grant work at once; the oldest gives way. More than one a refresh takes a client
/// that refreshes far more often than its tokens expire.
pub const MOST_OPAQUE: usize = 64;

/// What a user granted to a client, and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// 128 random bits, base64url.
    pub id: String,
    /// Whom it was granted to.
    pub client_id: String,
    /// The user.
    pub subject: String,
    /// When the user signed in.
    pub auth_time: UnixTime,
    /// What was granted.
    pub scope: ScopeSet,
    /// For which resource servers.
    pub resources: Vec<String>,
    /// Where the code was sent.
    pub redirect_uri: String,
    /// The PKCE challenge.
    pub challenge: Digest,
    /// What counted in the client's metadata document when the user consented, where it has one.
    #[serde(default)]
    pub document: Option<Digest>,
    /// The code.
    pub code: Code,
    /// The refresh token, if there is one.
    pub refresh: Option<Refresh>,
    /// What its tokens are bound to.
    #[serde(default)]
    pub binding: Binding,
    /// The opaque access tokens that have not expired, latest last.
    #[serde(default)]
    pub opaque_tokens: Vec<OpaqueToken>,
    /// When it was made.
    pub created_at: UnixTime,
    /// When the record may be forgotten.
    pub expires_at: UnixTime,
    /// Set once, never unset.
    pub revoked_at: Option<UnixTime>,
}

/// What the tokens of a grant are bound to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Binding {
    /// `nonce` of the authorization request, for the ID token.
    pub nonce: Option<String>,
    /// Thumbprint of the key that must be proved when the code is redeemed (RFC 9449 section 10).
    pub jkt: Option<String>,
    /// What an issuer asserted of the user for this grant alone; nothing that is known from elsewhere counts for it.
    #[serde(default)]
    pub asserted: Option<UpstreamAccount>,
}

/// An opaque access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpaqueToken {
    /// Its digest.
    pub digest: Digest,
    /// `jti`.
    pub id: String,
    /// When it was issued.
    pub issued_at: UnixTime,
    /// It works until this.
    pub expires_at: UnixTime,
    /// What it allows.
    pub scope: ScopeSet,
    /// For which resource servers.
    pub resources: Vec<String>,
    /// Thumbprint of the key that it is bound to.
    pub jkt: Option<String>,
    /// Who got it, where that need not be the client of the grant.
    #[serde(default)]
    pub client_id: Option<String>,
}

/// The authorization code of a grant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Code {
    /// Its digest.
    pub digest: Digest,
    /// It must be redeemed before this.
    pub expires_at: UnixTime,
    /// Whether it was.
    pub used: bool,
    /// When it was.
    #[serde(default)]
    pub used_at: Option<UnixTime>,
}

/// The refresh token family of a grant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refresh {
    /// Digest of the one that works.
    pub current: Digest,
    /// When it was issued.
    pub issued_at: UnixTime,
    /// It must be used before this.
    pub idle_until: UnixTime,
    /// None of the family works from here on.
    pub absolute_until: UnixTime,
    /// Those that were used.
    pub used: UsedTokens,
    /// The current token, sealed under a key that only the holder of the latest used one can derive.
    pub sealed_for_previous: Option<String>,
    /// Thumbprint of the key that must be proved when it is used (RFC 9449 section 5, public clients).
    #[serde(default)]
    pub jkt: Option<String>,
}

/// A code presented, client, redirect URI, PKCE and resource having been checked.
#[derive(Clone, Debug)]
pub struct Redemption {
    /// Digest of the code.
    pub code: Digest,
    /// Digest of the refresh token to be, if the client gets one.
    pub refresh: Option<Digest>,
    /// How long that lives unused.
    pub refresh_idle: Duration,
    /// How long the family lives.
    pub refresh_absolute: Duration,
    /// Thumbprint of the key that it is bound to.
    pub refresh_jkt: Option<String>,
    /// How long after it was used the code is refused and nothing else happens: for who asks again and again until there is one, and
    /// may have asked twice at once.
    pub grace: Duration,
    /// How long the access tokens live that the record must outlive.
    pub access_token: Duration,
}

/// The answer to a redemption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// It was the first: issue the tokens.
    First,
    /// The code had been used: the grant is now revoked.
    Reused,
    /// Unknown, expired or revoked; nothing changed.
    Refused,
}

/// A refresh token presented, client, scope and resource having been checked.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// Digest of the token presented.
    pub presented: Digest,
    /// Digest of the successor to be.
    pub successor: Digest,
    /// The successor, sealed under a key derived from the token presented.
    pub sealed_successor: String,
    /// How long the successor lives unused.
    pub refresh_idle: Duration,
    /// How long after a rotation the predecessor still gets the same successor.
    pub grace: Duration,
    /// Thumbprint of the key that the successor is bound to, unless its family is bound already.
    pub refresh_jkt: Option<String>,
    /// How long the access tokens live that the record must outlive.
    pub access_token: Duration,
}

/// The answer to a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The successor that was proposed is now the current token.
    Fresh,
    /// The token was rotated a moment ago: this is the same successor, sealed for its holder.
    Again(String),
    /// The token had been used: the grant is now revoked.
    Reused,
    /// Unknown, expired or revoked; nothing changed.
    Refused,
}

/// Access tokens may be accepted so much longer than they live, by verifiers whose clocks are behind.
const LEEWAY: Duration = Duration::from_secs(60);

// === impl Grant ===

impl Grant {
    /// What a client is granted in its own name. It has no code and no refresh token; `nobodys` is the digest of
    /// something that nobody has.
    #[must_use]
    pub fn of_client_itself(
        id: String,
        client_id: &str,
        (scope, resources): (ScopeSet, Vec<String>),
        nobodys: Digest,
        (now, access_token): (UnixTime, Duration),
    ) -> Self {
        Self {
            id,
            client_id: client_id.to_owned(),
            subject: client_id.to_owned(),
            auth_time: now,
            scope,
            resources,
            redirect_uri: String::new(),
            challenge: nobodys,
            document: None,
            code: Code { digest: nobodys, expires_at: now, used: true, used_at: None },
            refresh: None,
            binding: Binding::default(),
            opaque_tokens: Vec::new(),
            created_at: now,
            expires_at: now.plus(access_token).plus(LEEWAY),
            revoked_at: None,
        }
    }

    /// Whether no user took part: then nothing was redirected, and the subject is the client.
    #[must_use]
    pub fn is_clients_own(&self) -> bool {
        self.redirect_uri.is_empty() && self.subject == self.client_id
    }

    /// When a token of it was last issued, as far as it knows: an access token that came with its code, or with a refresh, or an opaque
    /// one.
    #[must_use]
    pub fn used_at(&self) -> UnixTime {
        let refreshed = self.refresh.as_ref().map_or(self.created_at, |refresh| refresh.issued_at);
        self.opaque_tokens.last().map_or(refreshed, |token| token.issued_at.max(refreshed))
    }

    /// Whether tokens of it are good.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.revoked_at.is_none()
    }

    /// Redeems the code. The record is to be stored unless the answer is [`Redeemed::Refused`].
    pub fn redeem(&mut self, redemption: &Redemption, now: UnixTime) -> Redeemed {
        if !self.code.digest.matches(&redemption.code) || !self.is_live() {
            return Redeemed::Refused;
        }
        if self.code.used {
            if self.code.used_at.is_some_and(|used_at| now.since(used_at) < redemption.grace) {
                return Redeemed::Refused;
            }
            self.revoke(now);
            return Redeemed::Reused;
        }
        if now >= self.code.expires_at {
            return Redeemed::Refused;
        }
        self.code.used = true;
        self.code.used_at = Some(now);
        self.refresh = redemption.refresh.map(|current| {
            let absolute_until = now.plus(redemption.refresh_absolute);
            Refresh {
                current,
                issued_at: now,
                idle_until: now.plus(redemption.refresh_idle).min(absolute_until),
                absolute_until,
                used: UsedTokens::default(),
                sealed_for_previous: None,
                jkt: redemption.refresh_jkt.clone(),
            }
        });
        self.outlive(now, redemption.access_token);
        Redeemed::First
    }

    /// Uses a refresh token. The record is to be stored when the answer is [`Rotated::Fresh`] or [`Rotated::Reused`].
    pub fn rotate(&mut self, rotation: &Rotation, now: UnixTime) -> Rotated {
        if !self.is_live() {
            return Rotated::Refused;
        }
        let Some(refresh) = &mut self.refresh else { return Rotated::Refused };
        if now >= refresh.idle_until || now >= refresh.absolute_until {
            return Rotated::Refused;
        }
        if !refresh.current.matches(&rotation.presented) {
            return self.reuse(rotation, now);
        }
        refresh.used.push(&refresh.current);
        refresh.current = rotation.successor;
        refresh.sealed_for_previous = Some(rotation.sealed_successor.clone());
        refresh.issued_at = now;
        if refresh.jkt.is_none() {
            refresh.jkt.clone_from(&rotation.refresh_jkt);
        }
        refresh.idle_until = now.plus(rotation.refresh_idle).min(refresh.absolute_until);
        self.outlive(now, rotation.access_token);
        Rotated::Fresh
    }

    /// Remembers an opaque access token, and forgets those that have expired. The record is to be stored.
    pub fn add_opaque_token(&mut self, token: OpaqueToken, now: UnixTime) {
        self.opaque_tokens.retain(|token| now < token.expires_at);
        if self.opaque_tokens.len() >= MOST_OPAQUE {
            self.opaque_tokens.remove(0);
        }
        self.expires_at = self.expires_at.max(token.expires_at);
        self.opaque_tokens.push(token);
    }

    /// Revokes it; the first time counts.
    pub fn revoke(&mut self, now: UnixTime) {
        self.revoked_at.get_or_insert(now);
    }

    /// Whether `presented` is the refresh token that works now.
    #[must_use]
    pub fn is_current_refresh(&self, presented: &Digest, now: UnixTime) -> bool {
        self.refresh.as_ref().is_some_and(|refresh| {
            refresh.current.matches(presented) && now < refresh.idle_until && now < refresh.absolute_until
        })
    }

    /// Whether `presented` is or was a refresh token of this grant.
    #[must_use]
    pub fn knows_refresh(&self, presented: &Digest) -> bool {
        self.refresh
            .as_ref()
            .is_some_and(|refresh| refresh.current.matches(presented) || refresh.used.holds(presented))
    }

    /// A token that is not the current one: the latest used one within its grace, another used one, or a guess.
    fn reuse(&mut self, rotation: &Rotation, now: UnixTime) -> Rotated {
        let Some(refresh) = &self.refresh else { return Rotated::Refused };
        let in_grace =
            refresh.used.is_latest(&rotation.presented) && now.since(refresh.issued_at) < rotation.grace;
        if let Some(sealed) = refresh.sealed_for_previous.as_ref().filter(|_| in_grace) {
            return Rotated::Again(sealed.clone());
        }
        if refresh.used.holds(&rotation.presented) {
            self.revoke(now);
            return Rotated::Reused;
        }
        // A guess: without effect, else anyone who knows a grant id could end it.
        Rotated::Refused
    }

    /// Moves the record's end behind everything that must still find it. A used code must be found too, so that its
    /// reuse is noticed while tokens from it are alive.
    fn outlive(&mut self, now: UnixTime, access_token: Duration) {
        let tokens_end = now.plus(access_token).plus(LEEWAY);
        let refresh_end = self.refresh.as_ref().map_or(tokens_end, |refresh| refresh.idle_until);
        self.expires_at = self.expires_at.max(tokens_end).max(refresh_end);
    }
}
