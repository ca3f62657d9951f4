//! What does the server do when its store fails? Commands fail one by one, processes are killed, Redis servers are stopped and
//! replaced: answers are 503 and never a refusal, what was answered stays, what was used does not work again.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what these tests stand on fails by panicking, like the tests themselves"
)]

mod access;
mod backend;
mod broken_imports;
mod flow;
mod ground;
mod injected;
mod key_schema;
mod late_grants;
mod outages;
mod place;
#[path = "../redis/mod.rs"]
mod redis;
mod replicas;
mod report;
mod restarts;
mod served;
mod spread;
mod tls;
mod wire;
#[allow(dead_code, reason = "the HTTP suite needs all of it")]
#[path = "../http/world/mod.rs"]
mod world;
