//! What does reading contents cost, where nothing is found and where much is?
#![expect(clippy::unwrap_used, reason = "a benchmark that fails must stop")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use std::hint::black_box;
use wicketgate_core::config;
use wicketgate_core::identity::principal::Principal;
use wicketgate_core::mcp::operation::{Operation, Target};
use wicketgate_core::policy::Caller;
use wicketgate_core::salt::Salt;
use wicketgate_core::sanitize::content::{Asked, Plan, Report, apply};

fn plan(rules: &Value) -> Plan {
    let document = json!({"version": 1, "servers": [{
        "name": "s", "url": "https://gate.example/mcp", "content": rules,
        "rules": [{"id": "all", "allow": {"who": "anonymous", "tools": ["*"]}}],
    }]});
    let guard = config::compile(document.to_string().as_bytes()).unwrap().guard;
    let operation = Operation { method: "tools/call".into(), targets: vec![Target::Tool("t".into())] };
    let content = &guard.servers.first().unwrap().content;
    let asked = Asked { operation: &operation, may_be_anothers: false, may_be_obliged: false, obliged: &[] };
    Plan::of_answers(content, Caller::from(&Principal::Anonymous), asked).unwrap().salted(Salt::new([7; 16]))
}

/// An answer of about 100 KB whose text is `line`, again and again.
fn answer(line: &str) -> String {
    let text = line.repeat(100_000 / line.len());
    json!({"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": text}]}}).to_string()
}

/// Rows as a database answers them, about 100 KB.
fn rows() -> String {
    let row = |at: usize| json!({"id": 1000 + at, "title": "Quarterly report", "state": "open", "price": 19.5, "tags": ["a", "b"], "at": "2026-01-15T10:12:44Z"});
    let rows: Vec<Value> = (0..700).map(row).collect();
    json!({"jsonrpc": "2.0", "id": 1, "result": {"content": [], "structuredContent": {"rows": rows}}})
        .to_string()
}

fn content(c: &mut Criterion) {
    let personal = plan(&json!([
        {"id": "r", "detect": ["credentials", "personal"], "action": "mask", "characters": "strip"},
    ]));
    let all = plan(&json!([
        {"id": "r", "detect": ["credentials", "personal", "us_ssn", "uk_nino", "ca_sin", "fr_nir", "de_tax_id", "es_dni",
            "it_fiscal_code", "nl_bsn", "pl_pesel", "br_cpf", "in_aadhaar", "cn_id", "instructions", "exfiltration"],
         "keys": ["*salary*"], "action": "mask", "characters": "strip"},
    ]));
    let prose = "The release was frozen on Monday; notes follow by Friday, and the team meets again next week to see it through.\n";
    let log = "2026-01-15T10:12:44.123Z INFO request_id=0f8fad5b-d9cb-469f-a165-70867728950e took=1234us status=200 bytes=40321\n";
    let secret = "Author: Ann Lee <ann.lee@example.com>, +44 20 7946 0958, key AKIAQ3EGRIVCJHX2LT5W, card 4111 1111 1111 1111\n";
    let mut group = c.benchmark_group("content");
    for (name, body) in [
        ("prose", answer(&prose.replace('\n', " "))),
        ("prose_with_escapes", answer(prose)),
        ("log", answer(log)),
        ("rows", rows()),
        ("findings_everywhere", answer(secret)),
        // What calls for a judgement at every few bytes, and holds nothing.
        ("hostile_keys", answer("-----BEGIN PRIVATE KEY-----! ")),
        ("hostile_tokens", answer("-eyJ-sk-xoxb-ghp_.eyJ.password=$")),
        ("hostile_addresses", answer("a@a.b@")),
        ("hostile_numbers", answer("1 22 333 4444 ")),
        ("hostile_images", answer("![<img [x](http")),
        ("hostile_escapes", answer("\u{1b}]x")),
    ] {
        group.throughput(Throughput::Bytes(body.len() as u64));
        for (rules, plan) in [("personal", &personal), ("everything", &all)] {
            group.bench_function(format!("{name}_{rules}"), |b| {
                b.iter(|| apply(black_box(body.as_bytes()), plan, &mut Report::default()).unwrap());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, content);
criterion_main!(benches);
