//! Where do the records of a test lie? In a file, or on servers of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use wicketgate_auth::store::Store;

use crate::redis::Redis;
use crate::world::World;

/// The ways in which records may lie.
pub(crate) const TOPOLOGIES: [&str; 4] = ["embedded", "single", "sentinel", "cluster"];

/// A place for records.
pub(crate) struct Place {
    pub(crate) redis: Option<Redis>,
    folder: TempDir,
    more: String,
    worlds: AtomicUsize,
}

// === impl Place ===

impl Place {
    /// One of [`TOPOLOGIES`]; `None`, with a word about it, where there is no Redis to be had. A replica must confirm where there
    /// is one.
    pub(crate) fn of(topology: &str) -> Option<Self> {
        let redis = match topology {
            "embedded" => None,
            _ => Some(Redis::of(topology).map_err(|why| eprintln!("left out: {why}")).ok()?),
        };
        let replicas = match topology {
            "sentinel" => ", replicas: {acknowledge: 1, within_ms: 2000}",
            _ => "",
        };
        Some(Self {
            redis,
            folder: tempfile::tempdir().unwrap(),
            more: format!(", timeout_ms: 3000{replicas}"),
            worlds: AtomicUsize::new(0),
        })
    }

    /// The same with other settings of the store, as they stand behind its URL.
    pub(crate) fn with(mut self, more: &str) -> Self {
        more.clone_into(&mut self.more);
        self
    }

    /// The servers.
    pub(crate) fn servers(&mut self) -> &mut Redis {
        self.redis.as_mut().unwrap()
    }

    /// A world of its own that keeps its records here, in which no server runs yet. Nobody is throttled in it.
    pub(crate) fn world(&self) -> World {
        let number = self.worlds.fetch_add(1, Ordering::Relaxed);
        let (url, more) =
            (self.folder.path().join("url"), format!("{}, prefix: 'world{number}:'", self.more));
        let store = self.redis.as_ref().map(|redis| redis.store(&url, &more));
        World::prepared(|yaml| {
            let yaml = match store {
                Some(store) => yaml.replace("STORE", &store),
                None => yaml,
            };
            let open = "registration: {open: true, per_address_per_hour: 100000, per_hour: 100000}";
            let login = "login: {per_account_and_address: 100000, per_account: 100000, per_address: 100000}";
            yaml.replace("registration: {open: true}", open) + login + "\n"
        })
    }
}

impl World {
    /// Another server with the same configuration, at the same time of day.
    pub(crate) async fn replica(&self) -> Self {
        let mut replica = Self {
            clock: Arc::clone(&self.clock),
            http: self.http.clone(),
            public: String::new(),
            internal: String::new(),
            admin: String::new(),
            metrics: String::new(),
            yaml: self.yaml.clone(),
            seen: AtomicUsize::new(0),
            running: None,
            folder: Arc::clone(&self.folder),
        };
        replica.run_on(|config, clock| Store::open(&config.store, clock).unwrap()).await;
        replica
    }
}
