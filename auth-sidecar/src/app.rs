//! How does the server start, and what do all its parts share? [`start`] binds four listeners and returns what runs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::audit::{Act, Audit};
use crate::clock::{Clock, UnixTime};
use crate::config::{Config, StoreConfig};
use crate::endpoints;
use crate::error::ServeError;
use crate::fetch::Fetcher;
use crate::fetch::cache::Cache;
use crate::grants::clients::KeptAlive;
use crate::grants::secret_guesses::Guessers;
use crate::idp::IdentityProvider;
use crate::idp::assertion_issuers::AssertionIssuers;
use crate::idp::external_issuers::ExternalIssuers;
use crate::idp::local::LocalUsers;
use crate::idp::upstream::Providers;
use crate::keys::lifecycle::Schedule;
use crate::keys::{KeyError, Keys};
use crate::mcp_servers::{self, Health, Prober};
use crate::metrics::Metrics;
use crate::oauth::client::Client;
use crate::oauth::jwk::KeySet;
use crate::server::{self, AllHandshakes};
use crate::sightings::Sightings;
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
    pub(crate) keys: Arc<Keys>,
    pub(crate) accounts: Box<dyn IdentityProvider>,
    pub(crate) providers: Providers,
    pub(crate) assertion_issuers: AssertionIssuers,
    pub(crate) external_issuers: ExternalIssuers,
    pub(crate) fetcher: Fetcher,
    pub(crate) documents: Arc<Cache<Client>>,
    pub(crate) client_keys: Arc<Cache<KeySet>>,
    pub(crate) kept_alive: Arc<KeptAlive>,
    pub(crate) guessers: Arc<Guessers>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) sightings: Arc<Sightings>,
    pub(crate) mcp_health: Arc<Health>,
    pub(crate) prober: Prober,
    /// When this configuration came into force.
    pub(crate) loaded_at: UnixTime,
}

/// What requests go to: one configuration and the routes that follow from it, for all listeners at once.
pub(crate) struct Served {
    pub(crate) context: Arc<Context>,
    public: Router,
    internal: Router,
    admin: Router,
    metrics: Router,
}

/// A server that is answering.
pub struct Running {
    /// The addresses that were bound.
    pub addresses: Addresses,
    pub(crate) current: watch::Sender<Arc<Served>>,
    pub(crate) handshakes: Arc<AllHandshakes>,
    /// One configuration at a time takes over.
    pub(crate) reloading: Mutex<()>,
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
    let metrics = Arc::new(Metrics::new());
    let audit = Audit::open(&config.audit, Arc::clone(&clock), Arc::clone(&metrics))?;
    if !config.overrides.is_empty() {
        tracing::info!(event = "config_overridden", variables = config.overrides.join(" "));
    }
    let store = Arc::new(store.observed_by(Arc::clone(&metrics) as _));
    let signing = &config.signing;
    let schedule = Schedule {
        held: signing.held(),
        rotate_every: signing.rotate_every,
        publish_before: signing.publish_before,
        longest_token: config.lifetimes.access_token,
    };
    let keys = Keys::new(config.data_key.clone(), schedule, signing.algorithm);
    match keys.keep_current(&store, clock.now()).await {
        Ok(made) => audit_rotation(&audit, made),
        // A server that is away may come later; until then nothing is answered.
        Err(KeyError::Store(error)) if matches!(config.store, StoreConfig::Redis(_)) => {
            tracing::warn!(event = "store_is_away", %error);
        }
        Err(error) => return Err(error.into()),
    }
    let now = clock.now();
    metrics.loaded(now);
    let context = Context {
        accounts: Box::new(LocalUsers::new(&config.users)?),
        providers: Providers::new(&config),
        assertion_issuers: AssertionIssuers::new(&config),
        external_issuers: ExternalIssuers::new(&config),
        fetcher: Fetcher::new(&config.fetch),
        prober: Prober::new(&config.fetch),
        mcp_health: Arc::new(Health::default()),
        documents: Arc::new(Cache::new()),
        client_keys: Arc::new(Cache::new()),
        config,
        store,
        keys: Arc::new(keys),
        kept_alive: Arc::new(KeptAlive::default()),
        guessers: Arc::new(Guessers::default()),
        clock,
        metrics,
        audit: Arc::new(audit),
        sightings: Arc::new(Sightings::new(now)),
        loaded_at: now,
    };
    serve(Served::of(context)).await
}

