//! Who may open the stream of a session, and end it? GET, DELETE and OPTIONS, with and without a token and from pages.

use serde_json::{Value, json};
use wicketgate_e2e::client::mcp::{Era, LEGACY, McpClient};
use wicketgate_e2e::world::World;

use super::stage::{self, Raw, exchange, request};

const PAGE: &str = "https://app.example.com";
const RULES: &str = "      - {id: some, allow: {who: {scopes: [mcp:read]}, tools: [get_note]}}\n";

async fn send(world: &World, line: &str, token: Option<&str>, fields: &[(&str, &str)]) -> Raw {
    exchange(world, &request(world, line, token, fields, b"")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_streamed_and_ended_by_whoever_may_use_the_server() {
    let world = stage::world("sessions", |plan| {
        let origins = format!("scopes: [mcp:read]\n    origins: [\"{PAGE}\"]\n");
        let policy = stage::policy("{}", RULES).replace("scopes: [mcp:read]\n", &origins);
        plan.set_policy(&policy).unwrap();
    })
    .await;
    let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    let mut client = McpClient::legacy(world.http.clone(), &world.mcp, Some(&token)).await.unwrap();
    let Era::Legacy(Some(session)) = client.era().clone() else { panic!("no session: {client:?}") };
    let own = [("Mcp-Session-Id", session.as_str()), ("MCP-Protocol-Version", LEGACY)];

    let mut stream = client.listen().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert!(stream.is_open().await);
    refused_without_touching_the_session(&world, &token, &own).await;
    // After all that the stream and the session are what they were.
    assert!(stream.is_open().await, "a refused request ended the stream");
    assert!(client.call_tool("get_note", json!({"id": "ideas"})).await.is_ok());

    let page = [own.as_slice(), &[("Origin", PAGE)]].concat();
    let ended = send(&world, "DELETE /mcp", Some(&token), &page).await;
    assert!(matches!(ended.status, 200 | 202 | 204), "{ended:?}");
    let gone =
        client.send("tools/call", json!({"name": "get_note", "arguments": {"id": "ideas"}})).await.unwrap();
    assert_eq!(gone.status, 404, "{}", gone.text());
    world.discard().await;
}

async fn refused_without_touching_the_session(world: &World, token: &str, own: &[(&str, &str)]) {
    for line in ["GET /mcp", "DELETE /mcp"] {
        for token in [None, Some("x.y.z")] {
            let answer = send(world, line, token, own).await;
            assert!(answer.status == 401 && answer.challenges(), "{line}: {answer:?}");
        }
        for origin in
            ["https://evil.example", "null", "https://app.example.com.evil.example", "http://app.example.com"]
        {
            let foreign = [own, &[("Origin", origin)]].concat();
            let answer = send(world, line, Some(token), &foreign).await;
            assert_eq!((answer.status, answer.code()), (403, json!(-31004)), "{line} {origin}: {answer:?}");
        }
        let twice = [own, &[("Mcp-Session-Id", "another")]].concat();
        assert_eq!(send(world, line, Some(token), &twice).await.status, 400, "{line}: two sessions");
    }
    let text = [own, &[("Accept", "text/html")]].concat();
    let answer = send(world, "GET /mcp", Some(token), &text).await;
    assert_eq!((answer.status, answer.code()), (406, json!(-31009)), "{answer:?}");
    for (token, origin) in [(Some(token), PAGE), (None, PAGE), (None, "https://evil.example")] {
        let preflight = [own, &[("Origin", origin), ("Access-Control-Request-Method", "DELETE")]].concat();
        let answer = send(world, "OPTIONS /mcp", token, &preflight).await;
        assert_eq!(answer.status, if origin == PAGE { 405 } else { 403 }, "{answer:?}");
        assert_eq!(answer.field("access-control-allow-origin"), None, "{answer:?}");
    }
    let metadata = "/.well-known/oauth-protected-resource/mcp";
    for verb in ["OPTIONS", "GET"] {
        let answer =
            send(world, &format!("{verb} {metadata}"), None, &[("Origin", "https://evil.example")]).await;
        assert!(matches!(answer.status, 200 | 204), "public, for pages too: {answer:?}");
        assert_eq!(answer.field("access-control-allow-origin"), Some("*"), "{answer:?}");
    }
    assert_eq!(send(world, &format!("DELETE {metadata}"), None, &[]).await.json(), Value::Null);
}
