//! `check --rendered`: policies within Kubernetes objects.

use crate::world::World;
use serde_json::json;

const SOUND: &str = r#"{"version": 1, "servers": [{"name": "notes", "url": "https://mcp.example.com/mcp", "rules": [
    {"id": "all", "allow": {"who": "anonymous", "tools": ["*"]}}]}]}"#;

/// What Helm writes: comments between objects, one that holds nothing of ours, a policy as members.
fn plugin(policy: &str) -> String {
    format!(
        "---\n# Source: a\n---\n# Source: b\nkind: Service\nmetadata: {{name: mcp}}\nspec: {{version: 1}}\n---\nkind: WasmPlugin\nmetadata: \
         {{name: gate}}\nspec:\n  pluginConfig: {}\n",
        policy.replace('\n', " ")
    )
}

/// A policy as a text in a text.
fn map(policy: &str) -> String {
    let value = json!({"value": policy}).to_string();
    let text =
        json!({"resources": [{"configuration": serde_json::from_str::<serde_json::Value>(&value).unwrap()}]});
    let object = json!({"kind": "ConfigMap", "metadata": {"name": "filter"}, "data": {"filter.json": text.to_string()}});
    format!("---\n{object}\n")
}

#[test]
fn every_policy_in_the_objects_is_judged() {
    let world = World::new("rendered");
    let bad = SOUND.replace("\"tools\"", "\"tols\"");
    world.write("good.yaml", &(plugin(SOUND) + &map(SOUND)));
    let ran = world.run(&["check", "--rendered", "good.yaml"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    for line in
        ["WasmPlugin gate: sound, digest ", "ConfigMap filter: sound, digest ", "module: wicketgate.wasm"]
    {
        assert!(ran.out.contains(line), "{}", ran.out);
    }
    let ran = world.run_with(&["check", "--rendered", "-"], &(plugin(SOUND) + &map(&bad)));
    assert_eq!(ran.code, Some(1));
    for line in [
        "WasmPlugin gate: sound",
        "ConfigMap filter: servers[0].rules[0].allow.tols: unknown key `tols`",
        "ConfigMap filter: refused, 1 error\n",
    ] {
        assert!(ran.out.contains(line), "{}", ran.out);
    }
    let said = world.run_with(&["check", "--rendered", "-", "--json"], &(plugin(SOUND) + &map(&bad))).json();
    assert_eq!(said["ok"], json!(false));
    assert_eq!(
        [&said["policies"][0]["ok"], &said["policies"][1]["errors"][0]["path"]],
        [&json!(true), &json!("servers[0].rules[0].allow.tols")]
    );
}

/// There is nobody who would read files for it, or fill in the environment.
#[test]
fn it_is_judged_as_the_filter_gets_it() {
    let world = World::new("rendered-alone");
    let ran = world.run_with(
        &["check", "--rendered", "-"],
        &plugin(&SOUND.replace("\"rules\"", "\"tools\": {\"baseline\": \"pins.yaml\"}, \"rules\"")),
    );
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("`pins.yaml` is read by the command line"), "{}", ran.out);
}

#[test]
fn objects_without_a_policy_and_what_is_no_yaml_cannot_be_judged() {
    let world = World::new("rendered-none");
    for (text, says) in [
        ("kind: Service\n", "standard input: none of its objects holds a policy"),
        ("", "none of its objects"),
        ("---\na: 1\n---\na: [\n", "standard input: object 2: not sound YAML"),
    ] {
        let ran = world.run_with(&["check", "--rendered", "-"], text);
        assert_eq!(ran.code, Some(2), "{text}");
        assert!(ran.err.contains(says), "{text}: {}", ran.err);
    }
    assert_eq!(world.run(&["check", "--rendered", "nowhere.yaml"]).code, Some(2));
}
