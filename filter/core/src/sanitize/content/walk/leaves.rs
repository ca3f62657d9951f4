//! What becomes of one text, or of one number?

use std::borrow::Cow;
use std::ops::Range;

use super::blob::Blob;
use super::{At, Fate, Part, Walk};
use crate::mcp::strict::{Fault, Rigour, Scanner, Text};
use crate::sanitize::content::Action;
use crate::sanitize::content::marks;
use crate::sanitize::content::plan::Deed;
use crate::sanitize::content::report::{Found, Report};
use crate::sanitize::content::text::{Judged, judge};
use crate::sanitize::detect::{self, Detector};
use crate::sanitize::edit::{Edit, apply as edited};

/// JSON within a text after its walk.
struct Within {
    fate: Fate,
    text: Option<String>,
}

// === impl Walk ===

impl Walk<'_> {
    pub(super) fn text(&mut self, text: Text<'_>, span: &Range<usize>, at: &At) -> Result<Fate, Fault> {
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
            && let Some(blob) = Blob::read(said)
        {
            let before = self.edits.len();
            let fate = self.blob(&blob, span, at)?;
            if blob.usual || fate != Fate::Stays || self.edits.len() > before {
                return Ok(fate);
            }
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

    pub(super) fn number(&mut self, number: &str, span: &Range<usize>, at: &At) -> Result<Fate, Fault> {
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

    fn blob(&mut self, blob: &Blob, span: &Range<usize>, at: &At) -> Result<Fate, Fault> {
        let within = self.json_within(&blob.text, &At { text: true, ..at.clone() })?;
        if let Some(Within { fate: fate @ (Fate::Cut | Fate::Item), .. }) = within {
            return Ok(fate);
        }
        let changed = within.and_then(|within| within.text);
        let now = changed.as_deref().unwrap_or(&blob.text);
        let judged = judge(now, true, self.plan, self.report).map_err(|refused| self.stop(refused))?;
        if judged.drops {
            return Ok(Fate::Item);
        }
        if let Some(whole) = judged.of(now).or(changed) {
            self.edits.push(Edit::new(span.clone(), quoted(&blob.with(&whole))));
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
        // Some writers put a byte order mark before it.
        let json = said.strip_prefix('\u{feff}').unwrap_or(said);
        if json.trim_start().starts_with(['{', '[']) {
            // What is counted of a text that turns out to be none is not done.
            let mut report = Report::default();
            let mut walk =
                Walk { plan: self.plan, report: &mut report, edits: Vec::new(), refused: None, inner: true };
            let scanned = walk.roots(json, &At { opens: opens.clone(), ..At::part(Part::Structured) });
            let (refused, edits) = (walk.refused, walk.edits);
            if refused.is_some() || scanned.is_ok() {
                self.report.merge(report);
            }
            match (refused, scanned) {
                (Some(refused), _) => return Err(self.stop(refused)),
                (None, Ok(fate)) => return Ok(Some(Within { fate, text: rewritten(said, json, edits) })),
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

    /// One value, or several, one after the other: a line for each, mostly.
    fn roots(&mut self, text: &str, at: &At) -> Result<Fate, Fault> {
        let mut scanner = Scanner::new(text.as_bytes(), Scanner::REQUEST_DEPTH, Rigour::WithinText)?;
        let mut fate = Fate::Stays;
        while !scanner.at_end() {
            // By itself it has no name that could be allowed.
            if !at.opens.is_empty() && !scanner.at_object() && !scanner.at_array() {
                return Err(Fault::NotJson("no object or array"));
            }
            fate = fate.max(self.value(&mut scanner, at)?.1);
        }
        scanner.end()?;
        Ok(fate)
    }
}

/// `said`, which ends with `json`, after the edits of that; `None` if there are none.
fn rewritten(said: &str, json: &str, edits: Vec<Edit>) -> Option<String> {
    if edits.is_empty() {
        return None;
    }
    let mark = said.strip_suffix(json).unwrap_or_default();
    String::from_utf8([mark.as_bytes(), &edited(json.as_bytes(), edits)].concat()).ok()
}

/// A JSON string that says `text`.
fn quoted(text: &str) -> Cow<'static, str> {
    // Strings can always be written.
    serde_json::to_string(text).map_or(Cow::Borrowed("\"\""), Cow::Owned)
}
