use std::time::Duration;

use serde_json::Value;

use super::*;

fn asked() -> Asked<'static> {
    Asked {
        id: Some("7"),
        revision: Some(Revision::R20250618),
        metadata_url: Some("https://a/m"),
        ..Asked::default()
    }
}

fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    reply.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
}

fn json_of(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

#[test]
fn challenges_read_exactly_as_rfc_6750_and_9728_have_them() {
    let scopes = ["a".to_owned(), "b".to_owned()];
    let with_scopes = Asked { scopes: &scopes, ..asked() };
    let cases = [
        (Denial::MissingCredential, 401, r#"Bearer resource_metadata="https://a/m", scope="a b""#),
        (
            Denial::InvalidCredential("expired"),
            401,
            r#"Bearer error="invalid_token", error_description="The access token is missing a valid claim, expired or not for this resource", resource_metadata="https://a/m", scope="a b""#,
        ),
        (
            Denial::InsufficientScope(vec!["x".into()]),
            403,
            r#"Bearer error="insufficient_scope", error_description="The operation needs more scopes", resource_metadata="https://a/m", scope="x""#,
        ),
    ];
    for (denial, status, challenge) in cases {
        let reply = Reply::refuse(&denial, &with_scopes);
        assert_eq!(
            (reply.status, header(&reply, "www-authenticate")),
            (status, Some(challenge)),
            "{denial:?}"
        );
        json_of(&reply);
    }
}

#[test]
fn the_reason_for_a_bad_token_stays_in_the_audit() {
    let reply = Reply::refuse(&Denial::InvalidCredential("signature"), &asked());
    assert!(!String::from_utf8(reply.body).unwrap().contains("signature"));
}

#[test]
fn a_denied_tool_reads_like_one_that_does_not_exist() {
    let reply = Reply::refuse(&Denial::NotAllowed(Absent::Tool("x\"y".into())), &asked());
    assert_eq!(reply.status, 200);
    let body = json_of(&reply);
    assert_eq!(body["id"], 7);
    assert_eq!(body["error"]["code"], -32602);
    assert_eq!(body["error"]["message"], "Unknown tool: x\"y");
}

#[test]
fn unknown_methods_and_resources_differ_by_era() {
    let modern = Asked { revision: Some(Revision::R20260728), ..asked() };
    let method = Denial::UnknownMethod("x".into());
    assert_eq!((Reply::refuse(&method, &modern).status, Reply::refuse(&method, &asked()).status), (404, 200));
    let resource = Denial::NotAllowed(Absent::Resource("a://b".into()));
    assert_eq!(json_of(&Reply::refuse(&resource, &modern))["error"]["code"], -32602);
    assert_eq!(json_of(&Reply::refuse(&resource, &asked()))["error"]["code"], -32002);
}

#[test]
fn a_notification_gets_an_error_status_and_no_id() {
    let note = Asked { unanswered: true, ..asked() };
    let reply = Reply::refuse(&Denial::UnknownMethod("notifications/x".into()), &note);
    assert_eq!(reply.status, 403);
    assert_eq!(json_of(&reply).get("id"), None);
}

#[test]
fn a_rate_limit_says_when_to_come_back_rounded_up() {
    let reply = Reply::refuse(&Denial::RateLimited(Duration::from_millis(1200), "flood".into()), &asked());
    assert_eq!((reply.status, header(&reply, "retry-after")), (429, Some("2")));
    assert_eq!(header(&reply, "ratelimit"), Some("\"wicketgate\";r=0;t=2"));
    assert_eq!(json_of(&reply)["id"], 7);
}

#[test]
fn an_unsupported_version_lists_what_a_header_may_name() {
    let cases: [(&[Revision], &[&str]); 2] = [
        (&[Revision::R20251125, Revision::R20260728], &["2026-07-28"]),
        (&[Revision::R20250618, Revision::R20251125], &["2025-06-18", "2025-11-25"]),
    ];
    for (supported, listed) in cases {
        let denial = Denial::UnsupportedVersion("1999-01-01".into());
        let reply = Reply::refuse(&denial, &Asked { supported, ..asked() });
        let data = &json_of(&reply)["error"]["data"];
        assert_eq!(reply.status, 400);
        assert_eq!(data["supported"], serde_json::json!(listed));
        assert_eq!(data["requested"], "1999-01-01");
    }
}
