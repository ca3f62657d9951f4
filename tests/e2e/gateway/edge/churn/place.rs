//! What is churned? An Envoy that watches its files, drawn of one policy; a sample server and an authorization server, which can be killed;
//! and an upstream whose answers are mutated, behind the policy of the ways around a decision.

use std::path::Path;
use std::time::Duration;

use wicketgate_e2e::client::http::Http;
use wicketgate_e2e::process::Service;
use wicketgate_e2e::ready::Login;
use wicketgate_e2e::sidecar::{Listeners, Sidecar, User};
use wicketgate_e2e::upstream::start_sample;
use wicketgate_e2e::world::wait_for;
use wicketgate_e2e::{files, ports};

use super::super::super::bypass::policy;
use super::super::super::recorder::Recorder;
use super::super::super::soak;
use super::super::stage::{Drawn, Edge, render_filter};
use super::super::tls::place;

/// Everything that runs.
pub(super) struct Place {
    pub(super) edge: Edge,
    pub(super) recorder: Recorder,
    pub(super) server: Service,
    pub(super) authorization: Service,
    server_port: u16,
    sidecar: Sidecar,
    /// What differs between two policies.
    turn: u32,
    extra: bool,
}

/// What its clients know.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) http: Http,
    pub(super) login: Login,
    pub(super) port: u16,
    /// The sample server, the mutated one.
    pub(super) notes: String,
    pub(super) tested: String,
    /// How long a token lives.
    pub(super) lifetime: Duration,
}

// === impl Place ===

impl Place {
    pub(super) async fn start(seed: u64, lifetime: Duration) -> (Self, Known) {
        let (state, [port, admin]) = place("churn");
        let recorder = Recorder::start(soak::upstream(seed)).await;
        let server_port = ports::free().unwrap();
        let origin = format!("http://127.0.0.1:{port}");
        let user = User::demo(&state).unwrap();
        let login = user.login.clone();
        let (notes, tested) = (format!("{origin}/notes"), format!("{origin}/mcp"));
        let sidecar = sidecar(&state, &origin, &tested, user, lifetime);
        let mut authorization = sidecar.start(&state).unwrap();
        ready(&sidecar, &mut authorization).await;
        let server = serve(server_port, &state).await;
        let drawn = drawn(&recorder, server_port, &sidecar, 0, false);
        let edge = Edge::start_in(state, [port, admin], &drawn).await;
        let http = Http::new().unwrap();
        let status = format!("{origin}/wicketgate/status");
        wait_for("the filter with its keys", None, || async {
            let answer = http.get(&status, &[]).await.map_err(|failure| failure.0)?;
            if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
        })
        .await
        .unwrap();
        let known = Known { http, login, port, notes, tested, lifetime };
        let place =
            Self { edge, recorder, server, authorization, server_port, sidecar, turn: 0, extra: false };
        (place, known)
    }

    /// Another policy for the filter; Envoy around it stays as it is.
    pub(super) fn another_policy(&mut self) {
        self.turn += 1;
        self.draw();
    }

    /// One server more, or one less.
    pub(super) fn other_routes(&mut self) {
        self.extra = !self.extra;
        self.draw();
    }

    fn draw(&self) {
        let drawn = drawn(&self.recorder, self.server_port, &self.sidecar, self.turn, self.extra);
        tokio::task::block_in_place(|| {
            self.edge.redraw(&drawn);
            render_filter(&self.edge.state);
        });
    }

    pub(super) async fn start_server(&mut self) {
        self.server = serve(self.server_port, &self.edge.state).await;
    }

    pub(super) async fn start_authorization(&mut self) {
        self.authorization = self.sidecar.start(&self.edge.state).unwrap();
        ready(&self.sidecar, &mut self.authorization).await;
    }

    /// How much memory Envoy and the authorization server have of the system, KiB.
    pub(super) fn memory(&self) -> [u64; 2] {
        [&self.edge.envoy.service, &self.authorization].map(|service| {
            let status = files::read(Path::new(&format!("/proc/{}/status", service.pid()))).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        })
    }
}

async fn serve(port: u16, state: &Path) -> Service {
    let (mut service, upstream) = start_sample(port, state).unwrap();
    wait_for("the sample server", Some(&mut service), || async {
        upstream.require_reachable().await.map_err(|failure| failure.0)
    })
    .await
    .unwrap();
    service
}

async fn ready(sidecar: &Sidecar, service: &mut Service) {
    let (http, health) = (Http::new().unwrap(), format!("http://{}/readyz", sidecar.listeners.admin));
    wait_for("the authorization server", Some(service), || async {
        let answer = http.get(&health, &[]).await.map_err(|failure| failure.0)?;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await
    .unwrap();
}

fn sidecar(state: &Path, origin: &str, tested: &str, user: User, lifetime: Duration) -> Sidecar {
    let listeners = Listeners::free(false).unwrap();
    let sidecar = Sidecar::generate(state, origin, tested, listeners, &[user]).unwrap();
    let text = files::read(&sidecar.configuration).unwrap();
    let both = format!("resources:\n  - {{url: \"{origin}/notes\", scopes: [\"mcp:read\"]}}\n");
    assert!(text.contains("resources:\n"), "{text}");
    let text = text.replace("resources:\n", &both);
    let more = format!("lifetimes: {{access_token: {}s}}\n", lifetime.as_secs());
    files::write_private(&sidecar.configuration, &(text + &more)).unwrap();
    sidecar
}

fn drawn(recorder: &Recorder, server_port: u16, sidecar: &Sidecar, turn: u32, extra: bool) -> Drawn {
    const ORIGIN: &str = "http://127.0.0.1:@PORT@";
    let at = recorder.upstream.port;
    let plenty = "{rate: 100000/s, burst: 100000}";
    let tested = policy().replace("${WICKETGATE_URL}", ORIGIN);
    let tested = tested.split("servers:\n").nth(1).unwrap().replace(
        &format!("url: {ORIGIN}/mcp\n"),
        &format!("url: {ORIGIN}/mcp\n    upstream: {{address: \"127.0.0.1:{at}\"}}\n"),
    );
    let own = |name: &str, upstream: &str, burst: u32| {
        format!(
            "  - name: {name}\n    url: {ORIGIN}/{name}\n    scopes: [\"mcp:read\"]\n    upstream: {upstream}\n    limits: {{flood: \
             {plenty}, principal: {{rate: 100000/s, burst: {burst}}}}}\n    rules:\n      - {{id: readers, allow: {{who: {{scopes: \
             [\"mcp:read\"]}}, tools: [\"search_*\"]}}}}\n"
        )
    };
    let mut servers = tested;
    servers +=
        &own("notes", &format!("{{address: \"127.0.0.1:{server_port}\", path: /mcp}}"), 100_000 + turn);
    if extra {
        servers += &own("extra", &format!("{{address: \"127.0.0.1:{at}\"}}"), 100_000);
    }
    let Listeners { public, internal, .. } = sidecar.listeners;
    let edge = format!(
        "  authorization_server: {{public: \"{public}\", internal: \"{internal}\"}}\nunknown_tokens: {plenty}\nissuers:\n  - issuer: \
         {ORIGIN}\n    algorithms: [ES256]\n    clock_skew: 1s\n    jwks: {{cluster: auth_internal, path: /v1/jwks}}\n    revocations: \
         {{cluster: auth_internal, path: /v1/feed}}\n"
    );
    Drawn { edge, xds: true, ..Drawn::of(&servers) }
}
