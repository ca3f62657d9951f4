//! Verdicts of policies, and that nothing which input can do becomes an allow, a trap or a long wait.

use std::sync::Arc;

use super::compile::{Source, compile};
use super::narrow::Circumstances;
use super::ruling::{Outcome, Ruling};
use super::*;
use crate::head::PeerCertificate;
use crate::identity::principal::{Identity, Principal};
use crate::mcp::operation::{Operation, Target};
use crate::policy::pattern::Pattern;
use crate::time::Timestamp;

fn load(text: &str) -> Rego {
    let source = Source { name: "authz.rego".to_owned(), text: format!("package mcp.authz\n{text}\n") };
    let packed = compile(&[source]).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    let labels = |key: &str, value: &str| Labels::from([(key.to_owned(), value.to_owned())]);
    let setting = Setting {
        server: "demo".to_owned(),
        labels: labels("env", "production"),
        tools: vec![ToolLabels {
            names: vec![Pattern::parse("run_*").unwrap()],
            labels: labels("risk", "high"),
        }],
        argument_bytes: 128 << 10,
        instructions: 2000,
        obligable: Obligable { redact: vec!["mails".to_owned()], limit: vec!["exports".to_owned()] },
    };
    Rego::load(packed, setting).unwrap()
}

fn alice() -> Principal {
    Principal::Authenticated(Arc::new(Identity {
        scopes: vec!["mcp:read".into()],
        roles: vec!["operator".into()],
        ..Identity::named("https://as", "alice")
    }))
}

/// What `rego` says to a call of the tool `run_query` with these arguments.
fn call(rego: &Rego, arguments: &str) -> Ruling {
    let operation =
        Operation { method: "tools/call".to_owned(), targets: vec![Target::Tool("run_query".to_owned())] };
    let picked = rego.pick(arguments.as_bytes(), Some(0..arguments.len()));
    let headers = [("x-team".to_owned(), "blue".to_owned())];
    let around = Circumstances {
        picked: &picked,
        headers: Some(&headers),
        source: Some("10.0.0.7:4711"),
        // A Sunday, half past nine in the evening.
        now: Timestamp::from_secs(1_795_987_800),
    };
    rego.judge(&alice(), &operation, &around)
}

