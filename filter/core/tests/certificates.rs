//! Whom does a certificate of the connection make of a caller? One whom rules may name so, beside his token or in its place, and
//! never one whom a token would name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod world;

use serde_json::{Value, json};
use wicketgate_core::config;
use wicketgate_core::exchange::step::Event;
use wicketgate_core::head::PeerCertificate;
use world::{Driven, Gate, call, configuration, list};

const AGENT: &str = "spiffe://e/agent";

fn certificate(uri: &str) -> Option<PeerCertificate> {
    PeerCertificate::new(Some(uri.to_owned()), None, Some("CN=alice".to_owned()))
}

fn rules() -> Value {
    json!([
        {"id": "both", "allow": {"who": {"scopes": ["mcp:read"], "certificates": [AGENT]}, "tools": ["both_*"]}},
        {"id": "machine", "allow": {"who": {"certificates": [AGENT, "host.example"]}, "tools": ["machine_*"]}},
        {"id": "alice", "allow": {"who": {"subjects": ["alice", "CN=alice", AGENT]}, "tools": ["alice_*"]}},
        {"id": "any", "allow": {"who": "any", "tools": ["any_*"]}},
        {"id": "open", "allow": {"who": "anonymous", "tools": ["open_*"]}},
        {"id": "strangers", "deny": {"who": "anonymous", "tools": ["open_known"]}},
    ])
}

fn document(certificates: Option<&str>, rules: &Value) -> Value {
    let mut document = configuration(rules);
    if let Some(word) = certificates {
        document["servers"][0]["client_certificates"] = json!(word);
    }
    document
}

/// A call with a token (or without) and a certificate (or without).
fn ask(gate: &mut Gate, token: bool, shown: Option<PeerCertificate>, tool: &str) -> Driven {
    gate.certificate = shown;
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    let fields = [("authorization", bearer.as_str())];
    gate.post_raw(if token { &fields } else { &[] }, call(tool).to_string().as_bytes())
}

/// `forwarded`, or the reason.
fn answer(driven: &Driven) -> &str {
    if driven.upstream.is_some() { "forwarded" } else { driven.decisions[0]["reason"].as_str().unwrap() }
}

#[test]
fn a_certificate_counts_beside_a_token_or_in_its_place_as_the_server_says() {
    let (agent, other) = (certificate(AGENT), certificate("spiffe://e/other"));
    let host = PeerCertificate::new(None, Some("HOST.example".to_owned()), None);
    let (yes, no, who) = ("forwarded", "not_allowed", "missing_credential");
    // Token, certificate, tool, and what becomes of it where certificates count beside a token, or alone.
    let cases = [
        (true, &agent, "both_x", yes, yes, "what both say"),
        (true, &other, "both_x", no, no, "another's certificate"),
        (true, &None, "both_x", no, no, "no certificate"),
        (false, &agent, "both_x", who, who, "no token"),
        (true, &agent, "machine_x", yes, yes, "a certificate, whatever the token says"),
        (false, &agent, "machine_x", who, yes, "a certificate alone"),
        (false, &host, "machine_x", who, yes, "the same by a DNS name"),
        (false, &other, "machine_x", who, who, "another's, and a token could help"),
        (true, &None, "alice_x", yes, yes, "a subject"),
        (false, &agent, "alice_x", who, who, "a certificate that is called like a subject"),
        (false, &agent, "any_x", who, yes, "whoever is known"),
        (false, &None, "any_x", who, who, "nobody"),
        (false, &agent, "open_x", yes, yes, "what is open"),
        (false, &agent, "open_known", who, yes, "denied to strangers alone"),
    ];
    for (token, shown, tool, beside, alone, note) in cases {
        for (word, expected) in [("beside_token", beside), ("alone", alone)] {
            let mut gate = Gate::new(&document(Some(word), &rules()));
            let driven = ask(&mut gate, token, shown.clone(), tool);
            assert_eq!(answer(&driven), expected, "{word}: {note}");
        }
    }
}

