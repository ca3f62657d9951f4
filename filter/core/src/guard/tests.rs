use super::*;
use crate::config::compile;

fn guard(servers: &str) -> Guard {
    let text = format!(
        r#"{{"version":1,"issuers":[{{"issuer":"https://as.example","algorithms":["ES256"],
            "jwks":{{"cluster":"as","path":"/jwks"}}}}],"servers":[{servers}]}}"#
    );
    compile(text.as_bytes()).unwrap().guard
}

fn server(name: &str, url: &str, place: &str) -> String {
    format!(
        r#"{{"name":"{name}","url":"{url}"{place},"rules":[{{"id":"a","allow":{{"who":"any","tools":["*"]}}}}]}}"#
    )
}

fn two() -> Guard {
    guard(
        &[
            server("a", "https://x.example/mcp", r#","match":{"hosts":["*"],"path":"/mcp"}"#),
            server("b", "https://x.example/mcp/deep", ""),
        ]
        .join(","),
    )
}

#[test]
fn the_longest_path_wins_and_segments_are_whole() {
    let g = two();
    let at = |authority: &str, path: &str| g.route(authority, path).map(|s| s.name.clone());
    assert_eq!(at("any.example", "/mcp").as_deref(), Some("a"));
    assert_eq!(at("any.example:81", "/mcp/").as_deref(), Some("a"));
    assert_eq!(at("any.example", "/mcp?x=/../y").as_deref(), Some("a"));
    assert_eq!(at("x.example", "/mcp/deep/er").as_deref(), Some("b"));
    assert_eq!(at("X.Example:8080", "/mcp/deep").as_deref(), Some("b"));
    assert_eq!(at("y.example", "/mcp/deep").as_deref(), Some("a"));
    assert_eq!(at("x.example", "/mcpx"), None);
    assert_eq!(at("x.example", "/"), None);
    assert_eq!(at("user@x.example", "/mcp"), None);
    assert_eq!(at("", "/mcp"), None);
    assert_eq!(at("x.example.", "/mcp"), None);
    assert_eq!(at("x.example:", "/mcp"), None);
    assert_eq!(at("x.example:08080", "/mcp"), None);
    assert_eq!(at("x.example:0", "/mcp"), None);
    assert_eq!(at("[::1]:80", "/mcp").as_deref(), Some("a"));
}

#[test]
fn a_path_in_another_case_is_not_that_of_the_server_above() {
    let g = guard(
        &[
            server("root", "https://x.example", ""),
            server("a", "https://x.example/mcp", ""),
            server("b", "https://x.example/mcp/Deep", ""),
        ]
        .join(","),
    );
    let at = |authority: &str, path: &str| g.route(authority, path).map(|s| s.name.clone());
    assert_eq!(at("x.example", "/mcp/Deep/x").as_deref(), Some("b"));
    for path in ["/mcp/deep", "/mcp/DEEP/x", "/MCP", "/Mcp/Deep", "/MCP/other", "/mcp/deep?a=b"] {
        assert_eq!(at("x.example", path), None, "{path}");
    }
    assert_eq!(at("x.example", "/mcp/deeper").as_deref(), Some("a"));
    assert_eq!(at("x.example", "/MCPs").as_deref(), Some("root"));
    // At another host there is nothing below it.
    assert_eq!(two().route("y.example", "/mcp/DEEP").map(|s| s.name.as_str()), Some("a"));
}

#[test]
fn a_path_that_can_be_read_in_two_ways_belongs_to_nobody() {
    let g = two();
    for path in [
        "mcp",
        "",
        "/mcp/../x",
        "/mcp/./x",
        "/mcp//x",
        "//mcp",
        "/mcp;a=b",
        "/mcp%2f..%2fz",
        "/mcp/%2e%2e/x",
        "/mcp\\x",
        "/mcp/%5cx",
        "/mcp/%252e",
        "/mcp/%00",
        "/mcp/%zz",
        "/mcp/%",
        "/mcp/ x",
        "/mcp/\u{e4}",
        "/mcp#x",
        "/mcp/%3b",
        "/mcp/%41",
        "/mcp/%64eep",
        "/mcp/%7e",
        "/mc%70",
    ] {
        assert_eq!(g.route("x.example", path), None, "{path}");
    }
    assert!(g.route("x.example", "/mcp/%c3%a4%3A").is_some());
}

#[test]
fn metadata_lives_at_the_inserted_path_and_at_the_root_for_one_server_only() {
    let g = two();
    let at = |g: &Guard, path: &str| g.metadata_for("x.example", path).map(|s| s.name.clone());
    assert_eq!(at(&g, "/.well-known/oauth-protected-resource/mcp").as_deref(), Some("a"));
    assert_eq!(at(&g, "/.well-known/oauth-protected-resource/mcp/deep").as_deref(), Some("b"));
    assert_eq!(at(&g, "/.well-known/oauth-protected-resource/other"), None);
    assert_eq!(at(&g, "/.well-known/oauth-protected-resource"), None);
    let one = guard(&server("a", "https://x.example/mcp", ""));
    assert_eq!(at(&one, "/.well-known/oauth-protected-resource").as_deref(), Some("a"));
    assert!(one.metadata_for("y.example", "/.well-known/oauth-protected-resource").is_none());
}
