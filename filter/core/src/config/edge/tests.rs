//! Cases are data: a document, and everything that must be said about its edge.

use super::take;
use serde_json::{Value, json};

/// One that uses every key.
fn sound() -> Value {
    let tls = json!({"roots": "ca.pem", "names": ["sidecar", "spiffe://a/b", "10.0.0.1"], "revoked": "crl.pem",
                     "server_name": "sidecar", "chain": "own.pem", "key": "own.key"});
    json!({
        "edge": {
            "listen": {"address": "0.0.0.0:8443", "trusted_hops": 1, "proxy_protocol": true,
                       "tls": {"certificates": [{"chain": "tls.crt", "key": "tls.key"}], "minimum": "1.3", "http3": false,
                               "clients": {"roots": "ca.pem", "revoked": "crl.pem", "names": ["*.clients.example"]}}},
            "admin": "[::1]:9901",
            "authorization_server": {"public": "auth:9000", "internal": "auth:9001", "tls": tls},
            "files": {"filter": "f.yaml", "audit": "/var/log/audit", "access": "a.log"},
            "times": {"headers": "5s", "request": "1m", "silence": "60s", "connection": "1h", "drain": "30s"},
            "limits": {"connections": 5, "streams": 6, "buffer": "8MiB", "memory": "1GiB", "oauth": {"rate": "5/s", "burst": 9}},
            "canary": {"server": "notes", "every": "5s"},
            "clusters": [{"name": "idp", "address": "idp.example.com:443", "tls": {"roots": "ca.pem"}}]
        },
        "servers": [{"name": "notes", "upstream": {
            "addresses": ["10.0.0.1:3001", "[fd00::1]:3001"], "path": "/mcp", "host": "notes", "cluster": "notes_1",
            "protocol": "http2", "tls": tls, "balancing": "ring_hash", "affinity": "source", "connect": "1s", "silence": "10m",
            "idle": "30s", "connections": 50, "retries": 2, "params": ["Region"], "ejection": {"failures": 3, "lasts": "10s", "share": 100},
            "health": {"path": "/healthz", "every": "2s", "timeout": "1s", "ill": 1, "well": 1},
            "branches": [{"name": "heavy", "upstream": {"address": "10.0.0.2:3001"}}]
        }}, {"name": "other", "credential": {"static": {"header": "x-api-key", "file": "s", "prefix": "Key "}}}]
    })
}

fn said(document: &Value) -> Vec<String> {
    take(&mut document.clone()).err().into_iter().flatten().map(|error| error.to_string()).collect()
}

#[test]
fn what_is_sound_is_taken_out_whole() {
    let mut document = sound();
    let edge = take(&mut document).unwrap();
    let other = json!({"name": "other", "credential": {"static": {"header": "x-api-key"}}});
    assert_eq!(document, json!({"servers": [{"name": "notes"}, other]}), "no path of a secret is left");
    assert_eq!(edge.secrets[0], None);
    let secret = edge.secrets[1].clone().unwrap();
    assert_eq!((secret.file.as_deref(), secret.prefix.as_deref()), (Some("s"), Some("Key ")));
    assert_eq!(
        (edge.listen.at.to_string(), edge.admin.to_string()),
        ("0.0.0.0:8443".into(), "[::1]:9901".into())
    );
    let [Some(notes), None] = edge.upstreams.as_slice() else { panic!("{:?}", edge.upstreams) };
    assert_eq!(notes.addresses.len(), 2);
    let idp = &edge.clusters[0];
    assert_eq!(idp.tls.as_ref().unwrap().names, ["idp.example.com"], "a certificate is for somebody");
    let mut nothing = json!({});
    assert!(take(&mut nothing).unwrap().upstreams.is_empty());
}

#[test]
fn the_host_of_a_server_is_that_of_its_address() {
    for (upstream, host) in [
        (json!({"address": "127.0.0.1:3001"}), Some("127.0.0.1:3001")),
        (json!({"address": "notes:80"}), Some("notes")),
        (json!({"address": "[::1]:80"}), Some("[::1]")),
        (json!({"address": "notes:443", "tls": {"roots": "a"}}), Some("notes")),
        (json!({"address": "notes:443"}), Some("notes:443")),
        (json!({"address": "notes:443", "host": "keep"}), None),
        (json!({"address": "notes:443", "host": "a.example"}), Some("a.example")),
    ] {
        let mut document = json!({"servers": [{"upstream": upstream}]});
        let edge = take(&mut document).unwrap();
        assert_eq!(edge.upstreams[0].as_ref().unwrap().host.as_deref(), host, "{upstream}");
    }
}

#[test]
fn everything_else_is_refused_with_its_place() {
    let cases: Vec<(String, Value, Vec<String>)> =
        serde_json::from_str(include_str!("refusals.json")).unwrap();
    for (pointer, value, expected) in cases {
        let mut document = sound();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match document.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}")) {
            Value::Object(members) => drop(members.insert(key.to_owned(), value)),
            Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
            other => panic!("{pointer}: {other}"),
        }
        assert_eq!(said(&document), expected, "{pointer}");
    }
}
