//! What does filtering a list cost, as one JSON text and as a stream?
#![expect(clippy::unwrap_used, reason = "a benchmark that fails must stop")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use wicketgate_core::mcp::operation::Target;
use wicketgate_core::sanitize::list::filter_list;
use wicketgate_core::sanitize::stream::ListStream;

/// An answer with `count` tools of about 600 bytes.
fn tools(count: usize) -> String {
    let tool = |i: usize| {
        let prose = "Finds notes by words in their title or text. ".repeat(5);
        format!(
            r#"{{"name":"tool_{i}","description":"{prose}","inputSchema":{{"type":"object","properties":{{"query":{{"type":"string","description":"words, \"quoted\" for a phrase"}},"limit":{{"type":"integer","minimum":1,"maximum":100,"default":10}}}},"required":["query"],"additionalProperties":false}},"annotations":{{"readOnlyHint":true}}}}"#
        )
    };
    let list: Vec<String> = (0..count).map(tool).collect();
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}],"ttlMs":1000,"cacheScope":"public"}}}}"#,
        list.join(",")
    )
}

/// Hides every other tool.
fn visible(target: &Target) -> bool {
    target.name().as_bytes().last().is_some_and(|b| b % 2 == 0)
}

fn sanitize(c: &mut Criterion) {
    let mut group = c.benchmark_group("sanitize");
    for count in [10, 200] {
        let body = tools(count);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("list_{count}_tools"), |b| {
            b.iter(|| filter_list(black_box(body.as_bytes()), None, &mut visible).unwrap());
        });
        let event = format!("event: message\r\nid: 1\r\ndata: {body}\r\n\r\n");
        group.bench_function(format!("stream_{count}_tools_4k_chunks"), |b| {
            b.iter(|| {
                let mut stream = ListStream::new(1 << 20, None);
                let mut out = Vec::new();
                for chunk in black_box(event.as_bytes()).chunks(4096) {
                    stream.feed(chunk, &mut visible, &mut out).unwrap();
                }
                out
            });
        });
    }
    let progress =
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":5}}"#;
    let event = format!("event: message\ndata: {progress}\n\n");
    group.throughput(Throughput::Bytes(event.len() as u64));
    group.bench_function("stream_progress_event", |b| {
        let mut stream = ListStream::new(1 << 20, None);
        let mut out = Vec::new();
        b.iter(|| {
            out.clear();
            stream.feed(black_box(event.as_bytes()), &mut visible, &mut out).unwrap();
        });
    });
    group.finish();
}

criterion_group!(benches, sanitize);
criterion_main!(benches);
