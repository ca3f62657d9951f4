//! Do the login and the account page work for a person with a real browser? The sidecar's pages through Envoy, in Debian's Chromium. The
//! photographs of every page stay in the world's state directory (`shots`), which is kept.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tokio::process::Command;
use wicketgate_e2e::layout;
use wicketgate_e2e::world::{Plan, World};

use super::program::{install_node_packages, run, script};

const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_person_logs_in_allows_and_denies_in_a_real_browser() {
    install_node_packages(&["browser"]).await;
    let chromium = layout::obtain("chromium").unwrap();
    let world = World::start(Plan::fresh("browser").unwrap(), |_| {}).await.unwrap();

    let mut command = login(&world, &chromium);
    command.arg("--screenshots").arg(world.state.join("shots")).args(["--wrong-password-first", "--account"]);
    let allowed = run(&world, "browser-allow", command, LIMIT).await;
    for page in ["login", "login-refused", "consent", "account", "account-ended", "sign-out", "signed-out"] {
        allowed.one(page);
        for size in ["wide", "narrow", "wide-dark", "narrow-dark"] {
            let shot = world.state.join(format!("shots/{page}-{size}.png"));
            assert!(shot.metadata().is_ok_and(|file| file.len() > 1000), "{} is missing", shot.display());
        }
    }
    assert_eq!(allowed.one("redirect")["parameters"], json!(["code", "iss", "state"]), "{allowed:?}");
    assert_eq!(allowed.one("token")["scope"], "mcp:read", "{allowed:?}");

    let mut command = login(&world, &chromium);
    command.args(["--account", "--no-javascript"]);
    let without_script = run(&world, "browser-no-script", command, LIMIT).await;
    without_script.one("account-ended");

    let mut command = login(&world, &chromium);
    command.args(["--decision", "deny", "--no-javascript"]);
    let denied = run(&world, "browser-deny", command, LIMIT).await;
    assert_eq!(denied.one("redirect")["error"], "access_denied", "{denied:?}");
    assert!(denied.all("token").is_empty(), "{denied:?}");
    world.stop().await;
}

fn login(world: &World, chromium: &PathBuf) -> Command {
    let login = world.login.as_ref().unwrap();
    let mut command = script("node", "browser/login.mjs");
    command
        .args(["--issuer", &world.origin, "--resource", &world.mcp, "--scope", "mcp:read"])
        // With `=`, because a password may begin with a dash.
        .args(["--user", &login.user, &format!("--password={}", login.password)])
        .arg("--chromium")
        .arg(chromium);
    command
}