#[test]
fn where_nobody_looks_at_certificates_they_say_nothing() {
    let rules = json!([{"id": "any", "allow": {"who": "any", "tools": ["*"]}}]);
    let mut gate = Gate::new(&document(None, &rules));
    assert!(!gate.guard.looks_at_certificates());
    assert_eq!(answer(&ask(&mut gate, false, certificate(AGENT), "x")), "missing_credential");
    let driven = ask(&mut gate, true, certificate(AGENT), "x");
    assert_eq!(driven.decisions[0]["principal"].get("certificate"), None);
    assert!(Gate::new(&document(Some("beside_token"), &rules)).guard.looks_at_certificates());
}

#[test]
fn a_certificate_makes_up_for_no_bad_token() {
    let mut gate = Gate::new(&document(Some("alone"), &rules()));
    gate.certificate = certificate(AGENT);
    for token in ["Bearer x".to_owned(), format!("Bearer {}", gate.token(&json!({"exp": 1})))] {
        let driven =
            gate.post_raw(&[("authorization", token.as_str())], call("machine_x").to_string().as_bytes());
        assert_eq!(answer(&driven), "invalid_credential", "{token}");
    }
}

#[test]
fn a_server_of_certificates_alone_needs_no_issuer_and_names_none() {
    let rules =
        json!([{"id": "machine", "allow": {"who": {"certificates": [AGENT]}, "tools": ["machine_*"]}}]);
    let mut own = document(Some("alone"), &rules);
    own["issuers"] = json!([]);
    let mut gate = Gate::new(&own);
    assert_eq!(answer(&ask(&mut gate, false, certificate(AGENT), "machine_x")), "forwarded");
    // No token could help, so that it reads like what does not exist.
    assert_eq!(answer(&ask(&mut gate, false, certificate(AGENT), "other")), "not_allowed");
    assert_eq!(answer(&ask(&mut gate, false, None, "machine_x")), "missing_credential");
}

#[test]
fn lists_show_what_the_certificate_may_call_and_the_record_says_whose_it_is() {
    let mut gate = Gate::new(&document(Some("alone"), &rules()));
    gate.certificate = certificate(AGENT);
    let mut driven = gate.post_raw(&[], list("tools/list").to_string().as_bytes());
    let tools = ["both_x", "machine_x", "alice_x", "any_x"].map(|name| json!({"name": name}));
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}).to_string();
    driven.respond(&mut gate, 200, &[("content-type", "application/json")], answer.as_bytes());
    let shown = String::from_utf8(driven.downstream.clone()).unwrap();
    for (tool, seen) in [("machine_x", true), ("any_x", true), ("both_x", false), ("alice_x", false)] {
        assert_eq!(shown.contains(tool), seen, "{tool}: {shown}");
    }
    let who = &driven.decisions[0]["principal"];
    assert_eq!((&who["kind"], &who["subject"]), (&json!("certificate"), &Value::Null));
    assert_eq!(who["certificate"], json!({"uri": AGENT, "subject": "CN=alice"}));
    let driven = ask(&mut gate, true, certificate(AGENT), "both_x");
    let who = &driven.decisions[0]["principal"];
    assert_eq!((&who["kind"], &who["subject"]), (&json!("authenticated"), &json!("alice")));
    assert_eq!(who["certificate"]["uri"], AGENT);
}

