//! Is a bucket exact, however many workers and connections draw from it?

use serde_json::json;
use wicketgate_e2e::client::http::{Answer, Http};
use wicketgate_e2e::client::mcp::{McpClient, error_code};
use wicketgate_e2e::client::oauth;
use wicketgate_e2e::files;
use wicketgate_e2e::world::World;

use super::stage::{self, eventually};

const BURST: usize = 6;
const CALLS: usize = 5 * BURST;

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_exact_across_workers_and_belongs_to_its_principal() {
    let limits = format!("{{tools: [{{names: [\"get_*\"], rate: 1/d, burst: {BURST}}}]}}");
    let rules = "      - {id: readers, allow: {who: {scopes: [mcp:read]}, tools: [\"*\"]}}\n";
    let bob = stage::operator("bob").login;
    let world = stage::world("limits", |plan| {
        plan.users = vec![stage::operator("alice"), stage::operator("bob")];
        plan.set_policy(&stage::policy(&limits, rules)).unwrap();
    })
    .await;
    let workers = world.envoy.stat("server.concurrency").await.unwrap();
    assert!(workers >= Some(2), "the test means nothing with {workers:?} workers");
    let alice = stage::log_in(&world, Some("mcp:read")).await;
    let bob = oauth::log_in(&world.http, &world.mcp, &bob, Some("mcp:read")).await.unwrap();

    let answers = all_at_once(&world, &alice.tokens.access_token).await;
    let admitted = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(admitted, BURST, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!((refused.status, error_code(refused).unwrap()), (429, -31029), "{}", refused.text());
        assert_eq!(stage::reply(refused)["id"], 1, "{}", refused.text());
        let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((80_000..=86_400).contains(&after), "one token a day, but Retry-After is {after}");
    }

    let fresh = oauth::refresh(&world.http, &alice).await.unwrap();
    let again = call(stage::modern(&world, &fresh.access_token)).await;
    assert_eq!(again.status, 429, "a new token of the same subject: {}", again.text());
    let second = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    let again = call(stage::modern(&world, &second)).await;
    assert_eq!(again.status, 429, "another client of the same subject: {}", again.text());

    let mut other = stage::modern(&world, &fresh.access_token);
    let unlimited = other.call_tool("search_notes", json!({"query": "a"})).await;
    assert!(unlimited.is_ok(), "another tool: {unlimited:?}");
    let answers = all_at_once(&world, &bob.tokens.access_token).await;
    let admitted = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(admitted, BURST, "another principal has a bucket of its own");

    // An edit that leaves the limit alone does not refill it: the wait ends when the new policy decides.
    let edited = format!(
        "{}      - {{id: never, deny: {{who: any, tools: [search_notes]}}}}\n",
        files::read(&world.policy).unwrap()
    );
    world.edit_policy(&edited).unwrap();
    eventually("the edit takes effect", stage::DEADLINE, || async {
        let answer =
            stage::modern(&world, &fresh.access_token).call_tool("search_notes", json!({"query": "a"})).await;
        answer.map_or(Ok(()), |still| Err(still.to_string()))
    })
    .await;
    let again = call(stage::modern(&world, &fresh.access_token)).await;
    assert_eq!(again.status, 429, "after an edit: {}", again.text());
    world.discard().await;
}

/// Each on a connection of its own.
async fn all_at_once(world: &World, token: &str) -> Vec<Answer> {
    let calls = (0..CALLS).map(|_| {
        let client = McpClient::modern(Http::new().unwrap(), &world.mcp, Some(token));
        tokio::spawn(call(client))
    });
    let mut answers = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        answers.push(call.await.unwrap());
    }
    answers
}

async fn call(mut client: McpClient) -> Answer {
    let params = json!({"name": "get_note", "arguments": {"id": "ideas"}});
    client.send("tools/call", params).await.unwrap()
}
