//! Which texts of a message are read, and what becomes of each? One pass over the JSON; every edit is a range of its bytes.
//!
//! Read is everything but the envelope (`jsonrpc`, `id`, `method`) and what a client must give back unchanged
//! ([`OPAQUE`]). Names of members are texts too; one that may not pass takes its member with it.

use std::ops::Range;

use super::Action;
use super::names::plain;
use super::plan::{Deed, Plan};
use super::report::{Found, Report};
use super::text::judge;
use crate::mcp::strict::{Fault, Kind, Rigour, Scanner};
use crate::sanitize::detect::{self, Detector, Worth};
use crate::sanitize::edit::{Cuts, Edit, apply as edited};

mod allowed;
mod blob;
mod leaves;

use allowed::Open;

/// Why a message may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The rule of this number refuses what was found.
    Blocked(usize, Found),
    /// It cannot be read.
    Unreadable(&'static str),
}

/// Members of a result or of params that a client gives back as they are.
const OPAQUE: [&str; 9] = [
    "nextCursor",
    "cursor",
    "requestState",
    "taskId",
    "progressToken",
    "requestId",
    "resultType",
    "cacheScope",
    "protocolVersion",
];

/// The same of their `_meta`, and of what that says of a task.
const OPAQUE_META: [&str; 2] = ["progressToken", "taskId"];
/// What stands there of a task.
const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";

/// What part of a message a value is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// A result, params, an error itself.
    Top,
    /// Their `_meta`.
    Meta,
    /// Below, where MCP says what each member is.
    Protocol,
    /// A JSON Schema: its members are names of members.
    Schema,
    /// Content for the model: `content`, `contents`, `messages`.
    Content,
    /// `structuredContent`, and JSON within a text: whatever the server likes.
    Structured,
}

/// Where a value stands.
#[derive(Clone, Debug)]
struct At {
    part: Part,
    /// Whether an element of a list holds it.
    listed: bool,
    /// What is to be done with the whole of it, because of its name.
    key: Option<Deed>,
    /// Whether its name says that it is a secret.
    secret: Option<Worth>,
    /// Whether it is called `text`, or Base64 by its name.
    text: bool,
    blob: bool,
    opens: Vec<Open>,
}

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Stays,
    /// The element of a list that holds it is left out; where none does, the member.
    Item,
    /// It is left out itself.
    Cut,
}

struct Walk<'p> {
    plan: &'p Plan,
    report: &'p mut Report,
    edits: Vec<Edit>,
    refused: Option<Refused>,
    /// Whether this is JSON within a text.
    inner: bool,
}

/// Applies `plan` to a JSON-RPC message, or an array of them. Gives the new bytes; `None` if nothing changes.
///
/// # Errors
/// [`Refused`].
pub fn apply(body: &[u8], plan: &Plan, report: &mut Report) -> Result<Option<Vec<u8>>, Refused> {
    if !body.iter().any(|b| matches!(b, b'{' | b'[')) {
        // No message: an empty event, a URL; as a text it is read all the same.
        return apply_to_text(body, plan, report);
    }
    let mut walk = Walk { plan, report, edits: Vec::new(), refused: None, inner: false };
    let scanned = walk.messages(body);
    walk.end(body, scanned)
}

/// Applies `plan` to a text that is no JSON.
///
/// # Errors
/// [`Refused`].
pub fn apply_to_text(body: &[u8], plan: &Plan, report: &mut Report) -> Result<Option<Vec<u8>>, Refused> {
    let text = std::str::from_utf8(body).map_err(|_| Refused::Unreadable("not UTF-8"))?;
    let judged = judge(text, true, plan, report)?;
    // Nothing holds it that could be left out instead.
    let left = if judged.drops { Some(String::new()) } else { judged.of(text) };
    Ok(left.map(String::into_bytes))
}

// === impl At ===

impl At {
    /// Whether the member of this name is for nobody but whoever wrote it.
    fn holds_opaque(&self, name: &str) -> bool {
        match self.part {
            Part::Top => OPAQUE.contains(&name),
            Part::Meta => OPAQUE_META.contains(&name),
            _ => false,
        }
    }

