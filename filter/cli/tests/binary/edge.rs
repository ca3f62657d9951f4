//! What does `render envoy` write, and what does it refuse? Whether Envoy does what is written, the end-to-end tests say.

use crate::world::{Ran, World};
use serde_json::{Value, json};
use std::path::Path;

/// A policy fit for production.
fn sound() -> Value {
    json!({
        "version": 1, "hold_headers": true,
        "edge": {
            "listen": {"address": "0.0.0.0:8443", "tls": {"certificates": [{"chain": "tls.crt", "key": "tls.key"}]}},
            "authorization_server": {"public": "auth:9000", "internal": "auth:9001", "tls": {"roots": "ca.pem"}},
            "limits": {"memory": "1GiB", "oauth": {"rate": "10/s", "burst": 20}},
            "canary": {"server": "notes"}
        },
        "issuers": [{"issuer": "https://mcp.example.com", "algorithms": ["ES256"],
                     "jwks": {"cluster": "auth_internal", "path": "/v1/jwks"}}],
        "servers": [
            {"name": "notes", "url": "https://mcp.example.com/notes", "limits": {"principal": {"rate": "10/s"}},
             "upstream": {"address": "notes.internal:443", "tls": {"roots": "ca.pem"}},
             "rules": [{"id": "r", "allow": {"who": {"scopes": ["a"]}, "tools": ["*"]}}]},
            {"name": "files", "url": "https://mcp.example.com/files", "limits": {"source": {"rate": "10/s"}},
             "upstream": {"address": "127.0.0.1:3001"},
             "rules": [{"id": "r", "allow": {"who": {"scopes": ["a"]}, "tools": ["*"]}}]}
        ]
    })
}

fn render(world: &World, policy: &Value, arguments: &[&str]) -> Ran {
    world.write("policy.yaml", &policy.to_string());
    world.run(&[&["render", "envoy", "policy.yaml"], arguments].concat())
}

/// The policy with one value put in; null takes the key out.
fn with(pointer: &str, value: &Value) -> Value {
    let mut policy = sound();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match policy.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}")) {
        Value::Object(members) if value.is_null() => drop(members.remove(key).unwrap()),
        Value::Object(members) => drop(members.insert(key.to_owned(), value.clone())),
        other => panic!("{pointer}: {other}"),
    }
    policy
}

