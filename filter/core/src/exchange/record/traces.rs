//! To which traces does a request belong? What is asked on its behalf belongs to Envoy's; the client's is written down.

use super::super::Exchange;
use crate::guard::Guard;
use crate::head::RequestHead;
use crate::head::trace::Trace;
use crate::mcp::jsonrpc::Message;

/// What is known of it.
#[derive(Debug, Default)]
pub(in crate::exchange) struct Traces {
    host: Option<Trace>,
    /// The id of the one that the client names in its message.
    client: Option<String>,
}

// === impl Exchange ===

impl Exchange {
    /// The `traceparent` for what is asked on behalf of this exchange (W3C Trace Context).
    pub fn trace_parent(&self) -> Option<&str> {
        self.facts.traces.host.as_ref().map(Trace::parent)
    }
}

// === impl Traces ===

impl Traces {
    /// What Envoy says, where the configuration lets it speak.
    pub(in crate::exchange) fn of(head: &RequestHead, guard: &Guard) -> Self {
        let host = guard.traced.then(|| Trace::of_host(head)).flatten();
        Self { host, client: None }
    }

    /// What the client says.
    pub(in crate::exchange) fn read(&mut self, message: &Message) {
        self.client.clone_from(&message.trace);
    }

    /// The ids of both.
    pub(in crate::exchange) fn ids(&self) -> [Option<&str>; 2] {
        [self.host.as_ref().map(Trace::id), self.client.as_deref()]
    }
}
