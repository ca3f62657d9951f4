//! What becomes of a verdict where organizations, groups and clients have rules of their own?

use std::sync::Arc;

use super::super::super::layer::{Layer, Level, Member};
use super::super::super::pattern::Pattern;
use super::super::super::rule::{Effect, Rule, RuleId, Targets};
use super::super::super::rule_set::Shadow;
use super::super::super::who::{Attributes, Who};
use super::super::*;
use super::properties::{
    any_arguments, any_operation, any_principal, any_rule, any_target, operation_on, rank,
};
use crate::identity::principal::Identity;
use proptest::prelude::*;

const ALLOW: Effect = Effect::Allow { hide: false };

fn rule(id: &str, effect: Effect, tools: &[&str]) -> Rule {
    Rule {
        id: RuleId::new(id),
        effect,
        who: Who::Authenticated,
        methods: None,
        targets: Targets {
            tools: tools.iter().map(|tool| Pattern::parse(tool).unwrap()).collect(),
            ..Targets::default()
        },
        shadow: false,
        unless_read_only: false,
        arguments: None,
    }
}

fn scoped(rule: Rule, scope: &str) -> Rule {
    let scopes = vec![scope.to_owned()];
    Rule { who: Who::Having(Box::new(Attributes { scopes, ..Attributes::default() })), ..rule }
}

fn layer(level: Level, rules: Vec<Rule>) -> Layer {
    let name = match level {
        Level::Organization => "acme",
        Level::Group => "staff",
        _ => "cli",
    };
    Layer { member: Member::Of { level, name: name.into(), issuer: None }, rules }
}

fn member() -> Principal {
    Principal::Authenticated(Arc::new(Identity {
        client: Some("cli".into()),
        groups: vec!["staff".into(), "other".into()],
        organization: Some("acme".into()),
        ..Identity::named("https://as", "alice")
    }))
}

fn verdict(rules: &RuleSet, tool: &str) -> String {
    match rules.judge(&member(), &operation_on(&Target::Tool(tool.into())), Arguments::NONE) {
        Verdict::Allow { rule } => format!("allow by {rule}"),
        Verdict::Challenge { scopes, rule } => format!("needs {} by {rule}", scopes.join(" ")),
        Verdict::Refuse { rule, .. } => format!("refuse: {rule}"),
        Verdict::Deny { rule: Some(rule) } => format!("deny by {rule}"),
        Verdict::Deny { rule: None } => "deny".to_owned(),
    }
}

