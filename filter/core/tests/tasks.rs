//! Whose task is it? Bound to the principal to whom an answer hands it out; to everybody else it does not exist.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod world;

use serde_json::{Value, json};
use world::{Driven, Fields, Gate, call};

const JSON: Fields<'_> = &[("content-type", "application/json")];
const EVENTS: Fields<'_> = &[("content-type", "text/event-stream")];

fn gate(sessions: &Value) -> Gate {
    let rules = json!([{"id": "read", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["*"]}}]);
    let mut configuration = world::configuration(&rules);
    configuration["servers"][0]["sessions"] = sessions.clone();
    Gate::new(&configuration)
}

fn bob() -> Value {
    json!({"sub": "bob"})
}

/// A request of 2026-07-28, which declares that its answer may be a task or not.
fn modern(gate: &mut Gate, claims: &Value, method: &str, params: Value, declared: bool) -> Driven {
    let bearer = format!("Bearer {}", gate.token(claims));
    let mut params = params;
    let extensions = if declared { json!({"io.modelcontextprotocol/tasks": {}}) } else { json!({}) };
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"extensions": extensions},
    });
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let mut headers = vec![
        ("authorization", bearer.as_str()),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", method),
    ];
    headers.extend((method == "tools/call").then_some(("mcp-name", "slow")));
    gate.post_raw(&headers, message.as_bytes())
}

fn task_request(gate: &mut Gate, claims: &Value, method: &str, id: &str) -> Driven {
    gate.post(claims, &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"taskId": id}}))
}

/// A call whose answer is a task of this id.
fn create(gate: &mut Gate, claims: &Value, id: &str, headers: Fields<'_>) -> Driven {
    let mut driven = gate.post(claims, &call("slow"));
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"task": {"taskId": id, "status": "working"}}});
    let body =
        if headers == JSON { answer.to_string() } else { format!("id: 1\ndata:\n\ndata: {answer}\n\n") };
    driven.respond(gate, 200, headers, body.as_bytes());
    driven
}

fn own(gate: &mut Gate, claims: &Value, id: &str) -> bool {
    ["tasks/get", "tasks/result", "tasks/cancel"]
        .map(|method| {
            let driven = task_request(gate, claims, method, id);
            if driven.upstream.is_none() {
                assert_eq!(driven.status(), Some(200), "{method}");
                let error = &driven.reply_json()["error"];
                assert_eq!((&error["code"], &error["message"]), (&json!(-32602), &json!("Unknown task")));
                assert_eq!(driven.decisions[0]["reason"], "not_allowed");
            }
            driven.upstream.is_some()
        })
        .into_iter()
        .reduce(|all, one| {
            assert_eq!(all, one, "one answer for all methods");
            one
        })
        .unwrap()
}

#[test]
fn a_task_is_its_principals_alone() {
    let mut gate = gate(&json!({}));
    for (id, headers) in [("t1", JSON), ("t2", EVENTS)] {
        assert!(!own(&mut gate, &json!({}), id), "not yet");
        let made = create(&mut gate, &json!({}), id, headers);
        assert!(String::from_utf8(made.downstream).unwrap().contains(id));
        assert!(own(&mut gate, &json!({}), id) && own(&mut gate, &json!({"jti": "j2"}), id));
        assert!(!own(&mut gate, &bob(), id) && !own(&mut gate, &json!({"client_id": "c2"}), id));
    }
}

#[test]
fn a_task_of_the_extension_is_bound_where_it_was_declared() {
    let mut gate = gate(&json!({}));
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"resultType": "task", "taskId": "t1", "status": "working"}});
    let update = json!({"taskId": "t1", "inputResponses": {}});
    for (declared, bound) in [(false, false), (true, true)] {
        let mut made = modern(&mut gate, &json!({}), "tools/call", json!({"name": "slow"}), declared);
        made.respond(&mut gate, 200, JSON, answer.to_string().as_bytes());
        assert_eq!(made.downstream, answer.to_string().as_bytes(), "not a byte is changed");
        for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
            let mine = modern(&mut gate, &json!({}), method, update.clone(), declared);
            assert_eq!(mine.upstream.is_some(), bound, "{method}");
            assert!(
                modern(&mut gate, &bob(), method, update.clone(), declared).upstream.is_none(),
                "{method}"
            );
        }
    }
    let listen = json!({"notifications": {"taskIds": ["t1"]}});
    assert!(modern(&mut gate, &json!({}), "subscriptions/listen", listen.clone(), true).upstream.is_some());
    assert!(modern(&mut gate, &bob(), "subscriptions/listen", listen, true).upstream.is_none());
    let both = json!({"notifications": {"taskIds": ["t1", "t2"]}});
    assert!(
        modern(&mut gate, &json!({}), "subscriptions/listen", both, true).upstream.is_none(),
        "all or none"
    );
}

