//! How is Envoy configured and started? With `envoy/envoy.yaml` itself: other ports and paths are put in by exact
//! substitutions, each of which must match, so that the reference and what runs cannot drift apart.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::client::http::Http;
use crate::failure::Context as _;
use crate::process::Service;
use crate::upstream::Upstream;
use crate::{Failure, Result, files, layout};

/// What differs from one run to another.
#[derive(Clone, Debug)]
pub struct EnvoySettings {
    /// The public port, on 127.0.0.1.
    pub port: u16,
    /// The admin port, on 127.0.0.1.
    pub admin_port: u16,
    /// Where logs are written and where `filter.yaml` lies.
    pub state: PathBuf,
    /// The MCP server behind.
    pub upstream: Upstream,
    /// The sidecar's public listener.
    pub auth_public: SocketAddr,
    /// The sidecar's internal listener.
    pub auth_internal: SocketAddr,
    /// How many workers it has; `None` for one per core.
    pub workers: Option<u32>,
}

/// Text of the reference configuration, and what stands there instead.
pub type Change = (String, String);

/// A running Envoy.
#[derive(Debug)]
pub struct Envoy {
    /// The process.
    pub service: Service,
    binary: PathBuf,
    admin: String,
    workers: Option<u32>,
}

/// The file that Envoy takes the filter's configuration from, in a state directory.
#[must_use]
pub fn filter_configuration(state: &Path) -> PathBuf {
    state.join("filter.yaml")
}

/// The reference configuration with these settings put in.
///
/// # Errors
/// A place to substitute is no longer in `envoy/envoy.yaml`.
pub fn render(reference: &str, settings: &EnvoySettings) -> Result<String> {
    let quoted = |name: &str| {
        serde_json::to_string(&settings.state.join(name)).context(|| "a path is not UTF-8".to_owned())
    };
    let EnvoySettings { port, admin_port, upstream, auth_public, auth_internal, .. } = settings;
    let (host, upstream_port) = (&upstream.host, upstream.port);
    substitute(
        reference,
        &[
            ("address: 127.0.0.1, port_value: 8080}", format!("address: 127.0.0.1, port_value: {port}}}")),
            (
                "address: 127.0.0.1, port_value: 9901}",
                format!("address: 127.0.0.1, port_value: {admin_port}}}"),
            ),
            (
                "address: 127.0.0.1, port_value: 3001}",
                format!("address: \"{host}\", port_value: {upstream_port}}}"),
            ),
            ("address: 127.0.0.1, port_value: 9000}", socket(*auth_public)),
            ("address: 127.0.0.1, port_value: 9001}", socket(*auth_internal)),
            (
                "host_rewrite_literal: 127.0.0.1:3001",
                format!("host_rewrite_literal: \"{}\"", upstream.authority()),
            ),
            ("prefix_rewrite: /mcp", format!("prefix_rewrite: \"{}\"", upstream.path)),
            ("path: .run/audit.jsonl", format!("path: {}", quoted("audit.jsonl")?)),
            ("path: .run/access.log", format!("path: {}", quoted("access.log")?)),
            ("path: .run/filter.yaml", format!("path: {}", quoted("filter.yaml")?)),
        ],
    )
}

