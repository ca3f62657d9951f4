//! Are the arguments of a call as they must be? Defaults are put in when the body has come, rules and schemas judge when it
//! is known who asks.

use super::step::Effect;
use super::waiting::Waiting;
use super::{Exchange, World};
use crate::denial::{Denial, Refusal};
use crate::mcp::jsonrpc::{self, Message};
use crate::mcp::operation::{Operation, Target};
use crate::policy::arguments::Arguments;
use crate::sanitize::capture::Capture;
use crate::server::Server;
use crate::tools::calls::{Input, Output};
use crate::tools::defaults::{Place, fill_in};
use crate::tools::schema::{Told, TooMuch};
use crate::tools::schemas::{Known, Learnt};
use crate::tools::structured::Structured;

/// How arguments stood to the schema of their tool, where not simply as demanded.
pub(super) const PARTLY: &str = "partly";
const UNSEEN: &str = "unseen";
const UNUSABLE: &str = "unusable";

// === impl Exchange ===

impl Exchange {
    /// The call with the server's defaults in it, and its new body; `None` where nothing is absent. It is read anew, and must
    /// ask the same as before.
    fn filled_in(
        &mut self,
        server: &Server,
        body: &[u8],
        message: &Message,
    ) -> Result<Option<(Vec<u8>, Message)>, Denial> {
        let Some(tool) = called(&message.operation).filter(|_| !server.calls.defaults.is_empty()) else {
            return Ok(None);
        };
        let place = match (&message.arguments, message.place_for_arguments) {
            (Some(span), _) => Place::Object(span.clone()),
            (None, Some(end)) => Place::Behind(end),
            (None, None) => return Ok(None),
        };
        let filled = fill_in(body, &place, tool, &server.calls.defaults)?;
        let Some(body) = filled else { return Ok(None) };
        if body.len() as u64 > server.limits.request_bytes {
            return Err(Denial::TooLarge(server.limits.request_bytes));
        }
        let again = jsonrpc::read(&body, self.facts.revision).map_err(|refused| refused.denial)?;
        let same =
            again.operation == message.operation && again.id == message.id && again.kind == message.kind;
        if !same || again.meta_version != message.meta_version || again.takes_tasks != message.takes_tasks {
            return Err(Denial::Internal("a default changed what is asked"));
        }
        self.effects.push(Effect::ReplaceRequestBody(body.clone()));
        Ok(Some((body, again)))
    }

    /// Keeps of a request what must be known when it is known who asks: the call with defaults in it is what everybody reads,
    /// rules, policies, schemas and content rules.
    pub(super) fn keep_request(
        &mut self,
        waiting: &mut Waiting,
        server: &Server,
        body: &[u8],
        message: Message,
    ) -> Result<Message, Denial> {
        let filled = self.filled_in(server, body, &message)?;
        let (filled, message) = filled.map_or((None, message), |(body, again)| (Some(body), again));
        let body = filled.as_deref().unwrap_or(body);
        self.facts.request_bytes = body.len() as u64;
        self.read_contents(server, body);
        if let Some(rego) = &server.rego {
            waiting.keep_picked(rego.pick(body, message.arguments.clone()))?;
        }
        if let Some(given) =
            message.arguments.clone().and_then(|span| body.get(span)).filter(|_| !server.captures.is_empty())
        {
            self.facts.arguments = Some(Capture::of(&server.content).arguments(given));
        }
        let called = matches!(message.operation.method.as_str(), "tools/call" | "prompts/get");
        let told = server.opa.as_ref().is_some_and(|opa| opa.terms.argument_bytes.is_some());
        if called && (told || server.rules.reads_arguments() || server.calls.reads_arguments()) {
            let given = message.arguments.clone().and_then(|span| body.get(span));
            given.map_or(Ok(()), |given| waiting.keep_arguments(given))?;
        }
        Ok(message)
    }

    /// Whether the call meets the input schema of its tool, as this VM last saw it. Asked of what the rules allow only, so
    /// that it tells nothing of tools that one may not use.
    pub(super) fn meets_schema(
        &mut self,
        server: &Server,
        operation: &Operation,
        arguments: Arguments<'_>,
        world: &World<'_>,
    ) -> Result<(), Denial> {
        let (Some(tool), Arguments::Given(given)) = (called(operation), arguments) else { return Ok(()) };
        let strict = match server.calls.input {
            Input::Off => return Ok(()),
            Input::Check => false,
            Input::Strict => true,
        };
        let refused = |path: String, what| Err(Denial::ArgumentRefused(Refusal::by_schema(path, what)));
        let known = world.schemas.of(&server.name, tool);
        let doubt = match known.as_deref().map(|known: &Known| &known.input) {
            None => UNSEEN,
            // Every tool has one (server/tools, "Tool").
            Some(Learnt::Absent | Learnt::Unusable) => UNUSABLE,
            Some(Learnt::Schema(schema)) => match schema.validate(given) {
                Ok(Told::Valid) => {
                    self.schema_said("met");
                    return Ok(());
                }
                Ok(Told::Unknown) => PARTLY,
                Ok(Told::Invalid(fault)) => {
                    self.schema_said("unmet");
                    return refused(fault.path(), fault.keyword);
                }
                Err(TooMuch) => {
                    self.schema_said("unmet");
                    return refused(String::new(), "too much to check");
                }
            },
        };
        self.schema_said(doubt);
        if strict { refused(String::new(), doubt) } else { Ok(()) }
    }

    fn schema_said(&mut self, what: &'static str) {
        self.facts.input_schema = Some(what);
        self.effects.push(Effect::CountInputSchema(what));
    }

    /// How the answer to this request is held against the output schema of its tool.
    pub(super) fn structured(&self, server: &Server, world: &World<'_>) -> Option<Structured> {
        let tool = called(self.facts.operation.as_ref()?)?;
        let blocks = match server.calls.output {
            Output::Off => return None,
            Output::Flag => false,
            Output::Block => true,
        };
        Structured::of(world.schemas.of(&server.name, tool)?, blocks)
    }
}

/// The tool that is called.
fn called(operation: &Operation) -> Option<&str> {
    match operation.targets.as_slice() {
        [Target::Tool(name)] if operation.method == "tools/call" => Some(name),
        _ => None,
    }
}
