//! Is every request accounted for, whatever becomes of it? As many decision records as requests, each once, joined by the id
//! that the request bears; also where Envoy answers by itself, somebody hangs up, or a stream stays open.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use wicketgate_e2e::client::mcp::LEGACY;
use wicketgate_e2e::world::World;

use super::frames::Frames;
use super::open_streams;
use super::recorder::{Recorder, Script, Seen, event_stream, json_answer, result};
use super::scene::{RULES, call};
use super::stage::{self, answer, eventually, exchange, request};

/// What was sent: the id of each request, and why it must have been decided as it was.
type Sent = BTreeMap<String, &'static str>;

struct Accounts {
    world: World,
    token: String,
    sent: Sent,
    /// Requests of which not even the id was read, by Envoy's word for why.
    nameless: Vec<&'static str>,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_has_one_decision_record() {
    let recorder = Recorder::start(script).await;
    let upstream = recorder.upstream.clone();
    let world = stage::world("accounting", |plan| {
        plan.upstream = Some(upstream);
        plan.auth_settings = "lifetimes: {access_token: 12s}\n".into();
        plan.set_policy(&stage::policy("{request_bytes: 64KiB}", RULES)).unwrap();
        let changes = [
            // Ids are those of the test; by default Envoy's own.
            (
                "                always_set_request_id_in_response: true",
                "                preserve_external_request_id: true\n                always_set_request_id_in_response: true",
            ),
            ("access_log_flush_interval: 15s", "access_log_flush_interval: 1s"),
        ];
        plan.envoy_changes.extend(changes.map(|(old, new)| (old.to_owned(), new.to_owned())));
    })
    .await;
    let expiring = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    let token = stage::log_in(&world, Some("mcp:read")).await.tokens.access_token;
    let mut accounts = Accounts { world, token, sent: Sent::new(), nameless: Vec::new() };

    let ended_by_expiry = accounts.stream_of(&expiring).await;
    accounts.verdicts().await;
    accounts.log_in_again().await;
    accounts.bodies().await;
    accounts.upstreams().await;
    accounts.log_in_again().await;
    accounts.frames().await;
    accounts.answered_by_envoy().await;
    accounts.log_in_again().await;
    let left_by_client = accounts.stream_of(&accounts.token.clone()).await;
    accounts.open_streams_are_on_record().await;
    drop(left_by_client);
    accounts.settled().await;
    accounts.each_once();
    accounts.counters_agree().await;
    drop(ended_by_expiry);
    accounts.world.discard().await;
}

fn script(seen: &Seen) -> Script {
    if seen.head.starts_with("GET ") {
        return Script::Hang(event_stream(": open\n\n"));
    }
    match seen.json()["params"]["arguments"]["do"].as_str() {
        Some("reset") => Script::Break(Vec::new()),
        Some("break") => Script::Break(event_stream(": half\n\n")),
        Some("stream") => Script::Hang(event_stream(": open\n\n")),
        _ => Script::Answer(json_answer(&result(seen))),
    }
}

fn asking(what: &str) -> String {
    stage::tool_call(5, "get_note", &json!({"do": what})).to_string()
}

// === impl Accounts ===

impl Accounts {
    /// Tokens are short here, and this machine may be slow.
    async fn log_in_again(&mut self) {
        self.token = stage::log_in(&self.world, Some("mcp:read")).await.tokens.access_token;
    }

    /// An id for the next request, which must be decided so.
    fn id(&mut self, reason: &'static str) -> String {
        let id = format!("request-{:03}", self.sent.len());
        self.sent.insert(id.clone(), reason);
        id
    }

    fn bytes(&mut self, reason: &'static str, line: &str, fields: &[(&str, &str)], body: &str) -> Vec<u8> {
        let id = self.id(reason);
        let token = self.token.clone();
        let fields = [fields, &[("x-request-id", &*id)]].concat();
        let token = fields.iter().all(|(name, _)| *name != "x-nobody").then_some(token);
        request(&self.world, line, token.as_deref(), &fields, body.as_bytes())
    }

    async fn send(
        &mut self,
        reason: &'static str,
        status: u16,
        line: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) {
        let bytes = self.bytes(reason, line, fields, body);
        let answer = exchange(&self.world, &bytes).await;
        assert_eq!(answer.status, status, "{reason}: {answer:?}");
    }

    /// A GET stream that has begun.
    async fn stream_of(&mut self, token: &str) -> TcpStream {
        let id = self.id("allowed");
        let bytes = request(&self.world, "GET /mcp", Some(token), &[("x-request-id", &id)], b"");
        let (status, stream, head) = open_streams::open(&self.world, &bytes).await;
        assert_eq!(status, 200, "{head}");
        stream
    }

