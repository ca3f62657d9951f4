//! Where do events go? To standard error, one JSON object a line. No event holds a credential: they name grants,
//! clients and users, and the types that hold credentials print nothing of them.

use tracing_subscriber::EnvFilter;

use crate::audit::TARGET;

/// Starts logging; `RUST_LOG` chooses the level, `info` by default. Does nothing if logging was started before.
pub fn start() {
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter());
    drop(subscriber.with_writer(std::io::stderr).try_init());
}

/// What `RUST_LOG` asks for; audit records in any case.
fn filter() -> EnvFilter {
    let asked = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    match format!("{TARGET}=info").parse() {
        Ok(audited) => asked.add_directive(audited),
        Err(_) => asked,
    }
}
