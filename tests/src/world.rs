//! How is one whole product started in a directory of its own, and stopped? The same for `make run` and for tests: in
//! order, each part watched, nothing left behind.

pub mod accounts;
mod host_mode;
mod lock;
mod plan;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

pub use self::host_mode::{BUFFERED, HostMode};
pub use self::plan::Plan;

use self::lock::StateLock;
use crate::client::http::Http;
use crate::envoy::{Envoy, EnvoySettings};
use crate::process::{Service, last_lines};
use crate::ready::{Login, Ready};
use crate::sidecar::{Listeners, Sidecar};
use crate::upstream::{Upstream, start_sample};
use crate::{Failure, Result, files, layout, policy, ports};

/// A part that has not answered by then will not.
const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_PROBES: Duration = Duration::from_millis(100);

/// A running product. Dropping it kills what it started; [`World::stop`] is the polite way.
#[derive(Debug)]
pub struct World {
    /// The public origin, which is the issuer: `http://127.0.0.1:PORT`.
    pub origin: String,
    /// The MCP URL.
    pub mcp: String,
    /// Logs, stores and records.
    pub state: PathBuf,
    /// The policy file.
    pub policy: PathBuf,
    /// How requests are held.
    pub host_mode: HostMode,
    unaccounted: Option<&'static str>,
    /// A login of the generated configuration: its first user.
    pub login: Option<Login>,
    /// The MCP server behind.
    pub upstream: Upstream,
    /// The sidecar's configuration and addresses.
    pub sidecar: Sidecar,
    /// Envoy.
    pub envoy: Envoy,
    /// Requests to it.
    pub http: Http,
    sidecar_service: Option<Service>,
    render_service: Service,
    upstream_service: Option<Service>,
    _lock: StateLock,
}

// === impl World ===

impl World {
    /// Starts everything and returns when it is ready: the MCP URL answers 401 and the filter's status 200, both
    /// through Envoy. `tell` hears what is being waited for.
    ///
    /// # Errors
    /// One sentence; what was started until then is stopped.
    pub async fn start(plan: Plan, tell: impl Fn(&str)) -> Result<Self> {
        let envoy_binary = layout::obtain("envoy")?;
        let module = plan.module.clone().map_or_else(layout::filter_module, Ok)?;
        files::create_directory(&plan.state)?;
        let state = plan
            .state
            .canonicalize()
            .map_err(|error| Failure::new(format!("STATE is not usable: {error}")))?;
        let lock = StateLock::take(&state)?;
        Ready::remove(&state);
        ports::require_free(plan.port)?;

        tell("MCP server");
        let (mut upstream_service, upstream) = start_upstream(&plan, &state).await?;
        let http = Http::new()?;
        wait_for("the MCP server", upstream_service.as_mut(), || async {
            upstream.require_reachable().await.map_err(|failure| failure.0)
        })
        .await?;

        tell("authorization server");
        let (sidecar, login) = configure_sidecar(&plan, &state).await?;
        let (origin, mcp) = (sidecar.issuer.clone(), format!("{}/mcp", sidecar.issuer));
        let sidecar_service = match plan.with_sidecar {
            true => Some(start_ready(&sidecar, &state, &http).await?),
            false => None,
        };

        tell("policy");
        plan.adapt_policy()?;
        policy::render(&plan.policy, &module, &state, &origin).await?;

        tell("Envoy with the filter");
        let settings = EnvoySettings {
            port: plan.port,
            admin_port: if plan.documented_ports { ports::free_or(9901)? } else { ports::free()? },
            state: state.clone(),
            upstream: upstream.clone(),
            auth_public: sidecar.listeners.public,
            auth_internal: sidecar.listeners.internal,
            workers: plan.workers,
        };
        let mut envoy = Envoy::start(&envoy_binary, &settings, &plan.changes())?;
        wait_for("Envoy with the filter", Some(&mut envoy.service), || gateway_answers(&http, &origin))
            .await?;

        let render_service = policy::watch(&plan.policy, &module, &state, &origin)?;
        let (policy, host_mode, unaccounted) = (plan.policy, plan.host_mode, plan.unaccounted);
        let mut world = Self {
            origin,
            mcp,
            state,
            policy,
            host_mode,
            unaccounted,
            login,
            upstream,
            sidecar,
            envoy,
            http,
            sidecar_service,
            render_service,
            upstream_service,
            _lock: lock,
        };
        world.require_alive()?;
        Ok(world)
    }

