//! What do the arguments of a call cost? Those that rules demand something of, and all of them by a schema.
#![expect(clippy::unwrap_used, reason = "a benchmark that fails must stop")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use serde_json::json;
use wicketgate_core::config::compile;
use wicketgate_core::policy::arguments::Demands;
use wicketgate_core::tools::schema::Schema;

fn demands() -> Demands {
    let arguments = json!({
        "limit": {"type": "integer", "min": 1, "max": 100}, "path": {"within": "/srv/notes"},
        "url": {"hosts": ["api.example.com", "*.example.org"]}, "mode": {"one_of": ["read", "list"]},
        "query": {"max_length": 2000}, "tags[]": {"one_of": ["a", "b", "c"]},
    });
    let rule = json!({"id": "r", "allow": {"who": "any", "tools": ["*"], "arguments": arguments}});
    let issuer = json!({"issuer": "https://a.example", "algorithms": ["ES256"], "jwks": {"cluster": "c", "path": "/k"}});
    let server = json!({"name": "s", "url": "https://s.example/mcp", "rules": [rule]});
    let document = json!({"version": 1, "issuers": [issuer], "servers": [server]});
    let guard = compile(document.to_string().as_bytes()).unwrap().guard;
    guard.servers.first().unwrap().rules.rules().first().unwrap().arguments.clone().unwrap()
}

fn arguments(c: &mut Criterion) {
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["query"],
        "properties": {
            "limit": {"type": "integer", "minimum": 1, "maximum": 100}, "path": {"type": "string", "maxLength": 200},
            "url": {"type": "string", "format": "uri"}, "mode": {"enum": ["read", "list"]}, "query": {"type": "string"},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "uniqueItems": true},
        },
        "$defs": {"tag": {"type": "string", "minLength": 1}},
    })
    .to_string();
    let call = |prose: usize, tags: usize| {
        let tags: Vec<&str> = ["a", "b", "c"].into_iter().cycle().take(tags).collect();
        json!({"query": "x".repeat(prose), "limit": 50, "path": "/srv/notes/a", "mode": "read",
               "url": "https://api.example.com/a?b", "tags": tags})
        .to_string()
    };
    let (demands, compiled) = (demands(), Schema::compile(schema.as_bytes()).unwrap());
    let mut group = c.benchmark_group("arguments");
    for (name, call) in
        [("small", call(40, 3)), ("prose_100k", call(100_000, 3)), ("items_4k", call(40, 4000))]
    {
        group.bench_with_input(BenchmarkId::new("rule", name), &call, |b, call| {
            b.iter(|| demands.unmet(black_box(call.as_bytes())));
        });
        group.bench_with_input(BenchmarkId::new("schema", name), &call, |b, call| {
            b.iter(|| compiled.validate(black_box(call.as_bytes())));
        });
    }
    group.bench_function("compile_schema", |b| b.iter(|| Schema::compile(black_box(schema.as_bytes()))));
    group.finish();
}

criterion_group!(benches, arguments);
criterion_main!(benches);
