//! `serve`: the server itself, until somebody tells it to stop.

use std::path::Path;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use wicketgate_auth::clock::SystemClock;
use wicketgate_auth::error::ServeError;
use wicketgate_auth::reload::Hangups;
use wicketgate_auth::{app, telemetry};

use super::{Failure, Outcome, REFUSED, failed, load};

pub(super) fn serve(path: &Path) -> Outcome {
    let config = load(path)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let telemetry = telemetry::start(&config.telemetry).map_err(failed)?;
        // Before anybody can know that we run: a signal that comes right after the start must not meet the default.
        let mut stop = Stop::listen().map_err(failed)?;
        let hangups = Hangups::listen().map_err(failed)?;
        let running = app::start(config, Arc::new(SystemClock)).await.map_err(|error| match error {
            ServeError::Config(error) => Failure { code: REFUSED, message: error.to_string() },
            other => failed(other),
        })?;
        tokio::select! {
            () = stop.told() => {}
            () = hangups.reload(&running, path) => {}
        }
        tracing::info!(event = "stopping");
        running.stop().await;
        telemetry.stop().await;
        Ok(())
    })
}

/// SIGTERM and SIGINT, listened for from its creation on.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

// === impl Stop ===

impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
