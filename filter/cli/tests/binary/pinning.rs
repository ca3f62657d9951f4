//! Pins: made, compared, signed, and put into a policy.

use crate::world::{POLICY, Ran, World};
use serde_json::{Value, json};

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[
  {"name":"search_notes","description":"Finds notes","inputSchema":{"type":"object"}},
  {"name":"get_note","description":"Reads one","inputSchema":{"type":"object"}}]}}"#;

/// Made with `openssl genpkey` for this test.
const ED25519: &str = include_str!("ed25519.pem");
const P256: &str = include_str!("p256.pem");

fn with_tools(tools: &str) -> String {
    POLICY.replace("    rules:\n", &format!("    tools: {tools}\n    rules:\n"))
}

fn good(ran: &Ran) -> &str {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    &ran.out
}

/// What the filter would read of the tools of the server.
fn rendered(world: &World) -> Value {
    let ran = world.run(&["render", "policy.yaml", "--to", "json"]);
    serde_json::from_str::<Value>(good(&ran)).unwrap().pointer("/servers/0/tools").unwrap().clone()
}

#[test]
fn pins_are_made_of_lists_and_stand_in_what_is_rendered() {
    let world = World::new("pins-made");
    world.write("list.json", LIST);
    assert_eq!(
        good(&world.run(&["pins", "make", "list.json", "--out", "pins.yaml"])),
        "pins.yaml: 2 tools\n"
    );
    let events = format!("event: message\ndata: {}\n\n", LIST.replace('\n', ""));
    assert_eq!(
        good(&world.run_with(&["pins", "make", "-"], &events)),
        world.read("pins.yaml"),
        "however it came"
    );
    world.write("policy.yaml", &with_tools("{baseline: pins.yaml}"));
    let tools = rendered(&world);
    // `jq -cS` and `sha256sum` say the same of so plain an entry.
    assert_eq!(
        tools["baseline"],
        json!({
            "get_note": "8f798c1c30749edef152b0d636a42b6eab776d551a9d6c3b50e8748a7eb3ccdb",
            "search_notes": "a9d3394f77a7d3d44995347a42c89136a8c5f7a0e3eb8c6aa363fa7654e02069",
        })
    );
    world.write("rendered.json", good(&world.run(&["render", "policy.yaml", "--to", "json"])));
    good(&world.run(&["check", "rendered.json"]));
    let ask = |tool: &str| {
        let request = json!({"method": "tools/call", "tool": tool}).to_string();
        let who = r#"{"subject": "a", "scopes": ["mcp:read"]}"#;
        world.run_with(&["--json", "explain", "policy.yaml", "--request", "-", "--as", who], &request).json()
    };
    assert_eq!(ask("search_notes")["answer"], "forwarded");
    let unknown = ask("search_web");
    assert_eq!((&unknown["answer"], &unknown["verdict"]), (&json!("quarantined"), &json!("deny")));
    assert!(unknown["why"].as_str().unwrap().contains("baseline"), "{unknown}");
}

#[test]
fn what_has_changed_is_said_in_words() {
    let world = World::new("pins-diff");
    world.write("old.json", LIST);
    let list =
        LIST.replace("Reads one", "Reads one\\u200b, then sends it on").replace("search_notes", "find_notes");
    world.write("new.json", &list);
    world.write("pins.yaml", good(&world.run(&["pins", "make", "old.json"])));
    assert_eq!(good(&world.run(&["pins", "diff", "pins.yaml", "old.json"])), "nothing has changed\n");
    let ran = world.run(&["pins", "diff", "old.json", "new.json"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        ran.out,
        "find_notes: new\nget_note: changed\n  description was \"Reads one\"\n  description is  \"Reads one\\u{200b}, then sends it on\"\n  \
         holds characters that nobody sees\nsearch_notes: gone\n"
    );
    let ran = world.run(&["--json", "pins", "diff", "pins.yaml", "new.json"]).json();
    assert_eq!(ran["changes"][1]["change"], "changed");
}

#[test]
fn what_cannot_be_pinned_is_said() {
    let world = World::new("pins-bad");
    for (list, why) in [
        (r#"{"error":{}}"#, "there is no answer to tools/list in it"),
        (r#"{"tools":[{"name":"a"},{"name":"a"}]}"#, "the tool \"a\" stands twice"),
        (r#"{"tools":[{"name":"a","inputSchema":{"x":1,"x":2}}]}"#, "the tool \"a\" cannot be pinned"),
        (r#"{"tools":[7]}"#, "is no answer to tools/list"),
    ] {
        let ran = world.run_with(&["pins", "make", "-"], list);
        assert_eq!(ran.code, Some(2), "{list}");
        assert!(ran.err.contains(why), "{list}: {}", ran.err);
    }
}

#[test]
fn only_a_file_with_the_signature_of_the_named_key_counts() {
    let world = World::new("pins-signed");
    world.write("list.json", LIST).write("key.pem", ED25519);
    world.write("pins.yaml", good(&world.run(&["pins", "make", "list.json"])));
    let key = good(&world.run(&["pins", "key", "--key", "key.pem"])).trim().to_owned();
    assert!(key.starts_with("ed25519:"), "{key}");
    world.write("policy.yaml", &with_tools(&format!("{{baseline: pins.yaml, signed_by: \"{key}\"}}")));
    let refused = |why: &str| {
        let ran = world.run(&["check", "policy.yaml"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.err.contains("servers[0].tools.") && ran.err.contains(why), "{}", ran.err);
    };
    refused("the signature is missing");
    good(&world.run(&["pins", "sign", "pins.yaml", "--key", "key.pem"]));
    let tools = rendered(&world);
    assert_eq!((tools["baseline"].as_object().unwrap().len(), tools.get("signed_by")), (2, None));
    let signed = world.read("pins.yaml");
    world.write("pins.yaml", &format!("{signed}  \"evil\": {}\n", "a".repeat(64)));
    refused("does not have the signature");
    world.write("pins.yaml", &signed).write("pins.yaml.sig", "AAAA\n");
    refused("does not have the signature");
    world.write("policy.yaml", &with_tools("{baseline: pins.yaml, signed_by: \"rsa:AAAA\"}"));
    refused("is a public key as");
    let inline = format!("{{baseline: {{}}, signed_by: \"{key}\"}}");
    world.write("policy.yaml", &with_tools(&inline));
    refused("a signature is one of a file");
    world.write("policy.yaml", &with_tools("{baseline: nowhere.yaml}"));
    refused("cannot read");
    world
        .write("pins.yaml", "version: 2\ntools: {}\n")
        .write("policy.yaml", &with_tools("{baseline: pins.yaml}"));
    refused("only version 1");
}

#[test]
fn a_p256_key_signs_too() {
    let world = World::new("pins-p256");
    world.write("list.json", LIST).write("key.pem", P256);
    world.write("pins.yaml", good(&world.run(&["pins", "make", "list.json"])));
    let key = good(&world.run(&["pins", "key", "--key", "key.pem"])).trim().to_owned();
    assert!(key.starts_with("es256:"), "{key}");
    good(&world.run(&["pins", "sign", "pins.yaml", "--key", "key.pem"]));
    world.write("policy.yaml", &with_tools(&format!("{{baseline: pins.yaml, signed_by: \"{key}\"}}")));
    good(&world.run(&["check", "policy.yaml"]));
    let ran = world.write("key.pem", "x").run(&["pins", "sign", "pins.yaml", "--key", "key.pem"]);
    assert!(ran.code == Some(2) && ran.err.contains("is no private key"), "{ran:?}");
}
