//! Does an Envoy without the filter ask the authorization server, by `envoy/ext-authz.yaml`?

use tokio::process::Command;
use wicketgate_e2e::process::Service;
use wicketgate_e2e::{envoy, files, layout, ports};

use super::recorder::{Recorder, Script};
use super::stage::{self, DEADLINE, eventually};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn another_envoy_asks_before_it_forwards() {
    let mut world = stage::world("ext-authz", |_| {}).await;
    let recorder = Recorder::start(|_| Script::Answer(ANSWER.to_vec())).await;
    let (port, behind) = (ports::free().unwrap(), recorder.upstream.port);
    let asked = world.sidecar.listeners.internal.port();
    let example = files::read(&layout::root().join("envoy/ext-authz.yaml")).unwrap();
    let at = |port: u16| format!("port_value: {port}}}");
    let substitutions = [
        ("port_value: 8081}", at(port)),
        ("port_value: 3002}", at(behind)),
        ("port_value: 9001}", at(asked)),
    ];
    let configuration = world.state.join("ext-authz.yaml");
    std::fs::write(&configuration, envoy::substitute(&example, &substitutions).unwrap()).unwrap();
    let program = layout::obtain("envoy").unwrap();
    let version = Command::new(&program).arg("--version").output().await.unwrap().stdout;
    // It keeps the headers of a denial to itself and answers 403 for any error (Envoy's release notes of 1.37.1).
    let is_faulty = String::from_utf8_lossy(&version).contains("/1.37.0/");
    let mut command = Command::new(program);
    command.arg("--config-path").arg(&configuration).args([
        "--disable-hot-restart",
        "--log-level",
        "warning",
    ]);
    let _envoy = Service::spawn("envoy", command, &world.state.join("ext-authz.log")).unwrap();
    eventually("it listens", DEADLINE, || async {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.map(drop).map_err(|error| error.to_string())
    })
    .await;

    let session = stage::log_in(&world, Some("mcp:read")).await;
    let token = session.tokens.access_token.as_str();
    let forged = [("X-Wicketgate-Subject", "root"), ("X-Wicketgate-Roles", "root")];
    let ask = async |path: &str, token| {
        let bytes = stage::request(&world, &format!("GET {path}"), token, &forged, b"");
        stage::answer_of(port, &bytes).await.unwrap()
    };
    assert_eq!(ask("/mcp?x=y", Some(token)).await.status, 200);
    let [seen] = recorder.take().try_into().unwrap();
    let subject = &world.login.as_ref().unwrap().user;
    assert_eq!(seen.field("x-wicketgate-subject"), Some(subject.as_str()), "{seen:?}");
    assert!(!seen.head.contains("root") && seen.field("authorization").is_none(), "{seen:?}");

    // Servers that read fields by CGI's rules would take this for the one that says who it is.
    let bytes = stage::request(&world, "GET /mcp", Some(token), &[("X_Wicketgate_Roles", "root")], b"");
    assert_eq!(stage::answer_of(port, &bytes).await.unwrap().status, 400);
    assert_eq!(recorder.bytes(), 0, "{}", recorder.raw());

    for (path, token, status) in [
        ("/mcp", None, 401),
        ("/mcp", Some("x"), 401),
        ("/elsewhere", Some(token), 403),
        ("/mcp/../elsewhere", Some(token), 403),
        ("/elsewhere?resource=/mcp", Some(token), 403),
    ] {
        let answer = ask(path, token).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        let challenge = answer.field("www-authenticate").unwrap_or_default();
        assert_eq!(
            status == 401 && !is_faulty,
            challenge.contains("/.well-known/oauth-protected-resource/mcp"),
            "{answer:?}"
        );
    }
    let last = stage::request(&world, "GET /mcp", Some(token), &[], b"");
    world.kill_sidecar().await;
    let answer = stage::answer_of(port, &last).await.unwrap();
    assert_eq!(answer.status, if is_faulty { 403 } else { 503 }, "nobody is there to allow it");
    assert_eq!(recorder.take().len(), 0, "nothing of these went on");
}
