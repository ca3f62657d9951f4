//! Is everything that a request can name judged, in both eras? Prompts, resources, templates, completions, subscriptions.

use serde_json::{Value, json};
use wicketgate_e2e::client::mcp::MODERN;

use super::recorder::{Recorder, Script, Seen, json_answer, result};
use super::scene::{Scene, call};
use super::stage::{self, Raw, exchange, mirrored};

const RULES: &str = r#"      - {id: some, allow: {who: {scopes: [mcp:read]}, tools: [get_note], prompts: ["sum_*"], resources: ["notes://note/*"]}}
      - {id: never, deny: {who: any, prompts: [sum_secret], resources: ["notes://note/secret/*"]}}
"#;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Era {
    Legacy,
    Modern,
}

const BOTH: [Era; 2] = [Era::Legacy, Era::Modern];

fn script(seen: &Seen) -> Script {
    let message = seen.json();
    let list = match message["method"].as_str() {
        Some("prompts/list") => {
            json!({"prompts": [{"name": "sum_secret"}, {"name": "sum_note"}, {"name": "x"}]})
        }
        Some("resources/list") => {
            json!({"resources": [{"uri": "notes://index"}, {"uri": "notes://note/a"}, {"uri": "notes://note/secret/a"}]})
        }
        Some("resources/templates/list") => json!({"resourceTemplates": [
            {"uriTemplate": "file:///{path}"}, {"uriTemplate": "notes://note/{id}"},
            {"uriTemplate": "notes://note/secret/{id}"},
        ]}),
        _ => return Script::Answer(json_answer(&result(seen))),
    };
    Script::Answer(json_answer(&json!({"jsonrpc": "2.0", "id": message["id"], "result": list}).to_string()))
}

fn spelled(scene: &Scene, era: Era, method: &str, mut params: Value) -> Vec<u8> {
    if era == Era::Legacy {
        let body = json!({"jsonrpc": "2.0", "id": 5, "method": method, "params": params});
        return scene.post(&body.to_string(), &[]);
    }
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let member = if method == "resources/read" { "uri" } else { "name" };
    let named = matches!(method, "prompts/get" | "resources/read");
    let name = if named { params[member].as_str() } else { None };
    let body = json!({"jsonrpc": "2.0", "id": 5, "method": method, "params": params});
    scene.post(&body.to_string(), &mirrored(method, name))
}

async fn ask(scene: &Scene, era: Era, method: &str, params: Value) -> Raw {
    exchange(&scene.world, &spelled(scene, era, method, params)).await
}

fn complete(reference: Value) -> (&'static str, Value) {
    ("completion/complete", json!({"ref": reference, "argument": {"name": "id", "value": ""}}))
}

