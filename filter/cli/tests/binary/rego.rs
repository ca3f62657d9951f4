//! Rego: compiled by `check` and `render`, asked by `explain`, tested by `test`.

use crate::world::{POLICY, World};
use serde_json::json;

const REGO: &str = r#"package mcp.authz

default allow := false

allow if input.arguments.query != "*"

allow if regular

regular if "operator" in input.principal.roles
"#;

const TESTS: &str = r#"package mcp.authz_test

import data.mcp.authz

test_a_search if authz.allow with input as {"arguments": {"query": "x"}, "principal": {"roles": []}}

test_not_for_everything if not authz.allow with input as {"arguments": {"query": "*"}, "principal": {"roles": []}}
"#;

fn world(name: &str) -> World {
    let world = World::new(name);
    world.write("policy.yaml", &format!("{POLICY}    rego: {{files: [authz.rego]}}\n"));
    world.write("authz.rego", REGO);
    world.write("authz_test.rego", TESTS);
    world
}

#[test]
fn check_compiles_a_policy_and_says_which_module_it_needs() {
    let world = world("rego-check");
    let ran = world.run(&["check", "policy.yaml"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(
        ran.out.contains("module: wicketgate-rego.wasm (servers[0].rego is a Rego policy)"),
        "{}",
        ran.out
    );
    world.write("authz.rego", &REGO.replace("!= \"*\"", "!= regex.match(\"^a\", input.method)"));
    let said = world.run(&["check", "policy.yaml", "--json"]).json();
    assert_eq!(said["module"], json!("wicketgate-rego-regex.wasm"));
    world.write("plain.yaml", POLICY);
    assert_eq!(world.run(&["check", "plain.yaml", "--json"]).json()["module"], json!("wicketgate.wasm"));
}

#[test]
fn what_is_wrong_with_a_policy_is_told_with_its_line() {
    let world = world("rego-wrong");
    world.write("authz.rego", &REGO.replace("arguments.query", "args.query"));
    let ran = world.run(&["check", "policy.yaml"]);
    assert_eq!(ran.code, Some(1));
    let expected = "policy.yaml:17:20: servers[0].rego.files[0]: authz.rego:5: there is no `input.args`;";
    assert!(ran.err.starts_with(expected), "{}", ran.err);
    for (files, said) in [
        ("[]", "an empty list holds no policy"),
        ("[missing.rego]", "cannot read missing.rego"),
        ("[authz_test.rego]", "`authz_test.rego` holds tests, which `wicketgate test` runs"),
    ] {
        world.write("other.yaml", &format!("{POLICY}    rego: {{files: {files}}}\n"));
        let ran = world.run(&["check", "other.yaml"]);
        assert!(ran.code == Some(1) && ran.err.contains(said), "{}", ran.err);
    }
}

#[test]
fn render_carries_the_program_and_refuses_a_module_without_rego() {
    let world = world("rego-render");
    let rendered = world.run(&["render", "policy.yaml", "--to", "json"]).json();
    let rego = &rendered["servers"][0]["rego"];
    assert!(rego.get("files").is_none() && rego["compiled"]["program"].is_string(), "{rego}");
    assert_eq!(rego["compiled"]["arguments"], json!([["query"]]));
    world.write("rendered.json", &rendered.to_string());
    assert_eq!(world.run(&["check", "rendered.json"]).code, Some(0), "what was rendered can be checked");
    let ran = world.run(&["render", "policy.yaml", "--to", "ecds", "--wasm", "a/wicketgate.wasm"]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.err.contains("the policy needs wicketgate-rego.wasm, because servers[0].rego"),
        "{}",
        ran.err
    );
    for module in ["a/wicketgate-rego.wasm", "a/wicketgate-rego-regex.wasm", "a/of-my-own.wasm"] {
        let ran = world.run(&["render", "policy.yaml", "--to", "ecds", "--wasm", module]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
}

#[test]
fn explain_asks_rules_and_then_the_policy() {
    let world = world("rego-explain");
    let ask = |query: &str, roles: &str, expect: &str| {
        let request = format!(
            r#"{{"method": "tools/call", "tool": "search_notes", "arguments": {{"query": "{query}"}},
                "principal": {{"subject": "a", "scopes": ["mcp:read"], "roles": [{roles}]}}}}"#
        );
        world.run_with(&["explain", "policy.yaml", "--request", "-", "--expect", expect], &request)
    };
    let allowed = ask("x", "", "allow");
    assert!(allowed.code == Some(0) && allowed.out.contains("by the rule readers"), "{allowed:?}");
    let denied = ask("*", "", "deny");
    assert_eq!(denied.code, Some(0), "{denied:?}");
    assert!(
        denied.out.contains("verdict: deny, by the Rego policy\nanswer: not_allowed\n"),
        "{}",
        denied.out
    );
    assert!(denied.out.contains("-> Rego policy: deny, false"), "{}", denied.out);
    assert_eq!(ask("*", "\"operator\"", "allow").code, Some(0));
}

#[test]
fn tests_pass_fail_and_tell_what_they_reach() {
    let world = world("rego-test");
    let ran = world.run(&["test"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    assert!(ran.out.contains("pass  data.mcp.authz_test.test_a_search\n"), "{}", ran.out);
    assert!(ran.out.contains("2 tests, 0 failed\n"), "{}", ran.out);
    let said = world.run(&["test", ".", "--json"]).json();
    assert_eq!((&said["ok"], &said["failed"]), (&json!(true), &json!(0)));
    assert_eq!(said["tests"].as_array().unwrap().len(), 2);
    assert!(said["coverage"][0]["percent"].as_u64().unwrap() <= 100, "{said}");
    assert_eq!(
        world.run(&["test", "--run", "everything", "--json"]).json()["tests"].as_array().unwrap().len(),
        1
    );
    world.write("more_test.rego", "package mcp.authz_test\n\ntest_wrong if 1 == 2\n");
    let ran = world.run(&["test"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.out.contains("FAIL  data.mcp.authz_test.test_wrong (./more_test.rego): undefined"),
        "{}",
        ran.out
    );
    let ran = world.run(&["test", "authz.rego"]);
    assert!(ran.code == Some(2) && ran.err.contains("no tests"), "{ran:?}");
    assert_eq!(world.run(&["test", "nowhere"]).code, Some(2));
}

#[test]
fn tests_of_what_the_gateway_refuses_fail() {
    let world = world("rego-test-refused");
    world.write("authz.rego", &format!("{REGO}\nallow if walk(input.arguments, [_, 1])\n"));
    let ran = world.run(&["test", "authz.rego", "authz_test.rego"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("the gateway refuses this policy: "), "{}", ran.out);
}

#[test]
fn a_threshold_counts_lines_that_no_test_reaches() {
    let world = world("rego-threshold");
    world.write(
        "authz.rego",
        &format!("{REGO}\nnever_reached if {{\n\tinput.method == \"x\"\n\tinput.tool.name == \"y\"\n}}\n"),
    );
    let ran = world.run(&["test", "--threshold", "100"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.out.contains("below the threshold of 100 %") && ran.out.contains("not reached: "),
        "{}",
        ran.out
    );
    assert_eq!(world.run(&["test", "--threshold", "30"]).code, Some(0));
}

#[test]
fn explain_tells_to_what_a_policy_obliges() {
    let world = world("rego-obliges");
    let keys = "    rego: {files: [authz.rego]}\n    content: [{id: mails, applies: {obliged: true}, detect: [email], action: mask}]\n";
    let limits = "limits:\n      obliged: [{id: exports, rate: 1/h}]";
    world.write("policy.yaml", &format!("{}{keys}", POLICY.replace("limits:", limits)));
    world.write(
        "authz.rego",
        "package mcp.authz\n\nallow := {\"allow\": true, \"obligations\": {\"redact\": [\"mails\"], \"limit\": [\"exports\"]}}\n",
    );
    let request = r#"{"method": "tools/call", "tool": "search_notes", "principal": {"subject": "a", "scopes": ["mcp:read"]}}"#;
    world.write("request.json", request);
    let said = world.run(&["explain", "policy.yaml", "--request", "request.json", "--json"]).json();
    assert_eq!(said["rego"]["redact"], json!(["mails"]), "{said}");
    assert_eq!(said["content"][0]["counts"], "counts", "{said}");
    let said = world.run(&["explain", "policy.yaml", "--request", "request.json"]).out;
    assert!(
        said.contains("takes a token of: exports") && said.contains("content: mails (mask): counts"),
        "{said}"
    );
}
