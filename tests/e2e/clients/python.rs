//! Does the official Python SDK get through the whole product, in every era?

use tokio::process::Command;
use wicketgate_e2e::client::mcp::{LEGACY, MODERN};
use wicketgate_e2e::layout;

use super::program::script;
use super::walk::{Client, go, world};

#[tokio::test]
async fn the_python_sdk_gets_through_in_every_era() {
    let python = layout::obtain("python-venv").unwrap();
    let clients @ [legacy, modern, auto] = [
        // The 90 s in the era with a session and a stream: what could cut them is the gateway.
        Client { name: "python-legacy", revision: LEGACY, slow: true },
        Client { name: "python-modern", revision: MODERN, slow: false },
        Client { name: "python-auto", revision: MODERN, slow: false },
    ];
    let world = world("python", &clients).await;
    let in_era = |era: &str| -> Command {
        let mut command = script(&python, "python/client.py");
        command.args(["--era", era]);
        command
    };
    tokio::join!(
        go(&world, legacy, in_era("legacy")),
        go(&world, modern, in_era("modern")),
        go(&world, auto, in_era("auto")),
    );
    world.discard().await;
}
