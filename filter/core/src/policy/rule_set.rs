//! May this principal do this? The one function that judges calls and lists.

use super::arguments::Arguments;
use super::methods::Kind;
use super::question::Question;
use super::rule::{Effect, Rule, RuleId};
use super::who::Fit;
use crate::denial::Refusal;
use crate::identity::principal::Principal;
use crate::mcp::operation::{Operation, Target};

/// The rules of one server, in the order of the configuration. Without rules everything is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSet {
    rules: Vec<Rule>,
    /// Every scope that an allow rule asks for: the ones worth keeping in a step-up.
    scopes: Vec<String>,
}

/// The answer to "may they?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This rule permits it.
    Allow {
        /// The first allow rule that matches.
        rule: RuleId,
    },
    /// This rule would permit it to the same principal with all of these scopes.
    Challenge {
        /// The rule that asks for the fewest scopes not yet granted; the first of equals.
        rule: RuleId,
        /// All scopes to ask for, sorted: those of the rule, and those already granted that rules of this server name.
        scopes: Vec<String>,
    },
    /// It may be called, but not with these arguments.
    Refuse {
        /// The first allow rule that would permit it with others, or the deny rule that means these.
        rule: RuleId,
        /// What is not as demanded.
        refusal: Refusal,
    },
    /// Refused.
    Deny {
        /// The deny rule that matched; `None` when no rule allows it.
        rule: Option<RuleId>,
    },
}

