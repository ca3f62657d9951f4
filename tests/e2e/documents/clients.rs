//! Do the clients under `tests/` run by hand, as their READMEs say, against one running product?

use std::fs;

use wicketgate_e2e::client::oauth;
use wicketgate_e2e::layout;
use wicketgate_e2e::ready::Login;
use wicketgate_e2e::sidecar::{User, random_text};
use wicketgate_e2e::world::{Plan, World};

use super::block::Block;
use super::shell::Shell;

/// All at the same time, as `alice`, whose password is in `PASSWORD`; the token that a reader keeps in a file is hers.
pub(super) async fn by_hand([browser, client, inspector, python]: [Block; 4]) {
    let login = Login { user: "alice".to_owned(), password: random_text(18).unwrap() };
    let mut plan = Plan::fresh("documents-clients").unwrap();
    let (groups, roles) = (vec!["engineering".to_owned()], vec!["operator".to_owned()]);
    plan.users = vec![User { login: login.clone(), groups, roles }];
    let world = World::start(plan, |_| {}).await.unwrap();
    let token = oauth::log_in(&world.http, &world.mcp, &login, None).await.unwrap().tokens.access_token;
    let (kept, shots) = (world.state.join("token"), world.state.join("shots"));
    fs::write(&kept, token).unwrap();

    let origin = ("http://127.0.0.1:8080", world.origin.as_str());
    let shots_of = format!("--screenshots {}", shots.to_str().unwrap());
    let token_of = format!("--token-file {}", kept.to_str().unwrap());
    let shell =
        |document: &Block| Shell::at(document.document.parent().unwrap()).export("PASSWORD", &login.password);
    let (shown, walked, inspected, walked_in_python) = tokio::join!(
        async { shell(&browser).run(&browser.with(&[origin, ("--screenshots shots", &shots_of)])).await },
        async { shell(&client).run(&client.with(&[origin])).await },
        async { shell(&inspector).run(&inspector.with(&[origin, ("--token-file token", &token_of)])).await },
        async { shell(&python).run(&python.with(&[origin])).await },
    );
    // The last step of each.
    for (said, step) in
        [(shown, "token"), (walked, "close"), (inspected, "no-token"), (walked_in_python, "close")]
    {
        assert!(said.trim_end().lines().last().is_some_and(|line| line.contains(step)), "{step}: {said}");
    }
    assert!(shots.join("login-wide.png").is_file());
    world.discard().await;
}

/// In a copy of the folder: the command says what is pinned already. It needs uv, which nothing else here does.
pub(super) async fn pins([command]: [Block; 1]) {
    let directory = tempfile::tempdir().unwrap();
    let folder = layout::root().join("tests/python");
    let shell = Shell::at(directory.path());
    if !shell.end_of("command -v uv").await.status.success() {
        super::say_skipped("`uv pip compile` of tests/python/README.md was not executed: uv is not on PATH");
        return;
    }
    for name in ["requirements.in", "requirements.txt"] {
        fs::copy(folder.join(name), directory.path().join(name)).unwrap();
    }
    shell.run(&command.commands()).await;
    let pinned = |path: &std::path::Path| fs::read_to_string(path.join("requirements.txt")).unwrap();
    assert_eq!(
        pinned(directory.path()),
        pinned(&folder),
        "requirements.txt is not made from requirements.in"
    );
}