    /// What `ready.json` says about it.
    #[must_use]
    pub fn ready(&self) -> Ready {
        let own = ("run".to_owned(), std::process::id());
        let children = self.services().map(|service| (service.name().to_owned(), service.pid()));
        Ready {
            mcp: self.mcp.clone(),
            issuer: self.origin.clone(),
            login: self.login.clone(),
            envoy_admin: self.envoy.admin().to_owned(),
            sidecar: self.sidecar.listeners.urls(),
            pids: std::iter::once(own).chain(children).collect(),
        }
    }

    /// Waits until one of its processes ends, and says which and why. Cancel-safe.
    pub async fn death(&mut self) -> Failure {
        let upstream = ended(&mut self.upstream_service);
        let sidecar = ended(&mut self.sidecar_service);
        tokio::select! {
            failure = self.envoy.service.ended() => failure,
            failure = sidecar => failure,
            failure = self.render_service.ended() => failure,
            failure = upstream => failure,
        }
    }

    /// Fails when one of its processes has ended.
    ///
    /// # Errors
    /// Which one, with the last lines of its log.
    pub fn require_alive(&mut self) -> Result<()> {
        let own = [&mut self.envoy.service, &mut self.render_service];
        let others = self.sidecar_service.iter_mut().chain(&mut self.upstream_service);
        own.into_iter().chain(others).try_for_each(Service::require_alive)
    }

    /// Stops everything that it started, Envoy first, and removes `ready.json`.
    pub async fn stop(mut self) {
        Ready::remove(&self.state);
        self.envoy.service.stop().await;
        self.render_service.stop().await;
        for service in self.sidecar_service.iter_mut().chain(&mut self.upstream_service) {
            service.stop().await;
        }
    }

    /// Stops it and removes its directory: for a test that passed. One that fails never comes here, so that its logs
    /// stay.
    ///
    /// # Panics
    /// Not every request was accounted for, and the plan did not say why.
    pub async fn discard(self) {
        let (state, unaccounted) = (self.state.clone(), self.unaccounted);
        self.stop().await;
        if unaccounted.is_none() {
            let settled = accounts::settled(&state);
            assert!(settled.is_ok(), "requests and decisions of {} differ: {settled:?}", state.display());
        }
        let _ = std::fs::remove_dir_all(state);
    }

    /// Writes this policy over the one that runs, as its author would; it takes effect by itself.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn edit_policy(&self, yaml: &str) -> Result<()> {
        files::write_private(&self.policy, &self.host_mode.policy(yaml))
    }

    /// Kills the sidecar, as a crash would; [`World::start_sidecar`] brings it back.
    pub async fn kill_sidecar(&mut self) {
        if let Some(service) = &mut self.sidecar_service {
            service.kill().await;
        }
    }

    /// Starts the sidecar again, on the same ports and store, and waits until it is ready.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn start_sidecar(&mut self) -> Result<()> {
        self.sidecar_service = Some(start_ready(&self.sidecar, &self.state, &self.http).await?);
        Ok(())
    }

    /// Kills the sample server; nothing happens with an upstream of the user's.
    pub async fn kill_upstream(&mut self) {
        if let Some(service) = &mut self.upstream_service {
            service.kill().await;
        }
    }

    /// Starts the sample server again, on the same port.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_upstream(&mut self) -> Result<()> {
        let (service, upstream) = start_sample(self.upstream.port, &self.state)?;
        let service = self.upstream_service.insert(service);
        wait_for("the MCP server", Some(service), || async {
            upstream.require_reachable().await.map_err(|failure| failure.0)
        })
        .await
    }

    /// Stops Envoy and starts it again, with what lies in the state directory; returns when it answers, however that is
    /// with what else is alive. Every worker begins without keys and verified tokens.
    ///
    /// # Errors
    /// It does not start or does not answer.
    pub async fn restart_envoy(&mut self) -> Result<()> {
        self.envoy.service.stop().await;
        self.envoy = self.envoy.again(&self.state)?;
        let status = format!("{}/wicketgate/status", self.origin);
        wait_for("Envoy with the filter", Some(&mut self.envoy.service), || async {
            self.http.get(&status, &[]).await.map(drop).map_err(|failure| failure.0)
        })
        .await
    }

    /// All complete lines of a record file of its state directory (`audit.jsonl`, `access.log`), so far.
    ///
    /// # Errors
    /// The file is not there yet or not readable.
    pub fn records(&self, name: &str) -> Result<Vec<String>> {
        let text = files::read(&self.state.join(name))?;
        let complete = text.rfind('\n').and_then(|end| text.get(..end)).unwrap_or_default();
        Ok(complete.lines().map(str::to_owned).collect())
    }

    fn services(&self) -> impl Iterator<Item = &Service> {
        let own = [&self.envoy.service, &self.render_service];
        own.into_iter().chain(&self.sidecar_service).chain(&self.upstream_service)
    }
}

