//! Does the authorization server end TLS itself? Envoy and it meet in mutual TLS by what their own configurations say, on both of its
//! listeners, and take new certificates while they speak.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_rustls::rustls::version::{TLS12, TLS13};
use wicketgate_e2e::client::http::Http;
use wicketgate_e2e::process::Service;
use wicketgate_e2e::sidecar::{Listeners, Sidecar, User};
use wicketgate_e2e::world::wait_for;
use wicketgate_e2e::{files, ports};

use super::super::recorder::Recorder;
use super::super::stage::{DEADLINE, eventually};
use super::authority::{Authority, Pair, Said, of};
use super::stage::{Drawn, Edge, request};
use super::tls::{anywhere, meet_with, place};

const METADATA: &str = "GET /.well-known/oauth-authorization-server";

/// An authorization server whose public and internal listeners want a certificate of `envoy.internal`, and a server behind Envoy.
struct Scene {
    state: PathBuf,
    ports: [u16; 2],
    authority: Authority,
    sidecar: Sidecar,
    service: Service,
    notes: Recorder,
    http: Http,
}

// === impl Scene ===

impl Scene {
    async fn start(name: &str) -> Self {
        let (state, ports) = place(name);
        let authority = Authority::new(state.join("tls"), "ca");
        let theirs = authority.vouch("sidecar", of(&["auth.internal"]));
        let origin = format!("http://127.0.0.1:{}", ports[0]);
        let listeners = Listeners::free(false).unwrap();
        let user = User::demo(&state).unwrap();
        let sidecar =
            Sidecar::generate(&state, &origin, &format!("{origin}/notes"), listeners, &[user]).unwrap();
        let mut text = files::read(&sidecar.configuration).unwrap();
        for at in [listeners.public, listeners.internal] {
            let tls = format!(
                "{{address: \"{at}\", tls: {{certificate: \"{}\", key: \"{}\", clients: {{ca: \"{}\", names: [envoy.internal]}}}}}}",
                theirs.chain.display(),
                theirs.key.display(),
                authority.roots().display()
            );
            assert!(text.contains(&format!("\"{at}\"")), "{text}");
            text = text.replace(&format!("\"{at}\""), &tls);
        }
        files::write_private(&sidecar.configuration, &text).unwrap();
        let mut service = sidecar.start(&state).unwrap();
        let http = Http::new().unwrap();
        let health = format!("http://{}/readyz", listeners.admin);
        wait_for("the authorization server", Some(&mut service), || async {
            let answer = http.get(&health, &[]).await.map_err(|failure| failure.0)?;
            if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
        })
        .await
        .unwrap();
        Self { state, ports, authority, sidecar, service, notes: Recorder::echo().await, http }
    }

    /// An Envoy that shows `own` and takes for the authorization server who has the name `server`; each request that it makes is a
    /// connection of its own.
    async fn envoy(&self, server: &str, own: Option<&Pair>) -> Edge {
        let Listeners { public, internal, .. } = self.sidecar.listeners;
        let own = own.map_or_else(String::new, |pair| format!(", {}", pair.yaml()));
        let mut drawn = Drawn::of(&anywhere("notes", self.notes.upstream.port, ""));
        drawn.edge = format!(
            "  authorization_server: {{public: \"{public}\", internal: \"{internal}\", tls: {{roots: \"{}\", names: [{server}]{own}}}}}\n\
             issuers:\n  - {{issuer: \"http://127.0.0.1:@PORT@\", algorithms: [ES256], jwks: {{cluster: auth_internal, path: /v1/jwks}}}}\n",
            self.authority.roots().display()
        );
        Edge::start_in(self.state.clone(), self.ports, &drawn.each_met_anew()).await
    }

    /// The value of this line of its metrics; none where there is no such line.
    async fn counted(&self, line: &str) -> Option<u64> {
        let url = format!("http://{}/metrics", self.sidecar.listeners.metrics);
        let text = self.http.get(&url, &[]).await.unwrap().text();
        let value = text.lines().find_map(|one| one.strip_prefix("wicketgate_auth_")?.strip_prefix(line));
        value.map(|value| value.trim().parse().unwrap())
    }

    async fn refused(&self) -> u64 {
        let mut all = 0;
        for listener in ["public", "internal"] {
            let line = format!("tls_handshakes_total{{listener=\"{listener}\",outcome=\"refused\"}}");
            all += self.counted(&line).await.unwrap();
        }
        all
    }

