//! What does a request cost? Envoy's own CPU time for a call that is allowed, against the same listener without the filter, in
//! the same process, in alternating rounds; and against the same with pieces left out, which tells where the time goes.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use wicketgate_e2e::{files, layout, ports};

use crate::process::{cpu_micros, machine_load};
use crate::ready;
use crate::stage::{RULES, Stage, policy};
use crate::summary::{Summary, median, print};
use crate::upstream::Server;
use crate::wire::{HERE, Wire};

const CONNECTIONS: usize = 16;
/// Requests of one case in one round, by the size of the body; enough for CPU time, which comes in hundredths of a second.
const SMALL: usize = 4000;
const LARGE: usize = 1500;
/// What a filter that is one of several in a chain may add, microseconds a request: for 300 bytes, and for 100 KB.
const BUDGETS: [f64; 2] = [80.0, 180.0];

/// One thing that is measured.
struct Case {
    name: &'static str,
    /// The case that it is compared with.
    beside: &'static str,
    port: u16,
    bytes: Arc<Vec<u8>>,
    requests: usize,
    /// Of each round: CPU, and what the filter says of its own time; microseconds a request.
    cpu: Vec<f64>,
    own: Vec<f64>,
}

/// Other listeners of the same Envoy.
struct Listeners {
    router: u16,
    unrecorded: u16,
}

/// `only` those cases whose names hold this, and what they are compared with: for a profiler.
pub(super) async fn run(rounds: usize, only: &str, summary: &mut Summary) {
    summary.part(&format!("CPU of one call, median of {rounds} rounds"));
    let listeners = Listeners { router: ports::free().unwrap(), unrecorded: ports::free().unwrap() };
    let reference = files::read(&layout::root().join("envoy/envoy.yaml")).unwrap();
    let change = ("  listeners:\n".to_owned(), format!("  listeners:\n{}", others(&reference, &listeners)));
    let mut stage = Stage::with("cost", Server::plain().await, &protected(), |plan| {
        plan.workers = Some(1);
        plan.unaccounted = Some("some listeners have no filter or keep no records");
        plan.envoy_changes.push(change);
        // Histograms can be read only after a flush.
        plan.envoy_changes
            .push(("stats_config:\n".into(), "stats_flush_interval: 1s\nstats_config:\n".into()));
    })
    .await;
    let mut cases = cases(&stage, &listeners);
    let mut wanted: Vec<_> =
        cases.iter().filter(|case| case.name.contains(only)).map(|case| case.name).collect();
    // What a case is compared with may be compared with another one.
    for case in cases.iter().rev() {
        if wanted.contains(&case.name) {
            wanted.push(case.beside);
        }
    }
    cases.retain(|case| wanted.contains(&case.name));
    for case in &mut cases {
        case.round(&stage, false).await;
    }
    for round in 1..=rounds {
        for case in &mut cases {
            case.round(&stage, true).await;
        }
        print(&format!("  round {round} of {rounds}, load {}", machine_load()));
    }
    summary.told("setting", "50 rules, two buckets, remembered JWT, audit log, access log, metrics; the router has the same access logs");
    tell(&cases, summary);
    ready::run(&mut stage, summary).await;
    stage.world.discard().await;
}

fn tell(cases: &[Case], summary: &mut Summary) {
    let cpu_of =
        |name: &str| cases.iter().find(|case| case.name == name).map_or(0.0, |case| median(case.cpu.clone()));
    for case in cases {
        let (cpu, other) = (median(case.cpu.clone()), cpu_of(case.beside));
        // Rounds are compared with the other case in the same round, so that a busy minute counts for both.
        let beside = cases.iter().find(|other| other.name == case.beside).unwrap();
        let added = median(case.cpu.iter().zip(&beside.cpu).map(|(this, other)| this - other).collect());
        let mut text = format!("{cpu:4.0} us");
        if case.beside != case.name {
            let _ = write!(text, ", {added:+5.0} us, x {:.2} beside {}", cpu / other, case.beside);
        }
        if !case.own.is_empty() {
            let _ = write!(text, "; within our callbacks {:.0} us", median(case.own.clone()));
        }
        let budget = BUDGETS.iter().zip(["300 B", "100 KB"]).find(|(_, name)| *name == case.name);
        if let Some((budget, _)) = budget {
            let _ =
                write!(text, "; budget +{budget:.0}: {}", if added <= *budget { "met" } else { "not met" });
        }
        summary.told(&format!("{:<24}", case.name), text);
    }
}

// === impl Case ===

