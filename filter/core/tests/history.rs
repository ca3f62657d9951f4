//! What does that which a session did before make of a request?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod world;

use std::time::Duration;

use serde_json::{Value, json};
use wicketgate_core::exchange::step::Event;
use world::{Driven, Gate, call, configuration, response};

fn gate() -> Gate {
    let mut configuration = configuration(
        &json!([{"id": "all", "allow": {"who": "any", "tools": ["*"], "resources": ["notes://*"]}}]),
    );
    configuration["servers"][0]["history"] = json!([
        {"id": "leak", "after": ["read_secret"], "deny": ["send_*"], "within": "1h"},
        {"id": "order", "require": ["login"], "before": ["pay"], "within": "10m", "per": "principal"},
        {"id": "sweep", "distinct": 2, "of": "resources", "within": "10m"},
    ]);
    configuration["servers"][0]["sessions"] = json!({"unknown": "adopt"});
    Gate::new(&configuration)
}

fn read(uri: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": uri}})
}

fn told(driven: &Driven) -> (Option<u16>, Value, Value) {
    let record = &driven.decisions[0];
    (driven.status(), record["reason"].clone(), record["rule"].clone())
}

fn in_session(gate: &mut Gate, session: &str, message: &Value) -> Driven {
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    let fields = [("authorization", bearer.as_str()), ("mcp-session-id", session)];
    gate.post_raw(&fields, message.to_string().as_bytes())
}

#[test]
fn a_tool_that_taints_shuts_others_for_its_session() {
    let mut gate = gate();
    assert!(in_session(&mut gate, "one", &call("send_mail")).upstream.is_some());
    assert!(in_session(&mut gate, "one", &call("read_secret")).upstream.is_some());
    let refused = in_session(&mut gate, "one", &call("send_mail"));
    assert_eq!(told(&refused), (Some(403), json!("history_refused"), json!("leak")));
    assert_eq!(refused.decisions[0]["detail"], "after what was called before");
    assert_eq!(refused.reply_json()["error"]["code"], -31011);
    assert!(in_session(&mut gate, "one", &call("other")).upstream.is_some());
    assert!(in_session(&mut gate, "two", &call("send_mail")).upstream.is_some(), "another session");
    assert!(gate.post(&json!({}), &call("send_mail")).upstream.is_some(), "none at all");
    gate.now = gate.now.plus(Duration::from_secs(3599));
    assert!(in_session(&mut gate, "one", &call("send_mail")).upstream.is_none());
    gate.now = gate.now.plus(Duration::from_secs(1));
    let fresh = json!({"exp": world::NOW + 9000, "iat": world::NOW});
    let bearer = format!("Bearer {}", gate.token(&fresh));
    let fields = [("authorization", bearer.as_str()), ("mcp-session-id", "one")];
    assert!(
        gate.post_raw(&fields, call("send_mail").to_string().as_bytes()).upstream.is_some(),
        "it is over"
    );
}

#[test]
fn without_a_session_it_is_the_principal_and_his_client() {
    let mut gate = gate();
    assert!(gate.post(&json!({}), &call("read_secret")).upstream.is_some());
    for (claims, passes) in [
        (json!({}), false),
        (json!({"jti": "another token", "grant_id": "g2"}), false),
        (json!({"client_id": "c2"}), true),
        (json!({"sub": "bob"}), true),
    ] {
        assert_eq!(gate.post(&claims, &call("send_mail")).upstream.is_some(), passes, "{claims}");
    }
}

#[test]
fn what_must_come_first_must_have_been_answered_well() {
    let mut gate = gate();
    let refused = gate.post(&json!({}), &call("pay"));
    assert_eq!(told(&refused), (Some(403), json!("history_refused"), json!("order")));
    for (status, counts) in [(500, false), (401, false), (200, true)] {
        let mut login = gate.post(&json!({}), &call("login"));
        assert!(gate.post(&json!({}), &call("pay")).upstream.is_none(), "not answered yet");
        login.feed(&mut gate, Event::ResponseHead { head: response(status, &[]), end: true });
        assert_eq!(gate.post(&json!({}), &call("pay")).upstream.is_some(), counts, "{status}");
    }
    assert!(in_session(&mut gate, "any", &call("pay")).upstream.is_some(), "per principal");
}

/// A server may well do what it is told so.
#[test]
fn a_call_without_an_answer_opens_nothing_and_shuts_what_it_may() {
    let mut gate = gate();
    let note = |tool: &str| {
        let mut note = call(tool);
        note.as_object_mut().unwrap().remove("id");
        note
    };
    let mut login = gate.post(&json!({}), &note("login"));
    assert!(login.upstream.is_some(), "{:?}", login.decisions);
    login.feed(&mut gate, Event::ResponseHead { head: response(202, &[]), end: true });
    assert!(gate.post(&json!({}), &call("pay")).upstream.is_none());
    assert!(gate.post(&json!({}), &note("pay")).upstream.is_none());
    assert!(gate.post(&json!({}), &note("read_secret")).upstream.is_some());
    assert!(gate.post(&json!({}), &call("send_mail")).upstream.is_none());
}

#[test]
fn a_sweep_ends() {
    let mut gate = gate();
    for uri in ["notes://a", "notes://b", "notes://a"] {
        assert!(gate.post(&json!({}), &read(uri)).upstream.is_some(), "{uri}");
    }
    assert_eq!(
        told(&gate.post(&json!({}), &read("notes://c"))),
        (Some(403), json!("history_refused"), json!("sweep"))
    );
    assert!(gate.post(&json!({}), &call("a")).upstream.is_some());
}

#[test]
fn a_store_that_fails_refuses_and_what_is_denied_leaves_no_mark() {
    let mut gate = gate();
    gate.history_fails = true;
    let refused = gate.post(&json!({}), &call("send_mail"));
    assert_eq!((refused.status(), &refused.decisions[0]["detail"]), (Some(503), &json!("history store")));
    assert!(gate.post(&json!({}), &call("other")).upstream.is_some(), "of which no rule speaks");
    gate.history_fails = false;
    gate.salt_fails = true;
    let refused = gate.post(&json!({}), &call("send_mail"));
    assert_eq!((refused.status(), &refused.decisions[0]["detail"]), (Some(503), &json!("history store")));
    gate.salt_fails = false;
    let mut other = gate.post(&json!({"scope": ""}), &call("nothing"));
    other.finish(&mut gate);
    assert!(gate.post(&json!({}), &call("send_mail")).upstream.is_some());
}

#[test]
fn bytes_of_another_writer_refuse() {
    let mut gate = gate();
    assert!(gate.post(&json!({}), &call("read_secret")).upstream.is_some());
    for (_, bytes) in gate.shared.iter_mut().filter(|(key, _)| key.contains(".history.")) {
        bytes[0] ^= 1;
    }
    let refused = gate.post(&json!({}), &call("send_mail"));
    assert_eq!((refused.status(), &refused.decisions[0]["detail"]), (Some(500), &json!("history store")));
}
