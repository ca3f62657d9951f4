//! Who is measured? Our server and the peer (`tests/load/peer`), each with its committed configuration, on storage of the same kind:
//! what was answered is on disk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep};
use wicketgate_e2e::client::http::Http;
use wicketgate_e2e::client::oauth::{self, Discovery, REDIRECT_URI, Registration};
use wicketgate_e2e::process::Service;
use wicketgate_e2e::ready::Login;
use wicketgate_e2e::sidecar::{Listeners, Sidecar, random_text};
use wicketgate_e2e::{files, layout, ports};

use super::lane::{Lane, Work, post};
use crate::stage::DEADLINE;

/// Resource servers of the configurations: one that verifies tokens by itself, and one that asks.
const VERIFIES: &str = "http://127.0.0.1:8080/mcp";
pub(crate) const ASKS: &str = "http://127.0.0.1:8080/asks";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// Where the records lie.
pub(crate) enum Storage {
    /// A file each, on one file system.
    File,
    /// The server at this URL, under a prefix each.
    Redis(String),
}

/// A server that runs.
pub(super) struct Server {
    port: u16,
    /// Questions of a resource server about a token.
    pub(super) questions: Questions,
    registers_at: &'static str,
    discovery: Discovery,
    /// Who signs in at ours; the peer is told to believe that somebody has.
    login: Option<Login>,
    http: Http,
    service: Service,
    /// Removed with it.
    _folder: TempDir,
}

/// Whether a token is alive.
pub(super) struct Questions {
    pub(super) opaque: Lane,
    /// The peer cannot be asked about these.
    pub(super) jwt: Option<Lane>,
}

/// Our server, ready to be started.
pub(crate) struct Prepared {
    /// Of all its files; removed with it.
    pub(crate) folder: TempDir,
    pub(crate) sidecar: Sidecar,
    pub(crate) login: Login,
}

// === impl Prepared ===

impl Prepared {
    /// With the committed configuration, on ports that are free.
    pub(crate) async fn new(storage: &Storage) -> Self {
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        let listeners = Listeners::free(false).unwrap();
        let login = Login { user: "alice".into(), password: random_text(18).unwrap() };
        files::write_private(&path("alice.password"), &login.password).unwrap();
        let key = Command::new(layout::binary("wicketgate-auth").unwrap()).arg("generate-key").output();
        let key = String::from_utf8(key.await.unwrap().stdout).unwrap();
        files::write_private(&path("data.key"), &key).unwrap();
        let issuer = format!("http://{}", listeners.public);
        let sidecar = Sidecar { configuration: path("auth.yaml"), issuer, listeners };
        let text = configuration(folder.path(), storage, &sidecar);
        files::write_private(&sidecar.configuration, &text).unwrap();
        Self { folder, sidecar, login }
    }
}

// === impl Server ===

impl Server {
    /// The one of this workspace.
    pub(super) async fn ours(storage: &Storage) -> Self {
        let Prepared { folder, sidecar, login } = Prepared::new(storage).await;
        let listeners = sidecar.listeners;
        let service = sidecar.start(folder.path()).unwrap();
        let (http, discovery) = discover(&sidecar.issuer, VERIFIES).await;
        let client = oauth::register(&http, &discovery).await.unwrap();
        let ask_about = async |resource: &str| {
            let at = Discovery { mcp: resource.into(), ..discovery.clone() };
            let tokens = oauth::authorize(&http, &at, &client, &login, None).await.unwrap();
            let question = json!({"token": tokens.access_token, "resource": resource}).to_string();
            let port = listeners.internal.port();
            Lane::new(port, Work::Same(post(port, "/v1/validate", JSON, &question), 200))
        };
        let questions = Questions { opaque: ask_about(ASKS).await, jwt: Some(ask_about(VERIFIES).await) };
        let port = listeners.public.port();
        let login = Some(login);
        Self { port, questions, registers_at: "/register", discovery, login, http, service, _folder: folder }
    }

    /// oidc-provider.
    pub(super) async fn peer(storage: &Storage) -> Self {
        let (folder, port) = (folder(), ports::free().unwrap());
        let mut command = Command::new(layout::obtain("node22").unwrap());
        command.arg(peer_folder().join("server.mjs")).arg(port.to_string());
        command.arg(match storage {
            Storage::File => format!("sqlite:{}", folder.path().join("peer.sqlite").display()),
            Storage::Redis(url) => url.clone(),
        });
        command.env("NODE_ENV", "production");
        let service = Service::spawn("oidc-provider", command, &folder.path().join("peer.log")).unwrap();
        let (http, discovery) = discover(&format!("http://127.0.0.1:{port}"), VERIFIES).await;
        let client = oauth::register(&http, &discovery).await.unwrap();
        let opaque = seed(&http, port, &client).await["opaque"].as_str().unwrap().to_owned();
        let question = format!("token={opaque}&client_id={}", client.client_id);
        let question = Work::Same(post(port, "/token/introspection", FORM, &question), 200);
        let questions = Questions { opaque: Lane::new(port, question), jwt: None };
        Self { port, questions, registers_at: "/reg", discovery, login: None, http, service, _folder: folder }
    }

