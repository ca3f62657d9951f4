//! How do layers come together? Level by level from the top down: one below narrows as it likes, and widens what those above
//! have left open to it.

use super::question::Question;
use super::rule::{Effect, Rule};
use crate::denial::Refusal;

/// What all rules together say of one thing.
#[derive(Clone)]
pub(super) enum Finding<'a> {
    Denied(&'a Rule),
    Allowed(&'a Rule),
    /// Rules that lack nothing but scopes.
    Challenged(Vec<Challenge<'a>>),
    /// A layer permits other things of this kind by this rule, and not this one.
    Beyond(&'a Rule),
    /// It would be allowed, or challenged, with other arguments. Said of all levels together only.
    Refused(&'a Rule, Refusal),
    Nothing,
}

/// A rule that lacks nothing but scopes.
#[derive(Clone)]
pub(super) struct Challenge<'a> {
    pub(super) rule: &'a Rule,
    /// All that it asks for.
    pub(super) scopes: Vec<String>,
    /// Whether lists do not show what these would permit.
    pub(super) hide: bool,
}

/// What one level says of one thing.
pub(super) struct Said<'a> {
    pub(super) found: Finding<'a>,
    /// Whether it marks it as delegable.
    pub(super) delegates: bool,
    /// See [`edge`].
    pub(super) edge: Option<&'a Rule>,
}

/// What the levels so far say of one thing.
pub(super) struct Standing<'a> {
    pub(super) finding: Finding<'a>,
    /// What a level below can make of it at most: what is permitted here; [`Finding::Nothing`] for whatever that level says;
    /// `None` where it can permit nothing.
    ceiling: Option<Finding<'a>>,
}

// === impl Finding ===

impl Finding<'_> {
    /// Whether it is allowed, perhaps with more scopes.
    pub(super) const fn is_permitted(&self) -> bool {
        matches!(self, Self::Allowed(_) | Self::Challenged(_))
    }
}

// === impl Standing ===

impl<'a> Standing<'a> {
    /// The highest level says it.
    pub(super) fn first(said: Said<'a>) -> Self {
        let ceiling = match &said.found {
            Finding::Nothing => said.delegates.then_some(Finding::Nothing),
            found => Some(found.clone()),
        };
        Self { finding: said.found, ceiling }
    }

    /// A level below has been heard: it narrows as it likes, and widens what those above have left open.
    pub(super) fn below(self, said: Said<'a>) -> Self {
        match (said.found, said.edge, self.ceiling) {
            (Finding::Nothing, None, ceiling) => Self { finding: self.finding, ceiling },
            (Finding::Nothing, Some(edge), ceiling) => {
                let finding = match self.finding {
                    Finding::Allowed(_) | Finding::Challenged(_) => Finding::Beyond(edge),
                    nothing => nothing,
                };
                Self { finding, ceiling: ceiling.filter(|_| said.delegates) }
            }
            (_, _, None) => Self { finding: self.finding, ceiling: None },
            (found, _, Some(ceiling)) => {
                let finding = under(ceiling, found);
                Self { ceiling: Some(finding.clone()), finding }
            }
        }
    }
}

/// What is permitted above and below, and by what: where both ask for scopes, those of both.
fn under<'a>(ceiling: Finding<'a>, found: Finding<'a>) -> Finding<'a> {
    match (ceiling, found) {
        (Finding::Challenged(above), Finding::Challenged(found)) => Finding::Challenged(both(&above, found)),
        (above @ Finding::Challenged(_), _) => above,
        (_, found) => found,
    }
}

fn both<'a>(above: &[Challenge<'a>], found: Vec<Challenge<'a>>) -> Vec<Challenge<'a>> {
    let least = above.iter().map(|challenge| &challenge.scopes).min_by_key(|scopes| scopes.len());
    let hidden = above.iter().all(|challenge| challenge.hide);
    let more = |challenge: Challenge<'a>| {
        let mut scopes = challenge.scopes;
        scopes.extend(least.into_iter().flatten().cloned());
        Challenge { scopes, hide: challenge.hide || hidden, ..challenge }
    };
    found.into_iter().map(more).collect()
}

/// The first allow rule of a layer that names things of the kind asked about: beyond those the layer permits none.
pub(super) fn edge<'a>(rules: &[&'a Rule], question: &Question<'_>) -> Option<&'a Rule> {
    let mut allows = rules.iter().filter(|r| matches!(r.effect, Effect::Allow { .. }));
    allows.find(|rule| question.is_of_a_kind_in(rule)).copied()
}
