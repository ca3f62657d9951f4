//! What a test stands on: a server of its own, clients, and a browser that knows nothing but HTML.

pub(crate) mod browser;
pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod device;
pub(crate) mod dpop;
pub(crate) mod enterprise;
pub(crate) mod forgery;
pub(crate) mod publisher;
pub(crate) mod signer;
pub(crate) mod store;
pub(crate) mod upstream;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use wicketgate_auth::app::{self, Running};
use wicketgate_auth::clock::{Clock, ManualClock, UnixTime};
use wicketgate_auth::config::Config;
use wicketgate_auth::error::ServeError;
use wicketgate_auth::sealing::SealingKey;
use wicketgate_auth::store::Store;

pub(crate) const ISSUER: &str = "http://127.0.0.1:8080";
pub(crate) const RESOURCE: &str = "http://127.0.0.1:8080/mcp";
pub(crate) const OTHER_RESOURCE: &str = "http://127.0.0.1:8080/other";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const CONFIGURED_SECRET: &str = "the-secret-of-the-resource-server";

pub(crate) const ADMIN_TOKEN: &str = "an-admin-token-of-some-length";

/// One server and its store.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) http: reqwest::Client,
    pub(crate) public: String,
    pub(crate) internal: String,
    pub(crate) admin: String,
    pub(crate) metrics: String,
    pub(crate) yaml: String,
    /// How many audit records were looked at.
    pub(crate) seen: AtomicUsize,
    pub(crate) running: Option<Running>,
    pub(crate) folder: Arc<TempDir>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(|yaml| yaml).await
    }

    /// A world whose configuration `change` has edited.
    pub(crate) async fn start_with(change: impl FnOnce(String) -> String) -> Self {
        let mut world = Self::prepared(change);
        world.run().await;
        world
    }

    /// A world in which no server runs yet.
    pub(crate) fn prepared(change: impl FnOnce(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| std::fs::write(folder.path().join(name), content).unwrap();
        file("data.key", &SealingKey::generate_base64().unwrap());
        file("other.key", &SealingKey::generate_base64().unwrap());
        file("alice.password", PASSWORD);
        file("rs.secret", CONFIGURED_SECRET);
        file("admin.token", ADMIN_TOKEN);
        let yaml = change(CONFIG.to_owned()).replace("FOLDER", folder.path().to_str().unwrap());
        let yaml = yaml.replace("STORE", &store::of_world(folder.path()));
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self {
            clock: Arc::new(ManualClock::at(UnixTime(1_800_000_000))),
            http,
            public: String::new(),
            internal: String::new(),
            admin: String::new(),
            metrics: String::new(),
            yaml,
            seen: AtomicUsize::new(0),
            running: None,
            folder: Arc::new(folder),
        }
    }

    /// Stops the server and starts another one on the same store.
    pub(crate) async fn restart(&mut self) {
        self.restart_with(|yaml| yaml).await;
    }

    /// The same with an edited configuration.
    pub(crate) async fn restart_with(&mut self, change: impl FnOnce(String) -> String) {
        self.stop().await;
        self.yaml = change(std::mem::take(&mut self.yaml));
        self.run().await;
    }

    /// Has the running server read an edited configuration; a refused one is forgotten.
    pub(crate) async fn reload(&mut self, change: impl FnOnce(String) -> String) -> Result<(), ServeError> {
        let yaml = self.filled_in(&change(self.yaml.clone()));
        self.running.as_ref().unwrap().reload(Config::parse(&yaml)).await?;
        self.yaml = yaml;
        Ok(())
    }

    /// A part of a configuration with the folder of this world in it.
    pub(crate) fn filled_in(&self, part: &str) -> String {
        part.replace("FOLDER", self.folder.path().to_str().unwrap())
    }

    pub(crate) async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    pub(crate) fn store_path(&self) -> std::path::PathBuf {
        self.folder.path().join("auth.redb")
    }

    /// All that lies in the store.
    pub(crate) fn kept(&self) -> Vec<u8> {
        store::kept(&self.yaml).unwrap_or_else(|| std::fs::read(self.store_path()).unwrap())
    }

    /// The audit records that were written since this was asked last.
    pub(crate) fn recorded(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("audit.jsonl")).unwrap();
        let all: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let seen = self.seen.swap(all.len(), Ordering::Relaxed);
        all.into_iter().skip(seen).collect()
    }

    /// What happened since this was asked last.
    pub(crate) fn happened(&self) -> Vec<String> {
        self.recorded().iter().map(|record| record["event"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.public)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    /// Posts a form; the answer's status and JSON (null where there is none).
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        read(self.http.post(self.url(path)).headers(form_headers()).body(encode(form)).send().await.unwrap())
            .await
    }

    /// Starts the server of a world in which none runs.
    pub(crate) async fn start_prepared(&mut self) {
        self.run().await;
    }

    async fn run(&mut self) {
        self.run_on(|config, clock| Store::open(&config.store, clock).unwrap()).await;
    }

    /// Starts the server on this store.
    pub(crate) async fn run_on(&mut self, store: impl FnOnce(&Config, &Arc<dyn Clock>) -> Store) {
        let config = Config::parse(&self.yaml).unwrap();
        let clock: Arc<dyn Clock> = self.clock.clone();
        let store = store(&config, &clock);
        let running = app::start_with_store(config, clock, store).await.unwrap();
        self.is_at(&serde_json::to_value(running.addresses).unwrap());
        self.running = Some(running);
    }

    /// The server answers at these addresses.
    pub(crate) fn is_at(&mut self, addresses: &Value) {
        let at = |listener: &str| format!("http://{}", addresses[listener].as_str().unwrap());
        self.public = at("public");
        self.internal = at("internal");
        self.admin = at("admin");
        self.metrics = at("metrics");
    }
}

/// Runs all of them at once.
pub(crate) async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if outputs.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

pub(crate) fn encode(form: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

pub(crate) fn form_headers() -> reqwest::header::HeaderMap {
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
    headers
}

pub(crate) async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

const CONFIG: &str = r"
issuer: http://127.0.0.1:8080
listen: {public: 127.0.0.1:0, internal: 127.0.0.1:0, admin: 127.0.0.1:0, metrics: 127.0.0.1:0}
addresses_file: FOLDER/addresses.json
audit: {file: FOLDER/audit.jsonl}
store: STORE
resources:
  - {url: http://127.0.0.1:8080/mcp, scopes: [mcp:read, mcp:write], default_scopes: [mcp:read]}
  - {url: http://127.0.0.1:8080/other, scopes: [other:use]}
data_key: {file: FOLDER/data.key}
registration: {open: true}
users:
  - {name: alice, password: {file: FOLDER/alice.password}, groups: [engineering], roles: [operator], org: acme}
clients:
  - id: resource-server
    secret: {file: FOLDER/rs.secret}
    redirect_uris: ['https://rs.example/cb']
    introspects: ['http://127.0.0.1:8080/mcp']
";
