//! A Rego policy outside a gateway: compiled, loaded, asked. Shared by tests.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "shared by test files, each of which uses its own part"
)]

use wicketgate_core::policy::rego::compile::{self, Source};
use wicketgate_core::policy::rego::packed::Packed;
use wicketgate_core::policy::rego::{Labels, Obligable, Rego, Setting};

/// What the compiler says.
pub enum Compiled {
    Yes(Box<Packed>),
    No(Vec<String>),
}

pub fn compile(sources: &[Source]) -> Compiled {
    match compile::compile(sources) {
        Ok(packed) => Compiled::Yes(Box::new(packed)),
        Err(refused) => Compiled::No(refused.into_iter().map(|refusal| refusal.message).collect()),
    }
}

/// The same of sources that read these data documents.
pub fn compile_with(sources: &[Source], data: &serde_json::Map<String, serde_json::Value>) -> Compiled {
    match compile::compile_with(sources, data) {
        Ok(packed) => Compiled::Yes(Box::new(packed)),
        Err(refused) => Compiled::No(refused.into_iter().map(|refusal| refusal.message).collect()),
    }
}

pub fn load(packed: Packed) -> Rego {
    let setting = Setting {
        server: "demo".to_owned(),
        labels: Labels::new(),
        tools: Vec::new(),
        argument_bytes: 64 << 10,
        instructions: 2000,
        obligable: Obligable::default(),
    };
    Rego::load(packed, setting).unwrap()
}

/// One file of the package `mcp.authz` with these rules.
pub fn policy(rules: &str) -> Source {
    Source { name: "authz.rego".to_owned(), text: format!("package mcp.authz\n\n{rules}\n") }
}
