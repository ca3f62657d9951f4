use super::*;
use crate::mcp::jsonrpc::read;
use Revision::{R20250618, R20251125, R20260728};

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_note"}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const DECLARED: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
const ODD: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"é\n"}}"#;
const UNKNOWN: &str = r#"{"jsonrpc":"2.0","id":1,"method":"acme/run","params":{"name":"x"}}"#;
const LISTEN: &str = r#"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["a:1","a:2"]}}}"#;
const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

fn head(pairs: &[(&str, &str)]) -> RequestHead {
    let pairs = pairs.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect();
    RequestHead { method: "POST".into(), headers: Headers::new(pairs), ..RequestHead::default() }
}

fn verdict(revision: Option<Revision>, body: &str, pairs: &[(&str, &str)]) -> Result<(), Denial> {
    agree(&head(pairs).headers, revision, &read(body.as_bytes(), revision).unwrap())
}

#[test]
fn a_modern_request_must_mirror_its_method_and_name() {
    let modern = |body, pairs: &[(&str, &str)]| verdict(Some(R20260728), body, pairs);
    let (method, name) = (Err(Denial::HeaderMismatch(METHOD)), Err(Denial::HeaderMismatch(NAME)));
    let call = ("mcp-method", "tools/call");
    let cases: [(&str, &[(&str, &str)], _); 17] = [
        (CALL, &[call, ("mcp-name", "get_note")], Ok(())),
        (CALL, &[("MCP-METHOD", "tools/call"), ("Mcp-Name", "  get_note\t")], Ok(())),
        (CALL, &[call], name.clone()),
        (CALL, &[call, ("mcp-name", "Get_note")], name.clone()),
        (CALL, &[call, ("mcp-name", "get_note"), ("mcp-name", "get_note")], name.clone()),
        (CALL, &[("mcp-name", "get_note")], method.clone()),
        (CALL, &[("mcp-method", "TOOLS/CALL"), ("mcp-name", "get_note")], method.clone()),
        (CALL, &[("mcp-method", "tools/list"), ("mcp-name", "get_note")], method.clone()),
        (CALL, &[call, call, ("mcp-name", "get_note")], method.clone()),
        (LIST, &[("mcp-method", "tools/list")], Ok(())),
        (LIST, &[("mcp-method", "tools/list"), ("mcp-name", "get_note")], name.clone()),
        (ODD, &[call, ("mcp-name", "=?base64?w6kK?=")], Ok(())),
        (ODD, &[call, ("mcp-name", "é\n")], name.clone()),
        (UNKNOWN, &[("mcp-method", "acme/run"), ("mcp-name", "whatever")], Ok(())),
        (LISTEN, &[("mcp-method", "subscriptions/listen")], Ok(())),
        (LISTEN, &[("mcp-method", "subscriptions/listen"), ("mcp-name", "a:1")], name),
        (ANSWER, &[], Err(Denial::InvalidRequest("an answer, in a revision without requests to answer"))),
    ];
    for (body, pairs, expected) in cases {
        assert_eq!(modern(body, pairs), expected, "{body} {pairs:?}");
    }
}

#[test]
fn a_legacy_request_need_not_mirror_but_must_not_differ() {
    for revision in [None, Some(R20250618), Some(R20251125)] {
        assert_eq!(verdict(revision, CALL, &[]), Ok(()));
        assert_eq!(verdict(revision, ANSWER, &[]), Ok(()));
        assert_eq!(
            verdict(revision, CALL, &[("mcp-method", "tools/call"), ("mcp-name", "get_note")]),
            Ok(())
        );
        assert_eq!(verdict(revision, CALL, &[("mcp-method", "ping")]), Err(Denial::HeaderMismatch(METHOD)));
        assert_eq!(verdict(revision, CALL, &[("mcp-name", "x")]), Err(Denial::HeaderMismatch(NAME)));
        assert_eq!(verdict(revision, DECLARED, &[]), Err(Denial::HeaderMismatch(VERSION)));
    }
}

#[test]
fn the_declared_version_equals_the_header_and_may_be_missed_by_the_server() {
    let pairs = [("mcp-method", "tools/list"), ("mcp-protocol-version", "2026-07-28")];
    assert_eq!(verdict(Some(R20260728), DECLARED, &pairs), Ok(()));
    assert_eq!(verdict(Some(R20260728), LIST, &pairs), Ok(()), "the server answers -32602 itself");
    let other = DECLARED.replace("2026-07-28", "v999.0.0");
    assert_eq!(verdict(Some(R20260728), &other, &pairs), Err(Denial::HeaderMismatch(VERSION)));
}

