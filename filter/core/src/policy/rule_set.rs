//! May this principal do this? The one function that judges calls and lists.

use super::arguments::Arguments;
use super::asking::Asking;
use super::caller::Caller;
use super::for_caller::ForCaller;
use super::layer::{Layer, Member};
use super::question::Question;
use super::rule::{Effect, Rule, RuleId};
use super::standing::{Challenge, Finding};
use crate::denial::Refusal;
use crate::identity::principal::Principal;
use crate::mcp::operation::{Operation, Target};
use crate::order;

/// The rules of one server: its own, and those of layers below. Without rules everything is denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSet {
    /// The server's own first.
    layers: Vec<Layer>,
    /// Every scope that an allow rule asks for: the ones worth keeping in a step-up.
    scopes: Vec<String>,
}

/// The answer to "may they?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This rule permits it.
    Allow {
        /// The first allow rule that matches, of the lowest layer that has one.
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
        /// The deny rule that matched, or the allow rule of a layer beyond which that permits nothing of the kind; `None` when
        /// no rule allows it.
        rule: Option<RuleId>,
    },
}

/// What rules that only tell would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// `would_allow`, `would_challenge` or `would_deny`.
    pub verdict: &'static str,
    /// The rule that would decide.
    pub rule: RuleId,
}

// === impl RuleSet ===