/// What all rules together say of one thing.
enum Finding<'a> {
    Denied(&'a Rule),
    Allowed(&'a Rule),
    /// Rules that lack nothing but scopes, with the scopes they ask for.
    Challenged(Vec<(&'a Rule, Vec<String>)>),
    /// It would be allowed, or challenged, with other arguments.
    Refused(&'a Rule, Refusal),
    Nothing,
}

// === impl RuleSet ===

impl RuleSet {
    /// From compiled rules.
    pub fn new(rules: Vec<Rule>) -> Self {
        let mut scopes: Vec<String> =
            rules.iter().filter(|r| r.effect != Effect::Deny).flat_map(|r| r.who.scopes()).cloned().collect();
        scopes.sort_unstable();
        scopes.dedup();
        Self { rules, scopes }
    }

    /// The rules, in the order of the configuration.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether a credential could help: some allow rule means authenticated principals.
    pub fn expects_credential(&self) -> bool {
        self.rules.iter().any(|r| r.effect != Effect::Deny && r.who.may_be_authenticated())
    }

    /// Judges a call. Every thing that `operation` names must be allowed.
    /// `arguments` are looked at where the method has such that rules judge, and where a rule demands something of them.
    pub fn judge(&self, who: &Principal, operation: &Operation, arguments: Arguments<'_>) -> Verdict {
        match Question::all(operation) {
            Some(questions) => {
                self.settle(who, questions.iter().map(|q| self.find(who, q, arguments)).collect())
            }
            None => Verdict::Deny { rule: None },
        }
    }

    /// Whether any rule demands something of arguments.
    pub fn reads_arguments(&self) -> bool {
        self.rules.iter().any(|r| r.arguments.is_some())
    }

    /// The first rule that needs a build with regular expressions.
    pub fn with_pattern(&self) -> Option<&RuleId> {
        let has = |r: &&Rule| {
            r.arguments
                .as_ref()
                .is_some_and(|d| d.named.iter().any(|(_, constraint)| constraint.pattern.is_some()))
        };
        self.rules.iter().find(has).map(|r| &r.id)
    }

    /// Whether a list shows `target`: its call is allowed with some arguments, or more scopes would allow it by a rule that does not hide.
    pub fn visible(&self, who: &Principal, target: &Target) -> bool {
        let Some(question) = Question::of(Kind::of(target).method(), target) else { return false };
        match self.find(who, &question, Arguments::Any) {
            Finding::Allowed(_) => true,
            Finding::Challenged(rules) => {
                rules.iter().any(|(r, _)| r.effect == Effect::Allow { hide: false })
            }
            Finding::Denied(_) | Finding::Refused(..) | Finding::Nothing => false,
        }
    }

    /// Walks all rules: deny rules that mean `who` win, then the first allow rule, then those that lack scopes only.
    /// What is refused for its arguments alone is told only where the call would else be allowed or challenged: who may not
    /// use a thing at all learns nothing from them.
    fn find<'a>(&'a self, who: &Principal, question: &Question<'_>, arguments: Arguments<'_>) -> Finding<'a> {
        let given = match arguments {
            Arguments::Given(given) if question.has_arguments() => Some(given),
            _ => None,
        };
        let meant = self.rules.iter().filter(|r| r.effect == Effect::Deny && r.who.fit(who) == Fit::Met);
        let (denies, by_arguments): (Vec<&Rule>, Vec<&Rule>) = meant.partition(|r| r.arguments.is_none());
        if let Some(rule) = denies.iter().find(|r| question.concerns(r)) {
            return Finding::Denied(rule);
        }
        let mut refused = given.and_then(|given| {
            let mut concerned = by_arguments.iter().filter(|r| question.concerns(r));
            concerned.find_map(|r| Some((*r, r.arguments.as_ref()?.meant(given)?)))
        });
        let denied = refused.is_some();
        let (mut challenged, mut may_otherwise) = (Vec::new(), false);
        for rule in self.rules.iter().filter(|r| r.effect != Effect::Deny) {
            let fit = rule.who.fit(who);
            if matches!(fit, Fit::Unmet(_)) || !question.concerns(rule) || question.emptied(rule, &denies) {
                continue;
            }
            let demands = rule.arguments.as_ref().filter(|_| !denied);
            let unmet = given.zip(demands).and_then(|(given, demands)| demands.unmet(given));
            if denied || unmet.is_some() {
                may_otherwise = true;
                refused = refused.or_else(|| unmet.map(|unmet| (rule, unmet)));
                continue;
            }
            match fit {
                Fit::Met => return Finding::Allowed(rule),
                Fit::NeedsScopes(scopes) => challenged.push((rule, scopes)),
                Fit::Unmet(_) => {}
            }
        }
        match refused {
            _ if !challenged.is_empty() => Finding::Challenged(challenged),
            Some((rule, refusal)) if may_otherwise => Finding::Refused(rule, refusal),
            _ => Finding::Nothing,
        }
    }

    /// Joins what was found for every thing named: one denial denies, one challenge challenges.
    fn settle(&self, who: &Principal, findings: Vec<Finding<'_>>) -> Verdict {
        let granted = who.identity().map_or(&[][..], |i| &i.scopes);
        let (mut allowed, mut asked, mut scopes) = (None, None, Vec::new());
        let mut nothing = findings.is_empty();
        for finding in findings {
            match finding {
                Finding::Denied(rule) => return Verdict::Deny { rule: Some(rule.id.clone()) },
                Finding::Refused(rule, refusal) => {
                    return Verdict::Refuse { rule: rule.id.clone(), refusal };
                }
                Finding::Nothing => nothing = true,
                Finding::Allowed(rule) => {
                    allowed.get_or_insert(&rule.id);
                }
                Finding::Challenged(rules) => {
                    let missing = |s: &[String]| s.iter().filter(|x| !granted.contains(x)).count();
                    if let Some((rule, needed)) = rules.into_iter().min_by_key(|(_, s)| missing(s)) {
                        asked.get_or_insert(&rule.id);
                        scopes.extend(needed);
                    }
                }
            }
        }
        match (nothing, asked, allowed) {
            (false, Some(rule), _) => {
                Verdict::Challenge { rule: rule.clone(), scopes: self.step_up(granted, scopes) }
            }
            (false, None, Some(rule)) => Verdict::Allow { rule: rule.clone() },
            _ => Verdict::Deny { rule: None },
        }
    }

    /// A client that asks for exactly these scopes loses none of those that matter here.
    fn step_up(&self, granted: &[String], mut needed: Vec<String>) -> Vec<String> {
        needed.extend(granted.iter().filter(|s| self.scopes.contains(s)).cloned());
        needed.sort_unstable();
        needed.dedup();
        needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::pattern::Pattern;
    use crate::policy::rule::Targets;
    use crate::policy::who::Who;

    #[test]
    fn a_template_is_not_listed_where_all_that_is_allowed_of_it_is_denied_again() {
        let rule = |id, effect, pattern| {
            let resources = vec![Pattern::parse(pattern).unwrap()];
            let targets = Targets { resources, ..Targets::default() };
            Rule { id: RuleId::new(id), effect, who: Who::Everyone, methods: None, targets, arguments: None }
        };
        let allow = Effect::Allow { hide: false };
        let template = Target::Template("notes://{any}".into());
        for (allowed, listed) in [("notes://secret/own/*", false), ("notes://*", true)] {
            let rules = RuleSet::new(vec![
                rule("allow", allow, allowed),
                rule("deny", Effect::Deny, "notes://secret/*"),
            ]);
            assert_eq!(rules.visible(&Principal::Anonymous, &template), listed, "{allowed}");
        }
    }
}
