//! What happens when the policy is drawn again while Envoy runs? What is new is served, what is open goes on, and what is wrong changes
//! nothing. And who notices that the filter is not in the way?

use wicketgate_e2e::client::http::Http;
use wicketgate_e2e::files;

use super::super::recorder::{Recorder, Script, Seen, event_stream, json_answer, result};
use super::super::stage::{DEADLINE, eventually};
use super::stage::{Drawn, Edge, render_filter, server, without_filter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn one(name: &str, recorder: &Recorder) -> String {
    let at = format!("{{address: \"127.0.0.1:{}\"}}", recorder.upstream.port);
    server(name, &format!("/{name}"), &at, &[&format!("match: {{hosts: [\"*\"], path: /{name}}}")])
}

fn watched(servers: &str) -> Drawn {
    Drawn { xds: true, ..Drawn::of(servers) }
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_and_servers_change_and_open_streams_go_on() {
    let go_on = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&go_on);
    let first = Recorder::start(move |seen: &Seen| {
        if seen.head.starts_with("GET ") {
            let more = "e\r\ndata: \"later\"\n\n\r\n0\r\n\r\n";
            let more = more.replacen("e\r\n", &format!("{:x}\r\n", "data: \"later\"\n\n".len()), 1);
            return Script::Then(event_stream("data: \"first\"\n\n"), Arc::clone(&told), more.into_bytes());
        }
        Script::Answer(json_answer(&result(seen)))
    })
    .await;
    let second = Recorder::echo().await;
    let both = [one("notes", &first), one("files", &second)].concat();
    let edge = Edge::start("reload", &watched(&one("notes", &first))).await;
    let http = Http::new().unwrap();
    let url = format!("http://127.0.0.1:{}/notes", edge.port);
    let mut stream = http.open("GET", &url, &[("accept", "text/event-stream")], Vec::new()).await.unwrap();
    let event = stream.next(DEADLINE).await.unwrap().unwrap();
    assert_eq!(event.data, "\"first\"", "the stream is open");
    assert_eq!(edge.call("/files", &[]).await.status, 404);

    edge.redraw(&watched(&both));
    // The filter learns of the servers, too.
    render_filter(&edge.state);
    eventually("the new server is served", DEADLINE, || async {
        let answer = edge.call("/files", &[]).await;
        if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    assert_eq!(edge.stat("listener_manager.listener_modified").await, 0, "the listener is as it was");

    // What is wrong changes nothing, and Envoy counts it.
    for (file, text, counter) in [
        (
            "routes.yaml",
            "resources: [{\"@type\": type.googleapis.com/envoy.config.route.v3.RouteConfiguration, name: public, virtual_hosts: 7}]",
            "http.public.rds.public.update_failure",
        ),
        ("clusters.yaml", "resources: [{", "cluster_manager.cds.update_failure"),
        ("listeners.yaml", "nothing", "listener_manager.lds.update_failure"),
    ] {
        let path = edge.state.join(file);
        let good = files::read(&path).unwrap();
        let before = edge.stat(counter).await;
        files::write_private(&path, text).unwrap();
        edge.until(counter, |count| count > before).await;
        for path in ["/notes", "/files"] {
            assert_eq!(edge.call(path, &[]).await.status, 200, "{file}: {path}");
        }
        files::write_private(&path, &good).unwrap();
    }

    go_on.store(true, Ordering::SeqCst);
    let event = stream.next(DEADLINE).await.unwrap().unwrap();
    assert_eq!(event.data, "\"later\"", "the stream that was open went on through all of it");

    // A server that is gone from the policy is gone.
    edge.redraw(&watched(&one("files", &second)));
    eventually("the old server is gone", DEADLINE, || async {
        let answer = edge.call("/notes", &[]).await;
        if answer.status == 404 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_canary_tells_when_the_filter_is_not_in_the_way() {
    let recorder = Recorder::echo().await;
    let at = format!("{{address: \"127.0.0.1:{}\"}}", recorder.upstream.port);
    // Of which no request is that names no revision.
    let guarded =
        server("notes", "/notes", &at, &["versions: [\"2025-11-25\"]"]).replace("who: anonymous", "who: any");
    let issuers = "issuers:\n  - {issuer: \"http://127.0.0.1:@PORT@\", algorithms: [ES256], jwks: {cluster: auth_internal, path: \
                   /v1/jwks}}\n";
    let mut drawn = watched(&guarded);
    drawn.edge = format!("  canary: {{server: notes, every: 1s}}\n{issuers}");
    let edge = Edge::start("canary", &drawn).await;
    edge.until("cluster.canary.membership_healthy", |healthy| healthy == 1).await;
    assert_eq!(recorder.bytes(), 0, "{}", recorder.raw());

    // Somebody switches the filter off on the route.
    let routes = edge.state.join("routes.yaml");
    let good = files::read(&routes).unwrap();
    files::write_private(&routes, &without_filter(&good, "mcp_notes")).unwrap();
    edge.until("cluster.canary.membership_healthy", |healthy| healthy == 0).await;
    files::write_private(&routes, &good).unwrap();
    edge.until("cluster.canary.membership_healthy", |healthy| healthy == 1).await;
    edge.discard().await;
}
