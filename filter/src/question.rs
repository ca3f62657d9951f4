//! How is somebody asked on behalf of a request that waits? By a callout whose answer is one JSON document; what differs between the
//! kinds of questions is where they are counted.

use std::rc::Rc;

use wicketgate_core::callout::Destination;
use wicketgate_core::limits::tag::Tag;

use crate::host::{self, Level};
use crate::metrics::Metrics;
use crate::places::{Place, UnderWay};
use crate::root::{Active, now};
use crate::sidecar::{self, NotSent};

/// The largest answer that is read, bytes.
const MAX_ANSWER: usize = 64 << 10;

/// One kind of questions.
pub(crate) struct Kind {
    /// Those that are under way.
    pub(crate) under_way: UnderWay,
    /// Counts one that failed.
    pub(crate) failed: fn(&Metrics),
    /// What the log calls a failure.
    pub(crate) failure: &'static str,
}

/// A question on its way.
pub(crate) struct Asked {
    active: Rc<Active>,
    place: Place,
    kind: &'static Kind,
}

/// On whose behalf a question is asked (`None`: of nobody who waits), and in the trace of which `traceparent`.
pub(crate) type Whose<'a> = (Option<Tag>, Option<&'a str>);

/// Asks, the one of those who are asked for this kind that has this index; with the token of the callout. What is not sent is for
/// whoever asks to count.
pub(crate) fn ask(
    active: &Rc<Active>,
    (kind, at): (&'static Kind, usize),
    to: &Destination,
    body: &[u8],
    (asker, trace): Whose<'_>,
) -> Result<(u32, Asked), NotSent> {
    let mut place = Place::of(active, (kind.under_way, at), asker)?;
    let token = sidecar::send(to, Some(body), trace).ok_or(NotSent::Away)?;
    place.sent(now().map(|now| now.plus(to.timeout)));
    Ok((token, Asked { active: Rc::clone(active), place, kind }))
}

// === impl Asked ===

impl Asked {
    /// Under which configuration it was asked.
    pub(crate) fn active(&self) -> &Rc<Active> {
        &self.active
    }

    /// The answer, or `None` for anything that is none.
    pub(crate) fn read(self, headers: usize, body: usize) -> Option<Vec<u8>> {
        let Self { active, place, kind } = self;
        place.answered();
        match sidecar::document(headers, body, MAX_ANSWER) {
            Ok(bytes) => Some(bytes),
            Err(why) => {
                (kind.failed)(&active.metrics);
                host::log(Level::Warn, &format!("{}: {why}", kind.failure));
                None
            }
        }
    }
}