    /// Waits until the filter has its keys, which come by the internal listener.
    async fn until_keys_are_known(&self, edge: &Edge) {
        eventually("the filter has its keys", DEADLINE, || async {
            let answer = edge.send("GET /wicketgate/status", &[], "").await;
            if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
        })
        .await;
        let asked = self.counted("requests_total{listener=\"internal\",route=\"/v1/jwks\",status=\"200\"}");
        assert!(asked.await.is_some_and(|asked| asked > 0));
    }

    async fn discard(mut self) {
        self.service.stop().await;
        let _ = std::fs::remove_dir_all(self.state);
    }
}

async fn end(mut edge: Edge) {
    edge.envoy.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authorization_server_ends_tls_itself_and_meets_envoy_alone() {
    let mut scene = Scene::start("sidecar-own-tls").await;
    let stranger = Authority::new(scene.state.join("tls"), "stranger");
    let right = scene.authority.vouch("envoy", of(&["envoy.internal"]));
    let edge = scene.envoy("auth.internal", Some(&right)).await;
    scene.until_keys_are_known(&edge).await;
    let answer = edge.send(METADATA, &[], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(scene.refused().await, 0);
    end(edge).await;

    let expired = Said { expired: true, ..of(&["envoy.internal"]) };
    for (what, server, own, is_ours_to_refuse) in [
        ("the server is another", "other.internal", Some(right), false),
        ("nothing is shown", "auth.internal", None, true),
        ("of another name", "auth.internal", Some(scene.authority.vouch("b", of(&["other.internal"]))), true),
        ("expired", "auth.internal", Some(scene.authority.vouch("c", expired)), true),
        ("of a stranger", "auth.internal", Some(stranger.vouch("d", of(&["envoy.internal"]))), true),
    ] {
        scene.ports = [ports::free().unwrap(), ports::free().unwrap()];
        let before = scene.refused().await;
        let edge = scene.envoy(server, own.as_ref()).await;
        let answer = edge.send(METADATA, &[], "").await;
        assert_eq!(answer.status, 503, "{what}: {answer:?}");
        assert_eq!(scene.refused().await > before, is_ours_to_refuse, "{what}");
        end(edge).await;
    }
    scene.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_authorization_servers_certificate_change_while_it_is_asked() {
    let scene = Scene::start("sidecar-renewed").await;
    let ours = scene.authority.vouch("envoy", of(&["envoy.internal"]));
    let edge = scene.envoy("auth.internal", Some(&ours)).await;
    scene.until_keys_are_known(&edge).await;
    let over = AtomicBool::new(false);
    let asks = async {
        let mut count = 0;
        while !over.load(Ordering::SeqCst) {
            let answer = edge.send(METADATA, &[], "").await;
            assert_eq!(answer.status, 200, "after {count}: {answer:?}");
            count += 1;
        }
        count
    };
    let changes = async {
        let renewed = scene.authority.vouch("sidecar", Said { serial: 8, ..of(&["auth.internal"]) });
        scene.authority.vouch("envoy", Said { serial: 9, ..of(&["envoy.internal"]) });
        let client = scene.authority.client(Some(&ours), &[&TLS12, &TLS13], &["http/1.1"]);
        for listener in [scene.sidecar.listeners.public, scene.sidecar.listeners.internal] {
            let asked = request("GET /jwks", "auth.internal", &[], "");
            eventually("the new certificate is shown", DEADLINE, || async {
                let met = meet_with(listener.port(), &client, "auth.internal", &asked).await?;
                if met.certificate == renewed.certificates()[0] { Ok(()) } else { Err("the old one".into()) }
            })
            .await;
        }
        let met = scene.counted("tls_handshakes_total{listener=\"public\",outcome=\"met\"}").await.unwrap();
        eventually("Envoy meets the new one", DEADLINE, || async {
            let now = scene.counted("tls_handshakes_total{listener=\"public\",outcome=\"met\"}").await;
            if now.is_some_and(|now| now > met + 4) { Ok(()) } else { Err(format!("{now:?} after {met}")) }
        })
        .await;
        over.store(true, Ordering::SeqCst);
    };
    let (count, ()) = tokio::join!(asks, changes);
    assert!(count > 1, "{count}");
    assert_eq!(scene.refused().await, 0);
    for listener in ["public", "internal"] {
        let renewals = format!("certificate_renewals_total{{listener=\"{listener}\",outcome=\"renewed\"}}");
        assert_eq!(scene.counted(&renewals).await, Some(1), "{listener}");
    }
    end(edge).await;
    scene.discard().await;
}
