//! Which things does a request name? All of them, or a denial: a rule must not judge half of them.

use super::parts::{Params, Reference};
use super::{MAX_SUBSCRIPTIONS, MAX_TARGET_BYTES};
use crate::denial::Denial;
use crate::mcp::method::{Method, Place};
use crate::mcp::operation::Target;
use crate::mcp::strict::{Kind, Value};
use crate::mcp::versions::Revision;

/// The targets of a call of `method`.
pub(super) fn of(
    method: &Method,
    params: &Params<'_>,
    revision: Option<Revision>,
) -> Result<Vec<Target>, Denial> {
    // A method that the revision lacks is unknown to the upstream, which will say so whatever the params lack.
    let foreign = revision.is_some_and(|r| !method.is_in(r));
    let (target, field, what): (fn(String) -> Target, _, _) = match method.place {
        Place::Nothing => return Ok(Vec::new()),
        Place::Tool => (Target::Tool, &params.name, "params.name must be a string"),
        Place::Prompt => (Target::Prompt, &params.name, "params.name must be a string"),
        Place::Resource => (Target::Resource, &params.uri, "params.uri must be a string"),
        Place::Task => (Target::Task, &params.task, "params.taskId must be a string"),
        Place::Reference => return Ok(vec![referred(&params.reference)?]),
        Place::Subscriptions => return subscribed(&params.subscriptions, &params.watched_tasks),
    };
    if foreign && field.is_none() {
        return Ok(Vec::new());
    }
    Ok(vec![target(name(field.as_ref(), what)?)])
}

/// A string that may be absent.
pub(super) fn text(value: Option<&Value<'_>>, what: &'static str) -> Result<Option<String>, Denial> {
    match value.map(|v| v.kind) {
        None => Ok(None),
        Some(Kind::Text(text)) => Ok(Some(text.decode().into_owned())),
        Some(_) => Err(Denial::InvalidParams(what)),
    }
}

fn name(value: Option<&Value<'_>>, what: &'static str) -> Result<String, Denial> {
    let name = text(value, what)?.ok_or(Denial::InvalidParams(what))?;
    if name.len() > MAX_TARGET_BYTES {
        return Err(Denial::InvalidParams("a name or URI is too long"));
    }
    // Where it ends depends on the reader.
    if name.contains('\0') {
        return Err(Denial::InvalidParams("U+0000 in a name or URI"));
    }
    Ok(name)
}

fn referred(reference: &Reference<'_>) -> Result<Target, Denial> {
    let kind = text(reference.kind.as_ref(), "params.ref.type must be a string")?;
    if reference.name.is_some() && reference.uri.is_some() {
        // Which of the two counts depends on the reader.
        return Err(Denial::InvalidParams("params.ref holds both a name and a URI"));
    }
    match kind.as_deref() {
        Some("ref/prompt") => {
            Ok(Target::Prompt(name(reference.name.as_ref(), "params.ref.name must be a string")?))
        }
        Some("ref/resource") => {
            let uri = name(reference.uri.as_ref(), "params.ref.uri must be a string")?;
            Ok(if uri.contains('{') { Target::Template(uri) } else { Target::Resource(uri) })
        }
        _ => Err(Denial::InvalidParams("params.ref.type must be ref/prompt or ref/resource")),
    }
}

fn subscribed(uris: &[Value<'_>], tasks: &[Value<'_>]) -> Result<Vec<Target>, Denial> {
    if uris.len().max(tasks.len()) > MAX_SUBSCRIPTIONS {
        return Err(Denial::InvalidParams("too many resourceSubscriptions or taskIds"));
    }
    let uris = uris
        .iter()
        .map(|uri| Ok(Target::Resource(name(Some(uri), "resourceSubscriptions must be strings")?)));
    let tasks = tasks.iter().map(|id| Ok(Target::Task(name(Some(id), "taskIds must be strings")?)));
    uris.chain(tasks).collect()
}
