//! Whom do listeners meet in TLS, and what do they show? Also when files and configuration change under way.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::TLS12;
use wicketgate_auth::admin_client::{Admin, AdminError, Question};
use wicketgate_auth::config::Config;

use crate::world::World;
use crate::world::certificates::{Authority, VERSIONS};

/// In which the clock of the world stands at the beginning of 2027.
const LONG: i32 = 2030;
const ENDED: i32 = 2026;
const OWN: &str = "{address: 127.0.0.1:0, tls: {certificate: FOLDER/own.pem, key: FOLDER/own.key, \
                   clients: {ca: FOLDER/ca.pem, names: [envoy.internal, 'spiffe://example.org/envoy']}}}";

/// A world whose listener of that name is `listener`, and its authority, which vouches for `own` and `envoy`.
async fn in_tls(name: &str, listener: &str) -> (World, Authority) {
    let (mut world, authority) = prepared(name, listener);
    world.start_prepared().await;
    (world, authority)
}

/// The same before it is started.
fn prepared(name: &str, listener: &str) -> (World, Authority) {
    let from = format!("{name}: 127.0.0.1:0");
    let world = World::prepared(|yaml| yaml.replace(&from, &format!("{name}: {listener}")));
    let authority = Authority::new(world.folder.path(), "ca");
    authority.vouch("own", &["auth.internal"], LONG);
    authority.vouch("envoy", &["envoy.internal"], LONG);
    (world, authority)
}

/// Met by a client as `auth.internal`.
async fn connect(address: &str, client: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address.strip_prefix("http://").unwrap()).await.unwrap();
    let name = ServerName::try_from("auth.internal").unwrap();
    TlsConnector::from(std::sync::Arc::new(client)).connect(name, stream).await
}

/// One answer on a connection that stays.
async fn get(stream: &mut TlsStream<TcpStream>, path: &str) -> std::io::Result<String> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") && !answer.ends_with(b"# EOF\n") {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(String::from_utf8(answer).unwrap())
}

/// Meets and asks once: the answer and the certificate that was shown.
async fn meet(address: &str, client: ClientConfig) -> std::io::Result<(String, CertificateDer<'static>)> {
    let mut stream = connect(address, client).await?;
    let answer = get(&mut stream, "/jwks").await?;
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned();
    Ok((answer, shown))
}

async fn counted(world: &World, line: &str) -> bool {
    let text = world.http.get(format!("{}/metrics", world.metrics)).send().await.unwrap();
    text.text().await.unwrap().contains(&format!("wicketgate_auth_{line}\n"))
}

/// Waits, by the test's own clock, for what the server does in its own time.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn clients_are_met_that_show_a_listed_name_of_the_authority() {
    let (world, authority) = in_tls("public", OWN).await;
    authority.vouch("spiffe", &["spiffe://example.org/envoy"], LONG);
    authority.vouch("capitals", &["other.internal", "Envoy.Internal"], LONG);
    for own in ["envoy", "spiffe", "capitals"] {
        for version in VERSIONS {
            let met = meet(&world.public, authority.client(Some(own), &[version])).await;
            assert!(met.unwrap().0.starts_with("HTTP/1.1 200"), "{own}");
        }
    }
    assert!(counted(&world, "tls_handshakes_total{listener=\"public\",outcome=\"met\"} 6").await);
    let plain = world.http.get(world.url("/jwks")).send().await;
    assert!(plain.is_err(), "{plain:?}");
}

