//! What the adapter does in the data that all VMs share.

use wicketgate_core::exchange::step::{Lease, Recall, Take};
use wicketgate_core::history::table as history;
use wicketgate_core::limits::lease;
use wicketgate_core::limits::store::{self, Outcome};
use wicketgate_core::limits::tag::Tag;
use wicketgate_core::limits::used_proofs::{self, Use};

use super::{Gate, SALT, VM};

// === impl Gate ===

impl Gate {
    /// What the adapter does for `Control::Take`: from each bucket or from none.
    pub(super) fn take(&mut self, takes: &[Take]) -> (Option<Outcome>, usize) {
        let mut outcome = None;
        let now = self.now;
        for (index, take) in takes.iter().enumerate() {
            outcome = self.change(&store::set_key(take.tag, SALT), |set| {
                let taken = store::take(set, take.tag, take.rate, 1, now);
                (taken.bytes, taken.outcome)
            });
            if !matches!(outcome, Some(Outcome::Admitted { .. })) {
                for earlier in &takes[..index] {
                    self.change(&store::set_key(earlier.tag, SALT), |set| {
                        (store::give_back(set, earlier.tag, earlier.rate, 1, now), ())
                    });
                }
                return (outcome, index);
            }
        }
        (outcome, takes.len() - 1)
    }

    /// What the adapter does for `Control::Lease`.
    pub(super) fn lease(&mut self, wanted: &Lease) -> Option<lease::Outcome> {
        let (held, now) = (self.streams.get(&wanted.tag).copied().unwrap_or_default(), self.now);
        let outcome = self.change(&lease::set_key(wanted.tag, SALT), |set| {
            let acquired = lease::acquire(set, wanted.tag, VM, held, wanted.most, now);
            (acquired.bytes, acquired.outcome)
        });
        if outcome == Some(lease::Outcome::Admitted) {
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
        self.change(&lease::set_key(tag, SALT), |set| (lease::hold(set, tag, VM, left, now), ()));
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
