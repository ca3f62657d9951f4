mod layers;
mod properties;

use std::sync::Arc;

use super::super::pattern::Pattern;
use super::super::rule::{Effect, Rule, Targets};
use super::super::who::{Attributes, Who};
use super::*;
use crate::identity::principal::Identity;

fn patterns(names: &[&str]) -> Vec<Pattern> {
    names.iter().map(|n| Pattern::parse(n).unwrap()).collect()
}

fn rule(id: &str, effect: Effect, who: Who, tools: &[&str]) -> Rule {
    let targets = Targets { tools: patterns(tools), ..Targets::default() };
    let (shadow, unless_read_only) = (false, false);
    Rule {
        id: RuleId::new(id),
        effect,
        who,
        methods: None,
        targets,
        arguments: None,
        shadow,
        unless_read_only,
    }
}

fn allow(id: &str, who: Who, tools: &[&str]) -> Rule {
    rule(id, Effect::Allow { hide: false }, who, tools)
}

fn having(scopes: &[&str], roles: &[&str]) -> Who {
    let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    Who::Having(Box::new(Attributes { scopes: own(scopes), roles: own(roles), ..Attributes::default() }))
}

fn someone(scopes: &[&str], roles: &[&str]) -> Principal {
    let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    Principal::Authenticated(Arc::new(Identity {
        scopes: own(scopes),
        roles: own(roles),
        ..Identity::named("https://as", "s")
    }))
}

fn call(tool: &str) -> Operation {
    Operation { method: "tools/call".into(), targets: vec![Target::Tool(tool.into())] }
}

fn outcome(
    rules: &RuleSet,
    who: &Principal,
    operation: &Operation,
) -> Result<String, (Denial, Option<String>)> {
    authorize(rules, who, operation, Arguments::NONE)
        .map(|permit| permit.rule().to_string())
        .map_err(|(denial, rule)| (denial, rule.map(|r| r.to_string())))
}

#[test]
fn nothing_is_allowed_without_a_rule() {
    let none = RuleSet::default();
    let denied = Err((Denial::NotAllowed(Absent::Tool("t".into())), None));
    assert_eq!(outcome(&none, &someone(&[], &[]), &call("t")), denied);
    assert_eq!(outcome(&none, &Principal::Anonymous, &call("t")), denied);
    let unknown = Err((Denial::UnknownMethod("initialize".into()), None));
    assert_eq!(outcome(&none, &someone(&[], &[]), &Operation::bare("initialize")), unknown);
}

#[test]
fn deny_wins_wherever_it_stands() {
    let a = allow("a", Who::Authenticated, &["*"]);
    let d = rule("d", Effect::Deny, Who::Everyone, &["drop_*"]);
    for rules in [vec![a.clone(), d.clone()], vec![d, a]] {
        let rules = RuleSet::new(rules);
        let who = someone(&[], &[]);
        assert_eq!(outcome(&rules, &who, &call("get")), Ok("a".into()));
        let denied = Err((Denial::NotAllowed(Absent::Tool("drop_x".into())), Some("d".into())));
        assert_eq!(outcome(&rules, &who, &call("drop_x")), denied);
        assert!(!rules.visible(&who, &Target::Tool("drop_x".into())));
    }
}

#[test]
fn missing_scopes_alone_are_a_challenge_for_all_scopes_needed() {
    let rules = RuleSet::new(vec![
        allow("many", having(&["w", "x", "y"], &[]), &["t"]),
        allow("few", having(&["w", "r"], &[]), &["t"]),
        allow("read", having(&["base"], &[]), &["r"]),
        allow("role", having(&["w"], &["op"]), &["t"]),
    ]);
    // `other` is no business of this server; `base` and `r` would be lost by a client that asks for `w` alone.
    let who = someone(&["r", "base", "other"], &[]);
    let scopes = vec!["base".to_owned(), "r".into(), "w".into()];
    assert_eq!(
        outcome(&rules, &who, &call("t")),
        Err((Denial::InsufficientScope(scopes), Some("few".into())))
    );
    assert!(rules.visible(&who, &Target::Tool("t".into())));
    assert_eq!(outcome(&rules, &someone(&["w"], &["op"]), &call("t")), Ok("role".into()));
}

