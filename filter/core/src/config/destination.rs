//! Can what is asked through a cluster be reached as it is written? Judged wherever the document names such a place.

use super::error::{Findings, Place};
use super::issuers::duration;
use crate::callout::Destination;
use crate::server::Authority;
use std::time::Duration;

/// How the document names it.
pub(super) struct Written<'a> {
    pub(super) cluster: &'a str,
    pub(super) path: &'a str,
    pub(super) authority: Option<&'a String>,
    pub(super) timeout: Option<&'a str>,
}

/// What holds where it says nothing.
pub(super) struct Usual {
    pub(super) authority: String,
    pub(super) timeout: &'static str,
    /// The longest time that it may say.
    pub(super) most: Duration,
}

/// The four keys of a part of the document that names such a place.
macro_rules! written {
    ($raw:expr) => {
        $crate::config::destination::Written {
            cluster: &$raw.cluster,
            path: &$raw.path,
            authority: $raw.authority.as_ref(),
            timeout: $raw.timeout.as_deref(),
        }
    };
}
pub(super) use written;

/// Compiles it.
pub(super) fn compile(raw: &Written<'_>, usual: Usual, place: &Place, found: &mut Findings) -> Destination {
    if raw.cluster.trim().is_empty() {
        found.error(&place.key("cluster"), "the name of a cluster in Envoy's configuration is needed");
    }
    if !raw.path.starts_with('/') || raw.path.contains(|c: char| !c.is_ascii_graphic()) {
        found.error(&place.key("path"), "a path begins with `/` and holds no spaces");
    }
    let authority = raw.authority.cloned().unwrap_or(usual.authority);
    if Authority::parse(&authority).is_none() {
        found.error(&place.key("authority"), "is a host with an optional port");
    }
    let within = Duration::from_millis(1)..=usual.most;
    let timeout = duration(raw.timeout, usual.timeout, within, &place.key("timeout"), found);
    Destination { cluster: raw.cluster.to_owned(), authority, path: raw.path.to_owned(), timeout }
}
