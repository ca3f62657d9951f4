//! Does what was done before count, on every worker, in both eras, and for nobody else?

use serde_json::{Value, json};
use wicketgate_e2e::client::mcp::{LEGACY, MODERN};
use wicketgate_e2e::world::World;

use super::recorder::{Recorder, Script, Seen, result};
use super::stage::{self, Raw, exchange, mirrored, request};
use super::stand_in::{self, Holder, Signer, StandIn, server};

/// Asked so often, on a connection each, that both workers are.
const ASKED: usize = 8;

const SETTINGS: [&str; 4] = [
    "history:",
    "  - {id: leak, after: [read_secret], deny: [\"send_*\"], within: 1h}",
    "  - {id: order, require: [login], before: [pay], within: 1h, per: principal}",
    "  - {id: sweep, distinct: 3, of: tools, within: 1h, per: principal}",
];

const RULES: &str = "      - {id: all, allow: {who: any, tools: [\"*\"]}}\n";

/// A server that hands out a session to whoever initializes, under the name that he asks for, and answers a failed login badly.
fn answers(seen: &Seen) -> Script {
    let message = seen.json();
    let wanted = message["params"]["clientInfo"]["name"].as_str().map(str::to_owned);
    let session = wanted.map(|name| format!("mcp-session-id: {name}\r\n")).unwrap_or_default();
    let fails = message["params"]["arguments"]["fail"] == true;
    let status = if fails { "401 Unauthorized" } else { "200 OK" };
    let body = result(seen);
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{session}");
    Script::Answer(format!("{head}content-length: {length}\r\n\r\n{body}").into_bytes())
}

struct Caller<'a> {
    world: &'a World,
    path: &'a str,
    token: String,
    /// `None` for the modern era, which has none.
    session: Option<&'a str>,
}

// === impl Caller ===

impl Caller<'_> {
    async fn call(&self, tool: &str, arguments: Value) -> Raw {
        let mut message = stage::tool_call(5, tool, &arguments);
        let fields = match self.session {
            Some(session) => vec![("MCP-Protocol-Version", LEGACY), ("Mcp-Session-Id", session)],
            None => {
                message["params"]["_meta"] = json!({
                    "io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {},
                });
                mirrored("tools/call", Some(tool))
            }
        };
        let line = format!("POST {}", self.path);
        let text = message.to_string();
        exchange(self.world, &request(self.world, &line, Some(&self.token), &fields, text.as_bytes())).await
    }

    async fn passes(&self, tool: &str) {
        let answer = self.call(tool, json!({})).await;
        assert_eq!(answer.status, 200, "{tool}: {answer:?}");
        assert!(answer.json()["result"].is_object(), "{tool}: {answer:?}");
    }

    async fn refused(&self, tool: &str, rule: &str) {
        for _ in 0..ASKED {
            let answer = self.call(tool, json!({})).await;
            assert_eq!((answer.status, answer.code()), (403, json!(-31011)), "{tool}: {answer:?}");
            let records = stage::records(self.world, answer.field("x-request-id").unwrap()).await;
            assert_eq!(
                (&records[0]["reason"], &records[0]["rule"]),
                (&json!("history_refused"), &json!(rule))
            );
        }
    }
}

async fn begin(world: &World, path: &str, token: &str, session: &str) {
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": session, "version": "1"}}});
    let line = format!("POST {path}");
    let answer =
        exchange(world, &request(world, &line, Some(token), &[], message.to_string().as_bytes())).await;
    assert_eq!(answer.field("mcp-session-id"), Some(session), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_did_before_counts_on_every_worker() {
    let key = Signer::quick("k");
    let issuer = StandIn::start(std::slice::from_ref(&key)).await;
    let upstream = Recorder::start(answers).await;
    let servers = [
        server("one", "/mcp", &SETTINGS[..3], RULES),
        server("two", "/mcp/two", &[SETTINGS[0], SETTINGS[3]], RULES),
    ];
    let world =
        stand_in::world("history", &upstream, &[("issuer", &issuer, "")], &servers.concat(), |_| {}).await;
    let token = |path: &str, subject, client| {
        let holder = Holder { subject, client, organization: "acme", grant: "g1" };
        key.token_of(holder, &issuer.url, &[world.mcp.replace("/mcp", path)])
    };
    let caller = |path, subject, client, session| Caller {
        world: &world,
        path,
        token: token(path, subject, client),
        session,
    };

    // With sessions.
    for session in ["first", "second"] {
        begin(&world, "/mcp", &token("/mcp", "alice", "cli"), session).await;
    }
    let first = caller("/mcp", "alice", "cli", Some("first"));
    first.passes("send_mail").await;
    first.passes("read_secret").await;
    first.refused("send_mail", "leak").await;
    first.passes("other").await;
    caller("/mcp", "alice", "cli", Some("first")).refused("send_mail", "leak").await;
    caller("/mcp", "alice", "cli", Some("second")).passes("send_mail").await;

    // Without.
    let modern = caller("/mcp", "alice", "cli", None);
    modern.passes("send_mail").await;
    modern.passes("read_secret").await;
    modern.refused("send_mail", "leak").await;
    caller("/mcp", "alice", "web", None).passes("send_mail").await;
    caller("/mcp", "bob", "cli", None).passes("send_mail").await;

    // In order, whatever the session.
    modern.refused("pay", "order").await;
    assert_eq!(modern.call("login", json!({"fail": true})).await.status, 401);
    modern.refused("pay", "order").await;
    modern.passes("login").await;
    modern.passes("pay").await;
    first.passes("pay").await;

    let sweeping = caller("/mcp/two", "alice", "cli", None);
    for tool in ["a", "b", "c", "a"] {
        sweeping.passes(tool).await;
    }
    sweeping.refused("d", "sweep").await;
    sweeping.passes("c").await;
    world.discard().await;
}
