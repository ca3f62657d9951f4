//! Are the metrics those that the README lists, and do the alert rules ask for some that exist?

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::world::browser::Browser;
use crate::world::certificates::Authority;
use crate::world::client::Client;
use crate::world::upstream::{Upstream, arrive};
use crate::world::{RESOURCE, World};

const README: &str = include_str!("../../README.md");
const ALERTS: &str = include_str!("../../alerts.yaml");
const IN_TLS: [&str; 2] = [
    "admin: {address: 127.0.0.1:0, tls: {certificate: FOLDER/own.pem, key: FOLDER/own.key}}",
    "public: {address: 127.0.0.1:0, tls: {certificate: FOLDER/own.pem, key: FOLDER/own.key, \
     clients: {ca: FOLDER/ca.pem, names: [envoy.internal], revoked: FOLDER/revoked.pem}}}",
];

async fn scraped(world: &World) -> String {
    world.http.get(format!("{}/metrics", world.metrics)).send().await.unwrap().text().await.unwrap()
}

/// A world with that listener in TLS.
async fn in_tls(listener: &str, tls: &str, more: &str) -> World {
    let mut world = World::prepared(|yaml| yaml.replace(listener, tls) + more);
    let authority = Authority::new(world.folder.path(), "ca");
    authority.vouch("own", &["auth.internal"], 2030);
    authority.revoke(&[]);
    world.start_prepared().await;
    world
}

/// Name, kind and meaning of each metric, as Prometheus is told.
fn described(text: &str) -> Vec<[String; 3]> {
    let help = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    let of = |(name, meaning): (&str, &str)| {
        let (_, rest) = text.split_once(&format!("# TYPE {name} ")).unwrap();
        let kind = rest.lines().next().unwrap();
        let suffix = if kind == "counter" { "_total" } else { "" };
        [format!("{name}{suffix}"), kind.to_owned(), meaning.trim_end_matches('.').to_owned()]
    };
    help.map(of).collect()
}

/// The rows of the README's table.
fn listed() -> Vec<[String; 4]> {
    let (_, rest) = README.split_once("\n### Metrics\n").unwrap();
    let rows = rest.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let cells = |row: &str| -> [String; 4] {
        let cells: Vec<String> =
            row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
        cells.try_into().unwrap()
    };
    rows.take_while(|line| line.starts_with('|')).map(cells).collect()
}

#[tokio::test]
async fn the_readme_lists_every_metric_with_its_labels() {
    let upstream = Upstream::start().await;
    let nobody = "mcp_servers: {ill: 1, servers: [{name: gone, url: 'http://127.0.0.1:1/mcp'}]}";
    let configured = format!("{}\n{nobody}", upstream.oidc("allow: {everyone: true}"));
    let mut world = in_tls("admin: 127.0.0.1:0", IN_TLS[0], &configured).await;
    let client = Client::public(&world).await;
    let page = arrive(&upstream, &world, &client).await;
    client.redeem(&world, &page.param("code").unwrap(), &[]).await;
    client.refresh(&world, "mr_x", &[]).await;
    world.http.get(format!("{}/v1/feed", world.internal)).send().await.unwrap();
    let lease = json!({"bucket": "0".repeat(32), "capacity": 1, "tokens": 1, "per": 60, "wanted": 1});
    let leases = world.http.post(format!("{}/v1/leases", world.internal)).json(&json!({"leases": [lease]}));
    assert_eq!(leases.send().await.unwrap().status(), 200);
    world.reload(|yaml| yaml).await.unwrap();
    let begun = Instant::now();
    let mut text = scraped(&world).await;
    while !text.contains("mcp_server_well{") {
        assert!(begun.elapsed() < Duration::from_secs(60), "nobody was asked: {text}");
        text = scraped(&world).await;
    }
    // Whom the one at work cannot ask for a certificate.
    let asking = scraped(&in_tls("public: 127.0.0.1:0", IN_TLS[1], "").await).await;
    let asking: Vec<&str> = asking.split("# HELP ").filter(|one| one.contains("_revocations_")).collect();
    let (before, after) = text.split_once("# HELP wicketgate_auth_mcp_probes ").unwrap();
    let text = format!("{before}# HELP {}# HELP wicketgate_auth_mcp_probes {after}", asking.concat());
    let listed = listed();
    let without_labels: Vec<_> =
        listed.iter().cloned().map(|[name, kind, _, meaning]| [name, kind, meaning]).collect();
    assert_eq!(without_labels, described(&text));
    let mut seen = 0;
    for [name, kind, labels, _] in &listed {
        let sample = if kind == "histogram" { format!("{name}_bucket{{") } else { format!("{name}{{") };
        let Some(sample) = text.lines().find_map(|line| line.strip_prefix(&sample)) else { continue };
        let named = sample.rsplit_once('}').unwrap().0.split(',').map(|one| one.split_once('=').unwrap().0);
        let named: BTreeSet<_> = named.filter(|label| *label != "le").collect();
        assert_eq!(named, labels.split(", ").collect(), "{name}");
        seen += 1;
    }
    assert_eq!(seen, listed.iter().filter(|row| !row[2].is_empty()).count());
}

