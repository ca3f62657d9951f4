//! Each key of the vocabulary, with its values and what they make of a request.

use super::super::compile;
use crate::guard::Guard;
use crate::identity::origin::Origin;
use crate::identity::principal::{Identity, Principal};
use crate::mcp::operation::{Operation, Target};
use crate::policy::arguments::Arguments;
use crate::policy::caller::Caller;
use crate::policy::rule_set::Verdict;
use crate::server::Server;
use serde_json::{Value, json};
use std::sync::Arc;

fn document(clients: &Value) -> Value {
    json!({
        "version": 1,
        "issuers": [{"issuer": "https://as.example", "algorithms": ["ES256"], "jwks": {"cluster": "c", "path": "/k"}}],
        "servers": [{
            "name": "s", "url": "https://gate.example/mcp", "origins": ["https://one.example", "https://two.example"],
            "limits": {"request_bytes": "2MiB"},
            "rules": [
                {"id": "all", "allow": {"who": "any", "tools": ["*"], "resources": ["notes://*", "files://*"]}},
                {"id": "open", "delegable": {"who": "anonymous", "tools": ["get_*"], "resources": ["notes://*"]}},
            ],
            "clients": clients,
        }],
    })
}

fn compiled(clients: &Value) -> Result<Guard, Vec<String>> {
    let compiled = compile(document(clients).to_string().as_bytes());
    compiled.map(|c| c.guard).map_err(|e| e.iter().map(ToString::to_string).collect())
}

fn of_client(client: &str) -> Principal {
    let client = Some(client.to_owned());
    Principal::Authenticated(Arc::new(Identity { client, ..Identity::named("https://as.example", "alice") }))
}

/// The verdict in one word, and the rule.
fn verdict(server: &Server, who: &Principal, target: Target) -> String {
    let method = if matches!(target, Target::Tool(_)) { "tools/call" } else { "resources/read" };
    let operation = Operation { method: method.into(), targets: vec![target] };
    let known = |tool: &str| tool == "get_a";
    let caller = Caller { read_only: Some(&known), ..Caller::from(who) };
    match server.rules.judge(caller, &operation, Arguments::NONE) {
        Verdict::Allow { rule } => format!("allow: {rule}"),
        Verdict::Challenge { rule, .. } => format!("challenge: {rule}"),
        Verdict::Refuse { rule, .. } => format!("refuse: {rule}"),
        Verdict::Deny { rule } => format!("deny: {}", rule.map_or("nothing".to_owned(), |r| r.to_string())),
    }
}

fn tool(name: &str) -> Target {
    Target::Tool(name.into())
}

fn resource(uri: &str) -> Target {
    Target::Resource(uri.into())
}

#[test]
fn the_lists_of_a_client_say_what_it_may_use() {
    let cases: Vec<(Value, Target, &str)> = vec![
        (json!({}), tool("get_a"), "allow: all"),
        (json!({"allowed_tools": ["get_a"]}), tool("get_a"), "allow: clients[cli].allowed_tools"),
        (json!({"allowed_tools": ["get_*"]}), tool("get_b"), "allow: clients[cli].allowed_tools"),
        (json!({"allowed_tools": ["get_*"]}), tool("put_b"), "deny: clients[cli].allowed_tools"),
        (json!({"allowed_tools": ["*"]}), tool("put_b"), "allow: clients[cli].allowed_tools"),
        (json!({"allowed_tools": []}), tool("get_a"), "deny: clients[cli].allowed_tools"),
        (json!({"allowed_tools": []}), resource("notes://a"), "allow: all"),
        (
            json!({"allowed_resources": ["notes://*"]}),
            resource("notes://a"),
            "allow: clients[cli].allowed_resources",
        ),
        (
            json!({"allowed_resources": ["notes://*"]}),
            resource("NOTES://x/b/../a"),
            "allow: clients[cli].allowed_resources",
        ),
        (
            json!({"allowed_resources": ["notes://*"]}),
            resource("files://a"),
            "deny: clients[cli].allowed_resources",
        ),
        (json!({"allowed_resources": ["other://*"]}), resource("other://a"), "deny: nothing"),
        (json!({"allowed_resources": []}), resource("notes://a"), "deny: clients[cli].allowed_resources"),
        (json!({"allowed_resources": []}), tool("get_a"), "allow: all"),
        (json!({"sandbox_mode": false}), tool("put_a"), "allow: all"),
        (json!({"sandbox_mode": true}), tool("get_a"), "allow: all"),
        (json!({"sandbox_mode": true}), tool("get_b"), "deny: clients[cli].sandbox_mode"),
        (
            json!({"sandbox_mode": true, "allowed_tools": ["get_b"]}),
            tool("get_a"),
            "deny: clients[cli].allowed_tools",
        ),
        (json!({"require_auth": true}), tool("get_a"), "allow: all"),
    ];
    for (keys, target, expected) in cases {
        let mut layer = keys.clone();
        layer["name"] = json!("cli");
        let guard = compiled(&json!([layer])).unwrap();
        let server = &guard.servers[0];
        assert_eq!(verdict(server, &of_client("cli"), target.clone()), expected, "{keys}");
        if expected != "deny: nothing" {
            assert_eq!(verdict(server, &of_client("web"), target), "allow: all", "{keys}: another client");
        }
    }
}

