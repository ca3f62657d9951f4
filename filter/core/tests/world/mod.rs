//! A whole gateway in memory: a compiled configuration, a signing key, a bucket store, and a driver that does what the
//! adapter in Envoy does with every step. Shared by the integration tests of the core.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    reason = "shared by test files, each of which uses its own part"
)]

mod driven;
mod messages;
mod shared;
mod signing;

use std::collections::BTreeMap;

use jwt_simple::prelude::*;
use serde_json::{Value, json};
use wicketgate_core::config;
use wicketgate_core::exchange::step::Event;
use wicketgate_core::guard::Guard;
use wicketgate_core::head::{PeerCertificate, RequestHead};
use wicketgate_core::identity::jwks::KeySet;
use wicketgate_core::identity::memory::Memory;
use wicketgate_core::limits::held::Held;
use wicketgate_core::limits::streams::Holder;
use wicketgate_core::limits::tag::Tag;
use wicketgate_core::salt::Salt;
use wicketgate_core::time::Timestamp;
use wicketgate_core::tools::schemas::SchemaMemory;

pub use driven::{Driven, Fields, Replied};
pub use messages::{call, list, request, response};
pub use shared::granted;
pub use signing::{b64, jwk, signed};

pub const NOW: u64 = 1_900_000_000;
pub const ISSUER: &str = "https://auth.example";
const VM: Holder = Holder(1);
const SALT: Salt = Salt::new([5; 16]);
pub const RESOURCE: &str = "https://gate.example/mcp";

/// The configuration of one server with these rules.
pub fn configuration(rules: &Value) -> Value {
    json!({
        "version": 1,
        "hold_headers": true,
        "issuers": [{"issuer": ISSUER, "algorithms": ["ES256"], "jwks": {"cluster": "auth", "path": "/v1/jwks"}}],
        "servers": [{"name": "demo", "url": RESOURCE, "scopes": ["mcp:read"], "rules": rules}],
    })
}

/// Everything around the exchanges of one VM.
pub struct Gate {
    pub guard: Guard,
    pub memory: Memory,
    pub held: Held,
    pub schemas: SchemaMemory,
    pub key: ES256KeyPair,
    pub now: Timestamp,
    /// Shared data: buckets, owners, streams.
    pub shared: BTreeMap<String, Vec<u8>>,
    /// Streams that count in this VM.
    pub streams: BTreeMap<Tag, u32>,
    pub store_fails: bool,
    /// The same for the question whose a session or a task is, and for nothing before it.
    pub owners_fail: bool,
    /// The same for the buckets alone.
    pub buckets_fail: bool,
    /// The same for the salt alone.
    pub salt_fails: bool,
    /// The same for used proofs alone.
    pub proofs_fail: bool,
    /// The same for what was seen of tools alone.
    pub pages_fail: bool,
    /// What another worker writes after this one has read a page, once.
    pub meanwhile: Option<BTreeMap<String, Vec<u8>>>,
    /// The same for what was done before.
    pub history_fails: bool,
    /// The peer's address.
    pub source: Option<&'static str>,
    /// What the client shows on its connection.
    pub certificate: Option<PeerCertificate>,
    /// The host fails at the first thing that it is told to let a request go on.
    pub host_fails: bool,
    /// The route that Envoy takes.
    pub route: Option<String>,
}

// === impl Gate ===

impl Gate {
    pub fn new(configuration: &Value) -> Self {
        let compiled =
            config::compile(configuration.to_string().as_bytes()).expect("the test's configuration compiles");
        let key = ES256KeyPair::generate().with_key_id("k1");
        let mut gate = Self {
            memory: Memory::new(&compiled.guard.issuers),
            held: Held::new(compiled.guard.held_bytes),
            schemas: SchemaMemory::default(),
            guard: compiled.guard,
            key,
            now: Timestamp::from_secs(NOW),
            shared: BTreeMap::new(),
            streams: BTreeMap::new(),
            store_fails: false,
            owners_fail: false,
            buckets_fail: false,
            salt_fails: false,
            proofs_fail: false,
            pages_fail: false,
            meanwhile: None,
            history_fails: false,
            source: None,
            certificate: None,
            host_fails: false,
            route: None,
        };
        let keys = gate.keys();
        gate.memory.replace_keys(0, keys, gate.now, gate.now);
        gate
    }

    /// A VM that has just started.
    pub fn forget_keys(&mut self) {
        self.memory = Memory::new(&self.guard.issuers);
    }

    pub fn with_rules(rules: &Value) -> Self {
        Self::new(&configuration(rules))
    }

    /// The key set as the sidecar would serve it.
    pub fn keys(&self) -> KeySet {
        let mut key = jwk(&self.key);
        for (name, value) in [("kid", "k1"), ("alg", "ES256"), ("use", "sig")] {
            key[name] = json!(value);
        }
        let document = json!({"keys": [key]});
        KeySet::parse(document.to_string().as_bytes()).expect("a sound key set")
    }

    /// A signed access token (RFC 9068) with these extra claims.
    pub fn token(&self, extra: &Value) -> String {
        let mut claims = json!({
            "iss": ISSUER, "sub": "alice", "aud": RESOURCE, "client_id": "c1", "jti": "j1", "grant_id": "g1",
            "iat": NOW - 1, "exp": NOW + 600, "scope": "mcp:read",
        });
        for (name, value) in extra.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.jws("at+jwt", &claims)
    }

    /// What the issuer signs, of this type.
    pub fn jws(&self, typ: &str, claims: &Value) -> String {
        signed(&self.key, &json!({"alg": "ES256", "typ": typ, "kid": "k1"}), claims)
    }

    pub fn begin(&self) -> Driven {
        Driven::begun(self.now)
    }

    /// A whole POST with a token of these claims.
    pub fn post(&mut self, claims: &Value, message: &Value) -> Driven {
        let token = self.token(claims);
        self.post_raw(&[("authorization", &format!("Bearer {token}"))], message.to_string().as_bytes())
    }

    /// A whole POST with these headers besides the usual ones.
    pub fn post_raw(&mut self, headers: &[(&str, &str)], body: &[u8]) -> Driven {
        let mut driven = self.begin();
        let mut all =
            vec![("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        all.extend_from_slice(headers);
        let (source, certificate) = (self.source.map(str::to_owned), self.certificate.clone());
        let head = RequestHead { source, certificate, ..request("POST", "/mcp", &all) };
        driven.feed(self, Event::RequestHead { head, end: false });
        if driven.replies.is_empty() {
            driven.body = body.to_vec();
            driven.feed(self, Event::RequestBody(body));
        }
        driven
    }
}
