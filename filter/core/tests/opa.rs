//! What becomes of a call whose policy lies in an OPA? It waits for the answer, after all that is decided here and before
//! anything is spent; without one it is denied.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod world;

use serde_json::{Value, json};
use wicketgate_core::exchange::step::{Crowded, Event};
use world::{Driven, Gate, configuration, list};

fn gate(rules: &Value, more: &Value) -> Gate {
    let mut document = configuration(rules);
    let server = document["servers"][0].as_object_mut().unwrap();
    server.insert("opa".to_owned(), json!({"cluster": "opa", "path": "/v1/data/mcp/authz/allow"}));
    if rules == &json!([]) {
        server.remove("rules");
    }
    for (key, value) in more.as_object().unwrap() {
        server.insert(key.clone(), value.clone());
    }
    Gate::new(&document)
}

fn call(tool: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": tool, "arguments": {"n": 1}}})
}

/// A call that waits for its answer.
fn waiting(gate: &mut Gate, message: &Value) -> Driven {
    let driven = gate.post(&json!({}), message);
    assert_eq!(driven.policy_questions.len(), 1, "{:?}", driven.decisions);
    assert!(driven.upstream.is_none() && driven.replies.is_empty(), "nothing goes on before the answer");
    driven
}

fn answered(gate: &mut Gate, mut driven: Driven, answer: Option<&str>) -> Driven {
    driven.feed(gate, Event::PolicyAnswered(answer.map(str::as_bytes)));
    driven
}

