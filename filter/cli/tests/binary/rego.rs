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

const TEAMS: &str = r#"package mcp.authz

default allow := false

allow if input.principal.subject in data.teams[input.arguments.team]
"#;

fn asks(world: &World, team: &str, expect: &str) {
    let request = format!(
        r#"{{"method": "tools/call", "tool": "search_notes", "arguments": {{"team": "{team}"}},
            "principal": {{"subject": "alice", "scopes": ["mcp:read"]}}}}"#
    );
    let ran = world.run_with(&["explain", "policy.yaml", "--request", "-", "--expect", expect], &request);
    assert_eq!(ran.code, Some(0), "{team}: {ran:?}");
}

#[test]
fn data_documents_are_read_merged_and_carried() {
    let world = world("rego-data");
    world.write(
        "policy.yaml",
        &format!("{POLICY}    rego: {{files: [authz.rego], data: [teams.json, more.yaml]}}\n"),
    );
    world.write("authz.rego", TEAMS);
    world.write("teams.json", r#"{"teams": {"red": ["alice"]}}"#);
    world.write("more.yaml", "teams: {blue: [bob]}\n");
    asks(&world, "red", "allow");
    asks(&world, "blue", "deny");
    asks(&world, "green", "deny");
    let rendered = world.run(&["render", "policy.yaml", "--to", "json"]).json();
    let rego = &rendered["servers"][0]["rego"];
    assert_eq!(rego["compiled"]["data"], r#"{"teams":{"blue":["bob"],"red":["alice"]}}"#);
    assert!(rego.get("data").is_none() && rego.get("files").is_none(), "{rego}");
    world.write("rendered.json", &rendered.to_string());
    assert_eq!(world.run(&["check", "rendered.json"]).code, Some(0), "what was rendered can be checked");
    world.write("changed.json", &rendered.to_string().replace("bob", "eve"));
    assert!(world.run(&["check", "changed.json"]).err.contains("its digest differs"));
    for (file, text, said) in [
        (
            "more.yaml",
            "teams: {red: [bob]}\n",
            "servers[0].rego.data[1]: more.yaml: `data.teams.red` stands in two",
        ),
        (
            "more.yaml",
            "teams: {blue: no}\n",
            "servers[0].rego.data[1]: more.yaml: `no` is true or false for OPA",
        ),
        (
            "more.yaml",
            "mcp: {authz: {allow: x}}\n",
            "servers[0].rego.files: the data documents hold `data.mcp.authz`",
        ),
        ("teams.json", "{}", ""),
        ("teams.json", "{", "servers[0].rego.data[0]: teams.json: not sound JSON"),
    ] {
        world
            .write("more.yaml", "teams: {blue: [bob]}\n")
            .write("teams.json", r#"{"teams": {"red": ["alice"]}}"#);
        world.write(file, text);
        let ran = world.run(&["check", "policy.yaml"]);
        assert!(ran.err.contains(said) && (ran.code == Some(1)) != said.is_empty(), "{text}: {ran:?}");
    }
}

/// A folder as OPA lays a bundle out.
fn laid_out(name: &str) -> World {
    let world = world(name);
    for folder in ["bundle/authz", "bundle/teams"] {
        std::fs::create_dir_all(world.0.join(folder)).unwrap();
    }
    world.write("bundle/authz/authz.rego", TEAMS);
    world.write("bundle/authz/authz_test.rego", "package mcp.authz_test\n\nimport data.mcp.authz\n\ntest_red if authz.allow with input as {\"principal\": {\"subject\": \"alice\"}, \"arguments\": {\"team\": \"red\"}}\n");
    world.write("bundle/teams/data.json", r#"{"red": ["alice"], "blue": ["bob"]}"#);
    world.write("bundle/teams/notes.json", r#"{"red": ["eve"]}"#);
    world.write("bundle/.manifest", r#"{"revision": "1", "roots": [""], "rego_version": 1}"#);
    world.write("policy.yaml", &format!("{POLICY}    rego: {{bundle: bundle}}\n"));
    world
}

#[test]
fn a_bundle_is_a_folder_or_what_is_made_of_it() {
    let world = laid_out("rego-bundle");
    asks(&world, "red", "allow");
    asks(&world, "blue", "deny");
    let folder = world.run(&["render", "policy.yaml", "--to", "json"]).json();
    let packed = std::process::Command::new("tar")
        .args(["-czf", "bundle.tar.gz", "-C", "bundle", "."])
        .current_dir(&world.0)
        .status()
        .unwrap();
    assert!(packed.success());
    world.write("policy.yaml", &format!("{POLICY}    rego: {{bundle: bundle.tar.gz}}\n"));
    asks(&world, "red", "allow");
    assert_eq!(world.run(&["render", "policy.yaml", "--to", "json"]).json(), folder, "the same either way");
    let bytes = std::fs::read(world.0.join("bundle.tar.gz")).unwrap();
    std::fs::write(world.0.join("bundle.tar.gz"), &bytes[..bytes.len() / 2]).unwrap();
    let ran = world.run(&["check", "policy.yaml"]);
    assert!(ran.code == Some(1) && ran.err.contains("no .tar.gz of a bundle"), "{ran:?}");
    world.write("policy.yaml", &format!("{POLICY}    rego: {{bundle: bundle}}\n"));
    for (file, text, said) in [
        ("policy.wasm", "", "policy.wasm: built for Wasm"),
        (".signatures.json", "{}", "signatures are not checked here"),
        ("patch.json", "{}", "a part of a bundle"),
        ("teams/data.yaml", "red: [eve]\n", "teams/data.yaml: `data.teams.red` stands in two data documents"),
        (".manifest", r#"{"rego_version": 0}"#, ".manifest: `rego_version` is 1 here"),
    ] {
        let world = laid_out("rego-bundle-refused");
        world.write(&format!("bundle/{file}"), text);
        let ran = world.run(&["check", "policy.yaml"]);
        assert!(ran.code == Some(1) && ran.err.contains(said), "{file}: {ran:?}");
        std::fs::remove_dir_all(world.0.join("bundle")).unwrap();
    }
}

#[test]
fn tests_see_the_data_that_lies_beside_them() {
    let world = laid_out("rego-test-data");
    let ran = world.run(&["test", "bundle"]);
    assert!(ran.code == Some(0) && ran.out.contains("1 tests, 0 failed"), "{ran:?}");
    world.write("teams.json", r#"{"teams": {"red": ["bob"]}}"#);
    let ran = world.run(&["test", "bundle/authz", "teams.json"]);
    assert!(ran.code == Some(1) && ran.out.contains("test_red"), "{ran:?}");
    let ran = world.run(&["test", "bundle/authz"]);
    assert!(ran.out.contains("the gateway refuses this policy: "), "no data: {ran:?}");
}

#[test]
fn explain_shows_what_an_opa_would_be_asked() {
    let world = World::new("opa-explain");
    let opa = "    opa: {cluster: opa, path: /v1/data/mcp/authz/allow, headers: [x-team]}\n";
    world.write("policy.yaml", &format!("{POLICY}{opa}"));
    let request = r#"{"method": "tools/call", "tool": "search_notes", "arguments": {"query": "x"}, "headers": {"X-Team": "red"},
        "principal": {"subject": "alice", "scopes": ["mcp:read"]}}"#;
    let said = world.run_with(&["explain", "policy.yaml", "--request", "-", "--json"], request).json();
    let input = &said["opa"]["asked"][0]["input"];
    assert_eq!(
        (&input["arguments"], &input["headers"]),
        (&json!({"query": "x"}), &json!({"x-team": "red"})),
        "{said}"
    );
    let ran = world.run_with(&["explain", "policy.yaml", "--request", "-"], request);
    assert!(ran.out.contains("OPA: 1 questions to opa (/v1/data/mcp/authz/allow)"), "{}", ran.out);
    let other = request.replace("search_notes", "other");
    let said = world.run_with(&["explain", "policy.yaml", "--request", "-", "--json"], &other).json();
    assert!(said.get("opa").is_none(), "no rule allows it: {said}");
}
