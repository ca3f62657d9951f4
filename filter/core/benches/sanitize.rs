//! What does filtering a list cost, as one JSON text and as a stream?
#![expect(clippy::unwrap_used, reason = "a benchmark that fails must stop")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use wicketgate_core::mcp::operation::Target;
use wicketgate_core::sanitize::list::{filter_answer, filter_list};
use wicketgate_core::sanitize::stream::ListStream;
use wicketgate_core::sanitize::viewer::{Kept, Viewer};
use wicketgate_core::time::Timestamp;
use wicketgate_core::tools::book::Book;
use wicketgate_core::tools::entry::examine;
use wicketgate_core::tools::pins::{Pins, Reaction, ToolPolicy};

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

/// Judges tools as a server that pins them is judged, by a page that it has read.
struct Pinned(ToolPolicy, Book);

impl Viewer for Pinned {
    fn sees(&mut self, target: &Target) -> bool {
        visible(target)
    }

    fn tool(&mut self, name: &str, entry: &[u8]) -> Kept {
        let now = Timestamp::from_secs(1);
        let judged = self.0.judge_listed(name, &examine(entry), false, &mut self.1, now);
        if judged.quarantine.is_some() { Kept::Cut } else { Kept::Whole }
    }
}

fn pinned(c: &mut Criterion) {
    let mut group = c.benchmark_group("pinned");
    let body = tools(50);
    let pins = Pins::FirstUse { unseen: true };
    let policy = ToolPolicy { pins, characters: Reaction::Strip, ..ToolPolicy::default() };
    let mut judge = Pinned(policy, Book::default());
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("list_50_tools", |b| {
        b.iter(|| {
            let filtered = filter_answer(black_box(body.as_bytes()), None, &mut judge).unwrap();
            // As each list of a server does: the page is read twice, and compared.
            let page = judge.1.bytes();
            assert_eq!(Book::read(Some(&page)).as_ref(), Some(&judge.1));
            filtered
        });
    });
    let book = judge.1.bytes();
    group.bench_function("call_of_one_of_50", |b| {
        b.iter(|| judge.0.judge_call(black_box("tool_7"), &Book::read(Some(black_box(&book))).unwrap()));
    });
    group.finish();
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

criterion_group!(benches, sanitize, pinned);
criterion_main!(benches);
