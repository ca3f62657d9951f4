//! Who is met in TLS, and who is not? Clients, servers and the authorization server, with certificates that are good, expired, of
//! somebody else, of nobody, changed while Envoy runs, and revoked.

use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use wicketgate_e2e::client::raw;
use wicketgate_e2e::{files, layout, ports};

use super::super::recorder::Recorder;
use super::super::stage::{DEADLINE, eventually};
use super::authority::{Authority, Pair, Said, of};
use super::stage::{Drawn, Edge, call, request, server};

/// What came of a connection.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) status: u16,
    pub(super) certificate: CertificateDer<'static>,
    protocol: Option<Vec<u8>>,
    /// As it came; empty over HTTP/2, which is not spoken here.
    pub(super) answer: Vec<u8>,
}

/// Meets Envoy as `name` and calls a tool; `Err` when there is no connection, or it is closed without an answer.
pub(super) async fn meet(port: u16, client: &Arc<ClientConfig>, name: &'static str) -> Result<Met, String> {
    meet_with(port, client, name, &request("POST /notes", name, &[], &call().to_string())).await
}

/// The same with a request of one's own.
pub(super) async fn meet_with(
    port: u16,
    client: &Arc<ClientConfig>,
    name: &'static str,
    bytes: &[u8],
) -> Result<Met, String> {
    let talk = async {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(|e| e.to_string())?;
        let connector = TlsConnector::from(Arc::clone(client));
        let mut stream = connector
            .connect(ServerName::try_from(name).unwrap(), stream)
            .await
            .map_err(|e| e.to_string())?;
        let session = stream.get_ref().1;
        let certificate = session.peer_certificates().unwrap()[0].clone().into_owned();
        let protocol = session.alpn_protocol().map(<[u8]>::to_vec);
        if protocol.as_deref() == Some(b"h2") {
            return Ok(Met { status: 0, certificate, protocol, answer: Vec::new() });
        }
        stream.write_all(bytes).await.map_err(|e| e.to_string())?;
        let mut answer = Vec::new();
        // A peer that is done may close without a word: what it said before counts.
        while !answer.ends_with(b"}") && stream.read_buf(&mut answer).await.map_err(|e| e.to_string())? > 0 {}
        let status = raw::status(&answer).map_err(|e| e.to_string())?;
        Ok(Met { status, certificate, protocol, answer })
    };
    timeout(DEADLINE, talk).await.unwrap_or_else(|_| Err("nothing came".to_owned()))
}