#[test]
fn who_has_no_credential_is_a_client_that_must_be_named() {
    let open = json!([{"name": "anonymous", "require_auth": false, "allowed_tools": ["get_a", "put_a"]}]);
    let guard = compiled(&open).unwrap();
    let server = &guard.servers[0];
    assert!(server.rules.admits_anonymous() && server.rules.expects_credential());
    let nobody = Principal::Anonymous;
    assert_eq!(verdict(server, &nobody, tool("get_a")), "allow: clients[anonymous].allowed_tools");
    assert_eq!(verdict(server, &nobody, tool("put_a")), "deny: nothing", "only what is left open");
    assert_eq!(verdict(server, &nobody, tool("get_b")), "deny: nothing");
    assert_eq!(
        verdict(server, &of_client("anonymous"), tool("put_a")),
        "allow: all",
        "a client of that name"
    );
    let closed = compiled(&json!([])).unwrap();
    assert!(!closed.servers[0].rules.admits_anonymous());
}

#[test]
fn sizes_rates_and_origins_of_a_client() {
    // The keys, the largest body, the rate a minute with the name of its limit, and the origins that pass.
    type Case = (Value, Option<(u64, &'static str)>, Option<(u32, &'static str)>, [bool; 2]);
    let default = Some((1_048_576, "max_request_size"));
    let cases: Vec<Case> = vec![
        (json!({}), default, None, [true, true]),
        (json!({"max_request_size": 1}), Some((1, "max_request_size")), None, [true, true]),
        (json!({"max_request_size": "2MiB"}), Some((2 << 20, "max_request_size")), None, [true, true]),
        (
            json!({"max_requests_per_minute": 30}),
            default,
            Some((30, "clients[cli].max_requests_per_minute")),
            [true, true],
        ),
        (json!({"allowed_origins": ["https://one.example"]}), default, None, [true, false]),
        (json!({"allowed_origins": []}), default, None, [false, false]),
        (
            json!({"sandbox_mode": true}),
            Some((65_536, "sandbox_mode")),
            Some((60, "clients[cli].sandbox_mode")),
            [true, true],
        ),
        (
            json!({"sandbox_mode": true, "max_request_size": 9, "max_requests_per_minute": 7}),
            Some((9, "max_request_size")),
            Some((7, "clients[cli].max_requests_per_minute")),
            [true, true],
        ),
    ];
    for (keys, size, rate, origins) in cases {
        let mut layer = keys.clone();
        layer["name"] = json!("cli");
        let guard = compiled(&json!([layer])).unwrap();
        let (server, who) = (&guard.servers[0], of_client("cli"));
        let overlay = server.overlays(&who).0.remove(0);
        assert_eq!(overlay.request_bytes, size, "{keys}");
        let limit = overlay.rate.as_ref().map(|limit| (limit.rate.tokens, limit.name.as_str()));
        assert_eq!(limit, rate, "{keys}");
        let most = size.unwrap().0;
        let refused = server.overlays(&who).admit(None, most + 1).unwrap_err();
        assert_eq!(refused.1.as_str(), format!("clients[cli].{}", size.unwrap().1), "{keys}");
        assert_eq!(server.overlays(&who).admit(None, most), Ok(()), "{keys}");
        assert_eq!(server.overlays(&of_client("web")).admit(None, most + 1), Ok(()), "{keys}");
        for (origin, passes) in ["https://one.example", "https://two.example"].into_iter().zip(origins) {
            let origin = Origin::parse(origin).unwrap();
            assert_eq!(server.overlays(&who).admit(Some(&origin), 0).is_ok(), passes, "{keys} {origin:?}");
        }
        let bounds = server.bounds(&server.overlays(&who));
        let sandbox = keys["sandbox_mode"] == true;
        assert_eq!(
            (bounds.sandbox, bounds.streams == 4, bounds.response_bytes == 1 << 20),
            (sandbox, sandbox, sandbox)
        );
    }
    // Nobody has more than the server gives.
    let mut small = document(&json!([{"name": "cli"}]));
    small["servers"][0]["limits"] = json!({"request_bytes": 100});
    let guard = compile(small.to_string().as_bytes()).unwrap().guard;
    assert_eq!(guard.servers[0].limits.request_bytes, 100);
}

