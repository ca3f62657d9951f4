//! `explain`.

use crate::world::{POLICY, World};
use serde_json::json;

#[test]
fn explain_tells_the_verdict_the_rule_and_every_rule_considered() {
    let world = World::new("explain");
    world.write(
        "r.json",
        r#"{"server": "sample", "principal": {"subject": "a", "scopes": ["mcp:read"]}, "method": "tools/call", "tool": "search_x"}"#,
    );
    let ran = world.run(&["explain", "policy.yaml", "--request", "r.json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let expected = "sample: tools/call tool search_x\nverdict: allow, by the rule readers\nanswer: forwarded\n\
                    -> readers (allow): matches search_x\n   never (deny): does not match: other methods or targets\n";
    assert_eq!(ran.out, expected);
    // request, --as, verdict, rule, answer
    for (request, who, verdict, rule, answer) in [
        (
            r#"{"method":"tools/call","tool":"search_x"}"#,
            "{}",
            "challenge",
            json!("readers"),
            "insufficient_scope",
        ),
        (
            r#"{"method":"tools/call","tool":"search_all"}"#,
            r#"{"scopes":"mcp:read x"}"#,
            "deny",
            json!("never"),
            "not_allowed",
        ),
        (
            r#"{"method":"tools/call","tool":"other"}"#,
            r#"{"scopes":["mcp:read"]}"#,
            "deny",
            json!(null),
            "not_allowed",
        ),
        (r#"{"method":"tools/call","tool":"other"}"#, "anonymous", "deny", json!(null), "missing_credential"),
        (r#"{"method":"x/y"}"#, r#"{"scopes":["mcp:read"]}"#, "deny", json!(null), "unknown_method"),
        (r#"{"method":"ping"}"#, r#"{"scopes":["mcp:read"]}"#, "allow", json!("readers"), "forwarded"),
        (
            r#"{"url":"http://127.0.0.1:8080/mcp","method":"resources/read","resource":"NOTES://a"}"#,
            r#"{"issuer":"http://127.0.0.1:8080","client_id":"c","groups":["g"],"roles":[],"scopes":["mcp:read"]}"#,
            "allow",
            json!("readers"),
            "forwarded",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"daily"}}"#,
            r#"{"scopes":["mcp:read"]}"#,
            "allow",
            json!("readers"),
            "forwarded",
        ),
        (
            r#"{"message":{"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"notes://{id}"}}}}"#,
            r#"{"scopes":["mcp:read"]}"#,
            "allow",
            json!("readers"),
            "forwarded",
        ),
        (
            r#"{"method":"resources/read","resource":"notes://a%2fb"}"#,
            r#"{"scopes":["mcp:read"]}"#,
            "deny",
            json!(null),
            "not_allowed",
        ),
    ] {
        let ran =
            world.run_with(&["explain", "policy.yaml", "--request", "-", "--as", who, "--json"], request);
        assert_eq!(ran.code, Some(0), "{request}: {}", ran.out);
        let said = ran.json();
        assert_eq!(
            (&said["verdict"], &said["rule"], &said["answer"]),
            (&json!(verdict), &rule, &json!(answer)),
            "{request} {who}: {said}"
        );
        assert_eq!(said["considered"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn explain_says_which_argument_decides() {
    let world = World::new("arguments");
    let rules = "      - id: fetchers\n        allow: {who: any, tools: [fetch], arguments: {limit: {max: 9}}}\n      \
                 - id: no_raw\n        deny: {who: any, tools: [fetch], arguments: {mode: {one_of: [raw]}}}\n";
    let policy = POLICY.split("      - id: readers").next().unwrap().to_owned() + rules;
    world.write("policy.yaml", &policy);
    for (given, verdict, rule, argument, says) in [
        ("{}", "allow", "fetchers", json!(null), ["matches fetch", "does not match: other arguments"]),
        (
            r#"{"limit": "5"}"#,
            "deny",
            "fetchers",
            json!({"path": "limit", "constraint": "max"}),
            ["the argument limit decides: max", "does not match: other arguments"],
        ),
        (
            r#"{"mode": "raw"}"#,
            "deny",
            "no_raw",
            json!({"path": "mode", "constraint": "one_of"}),
            ["matches fetch", "the argument mode decides: one_of"],
        ),
    ] {
        let message = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"fetch","arguments":ARGUMENTS}}"#;
        let short = r#"{"method":"tools/call","tool":"fetch","arguments":ARGUMENTS}"#;
        for request in [message, short].map(|request| request.replace("ARGUMENTS", given)) {
            let ran = world
                .run_with(&["explain", "policy.yaml", "--request", "-", "--as", "{}", "--json"], &request);
            let said = ran.json();
            assert_eq!((&said["verdict"], &said["rule"]), (&json!(verdict), &json!(rule)), "{said}");
            assert_eq!(said["argument"], argument, "{said}");
            let told: Vec<_> = said["considered"].as_array().unwrap().iter().map(|c| &c["says"]).collect();
            assert_eq!(told, says, "{said}");
            let refused = if verdict == "allow" { "forwarded" } else { "argument_refused" };
            assert_eq!(said["answer"], refused);
        }
    }
}

#[test]
fn explain_can_be_a_test_of_a_policy() {
    let world = World::new("expect");
    world.write("r.json", r#"{"principal": "anonymous", "method": "tools/call", "tool": "x"}"#);
    for (expected, code) in [("deny", 0), ("allow", 1), ("challenge", 1)] {
        let ran = world.run(&["explain", "policy.yaml", "--request", "r.json", "--expect", expected]);
        assert_eq!(ran.code, Some(code), "{expected}");
    }
    assert_eq!(
        world.run(&["explain", "policy.yaml", "--request", "r.json", "--expect", "maybe"]).code,
        Some(2)
    );
}

#[test]
fn a_request_that_is_not_understood_is_code_2_and_says_what_is() {
    let world = World::new("request");
    for (request, arguments, expected) in [
        ("{}", &["--as", "anonymous"][..], "no method"),
        (r#"{"method":"ping"}"#, &[], "who asks?"),
        (r#"{"method":"ping","principal":"bob"}"#, &[], "`bob` is nobody"),
        (r#"{"method":"ping"}"#, &["--as", "bob"], "--as is `anonymous` or an object"),
        (r#"{"method":"ping","tols":"x"}"#, &["--as", "anonymous"], "unknown field `tols`"),
        (
            r#"{"method":"ping"}"#,
            &["--as", "anonymous", "--server", "other"],
            "no server `other`; there are: sample",
        ),
        (r#"{"method":"ping","url":"http://127.0.0.1/x"}"#, &["--as", "anonymous"], "no server is at"),
        (r#"{"method":"ping"}"#, &["--as", r#"{"issuer":"https://evil"}"#], "are refused by this server"),
        (r#"{"method":"ping","message":{"method":"ping"}}"#, &["--as", "anonymous"], "as well as"),
    ] {
        let ran =
            world.run_with(&[&["explain", "policy.yaml", "--request", "-"], arguments].concat(), request);
        assert_eq!(ran.code, Some(2), "{request}");
        assert!(ran.err.contains(expected), "{request}: {}", ran.err);
    }
}

const LAYERED: &str = r#"version: 1
issuers:
  - issuer: https://as.example.com
    algorithms: [ES256]
    jwks: {cluster: auth_internal, path: /v1/jwks}
servers:
  - name: notes
    url: https://mcp.example.com/notes
    origins: ["https://one.example", "https://two.example"]
    addresses: {allow: [10.0.0.0/8]}
    rules:
      - id: all
        allow: {who: any, tools: ["*"]}
      - id: trial
        deny: {who: any, tools: [old]}
        mode: shadow
    history:
      - {id: no-leak, after: [read_secret], deny: [send_mail], within: 1h}
    organizations:
      - {name: acme, allowed_tools: ["get_*", old, send_mail]}
    clients:
      - {name: cli, max_request_size: 1000, max_requests_per_minute: 30, allowed_origins: ["https://one.example"]}
      - {name: box, sandbox_mode: true}
"#;

#[test]
fn explain_names_the_layer_and_the_key_that_decide() {
    let world = World::new("layers");
    world.write("policy.yaml", LAYERED);
    let cli = r#"{"client_id":"cli","organization":"acme"}"#;
    // request, --as, verdict, rule, answer, what shadow rules would do
    for (request, who, verdict, rule, answer, shadow) in [
        (r#"{"method":"tools/call","tool":"get_a"}"#, "{}", "allow", json!("all"), "forwarded", json!(null)),
        (
            r#"{"method":"tools/call","tool":"get_a"}"#,
            cli,
            "allow",
            json!("organizations[acme].allowed_tools"),
            "forwarded",
            json!(null),
        ),
        (
            r#"{"method":"tools/call","tool":"put_a"}"#,
            cli,
            "deny",
            json!("organizations[acme].allowed_tools"),
            "not_allowed",
            json!(null),
        ),
        (
            r#"{"method":"tools/call","tool":"get_a","bytes":1001}"#,
            cli,
            "deny",
            json!("clients[cli].max_request_size"),
            "too_large",
            json!(null),
        ),
        (
            r#"{"method":"tools/call","tool":"get_a","origin":"https://two.example"}"#,
            cli,
            "deny",
            json!("clients[cli].allowed_origins"),
            "origin_refused",
            json!(null),
        ),
        (
            r#"{"method":"tools/call","tool":"get_a","address":"192.0.2.1"}"#,
            cli,
            "deny",
            json!(null),
            "address_refused",
            json!(null),
        ),
        (
            r#"{"method":"tools/call","tool":"get_a"}"#,
            r#"{"client_id":"box"}"#,
            "deny",
            json!("clients[box].sandbox_mode"),
            "not_allowed",
            json!(null),
        ),
        (
            r#"{"method":"tools/call","tool":"get_a","read_only":true}"#,
            r#"{"client_id":"box"}"#,
            "allow",
            json!("all"),
            "forwarded",
            json!(null),
        ),
        (
            r#"{"method":"tools/call","tool":"old"}"#,
            "{}",
            "allow",
            json!("all"),
            "forwarded",
            json!({"verdict": "would_deny", "rule": "trial"}),
        ),
        (
            r#"{"method":"tools/call","tool":"send_mail","after":["read_secret"]}"#,
            "{}",
            "deny",
            json!("no-leak"),
            "history_refused",
            json!(null),
        ),
    ] {
        let ran =
            world.run_with(&["explain", "policy.yaml", "--request", "-", "--as", who, "--json"], request);
        assert_eq!(ran.code, Some(0), "{request}: {}", ran.err);
        let said = ran.json();
        assert_eq!(
            (&said["verdict"], &said["rule"], &said["answer"], &said["shadow"]),
            (&json!(verdict), &rule, &json!(answer), &shadow),
            "{request} {who}: {said}"
        );
    }
    let request = r#"{"method":"tools/call","tool":"put_a"}"#;
    let ran = world.run_with(&["explain", "policy.yaml", "--request", "-", "--as", cli], request);
    let expected = "notes: tools/call tool put_a\nverdict: deny, by the rule organizations[acme].allowed_tools\n\
                    answer: not_allowed\nlayer: organizations[acme]\n\
                    layer: clients[cli], max_request_size 1000, 30 requests a minute\n   all (allow): matches put_a\n   \
                    trial (deny, shadow): does not match: other methods or targets\n\
                    -> organizations[acme].allowed_tools (allow): allows other things, and its layer nothing beyond them\n   \
                    clients[box].sandbox_mode (deny): does not count: a layer of others\n";
    assert_eq!(ran.out, expected);
}

#[test]
fn explain_names_the_rules_about_contents_that_count() {
    let world = World::new("explain-content");
    world.write(
        "p.yaml",
        "version: 1\nservers:\n  - name: s\n    url: https://mcp.example.com/mcp\n    content:\n      - {id: all, detect: \
         [credentials], action: mask}\n      - {id: other, applies: {tools: [b]}, detect: [email], action: drop}\n      - {id: \
         roles, applies: {who: {roles: [x]}}, characters: strip}\n      - {id: near, applies: {who: {addresses: [10.0.0.0/8]}}, \
         detect: [email], action: mask}\n      - {id: far, applies: {who: {addresses: [192.0.2.0/24]}}, detect: [email], action: \
         mask}\n      - {id: sent, applies: {tools: [b]}, in: [requests], detect: [email], action: block}\n    rules:\n      - \
         {id: r, allow: {who: anonymous, tools: [\"*\"]}}\n",
    );
    world.write("r.json", r#"{"method": "tools/call", "tool": "a", "address": "10.1.2.3"}"#);
    let ran = world.run(&["explain", "p.yaml", "--request", "r.json", "--as", "anonymous"]);
    let expected = "content: all (mask): counts\n\
                    content: other (drop): counts in a session, where an answer may be another request's\n\
                    content: near (mask): counts\n";
    assert!(ran.out.ends_with(expected) && ran.code == Some(0), "{} {}", ran.out, ran.err);
}

#[test]
fn explain_says_where_a_call_goes_and_how_long_it_may_take() {
    let world = World::new("ways");
    let at = "address: \"127.0.0.1:3001\"";
    let more = format!(
        "    upstream: {{{at}, silence: 1m, branches: [{{name: heavy, upstream: {{{at}, cluster: big}}}}, {{name: slow, \
         upstream: {{{at}}}}}]}}\n    dispatch:\n      - {{tools: [search_big], branch: heavy, ends: 5m}}\n      - {{tools: \
         [search_slow], branch: slow, begins: 30s}}\n    rules:\n"
    );
    world.write(
        "policy.yaml",
        &POLICY.replace("version: 1\n", "version: 1\nedge: {}\n").replace("    rules:\n", &more),
    );
    let ask = |tool: &str, arguments: &[&str]| {
        let request = json!({"method": "tools/call", "tool": tool}).to_string();
        let all = ["explain", "policy.yaml", "--request", "-", "--as", r#"{"scopes":["mcp:read"]}"#];
        world.run_with(&[&all[..], arguments].concat(), &request)
    };
    for (tool, expected) in [
        (
            "search_big",
            json!({"entry": 0, "branch": "heavy", "route": "mcp_sample.heavy", "cluster": "big", "begins_ms": null,
                   "ends_ms": 300_000, "silence_ms": 3_600_000}),
        ),
        (
            "search_slow",
            json!({"entry": 1, "branch": "slow", "route": "mcp_sample.slow", "cluster": "mcp_sample_slow", "begins_ms": 30_000,
                   "ends_ms": null, "silence_ms": 3_600_000}),
        ),
        (
            "search_x",
            json!({"entry": null, "branch": null, "route": "mcp_sample", "cluster": "mcp_sample", "begins_ms": null,
                   "ends_ms": null, "silence_ms": 60_000}),
        ),
    ] {
        assert_eq!(ask(tool, &["--json"]).json()["dispatch"], expected, "{tool}");
    }
    let line = "   goes by the route mcp_sample.heavy to the cluster big, by dispatch[0], its answer ends within 300000 ms\n";
    let ran = ask("search_big", &[]);
    assert!(ran.out.contains(line), "{}{}", ran.out, ran.err);
    assert_eq!(ask("search_all", &["--json"]).json().get("dispatch"), None, "what is refused goes nowhere");
    world.write("policy.yaml", POLICY);
    assert_eq!(ask("search_x", &["--json"]).json().get("dispatch"), None, "nothing is said of ways");
}
