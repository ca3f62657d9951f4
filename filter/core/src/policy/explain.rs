//! Why is the verdict what it is? Every rule considered, with what it says and why it does not apply.

use super::arguments::Arguments;
use super::caller::Caller;
use super::methods::{Class, class_of};
use super::question::Question;
use super::rule::{Effect, Rule, RuleId};
use super::rule_set::{RuleSet, Shadow, Verdict};
use super::who::Fit;
use crate::denial::Refusal;
use crate::mcp::operation::Operation;

/// A verdict and how each rule stood to it, in the order of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The verdict, from the same function that judges traffic.
    pub verdict: Verdict,
    /// What rules that only tell would change.
    pub shadow: Option<Shadow>,
    /// Why no rule can allow the operation, whatever the rules say; `None` in the usual case.
    pub impossible: Option<&'static str>,
    /// One entry for every rule.
    pub considered: Vec<Considered>,
}

/// How one rule stands to the operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// Its id.
    pub rule: RuleId,
    /// Where it stands: `rules`, or the layer (`clients[cli]`).
    pub layer: String,
    /// `allow`, `deny` or `delegable`.
    pub effect: &'static str,
    /// Whether it only tells what it would do.
    pub shadow: bool,
    /// What it says.
    pub outcome: Outcome,
    /// Whether the verdict names it.
    pub decides: bool,
}

/// What one rule says of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It matches. Which of the things named; empty if none are.
    Matches(Vec<String>),
    /// It would match with all of these scopes.
    NeedsScopes(Vec<String>),
    /// It means somebody else; the key of `who` that says so.
    OtherPrincipal(&'static str),
    /// It demands other arguments (an allow rule), or this makes it mean the call (a deny rule).
    Arguments(Refusal),
    /// It is a deny rule and means other arguments.
    OtherArguments,
    /// It speaks of other methods or things.
    OtherOperation,
    /// It stands in a layer of others.
    OtherLayer,
    /// It leaves out tools that change nothing, and this one is known to be such.
    ReadOnly,
    /// It permits other things of this kind, and its layer nothing beyond them.
    Beyond,
}

// === impl RuleSet ===

impl RuleSet {
    /// Judges as [`RuleSet::judge`] does and tells how every rule stood to it.
    pub fn explain<'c>(
        &self,
        who: impl Into<Caller<'c>>,
        operation: &Operation,
        arguments: Arguments<'_>,
    ) -> Explanation {
        let who = who.into();
        let verdict = self.judge(who, operation, arguments);
        let decider = match &verdict {
            Verdict::Allow { rule } | Verdict::Challenge { rule, .. } | Verdict::Refuse { rule, .. } => {
                Some(rule)
            }
            Verdict::Deny { rule } => rule.as_ref(),
        };
        let questions = Question::all(operation);
        let considered = self.all().map(|(layer, rule)| {
            let asked = questions.as_deref().unwrap_or_default();
            let concerned: Vec<usize> =
                asked.iter().enumerate().filter(|(_, q)| q.concerns(rule)).map(|(at, _)| at).collect();
            let names = concerned.iter().filter_map(|at| operation.targets.get(*at));
            let decides = decider == Some(&rule.id);
            let known = |q: &Question<'_>| q.tool().is_some_and(|tool| who.knows_read_only(tool));
            let outcome = match rule.who.fit(who) {
                _ if !layer.member.means(who.principal) => Outcome::OtherLayer,
                _ if concerned.is_empty() && decides => Outcome::Beyond,
                _ if concerned.is_empty() => Outcome::OtherOperation,
                Fit::Unmet(key) => Outcome::OtherPrincipal(key),
                Fit::Met if rule.unless_read_only && asked.iter().all(known) => Outcome::ReadOnly,
                fit => match (by_arguments(rule, asked, &concerned, arguments), fit) {
                    (Some(outcome), _) => outcome,
                    (None, Fit::NeedsScopes(scopes)) => Outcome::NeedsScopes(scopes),
                    (None, _) => Outcome::Matches(names.map(|t| t.name().to_owned()).collect()),
                },
            };
            let effect = match rule.effect {
                Effect::Allow { .. } => "allow",
                Effect::Deny => "deny",
                Effect::Delegate => "delegable",
            };
            let (layer, shadow) = (layer.member.to_string(), rule.shadow);
            Considered { rule: rule.id.clone(), layer, effect, shadow, outcome, decides }
        });
        let considered = considered.collect();
        let impossible = questions.is_none().then(|| why_impossible(operation));
        let shadow = self.shadow(who, operation, arguments);
        Explanation { verdict, shadow, impossible, considered }
    }
}

// === impl Outcome ===

impl Outcome {
    /// One phrase for people.
    pub fn to_text(&self) -> String {
        match self {
            Self::Matches(names) if names.is_empty() => "matches".to_owned(),
            Self::Matches(names) => format!("matches {}", names.join(", ")),
            Self::NeedsScopes(scopes) => format!("would match with the scopes {}", scopes.join(" ")),
            Self::OtherPrincipal("credential") => "does not match: it needs a credential".to_owned(),
            Self::OtherPrincipal("anonymous") => {
                "does not match: it means those without a credential".to_owned()
            }
            Self::OtherPrincipal(key) => format!("does not match: who.{key}"),
            Self::Arguments(refusal) if refusal.path.is_empty() => {
                format!("the arguments decide: {}", refusal.constraint)
            }
            Self::Arguments(refusal) => {
                format!("the argument {} decides: {}", refusal.path, refusal.constraint)
            }
            Self::OtherArguments => "does not match: other arguments".to_owned(),
            Self::OtherOperation => "does not match: other methods or targets".to_owned(),
            Self::OtherLayer => "does not count: a layer of others".to_owned(),
            Self::ReadOnly => "does not match: the tool is listed as read-only".to_owned(),
            Self::Beyond => "allows other things, and its layer nothing beyond them".to_owned(),
        }
    }
}

/// What its demands make of a rule that means the caller and the call; `None` where they change nothing.
fn by_arguments(
    rule: &Rule,
    asked: &[Question<'_>],
    concerned: &[usize],
    arguments: Arguments<'_>,
) -> Option<Outcome> {
    let (Some(demands), Arguments::Given(given)) = (&rule.arguments, arguments) else { return None };
    if !concerned.iter().filter_map(|at| asked.get(*at)).any(Question::has_arguments) {
        return None;
    }
    match rule.effect {
        Effect::Deny => Some(demands.meant(given).map_or(Outcome::OtherArguments, Outcome::Arguments)),
        Effect::Allow { .. } | Effect::Delegate => demands.unmet(given).map(Outcome::Arguments),
    }
}

fn why_impossible(operation: &Operation) -> &'static str {
    match class_of(&operation.method) {
        Class::FromServer => "only servers send this method",
        Class::Targeted(_) if operation.targets.is_empty() => "the call names nothing to act on",
        Class::Targeted(_) | Class::MayTarget(_) => {
            "a target has no normal form, or is of a kind that the method does not use"
        }
        Class::Housekeeping | Class::Other => "the method names no targets",
    }
}
