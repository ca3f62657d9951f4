//! Does the example of two servers start as its page says, does a call of each get through, and is a token for the one none for the
//! other?

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use wicketgate_e2e::client::http::Http;
use wicketgate_e2e::client::mcp::McpClient;
use wicketgate_e2e::envoy::substitute;
use wicketgate_e2e::{files, layout, ports};

use super::block::Block;
use super::shell::Shell;

const FOLDER: &str = "envoy/two-servers";
const STATE: &str = ".run/two-servers";
/// Ports that stand in the example.
const PORTS: [&str; 8] = ["8080", "9901", "9000", "9001", "9002", "9003", "3443", "3002"];

/// A copy of the example, with ports and a folder of its own.
fn copy() -> (PathBuf, u16) {
    let own: Vec<u16> = PORTS.iter().map(|_| ports::free().unwrap()).collect();
    let state = layout::root().join("target/worlds").join(format!("documents-two-servers-{}", own[0]));
    let _ = fs::remove_dir_all(&state);
    files::create_directory(&state).unwrap();
    let mut all: Vec<(&str, String)> = PORTS.into_iter().zip(own.iter().map(u16::to_string)).collect();
    all.push((STATE, state.to_str().unwrap().to_owned()));
    for name in ["start.sh", "policy.yaml", "auth.yaml", "requirements.txt"] {
        let text = fs::read_to_string(layout::root().join(FOLDER).join(name)).unwrap();
        // A hash may hold anything.
        let there = all.iter().filter(|(old, _)| name != "requirements.txt" && text.contains(old));
        let there: Vec<_> = there.cloned().collect();
        fs::write(state.join(name), substitute(&text, &there).unwrap()).unwrap();
    }
    fs::set_permissions(state.join("start.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    (state, own[0])
}

pub(super) async fn both_answer([start, calls]: [Block; 2]) {
    let (state, port) = copy();
    let shown = state.to_str().unwrap();
    let shell = Shell::at("");
    let start = start.with(&[("envoy/two-servers/start.sh", &format!("{shown}/start.sh"))]);
    let mut running = shell.start(&start, state.join("make.log"));
    let ready = state.join("ready.json");
    running.until("it is ready", async || ready.is_file().then_some(())).await;

    let origin = format!("http://127.0.0.1:{port}");
    let calls = calls.with(&[("http://127.0.0.1:8080", &origin), (STATE, shown)]);
    let said = shell.run(&calls).await;
    assert!(said.contains("incident-42"), "of the server in TLS: {said}");
    assert!(said.contains("\\\"timezone\\\": \\\"UTC\\\""), "of the server behind the bridge: {said}");
    let decided = async |rule: &str| {
        let records = fs::read_to_string(state.join("audit.jsonl")).unwrap_or_default();
        records.lines().any(|line| line.contains(&format!("\"rule\":\"{rule}\""))).then_some(())
    };
    for rule in ["readers", "clock"] {
        running.until("the decision is on record", async || decided(rule).await).await;
    }

    let token = format!("make -s token PROFILE=debug STATE={shown} MCP={origin}/notes");
    let token = shell.run(&token).await;
    for (path, status) in [("notes", 200), ("time", 401)] {
        let url = format!("{origin}/{path}");
        let mut client = McpClient::modern(Http::new().unwrap(), &url, Some(token.trim_end()));
        let answer = client.send("tools/list", serde_json::json!({})).await.unwrap();
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    running.interrupt().await;
    assert!(Http::new().unwrap().get(&origin, &[]).await.is_err(), "nobody listens any more");
    assert!(!ready.exists());
    let _ = fs::remove_dir_all(state);
}