    /// Clients that each have a refresh token to begin with.
    pub(super) async fn families(&self, number: usize) -> Vec<Lane> {
        let mut lanes = Vec::new();
        for _ in 0..number {
            let client = oauth::register(&self.http, &self.discovery).await.unwrap();
            let token = match &self.login {
                Some(login) => {
                    let tokens = oauth::authorize(&self.http, &self.discovery, &client, login, None).await;
                    tokens.unwrap().refresh_token.unwrap()
                }
                None => {
                    let seeded = seed(&self.http, self.port, &client).await;
                    seeded["refresh_token"].as_str().unwrap().to_owned()
                }
            };
            lanes.push(Lane::new(self.port, Work::Refresh { client: client.client_id, token }));
        }
        lanes
    }

    /// A client that registers again and again.
    pub(super) fn registration(&self) -> Lane {
        Lane::new(self.port, Work::Same(registration(self.port, self.registers_at), 201))
    }

    pub(super) async fn stop(mut self) {
        self.service.stop().await;
    }
}

// === impl Storage ===

impl std::fmt::Display for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File => "Authorization server on a file (redb) beside oidc-provider on SQLite",
            Self::Redis(_) => "Authorization server beside oidc-provider, on one Redis",
        })
    }
}

/// On a disk: what is temporary may lie in memory, where syncing costs nothing.
fn folder() -> TempDir {
    tempfile::tempdir_in(layout::root().join("target")).unwrap()
}

fn peer_folder() -> PathBuf {
    layout::root().join("tests/load/peer")
}

fn configuration(folder: &Path, storage: &Storage, sidecar: &Sidecar) -> String {
    let store = match storage {
        Storage::File => format!("{{embedded: {{path: {}}}}}", folder.join("auth.redb").display()),
        Storage::Redis(url) => {
            files::write_private(&folder.join("redis.url"), url).unwrap();
            let file = folder.join("redis.url").display().to_string();
            format!(
                "{{redis: {{url: {{file: {file}}}, topology: single, prefix: 'ours:', timeout_ms: 3000}}}}"
            )
        }
    };
    let Listeners { public, internal, admin, metrics } = sidecar.listeners;
    let mut text = files::read(&peer_folder().join("ours.yaml")).unwrap();
    let words =
        [("STORE", store), ("STATE", folder.display().to_string()), ("ISSUER", sidecar.issuer.clone())];
    let addresses = [("PUBLIC", public), ("INTERNAL", internal), ("ADMIN", admin), ("METRICS", metrics)];
    let addresses = addresses.map(|(name, address)| (name, format!("\"{address}\"")));
    for (name, value) in words.into_iter().chain(addresses) {
        text = text.replace(name, &value);
    }
    text
}

/// What a client learns, once the server is there.
pub(crate) async fn discover(issuer: &str, resource: &str) -> (Http, Discovery) {
    let http = Http::new().unwrap();
    let deadline = Instant::now() + DEADLINE;
    loop {
        let answer = http.get(&format!("{issuer}/.well-known/openid-configuration"), &[]).await;
        if let Some(answer) = answer.ok().filter(|answer| answer.status == 200) {
            let server = answer.json().unwrap();
            let mcp = resource.to_owned();
            return (http, Discovery { mcp, scope: None, resource: Value::Null, server });
        }
        assert!(Instant::now() < deadline, "{issuer} does not become ready");
        sleep(Duration::from_millis(50)).await;
    }
}

/// A request of a public client to be registered.
pub(crate) fn registration(port: u16, path: &str) -> Vec<u8> {
    let metadata = json!({
        "client_name": "measured", "redirect_uris": [REDIRECT_URI], "application_type": "native",
        "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none",
    });
    post(port, path, JSON, &metadata.to_string())
}

/// A grant of this client at the peer.
async fn seed(http: &Http, port: u16, client: &Registration) -> Value {
    let url = format!("http://127.0.0.1:{port}/seed?client_id={}", client.client_id);
    http.get(&url, &[]).await.unwrap().json().unwrap()
}
