//! Which values of a body does the reader need? Picks them up in one pass and judges nothing but their place.

use crate::denial::Denial;
use crate::mcp::strict::{Fault, Rigour, Scanner, Value};

/// What stands at the top of the body.
pub(super) enum Found {
    Object,
    Array,
    Other,
}

/// The members of the message that are read.
#[derive(Default)]
pub(super) struct Parts<'a> {
    pub(super) jsonrpc: Option<Value<'a>>,
    pub(super) method: Option<Value<'a>>,
    pub(super) has_result: bool,
    pub(super) has_error: bool,
    ids: Vec<Value<'a>>,
    params: Params<'a>,
    misshapen: Option<&'static str>,
    not_an_object: bool,
}

/// The members of `params` that are read.
#[derive(Default)]
pub(super) struct Params<'a> {
    pub(super) name: Option<Value<'a>>,
    pub(super) uri: Option<Value<'a>>,
    pub(super) task: Option<Value<'a>>,
    pub(super) version: Option<Value<'a>>,
    pub(super) arguments: Option<Value<'a>>,
    pub(super) meta_version: Option<Value<'a>>,
    pub(super) trace: Option<Value<'a>>,
    pub(super) reference: Reference<'a>,
    pub(super) subscriptions: Vec<Value<'a>>,
    pub(super) watched_tasks: Vec<Value<'a>>,
    pub(super) takes_tasks: bool,
}

/// The members of `params.ref` that are read.
#[derive(Default)]
pub(super) struct Reference<'a> {
    pub(super) kind: Option<Value<'a>>,
    pub(super) name: Option<Value<'a>>,
    pub(super) uri: Option<Value<'a>>,
}

const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Not among the names that stand for themselves alone: whoever writes it otherwise says nothing that is judged.
const META_TRACE: &str = "traceparent";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const TASKS: &str = "io.modelcontextprotocol/tasks";
const TOP: &[&str] = &["jsonrpc", "id", "method", "params", "result", "error"];
const PARAMS: &[&str] =
    &["name", "uri", "taskId", "protocolVersion", "arguments", "_meta", "ref", "notifications"];

// === impl Parts ===

impl<'a> Parts<'a> {
    /// Reads the whole body. What was found before a fault stays, so that the id can be echoed.
    pub(super) fn scan(&mut self, body: &'a [u8]) -> Result<Found, Fault> {
        let mut scanner = Scanner::new(body, Scanner::REQUEST_DEPTH, Rigour::EveryLevel)?;
        let found = if scanner.at_object() {
            scanner.object(TOP, &mut |scanner, key| self.member(scanner, &key.decode()))?;
            Found::Object
        } else {
            let array = scanner.at_array();
            scanner.value()?;
            if array { Found::Array } else { Found::Other }
        };
        scanner.end()?;
        Ok(found)
    }

    /// The id, unless it stands twice.
    pub(super) fn single_id(&self) -> Option<&Value<'a>> {
        match self.ids.as_slice() {
            [id] => Some(id),
            _ => None,
        }
    }

    /// The params, if they and the parts of them that are read have the right shape.
    pub(super) fn sound_params(&self) -> Result<&Params<'a>, Denial> {
        if self.not_an_object {
            return Err(Denial::InvalidRequest("params must be an object"));
        }
        self.misshapen.map_or(Ok(&self.params), |what| Err(Denial::InvalidParams(what)))
    }

    fn member(&mut self, scanner: &mut Scanner<'a>, key: &str) -> Result<(), Fault> {
        match key {
            "jsonrpc" => self.jsonrpc = Some(scanner.value()?),
            // Two are enough to know that there are too many.
            "id" if self.ids.len() < 2 => self.ids.push(scanner.value()?),
            "method" => self.method = Some(scanner.value()?),
            "params" if scanner.at_object() => {
                scanner.object(PARAMS, &mut |scanner, key| self.param(scanner, &key.decode()))?;
            }
            "params" => {
                self.not_an_object = true;
                scanner.skip()?;
            }
            "result" => {
                self.has_result = true;
                scanner.skip()?;
            }
            "error" => {
                self.has_error = true;
                scanner.skip()?;
            }
            _ => scanner.skip()?,
        }
        Ok(())
    }

    fn param(&mut self, scanner: &mut Scanner<'a>, key: &str) -> Result<(), Fault> {
        match key {
            "name" => self.params.name = Some(scanner.value()?),
            "uri" => self.params.uri = Some(scanner.value()?),
            "taskId" => self.params.task = Some(scanner.value()?),
            "protocolVersion" => self.params.version = Some(scanner.value()?),
            "arguments" => self.params.arguments = Some(scanner.value()?),
            "_meta" => self.meta(scanner)?,
            "ref" => self.reference(scanner)?,
            "notifications" => self.notifications(scanner)?,
            _ => scanner.skip()?,
        }
        Ok(())
    }

    fn meta(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        if !scanner.at_object() {
            return self.misshape(scanner, "params._meta must be an object");
        }
        scanner.object(&[META_VERSION, META_CAPABILITIES], &mut |scanner, key| {
            if key.says(META_CAPABILITIES) {
                return self.capabilities(scanner);
            }
            let value = scanner.value()?;
            if key.says(META_VERSION) {
                self.params.meta_version = Some(value);
            } else if key.says(META_TRACE) {
                self.params.trace = Some(value);
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Whether the client takes a task for an answer. Misshapen, it may declare that to a reader who goes by position.
    fn capabilities(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        if !scanner.at_object() {
            return self.misshape(scanner, "clientCapabilities must be an object");
        }
        scanner.object(&["extensions"], &mut |scanner, key| {
            if !key.says("extensions") {
                return scanner.skip();
            }
            if !scanner.at_object() {
                return self.misshape(scanner, "clientCapabilities.extensions must be an object");
            }
            scanner.object(&[TASKS], &mut |scanner, key| {
                self.params.takes_tasks |= key.says(TASKS);
                scanner.skip()
            })?;
            Ok(())
        })?;
        Ok(())
    }

    fn reference(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        if !scanner.at_object() {
            return self.misshape(scanner, "params.ref must be an object");
        }
        let reference = &mut self.params.reference;
        scanner.object(&["type", "name", "uri"], &mut |scanner, key| {
            let value = scanner.value()?;
            match &*key.decode() {
                "type" => reference.kind = Some(value),
                "name" => reference.name = Some(value),
                "uri" => reference.uri = Some(value),
                _ => {}
            }
            Ok(())
        })?;
        Ok(())
    }

    fn notifications(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        if !scanner.at_object() {
            return self.misshape(scanner, "params.notifications must be an object");
        }
        scanner.object(&["resourceSubscriptions", "taskIds"], &mut |scanner, key| {
            let into = match &*key.decode() {
                "resourceSubscriptions" => &mut self.params.subscriptions,
                "taskIds" => &mut self.params.watched_tasks,
                _ => return scanner.skip(),
            };
            if !scanner.at_array() {
                return self.misshape(scanner, "resourceSubscriptions and taskIds must be arrays");
            }
            scanner.array(&mut |scanner, index| {
                let value = scanner.value()?;
                // One more than allowed is kept, so that the excess is seen.
                if index <= super::MAX_SUBSCRIPTIONS {
                    into.push(value);
                }
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    }

    fn misshape(&mut self, scanner: &mut Scanner<'a>, what: &'static str) -> Result<(), Fault> {
        self.misshapen.get_or_insert(what);
        scanner.skip()
    }
}
