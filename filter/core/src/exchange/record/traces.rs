//! To which traces does a request belong? What is asked on its behalf belongs to Envoy's, whose span tells the decision; the client's
//! is written down.

use super::super::Exchange;
use super::super::step::Effect;
use super::Facts;
use crate::audit;
use crate::guard::Guard;
use crate::head::RequestHead;
use crate::head::trace::{self, Trace};
use crate::mcp::jsonrpc::Message;
use crate::mcp::operation::Target;
use crate::policy::rule::RuleId;

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

// === impl Facts ===

impl Facts {
    /// What Envoy's span is to say of the decision; nothing where that span is not kept.
    pub(super) fn span(&self, guard: &Guard) -> Vec<Effect> {
        if !self.traces.are_kept() {
            return Vec::new();
        }
        let server = self.server.and_then(|index| guard.servers.get(index));
        let operation = self.operation.as_ref();
        let mut targets = operation.into_iter().flat_map(|operation| &operation.targets);
        let tool = targets.find(|target| matches!(target, Target::Tool(_)));
        let words = [
            (trace::VERDICT, self.verdict),
            (trace::REASON, Some(self.reason)),
            (trace::RULE, self.rule.as_ref().map(RuleId::as_str)),
            (trace::SERVER, server.map(|server| server.name.as_str())),
            (trace::METHOD, operation.map(|operation| operation.method.as_str())),
            (trace::TOOL, tool.map(Target::name)),
        ];
        let told = words.into_iter().filter_map(|(state, word)| Some((state, audit::word_of(word?))));
        told.map(|(state, word)| Effect::TellSpan(state, word)).collect()
    }

    /// The same where what was decided first is not what came of it.
    pub(super) fn span_after_all(&self) -> Option<Effect> {
        let told = || Effect::TellSpan(trace::REASON, self.reason.to_owned());
        self.traces.are_kept().then(told)
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

    fn are_kept(&self) -> bool {
        self.host.as_ref().is_some_and(Trace::is_kept)
    }

    /// The ids of both.
    pub(in crate::exchange) fn ids(&self) -> [Option<&str>; 2] {
        [self.host.as_ref().map(Trace::id), self.client.as_deref()]
    }
}