#[test]
fn what_a_layer_cannot_mean_is_refused() {
    let issuers = json!([
        {"issuer": "https://as.example", "algorithms": ["ES256"], "jwks": {"cluster": "c", "path": "/k"}},
        {"issuer": "https://other.example", "algorithms": ["ES256"], "jwks": {"cluster": "d", "path": "/k"}},
    ]);
    for (clients, two_issuers, expected) in [
        (json!([{"name": ""}]), false, "clients[0].name: is empty"),
        (json!([{"name": "c*"}]), false, "clients[0].name: names are compared exactly"),
        (json!([{"name": "a"}, {"name": "a"}]), false, "clients[1].name: `a` stands twice"),
        (
            json!([{"name": "a", "require_auth": false, "allowed_tools": ["x"]}]),
            false,
            "clients[0].require_auth: whoever has no",
        ),
        (json!([{"name": "anonymous", "allowed_tools": ["x"]}]), false, "clients[0]: `anonymous` is whoever"),
        (
            json!([{"name": "anonymous", "require_auth": false}]),
            false,
            "clients[0]: without a credential only what is named",
        ),
        (
            json!([{"name": "anonymous", "require_auth": false, "allowed_tools": []}]),
            false,
            "clients[0]: without a credential",
        ),
        (
            json!([{"name": "anonymous", "require_auth": false, "allowed_tools": ["x"], "issuer": "https://as.example"}]),
            false,
            "clients[0].issuer: whoever",
        ),
        (
            json!([{"name": "a", "allowed_tools": ["x*y"]}]),
            false,
            "clients[0].allowed_tools[0]: `*` stands at the end",
        ),
        (
            json!([{"name": "a", "allowed_resources": ["HTTP://a/*"]}]),
            false,
            "clients[0].allowed_resources[0]: is not in normal form",
        ),
        (
            json!([{"name": "a", "max_requests_per_minute": 0}]),
            false,
            "clients[0].max_requests_per_minute: zero",
        ),
        (
            json!([{"name": "a", "max_requests_per_minute": 1_000_001}]),
            false,
            "clients[0].max_requests_per_minute: at most",
        ),
        (json!([{"name": "a", "max_request_size": 0}]), false, "clients[0].max_request_size: zero"),
        (
            json!([{"name": "a", "max_request_size": "3MiB"}]),
            false,
            "clients[0].max_request_size: the server takes 2097152",
        ),
        (
            json!([{"name": "a", "allowed_origins": ["https://three.example"]}]),
            false,
            "clients[0].allowed_origins[0]: is none of",
        ),
        (json!([{"name": "a", "allowed_origins": ["*"]}]), false, "clients[0].allowed_origins[0]: `*`"),
        (
            json!([{"name": "a", "rules": [{"id": "all", "deny": {"who": "any", "tools": ["x"]}}]}]),
            false,
            "clients[0].rules[0].id: the id `all` stands twice",
        ),
        (json!([{"name": "a", "sandbox": true}]), false, "clients[0].sandbox: unknown key"),
        (json!([{"name": "a"}]), true, "clients[0]: the server accepts several issuers"),
        (
            json!([{"name": "a", "issuer": "https://third.example"}]),
            true,
            "clients[0].issuer: `https://third.example` is no issuer",
        ),
    ] {
        let mut document = document(&clients);
        if two_issuers {
            document["issuers"] = issuers.clone();
        }
        let said: Vec<String> =
            compile(document.to_string().as_bytes()).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 1, "{clients}: {said:?}");
        assert!(said[0].starts_with(&format!("servers[0].{expected}")), "{clients}: {said:?}");
    }
}

#[test]
fn nothing_is_open_to_everybody_by_accident() {
    let open = json!([{"name": "anonymous", "require_auth": false, "allowed_tools": ["get_a"]}]);
    let mut closed = document(&open);
    closed["servers"][0]["rules"].as_array_mut().unwrap().pop();
    let said = compile(closed.to_string().as_bytes()).unwrap_err();
    assert!(said[0].to_string().contains("allow nothing to `anonymous`"), "{said:?}");
}
