//! Does Envoy reach whom the policy lists, and nobody else? Servers elsewhere, by name: a resolver of the test's says where they live,
//! which may change.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::Acceptor;

use super::super::recorder::Recorder;
use super::super::stage::{DEADLINE, eventually};
use super::authority::{Authority, of};
use super::stage::{Drawn, Edge, server, try_to_draw};
use super::tls::place;

const NAME: &str = "mcp.partner.example";

/// The names that were asked for (SNI), in order.
type Asked = Arc<Mutex<Vec<String>>>;

/// A server in TLS before a plain one; gives where it listens.
async fn front(at: SocketAddr, config: Arc<ServerConfig>, behind: u16) -> (SocketAddr, Asked) {
    let listener = TcpListener::bind(at).await.unwrap();
    let at = listener.local_addr().unwrap();
    let asked = Asked::default();
    let all = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (config, all) = (Arc::clone(&config), Arc::clone(&all));
            tokio::spawn(async move {
                let Ok(start) = LazyConfigAcceptor::new(Acceptor::default(), stream).await else { return };
                all.lock().unwrap().push(start.client_hello().server_name().unwrap_or_default().to_owned());
                let Ok(mut stream) = start.into_stream(config).await else { return };
                let Ok(mut server) = TcpStream::connect(("127.0.0.1", behind)).await else { return };
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            });
        }
    });
    (at, asked)
}

/// A resolver (RFC 1035) for which every name lives at this address, and has no other; gives its port.
async fn resolver(lives: Arc<Mutex<Ipv4Addr>>) -> u16 {
    const QUESTION: usize = 12;
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut bytes = [0; 512];
        while let Ok((size, peer)) = socket.recv_from(&mut bytes).await {
            let name = bytes[QUESTION..size].iter().position(|byte| *byte == 0).unwrap();
            let question = &bytes[QUESTION..QUESTION + name + 5];
            let of_v4 = question[name + 1..name + 3] == [0, 1];
            let mut answer = bytes[..2].to_vec();
            answer.extend([0x81, 0x80, 0, 1, 0, u8::from(of_v4), 0, 0, 0, 0]);
            answer.extend(question);
            if of_v4 {
                answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
                answer.extend(lives.lock().unwrap().octets());
            }
            let _ = socket.send_to(&answer, peer).await;
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_elsewhere_is_met_by_its_name_and_no_other_is_reached() {
    let (ours, strange) = (Recorder::echo().await, Recorder::echo().await);
    let (state, ports) = place("egress");
    let authority = Authority::new(state.join("tls"), "ca");
    let right = authority.server(&authority.vouch("right", of(&[NAME])), false);
    let other = authority.server(&authority.vouch("other", of(&["mcp.other.example"])), false);
    let lives = Arc::new(Mutex::new(Ipv4Addr::LOCALHOST));
    let elsewhere = Ipv4Addr::new(127, 0, 0, 2);
    let (at, asked) = front(([127, 0, 0, 1], 0).into(), right, ours.upstream.port).await;
    let (_, asked_elsewhere) = front((elsewhere, at.port()).into(), other, strange.upstream.port).await;
    let dns = resolver(Arc::clone(&lives)).await;

    let roots = authority.roots().display().to_string();
    let with = |more: &str| {
        let upstream =
            format!("{{address: \"{NAME}:{}\", tls: {{roots: \"{roots}\"}}, idle: 1s}}", at.port());
        let mut drawn = Drawn::of(&[server("notes", "/notes", &upstream, &[]), more.to_owned()].concat());
        drawn.edge = "  egress: {hosts: [\"*.partner.example\"]}\n".to_owned();
        drawn
    };
    let mut drawn = with("");
    let family = "dns_lookup_family: V4_PREFERRED";
    drawn.edits = vec![(
        family,
        format!(
            "{family}\n      typed_dns_resolver_config: {{name: envoy.network.dns_resolver.cares, typed_config: {{\"@type\": \
             type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig, resolvers: \
             [{{socket_address: {{address: 127.0.0.1, port_value: {dns}}}}}]}}}}"
        ),
    )];
    let edge = Edge::start_in(state.clone(), ports, &drawn).await;
    let answer = edge.call("/notes", &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(asked.lock().unwrap().as_slice(), [NAME], "it is asked for by name");
    let host = format!("{NAME}:{}", at.port());
    assert_eq!(ours.take()[0].field("host"), Some(host.as_str()));

    // Whoever answers at another address of that name must still prove to be it.
    *lives.lock().unwrap() = elsewhere;
    eventually("nothing goes to who lives there now", DEADLINE, || async {
        let answer = edge.call("/notes", &[]).await;
        if answer.status == 503 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    assert_eq!(asked_elsewhere.lock().unwrap().first().map(String::as_str), Some(NAME));
    assert_eq!(strange.bytes(), 0, "{}", strange.raw());
    edge.discard().await;

    // Nobody else can be added, by address or by name.
    let (state, ports) = place("egress-refused");
    for (upstream, said) in [
        (
            format!("{{address: \"mcp.stranger.example:443\", tls: {{roots: \"{roots}\"}}}}"),
            "servers[1].upstream.address: `mcp.stranger.example` is not among `edge.egress.hosts`",
        ),
        (
            format!(
                "{{address: \"{NAME}:443\", tls: {{roots: \"{roots}\", server_name: mcp.stranger.example}}}}"
            ),
            "servers[1].upstream.tls.server_name: `mcp.stranger.example` is not among `edge.egress.hosts`",
        ),
        (
            format!("{{address: \"{NAME}:80\"}}"),
            "servers[1].upstream.address: is reached beyond this machine, by `edge.egress`: give it `tls`",
        ),
    ] {
        let output = try_to_draw(&state, ports, &with(&server("other", "/other", &upstream, &[])));
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && words.contains(said), "{upstream}: {words}");
    }
    let _ = std::fs::remove_dir_all(state);
}
