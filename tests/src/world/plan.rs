//! What is to be started? Everything that may differ between two worlds.

use std::path::{Path, PathBuf};

use super::HostMode;
use crate::envoy::Change;
use crate::sidecar::User;
use crate::upstream::Upstream;
use crate::{Result, files, layout, policy, ports};

/// What to start, where.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The state directory; made when it is not there.
    pub state: PathBuf,
    /// Envoy's port on 127.0.0.1.
    pub port: u16,
    /// Whether the other ports should be the documented ones where these are free.
    pub documented_ports: bool,
    /// The MCP server to protect; `None` starts the sample server.
    pub upstream: Option<Upstream>,
    /// The policy file.
    pub policy: PathBuf,
    /// Whether the sidecar is started at all: whose tokens come from elsewhere needs none.
    pub with_sidecar: bool,
    /// The sidecar's configuration; `None` has one generated.
    pub auth_config: Option<PathBuf>,
    /// What a generated configuration says besides, YAML.
    pub auth_settings: String,
    /// Users of a generated configuration; none means the demo user.
    pub users: Vec<User>,
    /// How requests are held.
    pub host_mode: HostMode,
    /// How many workers Envoy has; `None` for one per core.
    pub workers: Option<u32>,
    /// What differs from `envoy/envoy.yaml` besides.
    pub envoy_changes: Vec<Change>,
    /// The filter; `None` is the one that is shipped.
    pub module: Option<PathBuf>,
    /// Why not every request of this world has its decision record, or the records go elsewhere.
    pub unaccounted: Option<&'static str>,
}

// === impl Plan ===

impl Plan {
    /// The sample server under the sample policy with the demo user, at this port.
    #[must_use]
    pub fn sample(state: PathBuf, port: u16) -> Self {
        Self {
            state,
            port,
            documented_ports: false,
            upstream: None,
            policy: policy::sample(),
            with_sidecar: true,
            auth_config: None,
            auth_settings: String::new(),
            users: Vec::new(),
            host_mode: HostMode::Hold,
            workers: None,
            envoy_changes: Vec::new(),
            module: None,
            unaccounted: None,
        }
    }

    /// [`Plan::sample`] for a test: a free port, a fresh directory under `target/worlds`, the host mode that the run of tests
    /// is in, and a copy of the policy there that the test may edit. `name` is the test's.
    ///
    /// # Errors
    /// No free port, no such host mode, or the directory cannot be written.
    pub fn fresh(name: &str) -> Result<Self> {
        let port = ports::free()?;
        let state = layout::root().join("target/worlds").join(format!("{name}-{port}"));
        let _ = std::fs::remove_dir_all(&state);
        files::create_directory(&state)?;
        let mut plan = Self { host_mode: HostMode::chosen()?, ..Self::sample(state, port) };
        plan.set_policy(&files::read(&policy::sample())?)?;
        Ok(plan)
    }

    /// Writes this policy into the state directory and uses it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set_policy(&mut self, yaml: &str) -> Result<()> {
        let path = self.state.join("policy.yaml");
        files::write_private(&path, yaml)?;
        self.policy = path;
        Ok(())
    }

    /// Rewrites the policy where the host mode needs another one: a test's own copy.
    pub(super) fn adapt_policy(&self) -> Result<()> {
        if self.host_mode == HostMode::Hold {
            return Ok(());
        }
        files::write_private(&self.policy, &self.host_mode.policy(&files::read(&self.policy)?))
    }

    /// Everything that differs from `envoy/envoy.yaml`.
    pub(super) fn changes(&self) -> Vec<Change> {
        self.envoy_changes.iter().cloned().chain(self.host_mode.envoy_change()).collect()
    }

    pub(super) fn users(&self, state: &Path) -> Result<Vec<User>> {
        if self.users.is_empty() { Ok(vec![User::demo(state)?]) } else { Ok(self.users.clone()) }
    }
}
