//! The adapter between Envoy's Wasm host and the core: it reads what the host saw, feeds the core, does what the core
//! says. It decides nothing; the one thing it adds is that every error of the host denies.
#![expect(missing_docs, reason = "the only public item is the entry point that the SDK's macro makes")]

mod audit;
mod callouts;
mod credentials;
mod deadlines;
#[cfg(feature = "drill")]
mod drill;
mod effects;
mod feed;
mod head;
mod host;
mod http;
mod leases;
mod metrics;
mod places;
mod policy;
mod question;
mod roll;
mod root;
mod shared;
mod sidecar;
mod signature;
mod streams;
mod tables;

use proxy_wasm::traits::RootContext;
use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    // Also installs the panic hook: a panic is written to Envoy's log before the VM dies.
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> { Box::new(root::Root::new(id)) });
}}