#[tokio::test]
async fn refusals_and_sign_ins_are_counted_by_what_they_are() {
    let world = World::start().await;
    let client = Client::public(&world).await;
    let mut browser = Browser::default();
    let page = browser.get(&world, &client.link(&[])).await;
    browser.submit(&world, &page.form().with("username", "alice").with("password", "wrong")).await;
    browser.get(&world, &client.link(&[("scope", "no:such"), ("resource", RESOURCE)])).await;
    browser.get(&world, &client.link(&[("client_id", "nobody")])).await;
    client.refresh(&world, "mr_x", &[]).await;
    world.get("/userinfo").await;
    let asks = world.http.get(format!("{}/verify/forward", world.internal));
    let asks = asks.header("x-forwarded-host", "127.0.0.1:8080").header("x-forwarded-uri", "/mcp");
    assert_eq!(asks.send().await.unwrap().status(), 401);
    let body = json!({"redirect_uris": ["javascript:alert(1)"]});
    world.http.post(world.url("/register")).json(&body).send().await.unwrap();
    let feed = async |query: &str| {
        world
            .http
            .get(format!("{}/v1/feed{query}", world.internal))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    let revoke = async || {
        let tokens = client.tokens(&world).await;
        client.post(&world, "/revoke", &[("token", &tokens.refresh)], &[]).await
    };
    revoke().await;
    let (_, claims) = crate::world::client::decode(&feed("").await);
    revoke().await;
    feed(&format!("?since={}&epoch={}", claims["seq"], claims["epoch"].as_str().unwrap())).await;
    let told = scraped(&world).await;
    for wanted in [
        "sign_ins_total{provider=\"local\",outcome=\"wrong\"} 1",
        "refusals_total{route=\"/authorize\",error=\"invalid_scope\"} 1",
        "refusals_total{route=\"/authorize\",error=\"invalid_client\"} 1",
        "refusals_total{route=\"/token\",error=\"invalid_grant\"} 1",
        "refusals_total{route=\"/userinfo\",error=\"missing_token\"} 1",
        "refusals_total{route=\"/verify/forward\",error=\"missing_token\"} 1",
        "refusals_total{route=\"/register\",error=\"invalid_redirect_uri\"} 1",
        "feed_polls_total{outcome=\"everything\"} 1",
        "feed_polls_total{outcome=\"news\"} 1",
        "tokens_issued_total{grant_type=\"authorization_code\"} 2",
        "audit_events_total{event=\"sign_in_failed\"} 1",
    ] {
        assert!(told.contains(&format!("wicketgate_auth_{wanted}\n")), "{wanted}: {told}");
    }
    assert!(told.contains("wicketgate_auth_store_seconds_count{operation=\"get\"} "), "{told}");
}

/// So that no rule waits for what never comes.
#[test]
fn alerts_ask_for_metrics_that_exist() {
    let known: BTreeSet<String> = listed().into_iter().map(|[name, ..]| name).collect();
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let asked =
        ALERTS.split(|character| !is_name(character)).filter(|word| word.starts_with("wicketgate_auth_"));
    let asked: BTreeSet<&str> = asked.map(|word| word.strip_suffix("_bucket").unwrap_or(word)).collect();
    assert!(asked.len() > 5, "{asked:?}");
    for name in asked {
        assert!(known.contains(name), "{name}");
    }
}
