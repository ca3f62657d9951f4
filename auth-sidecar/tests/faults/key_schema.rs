//! The kinds of records that the document names are those that lie there after complete flows, no more and no fewer.

use std::collections::BTreeSet;

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde_json::json;

use crate::backend::Plan;
use crate::flow::{Walk, complete};
use crate::ground::Ground;
use crate::place::Place;
use crate::world::browser::Browser;
use crate::world::client::Client;
use crate::world::device::{GRANT, offer};
use crate::world::upstream::{Upstream, leave};
use crate::world::{RESOURCE, World, form_headers, read};

const DOCUMENT: &str = include_str!("../../src/store/README.md");
/// What lies beside the records: the log. (`ping` comes with a question after readiness.)
const BESIDE: [(&str, &str); 4] =
    [("embedded", "revocations"), ("embedded", "rv:"), ("single", "rv hash"), ("single", "rv zset")];

/// Names of the first table, with their kind in Redis where that is asked for.
fn documented(topology: &str) -> BTreeSet<String> {
    let (_, table) = DOCUMENT.split_once("## Records").unwrap();
    let (table, rest) = table.split_once("Besides these").unwrap();
    let (_, lists) = rest.split_once("| list |").unwrap();
    let (lists, _) = lists.split_once("A value is JSON").unwrap();
    let lists = cells(lists).into_iter().map(|cells| match topology {
        "embedded" => format!("ix:{}", cells[1].trim_matches('`')),
        _ => format!("{} zset", cells[1].trim_matches(['`', ':'])),
    });
    let names = cells(table).into_iter().map(|cells| match topology {
        "embedded" => cells[1].trim_matches('`').to_owned(),
        _ => format!("{} {}", cells[1].trim_matches(['`', ':']), cells[2]),
    });
    let beside = BESIDE.iter().filter(|(of, _)| *of == topology).map(|(_, name)| (*name).to_owned());
    names.chain(lists).chain(beside).collect()
}

/// The cells of the rows of a table whose first is code.
fn cells(table: &str) -> Vec<Vec<&str>> {
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.split('|').map(str::trim).collect()).collect()
}

/// What lies there now.
async fn found(place: &Place, world: &mut World) -> BTreeSet<String> {
    let Some(redis) = &place.redis else {
        world.stop().await;
        let names = in_file(world);
        world.restart().await;
        return names;
    };
    let dump = redis.servers.iter().flat_map(|server| server.dump("world"));
    let lines = dump.map(|line| String::from_utf8_lossy(&line).into_owned());
    let names = lines.map(|line| {
        let (name, rest) = line.split_once('{').unwrap().1.split_once('}').unwrap();
        let kind = rest.split(' ').nth(1).unwrap();
        format!("{} {kind}", name.split(':').next().unwrap())
    });
    names.collect()
}

fn in_file(world: &World) -> BTreeSet<String> {
    let records: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("records");
    let database = Database::open(world.store_path()).unwrap();
    let table = database.begin_read().unwrap().open_table(records).unwrap();
    let names = table.iter().unwrap().map(|entry| {
        let name = entry.unwrap().0.value().to_owned();
        match name.strip_prefix("ix:").and_then(|rest| rest.split_once('\n')) {
            Some((list, _)) => format!("ix:{}", kind(list)),
            None => kind(&name).to_owned(),
        }
    });
    names.collect()
}

/// Of a name what stands before its id, colon included.
fn kind(name: &str) -> &str {
    name.find(':').map_or(name, |colon| &name[..=colon])
}

/// A request is pushed, a device asks, an operator makes a key and ends another's access, a user is on the way to a provider.
async fn half_way(world: &World, client: &Client, browser: &mut Browser) -> String {
    let link = client.link(&[]);
    let request = world.http.post(world.url("/par")).headers(form_headers());
    let (status, body) =
        read(request.body(link.split_once('?').unwrap().1.to_owned()).send().await.unwrap()).await;
    assert_eq!(status, 201, "{body}");
    assert_eq!(offer(world, client, &[]).await.0, 200);
    let wanted = json!({
        "name": "report", "service_account": "reporter", "scopes": ["mcp:read"], "resources": [RESOURCE], "expires_in": 60,
    });
    let made = world.http.post(format!("{}/v1/api-keys", world.admin)).json(&wanted).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let lease = json!({"bucket": "0".repeat(32), "capacity": 9, "tokens": 1, "per": 60, "wanted": 9});
    let leases = world.http.post(format!("{}/v1/leases", world.internal)).json(&json!({"leases": [lease]}));
    assert_eq!(leases.send().await.unwrap().status(), 200);
    let somebody = format!("{}/v1/users/somebody/revoke", world.admin);
    assert_eq!(world.http.post(somebody).json(&json!({})).send().await.unwrap().status(), 204);
    leave(world, browser, &link).await
}

async fn document_is_right(topology: &str) {
    let Some(place) = Place::of(topology) else { return };
    let upstream = Upstream::start().await;
    let mut world = place.world();
    let provider = upstream.oidc("allow: {everyone: true}");
    world.yaml.push_str(&provider.replace("FOLDER", world.folder.path().to_str().unwrap()));
    world.restart().await;
    let plan = Plan::default();
    complete(&mut Walk { ground: Ground::Steady(&world), plan: &plan, seen: None }).await;
    let metadata = json!({
        "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token", GRANT],
    });
    let client = Client::register(&world, metadata).await;
    let mut browser = Browser::default();
    let location = half_way(&world, &client, &mut browser).await;
    let mut seen = found(&place, &mut world).await;
    let page = browser.get(&world, &upstream.sign_in(&location)).await;
    assert!(page.param("code").is_some(), "{page:?}");
    seen.extend(found(&place, &mut world).await);
    assert_eq!(seen, documented(topology));
}

#[tokio::test]
async fn of_the_file() {
    document_is_right("embedded").await;
}

#[tokio::test]
async fn of_redis() {
    document_is_right("single").await;
}