    /// What the filter says, and what it answers itself.
    async fn verdicts(&mut self) {
        let (good, bad) = (call("get_note"), call("drop_everything"));
        self.send("allowed", 200, "POST /mcp", &[], &good).await;
        self.send("not_allowed", 200, "POST /mcp", &[], &bad).await;
        let silent = |body: &str| body.replace("\"id\":5,", "");
        self.send("not_allowed", 403, "POST /mcp", &[], &silent(&bad)).await;
        let notified = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
        self.send("allowed", 200, "POST /mcp", &[], &notified).await;
        self.send("missing_credential", 401, "POST /mcp", &[("x-nobody", "1")], &good).await;
        self.send("unknown_server", 404, "GET /nowhere", &[], "").await;
        self.send("method_not_allowed", 405, "PUT /mcp", &[], "").await;
        self.send("origin_refused", 403, "OPTIONS /mcp", &[("Origin", "https://evil.example")], "").await;
        self.send("method_not_allowed", 405, "OPTIONS /mcp", &[], "").await;
        self.send("allowed", 200, "DELETE /mcp", &[], "").await;
        let session = [("MCP-Protocol-Version", LEGACY), ("Mcp-Session-Id", "of-nobody")];
        self.send("unknown_session", 404, "DELETE /mcp", &session, "").await;
        self.send("public_document", 200, "GET /wicketgate/status", &[], "").await;
        self.send("public_document", 200, "GET /.well-known/oauth-protected-resource/mcp", &[], "").await;
        self.send("parse_error", 400, "POST /mcp", &[], "{").await;
    }

    /// Bodies that are too large, that stop, that are none.
    async fn bodies(&mut self) {
        let large = call("get_note").replace("ideas", &"x".repeat(65 * 1024));
        self.send("too_large", 413, "POST /mcp", &[], &large).await;
        let chunked = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
        self.send("too_large", 413, "POST /mcp", &[("Transfer-Encoding", "chunked")], &chunked).await;
        self.send("answered_by_host", 400, "POST /mcp", &[("Transfer-Encoding", "chunked")], "zz\r\n").await;
        let half = self.bytes("client_gone", "POST /mcp", &[("Content-Length", "500")], "{\"jsonrpc\"");
        self.leave(&half).await;
        let none = self.bytes("client_gone", "POST /mcp", &[("Content-Length", "500")], "");
        self.leave(&none).await;
    }

    /// Sends this, and hangs up once Envoy has read it.
    async fn leave(&self, bytes: &[u8]) {
        let before = self.begun().await;
        let mut stream = TcpStream::connect(("127.0.0.1", stage::port(&self.world))).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        eventually("it has arrived", stage::DEADLINE, || async {
            let begun = self.begun().await;
            if begun > before { Ok(()) } else { Err(begun.to_string()) }
        })
        .await;
    }

    /// Requests that have begun on Envoy's public listener. Those under way would not tell: a stream may expire meanwhile.
    async fn begun(&self) -> u64 {
        self.world.envoy.stat("http.public.downstream_rq_total").await.unwrap().unwrap_or_default()
    }

    /// Servers that hang up, clients that do.
    async fn upstreams(&mut self) {
        self.send("allowed", 503, "POST /mcp", &[], &asking("reset")).await;
        self.send("allowed", 200, "POST /mcp", &[], &asking("break")).await;
        let stream = self.bytes("allowed", "POST /mcp", &[], &asking("stream"));
        let (status, _stream, _) = open_streams::open(&self.world, &stream).await;
        assert_eq!(status, 200);
        // Two requests at once on one connection.
        let both = [("allowed", "get_note"), ("not_allowed", "drop_everything")]
            .map(|(reason, name)| self.bytes(reason, "POST /mcp", &[], &call(name)));
        let first = String::from_utf8(both[0].clone()).unwrap().replace("Connection: close\r\n", "");
        let mut stream = TcpStream::connect(("127.0.0.1", stage::port(&self.world))).await.unwrap();
        stream.write_all(&[first.as_bytes(), &both[1]].concat()).await.unwrap();
        self.written(&["request-000"], false).await;
        let last = format!("request-{:03}", self.sent.len() - 1);
        self.written(&[&last], true).await;
    }

    /// Over HTTP/2.
    async fn frames(&mut self) {
        let frames = Frames::connect(&self.world, &self.token).await;
        let (whole, half) = (self.id("allowed"), self.id("client_gone"));
        let mut open = frames.open(&[("x-request-id", &half)]).await;
        open.send(&call("get_note")[..20], 5);
        let mut answered = frames.open(&[("x-request-id", &whole)]).await;
        answered.send(&call("get_note"), 16);
        assert_eq!(answered.end(true).await.unwrap().status, 200);
        open.reset();
    }

