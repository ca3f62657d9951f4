//! Certificates of clients: what `explain` makes of them, and that nobody goes by what no listener checks.

use crate::world::World;
use serde_json::json;

const POLICY: &str = r#"version: 1
issuers:
  - issuer: https://as.example.com
    algorithms: [ES256]
    jwks: {cluster: auth_internal, path: /v1/jwks}
servers:
  - name: payments
    url: https://mcp.example.com/payments
    client_certificates: beside_token
    rules:
      - {id: desk, allow: {who: {scopes: [pay], certificates: ["spiffe://e/desk"]}, tools: [pay]}}
  - name: reports
    url: https://mcp.example.com/reports
    client_certificates: alone
    rules:
      - {id: nightly, allow: {who: {certificates: ["spiffe://e/nightly", "CN=nightly,O=E"]}, tools: [export]}}
      - {id: people, allow: {who: {subjects: [nightly]}, tools: [read]}}
  - name: plain
    url: https://mcp.example.com/plain
    rules:
      - {id: any, allow: {who: any, tools: ["*"]}}
"#;

#[test]
fn explain_takes_the_certificate_of_the_connection() {
    let world = World::new("certificates");
    world.write("policy.yaml", POLICY);
    let pay = r#"{"subject": "a", "scopes": ["pay"]}"#;
    // server, tool, --as, --certificate, verdict, answer, what the first rule says
    for (server, tool, who, shown, verdict, answer, says) in [
        ("payments", "pay", pay, Some("spiffe://e/desk"), "allow", "forwarded", "matches pay"),
        (
            "payments",
            "pay",
            pay,
            Some("spiffe://e/x"),
            "deny",
            "not_allowed",
            "does not match: who.certificates",
        ),
        ("payments", "pay", pay, None, "deny", "not_allowed", "does not match: who.certificates"),
        (
            "payments",
            "pay",
            "anonymous",
            Some("spiffe://e/desk"),
            "deny",
            "missing_credential",
            "does not match: it needs a credential",
        ),
        ("reports", "export", "anonymous", Some("CN=nightly,O=E"), "allow", "forwarded", "matches export"),
        (
            "reports",
            "read",
            "anonymous",
            Some("nightly"),
            "deny",
            "missing_credential",
            "does not match: other methods or targets",
        ),
    ] {
        let request = json!({"server": server, "method": "tools/call", "tool": tool}).to_string();
        let mut arguments = vec!["explain", "policy.yaml", "--request", "-", "--as", who, "--json"];
        arguments.extend(shown.into_iter().flat_map(|name| ["--certificate", name]));
        let said = world.run_with(&arguments, &request).json();
        assert_eq!((&said["verdict"], &said["answer"]), (&json!(verdict), &json!(answer)), "{said}");
        assert_eq!(said["considered"][0]["says"], says, "{said}");
    }
    // In the request file, too.
    let file = r#"{"server": "reports", "principal": "anonymous", "method": "tools/call", "tool": "export",
        "certificate": ["nightly.example", "spiffe://e/nightly"]}"#;
    let ran = world.run_with(&["explain", "policy.yaml", "--request", "-", "--expect", "allow"], file);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    for (server, name, expected) in [
        ("plain", "spiffe://e/desk", "certificates mean nothing to `plain`"),
        ("reports", "CN=a, O=b", "the certificate: `CN=a, O=b` is no subject"),
    ] {
        let request = json!({"server": server, "method": "ping"}).to_string();
        let arguments =
            ["explain", "policy.yaml", "--request", "-", "--as", "anonymous", "--certificate", name];
        let ran = world.run_with(&arguments, &request);
        assert_eq!(ran.code, Some(2), "{}", ran.out);
        assert!(ran.err.contains(expected), "{}", ran.err);
    }
}

#[test]
fn nobody_goes_by_certificates_that_the_drawn_listener_does_not_check() {
    let world = World::new("unchecked");
    let certificates = "certificates: [{chain: a.crt, key: a.key}]";
    let refused = "the listener (`edge.listen.tls`) asks nobody for a certificate";
    for (listen, good) in [
        ("{}".to_owned(), false),
        (format!("{{tls: {{{certificates}}}}}"), false),
        (format!("{{tls: {{{certificates}, clients: {{roots: ca.pem}}}}}}"), true),
    ] {
        world.write("policy.yaml", &format!("{POLICY}edge:\n  listen: {listen}\n"));
        let ran = world.run(&["check", "policy.yaml"]);
        assert_eq!(ran.code, Some(if good { 0 } else { 1 }), "{listen}: {}{}", ran.out, ran.err);
        for server in ["servers[0]", "servers[1]"] {
            let line = format!("{server}.client_certificates: {refused}");
            assert_eq!(ran.err.contains(&line), !good, "{listen}: {}", ran.err);
        }
        assert!(!ran.err.contains("servers[2]"), "{}", ran.err);
    }
    // Where the policy does not say who listens, it is for the operator to know.
    world.write("policy.yaml", POLICY);
    assert_eq!(world.run(&["check", "policy.yaml"]).code, Some(0));
}
