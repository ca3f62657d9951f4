//! What do the rules say that stand for one caller? They are found once, however many things are asked about.

use super::arguments::Arguments;
use super::asking::Asking;
use super::caller::Caller;
use super::layer::{Layer, Level};
use super::methods::Kind;
use super::question::Question;
use super::rule::{Effect, Rule};
use super::standing::{Finding, Said, Standing, edge};
use super::who::Fit;
use crate::denial::Refusal;
use crate::mcp::operation::Target;

/// The layers of a server that mean one caller, the server's own first.
#[derive(Clone, Debug)]
pub struct ForCaller<'a> {
    pub(super) layers: Vec<&'a Layer>,
}

// === impl ForCaller ===

impl<'a> ForCaller<'a> {
    /// Whether a list shows `target` to `who`, for whom these rules stand: [`super::rule_set::RuleSet::visible`].
    pub fn visible<'c>(&self, who: impl Into<Caller<'c>>, target: &Target) -> bool {
        let Some(question) = Question::of(Kind::of(target).method(), target) else { return false };
        let asking = Asking { who: &who.into(), arguments: Arguments::Any, with_shadow: false };
        match self.find(&asking, &question) {
            Finding::Allowed(_) => true,
            Finding::Challenged(rules) => rules.iter().any(|challenge| !challenge.hide),
            Finding::Denied(_) | Finding::Beyond(_) | Finding::Refused(..) | Finding::Nothing => false,
        }
    }

    /// The rules that stand for the caller, and count.
    fn rules(&self, asking: &Asking<'_, '_>) -> impl Iterator<Item = (&'a Layer, &'a Rule)> {
        let with_shadow = asking.with_shadow;
        let rules = self.layers.iter().flat_map(|layer| layer.rules.iter().map(move |rule| (*layer, rule)));
        rules.filter(move |(_, rule)| with_shadow || !rule.shadow)
    }

    /// Walks all rules that stand for the caller: deny rules win wherever they stand; then the levels. What is refused for its
    /// arguments alone is told only where the call would else be allowed or challenged: who may not use a thing at all learns
    /// nothing from them.
    pub(super) fn find(&self, asking: &Asking<'_, '_>, question: &Question<'_>) -> Finding<'a> {
        let meant = self
            .rules(asking)
            .map(|(_, rule)| rule)
            .filter(|r| r.effect == Effect::Deny && r.who.fit(*asking.who) == Fit::Met);
        let (denies, by_arguments): (Vec<&Rule>, Vec<&Rule>) = meant.partition(|r| r.arguments.is_none());
        let concerned = |r: &&&Rule| question.concerns(r) && !asking.excepts(r, question);
        if let Some(rule) = denies.iter().find(concerned) {
            return Finding::Denied(rule);
        }
        let given = asking.given(question);
        let denied = given.and_then(|given| {
            let mut concerned = by_arguments.iter().filter(concerned);
            concerned.find_map(|r| Some((*r, r.arguments.as_ref()?.meant(given)?)))
        });
        let with = |given| self.through_levels(asking, question, &denies, given);
        let found = if denied.is_some() { Finding::Nothing } else { with(given) };
        if given.is_none() || found.is_permitted() {
            return found;
        }
        let refused = denied.or_else(|| self.unmet(asking, question, &denies, given?));
        match (with(None), refused) {
            (otherwise, Some((rule, refusal))) if otherwise.is_permitted() => Finding::Refused(rule, refusal),
            (otherwise, _) if otherwise.is_permitted() => found,
            (otherwise, _) => otherwise,
        }
    }

    /// The first allow rule that demands other arguments than are `given`, and what of them is not as it demands.
    fn unmet(
        &self,
        asking: &Asking<'_, '_>,
        question: &Question<'_>,
        denies: &[&Rule],
        given: &[u8],
    ) -> Option<(&'a Rule, Refusal)> {
        let rules = self.rules(asking).map(|(_, rule)| rule);
        let mut concerned = rules.filter(|r| {
            let meant =
                matches!(r.effect, Effect::Allow { .. }) && !matches!(r.who.fit(*asking.who), Fit::Unmet(_));
            meant && question.concerns(r) && !question.emptied(r, denies)
        });
        concerned.find_map(|r| Some((r, r.arguments.as_ref()?.unmet(given)?)))
    }

    /// The levels, from the top down. A level without rules for the caller says nothing, and the highest that has some begins.
    /// With `None` for arguments, what rules demand of them counts as met.
    fn through_levels(
        &self,
        asking: &Asking<'_, '_>,
        question: &Question<'_>,
        denies: &[&Rule],
        given: Option<&[u8]>,
    ) -> Finding<'a> {
        let mut standing: Option<Standing<'a>> = None;
        for level in Level::ALL {
            let mut of_level = self.layers.iter().filter(|layer| layer.member.level() == level);
            // One whose rules only tell is there all the same: what stands below it does not become the highest.
            if of_level.all(|layer| layer.rules.is_empty()) {
                continue;
            }
            let rules = self.rules(asking).filter(|(layer, _)| layer.member.level() == level);
            let rules: Vec<&Rule> = rules.map(|(_, rule)| rule).collect();
            let said = Said {
                found: asking.permitted(&rules, question, denies, given),
                delegates: rules.iter().any(|r| {
                    let meant = r.effect == Effect::Delegate && r.who.fit(*asking.who) == Fit::Met;
                    meant && question.concerns(r) && !question.emptied(r, denies)
                }),
                edge: edge(&rules, question),
            };
            standing = Some(match standing {
                None => Standing::first(said),
                Some(above) => above.below(said),
            });
        }
        standing.map_or(Finding::Nothing, |standing| standing.finding)
    }
}
