//! A host that was told to hold headers by the policy, but not by its own configuration: every POST would hang. Does it end,
//! refused and counted, and does the upstream see nothing?

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::recorder::Recorder;
use super::scene::{Scene, call};
use super::stage::{DEADLINE, eventually, port, restart_with};

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

fn without_the_flag(rendered: &str) -> String {
    let [on, off] = ["true", "false"].map(|value| format!("{FLAG}: {value}"));
    assert_eq!(rendered.matches(&on).count(), 1, "{rendered}");
    rendered.replace(&on, &off)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_the_flag_lets_nothing_through_and_says_so() {
    // Who holds headers is answered: the scene begins with this very request.
    let mut scene = Scene::before(Recorder::echo().await, "unheld", |_| {}).await;
    restart_with(&mut scene.world, without_the_flag).await;
    let post = scene.post(&call("get_note"), &[]);
    scene.recorder.take();
    let answers = tokio::join!(read_all(&scene, &post), read_all(&scene, &post));
    assert_eq!(answers, (String::new(), String::new()));
    assert_eq!(scene.recorder.bytes(), 0, "the upstream saw nothing: {:?}", scene.recorder.take());
    let counted = || scene.world.envoy.stat("wasmcustom.wicketgate.decisions_total.body_never_came");
    eventually("it is counted", DEADLINE, || async {
        let count = counted().await.unwrap();
        if count == Some(2) { Ok(()) } else { Err(format!("{count:?}")) }
    })
    .await;
    eventually("both are recorded", DEADLINE, || async {
        let records = scene.world.records("audit.jsonl").unwrap();
        let refused = |r: &&String| {
            r.contains("\"decision\"") && r.contains("body_never_came") && r.contains("\"deny\"")
        };
        if records.iter().filter(refused).count() == 2 { Ok(()) } else { Err(format!("{records:?}")) }
    })
    .await;
    scene.world.discard().await;
}
