//! Is a bucket exact, however many workers and connections draw from it?

use serde_json::json;
use wicketgate_e2e::client::http::{Answer, Http};
use wicketgate_e2e::client::mcp::{McpClient, error_code};
use wicketgate_e2e::client::oauth;
use wicketgate_e2e::files;
use wicketgate_e2e::world::World;

use super::recorder::Recorder;
use super::scene::RULES;
use super::stage::{self, eventually};
use super::stand_in::{self, Holder, Signer, StandIn, sends, server};

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

/// Limits on one line, what the record of a refusal calls them, and the status of each request of the row below.
const KINDS: [(&str, &str, [u16; 5]); 8] = [
    ("principal: {rate: 1/d, burst: 1}", "principal", [200, 200, 429, 200, 200]),
    ("client: {rate: 1/d, burst: 2}", "client", [200, 200, 429, 200, 200]),
    ("organization: {rate: 1/d, burst: 2}", "organization", [200, 200, 429, 429, 200]),
    ("source: {rate: 1/d, burst: 2}", "source", [200, 200, 429, 429, 429]),
    ("server: {rate: 1/d, burst: 2}", "server", [200, 200, 429, 429, 429]),
    (
        "methods: [{names: [tools/call], rate: 1/d, burst: 2, per: organization}]",
        "methods per organization: tools/call",
        [200, 200, 429, 429, 200],
    ),
    (
        "tools: [{names: [get_note], rate: 1/d, burst: 1}]",
        "tools per principal: get_note",
        [200, 200, 429, 200, 200],
    ),
    ("tools: [{names: [other], rate: 1/d, burst: 1, per: source}]", "", [200; 5]),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_limit_is_shared_by_whom_it_says() {
    let who = |subject, client, organization| Holder { subject, client, organization, grant: "g1" };
    let (alice, bob) = (who("alice", "cli", "acme"), who("bob", "cli", "acme"));
    let row = [alice, bob, alice, who("carol", "web", "acme"), who("dave", "web", "other")];
    let key = Signer::quick("k");
    let (upstream, issuer) = (Recorder::echo().await, StandIn::start(std::slice::from_ref(&key)).await);
    let servers = KINDS.iter().enumerate().map(|(at, (limit, ..))| {
        server(&format!("kind-{at}"), &format!("/mcp/{at}"), &[&format!("limits: {{{limit}}}")], RULES)
    });
    let servers: String = std::iter::once(server("unlimited", "/mcp", &[], RULES)).chain(servers).collect();
    let world =
        stand_in::world("kinds-of-limits", &upstream, &[("issuer", &issuer, "")], &servers, |_| {}).await;
    for (at, (limit, name, expected)) in KINDS.iter().enumerate() {
        let path = format!("/mcp/{at}");
        for (turn, (holder, status)) in row.into_iter().zip(expected).enumerate() {
            let token = key.token_of(holder, &issuer.url, &[format!("{}/{at}", world.mcp)]);
            let answer = sends(&world, &path, &token).await;
            assert_eq!(answer.status, *status, "{limit}, {turn}: {answer:?}");
            if *status == 429 {
                let records = stage::records(&world, answer.field("x-request-id").unwrap()).await;
                assert_eq!(
                    (&records[0]["reason"], &records[0]["detail"]),
                    (&json!("rate_limited"), &json!(name)),
                    "{limit}"
                );
            }
        }
    }
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