/// Replaces each needle wherever it stands, all in one pass: what was put in is never searched again.
///
/// # Errors
/// A needle does not occur.
pub fn substitute(text: &str, replacements: &[(&str, String)]) -> Result<String> {
    for (needle, _) in replacements {
        if needle.is_empty() || !text.contains(needle) {
            return Err(Failure::new(format!(
                "envoy/envoy.yaml no longer holds `{needle}`, which must be replaced."
            )));
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let next =
            replacements.iter().filter_map(|(needle, new)| rest.find(needle).map(|at| (at, *needle, new)));
        let Some((at, needle, new)) = next.min_by_key(|(at, ..)| *at) else { break };
        out.push_str(rest.get(..at).unwrap_or_default());
        out.push_str(new);
        rest = rest.get(at + needle.len()..).unwrap_or_default();
    }
    out.push_str(rest);
    Ok(out)
}

// === impl Envoy ===

impl Envoy {
    /// Starts Envoy with the reference configuration, `changes` to it and these settings. The filter's configuration must be in place.
    ///
    /// # Errors
    /// The binary, the reference configuration or the state directory is not usable.
    pub fn start(binary: &Path, settings: &EnvoySettings, changes: &[Change]) -> Result<Self> {
        let reference = files::read(&layout::root().join("envoy/envoy.yaml"))?;
        let changes: Vec<_> = changes.iter().map(|(old, new)| (old.as_str(), new.clone())).collect();
        let reference = substitute(&reference, &changes)?;
        let configuration = settings.state.join("envoy.yaml");
        files::write_private(&configuration, &render(&reference, settings)?)?;
        let admin = format!("http://127.0.0.1:{}", settings.admin_port);
        let workers = settings.workers;
        Ok(Self {
            service: spawn(binary, &settings.state, workers)?,
            binary: binary.to_owned(),
            admin,
            workers,
        })
    }

    /// Starts Envoy with what `wicketgate render envoy` has drawn into the state directory, as `envoy.yaml`.
    ///
    /// # Errors
    /// The binary or the state directory is not usable.
    pub fn drawn(binary: &Path, state: &Path, admin_port: u16, workers: u32) -> Result<Self> {
        Ok(Self {
            service: spawn(binary, state, Some(workers))?,
            binary: binary.to_owned(),
            admin: format!("http://127.0.0.1:{admin_port}"),
            workers: Some(workers),
        })
    }

    /// Starts it once more, after it was stopped, with the configuration that it had.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn again(&self, state: &Path) -> Result<Self> {
        let service = spawn(&self.binary, state, self.workers)?;
        Ok(Self { service, binary: self.binary.clone(), admin: self.admin.clone(), workers: self.workers })
    }

    /// The admin listener, as URL without a slash at its end.
    #[must_use]
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// One counter or gauge of the admin listener by its exact name; `None` when Envoy has none of that name.
    ///
    /// # Errors
    /// The admin listener does not answer.
    pub async fn stat(&self, name: &str) -> Result<Option<u64>> {
        let text = Http::new()?.get(&format!("{}/stats", self.admin), &[]).await?.text();
        let mut values =
            text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok());
        Ok(values.next())
    }

    /// How many configurations of the filter Envoy has accepted, and how many it has refused.
    ///
    /// # Errors
    /// The admin listener does not answer.
    pub async fn filter_updates(&self) -> Result<(u64, u64)> {
        let discovery = "extension_config_discovery.http_filter.wicketgate";
        let accepted = self.stat(&format!("{discovery}.config_reload")).await?;
        let refused = self.stat(&format!("{discovery}.update_rejected")).await?;
        let failed = self.stat(&format!("{discovery}.config_fail")).await?;
        Ok((accepted.unwrap_or(0), refused.unwrap_or(0).saturating_add(failed.unwrap_or(0))))
    }
}

fn spawn(binary: &Path, state: &Path, workers: Option<u32>) -> Result<Service> {
    let mut command = Command::new(binary);
    command
        .arg("--config-path")
        .arg(state.join("envoy.yaml"))
        // Several Envoys live side by side; hot restart would need a number for each.
        .arg("--disable-hot-restart")
        // Records are read by people and tests right after a request.
        .args(["--file-flush-interval-msec", "200"])
        .args(["--log-level", "warning"])
        // Streams that are open when we stop are cut, as the last thing.
        .args(["--drain-time-s", "1", "--parent-shutdown-time-s", "2"]);
    if let Some(workers) = workers {
        command.args(["--concurrency", &workers.to_string()]);
    }
    Service::spawn("envoy", command, &state.join("envoy.log"))
}

fn socket(address: SocketAddr) -> String {
    format!("address: \"{}\", port_value: {}}}", address.ip(), address.port())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{EnvoySettings, render, substitute};
    use crate::layout;
    use crate::upstream::Upstream;

    fn settings() -> EnvoySettings {
        EnvoySettings {
            port: 9000,
            admin_port: 12_901,
            state: PathBuf::from("/tmp/a state"),
            upstream: Upstream::parse("http://localhost:8080/api/mcp").unwrap(),
            auth_public: "127.0.0.1:9001".parse().unwrap(),
            auth_internal: "127.0.0.1:3001".parse().unwrap(),
            workers: None,
        }
    }

    #[test]
    fn a_needle_that_is_gone_is_an_error() {
        let refused = substitute("a: 1", &[("a: 1", "a: 2".into()), ("b: 1", "b: 2".into())]).unwrap_err();
        assert!(refused.to_string().contains("`b: 1`"), "{refused}");
    }

    #[test]
    fn what_was_put_in_is_not_replaced_again() {
        let swapped = substitute("1 2 1", &[("1", "2".into()), ("2", "1".into())]).unwrap();
        assert_eq!(swapped, "2 1 2");
    }

    #[test]
    fn the_reference_takes_every_setting() {
        let reference = std::fs::read_to_string(layout::root().join("envoy/envoy.yaml")).unwrap();
        let rendered = render(&reference, &settings()).unwrap();
        // Ports that are one thing in the reference and another here must not be mixed up.
        for expected in [
            "address: {socket_address: {address: 127.0.0.1, port_value: 9000}}",
            "address: \"localhost\", port_value: 8080}",
            "address: \"127.0.0.1\", port_value: 9001}",
            "address: \"127.0.0.1\", port_value: 3001}",
            "host_rewrite_literal: \"localhost:8080\"",
            "prefix_rewrite: \"/api/mcp\"",
            "path: \"/tmp/a state/filter.yaml\"",
        ] {
            assert_eq!(rendered.matches(expected).count(), 1, "{expected}");
        }
        assert_eq!(rendered.matches("path: \"/tmp/a state/audit.jsonl\"").count(), 4);
        assert!(!rendered.contains("9901") && !rendered.contains(" .run/"), "{rendered}");
    }
}
