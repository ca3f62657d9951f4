//! What was withdrawn all at once? Everything of a user or a client of until a moment: the log of revocations says so to gateways,
//! and a record with that moment decides here, so that nothing must be found and changed one by one.
//!
//! Until the record is there a request that began a second later may have been admitted; so a clock is asked when it begins and when
//! the record is written, and what was withdrawn until then is withdrawn too.

use std::time::Duration;

use super::super::feed::{Kind, Revocation, end_of};
use super::super::records::Withdrawn;
use super::super::{Change, Store, StoreError, written};
use crate::clock::{Clock, UnixTime};
use crate::secret::Digest;

/// What the names of these records begin with.
pub(in crate::store) const WITHDRAWN: &str = "kill:";

/// What a switch withdraws of before a moment.
type Extent = fn(UnixTime) -> Withdrawn;

/// Nothing lives longer: the bound of `lifetimes.consent`, which is the largest of what users let in.
const LONGEST: Duration = Duration::from_secs(3_650 * 24 * 60 * 60);
/// All grants, and no sign-ins.
const GRANTS: Extent = |before| Withdrawn { grants_before: before, sessions_before: UnixTime(0) };

// === impl Store ===

impl Store {
    /// Withdraws everything that this user granted until now, and ends their sign-ins.
    ///
    /// # Errors
    /// [`StoreError`]; then it may be half done, and can be done again.
    pub async fn withdraw_user(&self, subject: &str, clock: &dyn Clock) -> Result<(), StoreError> {
        let all: Extent = |before| Withdrawn { grants_before: before, sessions_before: before };
        self.withdraw((Kind::Subject, subject), all, clock).await
    }

    /// Withdraws everything that this user granted until now; their sign-ins go on.
    ///
    /// # Errors
    /// [`StoreError`]; then it may be half done, and can be done again.
    pub async fn withdraw_grants_of_user(&self, subject: &str, clock: &dyn Clock) -> Result<(), StoreError> {
        self.withdraw((Kind::Subject, subject), GRANTS, clock).await
    }

    /// Ends all sign-ins of this user of until now; what they granted goes on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_sessions_of_user(&self, subject: &str, clock: &dyn Clock) -> Result<(), StoreError> {
        let sessions: Extent = |before| Withdrawn { sessions_before: before, ..Withdrawn::default() };
        self.withdraw((Kind::Subject, subject), sessions, clock).await
    }

    /// Withdraws everything that this client was granted until now.
    ///
    /// # Errors
    /// [`StoreError`]; then it may be half done, and can be done again.
    pub async fn withdraw_client(&self, id: &str, clock: &dyn Clock) -> Result<(), StoreError> {
        self.withdraw((Kind::Client, id), GRANTS, clock).await
    }

    /// What was withdrawn from a user, or from a client, at once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn withdrawn(
        &self,
        subject: &str,
        client_id: &str,
        now: UnixTime,
    ) -> Result<Withdrawn, StoreError> {
        let (subject, client) = (key(Kind::Subject, subject), key(Kind::Client, client_id));
        let of_client = self.get::<Withdrawn>(&client, now);
        let (of_user, of_client) = tokio::try_join!(self.get::<Withdrawn>(&subject, now), of_client)?;
        Ok(of_user.unwrap_or_default().or(of_client.unwrap_or_default()))
    }

    /// From when on sign-ins of this user count.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) async fn sessions_count_from(
        &self,
        subject: &str,
        now: UnixTime,
    ) -> Result<UnixTime, StoreError> {
        let withdrawn = self.get::<Withdrawn>(&key(Kind::Subject, subject), now).await?;
        Ok(withdrawn.unwrap_or_default().sessions_before)
    }

    async fn withdraw(
        &self,
        whose: (Kind, &str),
        extent: Extent,
        clock: &dyn Clock,
    ) -> Result<(), StoreError> {
        let now = clock.now();
        self.withdraw_until(now, whose, extent).await?;
        // Whoever has not seen the record began before this moment, and dates what it makes accordingly.
        match clock.now() {
            later if later > now => self.withdraw_until(later, whose, extent).await,
            _ => Ok(()),
        }
    }

    /// Told to the log first: a crash in between leaves tokens that are refused at the gateway, never some that were withdrawn and
    /// work. It tells of grants: no token ends with a sign-in.
    async fn withdraw_until(
        &self,
        now: UnixTime,
        (kind, name): (Kind, &str),
        extent: Extent,
    ) -> Result<(), StoreError> {
        let withdrawn = extent(end_of(now));
        if withdrawn.grants_before > UnixTime::default() {
            self.backend.announce(Revocation::of_all(kind, name, now)).await?;
        }
        self.keep_withdrawn(&key(kind, name), withdrawn, now).await
    }

    async fn keep_withdrawn(&self, key: &str, withdrawn: Withdrawn, now: UnixTime) -> Result<(), StoreError> {
        let until = now.plus(LONGEST);
        if self.backend.put_new(key, written(&withdrawn)?, until, now).await? {
            return Ok(());
        }
        let keep = |kept: &mut Withdrawn, _| {
            *kept = kept.or(withdrawn);
            Change::Keep((), until)
        };
        self.change(key, now, keep).await.map(drop)
    }
}

/// Names are digested, since their length is then bounded.
fn key(kind: Kind, name: &str) -> String {
    format!("{WITHDRAWN}{}:{}", kind.as_str(), Digest::of(name).encoded())
}
