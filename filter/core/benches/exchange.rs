//! What does the core do for one call that is allowed, from the first header to the completion record? 50 rules, two buckets,
//! a remembered token; the store is a map here.
#![expect(clippy::unwrap_used, reason = "a benchmark may stop")]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use jwt_simple::prelude::{Claims, ECDSAP256KeyPairLike, ES256KeyPair, HeaderOptions, UnixTimeStamp};
use serde_json::{Value, json};
use wicketgate_core::config::compile;
use wicketgate_core::exchange::step::{Control, Event, Owners, Pages, Step, Take, Tools};
use wicketgate_core::exchange::{Exchange, World};
use wicketgate_core::guard::Guard;
use wicketgate_core::head::{Headers, RequestHead, ResponseHead};
use wicketgate_core::identity::jwks::KeySet;
use wicketgate_core::identity::memory::Memory;
use wicketgate_core::limits::held::Held;
use wicketgate_core::limits::store;
use wicketgate_core::limits::streams;
use wicketgate_core::salt::Salt;
use wicketgate_core::time::Timestamp;
use wicketgate_core::tools::schemas::SchemaMemory;

const NOW: u64 = 1_900_000_000;
const SALT: Salt = Salt::new([5; 16]);
const RESOURCE: &str = "https://gate.example/mcp";

struct Gate {
    guard: Guard,
    memory: RefCell<Memory>,
    held: Held,
    shared: RefCell<HashMap<String, Vec<u8>>>,
    now: Cell<Timestamp>,
}

fn guard() -> Guard {
    let mut rules: Vec<Value> = (0..49)
        .map(|n| {
            let who = json!({"groups": [format!("g{n}")], "scopes": ["mcp:read"]});
            let tools = [format!("get_{n}"), format!("db{n}_*"), format!("repo:*:{n}")];
            json!({"id": format!("r{n}"), "allow": {"who": who, "tools": tools}})
        })
        .collect();
    rules.push(json!({"id": "last", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["get_note"]}}));
    let rate = "1000000/s";
    let document = json!({
        "version": 1,
        "hold_headers": true,
        "issuers": [{
            "issuer": "https://auth.example", "algorithms": ["ES256"], "jwks": {"cluster": "auth", "path": "/v1/jwks"},
        }],
        "servers": [{
            "name": "demo", "url": RESOURCE, "scopes": ["mcp:read"], "rules": rules,
            "limits": {
                "flood": {"rate": rate}, "principal": {"rate": rate},
                "tools": [{"names": ["get_*"], "rate": rate}],
            },
        }],
    });
    compile(document.to_string().as_bytes()).unwrap().guard
}

// === impl Gate ===

