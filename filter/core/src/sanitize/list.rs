//! Which elements of a list may this caller see? Cuts the others out of an answer.
//!
//! Lists are known by their shape (`result.tools`, `prompts`, `resources`, `resourceTemplates`, `tasks`), not by the request that
//! they answer: a resumed stream replays answers to requests that this exchange never saw.

use std::ops::Range;

use super::edit::{Cuts, Edit, apply};
use crate::denial::Denial;
use crate::mcp::jsonrpc::MAX_TARGET_BYTES;
use crate::mcp::operation::Target;
use crate::mcp::strict::{Fault, Kind, Rigour, Scanner, Value};
use crate::mcp::versions::{Era, Revision};

/// Says whether the caller may see a tool, prompt, resource or template: the same decision as for a call.
pub type Visible<'f> = dyn FnMut(&Target) -> bool + 'f;

/// Who looks at an answer.
pub trait Viewer {
    /// As [`Visible`].
    fn sees(&mut self, target: &Target) -> bool;

    /// A tool is listed by these bytes; told before it is asked whether it is seen.
    fn listed(&mut self, _tool: &str, _entry: &[u8]) {}

    /// Whether the server may ask the client for something (sampling, elicitation, roots, input that a result requires).
    fn may_be_asked(&mut self) -> bool {
        true
    }
}

impl<F: FnMut(&Target) -> bool> Viewer for F {
    fn sees(&mut self, target: &Target) -> bool {
        self(target)
    }
}

/// What was done to lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Lists seen.
    pub lists: u32,
    /// Elements left in.
    pub kept: u32,
    /// Elements cut out because they may not be seen.
    pub removed: u32,
    /// Elements cut out because their name could not be read.
    pub unreadable: u32,
}

/// An answer after filtering.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filtered {
    /// The new bytes; `None` if nothing changed.
    pub body: Option<Vec<u8>>,
    /// What was done.
    pub report: Report,
    /// The ids of tasks that the answers hand out (`result.task` of 2025-11-25, a result of type `task` of the extension).
    pub created: Vec<String>,
    /// It is a notification of something that the caller may not see, and is not to be passed on.
    pub hidden: bool,
}

struct Filter<'f, 'v> {
    viewer: &'f mut (dyn Viewer + 'v),
    body: &'f [u8],
    modern: bool,
    report: Report,
    created: Vec<String>,
    hidden: bool,
    edits: Vec<Edit>,
}

/// The most list entries of one answer or event. Each is judged by every rule, while all streams of the worker wait.
pub const MAX_ENTRIES: u32 = 10_000;
/// The most tasks that one answer or event may hand out. Each is written down for all workers.
pub const MAX_CREATED: usize = 1000;

const LISTS: &[&str] = &[
    "tools",
    "prompts",
    "resources",
    "resourceTemplates",
    "cacheScope",
    "tasks",
    "task",
    "taskId",
    "resultType",
];

// === impl Report ===

impl Report {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            lists: self.lists.saturating_add(other.lists),
            kept: self.kept.saturating_add(other.kept),
            removed: self.removed.saturating_add(other.removed),
            unreadable: self.unreadable.saturating_add(other.unreadable),
        }
    }

    fn entries(self) -> u32 {
        self.kept.saturating_add(self.removed).saturating_add(self.unreadable)
    }
}

/// Filters the lists in `body`: a JSON-RPC message, or an array of them.
///
/// Elements that `visible` denies are cut out with one comma each. `cacheScope` of a list becomes `"private"`, because what
/// is left depends on the caller; it is added where it is missing and `revision` is a modern one (whose schema demands it)
/// or a `ttlMs` invites caching. Every other byte stays. A text without any bracket or brace (an empty body, a URL) holds no
/// list and is left alone.
///
/// # Errors
/// `UnsafeResponse`: a notification to be hidden in an array; not JSON, or repeated keys (or such that differ in letter case only) where lists and names stand, so
/// that a client might see another list than the one filtered here; an array in an array; more than [`MAX_ENTRIES`] or
/// [`MAX_CREATED`].
pub fn filter_list(
    body: &[u8],
    revision: Option<Revision>,
    mut visible: &mut Visible<'_>,
) -> Result<Filtered, Denial> {
    filter_answer(body, revision, &mut visible)
}

