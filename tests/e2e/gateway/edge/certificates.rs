//! Whose certificate is it? The connection says so and nothing else: rules that go by certificates, beside tokens and in their place.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::version::TLS13;

use super::super::recorder::Recorder;
use super::super::stage::{DEADLINE, eventually};
use super::super::stand_in::{Signer, StandIn};
use super::authority::{Authority, of};
use super::stage::{Drawn, Edge, call, draw, request, try_to_draw};
use super::tls::{Met, meet_with, place};

pub(super) const FORGED: (&str, &str) =
    ("x-forwarded-client-cert", "By=spiffe://example/gateway;URI=spiffe://example/agent;DNS=agent.example");

/// An entry of `servers` with these lines and rules.
pub(super) fn server(name: &str, upstream: u16, more: &str, rules: &str) -> String {
    format!(
        "  - name: {name}\n    url: http://127.0.0.1:@PORT@/{name}\n    match: {{hosts: [\"*\"], path: /{name}}}\n    upstream: \
         {{address: \"127.0.0.1:{upstream}\"}}\n{more}    rules:\n{rules}"
    )
}

fn servers(upstream: u16) -> String {
    [
        server(
            "beside",
            upstream,
            "    client_certificates: beside_token\n",
            "      - {id: both, allow: {who: {scopes: [\"mcp:read\"], certificates: [\"spiffe://example/agent\"]}, tools: [\"*\"]}}\n",
        ),
        server(
            "alone",
            upstream,
            "    client_certificates: alone\n",
            "      - {id: machine, allow: {who: {certificates: [\"spiffe://example/agent\", Agent.example]}, tools: [\"*\"]}}\n      \
             - {id: people, allow: {who: {subjects: [alice]}, tools: [\"*\"]}}\n",
        ),
        server(
            "subject",
            upstream,
            "    client_certificates: alone\n",
            "      - {id: named, allow: {who: {certificates: [\"CN=rcgen self signed cert\"]}, tools: [\"*\"]}}\n",
        ),
        server(
            "unread",
            upstream,
            "",
            "      - {id: known, allow: {who: any, tools: [\"*\"]}}\n",
        ),
    ]
    .concat()
}

