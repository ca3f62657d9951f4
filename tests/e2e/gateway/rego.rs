//! What does a Rego policy decide in a real Envoy, and what can hostile arguments do to it there? The module is the one with
//! Rego; the files of a policy lie beside it.

use std::sync::Mutex;

use serde_json::{Value, json};
use wicketgate_e2e::{files, layout};

use super::recorder::{Recorder, Script, Seen, json_answer, result};
use super::scene::{Scene, call};
use super::stage::{self, exchange, tool_call};

/// One policy with everything that a hostile caller could aim at.
const POLICY: &str = r#"package mcp.authz

default visible := true
visible := false if input.tool.name == "hidden"

default allow := false
allow if {
	input.tool.name == "get_note"
	not denied
}
denied if startswith(input.arguments.id, "secret")
denied if input.arguments.n * input.arguments.n > 10000
denied if to_number(input.arguments.t) > 5
denied if {
	some a in input.arguments.list
	some b in input.arguments.list
	a + b == -1
}
denied if regex.match(`^(a+)+$`, input.arguments.pattern)
denied if glob.match("*.internal", ["."], input.arguments.host)
denied if contains(lower(sprintf("%v", [input.arguments.any])), "secret")
denied if replace(input.arguments.text, "a", "aa") == "b"
denied if input.headers["x-team"] == "red"
"#;

fn policy(rego: &str) -> String {
    // The Rego policy alone: whoever is known may do what it allows.
    stage::policy("{}", "").replace("    rules:\n", &format!("    rego: {rego}\n"))
}

fn listing(seen: &Seen) -> Script {
    let message = seen.json();
    if message["method"] != "tools/list" {
        return Script::Answer(json_answer(&result(seen)));
    }
    let tools = json!({"tools": [{"name": "get_note"}, {"name": "hidden"}, {"name": "write_note"}]});
    Script::Answer(json_answer(&json!({"jsonrpc": "2.0", "id": message["id"], "result": tools}).to_string()))
}

/// A world whose policy is this Rego.
async fn scene(name: &str, rego: &str) -> Scene {
    Scene::before(Recorder::start(listing).await, name, |plan| {
        plan.module = Some(layout::rego_module().unwrap());
        files::write_private(&plan.state.join("authz.rego"), rego).unwrap();
        plan.set_policy(&policy("{files: [authz.rego]}")).unwrap();
    })
    .await
}

impl Scene {
    fn with(&self, arguments: &Value) -> Vec<u8> {
        self.post(&tool_call(5, "get_note", arguments).to_string(), &[])
    }
}