/// What passes, and in which eras.
fn allowed() -> Vec<(&'static [Era], (&'static str, Value))> {
    vec![
        (&BOTH, ("prompts/get", json!({"name": "sum_note"}))),
        (&BOTH, ("resources/read", json!({"uri": "notes://note/a"}))),
        (&BOTH, complete(json!({"type": "ref/prompt", "name": "sum_note"}))),
        (&BOTH, complete(json!({"type": "ref/resource", "uri": "notes://note/{id}"}))),
        (&BOTH, complete(json!({"type": "ref/resource", "uri": "notes://note/a"}))),
        (&[Era::Legacy], ("resources/subscribe", json!({"uri": "notes://note/a"}))),
        (&[Era::Legacy], ("resources/unsubscribe", json!({"uri": "notes://note/a"}))),
        (&[Era::Modern], ("subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}))),
        (&[Era::Modern], listen(&["notes://note/a", "notes://note/b"])),
    ]
}

fn listen(uris: &[&str]) -> (&'static str, Value) {
    ("subscriptions/listen", json!({"notifications": {"resourceSubscriptions": uris}}))
}

/// What is refused, by which name.
fn denied() -> Vec<(&'static str, (&'static str, Value))> {
    vec![
        ("prompt: sum_secret", ("prompts/get", json!({"name": "sum_secret"}))),
        ("prompt: x", ("prompts/get", json!({"name": "x"}))),
        ("notes://note/secret/a", ("resources/read", json!({"uri": "notes://note/secret/a"}))),
        ("notes://note/%73ecret/a", ("resources/read", json!({"uri": "notes://note/%73ecret/a"}))),
        ("NOTES://note/x/../secret/a", ("resources/read", json!({"uri": "NOTES://note/x/../secret/a"}))),
        ("prompt: x", complete(json!({"type": "ref/prompt", "name": "x"}))),
        ("prompt: sum_secret", complete(json!({"type": "ref/prompt", "name": "sum_secret"}))),
        ("file:///{path}", complete(json!({"type": "ref/resource", "uri": "file:///{path}"}))),
        (
            "notes://note/secret/{id}",
            complete(json!({"type": "ref/resource", "uri": "notes://note/secret/{id}"})),
        ),
        ("notes://note/secret/a", complete(json!({"type": "ref/resource", "uri": "notes://note/secret/a"}))),
        ("notes://index", ("resources/subscribe", json!({"uri": "notes://index"}))),
        ("notes://note/secret/a", ("resources/unsubscribe", json!({"uri": "notes://note/secret/a"}))),
        ("notes://index", listen(&["notes://note/a", "notes://index"])),
    ]
}

/// What names two things or nothing that could be judged.
fn unsound() -> Vec<(&'static str, (&'static str, Value))> {
    let both = json!({"type": "ref/prompt", "name": "sum_note", "uri": "notes://index"});
    vec![
        ("a reference to two things", complete(both)),
        ("a reference of another type", complete(json!({"type": "ref/tool", "name": "sum_note"}))),
        ("a reference without a type", complete(json!({"name": "sum_note"}))),
        ("a reference that is a list", complete(json!([{"type": "ref/prompt", "name": "sum_note"}]))),
        (
            "URIs in an object",
            (
                "subscriptions/listen",
                json!({"notifications": {"resourceSubscriptions": {"uri": "notes://index"}}}),
            ),
        ),
        ("a name that is a list", ("prompts/get", json!({"name": ["sum_note"]}))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_request_names_is_judged() {
    let scene = Scene::before(Recorder::start(script).await, "targets", |plan| {
        plan.set_policy(&stage::policy("{}", RULES)).unwrap();
    })
    .await;
    for (eras, (method, params)) in allowed() {
        for era in eras {
            let answer = ask(&scene, *era, method, params.clone()).await;
            assert!(
                answer.status == 200 && answer.json()["result"].is_object(),
                "{era:?} {method} {params}: {answer:?}"
            );
            let seen = scene.recorder.take();
            assert_eq!((seen.len(), &seen[0].json()["method"]), (1, &json!(method)), "{era:?}");
        }
    }
    for (name, (method, params)) in denied() {
        for era in BOTH {
            let what = format!("{era:?} {method} {params}");
            let bytes = spelled(&scene, era, method, params.clone());
            let (code, message) = match name.strip_prefix("prompt: ") {
                Some(prompt) => (-32602, format!("Unknown prompt: {prompt}")),
                None if era == Era::Modern => (-32602, format!("Resource not found: {name}")),
                None => (-32002, format!("Resource not found: {name}")),
            };
            let answer = scene.refused(&what, &bytes, 200, json!(code)).await;
            assert_eq!((&answer["error"]["message"], &answer["id"]), (&json!(message), &json!(5)), "{what}");
        }
    }
    for (what, (method, params)) in unsound() {
        for era in BOTH {
            let bytes = spelled(&scene, era, method, params.clone());
            let code = scene.refused(what, &bytes, 400, Value::Null).await["error"]["code"].clone();
            assert!(code == -32602 || code == -32020, "{era:?} {what}: {code}");
        }
    }
    scene.passes("at last", &scene.post(&call("get_note"), &[])).await;
    scene.world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_every_kind_are_cut() {
    let scene = Scene::before(Recorder::start(script).await, "targets-lists", |plan| {
        plan.set_policy(&stage::policy("{}", RULES)).unwrap();
    })
    .await;
    for era in BOTH {
        for (method, member, expected) in [
            ("prompts/list", "prompts", json!([{"name": "sum_note"}])),
            ("resources/list", "resources", json!([{"uri": "notes://note/a"}])),
            ("resources/templates/list", "resourceTemplates", json!([{"uriTemplate": "notes://note/{id}"}])),
        ] {
            let answer = ask(&scene, era, method, json!({})).await;
            let result = &answer.json()["result"];
            assert_eq!((answer.status, &result[member]), (200, &expected), "{era:?} {method}: {answer:?}");
            let scope = if era == Era::Modern { json!("private") } else { Value::Null };
            assert_eq!(result["cacheScope"], scope, "{era:?} {method}");
        }
    }
    scene.world.discard().await;
}
