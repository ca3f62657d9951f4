//! Are calls and answers as the tools say themselves? And does what a server fills in arrive, whole and with its length?
//!
//! With held headers: a body that changes needs them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use wicketgate_e2e::world::{HostMode, World};

use super::recorder::{Recorder, Script, Seen, event_stream, json_answer};
use super::scene::Scene;
use super::stage::{self, exchange, request};
use super::stand_in::clusters;

const RULES: &str = "      - {id: some, allow: {who: {scopes: [mcp:read]}, tools: [get_note, other], arguments: {limit: {max: 9}}}}\n";

/// The usual policy with these settings of tools (YAML, on one line).
fn policy(tools: &str) -> String {
    stage::policy("{request_bytes: 64KiB}", RULES)
        .replace("    rules:\n", &format!("    tools: {tools}\n    rules:\n"))
}

/// Lists one tool with schemas; answers calls with what they ask for.
fn script(seen: &Seen) -> Script {
    let message = seen.json();
    let result = match message["method"].as_str() {
        Some("tools/list") => json!({"tools": [{
            "name": "get_note",
            "inputSchema": {
                "type": "object",
                "properties": {"id": {"type": "string"}, "limit": {"type": "integer"}, "answer": true, "stream": true},
                "required": ["id"], "additionalProperties": false,
            },
            "outputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
        }]}),
        _ if message["params"]["arguments"]["fails"] == true => json!({"content": [], "isError": true}),
        _ => json!({"content": [], "structuredContent": message["params"]["arguments"]["answer"]}),
    };
    let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string();
    if let Some(text) = message["params"]["arguments"]["text"].as_str() {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}", text.len());
        return Script::Answer(format!("{head}\r\n\r\n{text}").into_bytes());
    }
    if message["params"]["arguments"]["stream"] == true {
        let mut bytes = event_stream(&format!("data: {answer}\n\n"));
        bytes.extend_from_slice(b"0\r\n\r\n");
        return Script::Answer(bytes);
    }
    Script::Answer(json_answer(&answer))
}

/// One worker: each remembers for itself what it has seen.
async fn scene(name: &str, tools: &str) -> Scene {
    Scene::before(Recorder::start(script).await, name, |plan| {
        plan.host_mode = HostMode::Hold;
        plan.workers = Some(1);
        plan.set_policy(&policy(tools)).unwrap();
    })
    .await
}

fn call(arguments: &Value) -> String {
    stage::tool_call(5, "get_note", arguments).to_string()
}

