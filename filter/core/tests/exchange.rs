//! One exchange at a time: who passes, who does not, and what each hears. Cites the invariants of the README.
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
use wicketgate_core::identity::jwks::KeySet;
use wicketgate_core::time::Timestamp;
use world::{Fields, Gate, call, list, request};

fn rules() -> Value {
    json!([
        {"id": "read", "allow": {"who": {"scopes": ["mcp:read"]}, "tools": ["search_*"], "prompts": ["*"]}},
        {"id": "write", "allow": {"who": {"scopes": ["mcp:write"]}, "tools": ["write_note"]}},
        {"id": "hidden", "allow": {"who": {"scopes": ["mcp:admin"]}, "tools": ["drop_all"], "hide": true}},
    ])
}

#[test]
fn an_allowed_call_goes_through_byte_for_byte_and_is_recorded_once() {
    let mut gate = Gate::with_rules(&rules());
    let token = gate.token(&json!({}));
    let body =
        b" { \"jsonrpc\":\"2.0\", \"id\":1,\"method\":\"tools\\/call\",\"params\":{\"name\":\"search_x\"} } ";
    let mut driven = gate.post_raw(&[("authorization", &format!("Bearer {token}"))], body);
    assert_eq!(driven.upstream.as_deref(), Some(body.as_slice()), "invariant 5");
    driven.respond(&mut gate, 200, &[("content-type", "application/json")], b"{}");
    driven.finish(&mut gate);
    assert_eq!((driven.decisions.len(), driven.completions.len()), (1, 1), "invariant 2");
    let decision = &driven.decisions[0];
    assert_eq!(decision["verdict"], "allow");
    assert_eq!(decision["rule"], "read");
    assert_eq!(decision["principal"]["subject"], "alice");
    assert_eq!(decision["operation"]["targets"][0]["name"], "search_x");
    assert_eq!(driven.completions[0]["status"], 200);
    assert_eq!(driven.completions[0]["work_us"], 7);
    assert_eq!(driven.removed_request_headers, ["authorization"], "the upstream never sees the token");
}