impl Case {
    async fn round(&mut self, stage: &Stage, counts: bool) {
        let pid = stage.world.envoy.service.pid();
        let (own_before, cpu_before) = (own_time(stage).await, cpu_micros(pid));
        let mut tasks = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (port, bytes, times) = (self.port, Arc::clone(&self.bytes), self.requests / CONNECTIONS);
            tasks.spawn(async move {
                let mut wire = Wire::open(port, HERE).await;
                for _ in 0..times {
                    wire.send(&bytes).await;
                    let status = wire.answer().await.map_or(0, |answer| answer.status);
                    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes[..bytes.len().min(900)]));
                }
            });
        }
        tasks.join_all().await;
        let cpu = cpu_micros(pid) - cpu_before;
        let own = self.own_time_after(stage, own_before).await;
        if counts {
            #[expect(clippy::cast_precision_loss, reason = "microseconds")]
            self.cpu.push(cpu as f64 / self.requests as f64);
            let exchanges = own.1 - own_before.1;
            self.own.extend((exchanges > 0.0).then(|| (own.0 - own_before.0) / exchanges));
        }
    }

    /// Waits until the histogram holds all of a round; it never does for a listener without the filter.
    async fn own_time_after(&self, stage: &Stage, before: (f64, f64)) -> (f64, f64) {
        let deadline = Instant::now() + Duration::from_secs(3);
        loop {
            let after = own_time(stage).await;
            #[expect(clippy::cast_precision_loss, reason = "thousands")]
            let whole = after.1 - before.1 >= (self.requests / CONNECTIONS * CONNECTIONS) as f64;
            if whole || self.beside == self.name || Instant::now() >= deadline {
                return after;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Sum and number of the histogram of the filter's own time, which Envoy tells once a second.
async fn own_time(stage: &Stage) -> (f64, f64) {
    let url = format!("{}/stats/prometheus?filter=work_us", stage.world.envoy.admin());
    let text = stage.world.http.get(&url, &[]).await.unwrap().text();
    let read = |what: &str| {
        let line = text.lines().find(|line| line.starts_with("wicketgate_work_us") && line.contains(what));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
    };
    (read("_sum"), read("_count"))
}

fn cases(stage: &Stage, listeners: &Listeners) -> Vec<Case> {
    let call = |server: &str, size: usize| {
        let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
        let text = "Lorem ipsum \"dolor\" sit amet,\nconsetetur. ".repeat(size / 43);
        let params = json!({"name": "get_note", "arguments": {"id": "ideas", "text": text}, "_meta": meta});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
        let fields =
            [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "get_note")];
        stage.request("POST", server, &stage.token(server, "alice"), &fields, body.as_bytes())
    };
    let legacy = {
        let params = json!({"name": "get_note", "arguments": {"id": "ideas", "text": "x".repeat(60)}});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
        stage.request("POST", "full", &stage.token("full", "alice"), &[], body.as_bytes())
    };
    let filter = stage.port();
    let case = |name, beside, port, bytes: Vec<u8>| Case {
        name,
        beside,
        port,
        requests: if bytes.len() > 10_000 { LARGE } else { SMALL },
        bytes: Arc::new(bytes),
        cpu: Vec::new(),
        own: Vec::new(),
    };
    vec![
        case("router, 300 B", "router, 300 B", listeners.router, call("full", 43)),
        case("300 B", "router, 300 B", filter, call("full", 43)),
        case("router, 100 KB", "router, 100 KB", listeners.router, call("full", 100_000)),
        case("100 KB", "router, 100 KB", filter, call("full", 100_000)),
        case("300 B, 2025-11-25", "300 B", filter, legacy),
        case("300 B, no audit log", "300 B", listeners.unrecorded, call("full", 43)),
        case("300 B, no buckets", "300 B", filter, call("unlimited", 43)),
        case("300 B, one rule", "300 B", filter, call("one-rule", 43)),
    ]
}

/// Three servers: with everything, without the buckets that are configured, with one rule.
fn protected() -> String {
    let open = "flood: {rate: 1000000/s}, streams: 100000";
    let buckets = "principal: {rate: 1000000/s}, tools: [{names: [\"get_*\"], rate: 1000000/s}]";
    let (full, unlimited) = (format!("{{{open}, {buckets}}}"), format!("{{{open}}}"));
    let mut rules = String::new();
    for n in 0..49 {
        let _ = writeln!(
            rules,
            "      - {{id: r{n}, allow: {{who: {{groups: [g{n}], scopes: [mcp:read]}}, tools: [get_{n}, \"db{n}_*\", \"repo:*:{n}\"]}}}}"
        );
    }
    rules.push_str("      - {id: last, allow: {who: {scopes: [mcp:read]}, tools: [\"get_note\"]}}\n");
    let many = policy(&[("full", &full), ("unlimited", &unlimited)], "64MiB", &rules);
    let one = policy(&[("one-rule", &full)], "64MiB", RULES);
    let (_, one) = one.split_once("  - name: one-rule").unwrap();
    format!("{many}  - name: one-rule{one}")
}

/// The public listener once without the filter, and once without the two logs of records.
fn others(reference: &str, listeners: &Listeners) -> String {
    let begin = reference.find("    - name: public\n").unwrap();
    let public = &reference[begin..begin + reference[begin..].find("\n  clusters:").unwrap()];
    let renamed = |name: &str, port: u16| {
        let named = public.replacen("name: public", &format!("name: {name}"), 1);
        let named = named.replacen("stat_prefix: public", &format!("stat_prefix: {name}"), 1);
        named.replacen("port_value: 8080", &format!("port_value: {port}"), 1)
    };
    let unfiltered = without(
        &renamed("router", listeners.router),
        "                  - name: wicketgate\n",
        "                  - name: envoy.filters.http.router\n",
    );
    let is_ours = |line: &&str| !line.contains("typed_per_filter_config") && !line.contains("wicketgate: {");
    let router: Vec<&str> = unfiltered.lines().filter(is_ours).collect();
    let unrecorded = without(
        &renamed("unrecorded", listeners.unrecorded),
        "                  - name: decisions\n",
        "                  # All requests, those",
    );
    format!("{}\n{unrecorded}\n", router.join("\n"))
}

/// The text without what stands from `begin` until `end`.
fn without(text: &str, begin: &str, end: &str) -> String {
    let (before, rest) = text.split_once(begin).unwrap();
    let at = rest.find(end).unwrap();
    format!("{before}{}", &rest[at..])
}
