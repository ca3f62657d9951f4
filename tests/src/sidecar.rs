//! How is the authorization server configured and started? With a configuration of the user's, or with one written here
//! that has a generated login.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tokio::process::Command;

use crate::failure::Context as _;
use crate::process::Service;
use crate::ready::{Login, SidecarUrls};
use crate::{Failure, Result, files, layout, ports};

/// Where the four listeners are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Listeners {
    /// What Envoy forwards to.
    pub public: SocketAddr,
    /// For the filter alone.
    pub internal: SocketAddr,
    /// Health and administration.
    pub admin: SocketAddr,
    /// Metrics.
    pub metrics: SocketAddr,
}

/// A local user of a generated configuration.
#[derive(Clone, Debug)]
pub struct User {
    /// Name and password.
    pub login: Login,
    /// The `groups` claim.
    pub groups: Vec<String>,
    /// The `roles` claim.
    pub roles: Vec<String>,
}

/// A sidecar that can be started, any number of times: its ports stay.
#[derive(Clone, Debug)]
pub struct Sidecar {
    /// The configuration file.
    pub configuration: PathBuf,
    /// The issuer that it says.
    pub issuer: String,
    /// Where it listens.
    pub listeners: Listeners,
}

/// What `wicketgate-auth check --json` prints.
#[derive(Deserialize)]
struct Checked {
    issuer: String,
    listen: Listeners,
    /// Which of them are met in TLS.
    tls: Vec<String>,
}

// === impl Listeners ===

impl Listeners {
    /// Four free ports of loopback; the documented ones (9000 to 9003) when `documented` and they are free.
    ///
    /// # Errors
    /// No free ports.
    pub fn free(documented: bool) -> Result<Self> {
        let take = |preferred| {
            let port = if documented { ports::free_or(preferred) } else { ports::free() };
            port.map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        };
        Ok(Self { public: take(9000)?, internal: take(9001)?, admin: take(9002)?, metrics: take(9003)? })
    }

    /// The same as URLs.
    #[must_use]
    pub fn urls(&self) -> SidecarUrls {
        let url = |address: SocketAddr| format!("http://{address}");
        SidecarUrls {
            public: url(self.public),
            internal: url(self.internal),
            admin: url(self.admin),
            metrics: url(self.metrics),
        }
    }
}

// === impl User ===

impl User {
    /// The demo user of a state directory: all roles that the sample policy names, and a random password that is kept.
    ///
    /// # Errors
    /// The password file can neither be read nor written.
    pub fn demo(state: &Path) -> Result<Self> {
        let user = "demo".to_owned();
        let password = files::keep_or_create(&password_file(state, &user), || random_text(18))?;
        let login = Login { user, password };
        Ok(Self { login, groups: vec!["engineering".into()], roles: vec!["operator".into()] })
    }
}

// === impl Sidecar ===

impl Sidecar {
    /// Writes a configuration into the state directory: embedded store, open registration, these users, one resource
    /// (the MCP URL). Keys and passwords stand in files beside it that only we may read.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn generate(
        state: &Path,
        issuer: &str,
        mcp: &str,
        listeners: Listeners,
        users: &[User],
    ) -> Result<Self> {
        files::keep_or_create(&state.join("data.key"), random_key)?;
        for User { login, .. } in users {
            files::write_private(&password_file(state, &login.user), &format!("{}\n", login.password))?;
        }
        let configuration = state.join("auth.yaml");
        files::write_private(&configuration, &document(state, issuer, mcp, listeners, users)?)?;
        Ok(Self { configuration, issuer: issuer.to_owned(), listeners })
    }

    /// Takes a configuration of the user's, after `wicketgate-auth check` accepted it.
    ///
    /// # Errors
    /// The sidecar refuses it, in its own words, or it leaves a port to chance.
    pub async fn from_user(configuration: &Path) -> Result<Self> {
        let output = Command::new(layout::binary("wicketgate-auth")?)
            .args(["check", "--json", "--config"])
            .arg(configuration)
            .output()
            .await
            .context(|| "cannot run wicketgate-auth".to_owned())?;
        let shown = configuration.display();
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::new(format!("AUTH_CONFIG={shown} is refused:\n{}", words.trim_end())));
        }
        let Checked { issuer, listen, tls } = serde_json::from_slice(&output.stdout)
            .context(|| "`wicketgate-auth check --json` printed something else than expected".to_owned())?;
        if let Some(name) = tls.first() {
            return Err(Failure::new(format!(
                "AUTH_CONFIG={shown} has `listen.{name}` in TLS: what is started here stands on one machine and speaks plain HTTP; for a \
                 gateway elsewhere see `edge.authorization_server.tls` of the policy."
            )));
        }
        let all = [listen.public, listen.internal, listen.admin, listen.metrics];
        if all.iter().any(|address| address.port() == 0) {
            return Err(Failure::new(format!(
                "AUTH_CONFIG={shown} leaves a port of `listen` to chance (0): name all four, Envoy must know them."
            )));
        }
        Ok(Self { configuration: configuration.to_owned(), issuer, listeners: listen })
    }

    /// Starts it.
    ///
    /// # Errors
    /// It was not built or does not start.
    pub fn start(&self, state: &Path) -> Result<Service> {
        let mut command = Command::new(layout::binary("wicketgate-auth")?);
        command.args(["serve", "--config"]).arg(&self.configuration);
        Service::spawn("sidecar", command, &state.join("sidecar.log"))
    }
}