async fn serve(served: Served) -> Result<Running, ServeError> {
    let listen = &served.context.config.listen;
    let addresses_file = served.context.config.addresses_file.clone();
    let (public, public_at) = bind("public", listen.public.address).await?;
    let (internal, internal_at) = bind("internal", listen.internal.address).await?;
    let (admin, admin_at) = bind("admin", listen.admin.address).await?;
    let (metrics, metrics_at) = bind("metrics", listen.metrics.address).await?;
    let addresses =
        Addresses { public: public_at, internal: internal_at, admin: admin_at, metrics: metrics_at };
    if let Some(path) = &addresses_file {
        write_atomically(path, &addresses)
            .map_err(|source| ServeError::AddressesFile { path: path.clone(), source })?;
    }

    let handshakes = Arc::new(AllHandshakes::new(listen, &served.context.clock, &served.context.metrics));
    let (stop, stopped) = watch::channel(false);
    let (current, serving) = watch::channel(Arc::new(served));
    let listen_at = |listener, handshakes: &Arc<_>, route: fn(&Served) -> &Router| {
        let serving = serving.clone();
        let current = move || route(&serving.borrow()).clone();
        tokio::spawn(server::serve(listener, Arc::clone(handshakes), current, stopped.clone()))
    };
    let tasks = vec![
        listen_at(public, &handshakes.public, |served| &served.public),
        listen_at(internal, &handshakes.internal, |served| &served.internal),
        listen_at(admin, &handshakes.admin, |served| &served.admin),
        listen_at(metrics, &handshakes.metrics, |served| &served.metrics),
        tokio::spawn(server::watch_certificates(Arc::clone(&handshakes), serving.clone(), stopped.clone())),
        tokio::spawn(sweep(serving.clone(), stopped.clone())),
        tokio::spawn(mcp_servers::watch(serving.clone(), stopped.clone())),
    ];
    tracing::info!(event = "listening", public = %public_at, internal = %internal_at);
    Ok(Running { addresses, current, handshakes, reloading: Mutex::new(()), stop, tasks })
}

// === impl Served ===

impl Served {
    pub(crate) fn of(context: Context) -> Self {
        let context = Arc::new(context);
        Self {
            public: endpoints::public::router(Arc::clone(&context)),
            internal: endpoints::internal::router(Arc::clone(&context)),
            admin: endpoints::admin::router(Arc::clone(&context)),
            metrics: endpoints::metrics::router(Arc::clone(&context)),
            context,
        }
    }
}

// === impl Context ===

impl Context {
    /// Takes over what is due of the signing keys.
    pub(crate) async fn keep_keys_current(&self) {
        match self.keys.keep_current(&self.store, self.clock.now()).await {
            Ok(moved_on) => audit_rotation(&self.audit, moved_on),
            Err(error) => tracing::error!(event = "keys_not_refreshed", %error),
        }
    }
}

fn audit_rotation(audit: &Audit, moved_on: bool) {
    if moved_on {
        audit.write(&Act::KeysRotated.event().because("schedule"));
    }
}

// === impl Running ===

impl Running {
    /// Stops accepting, lets requests in flight finish for some seconds, and closes the store.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // The store closes when nobody has it any more.
        drop(self.current);
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

async fn sweep(serving: watch::Receiver<Arc<Served>>, mut stopped: watch::Receiver<bool>) {
    let mut tick = tokio::time::interval(LOOK_AT_CLOCK);
    let mut swept_at = None;
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        let context = Arc::clone(&serving.borrow().context);
        let now = context.clock.now();
        // A clock that was set back is no reason to wait.
        if swept_at.is_some_and(|last| last <= now && now.since(last) < SWEEP_EVERY) {
            continue;
        }
        swept_at = Some(now);
        context.keep_keys_current().await;
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
