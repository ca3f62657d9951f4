//! How does a running server take over another configuration? It is read and compiled as at the start. If it is right it takes
//! the place of the other for every request that comes from then on, of all listeners at once; if not, nothing changes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{Context, Running, Served};
use crate::audit::Act;
use crate::config::{Config, ConfigError};
use crate::error::ServeError;
use crate::fetch::Fetcher;
use crate::fetch::cache::Cache;
use crate::idp::assertion_issuers::AssertionIssuers;
use crate::idp::external_issuers::ExternalIssuers;
use crate::idp::local::LocalUsers;
use crate::idp::upstream::Providers;
use crate::mcp_servers::Prober;
use crate::metrics::Outcome;

/// SIGHUP, listened for from its creation on.
pub struct Hangups(Signal);

// === impl Hangups ===

impl Hangups {
    /// Listens.
    ///
    /// # Errors
    /// The system's.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Reads the configuration in `path` anew at each; never returns. What becomes of it stands in the log.
    pub async fn reload(mut self, running: &Running, path: &Path) {
        while self.0.recv().await.is_some() {
            // What is wrong has been written down.
            drop(running.reload(Config::load(path)).await);
        }
        std::future::pending().await
    }
}

// === impl Running ===

impl Running {
    /// Takes over what was read, if it is right and differs in nothing that must stay; goes on in a new audit file in any case.
    ///
    /// # Errors
    /// [`ServeError`]; the configuration of before is still in force then.
    pub async fn reload(&self, read: Result<Config, ConfigError>) -> Result<(), ServeError> {
        let _one_at_a_time = self.reloading.lock().await;
        let before = Arc::clone(&self.current.borrow().context);
        before.audit.reopen();
        let changed = match read {
            Ok(config) => changed(Arc::clone(&before), config).await,
            Err(error) => Err(error.into()),
        };
        let outcome = if changed.is_ok() { "reloaded" } else { "refused" };
        before.metrics.config_reloads.get_or_create(&Outcome { outcome }).inc();
        match changed {
            Ok(served) => {
                self.handshakes.show(&served.context.config.listen);
                self.current.send_replace(Arc::new(served));
                before.metrics.loaded(before.clock.now());
                before.audit.write(&Act::ConfigReloaded.event());
                Ok(())
            }
            Err(error) => {
                before.audit.write(&Act::ConfigRefused.event().because(error.to_string()));
                Err(error)
            }
        }
    }
}

async fn changed(before: Arc<Context>, config: Config) -> Result<Served, ServeError> {
    stays(&before.config, &config)?;
    let context = Arc::clone(&before);
    // Passwords in clear are hashed, which takes a while.
    let changed = tokio::task::spawn_blocking(move || context.under(config)).await;
    let changed = changed.unwrap_or_else(|error| Err(ServeError::Interrupted(error.to_string())))?;
    before.keys.allow_tokens_of(changed.config.lifetimes.access_token);
    Ok(Served::of(changed))
}

// === impl Context ===

impl Context {
    /// The same server under another configuration.
    fn under(&self, config: Config) -> Result<Self, ServeError> {
        // What was fetched counts only under the rules that it was fetched and admitted under.
        let named = |config: &Config| {
            let issuers = config.identity_assertions.iter();
            issuers.flat_map(|issuer| issuer.published_clients.clone()).collect::<BTreeSet<_>>()
        };
        let same_rules = config.fetch == self.config.fetch
            && config.registration.private_use == self.config.registration.private_use
            && named(&config) == named(&self.config);
        let (documents, client_keys) = match same_rules {
            true => (Arc::clone(&self.documents), Arc::clone(&self.client_keys)),
            false => (Arc::new(Cache::new()), Arc::new(Cache::new())),
        };
        Ok(Self {
            accounts: Box::new(LocalUsers::new(&config.users)?),
            providers: Providers::new(&config),
            assertion_issuers: AssertionIssuers::new(&config),
            external_issuers: ExternalIssuers::new(&config),
            kept_alive: Arc::clone(&self.kept_alive),
            guessers: Arc::clone(&self.guessers),
            fetcher: Fetcher::new(&config.fetch),
            prober: Prober::new(&config.fetch),
            mcp_health: Arc::clone(&self.mcp_health),
            documents,
            client_keys,
            config,
            store: Arc::clone(&self.store),
            keys: Arc::clone(&self.keys),
            clock: Arc::clone(&self.clock),
            metrics: Arc::clone(&self.metrics),
            audit: Arc::clone(&self.audit),
            sightings: Arc::clone(&self.sightings),
            loaded_at: self.clock.now(),
        })
    }
}

/// Refuses what cannot change while the server runs: where it listens and keeps things, what it is called and what it signs with.
fn stays(before: &Config, after: &Config) -> Result<(), ConfigError> {
    let probe = "the same key";
    let same = [
        ("issuer", before.issuer == after.issuer),
        ("listen", before.listen.is_same_place_as(&after.listen)),
        ("addresses_file", before.addresses_file == after.addresses_file),
        ("store", before.store.is_same_as(&after.store)),
        ("signing", before.signing == after.signing),
        ("data_key", before.data_key.digest(probe).matches(&after.data_key.digest(probe))),
        ("audit", before.audit == after.audit),
        ("telemetry", before.telemetry == after.telemetry),
    ];
    let differing: Vec<&str> = same.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect();
    match differing.is_empty() {
        true => Ok(()),
        false => {
            Err(ConfigError::new(differing.join(", "), "cannot change while the server runs: restart it"))
        }
    }
}
