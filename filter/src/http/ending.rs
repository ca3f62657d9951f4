//! What is done when an exchange is over? It is written down, once, whoever tells of the end.

use super::Http;
use crate::head;
use crate::root::{Moment, now};

// === impl Http ===

impl Http {
    /// Writes down how it ended, and lets go what it holds. The second time nothing is done.
    pub(super) fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let _moment = Moment::begin();
        self.stream = None;
        if let Some(ending) = self.watched.take().and_then(|watched| watched.ending())
            && let Some(step) = self.on(ending)
        {
            let _ = self.perform(step.effects, 0);
        }
        let Some((open, at)) = self.open.as_mut().zip(now()) else { return };
        let mut effects = Vec::new();
        if open.exchange.is_unseen() {
            open.active.metrics.request();
            effects.extend(open.exchange.unseen(head::unseen(), &open.active.guard, at));
        }
        effects.extend(open.exchange.finish(&open.active.guard, at, self.worked));
        open.active.metrics.worked(self.worked);
        // Only records and counts come from there; a reply from here would end the whole process.
        let _ = self.perform(effects, 0);
        self.under_way = None;
    }
}

/// The host says that an exchange is over before it lets it go (`on_log`); over HTTP/3 it lets it go first and logs when the client
/// has acknowledged the answer, and then it asks nobody any more.
impl Drop for Http {
    fn drop(&mut self) {
        self.end();
    }
}
