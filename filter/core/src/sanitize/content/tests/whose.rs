//! For whose answers, and for which, does a rule count?

use super::*;

#[test]
fn a_rule_with_names_counts_where_nobody_knows_whose_the_answer_is() {
    let with =
        |applies: Value| json!([{"id": "r", "applies": applies, "detect": ["email"], "action": "mask"}]);
    let rules = with(json!({"tools": ["a*"]}));
    let named = with(json!({"tools": ["a*"], "sessions": "named"}));
    // Which nobody meets; a policy may have obliged somebody else's request to them all the same.
    let others = with(json!({"who": {"roles": ["x"]}, "tools": ["a*"]}));
    let others_named = with(json!({"who": {"roles": ["x"]}, "tools": ["a*"], "sessions": "named"}));
    let of = |method: &str, target: Option<Target>| Operation {
        method: method.into(),
        targets: target.into_iter().collect(),
    };
    // An operation, whether the answer may be another's, and whether it is in any case of a request that nobody remembers; whether
    // the rule counts, and with `sessions: named`.
    for (operation, anothers, anyones, counts, trusting) in [
        (of("tools/call", Some(Target::Tool("a1".into()))), false, false, true, true),
        (of("tools/call", Some(Target::Tool("a1".into()))), true, false, true, true),
        (of("tools/call", Some(Target::Tool("b".into()))), false, false, false, false),
        (of("tools/call", Some(Target::Tool("b".into()))), true, false, true, false),
        (of("tools/list", None), false, false, false, false),
        (of(Operation::STREAM, None), true, true, true, true),
        (of("tasks/result", Some(Target::Task("t".into()))), false, true, true, true),
        (of("resources/read", Some(Target::Resource("x:y".into()))), false, false, false, false),
    ] {
        let alone =
            Asked { operation: &operation, may_be_anothers: false, may_be_obliged: false, obliged: &[] };
        let asked = Asked { may_be_anothers: anothers, ..alone };
        let nobody = Caller::from(&Principal::Anonymous);
        for (rules, expected) in [(&rules, counts), (&named, trusting)] {
            let content = &compiled(rules).guard.servers[0].content;
            assert_eq!(
                Plan::of_answers(content, nobody, asked).is_some(),
                expected,
                "{operation:?} {anothers}"
            );
        }
        for (rules, obliged) in [(&others, anothers || anyones), (&others_named, anyones)] {
            let content = &compiled(rules).guard.servers[0].content;
            let means = |may_be_obliged| Plan::of_answers(content, nobody, Asked { may_be_obliged, ..asked });
            assert!(means(false).is_none(), "{operation:?} {anothers}");
            assert_eq!(means(true).is_some(), obliged, "{operation:?} {anothers}");
        }
    }
}

#[test]
fn a_rule_about_a_resource_means_whatever_servers_read_in_its_uri() {
    let rules = json!([{"id": "r", "applies": {"resources": ["notes://note/secret"]}, "detect": ["email"], "action": "mask"}]);
    let content = &compiled(&rules).guard.servers[0].content;
    for (uri, counts) in [
        ("notes://note/secret", true),
        ("notes://note//secret/", true),
        ("notes://note/secret;v=1?x", true),
        ("notes://note/secret2", false),
    ] {
        let targets = vec![Target::Resource(uri.into())];
        let operation = Operation { method: "resources/read".into(), targets };
        let asked =
            Asked { operation: &operation, may_be_anothers: false, may_be_obliged: false, obliged: &[] };
        let plan = Plan::of_answers(content, Caller::from(&Principal::Anonymous), asked);
        assert_eq!(plan.is_some(), counts, "{uri}");
    }
}