#[test]
fn a_token_is_verified_once_and_then_remembered() {
    let mut gate = Gate::with_rules(&rules());
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    for remembered in [false, true, true] {
        let driven = gate.post_raw(&[("authorization", &bearer)], call("search_x").to_string().as_bytes());
        assert_eq!(driven.tokens_remembered, [remembered]);
        // Without its key, but asked for before those that are held.
        let earlier = Timestamp::from_nanos(gate.now.as_nanos() - 1);
        gate.memory.replace_keys(0, KeySet::parse(br#"{"keys": []}"#).unwrap(), earlier, gate.now);
    }
}

#[test]
fn a_token_is_not_remembered_longer_than_its_key_may_be_used_unheard_of() {
    let mut configuration = world::configuration(&rules());
    configuration["issuers"][0]["jwks"]["max_stale"] = json!("1h");
    let mut gate = Gate::new(&configuration);
    let bearer = format!("Bearer {}", gate.token(&json!({"exp": world::NOW + 86_400})));
    for (later, status) in [(0, None), (3600, None), (1, Some(503))] {
        gate.now = gate.now.plus(Duration::from_secs(later));
        let driven = gate.post_raw(&[("authorization", &bearer)], call("search_x").to_string().as_bytes());
        let unheard_of = driven.wants_keys.is_some().then_some(503);
        assert_eq!(driven.status().or(unheard_of), status);
    }
}

#[test]
fn what_envoy_routes_elsewhere_is_refused_where_routes_are_named() {
    let mut configuration = world::configuration(&rules());
    configuration["servers"][0]["match"] = json!({"routes": ["mcp", "mcp-canary"]});
    let mut gate = Gate::new(&configuration);
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("authorization", bearer.as_str()),
    ];
    for (route, refused) in
        [(Some("mcp"), None), (Some("mcp-canary"), None), (Some("other"), Some(500)), (None, Some(500))]
    {
        let mut driven = gate.begin();
        gate.route = route.map(str::to_owned);
        driven.feed(&mut gate, Event::RequestHead { head: request("POST", "/mcp", &headers), end: false });
        driven.feed(&mut gate, Event::RequestBody(call("search_x").to_string().as_bytes()));
        assert_eq!(driven.status(), refused, "{route:?}");
        assert_eq!(
            driven.decisions.first().map(|d| d["detail"].clone()).filter(|detail| !detail.is_null()),
            refused.map(|_| json!("Envoy chose another route"))
        );
    }
}

#[test]
fn each_decision_counts_for_its_server_once() {
    let mut gate = Gate::with_rules(&rules());
    let allowed = gate.post(&json!({}), &call("search_x"));
    assert_eq!(allowed.servers, [(0, true)]);
    let denied = gate.post(&json!({}), &call("drop_everything"));
    assert_eq!(denied.servers, [(0, false)]);
    let mut elsewhere = gate.begin();
    elsewhere.feed(&mut gate, Event::RequestHead { head: request("POST", "/elsewhere", &[]), end: false });
    assert_eq!(elsewhere.servers, []);
}

#[test]
fn what_is_not_for_the_upstream_is_removed_once_each() {
    let mut gate = Gate::with_rules(&rules());
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    let headers = [
        ("authorization", bearer.as_str()),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("x-wicketgate-subject", "root"),
        ("accept-encoding", "gzip"),
        ("x-harmless", "1"),
    ];
    let driven = gate.post_raw(&headers, call("search_x").to_string().as_bytes());
    assert!(driven.upstream.is_some());
    assert_eq!(
        driven.removed_request_headers,
        ["accept-encoding", "authorization", "cookie", "x-wicketgate-subject"]
    );
}

#[test]
fn no_credential_is_challenged_before_any_body() {
    let mut gate = Gate::with_rules(&rules());
    let driven = gate.post_raw(&[], b"not even json");
    assert_eq!(driven.status(), Some(401));
    assert_eq!(
        driven.reply_header("www-authenticate"),
        Some(
            "Bearer resource_metadata=\"https://gate.example/.well-known/oauth-protected-resource/mcp\", scope=\"mcp:read\""
        )
    );
    assert!(driven.upstream.is_none(), "invariant 1");
}

#[test]
fn hidden_and_missing_tools_read_alike() {
    let mut gate = Gate::with_rules(&rules());
    let hidden = gate.post(&json!({"scope": "mcp:none"}), &call("nothing_like_it"));
    let missing = gate.post(&json!({"scope": "mcp:none"}), &call("nothing_like_it_either"));
    for (driven, name) in [(hidden, "nothing_like_it"), (missing, "nothing_like_it_either")] {
        assert!(driven.upstream.is_none(), "invariant 1");
        assert_eq!(driven.status(), Some(200), "invariant 6");
        assert_eq!(driven.reply_json()["error"]["message"], format!("Unknown tool: {name}"));
        assert_eq!(driven.reply_json()["id"], 1);
    }
}

#[test]
fn a_missing_scope_is_a_challenge_naming_what_is_needed() {
    let mut gate = Gate::with_rules(&rules());
    let driven = gate.post(&json!({}), &call("write_note"));
    assert_eq!(driven.status(), Some(403));
    let challenge = driven.reply_header("www-authenticate").unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\"") && challenge.contains("mcp:write"),
        "{challenge}"
    );
    assert_eq!(driven.decisions[0]["verdict"], "challenge");
}

#[test]
fn keys_that_cannot_be_had_are_503_not_401() {
    let mut gate = Gate::with_rules(&rules());
    gate.forget_keys();
    let token = gate.token(&json!({}));
    let mut driven = gate
        .post_raw(&[("authorization", &format!("Bearer {token}"))], call("search_x").to_string().as_bytes());
    assert_eq!(driven.wants_keys, Some(0));
    assert!(driven.upstream.is_none() && driven.replies.is_empty(), "held, with the body already there");
    gate.memory.keys.failed(0, gate.now);
    driven.feed(&mut gate, Event::KeysFetched);
    assert_eq!(driven.status(), Some(503), "a 401 would make clients throw away good tokens");
}

#[test]
fn keys_that_come_release_what_waited_for_them() {
    let mut gate = Gate::with_rules(&rules());
    gate.forget_keys();
    let token = gate.token(&json!({}));
    let mut driven = gate
        .post_raw(&[("authorization", &format!("Bearer {token}"))], call("search_x").to_string().as_bytes());
    let keys = gate.keys();
    gate.memory.replace_keys(0, keys, gate.now, gate.now);
    driven.feed(&mut gate, Event::KeysFetched);
    assert!(driven.upstream.is_some());
}

#[test]
fn verbs_without_a_body_are_judged_too() {
    let mut gate = Gate::with_rules(&rules());
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    for (verb, forwarded, status) in [
        ("GET", true, None),
        ("DELETE", true, None),
        ("PUT", false, Some(405)),
        ("OPTIONS", false, Some(405)),
    ] {
        let mut driven = gate.begin();
        let head = request(verb, "/mcp", &[("authorization", &bearer), ("accept", "text/event-stream")]);
        driven.feed(&mut gate, Event::RequestHead { head, end: true });
        assert_eq!((driven.upstream.is_some(), driven.status()), (forwarded, status), "{verb}");
    }
    let mut driven = gate.begin();
    let head = request("GET", "/mcp", &[("authorization", &bearer), ("accept", "text/event-stream")]);
    driven.feed(&mut gate, Event::RequestHead { head, end: false });
    assert_eq!(driven.status(), Some(400), "a GET with a body");
    let mut driven = gate.begin();
    let fields =
        [("authorization", bearer.as_str()), ("accept", "text/event-stream"), ("content-length", "5")];
    driven.feed(&mut gate, Event::RequestHead { head: request("GET", "/mcp", &fields), end: true });
    assert_eq!(driven.status(), Some(400), "a GET that declares a body");
}

