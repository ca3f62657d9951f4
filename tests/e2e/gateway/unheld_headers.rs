//! A host that was told to hold headers by the policy, but not by its own configuration: every POST would hang. Does it end,
//! refused and counted, and does the upstream see nothing?

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wicketgate_e2e::files;

use super::recorder::Recorder;
use super::scene::{Scene, call};
use super::stage::{DEADLINE, eventually, port};

const FLAG: &str = "allow_on_headers_stop_iteration";

/// All that comes back until the connection ends.
async fn read_all(scene: &Scene, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port(&scene.world))).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A reset says the same as an end.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_the_flag_lets_nothing_through_and_says_so() {
    let scene = Scene::before(Recorder::echo().await, "unheld", |_| {}).await;
    let path = scene.world.state.join("filter.yaml");
    let rendered = files::read(&path).unwrap();
    assert!(rendered.contains(&format!("{FLAG}: true")), "{rendered}");
    let changed = rendered.replace(&format!("{FLAG}: true"), &format!("{FLAG}: false"));
    let next = scene.world.state.join("filter.next");
    std::fs::write(&next, changed).unwrap();
    std::fs::rename(&next, &path).unwrap();
    let post = scene.post(&call("get_note"), &[]);
    scene.recorder.take();
    // The old configuration answers as long as it is in use; under the new one the connection ends without an answer.
    eventually("the new configuration is in use", DEADLINE * 3, || async {
        let answer = read_all(&scene, &post).await;
        scene.recorder.take();
        if answer.is_empty() { Ok(()) } else { Err(answer) }
    })
    .await;
    assert_eq!(read_all(&scene, &post).await, "");
    assert!(scene.recorder.take().is_empty(), "the upstream saw nothing");
    let counted = || scene.world.envoy.stat("wasmcustom.wicketgate.decisions_total.body_never_came");
    eventually("it is counted", DEADLINE, || async {
        let count = counted().await.unwrap();
        if count.is_some_and(|n| n >= 2) { Ok(()) } else { Err(format!("{count:?}")) }
    })
    .await;
    let records = scene.world.records("audit.jsonl").unwrap();
    assert!(records.iter().any(|r| r.contains("body_never_came") && r.contains("\"deny\"")), "{records:?}");
    scene.world.discard().await;
}