/// The same before somebody who looks at more than what is listed. A request of the server that may not pass is hidden like a
/// notification.
///
/// # Errors
/// As [`filter_list`], and for a result that asks for input which it may not.
pub fn filter_answer(
    body: &[u8],
    revision: Option<Revision>,
    viewer: &mut dyn Viewer,
) -> Result<Filtered, Denial> {
    if !body.iter().any(|b| matches!(b, b'{' | b'[')) {
        return Ok(Filtered::default());
    }
    let modern = revision.is_some_and(|r| r.era() == Era::Modern);
    let mut filter = Filter {
        viewer,
        body,
        modern,
        report: Report::default(),
        created: Vec::new(),
        hidden: false,
        edits: Vec::new(),
    };
    filter.scan(body).map_err(|fault| match fault {
        Fault::NotJson(what) | Fault::Refused(what) => Denial::UnsafeResponse(what),
    })?;
    let body = if filter.edits.is_empty() { None } else { Some(apply(body, filter.edits)) };
    Ok(Filtered { body, report: filter.report, created: filter.created, hidden: filter.hidden })
}

// === impl Filter ===

impl Filter<'_, '_> {
    fn scan(&mut self, body: &[u8]) -> Result<(), Fault> {
        let mut scanner = Scanner::new(body, Scanner::ANSWER_DEPTH, Rigour::WhereRead)?;
        if scanner.at_array() {
            scanner.array(&mut |scanner, _| self.message(scanner))?;
            if self.hidden {
                return Err(Fault::Refused("what may not be seen, among other messages"));
            }
        } else {
            self.message(&mut scanner)?;
        }
        scanner.end()
    }

    fn message(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        if scanner.at_array() {
            // No message, but some reader may unpack it.
            return Err(Fault::Refused("an array in an array"));
        }
        if !scanner.at_object() {
            return scanner.skip();
        }
        let (mut notifies, mut asks, mut named) = (false, false, Vec::new());
        scanner.object(&["result", "method", "params"], &mut |scanner, key| {
            if key.says("result") && scanner.at_object() {
                return self.result(scanner);
            }
            if key.says("params") && scanner.at_object() {
                named = things_named(scanner)?;
            } else if key.says("method") {
                let value = scanner.value()?;
                notifies =
                    matches!(value.kind, Kind::Text(text) if text.decode().starts_with("notifications/"));
                asks = !notifies;
            } else {
                scanner.skip()?;
            }
            Ok(())
        })?;
        // What cannot be read names something that nobody may see.
        let mut seen = |target: Option<Target>| target.is_some_and(|target| self.viewer.sees(&target));
        if notifies && !named.into_iter().all(&mut seen) {
            self.hidden = true;
            self.report.removed = self.report.removed.saturating_add(1);
        }
        if asks && !self.viewer.may_be_asked() {
            self.hidden = true;
            self.report.removed = self.report.removed.saturating_add(1);
        }
        Ok(())
    }