/// The record of a decision with this detail.
async fn decision(scene: &Scene, detail: &str) -> Value {
    let audit = scene.world.state.join("audit.jsonl");
    let found = Mutex::new(Value::Null);
    stage::eventually(detail, stage::DEADLINE, || async {
        let text = files::read(&audit).map_err(|failure| failure.0)?;
        let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut decisions = records.filter(|record| record["record"] == "decision");
        let record = decisions.find(|record| record["detail"] == detail).ok_or("not written yet")?;
        *found.lock().unwrap() = record;
        Ok(())
    })
    .await;
    found.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rego_decides_by_arguments_and_lists_what_is_visible() {
    let scene = scene("rego", POLICY).await;
    scene.passes("no arguments that matter", &scene.with(&json!({"id": "ideas"}))).await;
    scene.passes("a number", &scene.with(&json!({"id": "a", "n": 99, "t": "5", "list": [1, 2]}))).await;
    for (what, arguments) in [
        ("a name", json!({"id": "secret-plan"})),
        ("a product", json!({"id": "a", "n": 101})),
        ("a number in a text", json!({"id": "a", "t": "6"})),
        ("an expression", json!({"id": "a", "pattern": "aaaa"})),
        ("a glob", json!({"id": "a", "host": "db.internal"})),
        ("anything", json!({"id": "a", "any": {"deep": ["SECRET"]}})),
    ] {
        let said = scene.refused(what, &scene.with(&arguments), 200, json!(-32602)).await;
        assert_eq!(said["error"]["message"], "Unknown tool: get_note", "{what}");
    }
    let red = scene.post(&call("get_note"), &[("x-team", "red")]);
    scene.refused("a header", &red, 200, json!(-32602)).await;
    let twice = scene.post(&call("get_note"), &[("x-team", "blue"), ("x-team", "red")]);
    scene.refused("a header that stands twice", &twice, 200, json!(-32602)).await;
    for name in ["hidden", "write_note", "nothing_like_it"] {
        let said = scene.refused(name, &scene.post(&call(name), &[]), 200, json!(-32602)).await;
        assert_eq!(said["error"]["message"], format!("Unknown tool: {name}"));
    }
    let list = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/list"}).to_string();
    let answer = exchange(&scene.world, &scene.post(&list, &[])).await;
    assert_eq!(
        answer.json()["result"]["tools"],
        json!([{"name": "get_note"}, {"name": "write_note"}]),
        "{answer:?}"
    );
    scene.world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_arguments_neither_trap_nor_stall_the_policy_and_are_never_allowed() {
    let scene = scene("rego-hostile", POLICY).await;
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let refused: [(&str, &str, Value); 8] = [
        ("an error: a text is no number", "an error inside the policy", json!({"id": "a", "n": "x"})),
        ("an error: no number in it", "an error inside the policy", json!({"id": "a", "t": "1_0"})),
        ("an error: no text", "an error inside the policy", json!({"id": ["secret"]})),
        ("a loop in a loop", "too many instructions", json!({"id": "a", "list": vec![0; 5000]})),
        ("a loop of texts", "too many instructions", json!({"id": "a", "list": vec!["x"; 5000]})),
        (
            "too much",
            "more arguments than the policy may be given",
            json!({"id": "a", "text": "a".repeat(100_000)}),
        ),
        (
            "too much in many parts",
            "more arguments than the policy may be given",
            json!({"id": "a", "any": vec![json!({"k": "v"}); 10_000]}),
        ),
        ("a list for a text", "an error inside the policy", json!({"id": "a", "text": nested(50)})),
    ];
    for (what, why, arguments) in refused {
        if what.starts_with("a loop of texts") {
            // Whichever comes first, the error or the bound: it is not allowed.
            scene.refused(what, &scene.with(&arguments), 200, json!(-32602)).await;
            continue;
        }
        scene.refused(what, &scene.with(&arguments), 200, json!(-32602)).await;
        let record = decision(&scene, why).await;
        assert_eq!(record["reason"], "policy_failed", "{what}: {record}");
        assert_eq!(record["rego"]["verdict"], "failed", "{what}: {record}");
        assert_eq!(record["rule"], "rego", "{what}: {record}");
    }
    for (what, arguments) in [
        ("a long pattern", json!({"id": "a", "pattern": format!("{}b", "a".repeat(60_000))})),
        ("a wide text", json!({"id": "a", "text": "a".repeat(60_000)})),
        ("a deep value", json!({"id": "a", "any": nested(55)})),
        ("a wide value", json!({"id": "a", "any": vec![0; 20_000]})),
        ("a long host", json!({"id": "a", "host": ".".repeat(60_000)})),
        ("a huge number", json!({"id": "a", "other": 1e300})),
        ("what is not read", json!({"id": "a", "blob": vec![json!([]); 30_000]})),
    ] {
        scene.passes(what, &scene.with(&arguments)).await;
    }
    let huge = format!(
        r#"{{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{{"name":"get_note","arguments":{{"id":"a","n":1{}}}}}}}"#,
        "0".repeat(300)
    );
    scene.refused("the square of a huge number", &scene.post(&huge, &[]), 200, json!(-32602)).await;
    scene.passes("all the same", &scene.with(&json!({"id": "ideas"}))).await;
    for counter in ["vm_reload_success", "vm_reload_failure", "vm_reload_backoff"] {
        let count = scene.world.envoy.stat(&format!("wasm.wicketgate.{counter}")).await.unwrap();
        assert_eq!(count.unwrap_or_default(), 0, "{counter}");
    }
    scene.world.discard().await;
}

const OBLIGING: &str = r#"package mcp.authz

default allow := false

allow := {"allow": true, "obligations": {"redact": ["mails"], "limit": ["exports"]}} if input.arguments.id == "all"

else := true
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_redacted_and_limited_as_the_policy_obliges() {
    let written = |seen: &Seen| {
        let text = json!({"content": [{"type": "text", "text": "to a@example.com"}]});
        let answer = json!({"jsonrpc": "2.0", "id": seen.json()["id"], "result": text});
        Script::Answer(json_answer(&answer.to_string()))
    };
    let rego = "{files: [authz.rego]}\n    content: [{id: mails, applies: {obliged: true}, detect: [email], action: mask}]";
    let scene = Scene::before(Recorder::start(written).await, "rego-obliges", |plan| {
        plan.module = Some(layout::rego_module().unwrap());
        files::write_private(&plan.state.join("authz.rego"), OBLIGING).unwrap();
        let limits = "limits: {obliged: [{id: exports, rate: 2/d, per: server}]}";
        plan.set_policy(&policy(rego).replace("limits: {}", limits)).unwrap();
    })
    .await;
    let said = |answer: &stage::Raw| answer.json()["result"]["content"][0]["text"].clone();
    for _ in 0..2 {
        let answer = exchange(&scene.world, &scene.with(&json!({"id": "all"}))).await;
        assert_eq!(said(&answer), "to [redacted:email]", "{answer:?}");
    }
    scene.recorder.take();
    scene.refused("a third one", &scene.with(&json!({"id": "all"})), 429, json!(-31029)).await;
    let record = decision(&scene, "obliged per server: exports").await;
    assert_eq!(record["rego"]["limit"], json!(["exports"]), "{record}");
    let answer = exchange(&scene.world, &scene.with(&json!({"id": "one"}))).await;
    assert_eq!(said(&answer), "to a@example.com", "{answer:?}");
    scene.world.discard().await;
}

/// The filter has refused a configuration with these words.
async fn logged(scene: &Scene, words: &str) {
    stage::eventually(words, stage::DEADLINE, || async {
        let log = files::read(&scene.world.state.join("envoy.log")).map_err(|failure| failure.0)?;
        if log.contains(words) { Ok(()) } else { Err("no word of it".to_owned()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_whole_changes_nothing() {
    let scene = scene("rego-whole", POLICY).await;
    let file = wicketgate_e2e::envoy::filter_configuration(&scene.world.state);
    let rendered = files::read(&file).unwrap();
    // A program begins with its mark and its version, which is another one then.
    let damaged = rendered.replacen("UkVHTwYA", "UkVHTwUA", 1);
    assert_ne!(damaged, rendered);
    files::write_private(&file, &damaged).unwrap();
    logged(&scene, "its digest differs").await;
    scene.passes("by the one before", &scene.with(&json!({"id": "ideas"}))).await;
    scene.refused("by the one before", &scene.with(&json!({"id": "secret"})), 200, json!(-32602)).await;

    // A module that has no Rego, under a name that tells nothing.
    let plain = scene.world.state.join("plain.wasm");
    std::fs::copy(layout::filter_module().unwrap(), &plain).unwrap();
    let module = layout::rego_module().unwrap();
    let lacking = rendered.replace(module.to_str().unwrap(), plain.to_str().unwrap());
    assert_ne!(lacking, rendered);
    files::write_private(&file, &lacking).unwrap();
    logged(&scene, "this module has no Rego; load wicketgate-rego-regex.wasm").await;
    exchange(&scene.world, &scene.with(&json!({"id": "secret"}))).await;
    assert_eq!(scene.recorder.bytes(), 0, "nothing passes unjudged");
    scene.world.discard().await;
}