/// `bytes` random bytes in URL-safe base64 without padding; no dash at its beginning, so that a command line does not take a password
/// for an option.
///
/// # Errors
/// The system has no random numbers.
pub fn random_text(bytes: usize) -> Result<String> {
    let mut random = vec![0_u8; bytes];
    loop {
        getrandom::fill(&mut random).context(|| "no random numbers".to_owned())?;
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&random);
        if !text.starts_with('-') {
            return Ok(text);
        }
    }
}

fn random_key() -> Result<String> {
    let mut key = [0_u8; 32];
    getrandom::fill(&mut key).context(|| "no random numbers".to_owned())?;
    Ok(STANDARD.encode(key))
}

fn password_file(state: &Path, user: &str) -> PathBuf {
    state.join(format!("{user}.password"))
}

/// Every string is written as JSON, which YAML reads alike.
fn document(state: &Path, issuer: &str, mcp: &str, listeners: Listeners, users: &[User]) -> Result<String> {
    let quote = |path: PathBuf| serde_json::to_string(&path).context(|| "a path is not UTF-8".to_owned());
    let Listeners { public, internal, admin, metrics } = listeners;
    let store = quote(state.join("auth.redb"))?;
    let key = quote(state.join("data.key"))?;
    let mut text = format!(
        "# Written by `make run`; a configuration of your own is passed as AUTH_CONFIG=FILE.\n\
         issuer: {issuer}\n\
         listen: {{public: \"{public}\", internal: \"{internal}\", admin: \"{admin}\", metrics: \"{metrics}\"}}\n\
         store: {{embedded: {{path: {store}}}}}\n\
         resources:\n  - url: {mcp}\n    scopes: [mcp:read, mcp:write]\n    default_scopes: [mcp:read, mcp:write]\n\
         signing: {{algorithm: ES256}}\n\
         data_key: {{file: {key}}}\n\
         registration: {{open: true}}\n\
         forwarded: {{trusted_hops: 1}}\n\
         users:\n"
    );
    for User { login, groups, roles } in users {
        let entry = serde_json::json!({
            "name": login.user,
            "password": {"file": password_file(state, &login.user)},
            "groups": groups,
            "roles": roles,
        });
        writeln!(text, "  - {entry}").context(|| "cannot write the configuration".to_owned())?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Listeners, Sidecar, User};

    #[test]
    fn the_generated_configuration_holds_no_secret_and_the_login_stays() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path();
        let listeners = Listeners::free(false).unwrap();
        let demo = User::demo(state).unwrap();
        let sidecar =
            Sidecar::generate(state, "http://h:1", "http://h:1/mcp", listeners, std::slice::from_ref(&demo))
                .unwrap();
        let text = std::fs::read_to_string(&sidecar.configuration).unwrap();
        assert!(!text.contains(&demo.login.password));
        assert!(text.contains(&listeners.internal.to_string()), "{text}");
        for file in ["auth.yaml", "data.key", "demo.password"] {
            assert_eq!(state.join(file).metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file}");
        }
        assert_eq!(User::demo(state).unwrap().login, demo.login);
    }
}