    fn part(part: Part) -> Self {
        Self { part, listed: false, key: None, secret: None, text: false, blob: false, opens: Vec::new() }
    }
}

// === impl Walk ===

impl Walk<'_> {
    fn end(self, body: &[u8], scanned: Result<(), Fault>) -> Result<Option<Vec<u8>>, Refused> {
        match (self.refused, scanned) {
            (Some(refused), _) => Err(refused),
            (None, Err(Fault::NotJson(what) | Fault::Refused(what))) => Err(Refused::Unreadable(what)),
            (None, Ok(())) if self.edits.is_empty() => Ok(None),
            (None, Ok(())) => Ok(Some(edited(body, self.edits))),
        }
    }

    fn messages(&mut self, body: &[u8]) -> Result<(), Fault> {
        let mut scanner = Scanner::new(body, Scanner::ANSWER_DEPTH, Rigour::WhereRead)?;
        if scanner.at_array() {
            scanner.array(&mut |scanner, _| self.message(scanner))?;
        } else {
            self.message(&mut scanner)?;
        }
        scanner.end()
    }

    fn message(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        if !scanner.at_object() {
            return self.outermost(scanner, Part::Protocol);
        }
        scanner.every_member(&mut |scanner, key| {
            if ["jsonrpc", "id", "method"].iter().any(|envelope| key.says(envelope)) {
                return scanner.skip();
            }
            self.outermost(scanner, Part::Top)
        })?;
        Ok(())
    }

    /// A result itself, or what is no message: nothing holds it that could be left out instead.
    fn outermost(&mut self, scanner: &mut Scanner<'_>, part: Part) -> Result<(), Fault> {
        let before = self.edits.len();
        let (span, fate) = self.value(scanner, &At::part(part))?;
        if fate != Fate::Stays {
            self.edits.truncate(before);
            self.edits.push(Edit::new(span, "{}"));
        }
        Ok(())
    }

    fn value(&mut self, scanner: &mut Scanner<'_>, at: &At) -> Result<(Range<usize>, Fate), Fault> {
        if scanner.at_object() {
            return self.object(scanner, at);
        }
        if scanner.at_array() {
            return self.array(scanner, at);
        }
        let value = scanner.value()?;
        let fate = match value.kind {
            _ if !at.opens.is_empty() => {
                self.count_field(&at.opens);
                Fate::Cut
            }
            Kind::Text(text) => self.text(text, &value.span, at)?,
            Kind::Number(number) => self.number(number, &value.span, at)?,
            _ => Fate::Stays,
        };
        Ok((value.span, fate))
    }

    fn object(&mut self, scanner: &mut Scanner<'_>, at: &At) -> Result<(Range<usize>, Fate), Fault> {
        let (mut cuts, mut all) = (Cuts::default(), Fate::Stays);
        let first = self.edits.len();
        let span = scanner.every_member(&mut |scanner, key| {
            let start = scanner.place_of(key);
            let before = self.edits.len();
            let name = key.decode();
            let (end, fate) = match self.below(at, &name) {
                None => (scanner.value()?.span.end, Fate::Cut),
                Some(_) if at.holds_opaque(&name) => {
                    (scanner.value()?.span.end, if self.plan.captures { Fate::Cut } else { Fate::Stays })
                }
                Some(below) => {
                    let named = self.name(&name, at)?.max(self.counted_key(at, &below)?);
                    let (span, fate) = self.value(scanner, &below)?;
                    (span.end, fate.max(named))
                }
            };
            let goes = fate == Fate::Cut || fate == Fate::Item && !at.listed;
            if goes {
                self.edits.truncate(before);
            } else {
                all = all.max(fate);
            }
            self.edits.extend(cuts.element(&(start..end), !goes));
            Ok(())
        })?;
        self.edits.extend(cuts.end());
        if all == Fate::Item {
            self.edits.truncate(first);
        }
        Ok((span, all))
    }

    fn array(&mut self, scanner: &mut Scanner<'_>, at: &At) -> Result<(Range<usize>, Fate), Fault> {
        let mut cuts = Cuts::default();
        let below = At { listed: true, text: false, ..at.clone() };
        let capped = matches!(at.part, Part::Content | Part::Structured);
        let caps = if capped { self.plan.item_caps.as_slice() } else { &[] };
        let mut beyond = false;
        let span = scanner.array(&mut |scanner, index| {
            let before = self.edits.len();
            let (span, mut fate) = self.value(scanner, &below)?;
            if let Some(cap) = caps.iter().find(|cap| index >= cap.most) {
                fate = Fate::Cut;
                let blocks = cap.deed.action == Action::Block;
                if !std::mem::replace(&mut beyond, true) || blocks {
                    self.report.add(cap.deed.rule, Found::Items, cap.deed.action);
                }
                if blocks {
                    return Err(self.refuse(cap.deed.rule, Found::Items));
                }
            }
            if fate != Fate::Stays {
                self.edits.truncate(before);
            }
            self.edits.extend(cuts.element(&span, fate == Fate::Stays));
            Ok(())
        })?;
        self.edits.extend(cuts.end());
        Ok((span, Fate::Stays))
    }

    /// Where the value of a member of this name stands; `None` if it is not allowed.
    fn below(&mut self, at: &At, name: &str) -> Option<At> {
        let part = match (at.part, name) {
            (Part::Structured, _) => Part::Structured,
            (Part::Top, "_meta") | (Part::Meta, RELATED_TASK) => Part::Meta,
            (_, "structuredContent") => Part::Structured,
            (Part::Schema, _) | (_, "inputSchema" | "outputSchema" | "requestedSchema") => Part::Schema,
            (Part::Content, _) | (_, "content" | "contents" | "messages" | "arguments") => Part::Content,
            _ => Part::Protocol,
        };
        let opens = if part == Part::Structured && at.part != Part::Structured {
            self.all_opens()
        } else {
            let opens = self.opens_below(&at.opens, name);
            if opens.is_none() {
                self.count_field(&at.opens);
            }
            opens?
        };
        let named = part != Part::Schema && at.key.is_none();
        let key = if named && !self.plan.keys.is_empty() { self.plan.key(&plain(name)) } else { at.key };
        let credentials = self.plan.deed(Detector::Credentials).is_some() && part != Part::Schema;
        let secret = if credentials { detect::names_a_secret(name) } else { None };
        let content = part == Part::Content;
        let blob = content && matches!(name, "blob" | "data");
        Some(At { part, listed: at.listed, key, secret, text: content && name == "text", blob, opens })
    }

    /// Counts a member whose name a rule means, once for all that is in it.
    fn counted_key(&mut self, at: &At, below: &At) -> Result<Fate, Fault> {
        let Some(deed) = below.key.filter(|_| at.key.is_none()) else { return Ok(Fate::Stays) };
        // Of those that are replaced, each text and number is counted.
        if !matches!(deed.action, Action::Hash | Action::Mask) {
            self.report.add(deed.rule, Found::Key, deed.action);
        }
        match deed.action {
            Action::Block => Err(self.refuse(deed.rule, Found::Key)),
            Action::Drop => Ok(Fate::Cut),
            _ => Ok(Fate::Stays),
        }
    }

    /// The name of a member, as a text: there is no other name for it, so it goes with its member.
    fn name(&mut self, name: &str, at: &At) -> Result<Fate, Fault> {
        if name.len() < 8 || at.part == Part::Schema {
            return Ok(Fate::Stays);
        }
        let judged = judge(name, false, self.plan, self.report).map_err(|refused| self.stop(refused))?;
        Ok(if judged.drops || !judged.edits.is_empty() { Fate::Cut } else { Fate::Stays })
    }

    fn refuse(&mut self, rule: usize, found: Found) -> Fault {
        self.stop(Refused::Blocked(rule, found))
    }

    fn stop(&mut self, refused: Refused) -> Fault {
        self.refused = Some(refused);
        Fault::Refused("content")
    }
}
