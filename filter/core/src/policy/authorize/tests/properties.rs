//! For all rules, principals and operations: what must hold of verdicts.

use std::sync::Arc;

use super::super::super::arguments::Demands;
use super::super::super::arguments::constraint::Constraint;
use super::super::super::arguments::path::ArgumentPath;
use super::super::super::pattern::Pattern;
use super::super::super::rule::{Effect, Rule, Targets};
use super::super::super::who::{Attributes, Who};
use super::super::*;
use super::someone;
use crate::mcp::number::Number;
use proptest::prelude::*;

fn any_who() -> impl Strategy<Value = Who> {
    prop_oneof![
        Just(Who::Everyone),
        Just(Who::Authenticated),
        Just(Who::Anonymous),
        ("[ab]?", "[xy]?").prop_map(|(scope, role)| {
            let list = |s: &str| if s.is_empty() { vec![] } else { vec![s.to_owned()] };
            Who::Having(Box::new(Attributes {
                scopes: list(&scope),
                roles: list(&role),
                ..Attributes::default()
            }))
        }),
    ]
}

pub(super) fn any_rule() -> impl Strategy<Value = Rule> {
    let effect = prop_oneof![
        3 => any::<bool>().prop_map(|hide| Effect::Allow { hide }),
        1 => Just(Effect::Deny),
    ];
    let methods = proptest::option::weighted(
        0.3,
        proptest::collection::vec(
            prop_oneof![Just("*"), Just("tools/*"), Just("resources/read"), Just("ping")]
                .prop_map(|m| Pattern::parse(m).unwrap()),
            1..3,
        ),
    );
    let names = || {
        proptest::collection::vec("[tu]{0,2}\\*?".prop_filter_map("none", |p| Pattern::parse(&p).ok()), 0..3)
    };
    let uris = proptest::collection::vec(
        "n://[tu]{0,1}/?\\*?".prop_filter_map("none", |p| Pattern::parse(&p).ok()),
        0..3,
    );
    (effect, any_who(), methods, names(), uris, any_demands()).prop_map(
        |(effect, who, methods, tools, resources, arguments)| Rule {
            id: RuleId::new("r"),
            effect,
            who,
            methods,
            targets: Targets { tools, resources, ..Targets::default() },
            arguments: arguments.map(|d| Demands { closed: d.closed && effect != Effect::Deny, ..d }),
            shadow: false,
            unless_read_only: false,
        },
    )
}

/// What a rule demands of the one argument `a`, if anything.
fn any_demands() -> impl Strategy<Value = Option<Demands>> {
    let demands = (any::<bool>(), any::<bool>(), 0u8..4).prop_map(|(closed, required, max)| {
        let max = Some(Number::read(&max.to_string()));
        let constraint = Constraint { required, max, ..Constraint::default() };
        Demands { named: vec![(ArgumentPath::parse("a").unwrap(), constraint)], closed }
    });
    proptest::option::weighted(0.4, demands)
}

/// Arguments of a call.
pub(super) fn any_arguments() -> impl Strategy<Value = &'static [u8]> {
    const ALL: [&str; 7] =
        ["{}", "{\"a\":0}", "{\"a\":2}", "{\"a\":9}", "{\"a\":\"2\"}", "{\"A\":1}", "{\"b\":1}"];
    prop::sample::select(&ALL[..]).prop_map(str::as_bytes)
}

pub(super) fn any_principal() -> impl Strategy<Value = Principal> {
    prop_oneof![
        Just(Principal::Anonymous),
        ("[abc]{0,3}", "[xyz]{0,2}").prop_map(|(s, r)| {
            let letters = |t: &str| t.chars().map(String::from).collect::<Vec<_>>();
            let (s, r) = (letters(&s), letters(&r));
            someone(
                &s.iter().map(String::as_str).collect::<Vec<_>>(),
                &r.iter().map(String::as_str).collect::<Vec<_>>(),
            )
        }),
    ]
}

pub(super) fn any_target() -> impl Strategy<Value = Target> {
    prop_oneof![
        "[tu]{1,3}".prop_map(Target::Tool),
        "(n|N)://[tuT]{0,1}/?[tu.]{0,2}".prop_map(Target::Resource),
        "n://[tu]{0,1}/?\\{x\\}".prop_map(Target::Template),
    ]
}

pub(super) fn operation_on(target: &Target) -> Operation {
    let method = if matches!(target, Target::Tool(_)) { "tools/call" } else { "resources/read" };
    Operation { method: method.into(), targets: vec![target.clone()] }
}

pub(super) fn any_operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => any_target().prop_map(|t| operation_on(&t)),
        1 => prop_oneof![Just("ping"), Just("tools/list"), Just("x/y"), Just("tools/call")].prop_map(Operation::bare),
    ]
}