#[test]
fn the_sentinel_is_exact() {
    for (value, meaning) in [
        ("=?base64?SGk=?=", Some("Hi")),
        ("=?base64??=", Some("")),
        ("=?base64?SGk?=", None),
        ("=?base64?SGl=?=", None),
        ("=?base64?SG k=?=", None),
        ("=?base64?S-k_?=", None),
        ("=?base64?/w==?=", None),
        ("=?BASE64?SGk=?=", Some("=?BASE64?SGk=?=")),
        ("=?base64?SGk=", Some("=?base64?SGk=")),
        ("=?base64?=", Some("=?base64?=")),
        ("SGk=?=", Some("SGk=?=")),
    ] {
        assert_eq!(unwrap_sentinel(value).as_deref(), meaning, "{value}");
    }
}

#[test]
fn a_version_is_one_that_the_server_allows() {
    let allowed = [R20251125, R20260728];
    let of = |pairs: &[(&str, &str)]| revision_of(&head(pairs), &allowed, Newer::Refuse);
    assert_eq!(of(&[]), Ok(None));
    assert_eq!(of(&[("mcp-protocol-version", " 2026-07-28 ")]), Ok(Some(R20260728)));
    for unknown in ["2025-06-18", "2026-07-28x", "", "v999.0.0"] {
        let denied = Err(Denial::UnsupportedVersion(unknown.into()));
        assert_eq!(of(&[("mcp-protocol-version", unknown)]), denied);
    }
    let twice = [("mcp-protocol-version", "2026-07-28"), ("MCP-Protocol-Version", "2026-07-28")];
    assert_eq!(of(&twice), Err(Denial::HeaderMismatch(VERSION)));
}

#[test]
fn a_newer_version_is_refused_or_read_as_the_newest() {
    let of = |newer, allowed: &[Revision], text| {
        revision_of(&head(&[("mcp-protocol-version", text)]), allowed, newer)
    };
    let all = Revision::ALL;
    assert_eq!(of(Newer::Inspect, &all, "2027-01-31"), Ok(Some(R20260728)));
    for text in ["2026-07-27", "2024-11-05", "2027-1-31", "2027-01-31x", "9999", "DRAFT-2027"] {
        assert_eq!(of(Newer::Inspect, &all, text), Err(Denial::UnsupportedVersion(text.into())));
    }
    for (newer, allowed) in [(Newer::Refuse, &all[..]), (Newer::Inspect, &[R20251125])] {
        let refused = Err(Denial::UnsupportedVersion("2027-01-31".into()));
        assert_eq!(of(newer, allowed, "2027-01-31"), refused);
    }
}

#[test]
fn headers_that_decide_anything_stand_once() {
    assert_eq!(
        unrepeated(&head(&[("mcp-param-a", "1"), ("mcp-param-b", "1"), ("x", "1"), ("x", "2")]).headers),
        Ok(())
    );
    let repeated = |name: &str| unrepeated(&head(&[(name, "1"), (name, "1")]).headers);
    assert_eq!(repeated("content-type"), Err(Denial::HeaderMismatch("Content-Type")));
    assert_eq!(repeated("mcp-session-id"), Err(Denial::HeaderMismatch("Mcp-Session-Id")));
    for name in ["Mcp-Param-Region", "mcp-anything-new"] {
        assert_eq!(repeated(name), Err(Denial::HeaderMismatch("Mcp-*")));
    }
}

#[test]
fn only_plain_json_is_taken() {
    let of = |pairs: &[(&str, &str)]| media_type(&head(pairs)).is_ok();
    for good in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
    ] {
        assert!(of(&[("content-type", good)]), "{good}");
    }
    for bad in [
        "",
        "text/plain",
        "application/json-seq",
        "application/json; charset=utf-16",
        "application/json; a=b",
        "application/json; profile=utf-8",
        "application/jsonx",
    ] {
        assert!(!of(&[("content-type", bad)]), "{bad}");
    }
    let json = ("content-type", "application/json");
    assert!(!of(&[]));
    assert!(!of(&[json, json]));
    assert!(of(&[json, ("content-encoding", "identity")]));
    assert!(!of(&[json, ("content-encoding", "gzip")]));
    assert!(!of(&[json, ("content-encoding", "identity"), ("content-encoding", "gzip")]));
}

#[test]
fn a_client_that_can_read_no_answer_is_told_so() {
    let of = |method: &str, accept: &[&str]| {
        let pairs: Vec<_> = accept.iter().map(|v| ("accept", *v)).collect();
        acceptable(&RequestHead { method: method.into(), ..head(&pairs) }).is_ok()
    };
    for good in [
        "application/json, text/event-stream",
        "*/*",
        "text/html, APPLICATION/json;q=0.1",
        "text/*",
        "application/*",
    ] {
        assert!(of("POST", &[good]), "{good}");
    }
    assert!(of("POST", &[]));
    assert!(of("POST", &["text/html", "text/event-stream"]));
    for bad in ["text/html", "", "application/json;q=0", "application/json;q=0.0, text/html"] {
        assert!(!of("POST", &[bad]), "{bad}");
    }
    assert!(of("GET", &["application/json, text/event-stream"]));
    assert!(!of("GET", &["application/json"]));
    assert!(of("DELETE", &["text/html"]));
}