#[test]
fn lists_show_what_calls_allow_and_what_a_step_up_could() {
    let mut gate = Gate::with_rules(&rules());
    let answer = br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"search_a"},{"name":"write_note"},{"name":"drop_all"},{"name":"other"}]}}"#;
    let mut driven = gate.post(&json!({}), &list("tools/list"));
    driven.respond(&mut gate, 200, &[("content-type", "application/json")], answer);
    assert_eq!(
        String::from_utf8(driven.downstream.clone()).unwrap(),
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"search_a"},{"name":"write_note"}]}}"#
    );
    driven.finish(&mut gate);
    assert_eq!(driven.completions[0]["removed"], 2);
}

#[test]
fn an_event_stream_list_is_filtered_for_any_chunking() {
    let mut gate = Gate::with_rules(&rules());
    let answer = "id: 1\ndata:\n\n: keep-alive\n\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"ä\"},{\"name\":\"search_ö\"}]}}\n\n";
    for size in 1..answer.len() {
        let mut driven = gate.post(&json!({}), &list("tools/list"));
        let head = world::response(200, &[("content-type", "text/event-stream"), ("content-length", "1")]);
        driven.feed(&mut gate, Event::ResponseHead { head, end: false });
        assert!(driven.removed_response_headers.contains(&"content-length"));
        for chunk in answer.as_bytes().chunks(size) {
            driven.feed(&mut gate, Event::ResponseBody { bytes: chunk, size: chunk.len(), end: false });
        }
        driven.feed(&mut gate, Event::ResponseBody { bytes: b"", size: 0, end: true });
        driven.finish(&mut gate);
        let text = String::from_utf8(driven.downstream).unwrap();
        assert!(text.starts_with("id: 1\ndata: \n\n: keep-alive\n\nevent: message\n"), "{text}");
        assert!(text.contains("search_ö") && !text.contains("\"ä\""), "{text}");
    }
}

#[test]
fn an_answer_that_cannot_be_read_is_withheld() {
    let sound = br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#;
    let cases: [(Fields<'_>, &[u8]); 9] = [
        // Sound as it stands, and something else by its label.
        (&[("content-type", "application/json"), ("content-encoding", "gzip")], sound),
        (&[("content-type", "application/json; charset=utf-16")], sound),
        (&[("content-type", "text/event-stream; charset=utf-7")], b"data: {}\n\n"),
        (&[("content-type", "text/event-stream; charset*=us-ascii''utf-7")], b"data: {}\n\n"),
        (&[("content-type", "application/json; charset*0=ut; charset*1=f-7")], sound),
        (&[("content-type", "text/html")], sound),
        (&[("content-type", "text/html")], b"<html>"),
        (&[("content-type", "application/json")], b"{\"result\":{\"tools\":["),
        (
            &[("content-type", "application/json")],
            b"{\"result\":{\"tools\":[]},\"result\":{\"tools\":[{\"name\":\"x\"}]}}",
        ),
    ];
    let mut gate = Gate::with_rules(&rules());
    for (headers, body) in cases {
        let mut driven = gate.post(&json!({}), &list("tools/list"));
        driven.respond(&mut gate, 200, headers, body);
        assert_eq!(driven.status(), Some(502), "{headers:?}");
        assert!(driven.downstream.is_empty());
        driven.finish(&mut gate);
        assert_eq!(driven.decisions.len(), 1, "the request was allowed once");
        assert_eq!(driven.completions[0]["reason"], "unsafe_response");
    }
}

#[test]
fn a_response_over_the_limit_is_cut_or_refused() {
    let mut configuration = world::configuration(&rules());
    configuration["servers"][0]["limits"] = json!({"response_bytes": "1KiB"});
    let mut gate = Gate::new(&configuration);
    let mut declared = gate.post(&json!({}), &call("search_x"));
    declared.respond(
        &mut gate,
        200,
        &[("content-type", "application/json"), ("content-length", "1025")],
        &[b'x'; 1025],
    );
    assert_eq!(declared.status(), Some(502));
    let mut held = gate.post(&json!({}), &call("search_x"));
    held.respond(&mut gate, 200, &[("content-type", "application/json")], &[b'x'; 1025]);
    assert_eq!(held.status(), Some(502));
    let mut foretold = gate.post(&json!({}), &call("search_x"));
    let plain = ("content-type", "text/plain");
    foretold.respond(&mut gate, 200, &[plain, ("content-length", "1025")], &[b'x'; 1025]);
    assert_eq!((foretold.status(), foretold.resets), (Some(502), 0), "before its head has passed");
    let mut streamed = gate.post(&json!({}), &call("search_x"));
    streamed.respond(&mut gate, 200, &[("content-type", "text/plain")], &[b'x'; 1025]);
    assert_eq!((streamed.resets, streamed.replies.len()), (1, 0));
}

#[test]
fn a_list_is_cut_whatever_it_answers_where_requests_share_a_session() {
    let mut gate = Gate::with_rules(&rules());
    let list = br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"drop_all"},{"name":"search_x"}]}}"#;
    let cut = br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"search_x"}]}}"#;
    for status in [200, 202, 404, 500] {
        let mut mixed = gate.post(&json!({}), &call("search_x"));
        mixed.respond(&mut gate, status, &[("content-type", "application/json")], list);
        assert_eq!(mixed.downstream, cut, "{status}");
        let mut streamed = gate.post(&json!({}), &call("search_x"));
        let event = [b"data: ", list.as_slice(), b"\n\n"].concat();
        streamed.respond(&mut gate, status, &[("content-type", "text/event-stream")], &event);
        assert_eq!(streamed.downstream, [b"data: ", cut.as_slice(), b"\n\n"].concat(), "{status}");
    }
    let mut missing = gate.post(&json!({}), &world::list("tools/list"));
    missing.respond(&mut gate, 404, &[("content-type", "text/plain")], b"Not Found");
    assert_eq!(missing.downstream, b"Not Found", "an error need not look like a list");
    let mut other = gate.post(&json!({}), &call("search_x"));
    other.respond(&mut gate, 202, &[("content-type", "text/plain")], b"Accepted");
    assert_eq!(other.downstream, b"Accepted", "only what was asked for as a list must look like one");
}

