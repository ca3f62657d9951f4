//! What must a client's way through the product show, and what must be on record? The same for every SDK and era.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use wicketgate_e2e::files;
use wicketgate_e2e::ready::Login;
use wicketgate_e2e::sidecar::{User, random_text};
use wicketgate_e2e::world::{Plan, World, wait_for};

use super::program::{Steps, run};

/// What every run takes; the tool that takes 90 s is `slow`.
const STEPS: &str = "discover,list,call,progress,denied,resource,prompt,refresh";
/// In the order of the 90 s tool: the token is renewed after it.
const STEPS_WITH_SLOW: &str = "discover,list,call,progress,denied,slow,resource,prompt,refresh";
/// What a reader sees: what it may call, and what it could call with more scopes.
const LISTED: [&str; 6] =
    ["delete_note", "get_note", "read_config", "run_report", "search_notes", "write_note"];

/// One client's run: as whom, speaking what, and whether it waits for the 90 s tool.
#[derive(Clone, Copy)]
pub(super) struct Client {
    /// Of the run and of the user, who is its own.
    pub(super) name: &'static str,
    /// The revision that must be negotiated.
    pub(super) revision: &'static str,
    /// Whether it calls the tool that takes 90 s.
    pub(super) slow: bool,
}

/// A world with the sample server and one user for each client.
pub(super) async fn world(name: &str, clients: &[Client]) -> World {
    let mut plan = Plan::fresh(name).unwrap();
    plan.users = clients.iter().map(|client| user(client.name)).collect();
    World::start(plan, |_| {}).await.unwrap()
}

/// Takes one client through the product, and looks at what it saw and at what was recorded of it.
pub(super) async fn go(world: &World, client: Client, mut command: Command) {
    let password = files::read(&world.state.join(format!("{}.password", client.name))).unwrap();
    command
        .args(["--url", &world.mcp, "--user", client.name])
        // With `=`, because a password may begin with a dash.
        .arg(format!("--password={}", password.trim_end()))
        .args(["--hidden", "drop_everything"])
        .args(["--steps", if client.slow { STEPS_WITH_SLOW } else { STEPS }]);
    let limit = Duration::from_secs(if client.slow { 240 } else { 120 });
    let steps = run(world, client.name, command, limit).await;
    check_discovery_and_login(world, &steps);
    check_connected(client, &steps);
    check_records(world, client).await;
}

fn check_discovery_and_login(world: &World, steps: &Steps) {
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", world.origin);
    let discovered = steps.one("discover");
    assert_eq!(
        discovered["challenge"],
        // Two fields on the wire; clients read them joined.
        format!(
            "Bearer resource_metadata=\"{metadata}\", scope=\"mcp:read\", DPoP algs=\"ES256 EdDSA PS256 RS256\""
        ),
        "{discovered}"
    );
    assert_eq!(discovered["issuer"], world.origin, "{discovered}");
    // Once: neither the refresh nor anything else may ask the person again.
    let login = steps.one("login");
    assert_eq!(login["pages"], json!(["login", "consent"]), "{login}");
    assert_eq!(login["answer"], json!(["code", "iss", "state"]), "{login}");
    let refresh = steps.one("refresh");
    assert_eq!(refresh["new_access_token"], true, "{refresh}");
    assert_eq!(refresh["refresh_token_rotated"], true, "{refresh}");
}

fn check_connected(client: Client, steps: &Steps) {
    assert_eq!(steps.one("connect")["protocol"], client.revision, "{:?}", steps.one("connect"));
    assert_eq!(steps.one("list")["tools"], json!(LISTED), "{:?}", steps.one("list"));
    let text = steps.one("call")["text"].as_str().unwrap_or_default();
    assert!(text.contains("incident-42"), "the search for `report` found {text:?}");
    assert!(steps.one("progress")["progress"].as_u64() >= Some(2), "{:?}", steps.one("progress"));
    if client.slow {
        let slow = steps.one("slow");
        assert!(slow["progress"].as_u64() >= Some(90) && slow["seconds"].as_f64() >= Some(90.0), "{slow}");
    }
    // In the words that a server has for a tool that does not exist; SDK 1.x puts its own in front.
    let denied = steps.one("denied");
    assert_eq!(denied["code"], -32602, "{denied}");
    let message = denied["message"].as_str().unwrap_or_default();
    assert!(message.ends_with("Unknown tool: drop_everything"), "{denied}");
    assert!(steps.one("resource")["characters"].as_u64() > Some(0), "{:?}", steps.one("resource"));
    assert_eq!(steps.one("prompt")["listed"], json!(["summarize_note", "weekly_digest"]));
    assert_eq!(steps.one("prompt")["messages"], 1, "{:?}", steps.one("prompt"));
    steps.one("close");
}

/// Every call is on record under the user's name, with the rule that decided. Envoy writes records a little later.
async fn check_records(world: &World, client: Client) {
    let expected = [
        ("search_notes", "allow", "readers"),
        ("run_report", "allow", "readers"),
        ("drop_everything", "deny", "never"),
    ];
    wait_for("the audit", None, || async {
        let records = world.records("audit.jsonl").map_err(|failure| failure.0)?;
        let decisions: Vec<Value> = records
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|one: &Value| one["principal"]["subject"] == client.name && one["record"] == "decision")
            .collect();
        for (tool, verdict, rule) in expected {
            let called: Vec<_> =
                decisions.iter().filter(|one| one["operation"]["targets"][0]["name"] == tool).collect();
            let right = |one: &&Value| one["verdict"] == verdict && one["rule"] == rule;
            if called.is_empty() || !called.iter().all(right) {
                return Err(format!(
                    "{tool} should be on record as {verdict} by {rule} for {}: {called:?}",
                    client.name
                ));
            }
        }
        Ok(())
    })
    .await
    .unwrap();
}

fn user(name: &str) -> User {
    let login = Login { user: name.to_owned(), password: random_text(18).unwrap() };
    User { login, groups: vec!["engineering".into()], roles: vec!["operator".into()] }
}
