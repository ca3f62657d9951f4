//! Does a client's certificate still count? It is asked at each request, because a connection may outlive it: it ends, its authority
//! goes, its name is taken out, or it is revoked.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::clock::UnixTime;
use crate::config::{ListenTls, expiry};

/// What a client showed; nothing where it was not asked.
pub(super) struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    /// When the first of the chain ends.
    ends: UnixTime,
    /// By what it was found good.
    judged_by: Mutex<Arc<ListenTls>>,
}

// === impl Certificate ===

impl Certificate {
    /// What `chain` says, which was found good by `tls`.
    pub(super) fn of(chain: Option<&[CertificateDer<'_>]>, tls: Arc<ListenTls>) -> Self {
        let chain: Vec<_> = chain.unwrap_or_default().iter().map(|one| one.clone().into_owned()).collect();
        let ends = chain.first().and_then(expiry).unwrap_or(UnixTime(u64::MAX));
        Self { chain, ends, judged_by: Mutex::new(tls) }
    }

    /// Whether it is good by what counts now.
    pub(super) fn counts(&self, tls: &Arc<ListenTls>, now: UnixTime) -> bool {
        let mut judged_by = self.judged_by.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&judged_by, tls) {
            if !tls.admits(&self.chain, now) {
                return false;
            }
            *judged_by = Arc::clone(tls);
        }
        now <= self.ends && tls.lists_end().is_none_or(|end| now <= end)
    }
}
