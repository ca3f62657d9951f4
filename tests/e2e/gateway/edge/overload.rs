//! What happens when Envoy has too little memory left? The pressure is a number in a file here (`injected_resource`), in the place of the
//! heap; the thresholds and actions are those that are drawn.

use wicketgate_e2e::files;

use super::super::stage::{DEADLINE, answer_of, eventually};
use super::draining::{goes_on, open, patient};
use super::stage::{Drawn, Edge, call, request, server};
use super::tls::place;

#[tokio::test(flavor = "multi_thread")]
async fn too_little_memory_means_no_new_requests_and_then_no_new_connections() {
    let (recorder, go_on) = patient().await;
    let at = format!("{{address: \"127.0.0.1:{}\"}}", recorder.upstream.port);
    let (state, ports) = place("overload");
    let pressure = state.join("pressure");
    let press = |share: &str| files::write_private(&pressure, share).unwrap();
    press("0");
    let mut drawn = Drawn::of(&server("notes", "/notes", &at, &[]));
    drawn.edge = "  limits: {memory: 1GiB}\n".to_owned();
    drawn.edits = vec![
        ("envoy.resource_monitors.fixed_heap", "envoy.resource_monitors.injected_resource".to_owned()),
        (
            "resource_monitors.fixed_heap.v3.FixedHeapConfig",
            "resource_monitors.injected_resource.v3.InjectedResourceConfig".to_owned(),
        ),
        ("max_heap_size_bytes: 1073741824", format!("filename: \"{}\"", pressure.display())),
    ];
    let edge = Edge::start_in(state, ports, &drawn).await;
    let mut stream = open(edge.port).await;
    let active = |action: &str| format!("overload.envoy.overload_actions.{action}.active");
    assert_eq!(edge.call("/notes", &[]).await.status, 200);

    press("0.96");
    edge.until(&active("stop_accepting_requests"), |active| active == 1).await;
    eventually("each worker knows", DEADLINE, || async {
        // Twice, so that both workers were asked.
        let statuses = [edge.call("/notes", &[]).await.status, edge.call("/notes", &[]).await.status];
        if statuses == [503, 503] { Ok(()) } else { Err(format!("{statuses:?}")) }
    })
    .await;

    press("0.99");
    edge.until(&active("stop_accepting_connections"), |active| active == 1).await;
    press("0.5");
    edge.until(&active("stop_accepting_requests"), |active| active == 0).await;
    edge.until(&active("stop_accepting_connections"), |active| active == 0).await;
    let port = edge.port;
    eventually("all are let in again", DEADLINE, || async {
        let bytes = request("POST /notes", &format!("127.0.0.1:{port}"), &[], &call().to_string());
        match answer_of(port, &bytes).await {
            Some(answer) if answer.status == 200 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    goes_on(&mut stream, &go_on).await;
    edge.discard().await;
}