#[test]
fn what_only_a_step_up_allows_is_listed_unless_hidden() {
    let hidden = rule("h", Effect::Allow { hide: true }, having(&["w"], &[]), &["t"]);
    let rules = RuleSet::new(vec![hidden.clone()]);
    let tool = Target::Tool("t".into());
    assert!(!rules.visible(&someone(&[], &[]), &tool));
    assert!(rules.visible(&someone(&["w"], &[]), &tool));
    let shown = RuleSet::new(vec![hidden, allow("s", having(&["x", "y"], &[]), &["t"])]);
    assert!(shown.visible(&someone(&[], &[]), &tool), "one rule that does not hide is enough");
}

#[test]
fn a_missing_credential_is_asked_for_whatever_is_called() {
    let rules = RuleSet::new(vec![allow("a", Who::Authenticated, &["t"])]);
    for tool in ["t", "nothing_like_it"] {
        assert_eq!(
            outcome(&rules, &Principal::Anonymous, &call(tool)),
            Err((Denial::MissingCredential, None))
        );
    }
    assert!(!rules.visible(&Principal::Anonymous, &Target::Tool("t".into())));
    let public = RuleSet::new(vec![allow("p", Who::Everyone, &["t"])]);
    assert_eq!(outcome(&public, &Principal::Anonymous, &call("t")), Ok("p".into()));
    let denied = Err((Denial::NotAllowed(Absent::Tool("u".into())), None));
    assert_eq!(outcome(&public, &Principal::Anonymous, &call("u")), denied);
}

#[test]
fn housekeeping_is_for_whom_any_rule_means_unless_a_deny_rule_names_it() {
    let mut deny = rule("no-lists", Effect::Deny, Who::Everyone, &[]);
    deny.methods = Some(patterns(&["prompts/list"]));
    let rules = RuleSet::new(vec![allow("a", having(&[], &["op"]), &["t"]), deny]);
    for method in
        ["initialize", "ping", "server/discover", "tools/list", "notifications/x", Operation::STREAM]
    {
        assert_eq!(
            outcome(&rules, &someone(&[], &["op"]), &Operation::bare(method)),
            Ok("a".into()),
            "{method}"
        );
        let denied = Err((Denial::UnknownMethod(method.into()), None));
        assert_eq!(outcome(&rules, &someone(&[], &[]), &Operation::bare(method)), denied, "{method}");
    }
    let list = Operation::bare("prompts/list");
    let denied = Err((Denial::UnknownMethod("prompts/list".into()), Some("no-lists".into())));
    assert_eq!(outcome(&rules, &someone(&[], &["op"]), &list), denied);
}

#[test]
fn a_method_that_names_nothing_needs_a_rule_that_names_it() {
    let mut named = allow("m", Who::Authenticated, &[]);
    named.methods = Some(patterns(&["logging/setLevel", "skills/*"]));
    let rules = RuleSet::new(vec![named, allow("a", Who::Authenticated, &["*"])]);
    let who = someone(&[], &[]);
    assert_eq!(outcome(&rules, &who, &Operation::bare("skills/read")), Ok("m".into()));
    assert!(outcome(&rules, &who, &Operation::bare("other/thing")).is_err());
    assert!(outcome(&rules, &who, &Operation::bare("tools/call")).is_err(), "a call that names no tool");
    assert!(outcome(&rules, &who, &Operation::bare("sampling/createMessage")).is_err());
    let mixed = Operation { method: "prompts/get".into(), targets: vec![Target::Tool("t".into())] };
    assert!(outcome(&rules, &who, &mixed).is_err(), "a thing that the method does not act on");
}

