//! What becomes of open streams while an Envoy is drained, and while another takes its place (hot restart)? They go on, and no new
//! request is lost.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::TcpStream;
use tokio::process::Command;
use wicketgate_e2e::client::events::EventStream;
use wicketgate_e2e::client::http::Http;
use wicketgate_e2e::process::Service;
use wicketgate_e2e::{layout, ports};

use super::super::recorder::{Recorder, Script, Seen, event_stream, json_answer, result};
use super::super::stage::{DEADLINE, answer_of, eventually};
use super::stage::{Drawn, Edge, call, draw, render_filter, request, server};
use super::tls::place;

/// A server whose GET stream says `first`, and `later` once it is told to.
pub(super) async fn patient() -> (Recorder, Arc<AtomicBool>) {
    let go_on = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&go_on);
    let recorder = Recorder::start(move |seen: &Seen| {
        if seen.head.starts_with("GET ") {
            let event = "data: \"later\"\n\n";
            let more = format!("{:x}\r\n{event}\r\n0\r\n\r\n", event.len());
            return Script::Then(event_stream("data: \"first\"\n\n"), Arc::clone(&told), more.into_bytes());
        }
        Script::Answer(json_answer(&result(seen)))
    })
    .await;
    (recorder, go_on)
}

/// Opens that stream.
pub(super) async fn open(port: u16) -> EventStream {
    let url = format!("http://127.0.0.1:{port}/notes");
    let http = Http::new().unwrap();
    let mut stream = http.open("GET", &url, &[("accept", "text/event-stream")], Vec::new()).await.unwrap();
    assert_eq!(stream.next(DEADLINE).await.unwrap().unwrap().data, "\"first\"", "the stream is open");
    stream
}

/// What comes of it when its server goes on.
pub(super) async fn goes_on(stream: &mut EventStream, told: &AtomicBool) {
    told.store(true, Ordering::SeqCst);
    let event = stream.next(DEADLINE).await.unwrap().unwrap();
    assert_eq!(event.data, "\"later\"", "the stream went on");
}

fn one(name: &str, recorder: &Recorder) -> String {
    let at = format!("{{address: \"127.0.0.1:{}\"}}", recorder.upstream.port);
    server(name, &format!("/{name}"), &at, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_go_on_while_envoy_drains() {
    let (recorder, go_on) = patient().await;
    let edge = Edge::start("drain", &Drawn::of(&one("notes", &recorder))).await;
    let mut stream = open(edge.port).await;
    let drain = format!("{}/drain_listeners?graceful", edge.envoy.admin());
    let drained = Http::new().unwrap().send("POST", &drain, &[], Vec::new()).await.unwrap();
    assert_eq!(drained.status, 200);
    eventually("nobody new is let in", DEADLINE, || async {
        match TcpStream::connect(("127.0.0.1", edge.port)).await {
            Err(_) => Ok(()),
            Ok(_) => Err("a connection was taken".to_owned()),
        }
    })
    .await;
    assert_eq!(edge.stat("http.public.downstream_rq_active").await, 1, "the stream");
    goes_on(&mut stream, &go_on).await;
    edge.until("http.public.downstream_rq_active", |count| count == 0).await;
    edge.discard().await;
}

/// An Envoy of this folder that can be replaced while it runs, as its `epoch`th; the number in shared memory is the port.
fn replaceable(state: &Path, port: u16, epoch: u32) -> Service {
    let mut command = Command::new(layout::obtain("envoy").unwrap());
    command.arg("--config-path").arg(state.join("envoy.yaml"));
    command.args([
        "--base-id",
        &port.to_string(),
        "--restart-epoch",
        &epoch.to_string(),
        "--concurrency",
        "1",
    ]);
    command.args(["--drain-time-s", "1", "--parent-shutdown-time-s", "600", "--log-level", "warning"]);
    let name = if epoch == 0 { "old Envoy" } else { "new Envoy" };
    Service::spawn(name, command, &state.join(format!("envoy-{epoch}.log"))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_envoy_takes_its_place_and_open_streams_go_on() {
    let (recorder, go_on) = patient().await;
    let second = Recorder::echo().await;
    let (state, [port, admin]) = place("restart");
    let both = [one("notes", &recorder), one("files", &second)].concat();
    draw(&state, [port, admin], &Drawn::of(&one("notes", &recorder)));
    render_filter(&state);
    let mut old = replaceable(&state, port, 0);
    let answers = async |path: &str| {
        if TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            return 0;
        }
        let bytes = request(&format!("POST {path}"), &format!("127.0.0.1:{port}"), &[], &call().to_string());
        answer_of(port, &bytes).await.map_or(0, |answer| answer.status)
    };
    let until = async |what: &str, path: &str, wanted: u16| {
        eventually(what, DEADLINE, || async {
            let status = answers(path).await;
            if status == wanted { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
    };
    until("the old one serves", "/notes", 200).await;
    let mut stream = open(port).await;
    assert_eq!(answers("/files").await, 404);

    draw(&state, [port, admin], &Drawn::of(&both));
    render_filter(&state);
    let mut new = replaceable(&state, port, 1);
    until("the new one serves", "/files", 200).await;
    // From when the old one listens no more, everything comes to the new one.
    until("and what was there before", "/notes", 200).await;
    old.require_alive().unwrap();
    goes_on(&mut stream, &go_on).await;
    old.stop().await;
    assert_eq!(answers("/files").await, 200, "it needs the old one no more");
    new.require_alive().unwrap();
    new.stop().await;
    let _ = std::fs::remove_dir_all(state);
}

/// What a service manager sends: Envoy ends at once, so whoever wants streams to end first drains before.
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_envoy_and_closes_what_is_open() {
    let (recorder, _) = patient().await;
    let ports = [ports::free().unwrap(), ports::free().unwrap()];
    let state = layout::root().join("target/worlds").join(format!("edge-sigterm-{}", ports[0]));
    let _ = std::fs::remove_dir_all(&state);
    wicketgate_e2e::files::create_directory(&state).unwrap();
    let mut edge = Edge::start_in(state, ports, &Drawn::of(&one("notes", &recorder))).await;
    let mut stream = open(edge.port).await;
    edge.envoy.service.stop().await;
    let rest = stream.next(DEADLINE).await;
    assert!(matches!(rest, Ok(None) | Err(_)), "{rest:?}");
    // What was under way is on record all the same.
    let records = std::fs::read_to_string(edge.state.join("audit.jsonl")).unwrap();
    assert!(records.lines().any(|line| line.contains("\"record\":\"decision\"")), "{records}");
    let _ = std::fs::remove_dir_all(&edge.state);
}
