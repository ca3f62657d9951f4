//! What Redis must be told, and what it must allow: a user with few rights, a password. What is wrong is said without secrets.

use std::collections::BTreeSet;

use wicketgate_auth::clock::{Clock as _, UnixTime};
use wicketgate_auth::config::Config;
use wicketgate_auth::store::backend::Backend;
use wicketgate_auth::store::redis::RedisStore;
use wicketgate_auth::store::transfer::Item;
use wicketgate_auth::store::{Store, StoreError};

use crate::backend::Plan;
use crate::flow::{Walk, complete};
use crate::ground::Ground;
use crate::redis::{Redis, Server, until};
use crate::served::Served;
use crate::world::World;

const DOCUMENT: &str = include_str!("../../src/store/README.md");
pub(crate) const SECRET: &str = "a-password-that-nobody-may-see";
/// A password of the right form that is not the right one.
const WRONG: &str = "another-password-nobody-may-see";

/// One Redis, where there is any.
fn redis(more: &[&str]) -> Option<Redis> {
    Redis::single_with(more).map_err(|why| eprintln!("left out: {why}")).ok()
}

fn ask_for_a_password(redis: &Redis) {
    let mut connection = redis.servers[0].connection();
    redis::cmd("CONFIG").arg("SET").arg("requirepass").arg(SECRET).exec(&mut connection).unwrap();
}

/// A world that keeps its records under this URL.
pub(crate) fn world(url: &str, more: &str) -> World {
    let store = format!("{{redis: {{url: {{file: FOLDER/redis.url}}, timeout_ms: 3000{more}}}}}");
    let world = World::prepared(|yaml| yaml.replace("STORE", &store));
    std::fs::write(world.folder.path().join("redis.url"), url).unwrap();
    world
}

/// Goes through a complete flow with records at this URL.
pub(crate) async fn works(url: &str, more: &str) -> World {
    let mut world = world(url, more);
    world.restart().await;
    let plan = Plan::default();
    complete(&mut Walk { ground: Ground::Steady(&world), plan: &plan, seen: None }).await;
    world
}

/// The server starts, is not ready, and says why in these words, without the secret ones.
pub(crate) async fn is_refused(world: World, words: &[&str], secrets: &[&str]) {
    let served = Served::of(world);
    let ready = served.world.http.get(format!("{}/readyz", served.world.admin)).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    until("the reason is in the log", || served.log().contains("not_ready"));
    let log = served.log();
    for word in words {
        assert!(log.contains(word), "{word}: {log}");
    }
    for secret in secrets {
        assert!(!log.contains(secret), "{log}");
    }
}

/// The commands that the document names in this sentence.
pub(crate) fn documented(begin: &str) -> BTreeSet<String> {
    let (_, rest) = DOCUMENT.split_once(begin).unwrap();
    let list = rest.split('`').find(|part| part.starts_with('+')).unwrap();
    list.split_whitespace().map(|word| word.trim_start_matches('+').to_owned()).collect()
}

/// Gives the user `wicketgate` these rights and no others.
pub(crate) fn allow(server: &Server, rights: &BTreeSet<String>) {
    let mut user = redis::cmd("ACL");
    user.arg("SETUSER")
        .arg("wicketgate")
        .arg("reset")
        .arg("on")
        .arg(format!(">{SECRET}"))
        .arg("~wicketgate:*");
    user.arg("resetchannels").arg("-@all");
    user.arg(rights.iter().map(|one| format!("+{one}")).collect::<Vec<_>>());
    user.exec(&mut server.connection()).unwrap();
}

/// Commands that were run since the last look, by whomever.
fn commands_run(server: &Server) -> BTreeSet<String> {
    let statistics: String = redis::cmd("INFO").arg("commandstats").query(&mut server.connection()).unwrap();
    let names = statistics.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next());
    names.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_rights_are_enough_and_all_are_needed() {
    let Some(redis) = redis(&[]) else { return };
    let server = &redis.servers[0];
    let rights = documented("these commands, no more");
    allow(server, &rights);
    redis::cmd("CONFIG").arg("RESETSTAT").exec(&mut server.connection()).unwrap();
    let world = works(&format!("redis://wicketgate:{SECRET}@127.0.0.1:{}", server.port), "").await;
    let config = wicketgate_auth::config::Config::parse(&world.yaml).unwrap();
    let wicketgate_auth::config::StoreConfig::Redis(config) = &config.store else { panic!("it is Redis") };
    let (backend, now) = (RedisStore::new(config, world.clock.clone()).unwrap(), world.clock.now());
    let end = now.plus(std::time::Duration::from_secs(60));
    backend.list_add("list", "name", end, now).await.unwrap();
    assert_eq!(backend.list("list", "", 9, now).await.unwrap(), ["name"]);
    backend.list_remove("list", "name").await.unwrap();
    backend.news(None, now).await.unwrap();
    Store::new(backend).ping().await.unwrap();
    // What a connection says of itself, and what this test asks.
    let own = ["auth", "hello", "client|setinfo", "config|resetstat"].map(str::to_owned);
    let run =
        commands_run(server).into_iter().filter(|command| !own.contains(command)).collect::<BTreeSet<_>>();
    assert_eq!(run, rights);
}

