//! Do certificates between Envoy and the authorization server change under way? Each side's are replaced while it is asked again and again,
//! and neither then believes another's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::super::recorder::Recorder;
use super::super::stage::{DEADLINE, eventually};
use super::authority::{Authority, Said, of};
use super::stage::{Drawn, Edge};
use super::tls::{anywhere, place};

/// A server in TLS, whose certificate may change, before a plain one.
struct Front {
    port: u16,
    shows: Arc<Mutex<Arc<ServerConfig>>>,
    /// The certificate that the last client showed.
    shown: Arc<Mutex<Option<CertificateDer<'static>>>>,
}

// === impl Front ===

impl Front {
    async fn start(config: Arc<ServerConfig>, behind: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (shows, shown) = (Arc::new(Mutex::new(config)), Arc::new(Mutex::new(None)));
        let (current, last) = (Arc::clone(&shows), Arc::clone(&shown));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = TlsAcceptor::from(Arc::clone(&current.lock().unwrap()));
                let last = Arc::clone(&last);
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let peer = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                    *last.lock().unwrap() = peer.map(|one| one.clone().into_owned());
                    let Ok(mut server) = TcpStream::connect(("127.0.0.1", behind)).await else { return };
                    let _ = copy_bidirectional(&mut stream, &mut server).await;
                });
            }
        });
        Self { port, shows, shown }
    }

    fn show(&self, config: Arc<ServerConfig>) {
        *self.shows.lock().unwrap() = config;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_towards_the_authorization_server_change_while_it_is_asked() {
    let sidecar = Recorder::echo().await;
    let notes = Recorder::echo().await;
    let (state, ports) = place("rotation");
    let authority = Authority::new(state.join("tls"), "ca");
    let theirs = authority.vouch("sidecar", of(&["sidecar"]));
    let ours = authority.vouch("envoy", of(&["envoy"]));
    let front = Front::start(authority.server(&theirs, true), sidecar.upstream.port).await;
    let mut drawn = Drawn::of(&anywhere("notes", notes.upstream.port, ""));
    drawn.edge = format!(
        "  authorization_server: {{public: \"127.0.0.1:{}\", internal: \"127.0.0.1:1\", tls: {{roots: \"{}\", names: [sidecar], {}}}}}\n",
        front.port,
        authority.roots().display(),
        ours.yaml()
    );
    let edge = Edge::start_in(state, ports, &drawn.each_met_anew()).await;
    let status = async || edge.send("POST /token", &[], "{}").await.status;
    let over = AtomicBool::new(false);
    let asks = async {
        let mut count = 0;
        while !over.load(Ordering::SeqCst) {
            assert_eq!(status().await, 200, "after {count}");
            count += 1;
        }
        count
    };
    let changes = async {
        eventually("it is asked", DEADLINE, || async {
            let shown = front.shown.lock().unwrap().clone();
            if shown.as_ref() == ours.certificates().first() { Ok(()) } else { Err(format!("{shown:?}")) }
        })
        .await;
        let other = authority.vouch("sidecar-2", Said { serial: 8, ..of(&["sidecar"]) });
        front.show(authority.server(&other, true));
        let renewed = authority.vouch("envoy", Said { serial: 9, ..of(&["envoy"]) });
        eventually("Envoy shows its new certificate", DEADLINE, || async {
            let shown = front.shown.lock().unwrap().clone();
            if shown.as_ref() == renewed.certificates().first() {
                Ok(())
            } else {
                Err("the old one".to_owned())
            }
        })
        .await;
        over.store(true, Ordering::SeqCst);
    };
    let (count, ()) = tokio::join!(asks, changes);
    assert!(count > 1, "{count}");

    // One that is valid, and another's: nothing goes there.
    sidecar.take();
    let another = authority.vouch("another", of(&["another"]));
    front.show(authority.server(&another, true));
    assert_eq!(status().await, 503);
    assert_eq!(sidecar.bytes(), 0, "{}", sidecar.raw());
    front.show(authority.server(&theirs, true));
    assert_eq!(status().await, 200);
    edge.discard().await;
}
