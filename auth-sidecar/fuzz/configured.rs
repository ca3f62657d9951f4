//! What are requests held against? A server with two resource servers, and a client of it.

use std::sync::LazyLock;

use wicketgate_auth::config::Config;
use wicketgate_auth::oauth::client::Client;
use wicketgate_auth::oauth::openid;
use wicketgate_auth::oauth::scope::ScopeSet;
use wicketgate_auth::sealing::SealingKey;

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let key = std::env::temp_dir().join(format!("wicketgate-fuzz-{}.key", std::process::id()));
    std::fs::write(&key, SealingKey::generate_base64().expect("random")).expect("written");
    let document = r#"
issuer: https://auth.example
listen: {public: "127.0.0.1:0", internal: "127.0.0.1:0", admin: "127.0.0.1:0", metrics: "127.0.0.1:0"}
store: {embedded: {path: never-opened.redb}}
resources:
  - {url: "https://mcp.example/mcp", scopes: [a, b], default_scopes: [a]}
  - {url: "https://other.example/", scopes: [c]}
clients:
  - {id: client, redirect_uris: ["https://client.example/cb"]}
"#;
    let document = format!("{document}data_key: {{file: {}}}\n", key.display());
    let config = Config::parse(&document).expect("sound");
    std::fs::remove_file(key).expect("removed");
    config
});

/// The configuration.
pub fn config() -> &'static Config {
    &CONFIG
}

/// Its client.
pub fn client() -> &'static Client {
    CONFIG.clients.first().expect("configured")
}

/// All that can be asked for.
pub fn all_scopes() -> ScopeSet {
    CONFIG.resources.all_scopes().or(&openid::scopes())
}
