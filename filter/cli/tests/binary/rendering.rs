//! `render`, and `--watch`.

use crate::world::{POLICY, World};
use serde_json::{Value, json};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

#[test]
fn render_writes_what_envoy_takes() {
    let world = World::new("render");
    let ran = world.run(&["render", "policy.yaml", "--to", "ecds", "--wasm", "f.wasm", "--out", "e.json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let response: Value = serde_json::from_str(&world.read("e.json")).unwrap();
    let resource = &response["resources"][0];
    assert_eq!(resource["@type"], json!("type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"));
    assert_eq!(resource["name"], json!("wicketgate"));
    let config = &resource["typed_config"]["config"];
    assert_eq!(config["failure_policy"], json!("FAIL_RELOAD"));
    assert_eq!(config["allow_on_headers_stop_iteration"], json!(true));
    assert_eq!(config["vm_config"]["vm_id"], json!("wicketgate"));
    assert_eq!(
        config["vm_config"]["code"]["local"]["filename"],
        json!(world.0.join("f.wasm").to_str().unwrap())
    );
    // Where Envoy 1.37 looks for it, too.
    let allowed = &config["capability_restriction_config"]["allowed_capabilities"];
    assert!(allowed.get("random_get").is_some() && allowed.get("proxy_on_request_trailers").is_some());
    // What the filter is given compiles to the version that Envoy is told.
    let given = config["configuration"]["value"].as_str().unwrap();
    let compiled = wicketgate_core::config::compile(given.as_bytes()).unwrap();
    assert_eq!(response["version_info"], json!(compiled.guard.digest));
    let plain = world.run(&["render", "policy.yaml", "--to", "json"]);
    assert_eq!(wicketgate_core::config::compile(plain.out.as_bytes()).unwrap().guard, compiled.guard);
}

#[test]
fn yaml_that_is_rendered_says_the_same_as_json() {
    let world = World::new("yaml");
    world.write(
        "policy.yaml",
        &POLICY.replace("hold_headers: true", "hold_headers: false").replace("daily", "\"on\""),
    );
    for (form, wasm) in [
        ("ecds", "/f.wasm"),
        ("envoy-filter", "/f.wasm"),
        ("wasmplugin", "oci://r.example/w:1"),
        ("json", ""),
    ] {
        for name in ["o.yaml", "o.json"] {
            let ran = world.run(&["render", "policy.yaml", "--to", form, "--wasm", wasm, "--out", name]);
            assert_eq!(ran.code, Some(0), "{}", ran.err);
        }
        let yaml: Value = serde_saphyr::from_str(&world.read("o.yaml")).unwrap();
        let json: Value = serde_json::from_str(&world.read("o.json")).unwrap();
        assert_eq!(yaml, json, "{form}");
    }
    let plugin: Value =
        serde_json::from_str(&world.run(&["render", "policy.yaml", "--to", "json"]).out).unwrap();
    assert_eq!(plugin["servers"][0]["rules"][0]["allow"]["prompts"], json!(["on"]));
}

#[test]
fn a_wasm_plugin_cannot_hold_headers() {
    let world = World::new("istio");
    let ran = world.run(&["render", "policy.yaml", "--to", "wasmplugin", "--wasm", "oci://r.example/w:1"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(
        ran.err.starts_with("policy.yaml:2:15: hold_headers: a WasmPlugin cannot hold headers back"),
        "{}",
        ran.err
    );
    world.write("policy.yaml", &POLICY.replace("hold_headers: true", "hold_headers: false"));
    let ran = world.run(&["render", "policy.yaml", "--to", "wasmplugin", "--wasm", "oci://r.example/w:1"]);
    let plugin: Value = serde_saphyr::from_str(&ran.out).unwrap();
    assert_eq!(plugin["spec"]["phase"], json!("AUTHZ"));
    assert_eq!(plugin["spec"]["pluginConfig"]["servers"][0]["name"], json!("sample"));
}

#[test]
fn a_refused_policy_leaves_what_was_written() {
    let world = World::new("keep");
    world.write("o.json", "before");
    world.write("policy.yaml", &POLICY.replace("ES256", "HS256"));
    let ran = world.run(&["render", "policy.yaml", "--to", "json", "--out", "o.json"]);
    assert_eq!((ran.code, world.read("o.json").as_str()), (Some(1), "before"));
}

/// A process of ours, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn watching_takes_good_edits_and_keeps_the_last_good_one() {
    let world = World::new("watch");
    let arguments = ["render", "policy.yaml", "--to", "json", "--out", "o.json", "--watch"];
    let child = world.command(&arguments).stderr(Stdio::null()).spawn().unwrap();
    let _running = Running(child);
    let status = || serde_json::from_str::<Value>(&world.read("o.json.status.json")).unwrap_or_default();
    until(|| status()["state"] == json!("current"));
    let first = status()["digest"].clone();
    let before = world.read("o.json");

    world.write("policy.yaml", &POLICY.replace("10/m", "10/minute"));
    until(|| status()["state"] == json!("refused"));
    assert_eq!((status()["digest"].clone(), world.read("o.json")), (first.clone(), before.clone()));
    assert_eq!(status()["errors"][0]["path"], json!("servers[0].limits.tools[0].rate"));
    assert_eq!(status()["errors"][0]["line"], json!(11));

    std::fs::remove_file(world.0.join("policy.yaml")).unwrap();
    until(|| status()["errors"][0]["path"] == json!(null));
    assert_eq!(world.read("o.json"), before);

    world.write("policy.yaml", &POLICY.replace("10/m", "20/m"));
    until(|| status()["state"] == json!("current") && status()["digest"] != first);
    assert!(world.read("o.json").contains("20/m"));
}

#[test]
fn watching_takes_edits_of_a_rego_policy_too() {
    let world = World::new("watch-rego");
    let rego = |name: &str| format!("package mcp.authz\n\nallow if input.tool.name == \"{name}\"\n");
    world.write("policy.yaml", &format!("{POLICY}    rego: {{files: [authz.rego]}}\n"));
    world.write("authz.rego", &rego("a"));
    let arguments = ["render", "policy.yaml", "--to", "json", "--out", "o.json", "--watch"];
    let child = world.command(&arguments).stderr(Stdio::null()).spawn().unwrap();
    let _running = Running(child);
    let status = || serde_json::from_str::<Value>(&world.read("o.json.status.json")).unwrap_or_default();
    until(|| status()["state"] == json!("current"));
    let first = status()["digest"].clone();
    world.write("authz.rego", "package mcp.authz\n\nallow if {\n");
    until(|| status()["state"] == json!("refused"));
    assert_eq!(status()["errors"][0]["path"], json!("servers[0].rego.files[0]"));
    assert_eq!(status()["digest"], first);
    world.write("authz.rego", &rego("b"));
    until(|| status()["state"] == json!("current") && status()["digest"] != first);
}

fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not come to pass");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_policy_with_regular_expressions_says_which_module_it_needs() {
    let world = World::new("render-regex");
    world.write(
        "p.yaml",
        "version: 1\nservers:\n  - name: s\n    url: https://mcp.example.com/mcp\n    content:\n      - {id: t, regexes: [{name: \
         ticket, pattern: \"T-[0-9]{6}\"}], action: mask}\n    rules:\n      - {id: r, allow: {who: anonymous, tools: [\"*\"]}}\n",
    );
    let render =
        |wasm: &str| world.run(&["render", "p.yaml", "--to", "ecds", "--wasm", wasm, "--out", "out.yaml"]);
    let because = "servers[0].content has `regexes`";
    let ran = render("wicketgate-rego-regex.wasm");
    let said = format!("module: wicketgate-rego-regex.wasm ({because})");
    assert!(ran.code == Some(0) && ran.out.contains(&said), "{} {}", ran.out, ran.err);
    let ran = render("wicketgate.wasm");
    assert!(ran.code == Some(2) && ran.err.contains(because), "{} {}", ran.out, ran.err);
    let demand = "{who: any, tools: [t], arguments: {q: {pattern: \"[a-z]+\"}}}";
    for (rules, place) in [
        (format!("    rules:\n      - {{id: r, allow: {demand}}}\n"), "servers[0].rules[0]"),
        (format!("    rules:\n      - {{id: r, deny: {demand}}}\n"), "servers[0].rules[0]"),
        (
            format!(
                "    groups:\n      - name: g\n        issuer: https://a.example.com\n        rules:\n          - {{id: r, allow: {demand}}}\n"
            ),
            "servers[0].groups[0].rules[0]",
        ),
    ] {
        let issuers = "issuers:\n  - issuer: https://a.example.com\n    algorithms: [ES256]\n    jwks: {cluster: a, path: /k}\n";
        world.write(
            "p.yaml",
            &format!(
                "version: 1\n{issuers}servers:\n  - name: s\n    url: https://mcp.example.com/mcp\n{rules}"
            ),
        );
        let because = format!("{place} has a `pattern`");
        let ran = render("wicketgate-rego-regex.wasm");
        assert!(ran.code == Some(0) && ran.out.contains(&because), "{} {}", ran.out, ran.err);
        let ran = render("wicketgate-rego.wasm");
        assert!(ran.code == Some(2) && ran.err.contains(&because), "{} {}", ran.out, ran.err);
    }
}