/// What came of a call: its status, and the code of the error in the answer.
async fn calls(port: u16, client: &Arc<ClientConfig>, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
    let bytes = request(&format!("POST {path}"), "a.example", fields, &call().to_string());
    let Met { status, answer, .. } = meet_with(port, client, "a.example", &bytes).await.unwrap();
    let text = String::from_utf8(answer).unwrap();
    let body = text.split_once("\r\n\r\n").unwrap().1;
    let json = body.find('{').and_then(|at| serde_json::from_str(body[at..].trim_end()).ok());
    (status, json.unwrap_or(Value::Null)["error"]["code"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_go_by_the_certificate_of_the_connection_and_by_no_header() {
    let upstream = Recorder::echo().await;
    let (state, ports) = place("certificates");
    let authority = Authority::new(state.join("tls"), "ca");
    let stranger = Authority::new(state.join("tls"), "stranger");
    let own = authority.vouch("own", of(&["a.example"]));
    let key = Signer::quick("k");
    let issuer = StandIn::start(std::slice::from_ref(&key)).await;
    let mut drawn = Drawn::of(&servers(upstream.upstream.port));
    drawn.edge = format!(
        "  clusters: [{{name: issuer, address: \"{}\"}}]\nissuers:\n{}",
        issuer.url.trim_start_matches("http://"),
        issuer.policy("issuer", "")
    );
    // Without `clients` nobody would have checked what is shown.
    drawn.listen = format!(", tls: {{certificates: [{{{}}}]}}", own.yaml());
    let refused = try_to_draw(&state, ports, &drawn);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("client_certificates"), "{said}");
    drawn.listen = format!(
        ", tls: {{certificates: [{{{}}}], clients: {{roots: \"{}\"}}}}",
        own.yaml(),
        authority.roots().display()
    );
    draw(&state, ports, &drawn);
    // Of those who show none the listener would let nobody in: this one does, as one before a mesh may.
    drawn.edits = vec![("require_client_certificate: true", "require_client_certificate: false".to_owned())];
    let edge = Edge::start_in(state, ports, &drawn).await;
    let port = edge.port;

    let client = |names: &'static [&'static str]| {
        authority.client(
            Some(&authority.vouch(&names.join("-").replace('/', "_"), of(names))),
            &[&TLS13],
            &[],
        )
    };
    let agent = client(&["spiffe://example/agent"]);
    let host = client(&["agent.example"]);
    // Each kind by itself: a DNS name that reads like a subject, and another's URI.
    let alice = client(&["alice"]);
    let other = client(&["spiffe://example/other"]);
    let nobody = authority.client(None, &[&TLS13], &[]);
    let bearer = |path: &str, key: &Signer| {
        format!("Bearer {}", key.token(&issuer.url, &[format!("http://127.0.0.1:{port}/{path}")]))
    };
    let bad = bearer("alone", &Signer::quick("k"));
    let (beside, alone, unread) = (bearer("beside", &key), bearer("alone", &key), bearer("unread", &key));
    let good = (200, Value::Null);
    let denied = (200, json!(-32602));
    let who = (401, Value::Null);
    eventually("the keys of the issuer are there", DEADLINE, || async {
        let (status, code) = calls(port, &nobody, "/unread", &[("authorization", &unread)]).await;
        if status == 200 { Ok(()) } else { Err(format!("{status} {code}")) }
    })
    .await;
    let token = |token: &'static str| -> (&str, &str) {
        (
            "authorization",
            match token {
                "beside" => &beside,
                "alone" => &alone,
                "bad" => &bad,
                _ => &unread,
            },
        )
    };
    type Fields<'a> = Vec<(&'a str, &'a str)>;
    /// What it is, whose certificate, the place, the fields that are sent, and status and principal that come of it.
    type Case<'a> = (&'a str, &'a Arc<ClientConfig>, &'a str, Fields<'a>, &'a (u16, Value));
    let cases: Vec<Case<'_>> = vec![
        ("token and certificate", &agent, "/beside", vec![token("beside")], &good),
        ("another's certificate", &other, "/beside", vec![token("beside")], &denied),
        ("no certificate", &nobody, "/beside", vec![token("beside")], &denied),
        ("one that a header tells of", &nobody, "/beside", vec![token("beside"), FORGED], &denied),
        ("another's, and a header", &other, "/beside", vec![token("beside"), FORGED], &denied),
        ("a certificate without a token", &agent, "/beside", vec![], &who),
        ("a certificate for a token", &agent, "/alone", vec![], &good),
        ("the same by a DNS name", &host, "/alone", vec![], &good),
        ("another's", &other, "/alone", vec![], &who),
        ("another's, and a header", &other, "/alone", vec![FORGED], &who),
        ("nothing", &nobody, "/alone", vec![], &who),
        ("nothing, and a header", &nobody, "/alone", vec![FORGED], &who),
        ("one that is called like a subject", &alice, "/alone", vec![], &who),
        ("a token that is not made up for", &agent, "/alone", vec![token("bad")], &who),
        ("a token beside no certificate", &nobody, "/alone", vec![token("alone")], &good),
        ("a subject", &other, "/subject", vec![], &good),
        ("nobody's subject", &nobody, "/subject", vec![], &who),
        ("where nobody looks", &agent, "/unread", vec![], &who),
        ("where nobody looks, with a token", &agent, "/unread", vec![token("unread")], &good),
    ];
    for (what, client, path, fields, expected) in &cases {
        assert_eq!(&&calls(port, client, path, fields).await, expected, "{what} at {path}");
    }
    let strange = stranger.vouch("strange", of(&["spiffe://example/agent"]));
    let strange = authority.client(Some(&strange), &[&TLS13], &[]);
    let bytes = request("POST /alone", "a.example", &[], &call().to_string());
    assert!(meet_with(port, &strange, "a.example", &bytes).await.is_err(), "nobody vouches for it here");
    assert!(!upstream.raw().to_ascii_lowercase().contains("client-cert"), "{}", upstream.raw());

    let kinds = |record: &Value| (record["rule"].clone(), record["principal"]["kind"].clone());
    eventually("all is on record", DEADLINE, || async {
        let text = std::fs::read_to_string(edge.state.join("audit.jsonl")).unwrap_or_default();
        let all: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let decided = |server: &str, rule: &str, kind: &str| {
            all.iter().find(|r| r["server"] == server && kinds(r) == (json!(rule), json!(kind)))
        };
        let machine = decided("alone", "machine", "certificate").map(|r| r["principal"].clone());
        let both = decided("beside", "both", "authenticated").map(|r| r["principal"]["certificate"].clone());
        let (Some(machine), Some(both)) = (machine, both) else { return Err(text) };
        let named = json!({"uri": "spiffe://example/agent", "subject": "CN=rcgen self signed cert"});
        assert_eq!((&machine["certificate"], &both), (&named, &named));
        assert_eq!((&machine["issuer"], &machine["subject"]), (&Value::Null, &Value::Null));
        Ok(())
    })
    .await;
    edge.discard().await;
}
