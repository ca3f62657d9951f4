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