impl RuleSet {
    /// From compiled rules of the server's own.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self::layered(rules, Vec::new())
    }

    /// The same with layers below.
    pub fn layered(rules: Vec<Rule>, below: Vec<Layer>) -> Self {
        let mut layers = vec![Layer { member: Member::Everyone, rules }];
        layers.extend(below);
        let all = || layers.iter().flat_map(|layer| &layer.rules);
        let named = all().filter(|r| r.effect != Effect::Deny).flat_map(|r| r.who.scopes());
        let scopes = each_once(named.map(String::as_str).collect());
        Self { layers, scopes }
    }

    /// All rules with the layer that each stands in: the server's own first.
    pub fn all(&self) -> impl Iterator<Item = (&Layer, &Rule)> {
        self.layers.iter().flat_map(|layer| layer.rules.iter().map(move |rule| (layer, rule)))
    }

    /// The server's own rules, in the order of the configuration.
    pub fn rules(&self) -> &[Rule] {
        self.layers.first().map_or(&[], |layer| &layer.rules)
    }

    /// Whether a credential could help: some allow rule means authenticated principals.
    pub fn expects_credential(&self) -> bool {
        let known = |layer: &Layer| layer.member != Member::Anonymous;
        self.all().any(|(layer, r)| {
            let theirs = layer.member != Member::Everyone || r.who.may_be_authenticated();
            r.allows() && known(layer) && theirs
        })
    }

    /// Whether a token could help who shows a certificate alone.
    pub fn expects_token(&self) -> bool {
        self.all().any(|(layer, rule)| {
            let of_token = matches!(layer.member, Member::Of { .. }) || rule.who.asks_token();
            rule.allows() && of_token && layer.member != Member::Anonymous
        })
    }

    /// Whether some rule permits something to those without a credential.
    pub fn admits_anonymous(&self) -> bool {
        self.all().any(|(layer, rule)| {
            matches!(layer.member, Member::Everyone | Member::Anonymous) && rule.admits_anonymous()
        })
    }

    /// Whether the verdict depends on what is known of tools.
    pub fn reads_annotations(&self) -> bool {
        self.all().any(|(_, rule)| rule.unless_read_only)
    }

    /// Judges a call. Every thing that `operation` names must be allowed.
    /// `arguments` are looked at where the method has such that rules judge, and where a rule demands something of them.
    pub fn judge<'c>(
        &self,
        who: impl Into<Caller<'c>>,
        operation: &Operation,
        arguments: Arguments<'_>,
    ) -> Verdict {
        self.judged(&Asking { who: &who.into(), arguments, with_shadow: false }, operation)
    }

    /// Whether any rule demands something of arguments.
    pub fn reads_arguments(&self) -> bool {
        self.all().any(|(_, rule)| rule.arguments.is_some())
    }

    /// What rules that only tell would make of it, where that is another verdict than the one in force.
    pub fn shadow<'c>(
        &self,
        who: impl Into<Caller<'c>>,
        operation: &Operation,
        arguments: Arguments<'_>,
    ) -> Option<Shadow> {
        if !self.all().any(|(_, rule)| rule.shadow) {
            return None;
        }
        let who = who.into();
        let [now, then] = [false, true]
            .map(|with_shadow| self.judged(&Asking { who: &who, arguments, with_shadow }, operation));
        match (now, then) {
            (Verdict::Allow { .. }, Verdict::Allow { .. })
            | (Verdict::Challenge { .. }, Verdict::Challenge { .. })
            | (
                Verdict::Deny { .. } | Verdict::Refuse { .. },
                Verdict::Deny { .. } | Verdict::Refuse { .. },
            )
            | (_, Verdict::Deny { rule: None }) => None,
            (_, Verdict::Allow { rule }) => Some(Shadow { verdict: "would_allow", rule }),
            (_, Verdict::Challenge { rule, .. }) => Some(Shadow { verdict: "would_challenge", rule }),
            (_, Verdict::Deny { rule: Some(rule) } | Verdict::Refuse { rule, .. }) => {
                Some(Shadow { verdict: "would_deny", rule })
            }
        }
    }

    /// Whether a list shows `target`: its call is allowed with some arguments, or more scopes would allow it by a rule that
    /// does not hide.
    pub fn visible<'c>(&self, who: impl Into<Caller<'c>>, target: &Target) -> bool {
        let who = who.into();
        self.for_caller(who.principal).visible(who, target)
    }

    /// The rules that stand for `who`.
    pub fn for_caller(&self, who: &Principal) -> ForCaller<'_> {
        ForCaller { layers: self.layers.iter().filter(|layer| layer.member.means(who)).collect() }
    }

    fn judged(&self, asking: &Asking<'_, '_>, operation: &Operation) -> Verdict {
        match Question::all(operation) {
            Some(questions) => {
                let rules = self.for_caller(asking.who.principal);
                self.settle(asking.who, questions.iter().map(|q| rules.find(asking, q)).collect())
            }
            None => Verdict::Deny { rule: None },
        }
    }

    /// Joins what was found for every thing named: one denial denies, one challenge challenges.
    fn settle(&self, who: &Caller<'_>, findings: Vec<Finding<'_>>) -> Verdict {
        let granted = who.principal.identity().map_or(&[][..], |i| &i.scopes);
        let (mut allowed, mut asked, mut scopes) = (None, None, Vec::new());
        let mut nothing = findings.is_empty();
        for finding in findings {
            match finding {
                Finding::Denied(rule) | Finding::Beyond(rule) => {
                    return Verdict::Deny { rule: Some(rule.id.clone()) };
                }
                Finding::Refused(rule, refusal) => {
                    return Verdict::Refuse { rule: rule.id.clone(), refusal };
                }
                Finding::Nothing => nothing = true,
                Finding::Allowed(rule) => {
                    allowed.get_or_insert(&rule.id);
                }
                Finding::Challenged(rules) => {
                    let missing =
                        |c: &Challenge<'_>| c.scopes.iter().filter(|x| !granted.contains(x)).count();
                    if let Some(least) = rules.into_iter().min_by_key(missing) {
                        asked.get_or_insert(&least.rule.id);
                        scopes.extend(least.scopes);
                    }
                }
            }
        }
        match (nothing, asked, allowed) {
            (false, Some(rule), _) => {
                Verdict::Challenge { rule: rule.clone(), scopes: self.step_up(granted, &scopes) }
            }
            (false, None, Some(rule)) => Verdict::Allow { rule: rule.clone() },
            _ => Verdict::Deny { rule: None },
        }
    }

    /// A client that asks for exactly these scopes loses none of those that matter here.
    pub fn step_up(&self, granted: &[String], needed: &[String]) -> Vec<String> {
        let kept = granted.iter().filter(|s| self.scopes.contains(s));
        each_once(needed.iter().chain(kept).map(String::as_str).collect())
    }
}

/// In order. Texts are sorted as what they borrow everywhere, so that the module has one sort of them.
fn each_once(mut texts: Vec<&str>) -> Vec<String> {
    order::each_once(&mut texts);
    texts.into_iter().map(str::to_owned).collect()
}

// === impl Default ===

impl Default for RuleSet {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::principal::Principal;
    use crate::policy::pattern::Pattern;
    use crate::policy::rule::Targets;
    use crate::policy::who::Who;

    #[test]
    fn a_template_is_not_listed_where_all_that_is_allowed_of_it_is_denied_again() {
        let rule = |id, effect, pattern| {
            let resources = vec![Pattern::parse(pattern).unwrap()];
            let targets = Targets { resources, ..Targets::default() };
            Rule {
                id: RuleId::new(id),
                effect,
                who: Who::Everyone,
                methods: None,
                targets,
                arguments: None,
                shadow: false,
                unless_read_only: false,
            }
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
