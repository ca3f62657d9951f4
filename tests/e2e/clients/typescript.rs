//! Do the official TypeScript SDKs get through the whole product, each in the eras that it knows?

use tokio::process::Command;
use wicketgate_e2e::client::mcp::{LEGACY, MODERN};

use super::program::{install_node_packages, script};
use super::walk::{Client, go, world};

#[tokio::test]
async fn both_typescript_sdks_get_through_in_their_eras() {
    install_node_packages(&["node"]).await;
    let clients @ [first, legacy, modern, auto] = [
        Client { name: "typescript-1-legacy", revision: LEGACY, slow: false },
        Client { name: "typescript-2-legacy", revision: LEGACY, slow: false },
        Client { name: "typescript-2-modern", revision: MODERN, slow: false },
        Client { name: "typescript-2-auto", revision: MODERN, slow: false },
    ];
    let world = world("typescript", &clients).await;
    let with = |sdk: &str, era: &str| -> Command {
        let mut command = script("node", "node/client.mjs");
        command.args(["--sdk", sdk, "--era", era]);
        command
    };
    tokio::join!(
        go(&world, first, with("1", "legacy")),
        go(&world, legacy, with("2", "legacy")),
        go(&world, modern, with("2", "modern")),
        go(&world, auto, with("2", "auto")),
    );
    world.discard().await;
}
