//! What may happen to a device authorization (RFC 8628)? One record, one state machine: the user decides once, and the
//! device asks no more often than it may. Pure, like the grant's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::oauth::scope::ScopeSet;
use crate::secret::Digest;

/// Added to the interval each time that a device asks too early (section 3.5), in seconds.
pub const SLOW_DOWN: u64 = 5;

/// So long after its end a device is still told that it came too late, and not that it is unknown.
const REMEMBERED: Duration = Duration::from_secs(600);

/// A device that waits for its user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeviceAuthorization {
    /// The id of the grant that it may become.
    pub id: String,
    /// Digest of the device code.
    pub device_code: Digest,
    /// What is kept of the code that the user types: a digest under a key that is not in the store.
    pub user_code: Digest,
    /// Who asks.
    pub client_id: String,
    /// What is asked for.
    pub scope: ScopeSet,
    /// For which resource servers.
    pub resources: Vec<String>,
    /// It must be decided and fetched before this.
    pub expires_at: UnixTime,
    /// Seconds between two questions of the device.
    pub interval: u64,
    /// When the device asked last.
    pub asked_at: Option<UnixTime>,
    /// What the user decided: set once.
    pub approved: Option<bool>,
    /// Who allowed it: enough to make the grant, should that have been cut off.
    #[serde(default)]
    pub approver: Option<Approver>,
}

/// The user who allowed a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approver {
    /// The user.
    pub subject: String,
    /// When the user signed in.
    pub auth_time: UnixTime,
    /// When the user allowed it. Where an earlier version did not write this down it counts as longer ago than anything that was
    /// ever withdrawn.
    #[serde(default)]
    pub at: UnixTime,
}

/// The answer to a device that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// The user has not decided yet.
    Pending,
    /// It asked too early, and must wait longer from now on.
    SlowDown,
    /// The user said yes, and the grant is not there yet.
    Approved,
    /// The user said no.
    Denied,
    /// The user did not decide in time.
    Expired,
    /// Unknown, another client's, or fetched already.
    Refused,
}

// === impl DeviceAuthorization ===

impl DeviceAuthorization {
    /// Until when it is remembered, and the device may ask.
    #[must_use]
    pub fn remembered_until(&self) -> UnixTime {
        self.expires_at.plus(REMEMBERED)
    }

    /// The device asks. The record is to be stored when the answer is [`Polled::Pending`] or [`Polled::SlowDown`].
    pub fn poll(&mut self, device_code: &Digest, client_id: &str, now: UnixTime) -> Polled {
        if !self.device_code.matches(device_code) || self.client_id != client_id {
            return Polled::Refused;
        }
        match self.approved {
            Some(false) => return Polled::Denied,
            _ if now >= self.expires_at => return Polled::Expired,
            Some(true) => return Polled::Approved,
            None => {}
        }
        let asked_at = self.asked_at.replace(now);
        if asked_at.is_some_and(|asked_at| now.since(asked_at).as_secs() < self.interval) {
            self.interval = self.interval.saturating_add(SLOW_DOWN);
            return Polled::SlowDown;
        }
        Polled::Pending
    }

    /// The user decides: nobody approves, or this one. `false` when it is too late, or was decided before. The record is to be
    /// stored when `true`.
    pub fn decide(&mut self, approver: Option<Approver>, now: UnixTime) -> bool {
        if self.approved.is_some() || now >= self.expires_at {
            return false;
        }
        self.approved = Some(approver.is_some());
        self.approver = approver;
        true
    }
}
