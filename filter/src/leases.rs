//! How do tokens of buckets that hold across a fleet get here? By callouts to the authorization server: for a request that waits,
//! and once a second ahead of need. What they bring lies in shared data, for all workers.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use wicketgate_core::exchange::step::NoLease;
use wicketgate_core::limits::lease::{self, Ask, Grant, MOST_BUCKETS, Need};
use wicketgate_core::limits::rate::Rate;
use wicketgate_core::limits::tag::Tag;
use wicketgate_core::time::Timestamp;

use crate::callouts::Callouts;
use crate::host::{self, Level};
use crate::places::{Place, Questions};
use crate::question::Whose;
use crate::root::Active;
use crate::shared;
use crate::sidecar;

/// The largest answer that is read, bytes.
const MAX_ANSWER: usize = 16 << 10;
/// Buckets that are noted between two ticks; of others the next request asks.
const MAX_LOW: usize = 256;
/// After a question without an answer nobody waits for another so long: each request would wait in vain.
const PAUSE: Duration = Duration::from_secs(1);

/// What a VM knows of leases under one configuration.
#[derive(Default)]
pub(crate) struct Book {
    /// Of which few tokens are left.
    low: RefCell<Vec<(Tag, Rate)>>,
    /// Until then the server counts as away.
    away: Cell<Timestamp>,
    /// Those that are asked.
    pub(crate) questions: Questions,
}

/// A question on its way.
pub(crate) struct Asked {
    active: Rc<Active>,
    asks: Vec<Ask>,
    at: Timestamp,
    place: Place,
}

/// The questions of the root context, by token.
#[derive(Default)]
pub(crate) struct Ahead(Callouts<Asked>);

/// Few tokens of these are left.
pub(crate) fn note_low(active: &Active, low: Vec<(Tag, Rate)>) {
    if let Ok(mut noted) = active.leases.low.try_borrow_mut() {
        for bucket in low {
            if noted.len() < MAX_LOW && !noted.contains(&bucket) {
                noted.push(bucket);
            }
        }
    }
}

/// Asks on behalf of a request that waits.
pub(crate) fn ask(
    active: &Rc<Active>,
    buckets: &[(Tag, Rate)],
    now: Timestamp,
    whose: Whose<'_>,
) -> Result<Asked, NoLease> {
    send(active, buckets, Need::Now, now, whose).map(|(_, asked)| asked)
}

fn send(
    active: &Rc<Active>,
    buckets: &[(Tag, Rate)],
    need: Need,
    now: Timestamp,
    (asker, trace): Whose<'_>,
) -> Result<(u32, Asked), NoLease> {
    let source = active.guard.leases.as_ref().ok_or(NoLease::Away)?;
    let away = active.leases.away.get();
    // A clock that was set back says nothing about how long ago that was.
    if now < away && away <= now.plus(PAUSE) {
        return Err(NoLease::Away);
    }
    let mut place = Place::of(active, (|active, _| Some(&active.leases.questions), 0), asker)
        .map_err(|_| NoLease::Busy)?;
    let wanted = |bucket: &(Tag, Rate)| shared::want(*bucket, need, source.at.timeout, now).ok().flatten();
    let asks: Vec<Ask> = buckets.iter().filter_map(wanted).collect();
    if asks.is_empty() || (need == Need::Now && asks.len() < buckets.len()) {
        return Err(NoLease::Busy);
    }
    active.metrics.lease_asked();
    let Some(token) = sidecar::send(&source.at, Some(&lease::body(&asks)), trace) else {
        failed(active, "the cluster cannot be asked", now);
        return Err(NoLease::Away);
    };
    place.sent(Some(now.plus(source.at.timeout)));
    Ok((token, Asked { active: Rc::clone(active), asks, at: now, place }))
}

fn failed(active: &Active, why: &str, now: Timestamp) {
    active.metrics.lease_failed();
    active.leases.away.set(now.plus(PAUSE));
    host::log(Level::Warn, &format!("no lease of rate limits: {why}"));
}

// === impl Asked ===

impl Asked {
    /// What the answer grants.
    pub(crate) fn read(self, headers: usize, body: usize, now: Timestamp) -> Result<Vec<Grant>, NoLease> {
        let Self { active, asks, at, place } = self;
        place.answered();
        let answer = sidecar::document(headers, body, MAX_ANSWER)
            .and_then(|bytes| lease::read(&bytes, &asks, at).ok_or_else(|| "not an answer to it".to_owned()));
        match answer {
            Ok(grants) => {
                active.leases.away.set(Timestamp::default());
                active.metrics.leased(&grants);
                Ok(grants)
            }
            Err(why) => {
                failed(&active, &why, now);
                Err(NoLease::Away)
            }
        }
    }
}

// === impl Ahead ===

impl Ahead {
    /// Asks for more of what is low.
    pub(crate) fn ask(&mut self, active: &Rc<Active>, now: Timestamp) {
        let low = active.leases.low.try_borrow_mut().map(|mut low| std::mem::take(&mut *low));
        let low = low.unwrap_or_default();
        for some in low.chunks(MOST_BUCKETS) {
            if let Ok((token, asked)) = send(active, some, Need::Ahead, now, (None, None)) {
                self.0.begin(token, asked);
            }
        }
    }

    /// The answer to a callout of the root context.
    pub(crate) fn answered(&mut self, token: u32, headers: usize, body: usize, now: Timestamp) {
        let Some(asked) = self.0.end(token) else { return };
        let rates: Vec<Rate> = asked.asks.iter().map(|ask| ask.rate).collect();
        for (grant, rate) in asked.read(headers, body, now).unwrap_or_default().iter().zip(rates) {
            // Where the host fails it is lost.
            let _ = shared::keep(grant, rate, now);
        }
    }
}