#[test]
fn session_ids_reach_the_client_only_from_initialize_or_as_its_own() {
    let mut gate = Gate::with_rules(&rules());
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let answer = [("content-type", "application/json"), ("mcp-session-id", "s1")];
    let mut made = gate.post(&json!({}), &initialize);
    made.respond(&mut gate, 200, &answer, b"{}");
    assert!(!made.removed_response_headers.contains(&"mcp-session-id"));
    let mut failed = gate.post(&json!({}), &initialize);
    failed.respond(&mut gate, 400, &answer, b"{}");
    assert!(failed.removed_response_headers.contains(&"mcp-session-id"));
    let mut foreign = gate.post(&json!({}), &call("search_x"));
    foreign.respond(&mut gate, 200, &answer, b"{}");
    assert!(foreign.removed_response_headers.contains(&"mcp-session-id"));
}

#[test]
fn a_bucket_refuses_with_the_id_and_a_dead_store_denies() {
    let mut configuration = world::configuration(&rules());
    configuration["servers"][0]["limits"] =
        json!({"tools": [{"names": ["search_*"], "rate": "1/m", "burst": 2}]});
    let mut gate = Gate::new(&configuration);
    for _ in 0..2 {
        assert!(gate.post(&json!({}), &call("search_x")).upstream.is_some());
    }
    let refused = gate.post(&json!({}), &call("search_x"));
    assert_eq!((refused.status(), &refused.reply_json()["id"]), (Some(429), &json!(1)));
    assert_eq!(refused.reply_header("retry-after"), Some("60"));
    assert!(
        gate.post(&json!({"sub": "bob"}), &call("search_x")).upstream.is_some(),
        "another's bucket is full"
    );
    assert!(
        gate.post(&json!({"jti": "j2"}), &call("search_x")).upstream.is_none(),
        "a new token refills nothing"
    );
    gate.store_fails = true;
    assert_eq!(gate.post(&json!({"sub": "eve"}), &call("search_x")).status(), Some(503), "invariant 3");
}

#[test]
fn public_documents_are_served_without_a_token() {
    let mut gate = Gate::with_rules(&rules());
    for (path, status) in [
        ("/.well-known/oauth-protected-resource/mcp", 200),
        ("/.well-known/oauth-protected-resource", 200),
        ("/.well-known/oauth-protected-resource/other", 404),
        ("/wicketgate/status", 200),
        ("/elsewhere", 404),
        ("/mcpx", 404),
        ("/mcp/../x", 404),
    ] {
        let mut driven = gate.begin();
        driven.feed(&mut gate, Event::RequestHead { head: request("GET", path, &[]), end: true });
        driven.finish(&mut gate);
        assert_eq!((driven.status(), driven.decisions.len()), (Some(status), 1), "{path}");
    }
}
