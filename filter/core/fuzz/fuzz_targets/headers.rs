//! What goes upstream says in its headers what it says in its body, to a reader who is not ours; and no header of a client's
//! says who or where he is.
//!
//! The input is text: a line `VERB PATH`, header lines, an empty line, the body.
#![no_main]
#[path = "../host/mod.rs"]
mod host;

use std::sync::LazyLock;

use host::{Asked, Driven, Vm, repeated};
use libfuzzer_sys::Corpus;
use serde_json::{Value, json};
use wicketgate_core::exchange::step::Event;
use wicketgate_core::guard::Guard;
use wicketgate_core::head::{Headers, RequestHead};
use wicketgate_core::mcp::method::Method;

const SOURCE: &str = "192.0.2.7";
const ONCE: [&str; 9] = [
    "authorization",
    "origin",
    "mcp-protocol-version",
    "mcp-method",
    "mcp-name",
    "mcp-session-id",
    "last-event-id",
    "content-type",
    "content-length",
];

static GUARD: LazyLock<Guard> = LazyLock::new(|| {
    host::guard(
        &json!({"version": 1, "hold_headers": true, "issuers": [{"issuer": host::ISSUER, "algorithms": ["ES256"],
        "jwks": {"cluster": "c", "path": "/"}, "validate": {"cluster": "c", "path": "/"}}],
        "servers": [{"name": "s", "url": host::RESOURCE, "match": {"hosts": ["*"]}, "origins": ["https://app.example"],
            "sessions": {"unknown": "adopt"}, "rules": [
            {"id": "names", "allow": {"who": "anonymous", "tools": ["*"], "prompts": ["*"], "resources": ["*"], "tasks": ["*"]}},
            {"id": "methods", "allow": {"who": "anonymous", "methods": ["x/*", "logging/setLevel"]}}]}]}),
    )
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((head, body)) = split(input) else { return Corpus::Reject };
    let mut vm = Vm::new(&GUARD);
    let mut driven = Driven::new(vm.now);
    driven.feed(&mut vm, Event::RequestHead { head: head.clone(), end: body.is_empty() });
    if !body.is_empty() && !driven.is_over() {
        driven.body = body.to_vec();
        driven.feed(&mut vm, Event::RequestBody(body));
    }
    match driven.asked.take() {
        Some(Asked::Token) => drop(driven.feed(&mut vm, Event::Validated(Some(good().as_bytes())))),
        Some(Asked::Keys(_)) => drop(driven.feed(&mut vm, Event::KeysFetched)),
        Some(Asked::Leases | Asked::Policy | Asked::Credential) | None => {}
    }
    if driven.forwarded.is_some() {
        agrees(&head, body);
        stripped(&head, &driven.removed);
    }
    for decision in &driven.decisions {
        assert_eq!(decision["source"], SOURCE, "whatever headers say");
        silent(&head, body, decision);
    }
    driven.finish(&mut vm);
    host::all_is_given_back(&vm);
    Corpus::Keep
});

fn split(input: &[u8]) -> Option<(RequestHead, &[u8])> {
    let end = input.windows(2).position(|two| two == b"\n\n").unwrap_or(input.len());
    let body = input.get(end + 2..).unwrap_or_default();
    let mut lines = input[..end].trim_ascii_end().split(|byte| *byte == b'\n');
    let (verb, path) = std::str::from_utf8(lines.next()?).ok()?.split_once(' ')?;
    let mut pairs = Vec::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(&line[..colon]).ok()?.to_owned();
        pairs.push((name, line[colon + 1..].to_vec()));
    }
    let head = RequestHead {
        method: verb.to_owned(),
        authority: "b.example".into(),
        path: path.to_owned(),
        headers: Headers::new(pairs),
        source: Some(SOURCE.into()),
        ..RequestHead::default()
    };
    Some((head, body))
}

fn good() -> String {
    json!({"active": true, "iss": host::ISSUER, "sub": "alice", "aud": host::RESOURCE, "exp": host::NOW + 60, "iat": 1,
        "jti": "j", "client_id": "c", "scope": "x", "grant_id": "g"}).to_string()
}

/// The only value of a header, as a lenient reader takes it.
fn value<'a>(head: &'a RequestHead, name: &str) -> Option<&'a str> {
    let (_, value) = head.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
    Some(std::str::from_utf8(value).expect("text passed").trim_matches([' ', '\t']))
}

