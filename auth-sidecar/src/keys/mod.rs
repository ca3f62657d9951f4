//! Who signs, and who can verify it? Keys of each algorithm that we offer, kept sealed in the store and published as a
//! JWK set. Their life is in [`lifecycle`]; it moves on when a request comes after a change was due, so that it depends
//! on the clock and the store alone.

mod claims;
mod held;
mod identity;
pub mod lifecycle;
mod pair;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use jwt_simple::prelude::{Audiences, Duration, Token, VerificationOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

use self::claims::{PrivateClaims, PrivateIdClaims};
use self::held::{Held, purpose};
use self::lifecycle::Schedule;
use self::pair::Pair;
use crate::clock::{SKEW, UnixTime};
use crate::oauth::algorithm::SigningAlgorithm;
use crate::oauth::claims::{AccessClaims, ID_TOKEN_TYPE, IdClaims, TOKEN_TYPE};
use crate::sealing::{SealingError, SealingKey};
use crate::store::records::{KeyState, StoredKey};
use crate::store::{Store, StoreError};

/// Longer than any token we issue; what is longer is not parsed.
const LONGEST_TOKEN: usize = 16 * 1024;
/// Replicas look at the store so often, whether or not they expect a change.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(30);
/// And so often as long as there are none, because the store is away.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);
/// Tries to write against other replicas before giving up.
const MOST_TRIES: usize = 8;

/// The keys in use.
pub struct Keys {
    schedule: RwLock<Schedule>,
    access_tokens: SigningAlgorithm,
    data_key: SealingKey,
    held: RwLock<Arc<Held>>,
    /// When to look again.
    due: AtomicU64,
    /// One look at a time: a slower one must not take over what an earlier state of the store said.
    looking: Mutex<()>,
}

/// Why there are no keys to work with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored keys were sealed under another data key.
    #[error("the signing keys of the store cannot be read: {0}")]
    Sealed(#[from] SealingError),
    /// A key is malformed, or none is active.
    #[error("the signing keys of the store are unusable: {0}")]
    Malformed(&'static str),
    /// A key could not be made.
    #[error("a signing key could not be generated")]
    Generation,
    /// Other replicas changed the keys each time.
    #[error("the signing keys of the store change all the time")]
    Contended,
    /// Signing failed.
    #[error("a token could not be signed")]
    Signing,
}

/// A key as operators see it; nothing in it is secret.
#[derive(Debug, Serialize)]
pub struct KeySummary {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// `ES256`, `EdDSA` or `RS256`.
    pub algorithm: SigningAlgorithm,
    /// `next`, `active` or `retired`.
    pub state: KeyState,
    /// When it was made.
    pub created_at: UnixTime,
    /// Since when it is in this state.
    pub since: UnixTime,
    /// When it begins to sign, if it waits for that.
    pub activates_at: Option<UnixTime>,
    /// When it is forgotten, if it is retired.
    pub forgotten_at: Option<UnixTime>,
}

/// What an ID token that somebody shows us says.
#[derive(Debug, PartialEq, Eq)]
pub struct Hint {
    /// The user.
    pub subject: String,
    /// The client that it was issued to.
    pub client_id: String,
}

// === impl Keys ===

impl Keys {
    /// No keys yet: [`Self::keep_current`] reads those of the store, and makes those that are missing.
    #[must_use]
    pub fn new(data_key: SealingKey, schedule: Schedule, access_tokens: SigningAlgorithm) -> Self {
        let empty = Held { stored: Vec::new(), pairs: Vec::new(), jwks: Value::Null };
        let (held, due) = (RwLock::new(Arc::new(empty)), AtomicU64::new(0));
        Self { schedule: RwLock::new(schedule), access_tokens, data_key, held, due, looking: Mutex::new(()) }
    }

    /// Whether there are any. Without them no token can be told from another, so nothing may be answered.
    #[must_use]
    pub fn are_there(&self) -> bool {
        !self.held().stored.is_empty()
    }

    /// Takes over what is due at `now`, from the schedule or from another replica; whether keys were made or began to sign by our
    /// own doing. Cheap when nothing is due.
    ///
    /// # Errors
    /// [`KeyError`]; the keys of before stay in use, and the next look is put off.
    pub async fn keep_current(&self, store: &Store, now: UnixTime) -> Result<bool, KeyError> {
        let is_due = || now.0 >= self.due.load(Ordering::Acquire);
        if !is_due() {
            return Ok(false);
        }
        // What others may have changed can wait until who looks has looked; a change that we know of is seen by all who come later.
        let can_wait = self.are_there() && self.schedule().next_change(&self.held().stored) > now;
        let _looking = match can_wait {
            true => match self.looking.try_lock() {
                Ok(looking) => looking,
                Err(_) => return Ok(false),
            },
            false => self.looking.lock().await,
        };
        // Somebody else may have looked while we waited.
        if !is_due() {
            return Ok(false);
        }
        let looked = self.change(store, now, |stored| self.step(stored, now)).await;
        if looked.is_err() {
            let pause = if self.are_there() { LOOK_EVERY } else { LOOK_AGAIN };
            self.due.store(now.plus(pause).0, Ordering::Release);
        }
        looked
    }

    /// Tokens may live so long from now on. Those that were issued before live as long as they do, so this never gets shorter.
    pub fn allow_tokens_of(&self, lifetime: std::time::Duration) {
        let mut schedule = self.schedule.write().unwrap_or_else(PoisonError::into_inner);
        schedule.longest_token = schedule.longest_token.max(lifetime);
    }

    /// Looks for the key that a token says to be signed with where it is none of those held: another replica may have made it a
    /// moment ago. One look at a time, whoever shows us invented names.
    ///
    /// # Errors
    /// The store's: nothing can be said about the token then.
    pub async fn look_for_signer(&self, token: &str, store: &Store, now: UnixTime) -> Result<(), StoreError> {
        let is_known = || self.held().signer_of(token).is_some();
        if !names_a_key(token) || is_known() {
            return Ok(());
        }
        let _looking = self.looking.lock().await;
        if is_known() {
            return Ok(());
        }
        let stored = store.signing_keys().await?;
        if !stored.is_empty()
            && let Err(error) = self.take_over(stored, now)
        {
            tracing::error!(event = "keys_not_refreshed", %error);
        }
        Ok(())
    }

    /// Makes successors, which sign once they have been published long enough, or `at_once`.
    ///
    /// # Errors
    /// [`KeyError`]; nothing has changed then.
    pub async fn rotate(&self, store: &Store, now: UnixTime, at_once: bool) -> Result<(), KeyError> {
        let make = |algorithm, state| self.make(algorithm, state, now);
        let _looking = self.looking.lock().await;
        self.change(store, now, |stored| self.schedule().rotate(stored, now, at_once, make)).await?;
        Ok(())
    }

    /// All keys, for operators.
    #[must_use]
    pub fn list(&self) -> Vec<KeySummary> {
        let schedule = self.schedule();
        let summary = |key: &StoredKey| KeySummary {
            kid: key.kid.clone(),
            algorithm: key.algorithm,
            state: key.state,
            created_at: key.created_at,
            since: key.since,
            activates_at: schedule.activates_at(key),
            forgotten_at: schedule.forgotten_at(key),
        };
        self.held().stored.iter().map(summary).collect()
    }

    /// When one of them next changes its state, if that is foreseen.
    #[must_use]
    pub fn next_change(&self) -> Option<UnixTime> {
        let change = self.schedule().next_change(&self.held().stored);
        (change < UnixTime(u64::MAX)).then_some(change)
    }

    /// The JWK set (RFC 7517 section 5), public keys only.
    #[must_use]
    pub fn jwks(&self) -> Value {
        self.held().jwks.clone()
    }

    /// Signs an access token.
    ///
    /// # Errors
    /// [`KeyError::Signing`].
    pub fn sign(&self, claims: AccessClaims) -> Result<String, KeyError> {
        self.held().active(self.access_tokens)?.sign(TOKEN_TYPE, claims::to_jwt(claims))
    }

    /// Signs an ID token.
    ///
    /// # Errors
    /// [`KeyError::Signing`], also for an algorithm that is not held.
    pub fn sign_id_token(&self, algorithm: SigningAlgorithm, claims: IdClaims) -> Result<String, KeyError> {
        self.held().active(algorithm)?.sign(ID_TOKEN_TYPE, claims::to_id_jwt(claims))
    }

    /// Signs what is no token, as the issuer that says it now.
    ///
    /// # Errors
    /// [`KeyError::Signing`].
    pub fn sign_statement<C: Serialize + DeserializeOwned>(
        &self,
        typ: &str,
        issuer: &str,
        says: C,
        now: UnixTime,
    ) -> Result<String, KeyError> {
        self.held().active(self.access_tokens)?.sign(typ, claims::statement(issuer, says, now))
    }

    /// The claims of an access token that we signed and that has not expired; `None` for everything else. Whether its
    /// grant was revoked is for the caller to ask.
    #[must_use]
    pub fn verify(&self, token: &str, issuer: &str, now: UnixTime) -> Option<AccessClaims> {
        let held = self.held();
        let options = options(TOKEN_TYPE, issuer, now);
        let claims = held.signer_of(token)?.verify::<PrivateClaims>(token, options)?;
        claims::from_jwt(claims).filter(|claims| now < claims.exp)
    }

    /// What an ID token of ours says, whether or not it has expired (OpenID Connect Core 3.1.2.1: `id_token_hint`).
    #[must_use]
    pub fn verify_hint(&self, token: &str, issuer: &str) -> Option<Hint> {
        let held = self.held();
        // At the beginning of time nothing has expired yet.
        let options = VerificationOptions {
            accept_future: true,
            time_tolerance: Some(Duration::from_secs(0)),
            ..options(ID_TOKEN_TYPE, issuer, UnixTime(0))
        };
        let claims = held.signer_of(token)?.verify::<PrivateIdClaims>(token, options)?;
        match claims.audiences? {
            Audiences::AsString(client_id) => Some(Hint { subject: claims.subject?, client_id }),
            Audiences::AsSet(_) => None,
        }
    }

    /// Reads, changes and writes the keys until nobody else has written in between, and takes over what is then there. Whether
    /// we made a key or one entered another state, other than being forgotten.
    async fn change(
        &self,
        store: &Store,
        now: UnixTime,
        change: impl Fn(Vec<StoredKey>) -> Result<Vec<StoredKey>, KeyError>,
    ) -> Result<bool, KeyError> {
        for _ in 0..MOST_TRIES {
            let seen = store.signing_keys().await?;
            let wanted = change(seen.clone())?;
            let moved_on = wanted.iter().any(|key| !seen.contains(key));
            let kept = match wanted == seen {
                true => seen,
                false => store.replace_signing_keys(seen, wanted.clone()).await?,
            };
            if kept == wanted {
                self.take_over(kept, now)?;
                return Ok(moved_on);
            }
        }
        Err(KeyError::Contended)
    }

    fn take_over(&self, stored: Vec<StoredKey>, now: UnixTime) -> Result<(), KeyError> {
        let due = self.schedule().next_change(&stored).min(now.plus(LOOK_EVERY));
        let before = self.held();
        if before.stored != stored {
            let held = Held::open(stored, &self.data_key)?;
            for (state, algorithm, pair) in &held.pairs {
                tracing::info!(
                    event = "signing_key",
                    kid = pair.kid(),
                    algorithm = algorithm.as_str(),
                    ?state
                );
            }
            *self.held.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(held);
        }
        self.due.store(due.0, Ordering::Release);
        Ok(())
    }

    fn step(&self, stored: Vec<StoredKey>, now: UnixTime) -> Result<Vec<StoredKey>, KeyError> {
        self.schedule().step(stored, now, |algorithm, state| self.make(algorithm, state, now))
    }

    fn make(
        &self,
        algorithm: SigningAlgorithm,
        state: KeyState,
        now: UnixTime,
    ) -> Result<StoredKey, KeyError> {
        let (pair, secret) = Pair::generate(algorithm)?;
        let kid = pair.kid().to_owned();
        let sealed = self.data_key.seal(&purpose(&kid), &secret)?;
        Ok(StoredKey { kid, algorithm, state, created_at: now, since: now, sealed })
    }

    fn schedule(&self) -> Schedule {
        self.schedule.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn held(&self) -> Arc<Held> {
        // Nobody panics while writing: the value is whole whatever happened.
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({} published)", self.held().pairs.len())
    }
}

fn options(typ: &str, issuer: &str, now: UnixTime) -> VerificationOptions {
    VerificationOptions {
        required_signature_type: Some(typ.to_owned()),
        allowed_issuers: Some(HashSet::from([issuer.to_owned()])),
        // What another replica issued a moment ago may be of a moment to come by our clock. When it ends is judged without.
        time_tolerance: Some(Duration::from_secs(SKEW.as_secs())),
        artificial_time: Some(Duration::from_secs(now.0)),
        ..VerificationOptions::default()
    }
}

/// Whether a token can be ours: its key is named by a thumbprint.
fn names_a_key(token: &str) -> bool {
    const THUMBPRINT: usize = 43;
    token.len() <= LONGEST_TOKEN
        && Token::decode_metadata(token)
            .is_ok_and(|metadata| metadata.key_id().is_some_and(|kid| kid.len() == THUMBPRINT))
}

#[cfg(test)]
mod tests;