#[test]
fn a_certificate_spends_of_its_own_bucket_and_owns_its_own_sessions() {
    let mut own = document(Some("alone"), &rules());
    own["servers"][0]["limits"] = json!({"principal": {"rate": "1/d", "burst": 2}});
    let mut gate = Gate::new(&own);
    for (uri, left) in [(AGENT, true), (AGENT, true), (AGENT, false), ("spiffe://e/other", true)] {
        let driven = ask(&mut gate, false, certificate(uri), "any_x");
        assert_eq!(answer(&driven), if left { "forwarded" } else { "rate_limited" }, "{uri}");
    }
    assert_eq!(answer(&ask(&mut gate, true, certificate(AGENT), "any_x")), "forwarded", "a token's own");

    let mut gate = Gate::new(&document(Some("alone"), &rules()));
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    gate.certificate = certificate(AGENT);
    let mut made = gate.post_raw(&[], initialize.to_string().as_bytes());
    let head = [("content-type", "application/json"), ("mcp-session-id", "s1")];
    made.respond(&mut gate, 200, &head, b"{}");
    let mut in_session = |token: bool, shown: Option<PeerCertificate>| {
        gate.certificate = shown;
        let bearer = format!("Bearer {}", gate.token(&json!({})));
        let mut fields = vec![("mcp-session-id", "s1")];
        fields.extend(token.then_some(("authorization", bearer.as_str())));
        let driven = gate.post_raw(&fields, call("open_x").to_string().as_bytes());
        answer(&driven).to_owned()
    };
    assert_eq!(in_session(false, certificate(AGENT)), "forwarded");
    for (token, shown) in
        [(false, certificate("spiffe://e/other")), (true, certificate(AGENT)), (false, None)]
    {
        assert_eq!(in_session(token, shown.clone()), "unknown_session", "{token} {shown:?}");
    }
}

#[test]
fn the_flood_guard_of_a_certificate_is_its_own() {
    let mut own = document(Some("alone"), &rules());
    own["servers"][0]["limits"] = json!({"flood": {"rate": "1/d", "burst": 1}});
    let mut gate = Gate::new(&own);
    gate.source = Some("10.0.0.1");
    for (uri, expected) in [(AGENT, "forwarded"), (AGENT, "rate_limited"), ("spiffe://e/other", "forwarded")]
    {
        assert_eq!(answer(&ask(&mut gate, false, certificate(uri), "any_x")), expected, "{uri}");
    }
}

#[test]
fn what_a_certificate_could_not_hold_is_refused() {
    let mut all = document(None, &rules());
    all["servers"][0]["clients"] = json!([{"name": "c", "rules": [
        {"id": "layer", "allow": {"who": {"certificates": ["a.example"]}, "tools": ["x"]}}]}]);
    let refused = |document: &Value| -> Vec<String> {
        let errors = config::compile(document.to_string().as_bytes()).unwrap_err();
        errors.iter().map(|error| format!("{}: {}", error.path, error.message)).collect()
    };
    let why = "certificates mean nothing to this server: say by `client_certificates` that its listeners check them";
    let at = |path: &str| format!("servers[0].{path}.allow.who.certificates: {why}");
    assert_eq!(refused(&all), [at("rules[0]"), at("rules[1]"), at("clients[0].rules[0]")]);

    let place = json!({"cluster": "auth", "path": "/v1/identity"});
    let mut told = document(Some("alone"), &json!([{"id": "any", "allow": {"who": "any", "tools": ["*"]}}]));
    told["servers"][0]["credential"] = json!({"signed_identity": place});
    assert_eq!(
        refused(&told),
        [
            "servers[0].client_certificates: `alone` lets callers in without a token, of whom the server could not be told anything (`credential`)"
        ]
    );
    told["servers"][0]["client_certificates"] = json!("beside_token");
    assert!(config::compile(told.to_string().as_bytes()).is_ok());
}

#[test]
fn a_certificate_takes_room_while_its_request_waits() {
    let mut gate = Gate::new(&document(Some("alone"), &rules()));
    let head = |certificate| wicketgate_core::head::RequestHead {
        certificate,
        ..world::request(
            "POST",
            "/mcp",
            &[("content-type", "application/json"), ("accept", "application/json, text/event-stream")],
        )
    };
    let long = PeerCertificate::new(Some("u:".to_owned() + &"a".repeat(1000)), None, None);
    let mut waiting = gate.begin();
    waiting.feed(&mut gate, Event::RequestHead { head: head(long), end: false });
    let held = gate.held.bytes();
    drop(waiting);
    let mut waiting = gate.begin();
    waiting.feed(&mut gate, Event::RequestHead { head: head(None), end: false });
    assert!(held >= gate.held.bytes() + 1000, "{held}");
}
