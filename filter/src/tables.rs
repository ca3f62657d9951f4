//! What a step asks of the tables that Envoy's workers share; a table that is full is counted.

use wicketgate_core::exchange::step::{Recall, StreamOf, Take};
use wicketgate_core::history::table as history;
use wicketgate_core::limits::streams::Outcome as Counted;
use wicketgate_core::limits::{store, used_proofs};

use crate::http::Http;
use crate::metrics::Table;
use crate::root::now;
use crate::{leases, shared, streams};

// === impl Http ===

impl Http {
    pub(crate) fn take(&self, takes: &[Take]) -> (Option<store::Outcome>, usize) {
        let Some(taken) = now().and_then(|now| shared::take(takes, now)) else { return (None, 0) };
        if taken.outcome == Some(store::Outcome::Full) {
            self.table_full(Table::Buckets);
        }
        if let Some(open) = self.open.as_ref().filter(|_| !taken.low.is_empty()) {
            leases::note_low(&open.active, taken.low);
        }
        (taken.outcome, taken.at)
    }

    pub(crate) fn use_proof(&self, proof: &used_proofs::Use) -> Option<used_proofs::Outcome> {
        let outcome = shared::use_proof(proof, now()?);
        if outcome == Some(used_proofs::Outcome::Full) {
            self.table_full(Table::Proofs);
        }
        outcome
    }

    pub(crate) fn recall(&self, recall: &Recall) -> Option<history::Outcome> {
        let outcome = shared::recall(recall, now()?);
        if outcome == Some(history::Outcome::Full) {
            self.table_full(Table::History);
        }
        outcome
    }

    pub(crate) fn count_stream(&mut self, wanted: &StreamOf) -> Option<Counted> {
        let (outcome, stream) = streams::open(wanted, now()?);
        self.stream = stream;
        if outcome == Some(Counted::Full) {
            self.table_full(Table::Streams);
        }
        outcome
    }

    fn table_full(&self, table: Table) {
        if let Some(open) = &self.open {
            open.active.metrics.table_full(table);
        }
    }
}
