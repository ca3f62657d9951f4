//! What does a layer say besides rules? Sizes, rates and origins for the members of organizations, groups and clients.

use super::{Limit, Limits, Server};
use crate::denial::Denial;
use crate::identity::origin::Origin;
use crate::identity::principal::Principal;
use crate::policy::layer::Member;
use crate::policy::rule::RuleId;

/// Settings for some, all of them narrower than the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// For whom.
    pub member: Member,
    /// The largest request body in bytes, and the key that says so.
    pub request_bytes: Option<(u64, &'static str)>,
    /// A bucket for all of their allowed requests.
    pub rate: Option<Limit>,
    /// The browser origins by which they may ask.
    pub origins: Option<Vec<Origin>>,
    /// Whether they are in the sandbox.
    pub sandbox: bool,
}

/// The settings that hold for one caller, found once for a request.
#[derive(Clone, Debug)]
pub struct Overlays<'a>(pub Vec<&'a Overlay>);

/// What the answer to somebody may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The largest JSON answer, or SSE event, in bytes.
    pub response_bytes: u64,
    /// Streams at any moment.
    pub streams: u32,
    /// Whether nothing that the server asks of the client passes.
    pub sandbox: bool,
}

// === impl Overlay ===

impl Overlay {
    /// The largest request body of a client that no other is given to.
    pub const REQUEST_BYTES: u64 = 1_048_576;
    /// The same in the sandbox.
    pub const SANDBOX_REQUEST_BYTES: u64 = 64 << 10;
    /// The largest answer in the sandbox.
    pub const SANDBOX_RESPONSE_BYTES: u64 = 1 << 20;
    /// How many streams one in the sandbox may have open.
    pub const SANDBOX_STREAMS: u32 = 4;
    /// How many requests a minute, where nothing else is said.
    pub const SANDBOX_REQUESTS: u32 = 60;

    /// A key of it, as records name it.
    pub fn key(&self, key: &str) -> RuleId {
        RuleId::new(&format!("{}.{key}", self.member))
    }
}

// === impl Server ===

impl Server {
    /// The settings that hold for `who` besides the server's.
    pub fn overlays(&self, who: &Principal) -> Overlays<'_> {
        Overlays(self.overlays.iter().filter(|overlay| overlay.member.means(who)).collect())
    }

    /// What the answer may be to whom these settings hold for.
    pub fn bounds(&self, overlays: &Overlays<'_>) -> Bounds {
        let Limits { response_bytes, streams, .. } = self.limits;
        if !overlays.0.iter().any(|overlay| overlay.sandbox) {
            return Bounds { response_bytes, streams, sandbox: false };
        }
        Bounds {
            response_bytes: response_bytes.min(Overlay::SANDBOX_RESPONSE_BYTES),
            streams: streams.min(Overlay::SANDBOX_STREAMS),
            sandbox: true,
        }
    }
}

// === impl Overlays ===

impl Overlays<'_> {
    /// Whether a request from a page of `origin` (`None`: from no page), with a body of so many bytes, is within the settings
    /// of every layer.
    ///
    /// # Errors
    /// The denial, and the key that says so.
    pub fn admit(&self, origin: Option<&Origin>, bytes: u64) -> Result<(), (Denial, RuleId)> {
        for overlay in &self.0 {
            if let (Some(allowed), Some(origin)) = (&overlay.origins, origin)
                && !allowed.contains(origin)
            {
                return Err((Denial::OriginRefused, overlay.key("allowed_origins")));
            }
            if let Some((most, key)) = overlay.request_bytes.filter(|(most, _)| bytes > *most) {
                return Err((Denial::TooLarge(most), overlay.key(key)));
            }
        }
        Ok(())
    }
}
