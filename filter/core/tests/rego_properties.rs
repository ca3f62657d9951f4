//! What holds for every policy: the machine says what the interpreter says, knows all that a policy reads, shows what may be
//! called, and only narrows. Policies are made up, with negation, comprehensions, `every`, functions and arguments.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod rego;

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rego::{Compiled, compile, load, policy};
use regorus::{Engine, Value as Rego};
use serde_json::{Value, json};
use wicketgate_core::identity::principal::{Identity, Principal};
use wicketgate_core::mcp::operation::{Operation, Target};
use wicketgate_core::policy::rego::narrow::Circumstances;
use wicketgate_core::policy::rego::ruling::Outcome;
use wicketgate_core::time::Timestamp;

/// Conditions about who and what.
const STABLE: [&str; 9] = [
    r#""r1" in input.principal.roles"#,
    r#"input.tool.name == "t1""#,
    r#"startswith(input.tool.name, "t")"#,
    r#"count([r | some r in input.principal.roles; r != "r1"]) > 0"#,
    r#"not input.principal.organization"#,
    r#"input.principal.subject in {"s1", "s2"}"#,
    r#"every r in input.principal.roles { r != "r2" }"#,
    r#"count({g | some g in input.principal.groups}) < 2"#,
    r#"named(input.tool.name)"#,
];
/// Conditions about arguments besides.
const ABOUT_ARGUMENTS: [&str; 11] = [
    r#"input.arguments.a == 1"#,
    r#"input.arguments.b.c < 3"#,
    r#"not input.arguments.force"#,
    r#"some x in input.arguments.l; x == 2"#,
    r#"every x in input.arguments.l { x > 0 }"#,
    r#"count([x | some x in input.arguments.l; x > 1]) == 1"#,
    r#"object.get(input.arguments.b, "c", 9) != 2"#,
    r#"count(input.arguments) < 4"#,
    r#"input.arguments.a + input.arguments.b.c > 2"#,
    r#"listed[input.arguments.a]"#,
    r#"{1: true, 2: true}[input.arguments.b.c]"#,
];

/// One rule body: which conditions, and which of them negated by way of a helper.
type Body = Vec<(usize, bool)>;

fn bodies(conditions: usize) -> impl Strategy<Value = Vec<Body>> {
    prop::collection::vec(prop::collection::vec((0..conditions, any::<bool>()), 1..4), 1..4)
}

/// The text of a policy: `visible` of stable conditions, `allow` of all, each condition also as a rule to be negated.
fn text(visible: Option<&[Body]>, allow: &[Body]) -> String {
    let all: Vec<&str> = STABLE.iter().chain(&ABOUT_ARGUMENTS).copied().collect();
    let mut text = String::from(
        "default allow := false\n\nnamed(name) if name in {\"t1\", \"t2\"}\n\nlisted := {1, 3}\n\n",
    );
    for (at, condition) in all.iter().enumerate() {
        let lines = condition.replace("arguments.l; x", "arguments.l\n\tx");
        text.push_str(&format!("holds_{at} if {{\n\t{lines}\n}}\n\n"));
    }
    let mut rule = |name: &str, bodies: &[Body]| {
        for body in bodies {
            let lines: Vec<String> = body
                .iter()
                .map(|(at, negated)| format!("\t{}holds_{at}", if *negated { "not " } else { "" }))
                .collect();
            text.push_str(&format!("{name} if {{\n{}\n}}\n\n", lines.join("\n")));
        }
    };
    rule("allow", allow);
    if let Some(visible) = visible {
        rule("visible", visible);
    }
    text
}

#[derive(Clone, Debug)]
struct Request {
    roles: Vec<String>,
    groups: Vec<String>,
    subject: String,
    organization: bool,
    tool: String,
    arguments: Value,
}

