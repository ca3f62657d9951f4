//! Does a call wait for a policy that lies in an OPA, in both host modes, and what becomes of it when that is slow, broken or
//! away? A stand-in that speaks OPA's Data API fails as it is told; where there is a real OPA it decides, too.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use wicketgate_e2e::files;
use wicketgate_e2e::layout;
use wicketgate_e2e::ports;
use wicketgate_e2e::world::{HostMode, Plan, World};

use super::frames::Frames;
use super::recorder::{Recorder, Script, Seen, json_answer};
use super::scene::{RULES, Scene, call};
use super::stage::{self, eventually, exchange, tool_call};
use super::stand_in::{self, Holder, Signer, StandIn, cluster_at, server};

/// Before it other clusters are put.
const UPSTREAM: &str = "    - name: mcp_upstream\n";

/// A cluster called `opa` that is reached at this port, and the server's policy there.
fn reached(plan: &mut Plan, port: u16, settings: &str) {
    plan.envoy_changes.push((UPSTREAM.to_owned(), cluster_at("opa", port) + UPSTREAM));
    let opa = format!("    opa: {{cluster: opa, path: /v1/data/mcp/authz/allow{settings}}}\n    rules:\n");
    plan.set_policy(&stage::policy("{}", RULES).replace("    rules:\n", &opa)).unwrap();
}

fn with(scene: &Scene, id: &str) -> Vec<u8> {
    scene.post(&tool_call(5, "get_note", &json!({"id": id})).to_string(), &[])
}

/// Of the 64 questions that a worker may have under way to one OPA so many are for one caller after the other, until none is left: nobody
/// has more than he leaves free.
const CROWD: [(&str, usize); 7] = [("a", 32), ("b", 16), ("c", 8), ("d", 4), ("e", 2), ("f", 1), ("g", 1)];
/// Some tries to have them all wait at the same moment: a question is given up after five seconds.
const TRIES: Duration = Duration::from_secs(60);