#[test]
fn the_reference_is_what_the_sample_policy_is_drawn_as() {
    let world = World::new("edge-reference");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sample = root.join("envoy/policies/sample.yaml");
    let ran = world.run(&["render", "envoy", sample.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let reference = std::fs::read_to_string(root.join("envoy/envoy.yaml")).unwrap();
    let same = reference == ran.out;
    assert!(same, "run: wicketgate render envoy envoy/policies/sample.yaml --out envoy/envoy.yaml");
}

#[test]
fn what_production_needs_is_told_in_one_sentence_each() {
    let world = World::new("edge-production");
    let production = ["--profile", "production", "--out", "o/envoy.yaml"];
    std::fs::create_dir(world.0.join("o")).unwrap();
    let ran = render(&world, &sound(), &production);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let cases: Vec<(String, Value, Vec<String>)> =
        serde_json::from_str(include_str!("edge/production.json")).unwrap();
    for (pointer, value, expected) in cases {
        let policy = with(&pointer, &value);
        let mut arguments = vec!["--json"];
        arguments.extend(production);
        let ran = render(&world, &policy, &arguments);
        assert_eq!((ran.code, said(&ran)), (Some(1), expected), "{pointer} {value}: {}", ran.err);
        let ran = render(&world, &policy, &["--out", "o/envoy.yaml"]);
        assert_eq!(ran.code, Some(0), "{pointer}: fine on one machine: {}", ran.err);
    }
}

#[test]
fn what_envoy_could_not_follow_is_refused() {
    let world = World::new("edge-refused");
    let cases: Vec<(String, Value, Vec<String>)> =
        serde_json::from_str(include_str!("edge/refusals.json")).unwrap();
    for (pointer, value, expected) in cases {
        let ran = render(&world, &with(&pointer, &value), &["--json", "--out", "envoy.yaml"]);
        assert_eq!((ran.code, said(&ran)), (Some(1), expected), "{pointer} {value}: {}", ran.err);
        assert!(!world.0.join("envoy.yaml").exists(), "{pointer}: nothing is written");
    }
}

/// `path: message` of each error.
fn said(ran: &Ran) -> Vec<String> {
    let json = ran.json();
    let errors = json.get("errors").and_then(Value::as_array).cloned().unwrap_or_default();
    errors
        .iter()
        .map(|e| format!("{}: {}", e["path"].as_str().unwrap(), e["message"].as_str().unwrap()))
        .collect()
}

#[test]
fn usage_that_cannot_be_meant_is_refused() {
    let world = World::new("edge-usage");
    for (arguments, code, words) in [
        (vec![], 2, "--out is needed: certificates come from files of their own"),
        (vec!["--envoy-version", "1.36"], 2, "--envoy-version 1.36: lacks what the filter needs"),
        (
            vec!["--envoy-version", "1.41"],
            2,
            "--envoy-version 1.41: not tested with this; these are: 1.37, 1.38, 1.39, 1.40",
        ),
        (vec!["--envoy-version", "latest"], 2, "--envoy-version latest: not tested with this"),
        (vec!["--out", "a", "--xds", "b"], 2, "cannot be used with"),
        (vec!["--profile", "test"], 2, "invalid value"),
    ] {
        let ran = render(&world, &sound(), &arguments);
        assert!(ran.code == Some(code) && ran.err.contains(words), "{arguments:?}: {ran:?}");
    }
    for version in ["1.37", "1.40.0"] {
        let ran = render(&world, &sound(), &["--envoy-version", version, "--out", "envoy.yaml"]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
}

#[test]
fn what_a_version_lacks_is_refused_with_it() {
    let world = World::new("edge-versions");
    let quic = json!({"certificates": [{"chain": "tls.crt", "key": "tls.key"}], "http3": true, "clients": {"roots": "ca.pem"}});
    for (pointer, value, version, lacks) in [
        ("/edge/traces", json!({"collector": "127.0.0.1:4318"}), "1.37.2", "`edge.traces` needs: 1.38 can"),
        ("/edge/listen/tls", quic, "1.39", "with `http3` and `clients`: 1.40 can"),
    ] {
        let mut policy = with(pointer, &value);
        // It has no certificate to show.
        policy["edge"].as_object_mut().unwrap().remove("canary").unwrap();
        let ran = render(&world, &policy, &["--envoy-version", version, "--out", "envoy.yaml"]);
        assert!(ran.code == Some(2) && ran.err.contains(lacks), "{ran:?}");
        assert!(!world.0.join("envoy.yaml").exists());
        for rest in [&["--envoy-version", "1.40"][..], &[]] {
            let ran = render(&world, &policy, &[rest, &["--out", "envoy.yaml"]].concat());
            assert_eq!(ran.code, Some(0), "{}", ran.err);
        }
        std::fs::remove_file(world.0.join("envoy.yaml")).unwrap();
    }
}

/// Texts that mean something in YAML, in our templates, in regular expressions and to Envoy's formatter.
const HOSTILE: [&str; 10] = [
    "a\"}]}, x: [1",
    "a: b",
    "a # b",
    "- a",
    "&a *a !!int",
    "<<resources>>",
    "%FILTER_STATE(x)%{{a}}",
    "'a'",
    "a\\",
    "null",
];

#[test]
fn no_name_in_the_policy_ends_its_value() {
    let world = World::new("edge-hostile");
    // Texts that may be anything; names of servers, hosts, paths and clusters are checked by their own rules.
    let places = [
        "/edge/listen/tls/certificates/0/chain",
        "/edge/files/audit",
        "/edge/files/access",
        "/edge/files/filter",
        "/servers/0/match/routes/0",
    ];
    let mut policy = sound();
    policy["edge"]["files"] = json!({"audit": "x", "access": "x", "filter": "x"});
    policy["servers"][0]["match"] = json!({"routes": ["x"]});
    let plain = drawn(&world, &policy);
    for hostile in HOSTILE {
        for place in places {
            let mut policy = policy.clone();
            *policy.pointer_mut(place).unwrap() = hostile.into();
            let changed = drawn(&world, &policy);
            let mut seen = 0;
            differs_in(&plain, &changed, hostile, &mut seen);
            let of_a_secret = place.contains("certificates");
            assert!(seen > 0 || of_a_secret, "{place}: {hostile}");
        }
    }
}

fn drawn(world: &World, policy: &Value) -> Value {
    let ran = render(world, policy, &["--out", "envoy.yaml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    serde_saphyr::from_str(&world.read("envoy.yaml")).unwrap()
}

/// Both have one shape, and where they differ stands `text`.
fn differs_in(plain: &Value, changed: &Value, text: &str, seen: &mut usize) {
    match (plain, changed) {
        (Value::Object(a), Value::Object(b)) => {
            assert!(a.keys().eq(b.keys()), "{text}: other keys");
            a.iter().for_each(|(key, value)| differs_in(value, &b[key], text, seen));
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{text}: other lists");
            a.iter().zip(b).for_each(|(a, b)| differs_in(a, b, text, seen));
        }
        (a, b) if a != b => {
            assert_eq!(b, &Value::from(text));
            *seen += 1;
        }
        _ => {}
    }
}

#[test]
fn a_folder_holds_what_refers_to_each_other() {
    let world = World::new("edge-folder");
    let ran = render(&world, &sound(), &["--xds", "xds"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let read = |name: &str| serde_saphyr::from_str::<Value>(&world.read(&format!("xds/{name}"))).unwrap();
    let bootstrap = read("envoy.yaml");
    let at = |value: &Value| value["path_config_source"]["path"].as_str().unwrap().to_owned();
    let lds = at(&bootstrap["dynamic_resources"]["lds_config"]);
    assert_eq!(Path::new(&lds), world.0.join("xds/listeners.yaml"), "wherever Envoy is started");
    let listener = &read("listeners.yaml")["resources"][0];
    assert_eq!(listener["name"], json!("public"));
    let manager = &listener["filter_chains"][0]["filters"][0]["typed_config"];
    assert!(
        manager["route_config"].is_null()
            && at(&manager["rds"]["config_source"]).ends_with("/xds/routes.yaml")
    );
    assert_eq!(read("routes.yaml")["resources"][0]["name"], manager["rds"]["route_config_name"]);
    let clusters = read("clusters.yaml");
    let named: Vec<&str> =
        clusters["resources"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(named, ["mcp_notes", "mcp_files", "auth_public", "auth_internal", "canary"]);
    let secret = read("secrets/mcp_notes_roots.json");
    assert_eq!(secret["resources"][0]["validation_context"]["trusted_ca"]["filename"], json!("ca.pem"));
}

#[test]
fn what_envoy_asks_by_itself_it_asks_as_the_server_has_it() {
    let world = World::new("edge-asked");
    let cluster = |policy: &Value, name: &str| {
        let drawn = drawn(&world, policy);
        let clusters = drawn["static_resources"]["clusters"].as_array().unwrap().clone();
        let found = clusters.into_iter().find(|cluster| cluster["name"] == name).unwrap();
        found["health_checks"][0]["http_health_check"].clone()
    };
    // A request that names no revision is one of 2025-03-26, and one for another host is nobody's.
    let url = json!("mcp.example.com");
    for (pointer, value, revision, host) in [
        ("/servers/0/name", json!("notes"), "2025-11-25", &url),
        ("/servers/0/versions", json!(["2025-06-18", "2026-07-28"]), "2025-06-18", &url),
        ("/servers/0/match", json!({"hosts": ["*"]}), "2025-11-25", &url),
        (
            "/servers/0/match",
            json!({"hosts": ["a.internal:8443", "b"]}),
            "2025-11-25",
            &json!("a.internal:8443"),
        ),
    ] {
        let asked = cluster(&with(pointer, &value), "canary");
        let header = json!({"header": {"key": "mcp-protocol-version", "value": revision}});
        assert_eq!((&asked["request_headers_to_add"], &asked["host"]), (&json!([header]), host), "{value}");
    }
    for (protocol, codec) in [("http1", Value::Null), ("http2", json!("HTTP2"))] {
        let upstream =
            json!({"address": "127.0.0.1:3001", "protocol": protocol, "health": {"path": "/healthz"}});
        let asked = cluster(&with("/servers/1/upstream", &upstream), "mcp_files");
        assert_eq!(asked["codec_client_type"], codec, "{protocol}");
    }
}
