//! The contract on Redis, in each way that several servers are one.

use std::sync::Arc;

use wicketgate_auth::clock::{Clock, ManualClock};
use wicketgate_auth::config::Config;
use wicketgate_auth::store::Store;

use super::{T0, contract, transfer};
use crate::redis::Redis;

/// The store of this configuration, at the time of the contract.
fn open(redis: &Redis, more: &str) -> Store {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    let store = redis.store(&folder.path().join("url"), more);
    let text = format!(
        "issuer: http://127.0.0.1:1\nlisten: {{public: \"127.0.0.1:0\", internal: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", metrics: \"127.0.0.1:0\"}}\nstore: {store}\ndata_key: {{file: {}}}\n\
         resources: [{{url: https://r.example/, scopes: [a]}}]\n",
        key.display()
    );
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(T0));
    Store::open(&Config::parse(&text).unwrap().store, &clock).unwrap()
}

async fn fulfils(redis: Result<Redis, String>, more: &str) {
    match redis {
        Ok(redis) => {
            let store = Arc::new(open(&redis, more));
            contract(&store).await;
            transfer::moves(&store, &open(&redis, &format!("{more}, prefix: \'other:\'"))).await;
        }
        Err(why) => eprintln!("left out: {why}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_redis_fulfils_the_contract() {
    fulfils(Redis::of("single"), "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_behind_sentinels_fulfils_the_contract() {
    fulfils(Redis::of("sentinel"), ", replicas: {acknowledge: 1, within_ms: 2000}").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_fulfils_the_contract() {
    fulfils(Redis::of("cluster"), ", timeout_ms: 3000").await;
}
