//! Device authorizations: by the id of the grant that they may become, with an index by what the user types.

use super::super::device::{Approver, DeviceAuthorization, Polled};
use super::super::{Change, Store, StoreError, written};
use crate::clock::UnixTime;
use crate::secret::Digest;

// === impl Store ===

impl Store {
    /// Keeps a device authorization; `false`, and nothing is kept, when its user code is taken.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_device(&self, device: DeviceAuthorization, now: UnixTime) -> Result<bool, StoreError> {
        let index = user_code_key(device.user_code);
        // A crash in between leaves a user code that leads nowhere, until it expires.
        let is_free = self.backend.put_new(&index, written(&device.id)?, device.expires_at, now).await?;
        if is_free {
            self.put(&key(&device.id), &device, device.remembered_until()).await?;
        }
        Ok(is_free)
    }

    /// The device authorization that has this user code and that nobody has decided yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn device_of_user_code(
        &self,
        user_code: Digest,
        now: UnixTime,
    ) -> Result<Option<DeviceAuthorization>, StoreError> {
        let Some(id) = self.get::<String>(&user_code_key(user_code), now).await? else { return Ok(None) };
        let device = self.device(&id, now).await?;
        Ok(device.filter(|device| device.approved.is_none()))
    }

    /// Decides a device authorization, once: see [`DeviceAuthorization::decide`]. `None` when it was too late.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn decide_device(
        &self,
        id: &str,
        approver: Option<Approver>,
        now: UnixTime,
    ) -> Result<Option<DeviceAuthorization>, StoreError> {
        let decide = |device: &mut DeviceAuthorization, end| match device.decide(approver.clone(), now) {
            true => Change::Keep(Some(device.clone()), end),
            false => Change::Leave(None),
        };
        let Some(decided) = self.change(&key(id), now, decide).await?.flatten() else { return Ok(None) };
        if let Err(error) = self.backend.remove(&user_code_key(decided.user_code)).await {
            // It leads to what is decided, and so to nothing.
            tracing::warn!(event = "user_code_left", %error);
        }
        Ok(Some(decided))
    }

    /// A device authorization.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn device(&self, id: &str, now: UnixTime) -> Result<Option<DeviceAuthorization>, StoreError> {
        self.get(&key(id), now).await
    }

    /// A device asks: see [`DeviceAuthorization::poll`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn poll_device(
        &self,
        id: &str,
        device_code: Digest,
        client_id: &str,
        now: UnixTime,
    ) -> Result<Polled, StoreError> {
        let poll = |device: &mut DeviceAuthorization, end| match device.poll(&device_code, client_id, now) {
            answer @ (Polled::Pending | Polled::SlowDown) => Change::Keep(answer, end),
            answer => Change::Leave(answer),
        };
        Ok(self.change(&key(id), now, poll).await?.unwrap_or(Polled::Refused))
    }
}

fn key(id: &str) -> String {
    format!("d:{id}")
}

fn user_code_key(user_code: Digest) -> String {
    format!("uc:{}", user_code.encoded())
}
