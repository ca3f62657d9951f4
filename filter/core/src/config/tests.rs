//! Cases are data: a document that is sound, one change to it, and everything that must be said about the result.

use super::*;
use crate::identity::dpop::BoundTokens;
use crate::json;
use crate::mcp::operation::{Operation, Target};
use crate::server::Unknown;
use serde_json::{Value, json};

/// One that uses every key.
fn sound() -> Value {
    let mut document = json!({
        "version": 1,
        "hold_headers": true,
        "unknown_tokens": {"rate": "20/s", "burst": 100},
        "issuers": [
            {"issuer": "http://127.0.0.1:8080", "algorithms": ["ES256"],
             "jwks": {"cluster": "auth_internal", "path": "/v1/jwks", "authority": "auth", "timeout": "2s", "refresh": "1m",
                      "max_stale": "1h"},
             "clock_skew": "30s",
             "claims": {"client": "azp", "groups": "groups", "roles": "realm_access.roles", "scopes": "scp", "organization": "org"}},
            {"issuer": "https://tenant.example/", "algorithms": ["RS256", "EdDSA"],
             "jwks": {"cluster": "tenant", "path": "/keys"}}
        ],
        "servers": [{
            "name": "sample",
            "url": "http://127.0.0.1:8080/mcp",
            "match": {"hosts": ["*"], "path": "/mcp"},
            "issuers": ["http://127.0.0.1:8080"],
            "origins": ["https://app.example.com"],
            "scopes": ["mcp:read"],
            "versions": ["2026-07-28", "2025-11-25"],
            "newer_versions": "inspect", "sessions": {"unknown": "adopt"}, "dpop": {"tokens": "required", "proof_age": "30s"},
            "limits": {"streams": 8, "request_bytes": "1MiB", "response_bytes": 4096, "flood": {"rate": "50/s", "burst": 60},
                       "principal": {"rate": "600/m"}, "client": {"rate": "1000/h"},
                       "organization": {"rate": "90/s"}, "server": {"rate": "10/d"},
                       "methods": [{"names": ["tools/*", "ping"], "rate": "7/s"}],
                       "tools": [{"names": ["run_*"], "rate": "10/m", "burst": 5, "per": "server"}]},
            "content": [
                {"id": "secrets", "applies": {"who": {"roles": ["guest"]}, "tools": ["crm_*"], "prompts": ["*"],
                                              "resources": ["notes://*"], "sessions": "named"},
                 "in": ["responses"], "detect": ["credentials", "personal"], "keys": ["*password"], "action": "mask",
                 "fields": ["id", "items.*.name"], "characters": "strip",
                 "caps": {"text_bytes": "64KiB", "items": 100, "beyond": "cut"}},
                {"id": "asked", "in": ["requests"], "detect": ["credentials"], "action": "block"}
            ],
            "rules": [
                {"id": "readers", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["search_*", "get_note"],
                                            "prompts": ["*"], "resources": ["notes://*"]}},
                {"id": "writers", "allow": {"who": {"roles": ["operator"], "scopes": ["mcp:write"]},
                                            "tools": ["write_note"], "tasks": [], "hide": true}},
                {"id": "never", "deny": {"who": "any", "tools": ["drop_everything"]}},
                {"id": "public", "allow": {"who": "anonymous", "methods": ["ping"]}},
                {"id": "careful", "allow": {"who": "any", "tools": ["fetch"], "other_arguments": "deny", "arguments": {
                    "url": {"required": true, "hosts": ["*.example.com"], "private": "deny", "punycode": "deny", "schemes": ["https"]},
                    "n": {"nullable": true, "type": "integer", "min": 1, "max": 9}, "tenant": {"pin": "acme"},
                    "tags": {"min_items": 1, "max_items": 3}, "tags[]": {"one_of": ["a", 1, true]},
                    "q": {"min_length": 1, "max_length": 9}, "path": {"within": ["/srv/a", "b"]}}}},
                {"id": "no_admin", "deny": {"who": "any", "tools": ["fetch"], "arguments": {"mode": {"one_of": ["admin"]}}}}
            ]
        }]
    });
    document["servers"][0]["client_certificates"] = json!("beside_token");
    let desk = json!({"id": "desk", "allow": {"who": {"certificates": ["spiffe://e/desk", "CN=desk,O=E"]}, "tools": ["search_*"]}});
    document["servers"][0]["rules"].as_array_mut().unwrap().push(desk);
    document["servers"][0]["dispatch"] = json!([
        {"tools": ["run_*"], "begins": "30s", "ends": "5m", "branch": "heavy"},
        {"methods": ["prompts/*"], "ends": "1m"}
    ]);
    document["servers"][0]["tools"] = json!({
        "input_schema": "check", "output_schema": "flag",
        "defaults": [{"tools": ["search_*"], "arguments": {"limit": 10, "sort": "date", "deep": false}}]
    });
    document
}

