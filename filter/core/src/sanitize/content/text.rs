//! What of one text may pass, and with which changes?

use std::borrow::Cow;
use std::ops::Range;

use super::marks;
use super::plan::{Cap, Deed, Plan};
use super::report::{Found, Report};
use super::walk::Refused;
use super::{Action, Characters};
use crate::characters;
use crate::order;
use crate::sanitize::detect;

/// What comes of a text.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// The item that holds it is to be left out.
    pub(super) drops: bool,
    /// Ranges of the text in order, and what stands there instead: characters that need no escape in JSON.
    pub(super) edits: Vec<(Range<usize>, String)>,
    /// The whole text instead, where it is too long.
    pub(super) whole: Option<String>,
}

/// Something in the text as it is seen.
struct Hit<'p> {
    range: Range<usize>,
    found: Found,
    /// What the mark says.
    name: &'p str,
    deed: Deed,
}

/// Judges `text`, which is capped where it may be long.
pub(super) fn judge(text: &str, capped: bool, plan: &Plan, report: &mut Report) -> Result<Judged, Refused> {
    let mut judged = Judged::default();
    let hidden = characters::hidden(text);
    let seen =
        if hidden.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(characters::without(text, &hidden)) };
    let mut hits = hits(&seen, plan);
    if !hits.is_empty() {
        leave_marks_alone(&seen, plan, &mut hits);
        hits.retain(|hit| {
            let flags = hit.deed.action == Action::Flag;
            if flags {
                report.add(hit.deed.rule, hit.found, Action::Flag);
            }
            !flags
        });
        for hit in merged(hits) {
            report.add(hit.deed.rule, hit.found, hit.deed.action);
            match hit.deed.action {
                Action::Block => return Err(Refused::Blocked(hit.deed.rule, hit.found)),
                Action::Drop => judged.drops = true,
                Action::Flag => {}
                Action::Hash | Action::Mask => {
                    let value = seen.get(hit.range.clone()).unwrap_or_default();
                    let salt = plan.salt.as_ref().filter(|_| hit.deed.action == Action::Hash);
                    judged.edits.push((hit.range, marks::mark(hit.name, salt.map(|salt| (value, salt)))));
                }
            }
        }
    }
    if !hidden.is_empty() {
        let mut ranges: Vec<_> = judged.edits.iter().map(|(range, _)| range.clone()).collect();
        characters::place(&mut ranges, &hidden);
        judged.edits.iter_mut().zip(ranges).for_each(|((range, _), placed)| *range = placed);
        strip(&hidden, plan, report, &mut judged)?;
    }
    for cap in plan.text_caps.iter().filter(|_| capped) {
        cut(text, *cap, report, &mut judged)?;
    }
    Ok(judged)
}

impl Judged {
    /// The new text; `None` if it stays as it is.
    pub(super) fn of(&self, text: &str) -> Option<String> {
        if self.whole.is_some() || self.edits.is_empty() {
            return self.whole.clone();
        }
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (range, with) in &self.edits {
            out.push_str(text.get(at..range.start).unwrap_or_default());
            out.push_str(with);
            at = range.end;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        Some(out)
    }
}

fn hits<'p>(seen: &str, plan: &'p Plan) -> Vec<Hit<'p>> {
    let mut findings = Vec::new();
    detect::find(seen, plan.wanted, &mut findings);
    let found = findings.into_iter().filter_map(|finding| {
        let deed = plan.deed(finding.detector)?;
        let found = Found::Detected(finding.detector);
        Some(Hit { range: finding.range, found, name: finding.detector.name(), deed })
    });
    let mut hits: Vec<Hit<'p>> = found.collect();
    for (regex, deed) in &plan.regexes {
        regex.find(seen, |range| {
            hits.push(Hit { range, found: Found::Regex, name: &regex.name, deed: *deed });
        });
    }
    hits
}

/// What lies within a mark of ours was found before.
fn leave_marks_alone(seen: &str, plan: &Plan, hits: &mut Vec<Hit<'_>>) {
    let marks = marks::marks(seen, &plan.names);
    hits.retain(|hit| {
        let before = marks.get(..marks.partition_point(|mark| mark.start <= hit.range.start));
        before.and_then(<[_]>::last).is_none_or(|mark| hit.range.end > mark.end)
    });
}

/// In order, those that overlap as one, which is of the strongest.
fn merged(mut hits: Vec<Hit<'_>>) -> Vec<Hit<'_>> {
    order::sort_by(&mut hits, |a, b| a.range.start.cmp(&b.range.start));
    let mut merged: Vec<Hit<'_>> = Vec::with_capacity(hits.len());
    for hit in hits {
        match merged.last_mut() {
            Some(last) if hit.range.start < last.range.end => {
                let range = last.range.start..last.range.end.max(hit.range.end);
                if hit.deed.action > last.deed.action {
                    *last = hit;
                }
                last.range = range;
            }
            _ => merged.push(hit),
        }
    }
    merged
}

fn strip(
    hidden: &[Range<usize>],
    plan: &Plan,
    report: &mut Report,
    judged: &mut Judged,
) -> Result<(), Refused> {
    match plan.characters {
        None => Ok(()),
        Some((Characters::Refuse, rule)) => {
            report.add(rule, Found::Characters, Characters::Refuse.action());
            Err(Refused::Blocked(rule, Found::Characters))
        }
        Some((Characters::Strip, rule)) => {
            report.add(rule, Found::Characters, Characters::Strip.action());
            let mut edits = std::mem::take(&mut judged.edits).into_iter().peekable();
            for range in hidden {
                while let Some(edit) = edits.next_if(|(edit, _)| edit.start <= range.start) {
                    judged.edits.push(edit);
                }
                // Within a mark it is gone already.
                let covered = judged.edits.last().is_some_and(|(edit, _)| edit.end > range.start);
                if !covered {
                    judged.edits.push((range.clone(), String::new()));
                }
            }
            judged.edits.extend(edits);
            Ok(())
        }
    }
}

/// Bounds what is left of the text: cut at a character, and not within a mark.
fn cut(text: &str, cap: Cap, report: &mut Report, judged: &mut Judged) -> Result<(), Refused> {
    let grown: usize = judged.edits.iter().map(|(_, with)| with.len()).sum();
    if text.len() + grown <= cap.most {
        return Ok(());
    }
    let left = judged.of(text).unwrap_or_else(|| text.to_owned());
    if left.len() <= cap.most {
        return Ok(());
    }
    report.add(cap.deed.rule, Found::Length, cap.deed.action);
    if cap.deed.action == Action::Block {
        return Err(Refused::Blocked(cap.deed.rule, Found::Length));
    }
    let mut end = cap.most.saturating_sub(marks::CUT.len());
    while !left.is_char_boundary(end) {
        end -= 1;
    }
    let mut kept = left.get(..end).unwrap_or_default();
    if let Some(open) =
        kept.rfind("[redacted:").filter(|open| !kept.get(*open..).unwrap_or_default().contains(']'))
    {
        kept = kept.get(..open).unwrap_or_default();
    }
    judged.whole = Some([kept, marks::CUT].concat());
    Ok(())
}
