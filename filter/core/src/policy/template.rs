//! Which resources can a URI template stand for? (RFC 6570, as `resources/templates/list` gives them.)
//!
//! The rule for lists: a template is shown if some URI that it can expand to matches an allow pattern, and neither the
//! template nor that allow pattern lies wholly within a deny pattern. An expression in braces counts as any text. So
//! every template is shown of which one URI may be read; one too many can be shown only where several deny patterns
//! together, but none alone, cover it.

use super::pattern::Pattern;
use super::resource_uri::{ResourceUri, is_web, normal_percent, split_scheme};

/// The longest template that is judged, in bytes. Real ones are a line.
const MAX_BYTES: usize = 2048;
/// The most expressions of one template.
const MAX_HOLES: usize = 16;

/// A template as its literal pieces (in normal form), with a hole between each and the next: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<String>);

// === impl Template ===

impl Template {
    /// Takes `text` apart; `None` if its braces do not pair, no expansion can have a normal form, or it is longer or holds more
    /// expressions than any template does that is not made to keep us busy.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.contains(['{', '}']) {
            // It is a URI, and judged as one.
            return Some(Self(vec![ResourceUri::parse(text).ok()?.as_str().to_owned()]));
        }
        if text.len() > MAX_BYTES || text.matches('{').count() > MAX_HOLES {
            return None;
        }
        if text.contains(|c: char| c.is_control() || c == '\\') {
            return None;
        }
        let (scheme, rest) = split_scheme(text).ok()?;
        let mut template = Self(vec![format!("{scheme}:")]);
        if has_dot_segment(rest) {
            // What normalization leaves of it depends on what fills the holes.
            template.push_hole();
            return Some(template);
        }
        let path = match rest.strip_prefix("//") {
            Some(hier) => {
                let (authority, path) = hier.split_at(hier.find('/').unwrap_or(hier.len()));
                template.push("//");
                template.push_authority(&scheme, authority)?;
                path
            }
            None => rest,
        };
        template.push_text(path)?;
        Some(template)
    }

    /// Whether some expansion matches `pattern`. Follows all places in the pattern at once where what was read so far can
    /// stand: many behind a hole, few again after the next literal.
    pub fn overlaps(&self, pattern: &Pattern) -> bool {
        let end = pattern.end();
        let mut places = vec![0];
        for (index, piece) in self.0.iter().enumerate() {
            if index > 0 {
                // Some text leads from each place to every later one.
                places = (places.first().map_or(end + 1, |first| *first)..=end).collect();
            }
            for byte in piece.bytes() {
                places = places.iter().filter_map(|at| pattern.next(*at, byte)).collect();
                // Their order stays, so that only neighbours can have become one.
                places.dedup();
                if places.is_empty() {
                    return false;
                }
            }
        }
        places.last() == Some(&end)
    }

    /// Whether every expansion surely matches `pattern`: only a trailing `*` (or equality) can promise that.
    pub fn within(&self, pattern: &Pattern) -> bool {
        match self.0.as_slice() {
            [prefix, ..] if pattern.is_prefix() => prefix.starts_with(pattern.literal_prefix()),
            [whole] => pattern.matches(whole),
            _ => false,
        }
    }

    fn push(&mut self, literal: &str) {
        if let Some(last) = self.0.last_mut() {
            last.push_str(literal);
        }
    }

    /// One hole beside another is one hole.
    fn push_hole(&mut self) {
        if !matches!(self.0.as_slice(), [_, .., last] if last.is_empty()) {
            self.0.push(String::new());
        }
    }

    /// Pushes `text` with its holes; literal stretches in normal form.
    fn push_text(&mut self, text: &str) -> Option<()> {
        let mut rest = text;
        loop {
            let (literal, after) = rest.split_once('{').map_or((rest, None), |(l, a)| (l, Some(a)));
            if literal.contains('}') {
                return None;
            }
            self.push(&normal_percent(literal).ok()?);
            let Some(after) = after else { return Some(()) };
            let (expression, tail) = after.split_once('}')?;
            if expression.is_empty() || expression.contains('{') {
                return None;
            }
            self.push_hole();
            rest = tail;
        }
    }

    /// An authority without holes has a normal form; with holes it is any text where a user name or a port could stand.
    fn push_authority(&mut self, scheme: &str, authority: &str) -> Option<()> {
        if !authority.contains(['{', '}']) {
            let whole = ResourceUri::parse(&format!("{scheme}://{authority}/")).ok()?;
            self.push(whole.as_str().strip_prefix(scheme)?.strip_prefix("://")?.strip_suffix('/')?);
            return Some(());
        }
        if is_web(scheme) || authority.contains('@') || authority.contains(|c: char| c.is_ascii_uppercase()) {
            Self(Vec::new()).push_text(authority)?;
            self.push_hole();
            return Some(());
        }
        self.push_text(authority)
    }
}

/// Whether a literal segment is `.` or `..`, encoded ones included.
fn has_dot_segment(text: &str) -> bool {
    let decoded = text.replace("%2e", ".").replace("%2E", ".");
    decoded.split(['/', '}', '{']).any(|s| matches!(s, "." | ".."))
}

#[cfg(test)]
mod tests;
