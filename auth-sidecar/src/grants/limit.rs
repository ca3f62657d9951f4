//! May this be done once more? What strangers make us keep, fetch or check is counted in the store, for all replicas.

use std::time::Duration;

use crate::app::Context;
use crate::audit::Event;
use crate::clock::UnixTime;
use crate::config::LoginLimits;
use crate::error::Failure;

/// So many within a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) most: u32,
    pub(crate) window: Duration,
}

// === impl Limit ===

impl Limit {
    /// So many an hour.
    pub(crate) const fn hourly(most: u32) -> Self {
        Self { most, window: Duration::from_secs(60 * 60) }
    }

    /// What the limits of sign-ins allow one address.
    pub(crate) const fn by_address(limits: &LoginLimits) -> Self {
        Self { most: limits.per_address, window: limits.window }
    }

    /// Counts one more under this name; one too many is recorded as `event`.
    ///
    /// # Errors
    /// [`Failure::TooMany`], and the store's.
    pub(crate) async fn count(
        self,
        context: &Context,
        counter: &str,
        event: Event<'_>,
        now: UnixTime,
    ) -> Result<(), Failure> {
        if context.store.count(counter, now.plus(self.window), now).await? > self.most {
            context.audit.write(&event);
            return Err(Failure::TooMany);
        }
        Ok(())
    }
}
