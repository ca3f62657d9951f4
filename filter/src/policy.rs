//! How is a policy asked that lies elsewhere? By a callout to the OPA of a server, for a request that waits.

use std::rc::Rc;

use wicketgate_core::policy::rego::opa::Question;

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

/// Asks the policy of the server with this index.
pub(crate) fn ask(
    active: &Rc<Active>,
    server: usize,
    question: &Question,
    trace: Option<&str>,
) -> Result<Asked, NotSent> {
    let failed = |NotSent| {
        active.metrics.policy_failed();
        NotSent
    };
    send(active, server, question, trace).map_err(failed)
}

fn send(
    active: &Rc<Active>,
    server: usize,
    question: &Question,
    trace: Option<&str>,
) -> Result<Asked, NotSent> {
    let opa = active.guard.servers.get(server).and_then(|server| server.opa.as_ref()).ok_or(NotSent)?;
    let mut place = Place::of(active, |active| &active.policies).ok_or(NotSent)?;
    let to = &opa.place;
    let timeout = to.timeout;
    let to = Destination { cluster: &to.cluster, authority: &to.authority, path: &to.path };
    active.metrics.policy_asked();
    sidecar::send(&to, Some(&question.body), timeout, trace).ok_or(NotSent)?;
    place.sent(now().map(|now| now.plus(timeout)));
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
                active.metrics.policy_failed();
                host::log(Level::Warn, &format!("the OPA of a server did not answer: {why}"));
                None
            }
        }
    }
}
