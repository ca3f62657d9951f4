//! Which elements of a list may this caller see? Cuts the others out of an answer.
//!
//! Lists are known by their shape (`result.tools`, `prompts`, `resources`, `resourceTemplates`, `tasks`), not by the request that
//! they answer: a resumed stream replays answers to requests that this exchange never saw.

use std::ops::Range;

use crate::denial::Denial;
use crate::mcp::jsonrpc::MAX_TARGET_BYTES;
use crate::mcp::operation::Target;
use crate::mcp::strict::{Fault, Kind, Rigour, Scanner, Value};
use crate::mcp::versions::{Era, Revision};
use crate::tools::memory::Listed;

/// Says whether the caller may see a tool, prompt, resource or template: the same decision as for a call.
pub type Visible<'f> = dyn FnMut(&Target) -> bool + 'f;

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
    /// The tools that are left, and where their schemas stand in the body as it came.
    pub tools: Vec<Listed>,
    /// It is a notification of something that the caller may not see, and is not to be passed on.
    pub hidden: bool,
}

struct Filter<'f, 'v> {
    visible: &'f mut Visible<'v>,
    modern: bool,
    report: Report,
    created: Vec<String>,
    tools: Vec<Listed>,
    hidden: bool,
    edits: Vec<Edit>,
}

/// What is read of one element of a list.
#[derive(Default)]
struct Element {
    span: Range<usize>,
    name: Option<String>,
    /// `inputSchema` and `outputSchema`.
    schemas: [Option<Range<usize>>; 2],
}

/// A range of the body, and what replaces it.
struct Edit {
    range: Range<usize>,
    with: &'static str,
}

/// The cuts of one array, found element by element so that exactly one comma goes with each element.
#[derive(Default)]
struct Cuts {
    kept_one: bool,
    /// Where the removed elements begin that no kept one precedes.
    from: Option<usize>,
    last_end: usize,
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
    visible: &mut Visible<'_>,
) -> Result<Filtered, Denial> {
    if !body.iter().any(|b| matches!(b, b'{' | b'[')) {
        return Ok(Filtered::default());
    }
    let modern = revision.is_some_and(|r| r.era() == Era::Modern);
    let mut filter = Filter {
        visible,
        modern,
        report: Report::default(),
        created: Vec::new(),
        tools: Vec::new(),
        hidden: false,
        edits: Vec::new(),
    };
    filter.scan(body).map_err(|fault| match fault {
        Fault::NotJson(what) | Fault::Refused(what) => Denial::UnsafeResponse(what),
    })?;
    let body = if filter.edits.is_empty() { None } else { Some(apply(body, filter.edits)) };
    let Filter { report, created, tools, hidden, .. } = filter;
    Ok(Filtered { body, report, created, tools, hidden })
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
        let (mut notifies, mut named) = (false, Vec::new());
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
            } else {
                scanner.skip()?;
            }
            Ok(())
        })?;
        // What cannot be read names something that nobody may see.
        let mut seen = |target: Option<Target>| target.is_some_and(|target| (self.visible)(&target));
        if notifies && !named.into_iter().all(&mut seen) {
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
                "tools" if array => self.list(scanner, "name", Target::Tool)?,
                "prompts" if array => self.list(scanner, "name", Target::Prompt)?,
                "resources" if array => self.list(scanner, "uri", Target::Resource)?,
                "resourceTemplates" if array => self.list(scanner, "uriTemplate", Target::Template)?,
                // Later revisions list none; a server that answers all the same shall not show everybody's.
                "tasks" if array => self.list(scanner, "taskId", Target::Task)?,
                "task" => self.created.extend(element(scanner, "taskId")?.name),
                "taskId" => handle = readable(&scanner.value()?),
                "resultType" => {
                    hands_out = matches!(scanner.value()?.kind, Kind::Text(text) if text.says("task"));
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
            Some(value) => self.edits.push(Edit { range: value.span, with: "\"private\"" }),
            // The list itself is a member, so a comma is right; the last byte of the span is the brace.
            None if cacheable => {
                let brace = span.end.saturating_sub(1);
                self.edits.push(Edit { range: brace..brace, with: ",\"cacheScope\":\"private\"" });
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
                Some(target) if (self.visible)(&target) => {
                    self.report.kept += 1;
                    if let Target::Tool(name) = target {
                        self.tools.push(Listed { name, input, output });
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
}

// === impl Cuts ===

impl Cuts {
    fn element(&mut self, span: &Range<usize>, kept: bool) -> Option<Edit> {
        let cut = match (kept, self.kept_one) {
            (true, _) => self.from.take().map(|from| from..span.start),
            // From behind the element before, comma included.
            (false, true) => Some(self.last_end..span.end),
            (false, false) => {
                self.from.get_or_insert(span.start);
                None
            }
        };
        self.kept_one |= kept;
        self.last_end = span.end;
        cut.map(|range| Edit { range, with: "" })
    }

    /// Nothing was kept at all: the brackets and the white space at their inside stay.
    fn end(self) -> Option<Edit> {
        self.from.map(|from| Edit { range: from..self.last_end, with: "" })
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
fn element(scanner: &mut Scanner<'_>, key: &str) -> Result<Element, Fault> {
    if !scanner.at_object() {
        return Ok(Element { span: scanner.value()?.span, ..Element::default() });
    }
    let (mut name, mut schemas) = (None, [None, None]);
    let span = scanner.object(&[key], &mut |scanner, found| {
        let value = scanner.value()?;
        let [input, output] = &mut schemas;
        // One that stands twice is none that all read alike, and reads like none that could be used.
        let put = |into: &mut Option<Range<usize>>, span: Range<usize>| {
            *into = Some(if into.is_some() { 0..0 } else { span });
        };
        if found.says(key) {
            name = readable(&value);
        } else if found.says("inputSchema") {
            put(input, value.span);
        } else if found.says("outputSchema") {
            put(output, value.span);
        }
        Ok(())
    })?;
    Ok(Element { span, name, schemas })
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

fn apply(body: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_unstable_by_key(|edit| edit.range.start);
    let mut out = Vec::with_capacity(body.len() + 32);
    let mut at = 0;
    for Edit { range, with } in edits {
        out.extend_from_slice(body.get(at..range.start).unwrap_or_default());
        out.extend_from_slice(with.as_bytes());
        at = range.end;
    }
    out.extend_from_slice(body.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests;
