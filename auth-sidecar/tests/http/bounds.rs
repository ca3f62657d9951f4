//! What is too large or too slow, what operators are told, and how the server ends.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::client::Client;
use crate::world::{World, read};

#[tokio::test]
async fn oversized_headers_and_bodies_are_refused() {
    let world = World::start().await;
    let response = world.http.get(world.url("/jwks")).header("x-large", "x".repeat(40_000)).send().await;
    assert!(response.is_err() || response.unwrap().status() == 431);
    let large = format!("token={}", "x".repeat(70_000));
    let request =
        world.http.post(world.url("/revoke")).header("content-type", "application/x-www-form-urlencoded");
    let (status, answer) = read(request.body(large).send().await.unwrap()).await;
    assert_eq!((status, answer["error"].as_str()), (413, Some("invalid_request")));
}

#[tokio::test]
async fn ambiguous_framing_is_refused() {
    let world = World::start().await;
    let head = "POST /token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    for framing in ["content-length: 5\r\ncontent-length: 6\r\n\r\nhello", "content-length: x\r\n\r\nhello"] {
        let answer = raw(&world, &format!("{head}{framing}")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{framing:?}: {answer}");
    }
}

#[tokio::test]
async fn a_request_names_one_host() {
    let world = World::start().await;
    for (version, hosts, status) in [
        ("1.1", "", 400),
        ("1.1", "host: a\r\nhost: a\r\n", 400),
        ("1.0", "host: a\r\nhost: b\r\n", 400),
        ("1.1", "host: a b\r\n", 400),
        ("1.1", "host: user@a\r\n", 400),
        ("1.1", "host: a:80\r\n", 200),
        ("1.1", "host: [::1]:80\r\n", 200),
        ("1.1", "host:\r\n", 200),
        ("1.0", "", 200),
    ] {
        let request = format!("GET /jwks HTTP/{version}\r\n{hosts}connection: close\r\n\r\n");
        let answer = raw(&world, &request).await;
        assert!(answer.starts_with(&format!("HTTP/{version} {status} ")), "{hosts:?}: {answer}");
    }
}

/// Sends these bytes; everything that comes back.
async fn raw(world: &World, request: &str) -> String {
    let mut stream = TcpStream::connect(world.public.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn listeners_serve_their_own_routes_alone() {
    let world = World::start().await;
    for (base, path, wanted) in [
        (&world.admin, "/livez", 200),
        (&world.admin, "/readyz", 200),
        (&world.admin, "/healthz", 200),
        (&world.admin, "/health", 200),
        (&world.admin, "/token", 404),
        (&world.public, "/v1/jwks", 404),
        (&world.public, "/v1/validate", 404),
        (&world.public, "/metrics", 404),
        (&world.public, "/readyz", 404),
        (&world.internal, "/token", 404),
        (&world.metrics, "/metrics", 200),
    ] {
        let status = world.http.get(format!("{base}{path}")).send().await.unwrap().status();
        assert_eq!(status, wanted, "{base}{path}");
    }
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let tokens = client.tokens(&world).await;
    client.refresh(&world, &tokens.refresh, &[]).await;
    world.get("/no/such/path").await;
    let text =
        world.http.get(format!("{}/metrics", world.metrics)).send().await.unwrap().text().await.unwrap();
    for line in [
        "wicketgate_auth_tokens_issued_total{grant_type=\"authorization_code\"} 1",
        "wicketgate_auth_tokens_issued_total{grant_type=\"refresh_token\"} 1",
        "wicketgate_auth_clients_registered_total 1",
        "wicketgate_auth_sign_ins_total{provider=\"local\",outcome=\"signed_in\"} 1",
        "wicketgate_auth_requests_total{listener=\"public\",route=\"/token\",status=\"200\"} 2",
        "wicketgate_auth_requests_total{listener=\"public\",route=\"(none)\",status=\"404\"} 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn the_addresses_file_says_where_the_listeners_are() {
    let world = World::start().await;
    let file = world.store_path().with_file_name("addresses.json");
    let addresses: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    for (listener, url) in [
        ("public", &world.public),
        ("internal", &world.internal),
        ("admin", &world.admin),
        ("metrics", &world.metrics),
    ] {
        assert_eq!(format!("http://{}", addresses[listener].as_str().unwrap()), **url);
    }
}

/// A request that has begun, and waits for its body.
async fn in_flight(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /token HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    stream
        .write_all(format!("{head}content-length: 12\r\nexpect: 100-continue\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut seen = [0; 25];
    stream.read_exact(&mut seen).await.unwrap();
    assert_eq!(&seen, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

#[tokio::test]
async fn a_request_in_flight_is_finished_before_the_end() {
    // The latter are as many as a listener has places for.
    for others in [0, 1_023] {
        let mut world = World::start().await;
        let address = world.public.strip_prefix("http://").unwrap().to_owned();
        let mut stream = in_flight(&address).await;
        let mut beside = Vec::new();
        for _ in 0..others {
            beside.push(in_flight(&address).await);
        }
        let finish = async {
            while TcpStream::connect(&address).await.is_ok() {
                tokio::task::yield_now().await;
            }
            drop(beside);
            stream.write_all(b"grant_type=x").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let (answer, ()) = tokio::join!(finish, world.stop());
        assert!(answer.starts_with("HTTP/1.1 401 "), "beside {others}: {answer}");
    }
}

#[tokio::test]
async fn all_that_has_expired_is_removed_however_much_it_is() {
    const MANY: usize = 1_100;
    let world =
        World::start_with(|yaml| yaml.replace("open: true", "open: true, per_address_per_hour: 5000")).await;
    if !world.store_path().exists() {
        // Redis removes by itself.
        return;
    }
    let body = r#"{"redirect_uris": ["https://client.example/cb"], "token_endpoint_auth_method": "none"}"#;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..MANY {
        let request = world.http.post(world.url("/register")).header("content-type", "application/json");
        clients.spawn(request.body(body).send());
    }
    for registered in clients.join_all().await {
        assert_eq!(registered.unwrap().status(), 201);
    }
    // No client lives so long that was never used.
    world.advance(std::time::Duration::from_secs(48 * 60 * 60));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let text = world.http.get(format!("{}/metrics", world.metrics)).send().await.unwrap();
        let text = text.text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("wicketgate_auth_swept_total ")).unwrap();
        if line.parse::<usize>().unwrap() >= MANY {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "only {line} were removed");
        tokio::task::yield_now().await;
    }
}