    /// What Envoy answers before the filter sees a header, and what is not even a request.
    async fn answered_by_envoy(&mut self) {
        self.send("answered_by_host", 400, "GET /mcp%2f..%2fx", &[], "").await;
        self.send(
            "answered_by_host",
            403,
            "GET /mcp",
            &[("Connection", "upgrade"), ("Upgrade", "websocket")],
            "",
        )
        .await;
        self.send("unknown_server", 404, "CONNECT elsewhere:80", &[("Host", "elsewhere:80")], "").await;
        let large = format!("GET /mcp HTTP/1.1\r\nHost: h\r\nx-large: {}\r\n\r\n", "x".repeat(70_000));
        for (bytes, status, why) in [
            (large.as_str(), 431, "http1.headers_too_large"),
            ("NONSENSE\r\n\r\n", 400, "http1.codec_error"),
            ("GET /mcp HTTP/1.1\r\nHost: h\r\nmcp_name: x\r\n\r\n", 400, "http1.unexpected_underscore"),
            ("GET /mcp HTTP/1.0\r\n\r\n", 426, "low_version"),
        ] {
            let answer = answer(&self.world, bytes.as_bytes()).await.unwrap();
            assert_eq!(answer.status, status, "{why}: {answer:?}");
            self.nameless.push(why);
        }
        self.leave(b"GET /mcp HTTP/1.1\r\nHost: h\r\n").await;
        self.nameless.push("downstream_remote_disconnect");
        // Not the filter's: the authorization server keeps its own records.
        let keys = format!("{}/jwks", self.world.origin);
        assert_eq!(self.world.http.get(&keys, &[]).await.unwrap().status, 200);
    }

    fn records(&self) -> Vec<Value> {
        let lines = self.world.records("audit.jsonl").unwrap_or_default();
        lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }

    fn decisions(&self, id: &str) -> Vec<Value> {
        let own = |r: &Value| r["record"] == "decision" && r["request_id"] == id;
        self.records().into_iter().filter(own).collect()
    }

    /// While they are open, the decision about them can be read; it does not count as one.
    async fn open_streams_are_on_record(&self) {
        let id = format!("request-{:03}", self.sent.len() - 1);
        eventually("an open stream is on record", stage::DEADLINE, || async {
            let records = self.records();
            let open = records.iter().find(|r| r["record"] == "open" && r["decision"]["request_id"] == *id);
            let Some(open) = open else { return Err(format!("{} records", records.len())) };
            assert_eq!(
                (&open["decision"]["reason"], &open["decision"]["server"]),
                (&json!("allowed"), &json!("tested"))
            );
            assert!(open["took_ms"].as_u64() >= Some(900) && open["response_bytes"].is_u64(), "{open}");
            Ok(())
        })
        .await;
        assert!(self.decisions(&id).is_empty(), "it is still open");
    }

    /// Waits until these are in the log of all requests, or are known not to be.
    async fn written(&self, ids: &[&str], expected: bool) {
        eventually("the log of all requests", stage::DEADLINE, || async {
            let lines = self.world.records("access.log").unwrap_or_default();
            let missing = ids.iter().filter(|id| lines.iter().any(|line| line.ends_with(**id)) != expected);
            let missing: Vec<_> = missing.collect();
            if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) }
        })
        .await;
    }

    async fn settled(&self) {
        let ids: Vec<&str> = self.sent.keys().map(String::as_str).collect();
        self.written(&ids, true).await;
        eventually("as many decisions as requests", stage::DEADLINE, || async {
            let lines = self.world.records("access.log").unwrap();
            let filters = lines.iter().filter(|line| !line.contains(" auth_public ")).count();
            let decisions = self.records().iter().filter(|r| r["record"] == "decision").count();
            if filters == decisions {
                Ok(())
            } else {
                Err(format!("{filters} requests, {decisions} decisions"))
            }
        })
        .await;
    }

    fn each_once(&self) {
        let records = self.records();
        for (id, reason) in &self.sent {
            let own: Vec<_> = records.iter().filter(|record| record["request_id"] == **id).collect();
            let kinds: Vec<_> = own.iter().map(|record| record["record"].as_str().unwrap()).collect();
            assert_eq!(kinds, ["decision", "completion"], "{id}, {reason}: {own:?}");
            assert_eq!(own[0]["reason"], *reason, "{id}: {own:?}");
        }
        let expired: Vec<_> = records.iter().filter(|record| record["reason"] == "token_expired").collect();
        assert!(expired.len() == 1 && expired[0]["request_id"] == "request-000", "{expired:?}");
        let mut nameless: Vec<_> = records
            .iter()
            .filter(|record| record["record"] == "decision" && record["request_id"].is_null())
            .map(|record| record["detail"].as_str().unwrap())
            .collect();
        let mut expected = self.nameless.clone();
        nameless.sort_unstable();
        expected.sort_unstable();
        assert_eq!(nameless, expected);
        for record in records.iter().filter(|record| record["reason"] == "not_decided") {
            assert_eq!(
                (&record["verdict"], &record["source"], &record["detail"]),
                (&json!("none"), &json!("127.0.0.1"), &json!("downstream_remote_disconnect")),
                "{record}"
            );
        }
    }

    /// The filter has counted what it decided, and nothing else.
    async fn counters_agree(&self) {
        let decided = |r: &&Value| r["record"] == "decision" && r["reason"] != "not_decided";
        let records = self.records();
        let decided = records.iter().filter(decided).count();
        let counted = self.world.envoy.stat("wasmcustom.wicketgate.requests_total").await.unwrap();
        assert_eq!(counted, Some(decided as u64));
    }
}