#[test]
fn a_policy_sees_what_its_schema_says() {
    for (condition, holds) in [
        (r#"input.version == 1"#, true),
        (r#"input.server.name == "demo""#, true),
        (r#"input.server.labels.env == "production""#, true),
        (r#"input.principal.authenticated"#, true),
        (r#"input.principal.issuer == "https://as""#, true),
        (r#"input.principal.subject == "alice""#, true),
        (r#""operator" in input.principal.roles"#, true),
        (r#"input.principal.client"#, false),
        (r#"input.method == "tools/call""#, true),
        (r#"input.tool.name == "run_query""#, true),
        (r#"input.tool.labels.risk == "high""#, true),
        (r#"input.prompt"#, false),
        (r#"input.arguments.a.b[1] == 2"#, true),
        (r#"input.arguments.missing"#, false),
        (r#"input.headers["x-team"] == "blue""#, true),
        (r#"input.headers["x-other"]"#, false),
        (r#"input.source.address == "10.0.0.7""#, true),
        (r#"input.time.weekday == "Sunday""#, true),
        (r#"input.time.hour == 21"#, true),
        (r#"input.time.minute == 30"#, true),
        (r#"input.time.year == 2026"#, true),
    ] {
        let ruling = call(&load(&format!("allow if {condition}")), r#"{"a":{"b":[1,2]}}"#);
        let outcome = if holds { Outcome::Allow } else { Outcome::Deny };
        assert_eq!(ruling.outcome, outcome, "{condition}: {ruling:?}");
    }
}

#[test]
fn an_error_inside_a_rule_never_becomes_an_allow() {
    for denied in [
        "input.arguments.x + 1 > 5",
        "input.arguments.x - 1 > 5",
        "input.arguments.x * 2 > 5",
        "1 / input.arguments.zero > 5",
        "7 % input.arguments.zero == 1",
        "7 % input.arguments.half == 1",
        "to_number(input.arguments.x) > 5",
        "to_number(input.arguments.odd) > 5",
        "startswith(input.arguments.zero, \"a\")",
        "count(input.arguments.zero) > 1",
        "lower(input.arguments.zero) == \"a\"",
        "concat(\",\", input.arguments.zero) == \"a\"",
        "input.arguments.big * input.arguments.big > 1e300",
    ] {
        let arguments =
            format!(r#"{{"x":"one","zero":0,"half":0.5,"odd":"1_0","big":1{}}}"#, "0".repeat(300));
        let text = format!(
            "default allow := false\nallow if not denied\ndenied if {denied}\nmany := {{x | some x in [1, 2]}}"
        );
        let ruling = call(&load(&text), &arguments);
        let big = denied.contains("big");
        if big && ruling.outcome == Outcome::Deny {
            // Exact arithmetic answers this one; it must only not be allowed.
            continue;
        }
        assert_eq!((ruling.outcome, ruling.why), (Outcome::Failed, "an error inside the policy"), "{denied}");
    }
}

#[test]
fn the_same_rules_decide_where_nothing_is_wrong() {
    let rego =
        load("default allow := false\nallow if not denied\ndenied if to_number(input.arguments.x) > 5");
    for (arguments, outcome) in [
        (r#"{"x":"4"}"#, Outcome::Allow),
        (r#"{"x":"6"}"#, Outcome::Deny),
        ("{}", Outcome::Allow),
        (r#"{"x":"six"}"#, Outcome::Failed),
        (r#"{"x":"4"}"#, Outcome::Allow),
    ] {
        assert_eq!(call(&rego, arguments).outcome, outcome, "{arguments}");
    }
}

#[test]
fn what_input_can_make_large_is_bounded() {
    let many = |item: &str, times: usize| vec![item; times].join(",");
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let loops = "allow if {\n some a in input.arguments.xs\n some b in input.arguments.xs\n a + b == 0\n}";
    let ruling = call(&load(loops), &format!(r#"{{"xs":[{}]}}"#, many("1", 10_000)));
    assert_eq!((ruling.outcome, ruling.why), (Outcome::Failed, "too many instructions"));
    let negated = "allow if not denied\ndenied if {\n some a in input.arguments.xs\n a == 0\n}";
    let ruling = call(&load(negated), &format!(r#"{{"xs":[{}]}}"#, many("1", 10_000)));
    assert_eq!((ruling.outcome, ruling.why), (Outcome::Failed, "too many instructions"));
    let large = format!(r#"{{"xs":"{}"}}"#, "x".repeat(200_000));
    let ruling = call(&load("allow if input.arguments.xs != \"\""), &large);
    assert_eq!(
        (ruling.outcome, ruling.why),
        (Outcome::Failed, "more arguments than the policy may be given")
    );
    for arguments in [
        format!(r#"{{"xs":{}}}"#, deep(62)),
        format!(r#"{{"xs":[{}]}}"#, many("[]", 40_000)),
        format!(r#"{{"xs":[{}]}}"#, many(r#"{"a":1}"#, 14_000)),
        format!(r#"{{"xs":"{}"}}"#, "a".repeat(100_000)),
    ] {
        for condition in [
            "input.arguments.xs == input.arguments.xs",
            "split(input.arguments.xs, \"\")[0] == \"a\"",
            "upper(input.arguments.xs) != \"\"",
            "replace(input.arguments.xs, \"a\", \"bb\") != \"\"",
            "sprintf(\"%v %d\", [input.arguments.xs, 1]) != \"\"",
            "count({x | some x in [input.arguments.xs]}) == 1",
            "glob.match(\"a*\", [\"/\"], input.arguments.xs)",
            "regex.match(\"^(a+)+$\", input.arguments.xs)",
        ] {
            // Any answer will do, as long as there is one.
            let _ = call(&load(&format!("allow if {condition}")), &arguments);
        }
    }
}

#[test]
fn an_object_says_why_and_obligations_only_tighten() {
    let said = |value: &str| call(&load(&format!("allow := {value}")), "{}");
    let ruling = said(r#"{"allow": true, "reasons": ["because"], "obligations": {"log": ["pii"]}}"#);
    assert_eq!(ruling.outcome, Outcome::Allow);
    assert_eq!((ruling.reasons, ruling.log), (vec!["because".to_owned()], vec!["pii".to_owned()]));
    let challenge = |scope: &str| Outcome::Challenge(vec![scope.to_owned()]);
    for (value, outcome) in [
        (r#"{"allow": false, "reasons": []}"#, Outcome::Deny),
        (r#"{"allow": true, "obligations": {"scopes": ["mcp:write"]}}"#, challenge("mcp:write")),
        (r#"{"allow": false, "obligations": {"scopes": ["mcp:write"]}}"#, challenge("mcp:write")),
        (r#"{"allow": true, "obligations": {"scopes": ["mcp:read"]}}"#, Outcome::Allow),
        (r#"{"allow": false, "obligations": {"scopes": ["mcp:read"]}}"#, Outcome::Deny),
        (r#"{"allow": true, "obligations": {"scopes": ["a b"]}}"#, Outcome::Failed),
        (r#"{"allow": true, "obligations": {"redact": ["mails"], "limit": ["exports"]}}"#, Outcome::Allow),
        (r#"{"allow": false, "obligations": {"redact": ["mails"]}}"#, Outcome::Deny),
        (r#"{"allow": true, "obligations": {"redact": [], "limit": []}}"#, Outcome::Allow),
        (r#"{"allow": true, "obligations": {"redact": ["email"]}}"#, Outcome::Failed),
        (r#"{"allow": true, "obligations": {"redact": ["mails", "email"]}}"#, Outcome::Failed),
        (r#"{"allow": true, "obligations": {"redact": "mails"}}"#, Outcome::Failed),
        (r#"{"allow": true, "obligations": {"redact": ["exports"]}}"#, Outcome::Failed),
        (r#"{"allow": true, "obligations": {"limit": ["mails"]}}"#, Outcome::Failed),
        (r#"{"allow": true, "obligations": {"limit": "1/s"}}"#, Outcome::Failed),
        (r#"{"allow": true, "obligations": {"limit": {"exports": 1}}}"#, Outcome::Failed),
        (r#"{"allow": true, "obligations": {"other": 1}}"#, Outcome::Failed),
        (r#"{"allow": true, "obligations": []}"#, Outcome::Failed),
        (r#"{"allow": true, "reason": "x"}"#, Outcome::Failed),
        (r#"{"allow": "yes"}"#, Outcome::Failed),
        (r#"{"reasons": ["x"]}"#, Outcome::Failed),
        (r#"{}"#, Outcome::Failed),
        (r#""yes""#, Outcome::Failed),
        ("1", Outcome::Failed),
        ("null", Outcome::Failed),
        ("[true]", Outcome::Failed),
    ] {
        assert_eq!(said(value).outcome, outcome, "{value}");
    }
}

#[test]
fn a_call_is_obliged_to_all_that_is_said_about_what_it_names() {
    let rego = load(
        r#"allow := {"allow": true, "obligations": {"redact": ["mails"]}} if input.resource.uri == "x:a"
        else := {"allow": true, "obligations": {"limit": ["exports"]}}"#,
    );
    let targets = ["x:a", "x:b"].map(|uri| Target::Resource(uri.to_owned())).to_vec();
    let operation = Operation { method: "subscriptions/listen".to_owned(), targets };
    let picked = Picked::default();
    let around =
        Circumstances { picked: &picked, headers: Some(&[]), source: None, now: Timestamp::from_secs(1) };
    let ruling = rego.judge(&alice(), &operation, &around);
    assert_eq!(ruling.outcome, Outcome::Allow);
    assert_eq!((ruling.redact, ruling.limit), (vec!["mails".to_owned()], vec!["exports".to_owned()]));
}

#[test]
fn what_decides_about_lists_obliges_to_nothing() {
    let text = r#"allow := true
        visible := {"allow": true, "obligations": {"redact": ["mails"]}}"#;
    let rego = load(text);
    let ruling = call(&rego, "{}");
    assert_eq!((ruling.outcome, ruling.why), (Outcome::Failed, "an obligation of a call, in `visible`"));
    assert!(!rego.visible(&alice(), &Target::Tool("run_query".to_owned())), "lists and calls agree");
}

#[test]
fn nothing_that_was_sent_is_written_down() {
    let text = r#"allow := {"allow": true, "reasons": [sprintf("saw %v", [input.arguments.x]), "plain"],
        "obligations": {"log": [input.arguments.x]}}"#;
    let ruling = call(&load(text), r#"{"x":"hunter2"}"#);
    assert_eq!(ruling.outcome, Outcome::Allow);
    assert_eq!(ruling.reasons, ["(computed)", "plain"]);
    assert_eq!(ruling.log, ["(computed)"]);
}

#[test]
fn what_both_entry_points_want_written_down_is_written_down() {
    let text = r#"
        allow := {"allow": true, "reasons": ["staff"], "obligations": {"log": ["called"]}}
        visible := {"allow": true, "reasons": ["listed"], "obligations": {"log": ["seen"]}}"#;
    let rego = load(text);
    for _remembered in [false, true] {
        let ruling = call(&rego, "{}");
        assert_eq!((ruling.outcome.clone(), ruling.why), (Outcome::Allow, "allowed"));
        assert_eq!(
            (ruling.reasons, ruling.log),
            (vec!["listed".into(), "staff".into()], vec!["called".into(), "seen".into()])
        );
    }
    let denied = load(&text.replace(r#"visible := {"allow": true"#, r#"visible := {"allow": false"#));
    let ruling = call(&denied, "{}");
    assert_eq!((ruling.outcome.clone(), ruling.why), (Outcome::Deny, "not visible"));
    assert_eq!((ruling.reasons, ruling.log), (vec!["listed".to_owned()], vec!["seen".to_owned()]));
}

#[test]
fn lists_show_what_is_visible_and_calls_need_both() {
    let rego = load(
        "default allow := false\nallow if input.arguments.ok\nvisible if startswith(input.tool.name, \"run_\")",
    );
    let tool = |name: &str| Target::Tool(name.to_owned());
    assert!(rego.visible(&alice(), &tool("run_query")));
    assert!(!rego.visible(&alice(), &tool("drop")));
    assert_eq!(call(&rego, r#"{"ok":true}"#).outcome, Outcome::Allow);
    assert_eq!(call(&rego, "{}").outcome, Outcome::Deny);
    let hidden = load("allow := true\nvisible if input.tool.name == \"other\"");
    let ruling = call(&hidden, "{}");
    assert_eq!((ruling.outcome, ruling.why), (Outcome::Deny, "not visible"));
    let alone = load("default allow := false\nallow if input.version == 0");
    assert!(alone.visible(&alice(), &tool("anything")), "without `visible` everything is shown");
}

#[test]
fn a_resource_is_allowed_only_however_it_is_read() {
    let rego =
        load("allow if not startswith(input.resource.uri, \"file:///data/secret/\")\nvisible if allow");
    let judged = |uri: &str| {
        let target = Target::Resource(uri.to_owned());
        let operation = Operation { method: "resources/read".to_owned(), targets: vec![target.clone()] };
        let picked = Picked::default();
        let around =
            Circumstances { picked: &picked, headers: Some(&[]), source: None, now: Timestamp::from_secs(1) };
        let allowed = rego.judge(&alice(), &operation, &around).outcome == Outcome::Allow;
        assert_eq!(allowed, rego.visible(&alice(), &target), "{uri}");
        allowed
    };
    assert!(judged("file:///data/a"));
    for uri in [
        "file:///data/secret/k",
        "file:///data//secret/k",
        "FILE:///data/secret;v=1/k",
        "file:///data/x/../secret/k",
    ] {
        assert!(!judged(uri), "{uri}");
    }
}

#[test]
fn what_only_begins_or_lists_is_not_asked_about() {
    let rego = load("default allow := false\nallow if input.version == 0");
    let judged = |method: &str| {
        let picked = Picked::default();
        let around =
            Circumstances { picked: &picked, headers: Some(&[]), source: None, now: Timestamp::from_secs(1) };
        rego.judge(&alice(), &Operation::bare(method), &around).outcome
    };
    for method in ["initialize", "tools/list", "ping", "notifications/initialized", "subscriptions/listen"] {
        assert_eq!(judged(method), Outcome::Allow, "{method}");
    }
    for method in ["logging/setLevel", "acme/run"] {
        assert_eq!(judged(method), Outcome::Deny, "{method}");
    }
}

#[test]
fn a_program_is_taken_whole_unchanged_and_of_this_version_only() {
    let source = Source {
        name: "a.rego".to_owned(),
        text: "package mcp.authz\nallow if input.method == \"x\"".to_owned(),
    };
    let sound = compile(&[source]).unwrap();
    let setting = || Setting {
        server: String::new(),
        labels: Labels::new(),
        tools: Vec::new(),
        argument_bytes: 1,
        instructions: 100,
        obligable: Obligable::default(),
    };
    assert!(Rego::load(sound.clone(), setting()).is_ok());
    let loaded = |change: &dyn Fn(&mut packed::Packed)| {
        let mut packed = sound.clone();
        change(&mut packed);
        packed.digest = packed.computed_digest();
        Rego::load(packed, setting()).map(drop)
    };
    assert!(loaded(&|_| {}).is_ok());
    let older = loaded(&|packed| packed.program[4] = 5).unwrap_err();
    assert!(older.contains("of another version"), "{older}");
    let newer = loaded(&|packed| packed.program[4] = 7).unwrap_err();
    assert!(newer.contains("no compiled program of this version"), "{newer}");
    assert!(loaded(&|packed| packed.program.truncate(40)).is_err());
    assert!(loaded(&|packed| packed.program.clear()).is_err());
    assert!(loaded(&|packed| packed.visible = true).unwrap_err().contains("other entry points"));
    let mut changed = sound.clone();
    changed.reads.time = true;
    assert!(Rego::load(changed, setting()).unwrap_err().contains("digest differs"));
    let mut changed = sound.clone();
    changed.data = Some("{}".to_owned());
    assert!(Rego::load(changed, setting()).unwrap_err().contains("digest differs"));
    assert!(loaded(&|packed| packed.data = Some("[]".to_owned())).unwrap_err().contains("no object"));
    let overlapping =
        |packed: &mut packed::Packed| packed.data = Some(r#"{"mcp":{"authz":{"allow":1}}}"#.to_owned());
    assert!(loaded(&overlapping).unwrap_err().contains("where the policy has rules"));
}

#[test]
fn a_remembered_verdict_is_of_that_principal_and_thing_alone() {
    let rego = load(
        "allow if input.principal.subject == \"alice\"\nallow if input.principal.certificate.uri == \"alice\"",
    );
    let certified =
        |uri: String| Principal::Certified(Arc::new(PeerCertificate::new(Some(uri), None, None).unwrap()));
    let judged = |who: &Principal, method: &str, target: Target| {
        let operation = Operation { method: method.to_owned(), targets: vec![target] };
        let picked = Picked::default();
        let around =
            Circumstances { picked: &picked, headers: Some(&[]), source: None, now: Timestamp::from_secs(1) };
        rego.judge(who, &operation, &around).outcome == Outcome::Allow
    };
    assert!(rego.reads().is_stable());
    for _ in 0..3 {
        // Identities are made anew each time, so that one may take the place of another in memory.
        for at in 0..600 {
            let who = Principal::Authenticated(Arc::new(Identity::named("https://as", &format!("u{at}"))));
            assert!(!judged(&who, "tools/call", Target::Tool("t".to_owned())));
            assert!(!judged(&certified(format!("u{at}")), "tools/call", Target::Tool("t".to_owned())));
        }
        assert!(judged(&certified("alice".to_owned()), "tools/call", Target::Tool("t".to_owned())));
        assert!(judged(&alice(), "tools/call", Target::Tool("t".to_owned())));
        assert!(!judged(&Principal::Anonymous, "tools/call", Target::Tool("t".to_owned())));
    }
}