fn request() -> impl Strategy<Value = Request> {
    let words =
        |letter: char| prop::collection::vec((1..4u8).prop_map(move |n| format!("{letter}{n}")), 0..3);
    let number = || (-1..4i64).prop_map(Value::from);
    let arguments = (
        prop::option::of(prop_oneof![number(), Just(json!("one"))]),
        prop::option::of(prop_oneof![
            number().prop_map(|c| json!({"c": c})),
            Just(json!({})),
            Just(json!([1]))
        ]),
        prop::option::of(any::<bool>()),
        prop::option::of(prop_oneof![
            prop::collection::vec(number(), 0..4).prop_map(Value::from),
            // No text: over that the interpreter cannot iterate, where OPA and the machine find nothing.
            Just(json!({"x": 2}))
        ]),
    );
    let arguments = arguments.prop_map(|(a, b, force, l)| {
        let mut object = serde_json::Map::new();
        let members = [("a", a), ("b", b), ("force", force.map(Value::from)), ("l", l)];
        object.extend(members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        Value::Object(object)
    });
    (words('r'), words('g'), 1..4u8, any::<bool>(), 1..4u8, arguments).prop_map(
        |(roles, groups, subject, organization, tool, arguments)| Request {
            roles,
            groups,
            subject: format!("s{subject}"),
            organization,
            tool: format!("t{tool}"),
            arguments,
        },
    )
}

// === impl Request ===

impl Request {
    fn principal(&self) -> Principal {
        Principal::Authenticated(Arc::new(Identity {
            issuer: "https://as".to_owned(),
            subject: self.subject.clone(),
            client: None,
            scopes: Vec::new(),
            groups: self.groups.clone(),
            roles: self.roles.clone(),
            organization: self.organization.then(|| "acme".to_owned()),
            grant: None,
            grant_client: None,
            issued: None,
            key: None,
            certificate: None,
            expires: Timestamp::from_secs(1),
        }))
    }

    /// The whole input document, whatever is read of it.
    fn input(&self) -> Value {
        let mut input = json!({
            "version": 1,
            "server": {"name": "demo", "labels": {}},
            "principal": {"authenticated": true, "issuer": "https://as", "subject": self.subject, "scopes": [],
                          "groups": self.groups, "roles": self.roles},
            "method": "tools/call",
            "tool": {"name": self.tool, "labels": {}},
            "arguments": self.arguments,
        });
        if self.organization {
            input["principal"]["organization"] = json!("acme");
        }
        input
    }
}

/// The interpreter's answer about one rule; `None` for an error.
fn interpreted(engine: &mut Engine, rule: &str, input: &Value) -> Option<bool> {
    engine.set_input(Rego::from_json_str(&input.to_string()).unwrap());
    match engine.eval_rule(format!("data.mcp.authz.{rule}")) {
        Ok(value) => Some(value == Rego::Bool(true)),
        Err(_) => None,
    }
}

/// Whether this body of `allow` holds where there is no other.
fn holds_alone(visible: Option<&[Body]>, body: &Body, input: &Value) -> bool {
    let mut engine = Engine::new();
    let source = policy(&text(visible, std::slice::from_ref(body)));
    engine.add_policy(source.name, source.text).unwrap();
    interpreted(&mut engine, "allow", input) == Some(true)
}

/// How calls and lists are judged: by the product, or by what a test puts in its place.
type Judge = fn(listed: bool, called: bool) -> (bool, bool);

/// One made-up policy and request: whatever is wrong about them.
fn agree(visible: Option<&[Body]>, allow: &[Body], request: &Request, judge: Judge) -> Result<(), String> {
    let source = policy(&text(visible, allow));
    let Compiled::Yes(packed) = compile(std::slice::from_ref(&source)) else {
        let Compiled::No(messages) = compile(std::slice::from_ref(&source)) else { unreachable!() };
        return Err(format!("refused: {messages:?}\n{}", source.text));
    };
    let rego = load(*packed);
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(true);
    engine.add_policy(source.name.clone(), source.text.clone()).unwrap();
    let input = request.input();
    let who = request.principal();
    let target = Target::Tool(request.tool.clone());
    let operation = Operation { method: "tools/call".to_owned(), targets: vec![target.clone()] };
    let arguments = request.arguments.to_string();
    let picked = rego.pick(arguments.as_bytes(), Some(0..arguments.len()));
    let around =
        Circumstances { picked: &picked, headers: Some(&[]), source: None, now: Timestamp::from_secs(1) };
    let ruling = rego.judge(&who, &operation, &around);
    let (listed, called) = judge(rego.visible(&who, &target), ruling.outcome == Outcome::Allow);
    if called && !listed {
        return Err(format!("may be called and is not listed: {ruling:?}"));
    }
    let shown = visible.is_none() || interpreted(&mut engine, "visible", &input) == Some(true);
    if listed != shown {
        return Err(format!("listed {listed}, and the interpreter says {shown}"));
    }
    match interpreted(&mut engine, "allow", &input) {
        Some(allowed) if ruling.outcome != Outcome::Failed && called != (shown && allowed) => {
            Err(format!("called {called}, and the interpreter says {allowed}, shown {shown}"))
        }
        // Who does not come to what fails needs not fail; then one of the other bodies must hold by itself.
        None if called && !allow.iter().any(|body| holds_alone(visible, body, &input)) => {
            Err("called, and no body of `allow` holds".to_owned())
        }
        _ => Ok(()),
    }
}

fn check(cases: u32, judge: Judge) -> Result<(), String> {
    let all = STABLE.len() + ABOUT_ARGUMENTS.len();
    let strategy = (prop::option::of(bodies(STABLE.len())), bodies(all), request());
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let result = runner.run(&strategy, |(visible, allow, request)| {
        agree(visible.as_deref(), &allow, &request, judge).map_err(TestCaseError::fail)
    });
    result.map_err(|wrong| wrong.to_string())
}

#[test]
fn lists_and_calls_say_what_the_interpreter_says_of_every_policy() {
    check(600, |listed, called| (listed, called)).unwrap_or_else(|wrong| panic!("{wrong}"));
}

#[test]
fn a_wrong_evaluator_is_noticed() {
    let wrong: [(&str, Judge); 3] = [
        ("lists show everything", |_, called| (true, called)),
        ("calls ask no list", |listed, called| (listed, called || listed)),
        ("everything may be called", |listed, _| (listed, true)),
    ];
    for (what, judge) in wrong {
        assert!(check(600, judge).is_err(), "not noticed: {what}");
    }
}
