//! Does a stream end with its token, and only a stream?

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::recorder::{Recorder, Script, Seen, event_stream};
use super::scene::{RULES, call};
use super::stage::{self, eventually};

/// GET streams say nothing at all, not even that they have begun, or one comment; calls begin to stream.
fn script(seen: &Seen) -> Script {
    if seen.field("x-silent").is_some() {
        return Script::Hang(Vec::new());
    }
    Script::Hang(event_stream(": open\n\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_their_token_and_say_why() {
    let recorder = Recorder::start(script).await;
    let upstream = recorder.upstream.clone();
    let world = stage::world("expiry", |plan| {
        plan.upstream = Some(upstream);
        plan.auth_settings = "lifetimes: {access_token: 6s}\n".into();
        plan.set_policy(&stage::policy("{}", RULES)).unwrap();
    })
    .await;
    let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let expires = serde_json::from_slice::<Value>(&payload).unwrap()["exp"].as_u64().unwrap();

    let silent = [("X-Silent", "1")];
    let requests = [
        ("GET /mcp", &[][..], String::new()),
        ("GET /mcp", &silent, String::new()),
        ("POST /mcp", &[], call("get_note")),
    ];
    let mut open = Vec::new();
    for _ in 0..2 {
        for (line, fields, body) in &requests {
            let mut stream = TcpStream::connect(("127.0.0.1", stage::port(&world))).await.unwrap();
            stream
                .write_all(&stage::request(&world, line, Some(&token), fields, body.as_bytes()))
                .await
                .unwrap();
            open.push(stream);
        }
    }
    for mut stream in open {
        let mut all = Vec::new();
        // However it ends, it does not go on.
        let ended = tokio::time::timeout(stage::DEADLINE, stream.read_to_end(&mut all)).await;
        assert!(ended.is_ok(), "still open: {}", String::from_utf8_lossy(&all));
        assert!(!all.ends_with(b"\r\n0\r\n\r\n"), "ended as if it were whole");
    }
    let read = || -> Vec<Value> {
        let lines = world.records("audit.jsonl").unwrap_or_default();
        let all = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.filter(|record| record["record"] == "completion" && record["reason"] == "token_expired").collect()
    };
    eventually("all six completions say why", stage::DEADLINE, || async {
        let count = read().len();
        if count == 6 { Ok(()) } else { Err(format!("{count}")) }
    })
    .await;
    for record in read() {
        // `exp` and the leeway of a second: never before.
        assert!(record["time_ms"].as_u64().unwrap() >= (expires + 1) * 1000, "{record} before {expires}");
        assert_eq!(record["verdict"], "allow", "{record}");
    }
    let counted = world.envoy.stat("wasmcustom.wicketgate.decisions_total.token_expired").await.unwrap();
    assert_eq!(counted, Some(6));
    eventually("the server hears of it", stage::DEADLINE, || async {
        let left = recorder.hung_up();
        if left == 6 { Ok(()) } else { Err(format!("{left} of 6")) }
    })
    .await;
    let late = stage::exchange(&world, &stage::request(&world, "GET /mcp", Some(&token), &[], b"")).await;
    assert!(late.status == 401 && late.challenges(), "{late:?}");
    // No worker fell over it.
    let log = wicketgate_e2e::files::read(&world.state.join("envoy.log")).unwrap();
    assert!(!log.contains("panicked") && !log.contains("could not be closed"), "{log}");
    world.discard().await;
}
