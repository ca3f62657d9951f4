//! What a step has to be done besides: headers taken out, callouts begun, records written, things counted.

use wicketgate_core::exchange::step::{Effect, NoLease};
use wicketgate_core::history::table as history;

use crate::host::{self, Buffer, Level, Map};
use crate::http::{Callout, Http};
use crate::root::now;
use crate::{audit, credentials, head, leases, policy, shared, sidecar};

// === impl Http ===

impl Http {
    /// Does all of it, in order; `size` is how many bytes of a body the event stood for. An error is a fault of the host.
    pub(crate) fn perform(&mut self, effects: Vec<Effect>, size: usize) -> Result<(), &'static str> {
        let Some(open) = &self.open else { return Err("no configuration") };
        let trace = open.exchange.trace_parent();
        let whose = || (Some(open.exchange.asker()), trace);
        for effect in effects {
            match effect {
                Effect::RemoveRequestHeader(name) => {
                    host::remove_header(Map::Request, &name)
                        .map_err(|_| "a request header could not be removed")?;
                }
                Effect::SetRequestHeader { name, value } => {
                    host::set_header(Map::Request, &name, value.text())
                        .map_err(|_| "a request header could not be set")?;
                }
                Effect::Dispatch(name, value) => {
                    host::set_header(Map::Request, name, &value)
                        .map_err(|_| "a request header could not be set")?;
                    // Routes may depend on it, and Envoy has chosen one already.
                    host::foreign("clear_route_cache", &[])
                        .map_err(|_| "the route could not be chosen again")?;
                }
                Effect::RemoveResponseHeader(name) => {
                    host::remove_header(Map::Response, name)
                        .map_err(|_| "a response header could not be removed")?;
                }
                Effect::SetResponseHeader(name, value) => {
                    host::set_header(Map::Response, name, value)
                        .map_err(|_| "a response header could not be set")?;
                }
                Effect::ReplaceResponseBody(bytes) => {
                    host::set_buffer(Buffer::ResponseBody, 0, size, &bytes)
                        .map_err(|_| "the response body could not be replaced")?;
                }
                Effect::ReplaceRequestBody(bytes) => {
                    host::set_buffer(Buffer::RequestBody, 0, size, &bytes)
                        .map_err(|_| "the request body could not be replaced")?;
                    head::announce_length(bytes.len())
                        .map_err(|_| "the length of the request body could not be announced")?;
                }
                Effect::FetchKeys(issuer) => {
                    let fetch = open.as_root(|active| sidecar::fetch(active, issuer, now(), whose()));
                    self.callout = Some(Callout::Keys(fetch));
                }
                Effect::Validate(question) => {
                    let asked = open.as_root(|active| sidecar::ask(active, &question, whose()));
                    self.callout = Some(Callout::Token(asked));
                }
                Effect::Lease(buckets) => {
                    let asked = now().ok_or(NoLease::Away);
                    let asked = open.as_root(|active| leases::ask(active, &buckets, asked?, whose()));
                    self.callout = Some(Callout::Leases(asked));
                }
                Effect::AskPolicy { server, question } => {
                    let asked = open.as_root(|active| policy::ask(active, server, &question, whose()));
                    self.callout = Some(Callout::Policy(asked));
                }
                Effect::GiveCredential(question) => {
                    let asked = open.as_root(|active| credentials::ask(active, &question, whose()));
                    self.callout = Some(Callout::Credential(asked));
                }
                Effect::GiveBack(take) => {
                    if let Some(now) = now() {
                        shared::give_back(&take, now);
                    }
                }
                Effect::Remember(recall) => {
                    if now().and_then(|now| shared::recall(&recall, now)) != Some(history::Outcome::Admitted)
                    {
                        host::log(Level::Warn, "what was done could not be kept: it counts as not done");
                    }
                }
                Effect::Forget(binding) => shared::forget(&binding),
                Effect::RecordDecision(line) => {
                    audit::decision(&line);
                    if let Some(under_way) = &mut self.under_way {
                        under_way.decided();
                    }
                }
                Effect::RecordCompletion(line) => audit::completion(&line),
                Effect::TellSpan(name, word) => audit::span(name, &word),
                Effect::Count(reason) => open.active.metrics.decision(reason),
                Effect::CountToken { remembered } => open.active.metrics.token(remembered),
                Effect::CountServer { server, allowed } => open.active.metrics.server(server, allowed),
                Effect::CountShadow(verdict) => open.active.metrics.shadow(verdict),
                Effect::CountContent { found, action, count } => {
                    open.active.metrics.content(found, action, count);
                }
                Effect::CountInputSchema(outcome) => open.active.metrics.input_schema(outcome),
                Effect::CountOutputSchema(outcome) => open.active.metrics.output_schema(outcome),
                Effect::CountRemoved(entries) => open.active.metrics.removed(entries),
                Effect::CountFound { why, done, count } => open.active.metrics.found(why, done, count),
            }
        }
        Ok(())
    }
}
