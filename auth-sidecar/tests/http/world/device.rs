//! A device without a browser, and its user at the page where the code is typed.

use serde_json::Value;

use super::browser::{Browser, Page};
use super::client::Client;
use super::{RESOURCE, World};

pub(crate) const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

pub(crate) async fn offer(world: &World, client: &Client, changes: &[(&str, &str)]) -> (u16, Value) {
    let form = [("scope", "openid mcp:read"), ("resource", RESOURCE)];
    client.post(world, "/device_authorization", &form, changes).await
}

pub(crate) async fn poll(world: &World, client: &Client, offered: &Value) -> (u16, Value) {
    let form = [("grant_type", GRANT), ("device_code", offered["device_code"].as_str().unwrap())];
    client.post(world, "/token", &form, &[]).await
}

/// Types the code: the page that comes then.
pub(crate) async fn page_of(world: &World, browser: &mut Browser, code: &str) -> Page {
    let form = browser.get(world, "/device").await.form().with("user_code", code);
    browser.submit(world, &form).await
}