#[test]
fn a_layer_narrows_freely_and_widens_what_was_left_to_it() {
    use Effect::{Delegate, Deny};
    use Level::{Client, Group, Organization};
    type Rules = Vec<Rule>;
    type Case = (&'static str, Rules, Vec<(Level, Rules)>, &'static str, &'static str);
    let top = || vec![rule("top", ALLOW, &["a", "b"])];
    let open = || vec![rule("top", ALLOW, &["a"]), rule("open", Delegate, &["c*"])];
    let cases: Vec<Case> = vec![
        ("no layer", top(), vec![], "a", "allow by top"),
        ("one without rules", top(), vec![(Client, vec![])], "a", "allow by top"),
        ("less is allowed", top(), vec![(Client, vec![rule("c", ALLOW, &["a"])])], "a", "allow by c"),
        ("and no more of it", top(), vec![(Client, vec![rule("c", ALLOW, &["a"])])], "b", "deny by c"),
        ("not more", top(), vec![(Client, vec![rule("c", ALLOW, &["z"])])], "z", "deny"),
        ("something denied", top(), vec![(Client, vec![rule("c", Deny, &["b"])])], "b", "deny by c"),
        ("the rest stays", top(), vec![(Client, vec![rule("c", Deny, &["b"])])], "a", "allow by top"),
        (
            "a deny above stands",
            vec![rule("top", Deny, &["a"])],
            vec![(Client, vec![rule("c", ALLOW, &["a"])])],
            "a",
            "deny by top",
        ),
        (
            "inside one layer deny wins",
            top(),
            vec![(Client, vec![rule("c", ALLOW, &["*"]), rule("d", Deny, &["a"])])],
            "a",
            "deny by d",
        ),
        ("what is delegable is not allowed", open(), vec![], "c1", "deny"),
        ("but may be", open(), vec![(Client, vec![rule("c", ALLOW, &["c1"])])], "c1", "allow by c"),
        ("and nothing else", open(), vec![(Client, vec![rule("c", ALLOW, &["*"])])], "b", "deny"),
        (
            "through a layer that is silent",
            open(),
            vec![(Group, vec![rule("g", Deny, &["z"])]), (Client, vec![rule("c", ALLOW, &["c1"])])],
            "c1",
            "allow by c",
        ),
        (
            "not through one that narrows",
            open(),
            vec![(Group, vec![rule("g", ALLOW, &["a"])]), (Client, vec![rule("c", ALLOW, &["c1"])])],
            "c1",
            "deny",
        ),
        (
            "unless that leaves it open again",
            open(),
            vec![
                (Group, vec![rule("g", ALLOW, &["a"]), rule("h", Delegate, &["c1"])]),
                (Client, vec![rule("c", ALLOW, &["c1"])]),
            ],
            "c1",
            "allow by c",
        ),
        (
            "nobody gives what he has not",
            top(),
            vec![(Organization, vec![rule("o", Delegate, &["z"])]), (Client, vec![rule("c", ALLOW, &["z"])])],
            "z",
            "deny",
        ),
        (
            "the way down is one of levels",
            top(),
            vec![(Client, vec![rule("c", ALLOW, &["b"])]), (Organization, vec![rule("o", ALLOW, &["a"])])],
            "b",
            "deny by o",
        ),
        (
            "without defaults the highest begins",
            vec![],
            vec![(Client, vec![rule("c", ALLOW, &["z"])])],
            "z",
            "allow by c",
        ),
        (
            "two groups are one layer",
            top(),
            vec![(Group, vec![rule("g", ALLOW, &["a"])]), (Group, vec![rule("h", ALLOW, &["b"])])],
            "b",
            "allow by h",
        ),
        (
            "scopes below",
            top(),
            vec![(Client, vec![scoped(rule("c", ALLOW, &["a"]), "x")])],
            "a",
            "needs x by c",
        ),
        (
            "scopes above",
            vec![scoped(rule("top", ALLOW, &["a"]), "w")],
            vec![(Client, vec![rule("c", ALLOW, &["a"])])],
            "a",
            "needs w by top",
        ),
        (
            "scopes of both",
            vec![scoped(rule("top", ALLOW, &["a"]), "w")],
            vec![(Client, vec![scoped(rule("c", ALLOW, &["a"]), "x")])],
            "a",
            "needs w x by c",
        ),
        (
            "a narrower layer keeps the scopes above",
            vec![scoped(rule("top", ALLOW, &["*"]), "w")],
            vec![
                (Group, vec![rule("g", ALLOW, &["a"]), rule("h", Delegate, &["b"])]),
                (Client, vec![rule("c", ALLOW, &["b"])]),
            ],
            "b",
            "needs w by top",
        ),
    ];
    for (what, top, layers, tool, expected) in cases {
        let layers = layers.into_iter().map(|(level, rules)| layer(level, rules)).collect();
        let rules = RuleSet::layered(top, layers);
        assert_eq!(verdict(&rules, tool), expected, "{what}");
        let visible = rules.visible(&member(), &Target::Tool(tool.into()));
        assert_eq!(visible, !expected.starts_with("deny"), "{what}");
    }
}

#[test]
fn a_layer_of_others_says_nothing_and_prompts_are_not_tools() {
    let others = Layer {
        member: Member::Of { level: Level::Client, name: "web".into(), issuer: None },
        rules: vec![rule("web", ALLOW, &["b"]), rule("no", Effect::Deny, &["a"])],
    };
    let mut top = rule("top", ALLOW, &["a"]);
    top.targets.prompts = vec![Pattern::any()];
    let rules =
        RuleSet::layered(vec![top], vec![others, layer(Level::Client, vec![rule("c", ALLOW, &["x"])])]);
    assert_eq!(verdict(&rules, "a"), "deny by c");
    let prompt = Operation { method: "prompts/get".into(), targets: vec![Target::Prompt("p".into())] };
    assert!(
        matches!(rules.judge(&member(), &prompt, Arguments::NONE), Verdict::Allow { .. }),
        "no rule of the layer names prompts"
    );
    assert!(matches!(
        rules.judge(&member(), &Operation::bare("tools/list"), Arguments::NONE),
        Verdict::Allow { .. }
    ));
}

#[test]
fn a_rule_that_only_tells_changes_nothing_and_tells_it() {
    let shadowed = |rule: Rule| Rule { shadow: true, ..rule };
    let told = |verdict, rule| Some(Shadow { verdict, rule: RuleId::new(rule) });
    let rules = RuleSet::new(vec![
        rule("top", ALLOW, &["a", "b"]),
        shadowed(rule("no", Effect::Deny, &["b"])),
        shadowed(rule("more", ALLOW, &["z"])),
        shadowed(scoped(rule("ask", ALLOW, &["s"]), "w")),
        shadowed(rule("again", ALLOW, &["a"])),
    ]);
    for (tool, verdict_now, tells) in [
        ("a", "allow by top", None),
        ("b", "allow by top", told("would_deny", "no")),
        ("z", "deny", told("would_allow", "more")),
        ("s", "deny", told("would_challenge", "ask")),
        ("y", "deny", None),
    ] {
        assert_eq!(verdict(&rules, tool), verdict_now, "{tool}");
        let target = Target::Tool(tool.into());
        assert_eq!(rules.shadow(&member(), &operation_on(&target), Arguments::NONE), tells, "{tool}");
        assert_eq!(rules.visible(&member(), &target), verdict_now != "deny", "{tool}");
    }
    let nobody = RuleSet::new(vec![shadowed(Rule { who: Who::Everyone, ..rule("open", ALLOW, &["a"]) })]);
    assert!(!nobody.admits_anonymous() && !nobody.expects_credential());
    assert_eq!(rank(&nobody.judge(&Principal::Anonymous, &Operation::bare("ping"), Arguments::NONE)), 0);
    let below = layer(Level::Client, vec![rule("c", ALLOW, &["z"])]);
    let only = RuleSet::layered(vec![shadowed(rule("top", ALLOW, &["a"]))], vec![below]);
    assert_eq!(verdict(&only, "z"), "deny", "what stands below does not become the highest");
}

#[test]
fn a_sandbox_knows_what_changes_nothing() {
    let mut sandbox = rule("sandbox", Effect::Deny, &["*"]);
    sandbox.unless_read_only = true;
    sandbox.targets.tasks = vec![Pattern::any()];
    let mut top = rule("top", ALLOW, &["*"]);
    top.targets.tasks = vec![Pattern::any()];
    let rules = RuleSet::layered(vec![top], vec![layer(Level::Client, vec![sandbox])]);
    let (who, known) = (member(), |tool: &str| tool == "read");
    let caller = Caller { read_only: Some(&known), ..Caller::from(&who) };
    for (target, allowed) in [
        (Target::Tool("read".into()), true),
        (Target::Tool("write".into()), false),
        (Target::Task("read".into()), false),
    ] {
        let method = super::super::super::methods::Kind::of(&target).method();
        let operation = Operation { method: method.into(), targets: vec![target.clone()] };
        assert_eq!(rank(&rules.judge(caller, &operation, Arguments::NONE)) == 2, allowed, "{target:?}");
        assert_eq!(rules.visible(caller, &target), allowed, "{target:?}");
        assert_eq!(rank(&rules.judge(&who, &operation, Arguments::NONE)), 0, "nothing is known: {target:?}");
    }
}

fn any_layer() -> impl Strategy<Value = Layer> {
    let level = prop_oneof![Just(Level::Organization), Just(Level::Group), Just(Level::Client)];
    let marked = (any_rule(), proptest::bool::weighted(0.3)).prop_map(|(rule, delegates)| match delegates {
        true => Rule { effect: Effect::Delegate, ..rule },
        false => rule,
    });
    (level, proptest::collection::vec(marked, 0..4)).prop_map(|(level, rules)| layer(level, rules))
}

/// The same caller, whom all three layers mean.
fn within(who: Principal) -> Principal {
    match who {
        Principal::Authenticated(mut identity) => {
            let inner = Arc::make_mut(&mut identity);
            inner.client = Some("cli".into());
            inner.groups = vec!["staff".into()];
            inner.organization = Some("acme".into());
            Principal::Authenticated(identity)
        }
        anonymous => anonymous,
    }
}

#[test]
fn what_one_level_hides_is_hidden_until_both_have_their_scopes() {
    let (shows, hides) = (ALLOW, Effect::Allow { hide: true });
    let tool = Target::Tool("a".into());
    for (above, below, seen) in
        [(shows, shows, true), (hides, shows, false), (shows, hides, false), (hides, hides, false)]
    {
        let top = vec![scoped(rule("top", above, &["a"]), "one")];
        let layers = vec![layer(Level::Client, vec![scoped(rule("c", below, &["a"]), "two")])];
        let rules = RuleSet::layered(top, layers);
        assert_eq!(rules.visible(&member(), &tool), seen, "{above:?} above {below:?}");
        assert_eq!(verdict(&rules, "a"), "needs one two by c");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// However layers are written, they permit no more than the defaults allow or mark as delegable.
    #[test]
    fn layers_never_permit_more_than_was_left_to_them(
        top in proptest::collection::vec(any_rule(), 1..5),
        open in proptest::collection::vec(any_rule(), 0..3),
        layers in proptest::collection::vec(any_layer(), 0..4),
        who in any_principal(),
        operation in any_operation(),
        arguments in any_arguments(),
        target in any_target(),
    ) {
        let (who, given) = (within(who), Arguments::Given(arguments));
        // What the defaults would permit if all that they leave open were allowed there.
        let as_allows = open.iter().cloned().map(|r| Rule { effect: ALLOW, who: Who::Everyone, arguments: None, ..r });
        let most = RuleSet::new(top.iter().cloned().chain(as_allows).collect());
        let open = open.into_iter().map(|r| Rule { effect: Effect::Delegate, who: Who::Everyone, arguments: None, ..r });
        let layered = RuleSet::layered(top.iter().cloned().chain(open).collect(), layers.clone());
        prop_assert!(rank(&layered.judge(&who, &operation, given)) <= rank(&most.judge(&who, &operation, given)));
        prop_assert!(most.visible(&who, &target) || !layered.visible(&who, &target));
        let narrow = RuleSet::layered(top.clone(), layers);
        let alone = RuleSet::new(top);
        prop_assert!(rank(&narrow.judge(&who, &operation, given)) <= rank(&alone.judge(&who, &operation, given)));
        prop_assert!(alone.visible(&who, &target) || !narrow.visible(&who, &target));
    }

    /// Invariant 6 with layers.
    #[test]
    fn lists_and_calls_agree_in_layers(
        top in proptest::collection::vec(any_rule(), 0..4),
        layers in proptest::collection::vec(any_layer(), 0..4),
        who in any_principal(),
        target in any_target(),
    ) {
        let who = within(who);
        let rules = RuleSet::layered(top, layers);
        let visible = rules.visible(&who, &target);
        match rules.judge(&who, &operation_on(&target), Arguments::Any) {
            Verdict::Allow { .. } => prop_assert!(visible),
            Verdict::Deny { .. } | Verdict::Refuse { .. } => prop_assert!(!visible),
            Verdict::Challenge { .. } => {
                let hides = rules.all().any(|(_, r)| r.effect == Effect::Allow { hide: true });
                prop_assert!(visible || hides);
            }
        }
    }
}