fn compiled(document: &Value) -> Result<Compiled, Vec<String>> {
    compile(document.to_string().as_bytes()).map_err(|e| e.iter().map(ToString::to_string).collect())
}

/// `document` with the value at `pointer` replaced (or added, for the last key of an object).
fn changed(pointer: &str, value: Value) -> Value {
    let mut document = sound();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(members) => drop(members.insert(key.to_owned(), value)),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        other => panic!("{other}"),
    }
    document
}

#[test]
fn the_sound_document_becomes_what_it_says() {
    let Compiled { guard, warnings } = compiled(&sound()).unwrap();
    assert_eq!(warnings, []);
    let server = guard.server("sample").unwrap();
    assert!(guard.hold_headers);
    assert_eq!(server.issuers, [0]);
    assert_eq!(server.metadata_url, "http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp");
    let metadata: Value = serde_json::from_str(&server.metadata).unwrap();
    assert_eq!(
        metadata,
        json!({"resource": "http://127.0.0.1:8080/mcp", "authorization_servers": ["http://127.0.0.1:8080"],
               "scopes_supported": ["mcp:read"], "bearer_methods_supported": ["header"], "resource_name": "sample",
               "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "PS256", "RS256"],
               "dpop_bound_access_tokens_required": true})
    );
    assert_eq!((server.dpop.tokens, server.dpop.max_age.as_secs()), (BoundTokens::Required, 30));
    assert!(server.dpop.is_target("http://127.0.0.1:8080/mcp"));
    assert_eq!(server.limits.response_bytes, 4096);
    let names: Vec<_> = server.limits.rates.iter().map(|l| (l.name.as_str(), l.rate.burst)).collect();
    assert_eq!(
        names,
        [
            ("principal", 600),
            ("client", 1000),
            ("organization", 90),
            ("server", 10),
            ("methods per principal: tools/*, ping", 7),
            ("tools per server: run_*", 5)
        ]
    );
    let call =
        |tool: &str| Operation { method: "tools/call".into(), targets: vec![Target::Tool(tool.into())] };
    let covers = |op: &Operation| server.limits.rates.iter().filter(|l| l.covers.holds(op)).count();
    assert_eq!((covers(&call("run_x")), covers(&call("x")), covers(&Operation::bare("ping"))), (6, 5, 5));
    assert_eq!(covers(&Operation::bare("prompts/list")), 4);
    assert_eq!(server.versions.len(), 2);
    assert_eq!((server.unknown, server.limits.streams), (Unknown::Adopt, 8));
    assert_eq!(server.rules.rules()[0].targets.tasks.len(), 1, "naming tools admits to their tasks");
    assert_eq!(server.rules.rules()[1].targets.tasks.len(), 0);
    assert_eq!(guard.issuers[1].jwks.at.authority, "tenant.example");
}

#[test]
fn metadata_says_what_becomes_of_bound_tokens() {
    for (tokens, required, algorithms) in
        [("accepted", false, 4), ("required", true, 4), ("refused", false, 0)]
    {
        let guard = compiled(&changed("/servers/0/dpop", json!({"tokens": tokens}))).unwrap().guard;
        let metadata: Value = serde_json::from_str(&guard.servers[0].metadata).unwrap();
        let named = metadata["dpop_signing_alg_values_supported"].as_array().map_or(0, Vec::len);
        assert_eq!(
            (metadata["dpop_bound_access_tokens_required"] == true, named),
            (required, algorithms),
            "{tokens}"
        );
        assert_eq!(guard.servers[0].dpop.max_age.as_secs(), 60, "unless it is given");
    }
}

