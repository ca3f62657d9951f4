//! What does a decision cost? Few rules and many, first and last, exact and pattern, and a list of a hundred tools.
#![expect(clippy::unwrap_used, reason = "a benchmark may stop")]

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use std::hint::black_box;
use std::sync::Arc;
use wicketgate_core::config::compile;
use wicketgate_core::guard::Guard;
use wicketgate_core::identity::principal::{Identity, Principal};
use wicketgate_core::mcp::operation::{Operation, Target};
use wicketgate_core::policy::arguments::Arguments;
use wicketgate_core::policy::authorize;
use wicketgate_core::time::Timestamp;

/// A server with `rules` allow rules of four names each, and one deny rule.
fn document(rules: usize) -> Vec<u8> {
    let rule = |n: usize| {
        json!({"id": format!("r{n}"), "allow": {
            "who": {"groups": [format!("g{n}"), "all"], "scopes": ["mcp:read"]},
            "tools": [format!("get_{n}"), format!("db{n}_*"), format!("repo:*:{n}")],
            "resources": [format!("notes://team-{n}/*")],
        }})
    };
    let mut list: Vec<_> = (0..rules).map(rule).collect();
    list.push(json!({"id": "never", "deny": {"who": "any", "tools": ["drop_*"]}}));
    json!({
        "version": 1,
        "issuers": [{"issuer": "https://as.example", "algorithms": ["ES256"], "jwks": {"cluster": "as", "path": "/jwks"}}],
        "servers": [{"name": "s", "url": "https://mcp.example/mcp", "rules": list}],
    })
    .to_string()
    .into_bytes()
}

fn guard(rules: usize) -> Guard {
    compile(&document(rules)).unwrap().guard
}

fn alice() -> Principal {
    Principal::Authenticated(Arc::new(Identity {
        issuer: "https://as.example".into(),
        subject: "alice".into(),
        client: Some("c".into()),
        scopes: vec!["mcp:read".into()],
        groups: vec!["x".into(), "all".into()],
        roles: vec![],
        organization: None,
        grant: None,
        grant_client: None,
        issued: None,
        key: None,
        certificate: None,
        expires: Timestamp::from_secs(1),
    }))
}

fn authorizing(c: &mut Criterion) {
    let who = alice();
    for rules in [4, 100] {
        let guard = guard(rules);
        let set = &guard.servers.first().unwrap().rules;
        let last = rules - 1;
        let cases = [
            ("exact", "tools/call", Target::Tool(format!("get_{last}"))),
            ("prefix", "tools/call", Target::Tool(format!("db{last}_x"))),
            ("denied", "tools/call", Target::Tool("drop_x".into())),
            ("unknown", "tools/call", Target::Tool("nothing".into())),
            ("resource", "resources/read", Target::Resource(format!("notes://team-{last}/a/b"))),
        ];
        for (name, method, target) in cases {
            let operation = Operation { method: method.into(), targets: vec![target] };
            c.bench_function(&format!("authorize/{rules} rules/{name}"), |b| {
                b.iter(|| authorize(black_box(set), black_box(&who), black_box(&operation), Arguments::NONE));
            });
        }
        let tools: Vec<Target> = (0..100).map(|n| Target::Tool(format!("get_{n}"))).collect();
        c.bench_function(&format!("visible/{rules} rules/100 tools"), |b| {
            b.iter(|| tools.iter().filter(|t| set.visible(black_box(&who), t)).count());
        });
    }
}

fn routing_and_compiling(c: &mut Criterion) {
    let guard = guard(4);
    c.bench_function("route", |b| b.iter(|| guard.route(black_box("mcp.example"), black_box("/mcp?x=1"))));
    let document = document(100);
    c.bench_function("compile/100 rules", |b| b.iter(|| compile(black_box(&document))));
}

criterion_group!(benches, authorizing, routing_and_compiling);
criterion_main!(benches);