/// How much a verdict permits.
pub(super) fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Deny { .. } | Verdict::Refuse { .. } => 0,
        Verdict::Challenge { .. } => 1,
        Verdict::Allow { .. } => 2,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Invariant 3 and the properties of house.md 6: leaving an allow rule out, or adding a deny rule, permits no more.
    #[test]
    fn fewer_allows_and_more_denies_never_permit_more(
        rules in proptest::collection::vec(any_rule(), 0..5),
        extra in any_rule(),
        at in any::<prop::sample::Index>(),
        who in any_principal(),
        operation in any_operation(),
        target in any_target(),
    ) {
        let whole = RuleSet::new(rules.clone());
        let before = rank(&whole.judge(&who, &operation, Arguments::NONE));
        let seen = whole.visible(&who, &target);
        let mut smaller = vec![];
        if !rules.is_empty() {
            let at = at.index(rules.len());
            if rules[at].effect != Effect::Deny {
                let mut fewer = rules.clone();
                fewer.remove(at);
                smaller.push(fewer);
            }
        }
        let mut more = rules;
        more.push(Rule { effect: Effect::Deny, ..extra });
        smaller.push(more);
        for rules in smaller {
            let rules = RuleSet::new(rules);
            prop_assert!(rank(&rules.judge(&who, &operation, Arguments::NONE)) <= before);
            prop_assert!(seen || !rules.visible(&who, &target));
        }
    }

    /// Invariant 6: a list shows what a call of the same thing permits, and beyond that only step-ups.
    #[test]
    fn lists_and_calls_agree(
        rules in proptest::collection::vec(any_rule(), 0..5),
        who in any_principal(),
        target in any_target(),
        arguments in any_arguments(),
    ) {
        let rules = RuleSet::new(rules);
        let visible = rules.visible(&who, &target);
        match rules.judge(&who, &operation_on(&target), Arguments::Given(arguments)) {
            Verdict::Allow { .. } => prop_assert!(visible),
            Verdict::Deny { .. } => prop_assert!(!visible),
            // Who reads that an argument is wrong could call it with others, or be challenged.
            Verdict::Challenge { .. } | Verdict::Refuse { .. } => {
                let hides = rules.rules().iter().any(|r| r.effect == Effect::Allow { hide: true });
                prop_assert!(visible || hides);
            }
        }
    }

    /// Arguments only ever narrow: what is permitted with some is permitted where rules demand nothing of them, and a thing
    /// that one may not use is refused in the same words whatever its arguments.
    #[test]
    fn demands_only_narrow_and_tell_nothing_of_what_is_not_ones_own(
        rules in proptest::collection::vec(any_rule(), 0..5),
        who in any_principal(),
        target in any_target(),
        arguments in any_arguments(),
    ) {
        let operation = operation_on(&target);
        let set = RuleSet::new(rules.clone());
        let judged = set.judge(&who, &operation, Arguments::Given(arguments));
        let open = rules.into_iter().filter(|r| r.effect != Effect::Deny || r.arguments.is_none());
        let open = RuleSet::new(open.map(|r| Rule { arguments: None, ..r }).collect());
        let any = open.judge(&who, &operation, Arguments::NONE);
        prop_assert!(rank(&judged) <= rank(&any));
        if rank(&any) == 0 {
            prop_assert!(!matches!(judged, Verdict::Refuse { .. }), "{:?}", judged);
        }
    }

    /// A template is listed if one of the resources that it stands for may be read.
    #[test]
    fn the_template_of_a_readable_resource_is_listed(
        rules in proptest::collection::vec(any_rule(), 0..5),
        who in any_principal(),
        (head, hole) in ("n://[tu]{0,1}/?", "[tu]{1,2}"),
    ) {
        let rules = RuleSet::new(rules);
        let read = operation_on(&Target::Resource(format!("{head}{hole}")));
        if matches!(rules.judge(&who, &read, Arguments::NONE), Verdict::Allow { .. }) {
            let template = Target::Template(format!("{head}{{x}}"));
            prop_assert!(rules.visible(&who, &template));
        }
    }

    #[test]
    fn the_order_of_rules_does_not_change_how_much_is_permitted(
        rules in proptest::collection::vec(any_rule(), 0..5),
        who in any_principal(),
        operation in any_operation(),
    ) {
        let forward = RuleSet::new(rules.clone()).judge(&who, &operation, Arguments::NONE);
        let backward = RuleSet::new(rules.into_iter().rev().collect()).judge(&who, &operation, Arguments::NONE);
        prop_assert_eq!(rank(&forward), rank(&backward));
    }

    #[test]
    fn a_challenge_that_is_met_permits(
        rules in proptest::collection::vec(any_rule(), 0..5),
        who in any_principal(),
        operation in any_operation(),
    ) {
        let rules = RuleSet::new(rules);
        if let (Verdict::Challenge { scopes, .. }, Principal::Authenticated(mut identity)) =
            (rules.judge(&who, &operation, Arguments::NONE), who)
        {
            let deny_scopes = rules.rules().iter().any(|r| r.effect == Effect::Deny && !r.who.scopes().is_empty());
            Arc::make_mut(&mut identity).scopes = scopes;
            let after = rules.judge(&Principal::Authenticated(identity), &operation, Arguments::NONE);
            // Only a deny rule that names a scope gained can still refuse.
            prop_assert!(rank(&after) == 2 || deny_scopes);
        }
    }
}
