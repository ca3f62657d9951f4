//! What becomes of a stream of which one event may not pass? However it is cut: what came before arrives, the event becomes an
//! error, nothing follows it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail that way"
)]

mod world;

use proptest::prelude::*;
use serde_json::{Value, json};
use wicketgate_core::exchange::step::{Event, ResponseMode};
use world::{Driven, Gate, call, configuration, list, request, response};

const EVENTS: (&str, &str) = ("content-type", "text/event-stream");
const JSON: (&str, &str) = ("content-type", "application/json");
/// Two that may pass, one of them a result that fits the schema.
const BEFORE: &str = "id: 1\ndata: {\"method\":\"notifications/progress\"}\n\ndata: {\"id\":7,\"result\":{\"structuredContent\":{\"n\":1}}}\n\n";
const AFTER: &str = "data: {\"method\":\"notifications/message\"}\n\n";
const ERROR: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32603,\"message\":\"The server's answer was withheld\"}}\n\n";

/// Data that may not pass, each for another reason.
fn blocked() -> Vec<(&'static str, String)> {
    vec![
        ("content", r#"{"id":1,"result":{"structuredContent":{"n":2},"x":"to a@example.com"}}"#.to_owned()),
        ("schema", r#"{"id":1,"result":{"structuredContent":{"n":"2"}}}"#.to_owned()),
        ("unreadable", r#"{"id":1,"result":"#.to_owned()),
        ("size", format!(r#"{{"id":1,"result":{{"x":"{}"}}}}"#, "x".repeat(2000))),
    ]
}

/// A server whose tool `t` was listed with an output schema.
fn gate() -> Gate {
    let rules = json!([{"id": "all", "allow": {"who": "any", "tools": ["*"], "methods": ["*"]}},
        {"id": "calls", "allow": {"who": "any", "tools": ["*"]}}]);
    let mut document = configuration(&rules);
    let server = &mut document["servers"][0];
    server["content"] = json!([{"id": "mail", "detect": ["email"], "action": "block"}]);
    server["tools"] = json!({"output_schema": "block"});
    server["limits"] = json!({"response_bytes": 1024});
    let mut gate = Gate::new(&document);
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let tools = json!([{"name": "t", "inputSchema": {"type": "object"}, "outputSchema": schema}]);
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}).to_string();
    gate.post(&json!({}), &list("tools/list")).respond(&mut gate, 200, &[JSON], answer.as_bytes());
    gate
}

/// The stream in pieces of these sizes, over and over.
fn streamed(gate: &mut Gate, mut driven: Driven, stream: &str, sizes: &[usize]) -> Driven {
    driven.feed(gate, Event::ResponseHead { head: response(200, &[EVENTS]), end: false });
    assert_eq!(driven.exchange.response_mode(), ResponseMode::Stream);
    let mut rest = stream.as_bytes();
    for size in sizes.iter().cycle() {
        let (bytes, after) = rest.split_at((*size).min(rest.len()));
        rest = after;
        driven.feed(gate, Event::ResponseBody { bytes, size: bytes.len(), end: rest.is_empty() });
        if rest.is_empty() {
            break;
        }
    }
    driven
}

fn text(driven: &Driven) -> String {
    String::from_utf8(driven.downstream.clone()).unwrap()
}

proptest! {
    #[test]
    fn however_a_stream_is_cut_what_came_before_arrives_and_an_error_ends_it(
        sizes in prop::collection::vec(1_usize..300, 1..12),
        which in any::<prop::sample::Index>(),
        after in 0_usize..3,
    ) {
        let (why, data) = which.get(&blocked()).clone();
        let mut gate = gate();
        let asked = gate.post(&json!({}), &call("t"));
        let stream = format!("{BEFORE}data: {data}\n\n{}", AFTER.repeat(after));
        let mut driven = streamed(&mut gate, asked, &stream, &sizes);
        prop_assert_eq!(text(&driven), format!("{BEFORE}{ERROR}"), "{}", why);
        prop_assert_eq!(driven.resets, 0, "what was given to the host arrives");
        prop_assert!(driven.exchange.deadline(&gate.guard).unwrap() <= gate.now, "and it is closed soon");
        driven.finish(&mut gate);
        prop_assert_eq!(&driven.completions[0]["reason"], "unsafe_response", "{}", why);
        prop_assert_eq!(driven.counts.iter().filter(|reason| **reason == "unsafe_response").count(), 1);
        prop_assert_eq!(gate.held.bytes(), 0, "nothing of the rest is kept");
    }
}

#[test]
fn where_nobody_waits_for_an_answer_the_stream_just_ends() {
    let mut gate = gate();
    let bearer = format!("Bearer {}", gate.token(&json!({})));
    let fields = [("authorization", bearer.as_str()), ("accept", "text/event-stream")];
    let mut listening = gate.begin();
    listening.feed(&mut gate, Event::RequestHead { head: request("GET", "/mcp", &fields), end: true });
    let stream = format!("{AFTER}data: {}\n\n{AFTER}", blocked()[0].1);
    let mut driven = streamed(&mut gate, listening, &stream, &[stream.len() / 2, 1]);
    assert_eq!(text(&driven), AFTER);
    driven.feed(&mut gate, Event::Expired);
    driven.finish(&mut gate);
    assert_eq!((driven.resets, &driven.completions[0]["reason"]), (1, &json!("unsafe_response")));
}

#[test]
fn a_request_that_has_its_answer_gets_no_second_one() {
    // The id that was asked with, the answer before the event that may not pass, and whether it is the answer.
    let cases = [
        (json!(1), r#"{"id":1,"result":{"structuredContent":{"n":1}}}"#, true),
        (json!(1), r#"{"id":1,"error":{"code":-1,"message":"no"}}"#, true),
        (json!("é"), r#"{"id":"\u00e9","error":{"code":-1,"message":"no"}}"#, true),
        (json!(1), r#"{"id":"1","result":{"structuredContent":{"n":1}}}"#, false),
        (json!(1), r#"{"id":1,"method":"ping"}"#, false),
        (json!(1), r#"{"result":{"structuredContent":{"n":1}}}"#, false),
        (json!(1), r#"{"params":{"id":1},"method":"notifications/message"}"#, false),
    ];
    for (id, first, is_answer) in cases {
        let mut gate = gate();
        let mut message = call("t");
        message["id"] = id;
        let asked = gate.post(&json!({}), &message);
        let first = format!("data: {first}\n\n");
        let stream = format!(
            "{first}data: {{\"method\":\"notifications/message\",\"params\":{{\"x\":\"a@example.com\"}}}}\n\n"
        );
        let mut driven = streamed(&mut gate, asked, &stream, &[20]);
        assert_eq!(text(&driven) == first, is_answer, "{}", text(&driven));
        assert_eq!(
            text(&driven).starts_with(&first) && text(&driven).ends_with(ERROR),
            !is_answer,
            "{first}"
        );
        driven.feed(&mut gate, Event::Expired);
        driven.finish(&mut gate);
        assert_eq!(driven.completions[0]["reason"], "unsafe_response", "it is written down all the same");
    }
}

#[test]
fn a_task_that_does_not_arrive_is_nobodys() {
    let mut gate = gate();
    let mut message = call("t");
    message["params"]["task"] = json!({});
    let asked = gate.post(&json!({}), &message);
    let task = |x: &str| {
        json!({"id": 1, "result": {"task": {"taskId": "one", "status": "working", "x": x}}}).to_string()
    };
    let before = gate.shared.len();
    let driven = streamed(&mut gate, asked, &format!("data: {}\n\n", task("a@example.com")), &[9]);
    assert_eq!((text(&driven).as_str(), gate.shared.len()), (ERROR, before));
    let asked = gate.post(&json!({}), &message);
    let driven = streamed(&mut gate, asked, &format!("data: {}\n\n", task("x")), &[9]);
    assert!(text(&driven).contains("one") && gate.shared.len() > before, "{}", text(&driven));
}

#[test]
fn a_text_is_not_held_against_the_schema_of_a_tool() {
    let result = |result: Value| json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string();
    let error = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "{no}"}}).to_string();
    // What comes as an answer to the call, and whether it passes.
    for (media, body, passes) in [
        ("text/plain", "{not JSON".to_owned(), true),
        ("text/html", "<p>{\"result\":{}}</p>".to_owned(), true),
        ("application/json", error, true),
        ("application/json", result(json!({"isError": true, "content": []})), true),
        ("application/json", result(json!({"structuredContent": {"n": 1}})), true),
        ("application/json", result(json!({"content": []})), false),
        // An error needs none, but what stands there must conform: clients hold it against the schema, too.
        ("application/json", result(json!({"isError": true, "structuredContent": {"n": "x"}})), false),
    ] {
        for status in [200, 500] {
            let mut gate = gate();
            let mut driven = gate.post(&json!({}), &call("t"));
            driven.respond(&mut gate, status, &[("content-type", media)], body.as_bytes());
            assert_eq!(driven.status(), (!passes).then_some(502), "{status} {media} {body}");
        }
    }
}
