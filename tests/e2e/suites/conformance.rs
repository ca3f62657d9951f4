//! Does the official conformance suite find the same behind the gateway, with a token and a policy that denies by
//! default, as in front of the server alone? Every check of both eras, and the filter's own count of the requests.
//!
//! The report must be the committed one. `make conformance` names the folder in [`REPORT`] to write it anew.

use std::path::PathBuf;
use std::time::Duration;

use tokio::process::Command;
use wicketgate_e2e::client::oauth;
use wicketgate_e2e::process::Service;
use wicketgate_e2e::upstream::Upstream;
use wicketgate_e2e::world::{Plan, World, wait_for};
use wicketgate_e2e::{files, layout, ports};

use super::program::{run, script};

/// The variable that names a folder for the report, absolute or in the repository.
const REPORT: &str = "WICKETGATE_CONFORMANCE_REPORT";
/// Of each era, as in baseline.json: 84 of 2025-11-25 and 152 of 2026-07-28.
const CHECKS: u64 = 236;

#[tokio::test]
async fn the_official_suite_finds_the_same_behind_the_gateway() {
    let python = layout::obtain("python-venv").unwrap();
    let node = layout::obtain("node22").unwrap();
    let folder = layout::root().join("tests/conformance");
    let mut plan = Plan::fresh("conformance").unwrap();
    plan.set_policy(&files::read(&folder.join("policy.yaml")).unwrap()).unwrap();
    let (mut server, upstream) = start_everything_server(&python, &plan).await;
    let url = format!("http://{}{}", upstream.authority(), upstream.path);
    plan.upstream = Some(upstream);
    let world = World::start(plan, |_| {}).await.unwrap();

    let login = world.login.as_ref().unwrap();
    let token = oauth::log_in(&world.http, &world.mcp, login, None).await.unwrap().tokens.access_token;
    let asked_for = std::env::var(REPORT).ok().filter(|folder| !folder.is_empty());
    let report =
        asked_for.as_ref().map_or_else(|| world.state.join("report"), |folder| layout::root().join(folder));
    let mut command = script(&python, "conformance/run.py");
    command
        .args(["--direct", &url, "--gateway", &world.mcp, "--admin", world.envoy.admin()])
        .arg("--report")
        .arg(&report)
        .arg("--keep")
        .arg(world.state.join("suite"))
        .env("NODE22", node)
        .env("WICKETGATE_TOKEN", token);
    let steps = run(&world, "conformance", command, Duration::from_secs(400)).await;

    for column in ["direct", "gateway"] {
        let step = steps.one(column);
        assert_eq!((step["passed"].as_u64(), step["total"].as_u64()), (Some(CHECKS), Some(CHECKS)), "{step}");
    }
    let counter = steps.one("counter");
    assert_eq!(counter["counted"], counter["sent"], "{counter}");
    assert!(counter["sent"].as_u64() > Some(CHECKS), "{counter}");
    if asked_for.is_none() {
        for name in ["report.md", "report.json"] {
            let (found, committed) = (files::read(&report.join(name)), files::read(&folder.join(name)));
            assert_eq!(found, committed, "{name} is not the committed one: run `make conformance`");
        }
    }
    world.discard().await;
    server.stop().await;
}

/// The Python SDK's everything-server on a port of its own. Where its source package must be fetched first, that takes
/// its time here.
async fn start_everything_server(python: &PathBuf, plan: &Plan) -> (Service, Upstream) {
    let obtained = script(python, "conformance/obtain.py").arg("everything-server").output().await.unwrap();
    assert!(obtained.status.success(), "{}", String::from_utf8_lossy(&obtained.stderr));
    let port = ports::free().unwrap();
    let mut command: Command = script(python, "conformance/everything_server.py");
    command.args(["--port", &port.to_string()]);
    let mut service =
        Service::spawn("everything-server", command, &plan.state.join("everything-server.log")).unwrap();
    let upstream = Upstream::parse(&format!("http://127.0.0.1:{port}/mcp")).unwrap();
    wait_for("the everything-server", Some(&mut service), || async {
        upstream.require_reachable().await.map_err(|failure| failure.0)
    })
    .await
    .unwrap();
    (service, upstream)
}