#[test]
fn lists_of_tasks_show_ones_own() {
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tasks/list"});
    let answer =
        br#"{"jsonrpc":"2.0","id":1,"result":{"tasks":[{"taskId":"t1"},{"taskId":"t2"},{"taskId":"t3"}]}}"#;
    for (sessions, shown) in [
        (json!({}), r#"{"taskId":"t1"}"#),
        (json!({"unknown": "adopt"}), r#"{"taskId":"t1"},{"taskId":"t3"}"#),
    ] {
        let mut gate = gate(&sessions);
        create(&mut gate, &json!({}), "t1", JSON);
        create(&mut gate, &bob(), "t2", JSON);
        let mut listed = gate.post(&json!({}), &list);
        listed.respond(&mut gate, 200, JSON, answer);
        let out = String::from_utf8(listed.downstream).unwrap();
        assert_eq!(out, format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tasks":[{shown}]}}}}"#));
        assert_eq!(own(&mut gate, &json!({}), "t3"), sessions != json!({}));
        assert!(!own(&mut gate, &bob(), "t1"));
    }
}

/// 2026-07-28 lists no tasks; an upstream that does not heed the revision answers all the same.
#[test]
fn a_list_of_tasks_shows_ones_own_in_whatever_revision_it_is_asked_for() {
    let mut gate = gate(&json!({}));
    create(&mut gate, &json!({}), "t1", JSON);
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"tasks":[{"taskId":"t1"},{"taskId":"t2"}]}}"#;
    for (claims, own) in [(json!({}), true), (bob(), false)] {
        for (headers, body) in [(JSON, answer.to_owned()), (EVENTS, format!("data: {answer}\n\n"))] {
            let mut listed = modern(&mut gate, &claims, "tasks/list", json!({}), false);
            listed.respond(&mut gate, 200, headers, body.as_bytes());
            let out = String::from_utf8(listed.downstream).unwrap();
            assert_eq!((out.contains("t1"), out.contains("t2")), (own, false), "{out}");
        }
    }
}

#[test]
fn what_cannot_be_bound_is_not_handed_out() {
    let mut gate = gate(&json!({}));
    create(&mut gate, &json!({}), "t1", JSON);
    let mut stolen = create(&mut gate, &bob(), "t1", JSON);
    stolen.finish(&mut gate);
    assert_eq!((stolen.status(), stolen.downstream.len()), (Some(502), 0));
    assert_eq!(stolen.completions[0]["reason"], "unsafe_response");
    let streamed = create(&mut gate, &bob(), "t1", EVENTS);
    assert_eq!((streamed.resets, streamed.downstream.len()), (1, 0), "its head is gone; no event follows");
    let mut unlucky = gate.post(&bob(), &call("slow"));
    gate.store_fails = true;
    unlucky.respond(&mut gate, 200, JSON, br#"{"id":1,"result":{"task":{"taskId":"t9"}}}"#);
    assert_eq!((unlucky.status(), unlucky.downstream.len()), (Some(503), 0));
    assert_eq!(task_request(&mut gate, &json!({}), "tasks/get", "t1").status(), Some(503), "invariant 3");
    (gate.store_fails, gate.owners_fail) = (false, true);
    let unknown = task_request(&mut gate, &json!({}), "tasks/get", "t1");
    assert_eq!((unknown.status(), unknown.upstream.is_some()), (Some(503), false), "nobody says whose it is");
}

#[test]
fn what_a_client_says_of_a_task_is_of_its_own_or_of_nobodys() {
    for sessions in [json!({}), json!({"unknown": "adopt"})] {
        let mut gate = gate(&sessions);
        create(&mut gate, &json!({}), "hers", JSON);
        let mut says = |claims: &Value, id: &str| {
            let params = json!({"taskId": id, "status": "completed"});
            let message = json!({"jsonrpc": "2.0", "method": "notifications/tasks/status", "params": params});
            let driven = gate.post(claims, &message);
            driven.upstream.is_some()
        };
        assert!(says(&json!({}), "hers") && !says(&bob(), "hers"));
        assert!(says(&bob(), "a task of the client's own"), "the server asked for it");
        assert!(says(&json!({}), "a task of the client's own"), "saying so made it nobody's");
    }
    let mut gate = gate(&json!({}));
    let cancel = json!({"jsonrpc": "2.0", "method": "tasks/cancel", "params": {"taskId": "unknown"}});
    assert!(gate.post(&bob(), &cancel).upstream.is_none(), "without an id it is still a request by rules");
}
