//! Replicas of the authorization server that share one Redis.

use std::path::PathBuf;

use serde_json::json;
use tokio::process::Command;
use wicketgate_e2e::process::Service;
use wicketgate_e2e::sidecar::Listeners;
use wicketgate_e2e::world::Plan;
use wicketgate_e2e::{Result, files, layout, ports};

use super::super::stage::{self, eventually};

/// A server of its own, which keeps nothing.
pub(super) struct Redis {
    port: u16,
    folder: tempfile::TempDir,
    service: Service,
}

// === impl Redis ===

impl Redis {
    /// One at a free port.
    ///
    /// # Errors
    /// There is no Redis on this machine, and why.
    pub(super) async fn start() -> Result<Self> {
        Self::start_at(ports::free()?).await
    }

    /// The same at this port.
    pub(super) async fn start_at(port: u16) -> Result<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(layout::obtain("redis")?);
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string(), "--dir"])
            .arg(folder.path());
        let service = Service::spawn("redis", command, &folder.path().join("redis.log"))?;
        eventually("Redis listens", stage::DEADLINE, || async {
            tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .map(drop)
                .map_err(|error| error.to_string())
        })
        .await;
        Ok(Self { port, folder, service })
    }

    /// Stops it; where it was.
    pub(super) async fn stop(mut self) -> u16 {
        self.service.stop().await;
        drop(self.folder);
        self.port
    }

    /// The configuration of a replica for this world.
    pub(super) fn replica(&self, plan: &Plan) -> PathBuf {
        let Listeners { public, internal, admin, metrics } = Listeners::free(false).unwrap();
        let key = plan.state.join("data.key");
        // Replicas have one data key; what it is does not matter here.
        files::write_private(&key, "d2lja2V0Z2F0ZSB3aWNrZXRnYXRlIHdpY2tldGdhdGU=\n").unwrap();
        let url = plan.state.join("redis.url");
        files::write_private(&url, &format!("redis://127.0.0.1:{}\n", self.port)).unwrap();
        let origin = format!("http://127.0.0.1:{}", plan.port);
        let document = json!({
            "issuer": origin,
            "listen": {"public": public, "internal": internal, "admin": admin, "metrics": metrics},
            "store": {"redis": {"url": {"file": url}, "timeout_ms": 2000}},
            "resources": [{"url": format!("{origin}/mcp"), "scopes": ["mcp:read"]}],
            "data_key": {"file": key},
        });
        let path = plan.state.join("replica.yaml");
        files::write_private(&path, &document.to_string()).unwrap();
        path
    }
}
