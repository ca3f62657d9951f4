//! Does HTTP/2 open a way around the decision? Frames of any size, trailers, streams that are given up, both halves.

use serde_json::{Value, json};
use wicketgate_e2e::world::Plan;

use super::frames::{Frames, FramesServer};
use super::scene::{Scene, call};
use super::stage::{self, eventually, exchange};

#[tokio::test(flavor = "multi_thread")]
async fn frames_and_trailers_are_judged_when_they_end() {
    let scene = Scene::start("http2-frames").await;
    let frames = Frames::connect(&scene.world, &scene.token).await;
    for (size, trailers) in [(1 << 14, false), (1 << 14, true), (1, false), (1, true)] {
        let what = format!("frames of {size}, trailers: {trailers}");
        let answer = frames.post(&call("get_note"), size, trailers).await;
        assert!(answer.status == 200 && answer.json()["result"].is_object(), "{what}: {answer:?}");
        let seen = scene.recorder.take();
        assert_eq!((seen.len(), seen[0].body.as_slice()), (1, call("get_note").as_bytes()), "{what}");

        let answer = frames.post(&call("drop_everything"), size, trailers).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (200, &json!(-32602)),
            "{what}: {answer:?}"
        );
        let large = call("get_note").replace("ideas", &"x".repeat(65 * 1024));
        let answer = frames.post(&large, size.max(4096), trailers).await;
        assert_eq!(answer.status, 413, "{what}: {answer:?}");
        assert_eq!(scene.recorder.bytes(), 0, "{what}: {}", scene.recorder.raw());
    }
    streams_do_not_mix(&scene, &frames).await;
    lengths_hold(&scene, &frames).await;
    scene.world.discard().await;
}

/// Bodies of two requests arrive in turns: each is judged by its own.
async fn streams_do_not_mix(scene: &Scene, frames: &Frames) {
    let (mut good, mut bad) = (frames.open(&[]).await, frames.open(&[]).await);
    for (allowed, denied) in call("get_note").chars().zip(call("drop_everything").chars()) {
        good.send(&allowed.to_string(), 1);
        bad.send(&denied.to_string(), 1);
    }
    bad.send(&call("drop_everything")[call("get_note").len()..], 1);
    let (good, bad) = (good.end(false).await.unwrap(), bad.end(true).await.unwrap());
    assert!(good.json()["result"].is_object() && bad.json()["error"]["code"] == -32602, "{good:?} {bad:?}");
    let seen = scene.recorder.take();
    assert_eq!((seen.len(), seen[0].body.as_slice()), (1, call("get_note").as_bytes()));
}