fn agrees(head: &RequestHead, body: &[u8]) {
    let twice = repeated(head.headers.iter().map(|(name, _)| name));
    assert!(ONCE.iter().all(|name| !twice.contains(*name)), "{twice:?}");
    assert!(twice.iter().all(|name| !name.starts_with("mcp-param-")), "{twice:?}");
    assert!(value(head, "origin").is_none_or(|o| o.to_ascii_lowercase().starts_with("https://app.example")));
    let query = head.path.split_once('?').map(|(_, query)| query.to_ascii_lowercase());
    assert!(query.is_none_or(|query| !query.starts_with("access_token=")));
    if let Some(credential) = value(head, "authorization") {
        let (scheme, token) = credential.split_once(' ').expect("two words");
        assert!(
            scheme.eq_ignore_ascii_case("bearer") && !token.trim_start().contains([' ', ',']),
            "{credential}"
        );
    }
    let modern = value(head, "mcp-protocol-version") == Some("2026-07-28");
    if head.method != "POST" {
        return assert!(!modern && body.is_empty() && matches!(head.method.as_str(), "GET" | "DELETE"));
    }
    let media = value(head, "content-type").expect("a media type").to_ascii_lowercase();
    assert!(media.starts_with("application/json"), "{media}");
    let theirs: Value = serde_json::from_slice(body).expect("JSON");
    let declared = &theirs["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"];
    assert!(declared.is_null() || declared.as_str() == value(head, "mcp-protocol-version"));
    if let Some(method) = value(head, "mcp-method") {
        assert_eq!(theirs["method"].as_str().unwrap_or("session/answer"), method);
    }
    assert!(!modern || value(head, "mcp-method").is_some());
    name_agrees(head, &theirs, modern);
}

fn name_agrees(head: &RequestHead, theirs: &Value, modern: bool) {
    let method = theirs["method"].as_str().unwrap_or_default();
    let params = &theirs["params"];
    let named = match method {
        "tools/call" | "prompts/get" => &params["name"],
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => &params["uri"],
        "completion/complete" if params["ref"]["uri"].is_null() => &params["ref"]["name"],
        "completion/complete" => &params["ref"]["uri"],
        _ if method.starts_with("tasks/") => &params["taskId"],
        _ => &Value::Null,
    };
    let Some(written) = value(head, "mcp-name") else {
        let needed = Method::find(method).is_some_and(|m| m.named_in_header);
        return assert!(!(modern && needed), "a name that is only in the body");
    };
    let inner = written.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let meant = inner.map_or_else(|| written.as_bytes().to_vec(), decoded);
    // What `subscriptions/listen` names may be one thing; of a method that nobody knows nothing is known.
    if Method::find(method).is_some() && method != "subscriptions/listen" {
        assert_eq!(named.as_str().map(str::as_bytes), Some(&*meant), "{method}");
    }
}

/// Base64, bit by bit.
fn decoded(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut out) = (0u32, 0, Vec::new());
    for byte in text.trim_end_matches('=').bytes() {
        let six = alphabet.iter().position(|other| *other == byte).expect("Base64") as u32;
        (bits, count) = (bits << 6 | six, count + 6);
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    out
}

/// What is only for us, or only from us, goes no further.
fn stripped(head: &RequestHead, removed: &[String]) {
    for (name, _) in head.headers.iter() {
        let lower = name.to_ascii_lowercase();
        let ours = ["authorization", "proxy-authorization", "dpop", "cookie", "accept-encoding"]
            .contains(&lower.as_str())
            || lower.starts_with("x-wicketgate-")
            || lower.starts_with("x-envoy-retry");
        assert!(!ours || removed.iter().any(|other| other == name), "{name} goes upstream");
    }
}

/// A token is in no record, unless it is written elsewhere too.
fn silent(head: &RequestHead, body: &[u8], decision: &Value) {
    let Some((_, token)) = head.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"))
    else {
        return;
    };
    let Some(token) = std::str::from_utf8(token).ok().and_then(|t| t.trim().split(' ').next_back()) else {
        return;
    };
    let elsewhere = head.path.contains(token)
        || head.method.contains(token)
        || contains(body, token.as_bytes())
        || head
            .headers
            .iter()
            .any(|(name, v)| !name.eq_ignore_ascii_case("authorization") && contains(v, token.as_bytes()));
    let plain = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    if token.len() >= 20 && plain && !elsewhere && !contains(body, b"\\") {
        assert!(!decision.to_string().contains(token), "{decision}");
    }
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && bytes.windows(needle.len()).any(|window| window == needle)
}
