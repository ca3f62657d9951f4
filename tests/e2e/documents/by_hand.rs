//! Does Envoy run by hand with the reference configuration?

use std::fs;
use std::path::Path;

use serde_json::json;
use wicketgate_e2e::client::mcp::McpClient;
use wicketgate_e2e::client::oauth;
use wicketgate_e2e::envoy::{EnvoySettings, render};
use wicketgate_e2e::world::{Plan, World};
use wicketgate_e2e::{files, layout, ports};

use super::block::Block;
use super::shell::Shell;

/// In front of the authorization server and the MCP server of a world, which are there already, as the README demands.
pub(super) async fn envoy([commands, obtain, canary]: [Block; 3]) {
    let printed = Shell::at("").run(&obtain.commands()).await;
    assert!(Path::new(printed.trim_end()).is_file() && printed.lines().count() == 1, "{printed}");

    let world = World::start(Plan::fresh("documents-by-hand").unwrap(), |_| {}).await.unwrap();
    let state = world.state.join("by-hand");
    let port = ports::free().unwrap();
    let settings = EnvoySettings {
        port,
        admin_port: ports::free().unwrap(),
        state: state.clone(),
        upstream: world.upstream.clone(),
        auth_public: world.sidecar.listeners.public,
        auth_internal: world.sidecar.listeners.internal,
        workers: None,
    };
    let reference = files::read(&layout::root().join("envoy/envoy.yaml")).unwrap();
    let configuration = world.state.join("envoy-by-hand.yaml");
    fs::write(&configuration, render(&reference, &settings).unwrap()).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let script = commands.with(&[
        (" .run", &format!(" {}", path(&state))),
        // Its own shared memory: somebody else may run an Envoy here.
        ("-c envoy/envoy.yaml", &format!("-c {} --use-dynamic-base-id", path(&configuration))),
    ]);

    // Its tokens are those of the world.
    let shell = Shell::at("").export("WICKETGATE_URL", &world.origin);
    let mut running = shell.start(&script, world.state.join("by-hand.log"));
    let status = format!("http://127.0.0.1:{port}/wicketgate/status");
    running
        .until("the filter has keys", async || {
            world.http.get(&status, &[]).await.ok().filter(|a| a.status == 200)
        })
        .await;
    let login = world.login.as_ref().unwrap();
    let token = oauth::log_in(&world.http, &world.mcp, login, None).await.unwrap().tokens.access_token;
    let url = format!("http://127.0.0.1:{port}/mcp");
    let mut client = McpClient::modern(world.http.clone(), &url, Some(&token));
    client.call_tool("search_notes", json!({"query": "report"})).await.unwrap();
    let said = shell.run(&canary.with(&[("127.0.0.1:8080", &format!("127.0.0.1:{port}"))])).await;
    assert!(said.contains("the filter is in the way, and asks for a credential"), "{said}");
    running.interrupt().await;
    assert!(world.http.get(&status, &[]).await.is_err(), "Ctrl-C ends it");
    world.discard().await;
}