fn path(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

/// A folder of a test, with its ports.
pub(super) fn place(name: &str) -> (std::path::PathBuf, [u16; 2]) {
    let ports = [ports::free().unwrap(), ports::free().unwrap()];
    let state = layout::root().join("target/worlds").join(format!("edge-{name}-{}", ports[0]));
    let _ = std::fs::remove_dir_all(&state);
    files::create_directory(&state).unwrap();
    (state, ports)
}

pub(super) fn anywhere(name: &str, address: u16, more: &str) -> String {
    server(
        name,
        &format!("/{name}"),
        &format!("{{address: \"127.0.0.1:{address}\"{more}}}"),
        &[&format!("match: {{hosts: [\"*\"], path: /{name}}}")],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_get_the_certificate_of_the_name_that_they_ask_for_and_new_ones_without_a_restart() {
    let upstream = Recorder::echo().await;
    let (state, ports) = place("tls");
    let authority = Authority::new(state.join("tls"), "ca");
    let a = authority.vouch("a", of(&["a.example"]));
    let b = authority.vouch("b", of(&["b.example"]));
    let mut drawn = Drawn::of(&anywhere("notes", upstream.upstream.port, ""));
    drawn.listen = format!(", tls: {{certificates: [{{{}}}, {{{}}}]}}", a.yaml(), b.yaml());
    let edge = Edge::start_in(state, ports, &drawn).await;
    let old = authority.client(None, &[&TLS12], &["http/1.1"]);
    let new = authority.client(None, &[&TLS13], &[]);
    for client in [&old, &new] {
        for (name, pair) in [("a.example", &a), ("b.example", &b)] {
            let met = meet(edge.port, client, name).await.unwrap();
            assert_eq!((met.status, &met.certificate), (200, &pair.certificates()[0]), "{name}");
        }
    }
    let both = authority.client(None, &[&TLS12, &TLS13], &["h2", "http/1.1"]);
    assert_eq!(
        meet(edge.port, &both, "a.example").await.unwrap().protocol.as_deref(),
        Some(b"h2".as_slice())
    );
    // Nobody is told another's name: whoever asks for a third gets the first, which is not for him.
    assert!(meet(edge.port, &both, "c.example").await.is_err());

    let a = authority.vouch("a", Said { serial: 8, ..of(&["a.example"]) });
    eventually("the new certificate is shown", DEADLINE, || async {
        let met = meet(edge.port, &new, "a.example").await?;
        if met.certificate == a.certificates()[0] { Ok(()) } else { Err("the old one".to_owned()) }
    })
    .await;
    assert_eq!(meet(edge.port, &new, "b.example").await.unwrap().certificate, b.certificates()[0]);

    // What is no certificate changes nothing.
    let good = a.certificates().remove(0);
    let failed = edge.stat("sds.certificate_0.key_rotation_failed").await;
    files::write_private(&a.chain, "no certificate").unwrap();
    edge.until("sds.certificate_0.key_rotation_failed", |count| count > failed).await;
    assert_eq!(meet(edge.port, &new, "a.example").await.unwrap().certificate, good);
    // Plain HTTP is no language there.
    let plain =
        super::super::stage::answer_of(edge.port, &request("POST /notes", "a.example", &[], "{}")).await;
    assert!(plain.is_none(), "{plain:?}");
    edge.discard().await;
}

/// Certificate and key in folders of their own: whichever is moved in last, Envoy sees it.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_taken_anew_whose_key_lies_elsewhere() {
    let upstream = Recorder::echo().await;
    let (state, ports) = place("tls-apart");
    let authority = Authority::new(state.join("tls"), "ca");
    let keys = state.join("keys");
    files::create_directory(&keys).unwrap();
    let key = keys.join("a.key");
    let put = |pair: &Pair| files::write_private(&key, &files::read(&pair.key).unwrap()).unwrap();
    let first = authority.vouch("a", of(&["a.example"]));
    put(&first);
    let mut drawn = Drawn::of(&anywhere("notes", upstream.upstream.port, ""));
    drawn.listen =
        format!(", tls: {{certificates: [{{chain: {}, key: {}}}]}}", path(&first.chain), path(&key));
    let edge = Edge::start_in(state, ports, &drawn).await;
    let client = authority.client(None, &[&TLS13], &[]);
    assert_eq!(meet(edge.port, &client, "a.example").await.unwrap().status, 200);

    let failed = edge.stat("sds.certificate_0.key_rotation_failed").await;
    let second = authority.vouch("a", Said { serial: 8, ..of(&["a.example"]) });
    edge.until("sds.certificate_0.key_rotation_failed", |count| count > failed).await;
    put(&second);
    eventually("the new certificate is shown", DEADLINE, || async {
        let met = meet(edge.port, &client, "a.example").await?;
        if met.certificate == second.certificates()[0] { Ok(()) } else { Err("the old one".to_owned()) }
    })
    .await;
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_version_than_wanted_is_refused() {
    let upstream = Recorder::echo().await;
    let (state, ports) = place("tls13");
    let authority = Authority::new(state.join("tls"), "ca");
    let a = authority.vouch("a", of(&["a.example"]));
    let mut drawn = Drawn::of(&anywhere("notes", upstream.upstream.port, ""));
    drawn.listen = format!(", tls: {{certificates: [{{{}}}], minimum: \"1.3\"}}", a.yaml());
    let edge = Edge::start_in(state, ports, &drawn).await;
    assert!(meet(edge.port, &authority.client(None, &[&TLS12], &[]), "a.example").await.is_err());
    let met = meet(edge.port, &authority.client(None, &[&TLS13], &[]), "a.example").await.unwrap();
    assert_eq!(met.status, 200);
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_show_a_certificate_of_one_that_may_come() {
    let upstream = Recorder::echo().await;
    let (state, ports) = place("mtls");
    let authority = Authority::new(state.join("tls"), "ca");
    let stranger = Authority::new(state.join("tls"), "stranger");
    authority.revoke(&[]);
    let own = authority.vouch("own", of(&["a.example"]));
    let known = "spiffe://example/agent";
    let good = authority.vouch("good", of(&["spiffe://example/agent"]));
    let doomed = authority.vouch("doomed", Said { serial: 9, ..of(&["spiffe://example/agent"]) });
    let mut drawn = Drawn::of(&anywhere("notes", upstream.upstream.port, ""));
    drawn.listen = format!(
        ", tls: {{certificates: [{{{}}}], clients: {{roots: {}, revoked: {}, names: [\"{known}\"]}}}}",
        own.yaml(),
        path(&authority.roots()),
        path(&authority.revoked()),
    );
    let edge = Edge::start_in(state, ports, &drawn).await;
    let who = |pair: Option<&Pair>| authority.client(pair, &[&TLS12, &TLS13], &[]);
    for pair in [&good, &doomed] {
        assert_eq!(meet(edge.port, &who(Some(pair)), "a.example").await.unwrap().status, 200);
    }
    let refused = [
        ("nobody", None),
        ("of another name", Some(authority.vouch("other", of(&["spiffe://example/other"])))),
        ("of the right name, but as a host", Some(authority.vouch("host", of(&["example"])))),
        ("expired", Some(authority.vouch("old", Said { expired: true, ..of(&["spiffe://example/agent"]) }))),
        ("of a stranger", Some(stranger.vouch("strange", of(&["spiffe://example/agent"])))),
    ];
    for (what, pair) in refused {
        let met = meet(edge.port, &who(pair.as_ref()), "a.example").await;
        assert!(met.is_err(), "{what}: {met:?}");
    }
    authority.revoke(&[9]);
    eventually("the revoked one is refused", DEADLINE, || async {
        match meet(edge.port, &who(Some(&doomed)), "a.example").await {
            Err(_) => Ok(()),
            Ok(met) => Err(format!("{met:?}")),
        }
    })
    .await;
    assert_eq!(meet(edge.port, &who(Some(&good)), "a.example").await.unwrap().status, 200);
    edge.discard().await;
}

/// Speaks TLS in front of a plain server; gives the port.
async fn front(config: Arc<ServerConfig>, behind: u16) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = TlsAcceptor::from(Arc::clone(&config));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let Ok(mut server) = TcpStream::connect(("127.0.0.1", behind)).await else { return };
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_met_only_if_its_certificate_is_right() {
    let upstream = Recorder::echo().await;
    let behind = upstream.upstream.port;
    let (state, ports) = place("upstream-tls");
    let authority = Authority::new(state.join("tls"), "ca");
    let stranger = Authority::new(state.join("tls"), "stranger");
    authority.revoke(&[]);
    let names: &[&str] = &["notes.internal"];
    let certificates = [
        ("right", authority.vouch("right", of(names))),
        ("doomed", authority.vouch("doomed", Said { serial: 9, ..of(names) })),
        ("elsewhere", authority.vouch("elsewhere", of(&["other.internal"]))),
        ("expired", authority.vouch("expired", Said { expired: true, ..of(names) })),
        ("strange", stranger.vouch("strange", of(names))),
    ];
    let tls = format!(
        ", idle: 1s, tls: {{roots: {}, revoked: {}, names: [notes.internal], server_name: notes.internal}}",
        path(&authority.roots()),
        path(&authority.revoked()),
    );
    let mut servers = String::new();
    for (name, pair) in &certificates {
        servers.push_str(&anywhere(name, front(authority.server(pair, false), behind).await, &tls));
    }
    // One that does not speak TLS at all.
    servers.push_str(&anywhere("plain", behind, &tls));
    let edge = Edge::start_in(state, ports, &Drawn::of(&servers)).await;
    for (path, status) in [
        ("/right", 200),
        ("/doomed", 200),
        ("/elsewhere", 503),
        ("/expired", 503),
        ("/strange", 503),
        ("/plain", 503),
    ] {
        let answer = edge.call(path, &[]).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    authority.revoke(&[9]);
    eventually("the revoked one is met no more", DEADLINE, || async {
        let answer = edge.call("/doomed", &[]).await;
        if answer.status == 503 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    assert_eq!(edge.call("/right", &[]).await.status, 200);
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authorization_server_is_met_in_mutual_tls() {
    let sidecar = Recorder::echo().await;
    let notes = Recorder::echo().await;
    let (state, ports) = place("sidecar-tls");
    let authority = Authority::new(state.join("tls"), "ca");
    let theirs = authority.vouch("sidecar", of(&["sidecar"]));
    let ours = authority.vouch("envoy", of(&["envoy"]));
    let public = front(authority.server(&theirs, true), sidecar.upstream.port).await;
    let with = |names: &str, own: &str| {
        let mut drawn = Drawn::of(&anywhere("notes", notes.upstream.port, ""));
        drawn.edge = format!(
            "  authorization_server: {{public: \"127.0.0.1:{public}\", internal: \"127.0.0.1:1\", tls: {{roots: {}, names: \
             [{names}]{own}}}}}\n",
            path(&authority.roots())
        );
        drawn
    };
    let own = format!(", {}", ours.yaml());
    for (at, (what, drawn, status)) in [
        ("both are right", with("sidecar", &own), 200),
        ("the server is another", with("other", &own), 503),
        ("we show nothing", with("sidecar", ""), 503),
    ]
    .into_iter()
    .enumerate()
    {
        let state = state.join(at.to_string());
        files::create_directory(&state).unwrap();
        let ports = if at == 0 { ports } else { [ports::free().unwrap(), ports::free().unwrap()] };
        let edge = Edge::start_in(state, ports, &drawn).await;
        let answer = edge.send("POST /token", &[], "{}").await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        edge.discard().await;
    }
    let _ = std::fs::remove_dir_all(state);
}
