//! What do single rules say to somebody who asks something with some arguments?

use super::arguments::Arguments;
use super::caller::Caller;
use super::question::Question;
use super::rule::{Effect, Rule};
use super::standing::{Challenge, Finding};
use super::who::Fit;

/// Who asks, with which arguments, and whether rules that only tell count.
#[derive(Clone, Copy)]
pub(super) struct Asking<'c, 'p> {
    pub(super) who: &'c Caller<'p>,
    pub(super) arguments: Arguments<'c>,
    pub(super) with_shadow: bool,
}

// === impl Asking ===

impl Asking<'_, '_> {
    /// Whether a deny rule leaves out what is asked about.
    pub(super) fn excepts(&self, rule: &Rule, question: &Question<'_>) -> bool {
        rule.unless_read_only && question.tool().is_some_and(|tool| self.who.knows_read_only(tool))
    }

    /// The arguments that rules judge; `None` where they are not asked about any.
    pub(super) fn given(&self, question: &Question<'_>) -> Option<&[u8]> {
        match self.arguments {
            Arguments::Given(given) if question.has_arguments() => Some(given),
            _ => None,
        }
    }

    /// What the allow rules among these say: the first that matches, then those that lack scopes only.
    pub(super) fn permitted<'a>(
        &self,
        rules: &[&'a Rule],
        question: &Question<'_>,
        denies: &[&Rule],
        given: Option<&[u8]>,
    ) -> Finding<'a> {
        let mut challenged = Vec::new();
        for rule in rules.iter().filter(|r| matches!(r.effect, Effect::Allow { .. })) {
            let fit = rule.who.fit(*self.who);
            if matches!(fit, Fit::Unmet(_)) || !question.concerns(rule) || question.emptied(rule, denies) {
                continue;
            }
            let demands = given.zip(rule.arguments.as_ref());
            if demands.is_some_and(|(given, demands)| demands.unmet(given).is_some()) {
                continue;
            }
            match fit {
                Fit::Met => return Finding::Allowed(rule),
                Fit::NeedsScopes(scopes) => {
                    let hide = rule.effect == Effect::Allow { hide: true };
                    challenged.push(Challenge { rule, scopes, hide });
                }
                Fit::Unmet(_) => {}
            }
        }
        if challenged.is_empty() { Finding::Nothing } else { Finding::Challenged(challenged) }
    }
}
