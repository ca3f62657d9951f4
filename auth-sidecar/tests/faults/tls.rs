//! TLS to Redis, alone, behind Sentinel and in a cluster: to servers whom our authority vouches for by their name, and with a
//! certificate of ours. Anything else is refused with a reason, and nothing is written anywhere.

use crate::access::{SECRET, allow, documented, is_refused, works, world};
use crate::redis::tls::Authority;
use crate::redis::{Kit, Redis};

const TOPOLOGIES: [&str; 3] = ["single", "sentinel", "cluster"];

/// Servers, and a user of theirs with the documented rights alone.
fn servers(topology: &str, authority: Option<Authority>) -> Option<Redis> {
    let kit = Kit::of(authority).map_err(|why| eprintln!("left out: {why}")).ok()?;
    let redis = Redis::of_kit(topology, &kit).unwrap();
    let mut rights = documented("these commands, no more");
    if topology == "cluster" {
        rights.extend(documented("must confirm also `+wait`, in a cluster"));
    }
    redis.servers.iter().for_each(|one| allow(one, &rights));
    Some(redis)
}

fn urls(redis: &Redis) -> String {
    redis.urls(&format!("wicketgate:{SECRET}@"))
}

/// What every configuration says of these servers, without `tls`.
fn topology_of(redis: &Redis) -> String {
    let topology = redis.topology.split(", tls:").next().unwrap();
    format!(", {topology}, prefix: 'wicketgate:'")
}

/// Nobody has written anything.
fn is_empty(redis: &Redis) {
    for server in &redis.servers {
        assert_eq!(server.dump("").len(), 0);
    }
}

/// What the configuration trusts and shows: files of this authority, by the keys of `tls`.
fn tls(authority: &Authority, keys: &[(&str, &str)]) -> String {
    let entries = keys.iter().map(|(key, file)| format!("{key}: {}", authority.file(file)));
    format!(", tls: {{{}}}", entries.collect::<Vec<_>>().join(", "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_those_whom_one_authority_vouches_for_speak_with_each_other() {
    for topology in TOPOLOGIES {
        let ours = Authority::of(&["localhost", "127.0.0.1"]);
        let other = Authority::of(&["localhost", "127.0.0.1"]);
        let (ca, shown) = (("ca", "ca.pem"), [("certificate", "client.pem"), ("key", "client.key")]);
        let right = tls(&ours, &[ca, shown[0], shown[1]]);
        let elsewhere = [other.file("client.pem"), other.file("client.key")];
        let stranger = format!(
            ", tls: {{ca: {}, certificate: {}, key: {}}}",
            ours.file("ca.pem"),
            elsewhere[0],
            elsewhere[1]
        );
        let wrong = [
            ("another authority", tls(&other, &[ca, shown[0], shown[1]]), "certificate"),
            ("none but the system's", tls(&ours, &shown), "certificate"),
            ("no certificate of ours", tls(&ours, &[ca]), "CertificateRequired: it does not take"),
            ("a certificate of somebody else", stranger, "UnknownCA: it does not take"),
        ];
        let Some(redis) = servers(topology, Some(ours)) else { return };
        let (urls, more) = (urls(&redis), topology_of(&redis));
        for (what, tls, reason) in wrong {
            eprintln!("{topology}: {what}");
            is_refused(world(&urls, &format!("{more}{tls}")), &[reason], &[SECRET]).await;
            is_empty(&redis);
        }
        eprintln!("{topology}: in clear");
        let clear = urls.replace("rediss://", "redis://");
        is_refused(world(&clear, &more), &["does it want TLS?"], &[SECRET]).await;
        is_empty(&redis);
        works(&urls, &format!("{more}{right}")).await;
    }
}

/// Sentinels and nodes of a cluster say where the servers are: those must have the names that are said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_another_name_is_refused() {
    for topology in TOPOLOGIES {
        eprintln!("{topology}");
        let ours = Authority::of(&["localhost"]);
        let right = ours.trusted();
        let Some(redis) = servers(topology, Some(ours)) else { return };
        let mut urls = urls(&redis);
        if topology == "single" {
            urls = urls.replace("localhost", "127.0.0.1");
        }
        let more = format!("{}{right}", topology_of(&redis));
        is_refused(world(&urls, &more), &["certificate"], &[SECRET]).await;
        is_empty(&redis);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_speaks_in_clear_hears_no_password() {
    for topology in TOPOLOGIES {
        eprintln!("{topology}");
        let ours = Authority::of(&["localhost", "127.0.0.1"]);
        let Some(redis) = servers(topology, None) else { return };
        let more = format!("{}{}", topology_of(&redis), ours.trusted());
        let secured = urls(&redis).replace("redis://", "rediss://");
        is_refused(world(&secured, &more), &["is it one that speaks TLS?"], &[SECRET]).await;
        is_empty(&redis);
    }
}