impl Gate {
    fn new() -> (Self, String) {
        let key = ES256KeyPair::generate().with_key_id("k1");
        let keys = format!(r#"{{"keys":[{}]}}"#, key.public_key().to_jwk());
        let mut claims = Claims::with_custom_claims(
            json!({"scope": "mcp:read mcp:write", "client_id": "c1", "grant_id": "g1", "groups": ["engineering", "all"]}),
            jwt_simple::prelude::Duration::from_secs(600),
        );
        claims.issued_at = Some(UnixTimeStamp::from_secs(NOW));
        claims.invalid_before = None;
        claims.expires_at = Some(UnixTimeStamp::from_secs(NOW + 600));
        let claims = claims.with_issuer("https://auth.example").with_subject("alice").with_audience(RESOURCE);
        let options = HeaderOptions { signature_type: Some("at+jwt".into()), ..HeaderOptions::default() };
        let token = key.sign_with_options(claims, &options).unwrap();
        let guard = guard();
        let mut memory = Memory::new(&guard.issuers);
        let now = Timestamp::from_secs(NOW);
        memory.replace_keys(0, KeySet::parse(keys.as_bytes()).unwrap(), now, now);
        let held = Held::new(guard.held_bytes);
        let memory = RefCell::new(memory);
        (Self { guard, memory, held, shared: RefCell::default(), now: Cell::new(now) }, token)
    }

    fn on(&self, exchange: &mut Exchange, event: Event<'_>) -> Step {
        let mut memory = self.memory.borrow_mut();
        let mut world = World {
            guard: &self.guard,
            memory: &mut memory,
            held: &self.held,
            salt: None,
            owners: Owners(&|_| None),
            tools: Tools { recall: &|_| None, learn: &|_, _| false },
            pages: Pages(&|_, _| false),
            schemas: &mut SchemaMemory::default(),
            now: self.now.get(),
        };
        exchange.on(event, &mut world)
    }

    fn change<T>(&self, key: String, next: impl FnOnce(Option<&[u8]>) -> (Option<Vec<u8>>, T)) -> T {
        let mut shared = self.shared.borrow_mut();
        let (bytes, outcome) = next(shared.get(&key).map(Vec::as_slice));
        shared.extend(bytes.map(|bytes| (key, bytes)));
        outcome
    }

    fn take(&self, take: &Take) -> store::Outcome {
        self.change(store::set_key(take.tag, SALT), |set| {
            let taken = store::take(set, take.tag, take.rate, 1, self.now.get());
            (taken.bytes, taken.outcome)
        })
    }

    fn drive(&self, exchange: &mut Exchange, event: Event<'_>) -> Control {
        let mut step = self.on(exchange, event);
        loop {
            black_box(&step.effects);
            let event = match step.control {
                Control::Take(takes) => Event::Taken(takes.iter().map(|t| self.take(t)).last(), takes.len()),
                Control::CountStream(_) => Event::StreamCounted(Some(streams::Outcome::Admitted)),
                Control::UseProof(_) => Event::ProofUsed(None),
                Control::Consult(_) => Event::Consulted(None),
                Control::Recall(_) => Event::Recalled(None),
                Control::Route => Event::Routed(None),
                other => return other,
            };
            step = self.on(exchange, event);
        }
    }

    fn call(&self, request: &[u8], body: &[u8], response: &[u8], answer: usize) {
        // Buckets refill as time goes by.
        self.now.set(self.now.get().plus(Duration::from_micros(10)));
        let mut exchange = Exchange::new(self.now.get());
        let headers = Headers::from_block(request.to_vec()).unwrap();
        let head = RequestHead {
            method: headers.pseudo(":method"),
            authority: headers.pseudo(":authority"),
            path: headers.pseudo(":path"),
            source: Some("127.0.0.1".into()),
            certificate: None,
            request_id: headers.one("x-request-id").unwrap().map(str::to_owned),
            headers: headers.without_pseudo(),
        };
        let held = self.drive(&mut exchange, Event::RequestHead { head, end: false });
        assert!(matches!(held, Control::Hold), "{held:?}");
        let sent = self.drive(&mut exchange, Event::RequestBody(body));
        assert!(matches!(sent, Control::Forward(_)), "{sent:?}");
        let headers = Headers::from_block(response.to_vec()).unwrap();
        let head = ResponseHead { status: 200, by_host: false, headers: headers.without_pseudo() };
        self.drive(&mut exchange, Event::ResponseHead { head, end: false });
        self.drive(&mut exchange, Event::ResponseBody { bytes: &[], size: answer, end: true });
        black_box(exchange.finish(&self.guard, self.now.get(), Duration::ZERO));
    }
}

/// As a proxy-wasm host hands headers over.
fn block(pairs: &[(&str, &str)]) -> Vec<u8> {
    let word = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    let mut block = word(pairs.len()).to_vec();
    block.extend(pairs.iter().flat_map(|(n, v)| [word(n.len()), word(v.len())]).flatten());
    for (name, value) in pairs {
        block.extend([name.as_bytes(), &[0], value.as_bytes(), &[0]].concat());
    }
    block
}

fn bench(c: &mut Criterion) {
    let (gate, token) = Gate::new();
    let bearer = format!("Bearer {token}");
    let request = block(&[
        (":authority", "gate.example"),
        (":path", "/mcp"),
        (":method", "POST"),
        (":scheme", "https"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("authorization", &bearer),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "get_note"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-request-id", "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"),
    ]);
    let response = block(&[
        (":status", "200"),
        ("content-type", "application/json"),
        ("content-length", "60"),
        ("x-envoy-upstream-service-time", "1"),
        ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ]);
    for (name, size) in [("allowed call, 300 B", 43), ("allowed call, 100 KB", 100_000)] {
        let text = "Lorem ipsum \"dolor\" sit amet,\nconsetetur. ".repeat(size / 43);
        let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
        let params = json!({"name": "get_note", "arguments": {"id": "ideas", "text": text}, "_meta": meta});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
        c.bench_function(name, |b| b.iter(|| gate.call(&request, body.as_bytes(), &response, 60)));
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
