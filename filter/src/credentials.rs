//! Where does what a server gets in place of the client's token come from? By a callout to the authorization server, for a request that
//! waits.

use std::rc::Rc;

use wicketgate_core::identity::upstream_credential::{Question, UpstreamCredential};

use crate::host::{self, Level};
use crate::root::{Active, now};
use crate::sidecar::{self, Destination, NotSent, Place};

/// The largest answer that is read, bytes.
const MAX_ANSWER: usize = 64 << 10;

/// A question on its way.
pub(crate) struct Asked {
    active: Rc<Active>,
    place: Place,
}

/// Asks on behalf of a request.
pub(crate) fn ask(active: &Rc<Active>, question: &Question, trace: Option<&str>) -> Result<Asked, NotSent> {
    active.metrics.credential_asked();
    send(active, question, trace).inspect_err(|NotSent| active.metrics.credential_failed())
}

fn send(active: &Rc<Active>, question: &Question, trace: Option<&str>) -> Result<Asked, NotSent> {
    let server = active.guard.servers.get(question.server).ok_or(NotSent)?;
    let Some(UpstreamCredential::Given(source)) = &server.credential else { return Err(NotSent) };
    let mut place = Place::of(active, |active| &active.credentials).ok_or(NotSent)?;
    let to = Destination { cluster: &source.cluster, authority: &source.authority, path: &source.path };
    sidecar::send(&to, Some(&question.body), source.timeout, trace).ok_or(NotSent)?;
    place.sent(now().map(|now| now.plus(source.timeout)));
    Ok(Asked { active: Rc::clone(active), place })
}

// === impl Asked ===

impl Asked {
    /// The answer, or `None` for anything that is none.
    pub(crate) fn read(self, headers: usize, body: usize) -> Option<Vec<u8>> {
        let Self { active, place } = self;
        place.answered();
        match sidecar::document(headers, body, MAX_ANSWER) {
            Ok(bytes) => Some(bytes),
            Err(why) => {
                active.metrics.credential_failed();
                host::log(Level::Warn, &format!("no credential for a server: {why}"));
                None
            }
        }
    }
}
