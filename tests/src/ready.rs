//! What does a running product say about itself? `$STATE/ready.json`, mode 0600, there exactly while it is ready.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::Context as _;
use crate::{Failure, Result, files};

/// The content of `ready.json`: a contract, for people and scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// The MCP URL, through Envoy.
    pub mcp: String,
    /// The authorization server's issuer, which is also the public origin.
    pub issuer: String,
    /// A login that works; null where the sidecar's configuration is the user's own.
    pub login: Option<Login>,
    /// Envoy's admin listener, as URL.
    pub envoy_admin: String,
    /// The sidecar's listeners, as URLs.
    pub sidecar: SidecarUrls,
    /// Process ids by name: `run`, `envoy`, `sidecar`, `render`, and `upstream` where we started it.
    pub pids: BTreeMap<String, u32>,
}

/// A user of the sidecar.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Its name.
    pub user: String,
    /// Its password, in clear: the reason for mode 0600.
    pub password: String,
}

/// Where the sidecar listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SidecarUrls {
    /// What Envoy forwards to.
    pub public: String,
    /// For the filter alone.
    pub internal: String,
    /// Health and administration.
    pub admin: String,
    /// Prometheus metrics, at `/metrics`.
    pub metrics: String,
}

// === impl Ready ===

impl Ready {
    /// Where it lies in a state directory.
    #[must_use]
    pub fn path(state: &Path) -> PathBuf {
        state.join("ready.json")
    }

    /// Writes it, mode 0600, in one step.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, state: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context(|| "cannot write ready.json".to_owned())?;
        files::write_private(&Self::path(state), &format!("{text}\n"))
    }

    /// Reads the one of a running product.
    ///
    /// # Errors
    /// Nothing runs with this state directory, or the file is not ours.
    pub fn read(state: &Path) -> Result<Self> {
        let path = Self::path(state);
        if !path.exists() {
            return Err(Failure::new(format!(
                "nothing is running with STATE={}: start it with `make run` in another terminal.",
                state.display()
            )));
        }
        serde_json::from_str(&files::read(&path)?).context(|| format!("{} is not readable", path.display()))
    }

    /// Removes it, if it is there.
    pub fn remove(state: &Path) {
        let _ = std::fs::remove_file(Self::path(state));
    }
}

// === impl Login ===

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).field("password", &"…").finish()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::Value;

    use super::{Login, Ready, SidecarUrls};

    fn sample() -> Ready {
        Ready {
            mcp: "http://127.0.0.1:8080/mcp".into(),
            issuer: "http://127.0.0.1:8080".into(),
            login: Some(Login { user: "demo".into(), password: "pass-word".into() }),
            envoy_admin: "http://127.0.0.1:9901".into(),
            sidecar: SidecarUrls {
                public: "http://127.0.0.1:9000".into(),
                internal: "http://127.0.0.1:9001".into(),
                admin: "http://127.0.0.1:9002".into(),
                metrics: "http://127.0.0.1:9003".into(),
            },
            pids: [("envoy".to_owned(), 1)].into(),
        }
    }

    #[test]
    fn it_is_private_and_has_exactly_the_promised_members() {
        let directory = tempfile::tempdir().unwrap();
        sample().write(directory.path()).unwrap();
        let path = Ready::path(directory.path());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let value: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(members(&value), ["envoy_admin", "issuer", "login", "mcp", "pids", "sidecar"]);
        assert_eq!(members(&value["login"]), ["password", "user"]);
        assert_eq!(members(&value["sidecar"]), ["admin", "internal", "metrics", "public"]);
        assert_eq!(Ready::read(directory.path()).unwrap(), sample());
        Ready::remove(directory.path());
        let missing = Ready::read(directory.path()).unwrap_err().to_string();
        assert!(missing.contains("make run"), "{missing}");
    }

    #[test]
    fn debug_output_hides_the_password() {
        assert!(!format!("{:?}", sample()).contains("pass-word"));
    }
}