/// With the rights that these sentences name as well a flow works, without one of them the server is not ready.
async fn needs_as_well(topology: &str, more: &str, sentences: &[&str]) {
    let Ok(redis) = Redis::of(topology) else { return };
    let urls = redis.urls(&format!("wicketgate:{SECRET}@"));
    let extra: Vec<String> = sentences.iter().flat_map(|begin| documented(begin)).collect();
    let all: BTreeSet<String> =
        documented("these commands, no more").into_iter().chain(extra.iter().cloned()).collect();
    let allow_everywhere =
        |rights: &BTreeSet<String>| redis.servers.iter().for_each(|one| allow(one, rights));
    allow_everywhere(&all);
    works(&urls, more).await;
    for one in &extra {
        allow_everywhere(&all.iter().filter(|right| *right != one).cloned().collect());
        let apart = format!("{more}, prefix: 'wicketgate:without-{one}:'");
        is_refused(world(&urls, &apart), &[], &[SECRET]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_and_sentinels_need_the_documented_rights_as_well() {
    let more = ", topology: sentinel, master: wicket, replicas: {acknowledge: 1, within_ms: 2000}";
    needs_as_well("sentinel", more, &["must confirm also"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_needs_the_documented_rights_as_well() {
    needs_as_well("cluster", ", topology: cluster", &["must confirm also `+wait`, in a cluster"]).await;
}

/// What lies in a store, page by page.
async fn exported(store: &Store) -> Result<Vec<Item>, StoreError> {
    let (mut items, mut place) = (Vec::new(), None);
    loop {
        let page = store.export(place.as_deref(), UnixTime(0)).await?;
        items.extend(page.items);
        place = page.next;
        if place.is_none() {
            return Ok(items);
        }
    }
}

/// With the rights of these sentences all that a store keeps gets into another one, without one of the last neither does.
async fn moves_with(topology: &str, more: &str, (server, moving): (&[&str], &[&str])) {
    let Ok(redis) = Redis::of(topology) else { return };
    let urls = redis.urls(&format!("wicketgate:{SECRET}@"));
    let named = |sentences: &[&str]| -> BTreeSet<String> {
        sentences.iter().flat_map(|begin| documented(begin)).collect()
    };
    let (all, extra) = (named(&[server, moving].concat()), named(moving));
    let allow_everywhere =
        |rights: &BTreeSet<String>| redis.servers.iter().for_each(|one| allow(one, rights));
    allow_everywhere(&all);
    let world = works(&urls, more).await;
    let open = |prefix: &str| {
        let yaml = world.yaml.replace("timeout_ms: 3000", &format!("timeout_ms: 3000, prefix: '{prefix}'"));
        Store::open(&Config::parse(&yaml).unwrap().store, &(world.clock.clone() as _)).unwrap()
    };
    let (from, to) = (open("wicketgate:"), open("wicketgate:copy:"));
    let items = exported(&from).await.unwrap();
    let counted = items.len();
    assert!(counted > 10, "{counted}");
    assert_eq!(to.import_all(items, world.clock.now()).await.unwrap(), counted);
    assert_eq!(exported(&to).await.unwrap().len(), counted);
    for one in &extra {
        allow_everywhere(&all.iter().filter(|right| *right != one).cloned().collect());
        let refused = exported(&from).await.unwrap_err().to_string();
        assert!(refused.contains("NOPERM"), "{one}: {refused}");
        let refused = open("wicketgate:other:").import_all(vec![], world.clock.now()).await.unwrap_err();
        assert!(refused.to_string().contains("NOPERM"), "{one}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_and_imports_need_the_documented_rights_as_well() {
    moves_with("single", "", (&["these commands, no more"], &["user need also"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_and_imports_of_a_cluster_need_the_documented_rights_as_well() {
    let server = ["these commands, no more", "must confirm also `+wait`, in a cluster"];
    let moving = ["user need also", "user need also `+scan`, and in a cluster"];
    moves_with("cluster", ", topology: cluster", (&server, &moving)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_and_not_shown() {
    let Some(redis) = redis(&[]) else { return };
    let port = redis.servers[0].port;
    ask_for_a_password(&redis);
    works(&format!("redis://:{SECRET}@127.0.0.1:{port}"), "").await;
    let wrong = format!("redis://:{WRONG}@127.0.0.1:{port}");
    is_refused(world(&wrong, ""), &["authentication failed"], &[SECRET, WRONG]).await;
    let none = format!("redis://127.0.0.1:{port}");
    is_refused(world(&none, ""), &["it asks for a password"], &[SECRET, WRONG]).await;
    let other = world(&format!("redis://127.0.0.1:{port}"), ", password: {file: FOLDER/redis.password}");
    std::fs::write(other.folder.path().join("redis.password"), WRONG).unwrap();
    is_refused(other, &["authentication failed"], &[SECRET, WRONG]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_right_is_told() {
    let Some(redis) = redis(&[]) else { return };
    let server = &redis.servers[0];
    let mut user = redis::cmd("ACL");
    user.arg("SETUSER").arg("reader").arg("on").arg(format!(">{SECRET}"));
    user.arg("~*").arg("-@all").arg("+get").arg("+time");
    user.exec(&mut server.connection()).unwrap();
    let url = format!("redis://reader:{SECRET}@127.0.0.1:{}", server.port);
    is_refused(world(&url, ""), &["NOPERM"], &[SECRET]).await;
}