    fn result(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        let lists_before = self.report.lists;
        let (mut scope, mut cacheable) = (None, self.modern);
        let (mut handle, mut hands_out) = (None, false);
        let span = scanner.object(LISTS, &mut |scanner, key| {
            let array = scanner.at_array();
            match &*key.decode() {
                "tools" if array => self.list(scanner, ("tools", "name"), Target::Tool)?,
                "prompts" if array => self.list(scanner, ("prompts", "name"), Target::Prompt)?,
                "resources" if array => self.list(scanner, ("resources", "uri"), Target::Resource)?,
                "resourceTemplates" if array => {
                    self.list(scanner, ("resourceTemplates", "uriTemplate"), Target::Template)?
                }
                // Later revisions list none; a server that answers all the same shall not show everybody's.
                "tasks" if array => self.list(scanner, ("tasks", "taskId"), Target::Task)?,
                "task" => self.created.extend(element(scanner, "taskId")?.1),
                "taskId" => handle = readable(&scanner.value()?),
                "resultType" => {
                    let Kind::Text(sort) = scanner.value()?.kind else { return Ok(()) };
                    hands_out = sort.says("task");
                    if sort.says("input_required") && !self.viewer.may_be_asked() {
                        return Err(Fault::Refused("a result that asks for input"));
                    }
                }
                "cacheScope" => scope = Some(scanner.value()?),
                other => {
                    cacheable |= other == "ttlMs";
                    scanner.skip()?;
                }
            }
            Ok(())
        })?;
        self.created.extend(handle.filter(|_| hands_out));
        if self.created.len() > MAX_CREATED {
            return Err(Fault::Refused("too many tasks"));
        }
        if self.report.lists == lists_before {
            return Ok(());
        }
        match scope {
            Some(value) if matches!(value.kind, Kind::Text(text) if text.says("private")) => {}
            Some(value) => self.edits.push(Edit::new(value.span, "\"private\"")),
            // The list itself is a member, so a comma is right; the last byte of the span is the brace.
            None if cacheable => {
                let brace = span.end.saturating_sub(1);
                self.edits.push(Edit::new(brace..brace, ",\"cacheScope\":\"private\""));
            }
            None => {}
        }
        Ok(())
    }

    fn list(
        &mut self,
        scanner: &mut Scanner<'_>,
        (list, key): (&str, &str),
        target: fn(String) -> Target,
    ) -> Result<(), Fault> {
        self.report.lists += 1;
        let mut cuts = Cuts::default();
        scanner.array(&mut |scanner, _| {
            let (span, name) = element(scanner, key)?;
            if let (Some(name), "tools") = (&name, list) {
                self.viewer.listed(name, self.body.get(span.clone()).unwrap_or_default());
            }
            let kept = match name.map(target) {
                Some(target) if self.viewer.sees(&target) => {
                    self.report.kept += 1;
                    true
                }
                Some(_) => {
                    self.report.removed += 1;
                    false
                }
                None => {
                    self.report.unreadable += 1;
                    false
                }
            };
            self.edits.extend(cuts.element(&span, kept));
            if self.report.entries() > MAX_ENTRIES {
                return Err(Fault::Refused("too many list entries"));
            }
            Ok(())
        })?;
        self.edits.extend(cuts.end());
        Ok(())
    }
}

/// The things of which a notification speaks: `params.uri` of `notifications/resources/updated`, `params.taskId` of those of
/// tasks. `None` for one that cannot be read.
fn things_named(scanner: &mut Scanner<'_>) -> Result<Vec<Option<Target>>, Fault> {
    let mut named = Vec::new();
    scanner.object(&["uri", "taskId"], &mut |scanner, key| {
        let value = scanner.value()?;
        if key.says("uri") {
            named.push(readable(&value).map(Target::Resource));
        } else if key.says("taskId") {
            named.push(readable(&value).map(Target::Task));
        }
        Ok(())
    })?;
    Ok(named)
}

/// Reads one element of a list; the name is `None` if there is none that could be compared.
fn element(scanner: &mut Scanner<'_>, key: &str) -> Result<(Range<usize>, Option<String>), Fault> {
    if !scanner.at_object() {
        return Ok((scanner.value()?.span, None));
    }
    let mut name = None;
    let span = scanner.object(&[key], &mut |scanner, found| {
        let value = scanner.value()?;
        if found.says(key) {
            name = readable(&value);
        }
        Ok(())
    })?;
    Ok((span, name))
}

/// A text that every reader reads alike, and no longer than a request could name.
fn readable(value: &Value<'_>) -> Option<String> {
    match value.kind {
        Kind::Text(text) if !text.is_lone() => {
            Some(text.decode().into_owned()).filter(|name| name.len() <= MAX_TARGET_BYTES)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
