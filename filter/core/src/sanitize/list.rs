//! Which elements of a list may this caller see? Cuts the others out of an answer.
//!
//! Lists are known by their shape (`result.tools`, `prompts`, `resources`, `resourceTemplates`, `tasks`), not by the request that
//! they answer: a resumed stream replays answers to requests that this exchange never saw.

mod element;
mod report;

pub use report::Report;

use std::ops::Range;

pub(super) use element::readable;
use element::{Element, element, text_of};

use super::edit::{Cuts, Edit, apply};
use super::server_asks::{self, Ask, Gate, Params};
use super::viewer::{Kept, Settled, Viewer};
use crate::denial::Denial;
use crate::mcp::operation::Target;
use crate::mcp::strict::{Fault, Kind, Rigour, Scanner};
use crate::mcp::versions::{Era, Revision};
use crate::tools::schemas::WithSchemas;

/// Says whether the caller may see a tool, prompt, resource or template: the same decision as for a call.
pub type Visible<'f> = dyn FnMut(&Target) -> bool + 'f;

/// An answer after filtering.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filtered {
    /// The new bytes; `None` if nothing changed.
    pub body: Option<Vec<u8>>,
    /// What was done.
    pub report: Report,
    /// The ids of tasks that the answers hand out (`result.task` of 2025-11-25, a result of type `task` of the extension).
    pub created: Vec<String>,
    /// The tools that are left, and where their schemas stand in the body as it came.
    pub tools: Vec<WithSchemas>,
    /// It is a notification of something that the caller may not see, or a request of the server that may not reach the
    /// client, and is not to be passed on.
    pub hidden: bool,
    /// It is such a request, and because of it the client's own request is to be answered with an error.
    pub refused: bool,
    /// Where the ids of the requests stand that it answers.
    pub answers: Vec<Range<usize>>,
}

struct Filter<'f, 'v> {
    body: &'f [u8],
    viewer: &'f mut (dyn Viewer + 'v),
    modern: bool,
    report: Report,
    created: Vec<String>,
    tools: Vec<WithSchemas>,
    hidden: bool,
    refused: bool,
    /// Whether something in the message that is being read makes it an error.
    to_error: bool,
    answers: Vec<Range<usize>>,
    edits: Vec<Edit>,
}

/// The most list entries of one answer or event. Each is judged by every rule, while all streams of the worker wait.
pub const MAX_ENTRIES: u32 = 10_000;
/// The most tasks that one answer or event may hand out. Each is written down for all workers.
pub const MAX_CREATED: usize = 1000;

/// How often a text is read, because other workers change what is known of its tools meanwhile: each time one has succeeded.
const MOST_READINGS: usize = 16;

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
    "inputRequests",
];

/// What a client reads instead of an answer in which a server asks for what it may not.
const ASKED_TOO_MUCH: &str =
    r#""error":{"code":-32603,"message":"The server asks for something that it may not ask for"}}"#;

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
/// As [`filter_list`], and for a result that asks for input where nothing may be asked. `Unavailable` and others: as
/// [`Viewer::settle`].
pub fn filter_answer(
    body: &[u8],
    revision: Option<Revision>,
    viewer: &mut dyn Viewer,
) -> Result<Filtered, Denial> {
    if !body.iter().any(|b| matches!(b, b'{' | b'[')) {
        return Ok(Filtered::default());
    }
    for _ in 0..MOST_READINGS {
        let filtered = filter_once(body, revision, viewer)?;
        if viewer.settle()? == Settled::Done {
            return Ok(filtered);
        }
    }
    Err(Denial::Unavailable("tool store"))
}

fn filter_once(body: &[u8], revision: Option<Revision>, viewer: &mut dyn Viewer) -> Result<Filtered, Denial> {
    let modern = revision.is_some_and(|r| r.era() == Era::Modern);
    let mut filter = Filter {
        body,
        viewer,
        modern,
        report: Report::default(),
        created: Vec::new(),
        tools: Vec::new(),
        hidden: false,
        refused: false,
        to_error: false,
        answers: Vec::new(),
        edits: Vec::new(),
    };
    filter.scan(body).map_err(|fault| match fault {
        Fault::NotJson(what) | Fault::Refused(what) => Denial::UnsafeResponse(what),
    })?;
    let Filter { edits, report, created, tools, hidden, refused, answers, .. } = filter;
    let body = if edits.is_empty() { None } else { Some(apply(body, edits)) };
    Ok(Filtered { body, report, created, tools, hidden, refused, answers })
}

