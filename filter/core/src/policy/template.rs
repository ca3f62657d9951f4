//! Which resources can a URI template stand for? (RFC 6570, as `resources/templates/list` gives them.)
//!
//! The rule for lists: a template is shown if some URI that it can expand to matches an allow pattern, and neither the
//! template nor that allow pattern lies wholly within a deny pattern. An expression in braces counts as any text. So
//! every template is shown of which one URI may be read; one too many can be shown only where several deny patterns
//! together, but none alone, cover it.

use super::pattern::{Pattern, Step};
use super::resource_uri::{ResourceUri, is_web, normal_percent, split_scheme};

/// A template as literal characters (in normal form) and holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    steps: Vec<Step>,
    /// What every expansion begins with.
    prefix: String,
}

// === impl Template ===

impl Template {
    /// Takes `text` apart; `None` if its braces do not pair, or no expansion can have a normal form.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.contains(['{', '}']) {
            // It is a URI, and judged as one.
            let uri = ResourceUri::parse(text).ok()?;
            return Some(Self::new(literals(uri.as_str()).collect()));
        }
        if text.contains(|c: char| c.is_control() || c == '\\') {
            return None;
        }
        let (scheme, rest) = split_scheme(text).ok()?;
        let mut steps: Vec<Step> = literals(&format!("{scheme}:")).collect();
        if has_dot_segment(rest) {
            // What normalization leaves of it depends on what fills the holes.
            steps.push(Step::Rest);
            return Some(Self::new(steps));
        }
        let path = match rest.strip_prefix("//") {
            Some(hier) => {
                let (authority, path) = hier.split_at(hier.find('/').unwrap_or(hier.len()));
                steps.extend(literals("//"));
                push_authority(&mut steps, &scheme, authority)?;
                path
            }
            None => rest,
        };
        push_text(&mut steps, path, |literal| literal)?;
        Some(Self::new(steps))
    }

    /// Whether some expansion matches `pattern`.
    pub fn overlaps(&self, pattern: &Pattern) -> bool {
        intersect(&self.steps, &pattern.steps())
    }

    /// Whether every expansion surely matches `pattern`: only a trailing `*` (or equality) can promise that.
    pub fn within(&self, pattern: &Pattern) -> bool {
        match pattern.steps().split_last() {
            Some((Step::Rest, _)) => self.prefix.starts_with(pattern.literal_prefix()),
            _ => !self.steps.contains(&Step::Rest) && pattern.matches(&self.prefix),
        }
    }

    fn new(steps: Vec<Step>) -> Self {
        let literal = |s: &Step| if let Step::Literal(c) = s { Some(*c) } else { None };
        Self { prefix: steps.iter().map_while(literal).collect(), steps }
    }
}

fn literals(text: &str) -> impl Iterator<Item = Step> {
    text.chars().map(Step::Literal)
}

/// Pushes `text` with its holes; literal stretches in normal form and then through `fold`.
fn push_text(steps: &mut Vec<Step>, text: &str, fold: fn(String) -> String) -> Option<()> {
    let mut rest = text;
    loop {
        let (literal, after) = rest.split_once('{').map_or((rest, None), |(l, a)| (l, Some(a)));
        if literal.contains('}') {
            return None;
        }
        steps.extend(literals(&fold(normal_percent(literal).ok()?)));
        let Some(after) = after else { return Some(()) };
        let (expression, tail) = after.split_once('}')?;
        if expression.is_empty() || expression.contains('{') {
            return None;
        }
        steps.push(Step::Rest);
        rest = tail;
    }
}

/// An authority without holes has a normal form; with holes it is any text where a user name or a port could stand.
fn push_authority(steps: &mut Vec<Step>, scheme: &str, authority: &str) -> Option<()> {
    if !authority.contains(['{', '}']) {
        let whole = ResourceUri::parse(&format!("{scheme}://{authority}/")).ok()?;
        let normal = whole.as_str().strip_prefix(scheme)?.strip_prefix("://")?.strip_suffix('/')?;
        steps.extend(literals(normal));
        return Some(());
    }
    if is_web(scheme) || authority.contains('@') || authority.contains(|c: char| c.is_ascii_uppercase()) {
        push_text(&mut Vec::new(), authority, |literal| literal)?;
        steps.push(Step::Rest);
        return Some(());
    }
    push_text(steps, authority, |literal| literal)
}

/// Whether a literal segment is `.` or `..`, encoded ones included.
fn has_dot_segment(text: &str) -> bool {
    let decoded = text.replace("%2e", ".").replace("%2E", ".");
    decoded.split(['/', '}', '{']).any(|s| matches!(s, "." | ".."))
}

/// Whether the two sequences have a text in common. Walks the pairs of positions once: at most `a.len() * b.len()`.
fn intersect(a: &[Step], b: &[Step]) -> bool {
    let width = b.len() + 1;
    let mut reached = vec![false; (a.len() + 1) * width];
    let mut open = vec![(0, 0)];
    while let Some((i, j)) = open.pop() {
        match reached.get_mut(i * width + j) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        let (x, y) = (a.get(i), b.get(j));
        if x.is_none() && y.is_none() {
            return true;
        }
        // A run may end here.
        if x.is_some_and(Step::repeats) {
            open.push((i + 1, j));
        }
        if y.is_some_and(Step::repeats) {
            open.push((i, j + 1));
        }
        if let (Some(x), Some(y)) = (x, y)
            && x.meets(y)
        {
            open.push((i + usize::from(!x.repeats()), j + usize::from(!y.repeats())));
        }
    }
    false
}

// === impl Step ===

impl Step {
    const fn repeats(&self) -> bool {
        matches!(self, Self::Rest | Self::Others(..))
    }

    /// Whether one character fits both.
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(a), Self::Literal(b)) => a == b,
            (Self::Literal(c), Self::Other(x, y) | Self::Others(x, y))
            | (Self::Other(x, y) | Self::Others(x, y), Self::Literal(c)) => Some(*c) != *x && c != y,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests;