/// A body that is not as long as its head says goes nowhere.
async fn lengths_hold(scene: &Scene, frames: &Frames) {
    for length in ["10", "1000"] {
        let mut open = frames.open(&[("content-length", length)]).await;
        open.send(&call("get_note"), 16);
        let answer = open.end(false).await;
        assert!(answer.as_ref().is_ok_and(|a| a.status == 400) || answer.is_err(), "{length}: {answer:?}");
        assert_eq!(scene.recorder.bytes(), 0, "{length}: {}", scene.recorder.raw());
    }
    let mut sound = frames.open(&[("content-length", &call("get_note").len().to_string())]).await;
    sound.send(&call("get_note"), 16);
    assert_eq!(sound.end(false).await.unwrap().status, 200);
    assert_eq!(scene.recorder.take().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_given_up_is_recorded_once_and_goes_nowhere() {
    let scene = Scene::start("http2-reset").await;
    let frames = Frames::connect(&scene.world, &scene.token).await;
    let mut open = frames.open(&[]).await;
    open.send(&call("get_note")[..20], 5);
    // Once this has been answered on the same connection, the half body has arrived.
    assert_eq!(frames.post(&call("get_note"), 64, false).await.status, 200);
    scene.recorder.take();
    open.reset();
    let gone = || -> Vec<Value> {
        let lines = scene.world.records("audit.jsonl").unwrap_or_default();
        let all = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.filter(|record| record["reason"] == "client_gone").collect()
    };
    eventually("the end is recorded", stage::DEADLINE, || async {
        if gone().iter().any(|r| r["record"] == "completion") { Ok(()) } else { Err(format!("{:?}", gone())) }
    })
    .await;
    let gone = gone();
    let kinds: Vec<_> = gone.iter().map(|record| record["record"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["decision", "completion"], "{gone:?}");
    assert_eq!(gone[0]["request_id"], gone[1]["request_id"], "{gone:?}");
    assert_eq!((&gone[0]["verdict"], &gone[0]["server"]), (&json!("none"), &json!("tested")), "{gone:?}");
    assert_eq!(scene.recorder.bytes(), 0, "{}", scene.recorder.raw());
    scene.world.discard().await;
}

/// Another upstream protocol for the MCP server alone: the options that all clusters share move to one that nobody uses.
fn frames_upstream(plan: &mut Plan) {
    let shared = "      typed_extension_protocol_options: &short_idle\n";
    let own = format!(
        "      typed_extension_protocol_options:\n        \
         envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n          \
         \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n          \
         explicit_http_config: {{http2_protocol_options: {{}}}}\n    - name: nobody\n      type: STATIC\n{shared}"
    );
    plan.envoy_changes.push((shared.to_owned(), own));
}

fn script(message: &Value) -> (&'static str, String) {
    let id = &message["id"];
    let result = if message["method"] == "tools/list" {
        json!({"tools": [{"name": "drop_everything"}, {"name": "get_note"}]})
    } else {
        json!({"content": []})
    };
    let answer = json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string();
    if message["params"]["stream"] == "unfinished" {
        return ("text/event-stream", format!(": first\n\ndata: {answer}\n"));
    }
    if message["params"]["stream"] == true {
        return ("text/event-stream", format!("data: {answer}\n\n"));
    }
    ("application/json", answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_pass_both_ways_and_lists_before_them_are_cut() {
    let server = FramesServer::start(script).await;
    let upstream = server.upstream.clone();
    let world = stage::world("http2-trailers", |plan| {
        plan.upstream = Some(upstream);
        plan.set_policy(&stage::policy("{}", super::scene::RULES)).unwrap();
        frames_upstream(plan);
    })
    .await;
    let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    let frames = Frames::connect(&world, &token).await;
    for streamed in [false, true] {
        for method in ["tools/call", "tools/list"] {
            let what = format!("{method}, streamed: {streamed}");
            let params = json!({"name": "get_note", "stream": streamed});
            let body = json!({"jsonrpc": "2.0", "id": 5, "method": method, "params": params}).to_string();
            let listed = json!({"tools": [{"name": "get_note"}]});
            let expected = if method == "tools/list" { listed } else { json!({"content": []}) };

            let answer = frames.post(&body, 8, true).await;
            assert_eq!((answer.status, &answer.json()["result"]), (200, &expected), "{what}: {answer:?}");
            assert_eq!(answer.trailers.as_ref().unwrap()["x-after"], "yes", "{what}: {answer:?}");
            let seen = server.take();
            assert_eq!((seen.len(), &seen[0].message["method"]), (1, &json!(method)), "{what}: {seen:?}");
            assert_eq!(seen[0].trailers.as_ref().unwrap()["x-after"], "yes", "{what}: {seen:?}");

            let bytes = stage::request(&world, "POST /mcp", Some(&token), &[], body.as_bytes());
            let answer = exchange(&world, &bytes).await;
            assert_eq!((answer.status, &answer.json()["result"]), (200, &expected), "{what}: {answer:?}");
            server.take();
        }
    }
    // The last event has no end, so for no client it is one; nobody has judged it, and it goes nowhere.
    for method in ["tools/call", "tools/list"] {
        let params = json!({"name": "get_note", "stream": "unfinished"});
        let body = json!({"jsonrpc": "2.0", "id": 5, "method": method, "params": params}).to_string();
        let answer = frames.post(&body, 8, false).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ": first\n\n"), "{method}: {answer:?}");
        assert_eq!(answer.trailers.as_ref().unwrap()["x-after"], "yes", "{method}: {answer:?}");
    }
    server.take();
    let denied = frames.post(&call("drop_everything"), 8, true).await;
    assert_eq!((denied.status, &denied.json()["error"]["code"]), (200, &json!(-32602)), "{denied:?}");
    assert!(server.take().is_empty());
    world.discard().await;
}