#[test]
fn the_digest_is_of_the_meaning_not_of_the_spacing() {
    let a = compiled(&sound()).unwrap().guard.digest;
    let spaced = serde_json::to_string_pretty(&sound()).unwrap();
    assert_eq!(compile(spaced.as_bytes()).unwrap().guard.digest, a);
    assert_eq!(a.len(), 64);
    assert_ne!(compiled(&changed("/servers/0/name", json!("other"))).unwrap().guard.digest, a);
    let (one, other) = (br#"{"version":2,"a":1}"#, br#"{"a":1,"version":2}"#);
    let parse = |b: &[u8]| digest::digest(&json::parse(b).unwrap());
    assert_eq!(parse(one), parse(other));
}

/// `refusals.json`: each case is `[where to change the sound document, to what, every message in full]`.
#[test]
fn every_refusal_names_the_place_and_what_is_accepted() {
    let cases: Vec<(String, Value, Vec<String>)> =
        serde_json::from_str(include_str!("refusals.json")).unwrap();
    assert!(cases.len() > 90, "{}", cases.len());
    let mut wrong = Vec::new();
    for (pointer, value, expected) in cases {
        let said = compiled(&changed(&pointer, value.clone())).err().unwrap_or_default();
        if said.is_empty() || said != expected {
            wrong.push(json!([pointer, value, said]).to_string());
        }
    }
    assert!(wrong.is_empty(), "not as expected (empty: accepted); actually:\n{}", wrong.join("\n"));
}

#[test]
fn several_mistakes_are_reported_at_once() {
    let mut document = sound();
    document["servers"][0]["limts"] = json!({});
    document["servers"][0]["rules"][1]["allow"]["tool"] = json!([]);
    document["servers"][0]["rules"][1]["allow"]["hide"] = json!("yes");
    document["issuers"][0]["jwks"]["cluster"] = json!(7);
    let said = compiled(&document).unwrap_err();
    let mut places: Vec<_> = said.iter().map(|s| s.split(':').next().unwrap()).collect();
    places.sort_unstable();
    assert_eq!(
        places,
        [
            "issuers[0].jwks.cluster",
            "servers[0].limts",
            "servers[0].rules[1].allow.hide",
            "servers[0].rules[1].allow.tool"
        ],
        "{said:#?}"
    );
}

#[test]
fn what_is_doubtful_is_accepted_with_a_warning() {
    let cases = [
        ("/servers/0/rules", json!([]), "servers[0].rules: no rules: everything on this server is denied"),
        (
            "/servers/0/url",
            json!("http://mcp.example.com/mcp"),
            "servers[0].url: plain http beyond this machine: anyone on the way can take the tokens",
        ),
        (
            "/servers/0/scopes",
            json!(["offline_access"]),
            "servers[0].scopes[0]: is for the authorization server; a resource should not ask for it",
        ),
    ];
    for (pointer, value, expected) in cases {
        let warnings = compiled(&changed(pointer, value)).unwrap().warnings;
        assert_eq!(warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn two_paths_that_differ_in_case_alone_are_warned_of() {
    let with = |path: &str| {
        let mut document = sound();
        let mut other = document["servers"][0].clone();
        other["name"] = json!("other");
        other["url"] = json!("http://127.0.0.1:8080/other");
        other["match"] = json!({"path": path});
        document["servers"].as_array_mut().unwrap().push(other);
        compiled(&document).unwrap().warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(with("/mcp2"), [""; 0]);
    assert_eq!(
        with("/MCP"),
        [
            "servers[1].match.path: differs from that of servers[0] in the case of letters alone: where the server behind does \
          not tell them apart, callers choose whose rules count"
        ]
    );
}

#[test]
fn json_that_two_readers_could_read_differently_is_refused() {
    for (text, said) in [
        (
            r#"{"version":1,"version":1}"#,
            "not sound JSON: the key `version` stands twice at line 1 column 22",
        ),
        (r#"{"version":1} x"#, "not sound JSON: trailing characters at line 1 column 15"),
        ("", "not sound JSON: EOF while parsing a value at line 1 column 0"),
        ("[1]", "expected a mapping, found a list"),
        ("3", "expected a mapping, found integer `3`"),
    ] {
        let errors = compile(text.as_bytes()).unwrap_err();
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [said], "{text}");
    }
    let deep = "[".repeat(200);
    assert!(compile(deep.as_bytes()).is_err());
}

#[test]
fn only_one_issuer_of_a_server_is_asked_about_opaque_tokens() {
    let mut document = sound();
    for at in [0, 1] {
        document["issuers"][at]["validate"] = json!({"cluster": "c", "path": "/v"});
    }
    assert!(compiled(&document).is_ok(), "the server accepts one of them");
    document["servers"][0].as_object_mut().unwrap().remove("issuers");
    let said = compiled(&document).unwrap_err();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("servers[0].issuers: http://127.0.0.1:8080 and https://tenant.example/ all"));
}

#[test]
fn a_branch_is_not_called_like_another_server() {
    let with = |name: &str, dispatch: Value, place: Value| {
        let mut document = sound();
        document["hold_headers"] = json!(true);
        document["servers"][0]["dispatch"] = json!([{"tools": ["a"], "branch": "heavy"}]);
        let mut second = document["servers"][0].clone();
        second["name"] = json!(name);
        second["url"] = json!("http://127.0.0.1:8080/other");
        second["match"] = place;
        second["dispatch"] = dispatch;
        document["servers"].as_array_mut().unwrap().push(second);
        compiled(&document).err().unwrap_or_default()
    };
    let place = || json!({"path": "/other"});
    let of_first = "a branch of servers[0] has the route `mcp_sample.heavy`: choose another name";
    let of_both = "its route would be called `mcp_sample.heavy`, as one of servers[0]: choose another name";
    assert_eq!(with("sample.heavier", json!([]), place()), [""; 0]);
    assert_eq!(with("sample.heavy", json!([]), place()), [format!("servers[1].name: {of_first}")]);
    assert_eq!(
        with("b", json!([]), json!({"path": "/other", "routes": ["mcp_b", "mcp_sample.heavy"]})),
        [format!("servers[1].match.routes: {of_first}")]
    );
    let of_branch = |first: &str| {
        let named = json!({"path": "/other", "routes": [first, "mcp_sample.x"]});
        let dispatch = json!([{"tools": ["a"], "ends": "1m"}, {"tools": ["b"], "branch": "heavy"}]);
        with("b", dispatch, named)
    };
    assert_eq!(of_branch("mcp_sample"), [""; 0], "both stand behind one route");
    assert_eq!(of_branch("mcp_sampler"), [""; 0]);
    let mut document = sound();
    document["servers"][0]["name"] = json!("sample.heavy");
    document["servers"][0]["dispatch"] = json!([]);
    let mut second = sound()["servers"][0].clone();
    second["url"] = json!("http://127.0.0.1:8080/other");
    second["match"] = json!({"path": "/other"});
    second["dispatch"] = json!([{"tools": ["a"], "branch": "heavy"}]);
    document["servers"].as_array_mut().unwrap().push(second);
    let errors = compiled(&document).unwrap_err();
    assert!(errors.iter().any(|said| said.ends_with(&format!(".branch: {of_both}"))), "{errors:?}");
}

#[test]
fn two_servers_must_not_claim_one_request() {
    let mut document = sound();
    let mut second = document["servers"][0].clone();
    second["name"] = json!("second");
    second["url"] = json!("http://127.0.0.1:8080/other");
    second["match"] = json!({"hosts": ["a.example"], "path": "/mcp"});
    document["servers"].as_array_mut().unwrap().push(second);
    assert_eq!(
        compiled(&document).unwrap_err(),
        ["servers[1].match: a request could belong to this and to servers[0]"]
    );
    document["servers"][1]["match"]["path"] = json!("/mcp/deeper");
    assert!(compiled(&document).is_ok());
    document["servers"][1]["name"] = json!("sample");
    document["servers"][1]["url"] = json!("http://127.0.0.1:8080/mcp");
    assert_eq!(
        compiled(&document).unwrap_err(),
        [
            "servers[1].name: the name `sample` stands twice",
            "servers[1].url: the same as that of servers[0]: tokens for one would open the other"
        ]
    );
}

#[test]
fn a_name_without_its_issuer_is_refused_where_several_issue() {
    let mut document = sound();
    document["servers"][0].as_object_mut().unwrap().remove("issuers");
    document["servers"][0]["rules"][0]["allow"]["who"] = json!({"subjects": ["alice"], "groups": ["g"]});
    let said = compiled(&document).unwrap_err();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("servers[0].rules[0].allow.who.subjects: the server accepts several issuers")
    );
    document["servers"][0]["rules"][0]["allow"]["who"]["issuers"] = json!(["https://tenant.example/"]);
    assert!(compiled(&document).is_ok());
}

proptest::proptest! {
    /// Whatever stands where, the answer is an error or a guard, and the place of an error exists or is missing there.
    #[test]
    fn no_value_anywhere_breaks_the_compiler(at in 0usize..200, value in 0usize..8) {
        let mut pointers = Vec::new();
        collect("", &sound(), &mut pointers);
        let pointer = &pointers[at % pointers.len()];
        let values = [json!(null), json!([]), json!({}), json!(""), json!("*"), json!(0), json!([[]]), json!("\u{0}${X}é")];
        let _ = compiled(&changed(pointer, values[value].clone()));
    }
}

fn collect(at: &str, value: &Value, into: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(k, v)| (k.to_string(), v)).collect(),
        _ => vec![],
    };
    for (key, child) in children {
        into.push(format!("{at}/{key}"));
        collect(&format!("{at}/{key}"), child, into);
    }
}
