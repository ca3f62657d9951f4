//! Does `wicketgate canary` notice that the filter is not in the way? Before a real Envoy: with it, without it, at a server that is
//! open, in TLS.

use std::process::{Command, Output};

use serde_json::{Value, json};
use wicketgate_e2e::{files, layout};

use super::super::recorder::Recorder;
use super::super::stage::{DEADLINE, eventually};
use super::authority::{Authority, of};
use super::stage::{Drawn, Edge, server, without_filter};

fn canary(url: &str, more: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::new(layout::binary("wicketgate").unwrap());
    let Output { status, stdout, stderr } =
        command.args(["canary", "--json", url]).args(more).output().unwrap();
    let said = serde_json::from_slice(&stdout);
    (status.code(), said.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&stderr))))
}

/// Two servers: one for those who have a token, one for everybody.
fn two(recorder: &Recorder) -> Drawn {
    let at = format!("{{address: \"127.0.0.1:{}\"}}", recorder.upstream.port);
    let guarded = server("notes", "/notes", &at, &[]).replace("who: anonymous", "who: any");
    let open = server("open", "/open", &at, &[]);
    let issuers = "issuers:\n  - {issuer: \"http://127.0.0.1:@PORT@\", algorithms: [ES256], jwks: {cluster: auth_internal, path: \
                   /v1/jwks}}\n";
    Drawn { xds: true, edge: issuers.to_owned(), ..Drawn::of(&format!("{guarded}{open}")) }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_tells_whether_the_filter_is_in_the_way() {
    let recorder = Recorder::echo().await;
    let edge = Edge::start("canary-command", &two(&recorder)).await;
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", edge.port);
    let (code, said) = canary(&url("/notes"), &[]);
    assert_eq!((code, &said["ok"], &said["foreign_page"]), (Some(0), &json!(true), &json!(403)), "{said}");
    assert_eq!(recorder.bytes(), 0, "{}", recorder.raw());
    let (code, said) = canary(&url("/open"), &["--anonymous"]);
    assert_eq!((code, &said["without_credential"]), (Some(0), &json!(200)), "{said}");
    let (code, said) = canary(&url("/open"), &[]);
    assert_eq!(code, Some(1), "{said}");
    let (code, said) = canary(&url("/nothing"), &[]);
    assert_eq!((code, &said["foreign_page"]), (Some(1), &json!(404)), "{said}");

    // Somebody switches the filter off on the route.
    let routes = edge.state.join("routes.yaml");
    let good = files::read(&routes).unwrap();
    files::write_private(&routes, &without_filter(&good, "mcp_notes")).unwrap();
    eventually("the command notices", DEADLINE, || async {
        match canary(&url("/notes"), &[]) {
            (Some(1), said) if said["says"].as_str().unwrap().contains("NOT IN THE WAY") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    files::write_private(&routes, &good).unwrap();
    eventually("the command is content again", DEADLINE, || async {
        if canary(&url("/notes"), &[]).0 == Some(0) { Ok(()) } else { Err("still passes".to_owned()) }
    })
    .await;
    edge.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_meets_the_gateway_in_tls() {
    let recorder = Recorder::echo().await;
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path().join("tls"), "ca");
    let pair = authority.vouch("own", of(&["localhost"]));
    let mut drawn = two(&recorder);
    drawn.listen = format!(", tls: {{certificates: [{{{}}}]}}", pair.yaml());
    drawn.servers = drawn.servers.replace("url: http://127.0.0.1:", "url: https://localhost:");
    let edge = Edge::start("canary-tls", &drawn).await;
    let url = format!("https://localhost:{}/notes", edge.port);
    let roots = authority.roots();
    let (code, said) = canary(&url, &["--roots", roots.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = canary(&url, &[]);
    assert_eq!((code, &said["ok"]), (Some(2), &json!(false)), "nobody vouches for it: {said}");
    assert_eq!(recorder.bytes(), 0, "{}", recorder.raw());
    edge.discard().await;
}