/// Asks again and again until `probe` succeeds, the part dies, or it has taken too long.
///
/// # Errors
/// One of the latter two, with what the last probe or the log said.
pub async fn wait_for<F>(
    what: &str,
    mut service: Option<&mut Service>,
    mut probe: impl FnMut() -> F,
) -> Result<()>
where
    F: Future<Output = std::result::Result<(), String>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        let Err(last) = probe().await else { return Ok(()) };
        if let Some(service) = service.as_deref_mut() {
            service.require_alive()?;
        }
        if Instant::now() >= deadline {
            let seconds = PATIENCE.as_secs();
            let log = service.map(|service| {
                format!("; the last lines of {}:\n{}", service.log().display(), last_lines(service.log(), 12))
            });
            return Err(Failure::new(format!(
                "{what} was not ready within {seconds} s ({last}){}",
                log.unwrap_or_default()
            )));
        }
        sleep(BETWEEN_PROBES).await;
    }
}

async fn start_upstream(plan: &Plan, state: &Path) -> Result<(Option<Service>, Upstream)> {
    if let Some(upstream) = &plan.upstream {
        upstream.require_reachable().await?;
        return Ok((None, upstream.clone()));
    }
    let port = if plan.documented_ports { ports::free_or(3001)? } else { ports::free()? };
    let (service, upstream) = start_sample(port, state)?;
    Ok((Some(service), upstream))
}

/// Starts the sidecar and waits until it is ready.
async fn start_ready(sidecar: &Sidecar, state: &Path, http: &Http) -> Result<Service> {
    let mut service = sidecar.start(state)?;
    let health = format!("http://{}/readyz", sidecar.listeners.admin);
    wait_for("the authorization server", Some(&mut service), || expect(http, &health, 200)).await?;
    Ok(service)
}

/// Waits until it ends; for ever where there is none.
async fn ended(service: &mut Option<Service>) -> Failure {
    match service {
        Some(service) => service.ended().await,
        None => std::future::pending().await,
    }
}

async fn configure_sidecar(plan: &Plan, state: &Path) -> Result<(Sidecar, Option<Login>)> {
    let origin = format!("http://127.0.0.1:{}", plan.port);
    let Some(configuration) = &plan.auth_config else {
        let listeners = Listeners::free(plan.documented_ports)?;
        let users = plan.users(state)?;
        let sidecar = Sidecar::generate(state, &origin, &format!("{origin}/mcp"), listeners, &users)?;
        let text = files::read(&sidecar.configuration)?;
        files::write_private(&sidecar.configuration, &format!("{text}{}", plan.auth_settings))?;
        return Ok((sidecar, users.into_iter().next().map(|user| user.login)));
    };
    let sidecar = Sidecar::from_user(configuration).await?;
    let localhost = format!("http://localhost:{}", plan.port);
    if sidecar.issuer != origin && sidecar.issuer != localhost {
        return Err(Failure::new(format!(
            "AUTH_CONFIG says issuer {}, but with PORT={} it must be {origin}: change one of the two.",
            sidecar.issuer, plan.port
        )));
    }
    Ok((sidecar, None))
}

async fn gateway_answers(http: &Http, origin: &str) -> std::result::Result<(), String> {
    expect(http, &format!("{origin}/wicketgate/status"), 200).await?;
    expect(http, &format!("{origin}/mcp"), 401).await
}

async fn expect(http: &Http, url: &str, status: u16) -> std::result::Result<(), String> {
    let answer = http.get(url, &[]).await.map_err(|failure| failure.0)?;
    if answer.status == status {
        Ok(())
    } else {
        Err(format!("{url} answered {}, not {status}", answer.status))
    }
}
