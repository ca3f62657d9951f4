//! What does a whole answer of a Rego policy cost? 31 definitions with arguments; one where the role decides; two regular
//! expressions. A verdict that needs nothing of the request is remembered, so each is asked as if for the first time, but for
//! the last one.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a bench may stop")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use wicketgate_core::identity::principal::{Identity, Principal};
use wicketgate_core::mcp::operation::{Operation, Target};
use wicketgate_core::policy::rego::compile::{Source, compile};
use wicketgate_core::policy::rego::narrow::Circumstances;
use wicketgate_core::policy::rego::ruling::Outcome;
use wicketgate_core::policy::rego::{Labels, Obligable, Rego, Setting};
use wicketgate_core::time::Timestamp;

const POLICY: &str = include_str!("rego/authz.rego");
const ARGUMENTS: &str = r#"{"sql":"SELECT id, name FROM customers WHERE region = 'north' LIMIT 50","path":"/data/reports/2026/q3.csv","amount":120,
"replicas":3,"comment":"quarterly report, as asked for in the meeting","database":"warehouse","unread":{"a":[1,2,3],"b":"c"}}"#;

fn load(text: &str) -> Rego {
    let source = Source { name: "authz.rego".to_owned(), text: text.to_owned() };
    let packed = compile(&[source]).unwrap_or_else(|faults| panic!("{faults:?}"));
    let setting = Setting {
        server: "demo".to_owned(),
        labels: Labels::from([("env".to_owned(), "production".to_owned())]),
        tools: Vec::new(),
        argument_bytes: 64 << 10,
        instructions: 2000,
        obligable: Obligable::default(),
    };
    Rego::load(packed, setting).unwrap()
}

fn who(role: &str) -> Principal {
    Principal::Authenticated(Arc::new(Identity {
        issuer: "https://as.example".to_owned(),
        subject: "alice".to_owned(),
        client: Some("c1".to_owned()),
        scopes: vec!["mcp:read".to_owned(), "mcp:write".to_owned()],
        groups: vec!["staff".to_owned()],
        roles: vec![role.to_owned()],
        organization: None,
        grant: None,
        grant_client: None,
        issued: None,
        key: None,
        certificate: None,
        expires: Timestamp::from_secs(u64::MAX / 2_000_000_000),
    }))
}

fn rego(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rego");
    let call = |tool: &str| Operation {
        method: "tools/call".to_owned(),
        targets: vec![Target::Tool(tool.to_owned())],
    };
    let regex = POLICY.replace(
        "not bad_path\n",
        "not bad_path\n\tregex.match(`^/data/[a-z]+/[0-9]{4}/`, input.arguments.path)\n\tregex.match(`^[a-z]+$`, input.arguments.database)\n",
    );
    let stable = "package mcp.authz\nallow if \"analyst\" in input.principal.roles";
    for (name, policy, role, tool, outcome) in [
        ("31 definitions with arguments", POLICY, "analyst", "run_query", Outcome::Allow),
        ("the role decides", POLICY, "guest", "run_query", Outcome::Deny),
        ("with two regular expressions", regex.as_str(), "analyst", "run_query", Outcome::Allow),
        ("remembered", stable, "analyst", "run_query", Outcome::Allow),
    ] {
        let rego = load(policy);
        let (who, operation) = (who(role), call(tool));
        let ask = || {
            let picked = rego.pick(black_box(ARGUMENTS).as_bytes(), Some(0..ARGUMENTS.len()));
            // A Monday at ten.
            let now = Timestamp::from_secs(1_796_032_800);
            let around =
                Circumstances { picked: &picked, headers: Some(&[]), source: Some("10.0.0.7:1"), now };
            rego.judge(black_box(&who), black_box(&operation), &around)
        };
        let ruling = ask();
        assert_eq!(ruling.outcome, outcome, "{name}: {ruling:?}");
        group.bench_function(name, |b| b.iter(ask));
    }
    group.finish();
}

criterion_group!(benches, rego);
criterion_main!(benches);
