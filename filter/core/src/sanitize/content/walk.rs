//! Which texts of a message are read, and what becomes of each? One pass over the JSON; every edit is a range of its bytes.
//!
//! Read is everything but the envelope (`jsonrpc`, `id`, `method`) and what a client must give back unchanged
//! ([`OPAQUE`]). Names of members are texts too; one that may not pass takes its member with it.

use std::borrow::Cow;
use std::ops::Range;

use super::Action;
use super::marks;
use super::names::plain;
use super::plan::{Deed, Plan};
use super::report::{Found, Report};
use super::text::{Judged, judge};
use crate::mcp::strict::{Fault, Kind, Rigour, Scanner, Text};
use crate::sanitize::detect::{self, Detector, Worth};
use crate::sanitize::edit::{Cuts, Edit, apply as edited};

mod blob;

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

/// What part of a message a value is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// A result, params, an error itself.
    Top,
    /// Below, where MCP says what each member is.
    Protocol,
    /// A JSON Schema: its members are names of members.
    Schema,
    /// Content for the model: `content`, `contents`, `messages`.
    Content,
    /// `structuredContent`, and JSON within a text: whatever the server likes.
    Structured,
}

/// A list of allowed members on the way into a value.
#[derive(Clone, Debug)]
struct Open {
    rule: usize,
    /// Paths that may still lead somewhere, and their next step.
    paths: Vec<(usize, usize)>,
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
            return self.value(scanner, &At::part(Part::Protocol)).map(|_| ());
        }
        scanner.every_member(&mut |scanner, key| {
            if ["jsonrpc", "id", "method"].iter().any(|envelope| key.says(envelope)) {
                return scanner.skip();
            }
            let before = self.edits.len();
            let (span, fate) = self.value(scanner, &At::part(Part::Top))?;
            if fate != Fate::Stays {
                // A result itself, which nothing holds.
                self.edits.truncate(before);
                self.edits.push(Edit::new(span, "{}"));
            }
            Ok(())
        })?;
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
                Some(_) if at.part == Part::Top && OPAQUE.contains(&&*name) => {
                    (scanner.value()?.span.end, Fate::Stays)
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
        let cap = self.plan.item_cap.filter(|_| matches!(at.part, Part::Content | Part::Structured));
        let mut beyond = false;
        let span = scanner.array(&mut |scanner, index| {
            let before = self.edits.len();
            let (span, mut fate) = self.value(scanner, &below)?;
            if let Some(cap) = cap.filter(|cap| index >= cap.most) {
                fate = Fate::Cut;
                if !std::mem::replace(&mut beyond, true) {
                    self.report.add(cap.deed.rule, Found::Items, cap.deed.action);
                    if cap.deed.action == Action::Block {
                        return Err(self.refuse(cap.deed.rule, Found::Items));
                    }
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

    fn text(&mut self, text: Text<'_>, span: &Range<usize>, at: &At) -> Result<Fate, Fault> {
        let mut decoded = String::new();
        let said: &str = if text.raw().contains('\\') {
            text.decode_into(&mut decoded);
            &decoded
        } else {
            text.raw()
        };
        if let Some(deed) = at.key.filter(|deed| matches!(deed.action, Action::Mask | Action::Hash)) {
            return Ok(self.hide(said, span, deed, Found::Key));
        }
        if let (Some(worth), Some(deed)) = (at.secret, self.plan.deed(Detector::Credentials))
            && detect::worth_hiding(said.as_bytes(), worth, false)
        {
            return self.secret(said, span, deed);
        }
        if at.blob
            && let Some(bytes) = blob::text_of(said)
        {
            return self.blob(&bytes, span, at);
        }
        let within = if self.inner { None } else { self.json_within(said, at)? };
        if let Some(Within { fate: fate @ (Fate::Cut | Fate::Item), .. }) = within {
            return Ok(fate);
        }
        let changed = within.and_then(|within| within.text);
        let now = changed.as_deref().unwrap_or(said);
        let judged = judge(now, at.part != Part::Schema, self.plan, self.report).map_err(|r| self.stop(r))?;
        if judged.drops {
            return Ok(Fate::Item);
        }
        match (changed.is_some() || judged.whole.is_some(), judged.edits.is_empty()) {
            (false, true) => {}
            (false, false) => self.edit_within(text, said, span, judged),
            (true, _) => {
                let whole = judged.of(now).or(changed).unwrap_or_default();
                self.edits.push(Edit::new(span.clone(), quoted(&whole)));
            }
        }
        Ok(Fate::Stays)
    }

    /// Edits of what a text says become edits of how it is written.
    fn edit_within(&mut self, text: Text<'_>, said: &str, span: &Range<usize>, judged: Judged) {
        let inside = span.start + 1;
        if said.len() == text.raw().len() {
            let edits = judged.edits.into_iter();
            self.edits
                .extend(edits.map(|(range, with)| Edit::new(inside + range.start..inside + range.end, with)));
            return;
        }
        let mut places = text.places();
        let (mut at, mut raw) = (0, 0);
        // Where the character that begins at this place of what is said is written.
        let mut seek = |to: usize| {
            while at < to {
                let Some((written, c)) = places.next() else { break };
                at += c.len_utf8();
                raw = written.end;
            }
            raw
        };
        for (range, with) in judged.edits {
            let start = inside + seek(range.start);
            let end = inside + seek(range.end);
            self.edits.push(Edit::new(start..end, with));
        }
    }

    fn number(&mut self, number: &str, span: &Range<usize>, at: &At) -> Result<Fate, Fault> {
        if let Some(deed) = at.key.filter(|deed| matches!(deed.action, Action::Mask | Action::Hash)) {
            if number != "0" {
                self.report.add(deed.rule, Found::Key, deed.action);
                self.edits.push(Edit::new(span.clone(), "0"));
            }
            return Ok(Fate::Stays);
        }
        let Some(deed) = self.plan.deed(Detector::Card).filter(|_| detect::card(number)) else {
            return Ok(Fate::Stays);
        };
        let found = Found::Detected(Detector::Card);
        self.report.add(deed.rule, found, deed.action);
        match (deed.action, &self.plan.salt) {
            (Action::Block, _) => return Err(self.refuse(deed.rule, found)),
            (Action::Drop, _) => return Ok(Fate::Item),
            (Action::Flag, _) => {}
            (Action::Hash, Some(salt)) => {
                self.edits.push(Edit::new(span.clone(), marks::number("card", number, salt)));
            }
            (Action::Hash | Action::Mask, _) => self.edits.push(Edit::new(span.clone(), "0")),
        }
        Ok(Fate::Stays)
    }

    /// A text whose name says that it is a secret, and which looks like one.
    fn secret(&mut self, said: &str, span: &Range<usize>, deed: Deed) -> Result<Fate, Fault> {
        let found = Found::Detected(Detector::Credentials);
        match deed.action {
            Action::Hash | Action::Mask => return Ok(self.hide(said, span, deed, found)),
            action => self.report.add(deed.rule, found, action),
        }
        match deed.action {
            Action::Block => Err(self.refuse(deed.rule, found)),
            Action::Drop => Ok(Fate::Item),
            _ => Ok(Fate::Stays),
        }
    }

    /// Puts a mark in the place of a whole text.
    fn hide(&mut self, said: &str, span: &Range<usize>, deed: Deed, found: Found) -> Fate {
        let marked =
            marks::marks(said, &self.plan.names).first().is_some_and(|mark| mark.len() == said.len());
        if !said.is_empty() && !marked {
            self.report.add(deed.rule, found, deed.action);
            let salt = self.plan.salt.as_ref().filter(|_| deed.action == Action::Hash);
            let mark = marks::mark(found.name(), salt.map(|salt| (said, salt)));
            self.edits.push(Edit::new(span.clone(), quoted(&mark)));
        }
        Fate::Stays
    }

    fn blob(&mut self, bytes: &str, span: &Range<usize>, at: &At) -> Result<Fate, Fault> {
        let within = self.json_within(bytes, &At { text: true, ..at.clone() })?;
        if let Some(Within { fate: fate @ (Fate::Cut | Fate::Item), .. }) = within {
            return Ok(fate);
        }
        let changed = within.and_then(|within| within.text);
        let now = changed.as_deref().unwrap_or(bytes);
        let judged = judge(now, true, self.plan, self.report).map_err(|refused| self.stop(refused))?;
        if judged.drops {
            return Ok(Fate::Item);
        }
        if let Some(whole) = judged.of(now).or(changed) {
            self.edits.push(Edit::new(span.clone(), quoted(&blob::encoded(&whole))));
        }
        Ok(Fate::Stays)
    }

    /// The JSON that a text holds, by the same rules. With allowed members, a text that is no JSON has none of them.
    fn json_within(&mut self, said: &str, at: &At) -> Result<Option<Within>, Fault> {
        let content = matches!(at.part, Part::Content | Part::Structured);
        if !content || !self.plan.reads_json_in_texts() {
            return Ok(None);
        }
        let opens = if at.text { self.all_opens() } else { Vec::new() };
        let begins = said.trim_start().starts_with(['{', '[']);
        if begins {
            let (plan, report) = (self.plan, &mut *self.report);
            let mut walk = Walk { plan, report, edits: Vec::new(), refused: None, inner: true };
            let scanned = walk.root(said, &At { opens: opens.clone(), ..At::part(Part::Structured) });
            match (walk.refused, scanned) {
                (Some(refused), _) => return Err(self.stop(refused)),
                (None, Ok(fate)) => {
                    let text = if walk.edits.is_empty() {
                        None
                    } else {
                        String::from_utf8(edited(said.as_bytes(), walk.edits)).ok()
                    };
                    return Ok(Some(Within { fate, text }));
                }
                (None, Err(_)) => {}
            }
        }
        if opens.is_empty() || said.is_empty() {
            return Ok(None);
        }
        let mark = marks::mark(Found::Field.name(), None);
        if said == mark {
            return Ok(None);
        }
        self.count_field(&opens);
        Ok(Some(Within { fate: Fate::Stays, text: Some(mark) }))
    }

    fn root(&mut self, text: &str, at: &At) -> Result<Fate, Fault> {
        let mut scanner = Scanner::new(text.as_bytes(), Scanner::REQUEST_DEPTH, Rigour::WhereRead)?;
        let (_, fate) = self.value(&mut scanner, at)?;
        scanner.end()?;
        Ok(fate)
    }

    fn all_opens(&self) -> Vec<Open> {
        let whole = |(paths, rule): &(Vec<_>, usize)| Open {
            rule: *rule,
            paths: (0..paths.len()).map(|path| (path, 0)).collect(),
        };
        self.plan.fields.iter().map(whole).collect()
    }

    /// What is left of the lists of allowed members within a member of this name; `None` if one of them does not allow it.
    fn opens_below(&self, opens: &[Open], name: &str) -> Option<Vec<Open>> {
        let mut below = Vec::new();
        for open in opens {
            let (paths, _) = self.plan.fields.iter().find(|(_, rule)| *rule == open.rule)?;
            let steps = open.paths.iter().filter_map(|(path, step)| {
                paths.get(*path).and_then(|p| p.step(*step, name)).map(|ends| (*path, *step + 1, ends))
            });
            let steps: Vec<_> = steps.collect();
            if steps.is_empty() {
                return None;
            }
            if !steps.iter().any(|(_, _, ends)| *ends) {
                let paths = steps.into_iter().map(|(path, step, _)| (path, step)).collect();
                below.push(Open { rule: open.rule, paths });
            }
        }
        Some(below)
    }

    fn count_field(&mut self, opens: &[Open]) {
        if let Some(open) = opens.first() {
            self.report.add(open.rule, Found::Field, Action::Drop);
        }
    }

    fn refuse(&mut self, rule: usize, found: Found) -> Fault {
        self.stop(Refused::Blocked(rule, found))
    }

    fn stop(&mut self, refused: Refused) -> Fault {
        self.refused = Some(refused);
        Fault::Refused("content")
    }
}

/// JSON within a text after its walk.
struct Within {
    fate: Fate,
    text: Option<String>,
}

/// A JSON string that says `text`.
fn quoted(text: &str) -> Cow<'static, str> {
    // Strings can always be written.
    serde_json::to_string(text).map_or(Cow::Borrowed("\"\""), Cow::Owned)
}