#[tokio::test]
async fn who_asks_is_who_connected() {
    let (world, authority) = in_tls("public", OWN).await;
    let mut stream = connect(&world.public, authority.client(Some("envoy"), VERSIONS)).await.unwrap();
    world.recorded();
    let head = "POST /token HTTP/1.1\r\nhost: auth.internal\r\nx-forwarded-for: 192.0.2.1\r\ncontent-type: \
                application/x-www-form-urlencoded\r\n";
    let form = "grant_type=refresh_token&refresh_token=mr_x&client_id=resource-server&client_secret=wrong";
    let request = format!("{head}content-length: {}\r\n\r\n{form}", form.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") && stream.read_buf(&mut answer).await.unwrap() > 0 {}
    let [record] = world.recorded().try_into().unwrap();
    assert_eq!(
        (&record["event"], &record["address"]),
        (&"client_authentication_failed".into(), &"127.0.0.1".into())
    );
}

#[tokio::test]
async fn nobody_else_is() {
    let (world, authority) = in_tls("public", OWN).await;
    let stranger = Authority::new(world.folder.path(), "stranger");
    stranger.vouch("strange", &["envoy.internal"], LONG);
    for (file, names, until) in [
        ("other", ["other.internal"], LONG),
        ("host-as-uri", ["https://envoy.internal"], LONG),
        ("below", ["a.envoy.internal"], LONG),
        ("wildcard", ["*.internal"], LONG),
        ("uri-capitals", ["spiffe://example.org/Envoy"], LONG),
        ("ended", ["envoy.internal"], ENDED),
    ] {
        authority.vouch(file, &names, until);
    }
    authority.vouch("nameless", &[], LONG);
    let shown = ["other", "host-as-uri", "below", "wildcard", "uri-capitals", "ended", "nameless", "strange"];
    let shown: Vec<Option<&str>> = shown.into_iter().map(Some).chain([None]).collect();
    for own in &shown {
        for version in VERSIONS {
            let met = meet(&world.public, authority.client(*own, &[version])).await;
            assert!(met.is_err(), "{own:?}: {met:?}");
        }
    }
    let refused =
        format!("tls_handshakes_total{{listener=\"public\",outcome=\"refused\"}} {}", 2 * shown.len());
    until("they are counted", async || counted(&world, &refused).await).await;
}

#[tokio::test]
async fn a_session_is_not_taken_up_again_without_its_certificate() {
    let (world, authority) = in_tls("public", OWN).await;
    let client = authority.client(Some("envoy"), VERSIONS);
    for _ in 0..3 {
        let mut stream = connect(&world.public, client.clone()).await.unwrap();
        get(&mut stream, "/jwks").await.unwrap();
        let kind = stream.get_ref().1.handshake_kind().unwrap();
        assert_eq!(format!("{kind:?}"), "Full");
    }
}

#[tokio::test]
async fn another_protocol_is_refused_and_who_says_nothing_holds_up_nobody() {
    let (world, authority) = in_tls("public", OWN).await;
    let address = world.public.strip_prefix("http://").unwrap().to_owned();
    let silent = TcpStream::connect(&address).await.unwrap();
    let mut client = authority.client(Some("envoy"), VERSIONS);
    client.alpn_protocols = vec![b"h2".to_vec()];
    assert!(meet(&world.public, client.clone()).await.is_err());
    client.alpn_protocols.push(b"http/1.1".to_vec());
    let stream = connect(&world.public, client).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
    drop(silent);
}

#[tokio::test]
async fn files_that_change_are_shown_to_who_comes_then() {
    let (world, authority) = in_tls("public", OWN).await;
    let client = authority.client(Some("envoy"), VERSIONS);
    let mut before = connect(&world.public, client.clone()).await.unwrap();
    get(&mut before, "/jwks").await.unwrap();
    let renewed = authority.vouch("own", &["auth.internal"], LONG + 1);
    world.advance(Duration::from_secs(10));
    until("the new certificate is shown", async || {
        meet(&world.public, client.clone()).await.unwrap().1 == renewed
    })
    .await;
    get(&mut before, "/jwks").await.expect("who was here stays");
    assert!(counted(&world, "certificate_renewals_total{listener=\"public\",outcome=\"renewed\"} 1").await);
    assert!(counted(&world, "certificate_expires_at{listener=\"public\"} 1956441600").await);

    // Half of a pair: at the first look it may be under way.
    let (certificate, key) = authority.made(&["auth.internal"], LONG);
    std::fs::write(world.folder.path().join("own.pem"), certificate).unwrap();
    let refused = "certificate_renewals_total{listener=\"public\",outcome=\"refused\"} 1";
    until("it is told that they do not belong together", async || {
        world.advance(Duration::from_secs(10));
        counted(&world, refused).await
    })
    .await;
    assert_eq!(meet(&world.public, client.clone()).await.unwrap().1, renewed, "the old one is shown on");
    std::fs::write(world.folder.path().join("own.key"), key).unwrap();
    world.advance(Duration::from_secs(10));
    until("the whole pair is shown", async || {
        meet(&world.public, client.clone()).await.unwrap().1 != renewed
    })
    .await;
    assert!(counted(&world, refused).await, "it was told once");
}

#[tokio::test]
async fn an_authority_whose_file_changes_counts_from_then_on() {
    let (world, authority) = in_tls("public", OWN).await;
    let client = authority.client(Some("envoy"), VERSIONS);
    let mut before = connect(&world.public, client.clone()).await.unwrap();
    get(&mut before, "/jwks").await.unwrap();
    Authority::new(world.folder.path(), "another");
    std::fs::copy(world.folder.path().join("another.pem"), world.folder.path().join("ca.pem")).unwrap();
    world.advance(Duration::from_secs(10));
    until("who was met is refused", async || meet(&world.public, client.clone()).await.is_err()).await;
    assert!(get(&mut before, "/jwks").await.is_err(), "also on the connection that is open");
}

/// A world that goes by its authority's list of revoked certificates, and by the lists of `others` below it.
async fn with_revocations(others: &[&'static str]) -> (World, Authority, Vec<Authority>) {
    let (mut world, authority) =
        prepared("public", &OWN.replace("names:", "revoked: FOLDER/revoked.pem, names:"));
    authority.revoke(&[]);
    let others = others.iter().map(|name| authority.below(name)).collect();
    world.start_prepared().await;
    (world, authority, others)
}

#[tokio::test]
async fn who_is_revoked_is_met_no_more_and_asks_no_more() {
    let (world, authority, _) = with_revocations(&[]).await;
    authority.vouch("another", &["envoy.internal"], LONG);
    let [client, another] = ["envoy", "another"].map(|own| authority.client(Some(own), VERSIONS));
    let mut before = connect(&world.public, client.clone()).await.unwrap();
    let mut beside = connect(&world.public, another.clone()).await.unwrap();
    for stream in [&mut before, &mut beside] {
        get(stream, "/jwks").await.unwrap();
    }
    authority.revoke(&["envoy"]);
    world.advance(Duration::from_secs(10));
    until("who is revoked is refused", async || meet(&world.public, client.clone()).await.is_err()).await;
    assert!(get(&mut before, "/jwks").await.is_err(), "also on the connection that is open");
    get(&mut beside, "/jwks").await.expect("who is not revoked stays");
    assert!(meet(&world.public, another).await.is_ok());
}

#[tokio::test]
async fn a_list_that_has_ended_lets_nobody_in_until_the_next_one_comes() {
    let (world, authority, _) = with_revocations(&[]).await;
    let client = authority.client(Some("envoy"), VERSIONS);
    let mut before = connect(&world.public, client.clone()).await.unwrap();
    get(&mut before, "/jwks").await.unwrap();
    assert!(counted(&world, "revocations_expire_at{listener=\"public\"} 1830211200").await);
    world.advance(Duration::from_secs(366 * 24 * 60 * 60));
    assert!(get(&mut before, "/jwks").await.is_err());
    assert!(meet(&world.public, client.clone()).await.is_err());
    let next = authority.revocations(&[], LONG);
    std::fs::write(world.folder.path().join("revoked.pem"), next).unwrap();
    world.advance(Duration::from_secs(10));
    until("the next list counts", async || meet(&world.public, client.clone()).await.is_ok()).await;
}

#[tokio::test]
async fn lists_reach_every_certificate_of_a_chain() {
    let (world, authority, below) = with_revocations(&["below"]).await;
    let folder = world.folder.path();
    below[0].vouch("lower", &["envoy.internal"], LONG);
    let chain = ["lower.pem", "below.pem"].map(|file| std::fs::read_to_string(folder.join(file)).unwrap());
    std::fs::write(folder.join("lower.pem"), chain.concat()).unwrap();
    let lower = authority.client(Some("lower"), VERSIONS);
    assert!(meet(&world.public, lower.clone()).await.is_err(), "its issuer has no list");
    let of_below = below[0].revocations(&[], LONG);
    for (revoked, is_met) in [(vec![], true), (vec!["below"], false)] {
        let lists = authority.revocations(&revoked, LONG) + &of_below;
        std::fs::write(folder.join("revoked.pem"), lists).unwrap();
        world.advance(Duration::from_secs(10));
        until("the lists count", async || meet(&world.public, lower.clone()).await.is_ok() == is_met).await;
    }
    assert!(meet(&world.public, authority.client(Some("envoy"), VERSIONS)).await.is_ok());
}

#[tokio::test]
async fn a_certificate_that_ends_counts_for_no_further_request() {
    let (world, authority) = in_tls("public", OWN).await;
    authority.vouch("short", &["envoy.internal"], 2027);
    let mut ends = connect(&world.public, authority.client(Some("short"), VERSIONS)).await.unwrap();
    let mut lasts = connect(&world.public, authority.client(Some("envoy"), VERSIONS)).await.unwrap();
    for stream in [&mut ends, &mut lasts] {
        get(stream, "/jwks").await.unwrap();
    }
    let refused = "tls_handshakes_total{listener=\"public\",outcome=\"refused\"} 1";
    assert!(!counted(&world, refused).await);
    world.advance(Duration::from_secs(366 * 24 * 60 * 60));
    assert!(get(&mut ends, "/jwks").await.is_err());
    assert!(counted(&world, refused).await);
    get(&mut lasts, "/jwks").await.unwrap();
}

#[tokio::test]
async fn who_was_met_without_a_certificate_shows_one_where_that_is_asked_from_now_on() {
    let everybody = OWN.split(", clients").next().unwrap().trim_end().to_owned() + "}}";
    let (mut world, authority) = in_tls("public", &everybody).await;
    let mut before = connect(&world.public, authority.client(None, VERSIONS)).await.unwrap();
    get(&mut before, "/jwks").await.unwrap();
    let (everybody, clients) = (world.filled_in(&everybody), world.filled_in(OWN));
    world.reload(|yaml| yaml.replace(&everybody, &clients)).await.unwrap();
    assert!(get(&mut before, "/jwks").await.is_err());
    assert!(meet(&world.public, authority.client(Some("envoy"), VERSIONS)).await.is_ok());
}

#[tokio::test]
async fn a_reload_changes_all_of_it_or_nothing() {
    let (mut world, authority) = in_tls("public", OWN).await;
    let client = authority.client(Some("envoy"), VERSIONS);
    let mut before = connect(&world.public, client.clone()).await.unwrap();
    get(&mut before, "/jwks").await.unwrap();
    let second = authority.vouch("second", &["auth.internal"], LONG);
    world.reload(|yaml| yaml.replace("/own.", "/second.")).await.unwrap();
    assert_eq!(meet(&world.public, client.clone()).await.unwrap().1, second);
    authority.vouch("third", &["auth.internal"], LONG);
    for (from, to, place) in [
        ("second.key", "third.key", "listen.public.tls.key: does not belong"),
        ("second.pem", "nowhere.pem", "listen.public.tls.certificate: cannot read"),
        ("[envoy.internal, ", "['*', ", "listen.public.tls.clients.names"),
        (
            "metrics: 127.0.0.1:0",
            "metrics: {address: 127.0.0.1:0, tls: {certificate: FOLDER/own.pem, key: FOLDER/own.key}}",
            "listen: cannot change",
        ),
    ] {
        assert!(world.yaml.contains(from), "{from}");
        let error = world.reload(|yaml| yaml.replace(from, to)).await.unwrap_err().to_string();
        assert!(error.starts_with(place), "{error}");
    }
    assert_eq!(meet(&world.public, client.clone()).await.unwrap().1, second);
    get(&mut before, "/jwks").await.expect("who was here stays");
    world.reload(|yaml| yaml.replace("[envoy.internal, ", "[nobody.internal, ")).await.unwrap();
    assert!(meet(&world.public, client).await.is_err(), "whose name was taken out");
    assert!(get(&mut before, "/jwks").await.is_err(), "who was here already, too");
}

#[tokio::test]
async fn an_ended_certificate_of_our_own_is_shown_and_told() {
    let mut world = prepared("internal", OWN).0;
    Authority::new(world.folder.path(), "ca").vouch("own", &["auth.internal"], ENDED);
    world.start_prepared().await;
    assert!(counted(&world, "certificate_expires_at{listener=\"internal\"} 1798675200").await);
}

#[tokio::test]
async fn commands_meet_the_admin_listener_by_the_certificate_that_they_read() {
    let tls = "{address: 127.0.0.1:0, tls: {certificate: FOLDER/own.pem, key: FOLDER/own.key}}";
    let (world, authority) = in_tls("admin", tls).await;
    let config = Config::parse(&world.yaml).unwrap();
    let ready = Admin::of(&config).unwrap().ask(&Question::get("/readyz")).await.unwrap();
    assert_eq!(ready["status"], "ready");
    assert!(Admin::of(&config).unwrap().ask(&Question::get("/status")).await.is_ok());

    // Of the same authority and name, and yet another.
    authority.vouch("own", &["auth.internal"], LONG);
    let other = Config::parse(&world.yaml).unwrap();
    let refused = Admin::of(&other).unwrap().ask(&Question::get("/readyz")).await.unwrap_err();
    assert!(matches!(refused, AdminError::Certificate(_)), "{refused}");
    let address = world.admin.strip_prefix("http://").unwrap().parse().unwrap();
    let plain = Admin::at(address).ask(&Question::get("/readyz")).await.unwrap_err();
    assert!(matches!(plain, AdminError::Unreachable(..)), "{plain}");
}

#[tokio::test]
async fn pages_of_the_admin_listener_itself_are_those_of_its_scheme() {
    let tls = "{address: 127.0.0.1:0, tls: {certificate: FOLDER/own.pem, key: FOLDER/own.key}}";
    let (world, authority) = in_tls("admin", tls).await;
    for (origin, status) in [("https://localhost", 200), ("http://localhost", 403)] {
        let mut stream = connect(&world.admin, authority.client(None, &[&TLS12])).await.unwrap();
        let head = format!(
            "GET /status HTTP/1.1\r\nhost: localhost\r\norigin: {origin}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{origin}: {answer}");
    }
}
