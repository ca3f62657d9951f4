//! What the adapter does in the data that all VMs share.

use std::time::Duration;

use wicketgate_core::exchange::step::{Recall, StreamOf, Take};
use wicketgate_core::history::table as history;
use wicketgate_core::limits::lease::{self, Ask, Grant, Need};
use wicketgate_core::limits::rate::Rate;
use wicketgate_core::limits::store::Outcome;
use wicketgate_core::limits::tag::Tag;
use wicketgate_core::limits::used_proofs::{self, Use};
use wicketgate_core::limits::{streams, taking};
use wicketgate_core::time::Timestamp;

use super::{Gate, SALT, VM};

// === impl Gate ===

impl Gate {
    /// What the adapter does for `Control::Take`: from each bucket or from none.
    pub(super) fn take(&mut self, takes: &[Take]) -> (Option<Outcome>, usize) {
        let now = self.now;
        let taken = taking::take(takes, SALT, now, &mut |key, next| {
            self.change(key, |set| (next(set), ())).is_some()
        });
        (taken.outcome, taken.at)
    }

    /// What the adapter does for `Effect::Lease`.
    pub(super) fn ask_for_leases(&mut self, buckets: &[(Tag, Rate)]) -> Vec<Ask> {
        let now = self.now;
        let asks = buckets.iter().map(|bucket| {
            self.change(&lease::set_key(bucket.0, SALT), |set| {
                let (ask, bytes) = lease::want(set, *bucket, Need::Now, Duration::from_secs(1), now);
                (bytes, ask)
            })
        });
        asks.map(|ask| ask.flatten().unwrap()).collect()
    }

    /// What the adapter does for `Control::CountStream`.
    pub(super) fn count_stream(&mut self, wanted: &StreamOf) -> Option<streams::Outcome> {
        let (held, now) = (self.streams.get(&wanted.tag).copied().unwrap_or_default(), self.now);
        let outcome = self.change(&streams::set_key(wanted.tag, SALT), |set| {
            let acquired = streams::acquire(set, wanted.tag, VM, held, wanted.most, now);
            (acquired.bytes, acquired.outcome)
        });
        if outcome == Some(streams::Outcome::Admitted) {
            self.streams.insert(wanted.tag, held + 1);
        }
        outcome
    }

    /// What the adapter does for `Control::Recall` and `Effect::Remember`.
    pub(super) fn recall(&mut self, recall: &Recall) -> Option<history::Outcome> {
        let now = self.now;
        self.change(&history::set_key(recall.slots, SALT), |set| {
            let noted = history::ask(set, &recall.asks, now);
            (noted.bytes, noted.outcome)
        })
    }

    /// What the adapter does when an exchange that counts has ended.
    pub(super) fn release(&mut self, tag: Tag) {
        let left = self.streams.get(&tag).copied().unwrap_or_default() - 1;
        self.streams.insert(tag, left);
        let now = self.now;
        self.change(&streams::set_key(tag, SALT), |set| (streams::hold(set, tag, VM, left, now), ()));
    }

    /// The loop around the host, without anybody else.
    pub(super) fn change<T>(
        &mut self,
        key: &str,
        next: impl FnOnce(Option<&[u8]>) -> (Option<Vec<u8>>, T),
    ) -> Option<T> {
        if self.store_fails {
            return None;
        }
        let (bytes, outcome) = next(self.shared.get(key).map(Vec::as_slice));
        if let Some(bytes) = bytes {
            self.shared.insert(key.to_owned(), bytes);
        }
        Some(outcome)
    }

    /// What the adapter does for `Control::UseProof`.
    pub(super) fn use_proof(&mut self, proof: &Use) -> Option<used_proofs::Outcome> {
        let now = self.now;
        self.change(&used_proofs::set_key(proof, SALT), |set| {
            let noted = used_proofs::note(set, proof, now);
            (noted.bytes, noted.outcome)
        })
    }
}

/// What the authorization server grants where it grants this much of each bucket.
pub fn granted(asks: &[Ask], tokens: u32, now: Timestamp) -> Vec<Grant> {
    let grant = |ask: &Ask| Grant {
        tag: ask.tag,
        tokens: tokens.min(ask.tokens),
        until: now.plus(lease::TERM),
        retry_after: (tokens < ask.tokens).then_some(Duration::from_secs(7)),
        batch: ask.batch,
    };
    asks.iter().map(grant).collect()
}
