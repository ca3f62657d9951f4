//! Does the test that `tests/README.md` shows pass? It stands here word for word.

use serde_json::json;
use wicketgate_e2e::Result;
use wicketgate_e2e::client::mcp::McpClient;
use wicketgate_e2e::client::oauth;
use wicketgate_e2e::world::{Plan, World};

use super::block::Block;

pub(super) async fn passes([shown]: [Block; 1]) {
    let own: Vec<&str> = include_str!("sample.rs").lines().map(str::trim_start).collect();
    let shown: Vec<&str> = shown.text().lines().collect();
    assert!(own.windows(shown.len()).any(|lines| lines == shown), "not the test of this file: {shown:#?}");
    sample().await.unwrap();
}

#[rustfmt::skip]
async fn sample() -> Result<()> {
    let world = World::start(Plan::fresh("readers")?, |_| {}).await?;
    let session = oauth::log_in(&world.http, &world.mcp, world.login.as_ref().unwrap(), None).await?;
    let mut client = McpClient::modern(world.http.clone(), &world.mcp, Some(&session.tokens.access_token));
    assert_eq!(client.call_tool("get_note", json!({"id": "ideas"})).await?["structuredContent"]["title"], "Ideas");
    world.discard().await;
    Ok(())
}
