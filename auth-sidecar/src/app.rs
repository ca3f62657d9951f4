//! How does the server start, and what do all its parts share? [`start`] binds four listeners and returns what runs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::{Clock, UnixTime};
use crate::config::{Config, StoreConfig};
use crate::endpoints;
use crate::error::ServeError;
use crate::fetch::Fetcher;
use crate::fetch::cache::Cache;
use crate::grants::clients::KeptAlive;
use crate::idp::IdentityProvider;
use crate::idp::assertion_issuers::AssertionIssuers;
use crate::idp::external_issuers::ExternalIssuers;
use crate::idp::local::LocalUsers;
use crate::idp::upstream::Providers;
use crate::keys::lifecycle::Schedule;
use crate::keys::{KeyError, Keys};
use crate::metrics::Metrics;
use crate::oauth::client::Client;
use crate::oauth::jwk::KeySet;
use crate::server;
use crate::store::Store;

/// How often expired records are removed, by the server's clock. They count as absent from the moment they expire; this only frees
/// space.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// How often that clock is looked at.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(1);

/// What every request may use.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) store: Arc<Store>,
    pub(crate) keys: Keys,
    pub(crate) accounts: Box<dyn IdentityProvider>,
    pub(crate) providers: Providers,
    pub(crate) assertion_issuers: AssertionIssuers,
    pub(crate) external_issuers: ExternalIssuers,
    pub(crate) fetcher: Fetcher,
    pub(crate) documents: Cache<Client>,
    pub(crate) client_keys: Cache<KeySet>,
    pub(crate) kept_alive: KeptAlive,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
}

/// A server that is answering.
pub struct Running {
    /// The addresses that were bound.
    pub addresses: Addresses,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Where the listeners really are; the JSON of the addresses file.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Addresses {
    /// OAuth for clients and browsers.
    pub public: SocketAddr,
    /// The gateway's own calls.
    pub internal: SocketAddr,
    /// Health.
    pub admin: SocketAddr,
    /// Prometheus metrics.
    pub metrics: SocketAddr,
}

/// Opens the store, binds the listeners, and serves until [`Running::stop`].
///
/// # Errors
/// [`ServeError`]; nothing is left running then.
pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<Running, ServeError> {
    let store = Store::open(&config.store, &clock)?;
    start_with_store(config, clock, store).await
}

/// The same with a store that is open already.
///
/// # Errors
/// [`ServeError`]; nothing is left running then.
pub async fn start_with_store(
    config: Config,
    clock: Arc<dyn Clock>,
    store: Store,
) -> Result<Running, ServeError> {
    let store = Arc::new(store);
    let signing = &config.signing;
    let schedule = Schedule {
        held: signing.held(),
        rotate_every: signing.rotate_every,
        publish_before: signing.publish_before,
        longest_token: config.lifetimes.access_token,
    };
    let keys = Keys::new(config.data_key.clone(), schedule, signing.algorithm);
    match keys.keep_current(&store, clock.now()).await {
        Ok(()) => {}
        // A server that is away may come later; until then nothing is answered.
        Err(KeyError::Store(error)) if matches!(config.store, StoreConfig::Redis(_)) => {
            tracing::warn!(event = "store_is_away", %error);
        }
        Err(error) => return Err(error.into()),
    }
    let accounts = Box::new(LocalUsers::new(&config.users)?);
    let context = Arc::new(Context {
        providers: Providers::new(&config),
        assertion_issuers: AssertionIssuers::new(&config),
        external_issuers: ExternalIssuers::new(&config),
        fetcher: Fetcher::new(&config.fetch),
        documents: Cache::new(),
        client_keys: Cache::new(),
        config,
        store,
        keys,
        accounts,
        kept_alive: KeptAlive::default(),
        clock,
        metrics: Metrics::new(),
    });

    let listen = context.config.listen;
    let (public, public_at) = bind("public", listen.public).await?;
    let (internal, internal_at) = bind("internal", listen.internal).await?;
    let (admin, admin_at) = bind("admin", listen.admin).await?;
    let (metrics, metrics_at) = bind("metrics", listen.metrics).await?;
    let addresses =
        Addresses { public: public_at, internal: internal_at, admin: admin_at, metrics: metrics_at };
    if let Some(path) = &context.config.addresses_file {
        write_atomically(path, &addresses)
            .map_err(|source| ServeError::AddressesFile { path: path.clone(), source })?;
    }

    let (stop, stopped) = watch::channel(false);
    let tasks = vec![
        tokio::spawn(server::serve(public, endpoints::public::router(Arc::clone(&context)), stopped.clone())),
        tokio::spawn(server::serve(
            internal,
            endpoints::internal::router(Arc::clone(&context)),
            stopped.clone(),
        )),
        tokio::spawn(server::serve(admin, endpoints::admin::router(Arc::clone(&context)), stopped.clone())),
        tokio::spawn(server::serve(
            metrics,
            endpoints::metrics::router(Arc::clone(&context)),
            stopped.clone(),
        )),
        tokio::spawn(sweep(context, stopped)),
    ];
    tracing::info!(event = "listening", public = %public_at, internal = %internal_at);
    Ok(Running { addresses, stop, tasks })
}

// === impl Running ===

impl Running {
    /// Stops accepting, lets requests in flight finish for some seconds, and closes the store.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            // An error means that the task panicked: there is nothing left to wait for.
            drop(task.await);
        }
    }
}

async fn bind(listener: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let refuse = |source| ServeError::Listen { listener, address, source };
    let bound = TcpListener::bind(address).await.map_err(refuse)?;
    let at = bound.local_addr().map_err(refuse)?;
    Ok((bound, at))
}

/// A reader sees the whole file or none: it is written beside and renamed.
fn write_atomically(path: &Path, addresses: &Addresses) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension("tmp");
    std::fs::write(&beside, serde_json::to_vec(addresses)?)?;
    std::fs::rename(beside, path)
}

async fn sweep(context: Arc<Context>, mut stopped: watch::Receiver<bool>) {
    let mut tick = tokio::time::interval(LOOK_AT_CLOCK);
    let mut swept_at = None;
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        let now = context.clock.now();
        // A clock that was set back is no reason to wait.
        if swept_at.is_some_and(|last| last <= now && now.since(last) < SWEEP_EVERY) {
            continue;
        }
        swept_at = Some(now);
        if let Err(error) = context.keys.keep_current(&context.store, now).await {
            tracing::error!(event = "keys_not_refreshed", %error);
        }
        remove_expired(&context, &stopped, now).await;
    }
}

/// One bounded step after the other until nothing is left, however much has expired; the writes of others come in between.
async fn remove_expired(context: &Context, stopped: &watch::Receiver<bool>, now: UnixTime) {
    while !*stopped.borrow() {
        match context.store.sweep(now).await {
            Ok(0) => return,
            Ok(removed) => drop(context.metrics.swept.inc_by(removed as u64)),
            Err(error) => return tracing::error!(event = "sweep_failed", %error),
        }
    }
}
