//! Where do events go? To standard error, one JSON object a line; and spans, where the configuration names one, to a collector. No
//! event and no span holds a credential: they name grants, clients and users, and the types that hold credentials print nothing
//! of them.

mod otlp;
pub(crate) mod spans;

use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use self::spans::TRACED;
use crate::audit::TARGET;
use crate::config::TelemetryConfig;
use crate::error::ServeError;

/// What has been started.
pub struct Telemetry(Option<SdkTracerProvider>);

/// Starts logging, and tracing where that is configured; needs a tokio runtime of several threads then. `RUST_LOG` chooses the
/// level of logs, `info` by default. Does nothing if logging was started before.
///
/// # Errors
/// [`ServeError::Telemetry`].
pub fn start(config: &TelemetryConfig) -> Result<Telemetry, ServeError> {
    let provider = config.otlp.as_ref().map(otlp::provider).transpose()?;
    let spans = provider.as_ref().map(otlp::layer);
    // Spans are for the collector; a line of the log says by itself what it is about.
    let log = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(std::io::stderr)
        .with_filter(filter());
    drop(tracing_subscriber::registry().with(spans).with(log).try_init());
    Ok(Telemetry(provider))
}

// === impl Telemetry ===

impl Telemetry {
    /// Sends what has not been sent yet.
    pub async fn stop(self) {
        let Some(provider) = self.0 else { return };
        // It waits for the last post, which this runtime makes.
        let stopped = tokio::task::spawn_blocking(move || provider.shutdown()).await;
        if !matches!(stopped, Ok(Ok(()))) {
            tracing::warn!(event = "spans_lost_at_the_end");
        }
    }
}

/// What `RUST_LOG` asks for; audit records in any case, spans in none.
fn filter() -> EnvFilter {
    let mut filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    for directive in [format!("{TARGET}=info"), format!("{TRACED}=off")] {
        filter = match directive.parse() {
            Ok(directive) => filter.add_directive(directive),
            Err(_) => filter,
        };
    }
    filter
}
