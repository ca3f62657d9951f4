//! What happens when a part dies? It fails closed where it must, goes on where it can, comes back without hands, and
//! never says 401 to a good token: a client would throw it away.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use wicketgate_e2e::client::http::{Answer, Http};
use wicketgate_e2e::client::mcp::{McpClient, error_code};
use wicketgate_e2e::files;
use wicketgate_e2e::world::World;

use super::stage::{self, eventually};

/// Recovery may wait for a back-off of Envoy's or the filter's.
const RECOVERY: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_dies_is_missed_and_found_again() {
    let mut world = stage::world("failures-upstream", |_| {}).await;
    let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    let client = stage::modern(&world, &token);
    assert_eq!(ask(client.clone()).await.status, 200);

    let mut report = client.clone();
    let params = json!({"name": "run_report", "arguments": {"seconds": 60}, "_meta": {"progressToken": 1}});
    let mut stream = report.open("tools/call", params).await.unwrap();
    stream.next_message(stage::DEADLINE).await.unwrap();
    world.kill_upstream().await;
    // The stream ends, cut or not; it does not hang, and no result is made up.
    let rest = loop {
        match stream.next(stage::DEADLINE).await {
            Ok(Some(event)) => assert!(!event.data.contains("\"result\""), "{event:?}"),
            Ok(None) => break "ended".to_owned(),
            Err(failure) => break failure.to_string(),
        }
    };
    assert!(!rest.contains("no event within"), "the stream hangs: {rest}");

    for _ in 0..3 {
        let answer = ask(client.clone()).await;
        assert!((500..600).contains(&answer.status), "{} {}", answer.status, answer.text());
    }
    let refused = stage::modern(&world, &token).send("tools/call", json!({"name": "drop_everything"})).await;
    assert_eq!(refused.unwrap().status, 200, "a denial needs no upstream");
    let forged = ask(stage::modern(&world, &format!("{token}x"))).await;
    assert_eq!(forged.status, 401, "{}", forged.text());

    world.start_upstream().await.unwrap();
    comes_back(&world, &token).await;
    world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_sidecar_known_tokens_go_on_and_keys_are_fetched_when_it_is_back() {
    let mut world = stage::world("failures-sidecar", |_| {}).await;
    let known = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    let unseen = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    // One connection stays with one worker: what that worker has verified, it goes on to accept.
    let client = stage::modern(&world, &known).over(Http::new().unwrap());
    assert_eq!(ask(client.clone()).await.status, 200);

    world.kill_sidecar().await;
    for _ in 0..5 {
        let answer = ask(client.clone()).await;
        assert_eq!(answer.status, 200, "a verified token: {}", answer.text());
    }
    // Keys that are at hand go on to verify; a worker that has none says 503, never 401.
    let mut seen = BTreeSet::new();
    for _ in 0..8 {
        seen.insert(ask(stage::modern(&world, &unseen).over(Http::new().unwrap())).await.status);
    }
    assert!(seen.is_subset(&BTreeSet::from([200, 503])), "an unseen token of ours: {seen:?}");

    // A filter that knows no keys yet: every worker begins anew while nobody answers.
    world.restart_envoy().await.unwrap();
    let status = world.http.get(&format!("{}/wicketgate/status", world.origin), &[]).await.unwrap();
    assert_eq!(status.status, 503, "{}", status.text());
    for _ in 0..6 {
        let answer = ask(stage::modern(&world, &known).over(Http::new().unwrap())).await;
        assert_eq!(answer.status, 503, "keys unknown: {}", answer.text());
        assert!(answer.header("www-authenticate").is_none(), "no challenge: {:?}", answer.headers);
        assert!(answer.header("retry-after").is_some(), "{:?}", answer.headers);
        assert_eq!(error_code(&answer).unwrap(), -32603, "{}", answer.text());
    }
    let nobody = world.http.get(&world.mcp, &[]).await.unwrap();
    assert_eq!(nobody.status, 401, "without a token there is nothing to verify: {}", nobody.text());

    world.start_sidecar().await.unwrap();
    comes_back(&world, &known).await;
    comes_back(&world, &unseen).await;
    let status = world.http.get(&format!("{}/wicketgate/status", world.origin), &[]).await.unwrap();
    assert_eq!(status.status, 200, "{}", status.text());
    world.discard().await;
}

/// Every worker answers again; on the way there is no 401.
async fn comes_back(world: &World, token: &str) {
    eventually("calls succeed again", RECOVERY, || async {
        for _ in 0..6 {
            let answer = ask(stage::modern(world, token).over(Http::new().unwrap())).await;
            assert_ne!(answer.status, 401, "a good token was refused: {}", answer.text());
            if answer.status != 200 {
                return Err(format!("{} {}", answer.status, answer.text()));
            }
        }
        Ok(())
    })
    .await;
}

async fn ask(mut client: McpClient) -> Answer {
    let params = json!({"name": "get_note", "arguments": {"id": "ideas"}});
    client.send("tools/call", params).await.unwrap()
}

/// What `/status` of the authorization server says of the MCP server.
async fn is_said_to_be(world: &World, state: &str) {
    let status = format!("http://{}/status", world.sidecar.listeners.admin);
    eventually(&format!("it is {state}"), RECOVERY, || async {
        let answer = world.http.get(&status, &[]).await.map_err(|failure| failure.to_string())?;
        let said: Value = serde_json::from_str(&answer.text()).map_err(|error| error.to_string())?;
        let said = &said["mcp_servers"][0];
        if said["state"] == state { Ok(()) } else { Err(said.to_string()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authorization_server_says_how_the_mcp_server_does() {
    let mut world = stage::world("failures-probed", |_| {}).await;
    world.kill_sidecar().await;
    let url = format!("http://{}:{}{}", world.upstream.host, world.upstream.port, world.upstream.path);
    let asked = format!(
        "mcp_servers: {{every: 5s, timeout: 1s, ill: 1, servers: [{{name: notes, url: \"{url}\"}}]}}\n"
    );
    let text = files::read(&world.sidecar.configuration).unwrap();
    files::write_private(&world.sidecar.configuration, &(text + &asked)).unwrap();
    world.start_sidecar().await.unwrap();
    is_said_to_be(&world, "well").await;
    world.kill_upstream().await;
    is_said_to_be(&world, "ill").await;
    world.start_upstream().await.unwrap();
    is_said_to_be(&world, "well").await;
    world.discard().await;
}
