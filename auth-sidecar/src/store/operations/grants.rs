//! How does a grant change? By its own rules (`grant`), once; where that ends it, the log of revocations says so beforehand: a crash in
//! between leaves a grant whose tokens are refused, never one that was revoked and works.

use super::super::backend::Row;
use super::super::feed::Revocation;
use super::super::grant::{Grant, OpaqueToken, Redeemed, Redemption, Rotated, Rotation};
use super::super::{Change, Seen, Store, StoreError, written};
use crate::clock::UnixTime;
use crate::secret::Digest;

// === impl Store ===

impl Store {
    /// Keeps a new grant; it expires with its code until that is redeemed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_grant(&self, grant: Grant) -> Result<(), StoreError> {
        self.put(&key(&grant.id), &grant, grant.expires_at).await
    }

    /// Keeps a new grant where there is none of its id; whether it did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_new_grant(&self, grant: Grant, now: UnixTime) -> Result<bool, StoreError> {
        self.backend.put_new(&key(&grant.id), written(&grant)?, grant.expires_at, now).await
    }

    /// Reads a grant. One that was withdrawn with all of its user's or its client's reads as revoked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn grant(&self, id: &str, now: UnixTime) -> Result<Option<Grant>, StoreError> {
        let Some(Seen { value: mut grant, .. }) = self.see_grant(id, now).await? else { return Ok(None) };
        if self.is_withdrawn(&grant, now).await? {
            grant.revoke(now);
        }
        Ok(Some(grant))
    }

    /// Reads a grant for [`Store::rotate_seen`], which asks whether it was withdrawn with all of its user's or its client's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn see_grant(&self, id: &str, now: UnixTime) -> Result<Option<Seen<Grant>>, StoreError> {
        self.see(&key(id), now).await
    }

    async fn is_withdrawn(&self, grant: &Grant, now: UnixTime) -> Result<bool, StoreError> {
        let withdrawn = self.withdrawn(&grant.subject, &grant.client_id, now).await?;
        Ok(grant.created_at < withdrawn.grants_before)
    }

    /// Redeems a code, once: see [`Grant::redeem`]. Who calls this has read the grant and found it live.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn redeem(
        &self,
        id: &str,
        redemption: Redemption,
        now: UnixTime,
    ) -> Result<Redeemed, StoreError> {
        let redeem = |grant: &mut Grant| match grant.redeem(&redemption, now) {
            Redeemed::Refused => Change::Leave(Redeemed::Refused),
            answer => Change::Keep(answer, grant.expires_at),
        };
        Ok(self.change_grant(id, now, redeem).await?.unwrap_or(Redeemed::Refused))
    }

    /// Rotates a refresh token: see [`Grant::rotate`]. Who calls this has read the grant and found it live.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rotate(&self, id: &str, rotation: Rotation, now: UnixTime) -> Result<Rotated, StoreError> {
        match self.see_grant(id, now).await? {
            Some(seen) => self.rotate_seen(seen, rotation, now).await,
            None => Ok(Rotated::Refused),
        }
    }

    /// The same with a grant that was read before. One that was withdrawn with all of its user's or its client's is refused. Where
    /// all records lie in one place, that is learnt beside the change: nobody gets what it was changed to, and a round trip is
    /// saved. Elsewhere it is asked first: what was changed while that could not be learnt would count as used when it comes again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rotate_seen(
        &self,
        seen: Seen<Grant>,
        rotation: Rotation,
        now: UnixTime,
    ) -> Result<Rotated, StoreError> {
        let rotate = |grant: &mut Grant| match grant.rotate(&rotation, now) {
            Rotated::Refused => Change::Leave(Rotated::Refused),
            // Also what was rotated before: that write was perhaps answered by nobody, and is not yet where it must be.
            answer => Change::Keep(answer, grant.expires_at),
        };
        let is_withdrawn = self.is_withdrawn(&seen.value, now);
        let rotated = self.change_grant_seen(&seen.value.id, Some(seen.row), now, rotate);
        let (rotated, is_withdrawn) = if self.backend.is_one_place() {
            let (rotated, is_withdrawn) = tokio::join!(rotated, is_withdrawn);
            (rotated?, is_withdrawn?)
        } else {
            let is_withdrawn = is_withdrawn.await?;
            (rotated.await?, is_withdrawn)
        };
        match (rotated, is_withdrawn) {
            (Some(Rotated::Fresh | Rotated::Again(_)), true) | (None, _) => Ok(Rotated::Refused),
            (Some(rotated), _) => Ok(rotated),
        }
    }

    /// Remembers an opaque access token with its grant: see [`Grant::add_opaque_token`]. Unknown ids are no error.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_opaque_token(
        &self,
        id: &str,
        token: OpaqueToken,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let add = |grant: &mut Grant| {
            grant.add_opaque_token(token.clone(), now);
            Change::Keep((), grant.expires_at)
        };
        self.change_grant(id, now, add).await.map(drop)
    }

    /// Forgets an opaque access token. Unknown ids are no error.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_opaque_token(
        &self,
        id: &str,
        token: Digest,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let remove = |grant: &mut Grant| {
            grant.opaque_tokens.retain(|kept| !kept.digest.matches(&token));
            Change::Keep((), grant.expires_at)
        };
        self.change_grant(id, now, remove).await.map(drop)
    }

    /// Revokes a grant and with it every token of it; whether it has ended by this: of several callers one ends it. Unknown ids are
    /// no error.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_grant(&self, id: &str, now: UnixTime) -> Result<bool, StoreError> {
        let revoke = |grant: &mut Grant| {
            let was_live = grant.is_live();
            grant.revoke(now);
            // Also one that was revoked before: that write was perhaps answered by nobody, and is not yet where it must be.
            Change::Keep(was_live, grant.expires_at)
        };
        Ok(self.change_grant(id, now, revoke).await?.unwrap_or(false))
    }

    async fn change_grant<A: Send>(
        &self,
        id: &str,
        now: UnixTime,
        decide: impl Fn(&mut Grant) -> Change<A> + Send + Sync,
    ) -> Result<Option<A>, StoreError> {
        self.change_grant_seen(id, None, now, decide).await
    }

    /// Changes a grant. What would end it is told to the log first, and then done.
    async fn change_grant_seen<A: Send>(
        &self,
        id: &str,
        mut seen: Option<Row>,
        now: UnixTime,
        decide: impl Fn(&mut Grant) -> Change<A> + Send + Sync,
    ) -> Result<Option<A>, StoreError> {
        let mut is_announced = false;
        loop {
            let outcome = self
                .change_seen(&key(id), seen.take(), now, |grant: &mut Grant, _| {
                    let was_live = grant.is_live();
                    let change = decide(grant);
                    match was_live && !grant.is_live() && !is_announced {
                        true => Change::Leave(Err(Revocation::of_grant(grant, now))),
                        false => change.map(Ok),
                    }
                })
                .await?;
            match outcome {
                None => return Ok(None),
                Some(Ok(answer)) => return Ok(Some(answer)),
                Some(Err(revocation)) => self.backend.announce(revocation).await?,
            }
            is_announced = true;
        }
    }
}

fn key(id: &str) -> String {
    format!("g:{id}")
}