/// Answers by what the call's argument says.
fn stand_in(seen: &Seen) -> Script {
    let input = seen.json()["input"].clone();
    let said = |result: &str| Script::Answer(json_answer(result));
    match input["arguments"]["id"].as_str() {
        Some("no") => said(r#"{"result": false}"#),
        Some("undefined") => said("{}"),
        Some("garbled") => said(r#"{"result": tru"#),
        Some("twice") => said(r#"{"result": true, "result": true}"#),
        Some("failing") => {
            Script::Answer(b"HTTP/1.1 500 No\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n{\"result\": true}".to_vec())
        }
        Some("silent") => Script::Once(Arc::new(AtomicBool::new(false)), Vec::new()),
        Some("breaking") => Script::Break(b"HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"res".to_vec()),
        Some("huge") => said(&format!(r#"{{"result": true, "more": "{}"}}"#, "x".repeat(100_000))),
        Some("step") => {
            said(r#"{"result": {"allow": true, "obligations": {"scopes": ["mcp:write"]}}}"#)
        }
        _ => said(r#"{"result": {"allow": true, "reasons": ["as asked"]}}"#),
    }
}

async fn denied_without_a_yes(name: &str, mode: HostMode) {
    let opa = Recorder::start(stand_in).await;
    let port = opa.upstream.port;
    let scene = Scene::before(Recorder::echo().await, name, |plan| {
        reached(plan, port, ", timeout: 300ms, reasons: [as asked]");
        plan.host_mode = mode;
    })
    .await;
    opa.take();
    scene.passes("a yes", &with(&scene, "ideas")).await;
    let asked = opa.take();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].head.starts_with("POST /v1/data/mcp/authz/allow HTTP/1.1"), "{asked:?}");
    assert!(
        !asked[0].head.contains(&scene.token)
            && !String::from_utf8_lossy(&asked[0].body).contains(&scene.token)
    );
    let input = &asked[0].json()["input"];
    assert_eq!((&input["version"], &input["tool"]["name"]), (&json!(1), &json!("get_note")), "{input}");
    assert_eq!(input["arguments"], json!({"id": "ideas"}));
    for id in ["no", "undefined", "garbled", "twice", "failing", "silent", "breaking", "huge"] {
        let said = scene.refused(id, &with(&scene, id), 200, json!(-32602)).await;
        assert_eq!(said["error"]["message"], "Unknown tool: get_note", "{id}");
    }
    scene.refused("a step up", &with(&scene, "step"), 403, Value::Null).await;
    opa.take();
    scene.refused("what no rule allows", &scene.post(&call("drop"), &[]), 200, json!(-32602)).await;
    let list = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/list"}).to_string();
    assert_eq!(exchange(&scene.world, &scene.post(&list, &[])).await.status, 200);
    assert!(opa.take().is_empty(), "neither is asked about");
    scene.recorder.take();
    scene.passes("all the same", &with(&scene, "ideas")).await;
    let audit = files::read(&scene.world.state.join("audit.jsonl")).unwrap();
    for word in [
        "\"opa\":{\"verdict\":\"allow\",\"why\":\"allowed\",\"reasons\":[\"as asked\"]",
        "no answer from OPA",
        "an answer from OPA that is none",
    ] {
        assert!(audit.contains(word), "{word}: {audit}");
    }
    scene.world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_denied_unless_the_opa_says_yes() {
    denied_without_a_yes("opa-held", HostMode::Hold).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_where_bodies_are_held() {
    denied_without_a_yes("opa-buffer", HostMode::Buffer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_is_not_asked_again() {
    let opa = Recorder::start(stand_in).await;
    let port = opa.upstream.port;
    let scene = Scene::before(Recorder::echo().await, "opa-remember", |plan| {
        reached(plan, port, ", remember: 5m, source: false");
    })
    .await;
    opa.take();
    for _ in 0..20 {
        scene.passes("again", &with(&scene, "ideas")).await;
    }
    let asked = opa.take().len();
    assert!(asked < 20, "each worker remembers for itself: {asked} times");
    scene.refused("another question", &with(&scene, "no"), 200, json!(-32602)).await;
    scene.world.discard().await;
}

async fn count(world: &World, stat: &str) -> usize {
    usize::try_from(world.envoy.stat(stat).await.unwrap().unwrap_or_default()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opa_that_hangs_takes_no_places_from_that_of_another_server() {
    let (upstream, well) = (Recorder::echo().await, Recorder::start(stand_in).await);
    let slow = Recorder::start(|_| Script::Hang(Vec::new())).await;
    let key = Signer::quick("key");
    let issuer = StandIn::start(std::slice::from_ref(&key)).await;
    let servers = [("tested", "/mcp", "slow"), ("other", "/mcp/other", "well")].map(|(name, path, opa)| {
        let opa = format!("opa: {{cluster: {opa}, path: /v1/data/mcp/authz/allow, timeout: 5s}}");
        server(name, path, &[&opa], RULES)
    });
    let world =
        stand_in::world("opa-crowd", &upstream, &[("issuer", &issuer, "")], &servers.concat(), |plan| {
            plan.workers = Some(1);
            let reached =
                [("slow", &slow), ("well", &well)].map(|(name, opa)| cluster_at(name, opa.upstream.port));
            plan.envoy_changes.push((UPSTREAM.to_owned(), reached.concat() + UPSTREAM));
        })
        .await;
    let resources = [world.mcp.clone(), world.mcp.replace("/mcp", "/mcp/other")];
    let token = |subject| {
        let holder = Holder { subject, client: "c", organization: "o", grant: "g" };
        key.token_of(holder, &issuer.url, &resources)
    };
    let tries = async || {
        let before = count(&world, "cluster.slow.upstream_rq_total").await;
        let (mut waiting, mut asked) = (Vec::new(), 0);
        for (subject, most) in CROWD {
            let frames = Frames::connect(&world, &token(subject)).await;
            for _ in 0..most {
                let mut open = frames.open(&[]).await;
                open.finish(&call("get_note"));
                waiting.push(open);
            }
            asked += most;
            eventually("all of them are asked about", stage::DEADLINE, || async {
                let now = count(&world, "cluster.slow.upstream_rq_total").await - before;
                if now == asked { Ok(()) } else { Err(format!("{now} of {asked}")) }
            })
            .await;
        }
        assert_eq!(stand_in::sends(&world, "/mcp/other", &token("alice")).await.status, 200);
        let still = count(&world, "cluster.slow.upstream_rq_active").await;
        for open in &mut waiting {
            assert_eq!(open.begin().await.unwrap().0, 200, "the OPA that hangs has said nothing: a denial");
        }
        if still == asked { Ok(()) } else { Err(format!("{still} of {asked} waited so long")) }
    };
    eventually("all places of one OPA are taken while the other is asked", TRIES, tries).await;
    world.discard().await;
}

/// OPA, where `tests/obtain/opa.sh` has built it.
fn binary() -> Option<PathBuf> {
    let own = || layout::root().join(".cache");
    let binary = std::env::var_os("WICKETGATE_CACHE").map_or_else(own, PathBuf::from).join("opa-1.22.3/opa");
    binary.is_file().then_some(binary)
}

/// A running OPA with this policy, and the port at which it answers.
async fn real(binary: &Path, folder: &Path) -> (Child, u16) {
    let port = ports::free().unwrap();
    let child = Command::new(binary)
        .args(["run", "--server", "--skip-version-check", "--addr", &format!("127.0.0.1:{port}")])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    stage::eventually("OPA listens", stage::DEADLINE, || async {
        TcpStream::connect(("127.0.0.1", port)).await.map(drop).map_err(|error| error.to_string())
    })
    .await;
    (child, port)
}

const POLICY: &str = r#"package mcp.authz

default allow := false

allow := {"allow": true, "reasons": ["of the team"], "obligations": {"redact": ["mails"]}} if {
	input.tool.name == "get_note"
	input.principal.authenticated
	input.arguments.id in data.open
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_real_opa_decides_and_obliges() {
    let Some(binary) = binary() else {
        eprintln!("left out: no OPA here; tests/obtain/opa.sh builds it where Go is");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("authz.rego"), POLICY).unwrap();
    std::fs::write(folder.path().join("data.json"), r#"{"open": ["ideas"]}"#).unwrap();
    let (mut child, port) = real(&binary, folder.path()).await;
    let written = |seen: &Seen| {
        let text = json!({"content": [{"type": "text", "text": "to a@example.com"}]});
        Script::Answer(json_answer(
            &json!({"jsonrpc": "2.0", "id": seen.json()["id"], "result": text}).to_string(),
        ))
    };
    let scene = Scene::before(Recorder::start(written).await, "opa-real", |plan| {
        reached(plan, port, ", reasons: [of the team]");
        let policy = files::read(&plan.policy).unwrap();
        let content = "    content: [{id: mails, applies: {obliged: true}, detect: [email], action: mask}]\n    rules:\n";
        plan.set_policy(&policy.replace("    rules:\n", content)).unwrap();
    })
    .await;
    let answer = exchange(&scene.world, &with(&scene, "ideas")).await;
    assert_eq!(answer.json()["result"]["content"][0]["text"], "to [redacted:email]", "{answer:?}");
    scene.recorder.take();
    scene.refused("a no", &with(&scene, "plans"), 200, json!(-32602)).await;
    child.kill().await.unwrap();
    scene.refused("nobody there", &with(&scene, "ideas"), 200, json!(-32602)).await;
    scene.world.discard().await;
}