async fn list(scene: &Scene) {
    let message = json!({"jsonrpc": "2.0", "id": 4, "method": "tools/list"}).to_string();
    let listed = exchange(&scene.world, &scene.post(&message, &[])).await;
    assert_eq!(listed.json()["result"]["tools"][0]["name"], "get_note", "{listed:?}");
    scene.recorder.take();
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_are_held_against_the_schema_of_the_list() {
    let scene = scene("input-schema", "{input_schema: check}").await;
    scene.passes("before a list", &scene.post(&call(&json!({"id": 7})), &[])).await;
    list(&scene).await;
    scene.passes("as the schema says", &scene.post(&call(&json!({"id": "ideas", "limit": 1})), &[])).await;
    for (arguments, path, keyword) in [
        (json!({"id": 7}), "id", "type"),
        (json!({}), "id", "required"),
        (json!({"id": "a", "limit": 1.5}), "limit", "type"),
        (json!({"id": "a", "secret": "x"}), "", "additionalProperties"),
    ] {
        let bytes = scene.post(&call(&arguments), &[]);
        let said = scene.refused(&arguments.to_string(), &bytes, 200, json!(-32602)).await;
        assert_eq!(said["error"]["data"], json!({"argument": path, "constraint": keyword}), "{arguments}");
    }
    let other = stage::tool_call(6, "other", &json!({"any": 1})).to_string();
    let passed = exchange(&scene.world, &scene.post(&other, &[])).await;
    assert_eq!(passed.status, 200, "a tool that no list has shown: {passed:?}");
    scene.world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn structured_content_that_is_not_as_announced_is_withheld() {
    let scene = scene("output-schema", "{output_schema: block}").await;
    list(&scene).await;
    for stream in [false, true] {
        let asked = |n: Value| call(&json!({"id": "a", "answer": {"n": n}, "stream": stream}));
        let good = exchange(&scene.world, &scene.post(&asked(json!(1)), &[])).await;
        assert_eq!(good.json()["result"]["structuredContent"]["n"], 1, "{good:?}");
        let bytes = scene.post(&asked(json!("s3cret")), &[]);
        let Some(bad) = stage::answer(&scene.world, &bytes).await else { continue };
        assert!(!bad.content().contains("s3cret"), "{bad:?}");
        assert!(stream || bad.status == 502, "{bad:?}");
    }
    scene.world.discard().await;
}

/// With a rule about contents, so that texts are held and read, too.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_result_is_not_held_against_the_schema() {
    let tools = "{output_schema: block}\n    content: [{id: mail, detect: [email], action: flag}]";
    let scene = scene("output-schema-text", tools).await;
    list(&scene).await;
    for (arguments, said) in [
        (json!({"id": "a", "text": "{no JSON"}), "{no JSON"),
        (json!({"id": "a", "fails": true}), "\"isError\":true"),
    ] {
        let answer = exchange(&scene.world, &scene.post(&call(&arguments), &[])).await;
        assert_eq!(answer.status, 200, "{arguments}: {answer:?}");
        assert!(answer.content().contains(said), "{arguments}: {answer:?}");
    }
    scene.world.discard().await;
}

const DEFAULTS: &str = "{defaults: [{tools: [get_note], arguments: {limit: 9, sort: \"by däte\"}}]}";

/// The one request that the upstream saw: its arguments, and that its length is what it announces.
fn arrived(recorder: &Recorder) -> Value {
    let seen = recorder.take();
    assert_eq!(seen.len(), 1, "{seen:?}");
    if let Some(length) = seen[0].field("content-length") {
        assert_eq!(length, seen[0].body.len().to_string(), "{seen:?}");
    }
    seen[0].json()["params"]["arguments"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_arrive_with_the_length_that_they_make() {
    let recorder = Recorder::echo().await;
    let scene = Scene::before(recorder.clone(), "defaults", |plan| {
        plan.host_mode = HostMode::Hold;
        plan.set_policy(&policy(DEFAULTS)).unwrap();
    })
    .await;
    let filled = json!({"id": "ideas", "limit": 9, "sort": "by däte"});
    let body = call(&json!({"id": "ideas"}));
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n", body.len());
    let whole = scene.post(&body, &[]);
    let in_chunks = |end: &str| {
        let body = format!("{chunked}{end}\r\n");
        request(
            &scene.world,
            "POST /mcp",
            Some(&scene.token),
            &[("transfer-encoding", "chunked")],
            body.as_bytes(),
        )
    };
    for (what, bytes) in
        [("whole", whole), ("in chunks", in_chunks("")), ("with trailers", in_chunks("x-end: 1\r\n"))]
    {
        let answer = exchange(&scene.world, &bytes).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert_eq!(arrived(&recorder), filled, "{what}");
    }
    let large = "x".repeat(50_000);
    let answer = exchange(&scene.world, &scene.post(&call(&json!({"id": large})), &[])).await;
    assert_eq!((answer.status, arrived(&recorder)["limit"].clone()), (200, json!(9)), "{answer:?}");
    // One after the other on one connection: what is announced is what is sent.
    let keep = request(&scene.world, "POST /mcp", Some(&scene.token), &[], body.as_bytes());
    let keep = String::from_utf8(keep).unwrap().replace("Connection: close\r\n", "");
    let two = keep.clone() + &String::from_utf8(scene.post(&body, &[])).unwrap();
    let _ = exchange(&scene.world, two.as_bytes()).await;
    stage::eventually("both arrive", stage::DEADLINE, || async {
        let raw = recorder.raw();
        let both = raw.matches("by däte").count();
        if both == 2 { Ok(()) } else { Err(raw) }
    })
    .await;
    scene.world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_is_put_in_however_late_the_verdict_falls() {
    let (upstream, gate) = (Recorder::echo().await, Arc::new(AtomicBool::new(false)));
    let opened = Arc::clone(&gate);
    let issuer = Recorder::start(move |seen| {
        let question = seen.json();
        let resource = question["resource"].as_str().unwrap_or_default().to_owned();
        let origin = resource.trim_end_matches("/mcp");
        let good = json!({"active": true, "token_type": "Bearer", "iss": origin, "sub": "alice", "aud": resource,
            "exp": 4_000_000_000_u64, "iat": 1, "jti": "j", "client_id": "c1", "scope": "mcp:read", "grant_id": "g1"});
        Script::Once(Arc::clone(&opened), json_answer(&good.to_string()))
    })
    .await;
    let asking = policy(DEFAULTS).replace(
        "    clock_skew: 1s\n",
        "    clock_skew: 1s\n    validate: {cluster: issuer, path: /v1/validate, remember: 2s}\n",
    );
    let world: World = stage::world("late-defaults", |plan| {
        plan.host_mode = HostMode::Hold;
        plan.upstream = Some(upstream.upstream.clone());
        plan.set_policy(&asking).unwrap();
        plan.envoy_changes.push(clusters(&[("issuer", &issuer)]));
    })
    .await;
    let bytes = request(&world, "POST /mcp", Some("opaque-token"), &[], call(&json!({"id": "a"})).as_bytes());
    let open = async {
        stage::eventually("the issuer is asked", stage::DEADLINE, || async {
            if issuer.bytes() > 0 { Ok(()) } else { Err("not yet".to_owned()) }
        })
        .await;
        gate.store(true, Ordering::SeqCst);
    };
    let (answer, ()) = tokio::join!(exchange(&world, &bytes), open);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(arrived(&upstream), json!({"id": "a", "limit": 9, "sort": "by däte"}));
    world.discard().await;
}
