//! Does the Inspector's command line work with a bearer token, in both eras?

use std::time::Duration;

use serde_json::json;
use wicketgate_e2e::client::oauth;
use wicketgate_e2e::world::{Plan, World};

use super::program::{install_node_packages, run, script};

#[tokio::test]
async fn the_inspector_lists_calls_and_is_refused() {
    install_node_packages(&["node", "node/inspector"]).await;
    let world = World::start(Plan::fresh("inspector").unwrap(), |_| {}).await.unwrap();
    let login = world.login.as_ref().unwrap();
    let token = oauth::log_in(&world.http, &world.mcp, login, None).await.unwrap().tokens.access_token;
    let mut command = script("node", "node/inspector.mjs");
    command.args(["--url", &world.mcp]).env("WICKETGATE_TOKEN", token);
    let steps = run(&world, "inspector", command, Duration::from_secs(240)).await;
    for name in ["list", "call", "denied", "no-token"] {
        let eras: Vec<_> = steps.all(name).iter().map(|step| step["era"].clone()).collect();
        assert_eq!(eras, ["legacy", "modern"], "{steps:?}");
    }
    for list in steps.all("list") {
        assert_eq!(
            list["tools"],
            json!(["delete_note", "get_note", "read_config", "run_report", "search_notes", "write_note"]),
            "{list}"
        );
    }
    for call in steps.all("call") {
        assert!(call["text"].as_str().unwrap_or_default().contains("incident-42"), "{call}");
    }
    // 5: the tool is not there for it. 3: it must log in first.
    assert!(steps.all("denied").iter().all(|step| step["exit"] == 5), "{steps:?}");
    assert!(steps.all("no-token").iter().all(|step| step["exit"] == 3), "{steps:?}");
    world.discard().await;
}