#[test]
fn a_call_waits_for_the_policy_and_goes_on_by_it() {
    let mut gate = gate(&json!([]), &json!({}));
    let driven = waiting(&mut gate, &call("get_note"));
    let input = &driven.policy_questions[0]["input"];
    assert_eq!((&input["version"], &input["tool"]["name"]), (&json!(1), &json!("get_note")), "{input}");
    assert_eq!(input["arguments"], json!({"n": 1}));
    let driven = answered(&mut gate, driven, Some(r#"{"result": {"allow": true, "reasons": ["x"]}}"#));
    assert!(driven.upstream.is_some());
    let record = &driven.decisions[0];
    assert_eq!((&record["rule"], &record["opa"]["verdict"]), (&json!("opa"), &json!("allow")), "{record}");
    assert_eq!(record["opa"]["reasons"], json!(["(computed)"]));
    let driven = gate.post(&json!({}), &list("tools/list"));
    assert!(driven.upstream.is_some() && driven.policy_questions.is_empty(), "lists are not asked about");
}

#[test]
fn where_too_much_is_asked_already_a_call_may_be_tried_again() {
    let mut gate = gate(&json!([]), &json!({}));
    for (why, detail) in
        [(Crowded::All, "room for questions"), (Crowded::Own, "room for more questions of one caller")]
    {
        let mut driven = waiting(&mut gate, &call("get_note"));
        driven.feed(&mut gate, Event::Crowded(why));
        assert_eq!((driven.status(), driven.upstream.is_none()), (Some(503), true));
        assert_eq!(driven.reply_header("retry-after"), Some("1"));
        assert_eq!(driven.counts, ["unavailable"]);
        assert_eq!(driven.decisions[0]["detail"], detail, "{:?}", driven.decisions);
    }
    // Nothing of it is taken for the policy's word.
    waiting(&mut gate, &call("get_note"));
}

#[test]
fn who_asks_is_the_principal_wherever_he_is() {
    let mut gate = gate(&json!([]), &json!({}));
    let mut asker = |claims, source| {
        gate.source = Some(source);
        let driven = gate.post(&claims, &call("get_note"));
        assert_eq!(driven.policy_questions.len(), 1);
        driven.exchange.asker()
    };
    let alice = asker(json!({}), "192.0.2.1");
    assert_eq!(alice, asker(json!({"client_id": "c2", "jti": "j2"}), "192.0.2.2"));
    assert_ne!(alice, asker(json!({"sub": "bob"}), "192.0.2.1"));
}

#[test]
fn without_a_sound_yes_a_call_is_denied() {
    let mut gate = gate(&json!([]), &json!({}));
    for (answer, reason, detail) in [
        (Some(r#"{"result": false}"#), "not_allowed", Value::Null),
        (Some("{}"), "not_allowed", Value::Null),
        (None, "policy_failed", json!("no answer from OPA")),
        (Some("{"), "policy_failed", json!("an answer from OPA that is none")),
        (
            Some(r#"{"result": 1}"#),
            "policy_failed",
            json!("a result that is neither true or false nor an object"),
        ),
    ] {
        let driven = waiting(&mut gate, &call("get_note"));
        let driven = answered(&mut gate, driven, answer);
        assert!(driven.upstream.is_none());
        assert_eq!(driven.reply_json()["error"]["message"], "Unknown tool: get_note", "{answer:?}");
        let record = &driven.decisions[0];
        assert_eq!((&record["rule"], &record["reason"]), (&json!("opa"), &json!(reason)), "{record}");
        assert_eq!(record["detail"], detail, "{record}");
    }
    let driven = waiting(&mut gate, &call("get_note"));
    let step_up = r#"{"result": {"allow": true, "obligations": {"scopes": ["mcp:write"]}}}"#;
    let driven = answered(&mut gate, driven, Some(step_up));
    assert_eq!(driven.status(), Some(403));
    assert!(driven.reply_header("www-authenticate").unwrap().contains("scope=\"mcp:write\""));
}

#[test]
fn it_is_asked_after_the_rules_and_before_anything_is_spent() {
    let rules = json!([{"id": "read", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["get_*"]}}]);
    let limits = json!({"limits": {"principal": {"rate": "1/h"}, "obliged": [{"id": "few", "rate": "1/h"}]}});
    let mut gate = gate(&rules, &limits);
    let driven = gate.post(&json!({}), &call("drop"));
    assert!(driven.policy_questions.is_empty() && driven.upstream.is_none(), "no rule allows it");
    for _ in 0..3 {
        let driven = waiting(&mut gate, &call("get_note"));
        assert!(answered(&mut gate, driven, Some("{}")).upstream.is_none(), "a denied call spends nothing");
    }
    let driven = waiting(&mut gate, &call("get_note"));
    let obliged = r#"{"result": {"allow": true, "obligations": {"limit": ["few"]}}}"#;
    let driven = answered(&mut gate, driven, Some(obliged));
    assert!(driven.upstream.is_some());
    assert_eq!(driven.decisions[0]["opa"]["limit"], json!(["few"]));
    let driven = waiting(&mut gate, &call("get_note"));
    assert_eq!(answered(&mut gate, driven, Some(r#"{"result": true}"#)).status(), Some(429));
}

#[test]
fn each_thing_is_asked_about_and_one_no_is_a_no() {
    let mut gate = gate(&json!([]), &json!({}));
    let message =
        json!({"jsonrpc": "2.0", "id": 7, "method": "resources/read", "params": {"uri": "x://a//b"}});
    let driven = waiting(&mut gate, &message);
    let first = driven.policy_questions[0]["input"]["resource"]["uri"].clone();
    let driven = answered(&mut gate, driven, Some(r#"{"result": true}"#));
    assert_eq!(driven.policy_questions.len(), 2, "as another server may read it");
    assert_ne!(driven.policy_questions[1]["input"]["resource"]["uri"], first);
    let driven = answered(&mut gate, driven, Some(r#"{"result": false}"#));
    assert!(driven.upstream.is_none());
}

#[test]
fn an_answer_is_remembered_for_the_same_question_alone() {
    let opa = json!({"cluster": "opa", "path": "/v1/data/mcp/authz/allow", "remember": "10s"});
    let mut gate = gate(&json!([]), &json!({"opa": opa}));
    let driven = waiting(&mut gate, &call("get_note"));
    assert!(answered(&mut gate, driven, Some(r#"{"result": true}"#)).upstream.is_some());
    let driven = gate.post(&json!({}), &call("get_note"));
    assert!(driven.policy_questions.is_empty() && driven.upstream.is_some());
    assert_eq!(driven.decisions[0]["opa"]["verdict"], "allow");
    let driven = gate.post(&json!({"sub": "somebody-else"}), &call("get_note"));
    assert_eq!(driven.policy_questions.len(), 1, "never what was said to another");
    waiting(&mut gate, &call("other"));
    gate.now = gate.now.plus(std::time::Duration::from_secs(10));
    waiting(&mut gate, &call("get_note"));
}
