//! Who is signed in, what they agreed to, and what a provider of identity said of them.

use super::super::records::{Consent, ConsentKey, Session, UpstreamAccount};
use super::super::{Change, Store, StoreError};
use crate::clock::UnixTime;
use crate::secret::Digest;

// === impl Store ===

impl Store {
    /// Keeps or replaces a browser's sign-in, under the digest of its cookie.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_session(&self, id: Digest, session: Session, until: UnixTime) -> Result<(), StoreError> {
        self.put(&session_key(id), &session, until).await
    }

    /// Reads a browser's sign-in. One that was ended with all of its user's is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session(&self, id: Digest, now: UnixTime) -> Result<Option<Session>, StoreError> {
        let Some(session) = self.get::<Session>(&session_key(id), now).await? else { return Ok(None) };
        let count_from = self.sessions_count_from(&session.subject, now).await?;
        Ok((session.started_at >= count_from).then_some(session))
    }

    /// Notes that a browser's sign-in was used, and moves its end; whether it is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn see_session(&self, id: Digest, now: UnixTime, until: UnixTime) -> Result<bool, StoreError> {
        let see = |session: &mut Session, _| {
            session.seen_at = session.seen_at.max(now);
            Change::Keep((), until)
        };
        Ok(self.change(&session_key(id), now, see).await?.is_some())
    }

    /// Ends a browser's sign-in.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_session(&self, id: Digest) -> Result<(), StoreError> {
        self.backend.remove(&session_key(id)).await
    }

    /// Remembers a consent; an earlier one for the same key is replaced.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_consent(
        &self,
        key: ConsentKey,
        consent: Consent,
        until: UnixTime,
    ) -> Result<(), StoreError> {
        self.put(&consent_key(&key), &consent, until).await
    }

    /// A remembered consent. One that was withdrawn with all of its user's or its client's is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn consent(&self, key: ConsentKey, now: UnixTime) -> Result<Option<Consent>, StoreError> {
        let Some(consent) = self.get::<Consent>(&consent_key(&key), now).await? else { return Ok(None) };
        let withdrawn = self.withdrawn(&key.subject, &key.client_id, now).await?;
        Ok((consent.given_at >= withdrawn.grants_before).then_some(consent))
    }

    /// Forgets a consent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_consent(&self, key: &ConsentKey) -> Result<(), StoreError> {
        self.backend.remove(&consent_key(key)).await
    }

    /// Keeps or replaces what a provider said of somebody, under its subject.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_upstream_account(
        &self,
        account: UpstreamAccount,
        until: UnixTime,
    ) -> Result<(), StoreError> {
        self.put(&account_key(&account.subject), &account, until).await
    }

    /// What a provider said of somebody.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn upstream_account(
        &self,
        subject: &str,
        now: UnixTime,
    ) -> Result<Option<UpstreamAccount>, StoreError> {
        self.get(&account_key(subject), now).await
    }

    /// Forgets what a provider said of somebody.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_upstream_account(&self, subject: &str) -> Result<(), StoreError> {
        self.backend.remove(&account_key(subject)).await
    }
}

fn session_key(id: Digest) -> String {
    format!("s:{}", id.encoded())
}

fn consent_key(key: &ConsentKey) -> String {
    format!("cons:{}", key.name().encoded())
}

/// Under a digest, since its length is then bounded.
fn account_key(subject: &str) -> String {
    format!("acc:{}", Digest::of(subject).encoded())
}
