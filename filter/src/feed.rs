//! What have issuers withdrawn? Their feeds are polled at each tick, by each VM for itself: like keys, what is revoked is never
//! put where another plugin could write it.

use wicketgate_core::callout::Destination;
use wicketgate_core::denial::Denial;
use wicketgate_core::time::Timestamp;

use crate::callouts::Callouts;
use crate::host::{self, Level};
use crate::root::Active;
use crate::sidecar;

/// The largest feed that is read, bytes: as many entries as are kept.
const MAX_FEED: usize = 8 << 20;

/// Polls of the root context that are under way, by token: of which issuer.
#[derive(Default)]
pub(crate) struct Polls(Callouts<usize>);

// === impl Polls ===

impl Polls {
    /// Asks every issuer that has a feed, and none whose last answer is still awaited.
    pub(crate) fn begin(&mut self, active: &Active, now: Timestamp) {
        self.ask(active, now, false);
    }

    /// Asks those of which nothing was ever heard.
    pub(crate) fn begin_first(&mut self, active: &Active, now: Timestamp) {
        self.ask(active, now, true);
    }

    fn ask(&mut self, active: &Active, now: Timestamp, first: bool) {
        for (index, issuer) in active.guard.issuers.iter().enumerate() {
            let Some(source) = &issuer.revocations else { continue };
            if self.0.any(|polled| *polled == index) {
                continue;
            }
            let Ok(memory) = active.memory.try_borrow() else { continue };
            if first && memory.revocations.heard(index).is_some() {
                continue;
            }
            if memory.keys.keys(index, now).is_none() {
                // What it says could not be verified yet.
                continue;
            }
            let path = format!("{}?{}", source.at.path, memory.revocations.query(index));
            match sidecar::send(&Destination { path, ..source.at.clone() }, None, None) {
                Some(token) => self.0.begin(token, index),
                None => active.metrics.poll(false),
            }
        }
    }

    /// The answer to a callout: whether it was heard; `None` if it was none of these.
    pub(crate) fn answered(
        &mut self,
        active: &Active,
        token: u32,
        headers: usize,
        body: usize,
        now: Timestamp,
    ) -> Option<bool> {
        let index = self.0.end(token)?;
        let heard = hear(active, index, headers, body, now);
        active.metrics.poll(heard.is_ok());
        if let Err(why) = &heard {
            let name = active.guard.issuers.get(index).map_or("", |issuer| issuer.issuer.as_str());
            host::log(Level::Warn, &format!("revocations of {name} not heard: {why}"));
        }
        Some(heard.is_ok())
    }
}

fn hear(active: &Active, index: usize, headers: usize, body: usize, now: Timestamp) -> Result<(), String> {
    let issuer = active.guard.issuers.get(index).ok_or("no such issuer")?;
    let feed = sidecar::document(headers, body, MAX_FEED)?;
    let mut memory = active.memory.try_borrow_mut().map_err(|_| "the memory is in use")?;
    memory.hear(index, issuer, &feed, now).map_err(|fault| {
        let denial = Denial::from(fault);
        denial.detail().unwrap_or(denial.reason()).to_owned()
    })
}