/// The error that a client reads instead of an answer in which a server asks for what it may not; `id` is its JSON.
pub(crate) fn asked_too_much(id: Option<&str>) -> String {
    let id = id.map(|id| format!(r#""id":{id},"#)).unwrap_or_default();
    format!(r#"{{"jsonrpc":"2.0",{id}{ASKED_TOO_MUCH}"#)
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
        let gates = self.viewer.gates();
        let known: &[&str] = if gates {
            &["result", "method", "params", "id", "error"]
        } else {
            &["result", "method", "params", "id"]
        };
        let before = self.edits.len();
        let (mut method, mut params, mut id, mut in_error) = (None, Params::default(), None, Vec::new());
        let span = scanner.object(known, &mut |scanner, key| {
            match &*key.decode() {
                "result" if scanner.at_object() => return self.result(scanner),
                "params" if scanner.at_object() => params = Params::read(scanner, gates)?,
                "method" => method = text_of(scanner.value()?.kind),
                "id" => id = Some(scanner.value()?.span),
                "error" if gates && scanner.at_object() => in_error = server_asks::in_error(scanner)?,
                _ => scanner.skip()?,
            }
            Ok(())
        })?;
        for ask in in_error {
            self.to_error |= self.viewer.asked(&ask) != Gate::Pass;
        }
        if std::mem::take(&mut self.to_error) {
            self.edits.truncate(before);
            let id = id.clone().and_then(|id| std::str::from_utf8(self.body.get(id)?).ok());
            self.edits.push(Edit::new(span, asked_too_much(id)));
        }
        match method {
            Some(method) if method.starts_with("notifications/") => self.notification(params),
            Some(method) => self.request(&method, &params),
            None => self.answers.extend(id),
        }
        Ok(())
    }

    fn notification(&mut self, params: Params) {
        // What cannot be read names something that nobody may see.
        let mut seen = |target: Option<Target>| target.is_some_and(|target| self.viewer.sees(&target));
        let seen = params.named.into_iter().all(&mut seen);
        let asks = params.requests.iter().map(|ask| self.viewer.asked(ask) == Gate::Pass);
        // All of them are looked at, so that all are counted.
        if !asks.fold(seen, |all, pass| all && pass) {
            self.hidden = true;
            self.report.removed = self.report.removed.saturating_add(1);
        }
    }

    /// A request of the server's own.
    fn request(&mut self, method: &str, params: &Params) {
        if !self.viewer.may_be_asked() {
            self.hidden = true;
            self.report.removed = self.report.removed.saturating_add(1);
        }
        let gate = Ask::of(method, params).map_or(Gate::Pass, |ask| self.viewer.asked(&ask));
        self.hidden |= gate != Gate::Pass;
        self.refused |= gate == Gate::Refuse;
    }

    /// What a result asks for (2026-07-28).
    fn input_requests(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        let (mut left, mut stripped) = (Vec::new(), false);
        let span = server_asks::requests(scanner, &mut |ask, (key, value)| match self.viewer.asked(&ask) {
            Gate::Pass => left.push((key.raw(), value)),
            Gate::Strip => stripped = true,
            Gate::Refuse => self.to_error = true,
        })?;
        if stripped {
            let member = |(key, value): &(&str, Range<usize>)| {
                let value =
                    std::str::from_utf8(self.body.get(value.clone()).unwrap_or_default()).unwrap_or_default();
                format!("\"{key}\":{value}")
            };
            let members: Vec<String> = left.iter().map(member).collect();
            self.edits.push(Edit::new(span, format!("{{{}}}", members.join(","))));
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
                "tools" if array => self.list(scanner, "name", Target::Tool)?,
                "prompts" if array => self.list(scanner, "name", Target::Prompt)?,
                "resources" if array => self.list(scanner, "uri", Target::Resource)?,
                "resourceTemplates" if array => self.list(scanner, "uriTemplate", Target::Template)?,
                // Later revisions list none; a server that answers all the same shall not show everybody's.
                "tasks" if array => self.list(scanner, "taskId", Target::Task)?,
                "task" => self.created.extend(element(scanner, "taskId")?.name),
                "taskId" => handle = readable(&scanner.value()?),
                "resultType" => {
                    let Kind::Text(sort) = scanner.value()?.kind else { return Ok(()) };
                    hands_out = sort.says("task");
                    if sort.says("input_required") && !self.viewer.may_be_asked() {
                        return Err(Fault::Refused("a result that asks for input"));
                    }
                }
                "cacheScope" => scope = Some(scanner.value()?),
                "inputRequests" if self.viewer.gates() && scanner.at_object() => {
                    self.input_requests(scanner)?
                }
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
        key: &str,
        target: fn(String) -> Target,
    ) -> Result<(), Fault> {
        self.report.lists += 1;
        let mut cuts = Cuts::default();
        scanner.array(&mut |scanner, _| {
            let Element { span, name, schemas: [input, output] } = element(scanner, key)?;
            let kept = match name.map(target) {
                Some(target) if self.keeps(&target, &span) => {
                    self.report.kept += 1;
                    if let Target::Tool(name) = target {
                        self.tools.push(WithSchemas { name, input, output });
                    }
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

    /// Whether an element stays, perhaps without some of its bytes. A tool is looked at whoever may see it: a change is one.
    fn keeps(&mut self, target: &Target, span: &Range<usize>) -> bool {
        let kept = match target {
            Target::Tool(name) => self.viewer.tool(name, self.body.get(span.clone()).unwrap_or_default()),
            _ => Kept::Whole,
        };
        if kept == Kept::Cut || !self.viewer.sees(target) {
            return false;
        }
        if let Kept::Without(ranges) = kept {
            let place = |range: Range<usize>| span.start + range.start..span.start + range.end;
            self.edits.extend(ranges.into_iter().map(|range| Edit::new(place(range), "")));
        }
        true
    }
}

#[cfg(test)]
mod tests;
