//! What does reading a request body cost? Against `serde_json::Value` as a yardstick, which checks less.
#![expect(clippy::unwrap_used, reason = "a benchmark that fails must stop")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use wicketgate_core::mcp::jsonrpc;
use wicketgate_core::mcp::strict::{Rigour, Scanner};

/// A call whose arguments hold about `size` bytes of prose in `fields` members.
fn call(fields: usize, size: usize) -> String {
    let prose = "Lorem ipsum \\\"dolor\\\" sit amet,\\nconsetetur. ".repeat(size / fields / 40 + 1);
    let members: Vec<String> = (0..fields).map(|i| format!(r#""field_{i}":"{prose}""#)).collect();
    format!(
        r#"{{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{{"name":"search_notes","arguments":{{{}}},"_meta":{{"progressToken":"a1","io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}}}}"#,
        members.join(",")
    )
}

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    let bodies = [
        ("small_call", call(2, 60)),
        ("prose_10k", call(8, 10_000)),
        ("prose_100k", call(20, 100_000)),
        ("members_100k", call(2_500, 10)),
    ];
    for (name, body) in &bodies {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::new("jsonrpc", name), body, |b, body| {
            b.iter(|| jsonrpc::read(black_box(body.as_bytes()), None).unwrap());
        });
        group.bench_with_input(BenchmarkId::new("scan_answer", name), body, |b, body| {
            b.iter(|| {
                let mut scanner = Scanner::new(black_box(body.as_bytes()), 128, Rigour::WhereRead).unwrap();
                scanner.skip().unwrap();
                scanner.end().unwrap();
            });
        });
        group.bench_with_input(BenchmarkId::new("serde_value", name), body, |b, body| {
            b.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(body.as_bytes())).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
