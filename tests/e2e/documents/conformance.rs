//! Does the official conformance suite run as its README says? Directly, and behind a gateway: there it must find the
//! same, with a token and a policy that denies by default, as in front of the server alone. Every check of both eras, and
//! the filter's own count of the requests. Once more with every guard switched on that an honest server does not notice.
//!
//! The report must be the committed one. `make conformance` names the folder in [`REPORT`] to write it anew.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::process::Command;
use wicketgate_e2e::client::oauth;
use wicketgate_e2e::process::Service;
use wicketgate_e2e::upstream::Upstream;
use wicketgate_e2e::world::{Plan, World, wait_for};
use wicketgate_e2e::{files, layout, ports};

use super::block::Block;
use super::shell::Shell;

const FOLDER: &str = "tests/conformance";
/// The variable that names a folder for the report, absolute or in the repository.
const REPORT: &str = "WICKETGATE_CONFORMANCE_REPORT";
/// Where the guards are put in.
const RULES: &str = "\n    rules:\n";
/// Of both eras, as in baseline.json: 84 of 2025-11-25 and 152 of 2026-07-28.
const CHECKS: u64 = 236;

/// Without a gateway: the suite starts the server itself.
pub(super) async fn directly([commands]: [Block; 1]) {
    let said = Shell::at(FOLDER).run(&commands.commands()).await;
    let directly = steps(&said, "direct");
    assert_eq!(directly.len(), 2, "{said}");
    for step in directly.iter().chain(&steps(&said, "gateway")) {
        all_passed(step);
    }
}

/// With the server and the gateway running, and a token in a file.
pub(super) async fn behind_the_gateway([commands]: [Block; 1]) {
    let policy = files::read(&layout::root().join(FOLDER).join("policy.yaml")).unwrap();
    let asked_for = std::env::var(REPORT).ok().filter(|folder| !folder.is_empty());
    let report = asked_for.as_ref().map(|folder| layout::root().join(folder));
    let kept = behind("conformance", &policy, report, &commands, &[]).await;
    if asked_for.is_none() {
        for (name, found) in kept {
            let committed = files::read(&layout::root().join(FOLDER).join(name)).unwrap();
            assert_eq!(found, committed, "{name} is not the committed one: run `make conformance`");
        }
    }
}

/// The same with what `guards.yaml` adds.
pub(super) async fn guarded([commands]: [Block; 1]) {
    let file = |name: &str| files::read(&layout::root().join(FOLDER).join(name)).unwrap();
    let policy = file("policy.yaml");
    assert_eq!(policy.matches(RULES).count(), 1);
    let policy = policy.replace(RULES, &format!("\n{}", file("guards.yaml")));
    // The guards were awake.
    let awake = [r#""input_schema":"met""#, r#""output_schema":"conforms""#];
    behind("conformance-guarded", &policy, None, &commands, &awake).await;
}

/// The suite in front of a server and of a gateway with this policy before it: what it wrote down, by name of the file. The
/// gateway must have `recorded` all of these.
async fn behind(
    name: &str,
    policy: &str,
    report: Option<PathBuf>,
    commands: &Block,
    recorded: &[&str],
) -> Vec<(&'static str, String)> {
    let python = layout::obtain("python-venv").unwrap();
    let node = layout::obtain("node22").unwrap();
    let mut plan = Plan::fresh(name).unwrap();
    plan.set_policy(policy).unwrap();
    let (mut server, upstream) = start_everything_server(&python, &plan).await;
    let url = format!("http://{}{}", upstream.authority(), upstream.path);
    plan.upstream = Some(upstream);
    let world = World::start(plan, |_| {}).await.unwrap();

    let login = world.login.as_ref().unwrap();
    let token = oauth::log_in(&world.http, &world.mcp, login, None).await.unwrap().tokens.access_token;
    let kept = world.state.join("token");
    fs::write(&kept, token).unwrap();
    let report = report.unwrap_or_else(|| world.state.join("report"));
    let script = commands.with(&[
        ("http://127.0.0.1:3001/mcp", &url),
        ("http://127.0.0.1:8080/mcp", &world.mcp),
        ("http://127.0.0.1:9901", world.envoy.admin()),
        ("--token-file token", &format!("--token-file {}", kept.to_str().unwrap())),
        ("--report .", &format!("--report {}", report.to_str().unwrap())),
    ]);
    let said = Shell::at(FOLDER).export("python", python).export("NODE22", node).run(&script).await;

    for column in ["direct", "gateway"] {
        all_passed(steps(&said, column).first().unwrap());
    }
    let counter = steps(&said, "counter");
    let of_counter = |member: &str| counter.first().and_then(|step| step.get(member)).and_then(Value::as_u64);
    assert_eq!(of_counter("counted"), of_counter("sent"), "{said}");
    assert!(of_counter("sent") > Some(CHECKS), "{said}");
    for words in recorded {
        wait_for(words, None, || async {
            let records = fs::read_to_string(world.state.join("audit.jsonl")).unwrap_or_default();
            if records.contains(words) { Ok(()) } else { Err(format!("no record with {words}")) }
        })
        .await
        .unwrap();
    }
    let written = ["report.md", "report.json"].map(|name| (name, files::read(&report.join(name)).unwrap()));
    world.discard().await;
    server.stop().await;
    written.into()
}

fn steps(said: &str, name: &str) -> Vec<Value> {
    let all = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|step| step.get("step").and_then(Value::as_str) == Some(name)).collect()
}

fn all_passed(step: &Value) {
    let number = |member: &str| step.get(member).and_then(Value::as_u64);
    assert_eq!((number("passed"), number("total")), (Some(CHECKS), Some(CHECKS)), "{step}");
}

/// The Python SDK's everything-server on a port of its own. Where its source package must be fetched first, that takes
/// its time here.
async fn start_everything_server(python: &Path, plan: &Plan) -> (Service, Upstream) {
    let script = |name: &str| {
        let mut command = Command::new(python);
        command.arg(layout::root().join(FOLDER).join(name));
        command
    };
    let obtained = script("obtain.py").arg("everything-server").output().await.unwrap();
    assert!(obtained.status.success(), "{}", String::from_utf8_lossy(&obtained.stderr));
    let port = ports::free().unwrap();
    let mut command = script("everything_server.py");
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