#[test]
fn every_thing_named_must_be_allowed() {
    let mut one = allow("one", Who::Authenticated, &[]);
    one.targets.resources = patterns(&["n://a/*"]);
    let mut two = allow("two", having(&["s"], &[]), &[]);
    two.targets.resources = patterns(&["n://b/*"]);
    let rules = RuleSet::new(vec![one, two]);
    let listen = |uris: &[&str]| Operation {
        method: "subscriptions/listen".into(),
        targets: uris.iter().map(|u| Target::Resource((*u).into())).collect(),
    };
    let who = someone(&[], &[]);
    assert_eq!(outcome(&rules, &who, &listen(&[])), Ok("one".into()));
    assert_eq!(outcome(&rules, &who, &listen(&["n://a/1", "N://A/x/../2"])), Ok("one".into()));
    let challenge = Err((Denial::InsufficientScope(vec!["s".into()]), Some("two".into())));
    assert_eq!(outcome(&rules, &who, &listen(&["n://a/1", "n://b/1"])), challenge);
    let denied = Err((Denial::NotAllowed(Absent::Resource("n://c".into())), None));
    assert_eq!(outcome(&rules, &who, &listen(&["n://a/1", "n://c", "n://b/1"])), denied);
    let evasion = Err((Denial::NotAllowed(Absent::Resource("n://a/..%2fb".into())), None));
    assert_eq!(outcome(&rules, &who, &listen(&["n://a/..%2fb"])), evasion);
}

#[test]
fn explaining_gives_the_same_verdict_and_says_why_each_rule_did_not_match() {
    let rules = RuleSet::new(vec![
        allow("role", having(&[], &["op"]), &["t"]),
        allow("scope", having(&["s"], &[]), &["t"]),
        allow("other", Who::Authenticated, &["u"]),
        rule("deny", Effect::Deny, Who::Anonymous, &["t"]),
    ]);
    let told = rules.explain(&someone(&[], &[]), &call("t"), Arguments::NONE);
    assert_eq!(told.verdict, rules.judge(&someone(&[], &[]), &call("t"), Arguments::NONE));
    let said: Vec<_> =
        told.considered.iter().map(|c| (c.rule.as_str(), c.outcome.to_text(), c.decides)).collect();
    assert_eq!(
        said,
        [
            ("role", "does not match: who.roles".to_owned(), false),
            ("scope", "would match with the scopes s".to_owned(), true),
            ("other", "does not match: other methods or targets".to_owned(), false),
            ("deny", "does not match: it means those without a credential".to_owned(), false),
        ]
    );
}

#[test]
fn what_is_denied_is_denied_however_a_server_reads_it() {
    let rule = |id, effect, patterns: &[&str]| {
        let resources = patterns.iter().map(|p| Pattern::parse(p).unwrap()).collect();
        let targets = Targets { resources, ..Targets::default() };
        let (shadow, unless_read_only) = (false, false);
        let who = Who::Everyone;
        let arguments = None;
        Rule { id: RuleId::new(id), effect, who, methods: None, targets, arguments, shadow, unless_read_only }
    };
    let rules = RuleSet::new(vec![
        rule("allow", Effect::Allow { hide: false }, &["file:///data/*"]),
        rule("deny", Effect::Deny, &["file:///data/secret/*", "file:///data/index"]),
    ]);
    for (uri, allowed) in [
        ("file:///data/a", true),
        ("file:///data//a?secret/", true),
        ("file:///data//secret/k", false),
        ("file:///data/secret//k", false),
        ("file:///data/secret;v=1/k", false),
        ("file:///data/;x/secret/k?y", false),
        ("file:///data/index?x", false),
        ("file:///data/index#x", false),
        ("file:///data/index/", false),
    ] {
        for target in [Target::Resource(uri.into()), Target::Template(uri.into())] {
            assert_eq!(rules.visible(&Principal::Anonymous, &target), allowed, "{target:?}");
        }
        let read = Operation { method: "resources/read".into(), targets: vec![Target::Resource(uri.into())] };
        assert_eq!(
            authorize(&rules, &Principal::Anonymous, &read, Arguments::NONE).is_ok(),
            allowed,
            "{uri}"
        );
    }
}
