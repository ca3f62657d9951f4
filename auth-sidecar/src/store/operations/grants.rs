//! How does a grant change? By its own rules (`grant`), once; where that ends it, the log of revocations says so beforehand: a crash in
//! between leaves a grant whose tokens are refused, never one that was revoked and works.

use super::super::feed::Revocation;
use super::super::grant::{Grant, OpaqueToken, Redeemed, Redemption, Rotated, Rotation};
use super::super::{Change, Store, StoreError, written};
use crate::clock::UnixTime;

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
        let Some(mut grant) = self.get::<Grant>(&key(id), now).await? else { return Ok(None) };
        let withdrawn = self.withdrawn(&grant.subject, &grant.client_id, now).await?;
        if grant.created_at < withdrawn.grants_before {
            grant.revoke(now);
        }
        Ok(Some(grant))
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
        let rotate = |grant: &mut Grant| match grant.rotate(&rotation, now) {
            Rotated::Refused => Change::Leave(Rotated::Refused),
            // Also what was rotated before: that write was perhaps answered by nobody, and is not yet where it must be.
            answer => Change::Keep(answer, grant.expires_at),
        };
        Ok(self.change_grant(id, now, rotate).await?.unwrap_or(Rotated::Refused))
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

    /// Revokes a grant and with it every token of it. Unknown ids are no error.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_grant(&self, id: &str, now: UnixTime) -> Result<(), StoreError> {
        let revoke = |grant: &mut Grant| {
            grant.revoke(now);
            Change::Keep((), grant.expires_at)
        };
        self.change_grant(id, now, revoke).await.map(drop)
    }

    /// Changes a grant. What would end it is told to the log first, and then done.
    async fn change_grant<A: Send>(
        &self,
        id: &str,
        now: UnixTime,
        decide: impl Fn(&mut Grant) -> Change<A> + Send + Sync,
    ) -> Result<Option<A>, StoreError> {
        let mut is_announced = false;
        loop {
            let outcome = self
                .change(&key(id), now, |grant: &mut Grant, _| {
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
