//! What do the tests of the gateway share? How a world is set up, how somebody logs in, how a request is spelled in
//! bytes, and how something is waited for.

use std::fmt::Write as _;
use std::future::Future;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::time::{Instant, sleep, timeout};
use wicketgate_e2e::client::http::Answer;
use wicketgate_e2e::client::mcp::{MODERN, McpClient};
use wicketgate_e2e::client::oauth::{self, Session};
use wicketgate_e2e::client::raw;
use wicketgate_e2e::ready::Login;
use wicketgate_e2e::sidecar::User;
use wicketgate_e2e::world::{Plan, World};
use wicketgate_e2e::{envoy, files};

/// Generous: a test that reaches it has failed.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// A whole product; `change` may alter the plan.
pub(super) async fn world(name: &str, change: impl FnOnce(&mut Plan)) -> World {
    let mut plan = Plan::fresh(name).unwrap();
    change(&mut plan);
    World::start(plan, |_| {}).await.unwrap()
}

/// Starts Envoy anew with another configuration of the filter, made of the one that it had. Not while it runs: where nothing
/// differs but what the module may call, or whether headers are held, Envoy before 1.40 goes on with the VM and the plugin
/// that it has.
pub(super) async fn restart_with(world: &mut World, change: impl FnOnce(&str) -> String) {
    let watching = world.state.join("filter.yaml.status.json");
    eventually("whoever watches the policy has written the file for the first time", DEADLINE, || async {
        files::read(&watching).map(drop).map_err(|failure| failure.0)
    })
    .await;
    let path = envoy::filter_configuration(&world.state);
    let rendered = files::read(&path).unwrap();
    files::write_private(&path, &change(&rendered)).unwrap();
    world.restart_envoy().await.unwrap();
    let status = format!("{}/wicketgate/status", world.origin);
    eventually("the filter is at work and has its keys", DEADLINE, || async {
        let answer = world.http.get(&status, &[]).await.map_err(|failure| failure.0)?;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
}

/// Logs the demo user in and asks for this scope (`None`: what the challenge says).
pub(super) async fn log_in(world: &World, scope: Option<&str>) -> Session {
    oauth::log_in(&world.http, &world.mcp, world.login.as_ref().unwrap(), scope).await.unwrap()
}

/// A modern client with this token.
pub(super) fn modern(world: &World, token: &str) -> McpClient {
    McpClient::modern(world.http.clone(), &world.mcp, Some(token))
}

/// A user who may do everything that roles allow.
pub(super) fn operator(name: &str) -> User {
    let login = Login { user: name.to_owned(), password: format!("a long password of {name}") };
    User { login, groups: vec!["engineering".into()], roles: vec!["operator".into()] }
}

/// The policy of most tests: this server, these limits (YAML, on one line) and rules.
pub(super) fn policy(limits: &str, rules: &str) -> String {
    format!(
        "version: 1\nhold_headers: true\nissuers:\n  - issuer: ${{WICKETGATE_URL}}\n    algorithms: [ES256]\n    \
         jwks: {{cluster: auth_internal, path: /v1/jwks}}\n    clock_skew: 1s\nservers:\n  - name: tested\n    \
         url: ${{WICKETGATE_URL}}/mcp\n    scopes: [mcp:read]\n    limits: {limits}\n    rules:\n{rules}"
    )
}

/// The same policy, under which what the authorization server revokes is heard.
pub(super) fn hearing(policy: &str) -> String {
    const KEYS: &str = "jwks: {cluster: auth_internal, path: /v1/jwks}\n";
    assert!(policy.contains(KEYS), "{policy}");
    policy.replace(KEYS, &format!("{KEYS}    revocations: {{cluster: auth_internal, path: /v1/feed}}\n"))
}

/// A call of a tool as a legacy request, which carries no context of its own.
pub(super) fn tool_call(id: u64, name: &str, arguments: &Value) -> Value {
    json!({
        "jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": {"name": name, "arguments": arguments},
    })
}

/// A request in bytes, closing afterwards. `fields` come after Host, Connection and, for a POST, what MCP needs.
pub(super) fn request(
    world: &World,
    line: &str,
    token: Option<&str>,
    fields: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut head = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
    let has = |name: &str| fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name));
    let mut add = |name: &str, value: &str| write!(head, "{name}: {value}\r\n").unwrap();
    if !has("host") {
        add("Host", world.origin.strip_prefix("http://").unwrap());
    }
    if !has("accept") {
        add("Accept", "application/json, text/event-stream");
    }
    if let Some(token) = token {
        add("Authorization", &format!("Bearer {token}"));
    }
    if line.starts_with("POST ") && !has("content-type") {
        add("Content-Type", "application/json");
    }
    for (name, value) in fields {
        add(name, value);
    }
    if !body.is_empty() && !has("transfer-encoding") && !has("content-length") {
        add("Content-Length", &body.len().to_string());
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The header fields that a modern request for this method and name needs.
pub(super) fn mirrored<'a>(method: &'a str, name: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![("MCP-Protocol-Version", MODERN), ("Mcp-Method", method)];
    fields.extend(name.map(|name| ("Mcp-Name", name)));
    fields
}

/// Sends bytes and gives status, head and body of the answer. Does not wait for the connection to be closed, for which
/// Envoy takes a second each time.
pub(super) async fn exchange(world: &World, bytes: &[u8]) -> Raw {
    answer(world, bytes).await.unwrap_or_else(|| panic!("no answer to {}", shown(bytes)))
}

/// [`exchange`]; `None` when the peer hangs up without a word, or says nothing.
pub(super) async fn answer(world: &World, bytes: &[u8]) -> Option<Raw> {
    answer_of(port(world), bytes).await
}

/// The same of whoever listens on this port.
pub(super) async fn answer_of(port: u16, bytes: &[u8]) -> Option<Raw> {
    answer_from(Ipv4Addr::LOCALHOST, port, bytes).await
}

/// The same, from another address of this machine (127.0.0.0/8).
pub(super) async fn answer_from(source: Ipv4Addr, port: u16, bytes: &[u8]) -> Option<Raw> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    let mut stream = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await.unwrap();
    // The peer may refuse half-way and close: what it said counts, not that it stopped listening.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    while !is_whole(&answer) && matches!(timeout(DEADLINE, stream.read_buf(&mut answer)).await, Ok(Ok(1..))) {
    }
    let answer = after_interim(&answer);
    let text = String::from_utf8_lossy(answer).into_owned();
    let status = raw::status(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some(Raw { status, head: head.to_owned(), body: body.to_owned() })
}

/// What follows the answers that only promise one (100, 103).
fn after_interim(mut answer: &[u8]) -> &[u8] {
    while answer.starts_with(b"HTTP/1.1 1") {
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { break };
        answer = answer.get(end + 4..).unwrap_or_default();
    }
    answer
}

/// Whether this is a head with as much of a body as it promises.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(after_interim(answer));
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let mut lengths = head
        .lines()
        .filter_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    match lengths.next_back() {
        Some(length) => body.len() >= length,
        None => body.ends_with("0\r\n\r\n"),
    }
}

/// An answer as it came over the socket.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) status: u16,
    head: String,
    body: String,
}

// === impl Raw ===

impl Raw {
    /// Whether a challenge came with it.
    pub(super) fn challenges(&self) -> bool {
        self.head.to_lowercase().contains("\r\nwww-authenticate: bearer")
    }

    /// The value of a header field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The body out of its chunks, as far as whole ones came.
    pub(super) fn content(&self) -> String {
        if self.field("content-length").is_some() { self.body.clone() } else { unchunk(self.body.as_bytes()) }
    }

    /// Whether chunks began and their end did not come.
    pub(super) fn is_cut_off(&self) -> bool {
        self.field("transfer-encoding").is_some() && !self.body.ends_with("0\r\n\r\n")
    }

    /// The JSON document of the body, chunked or not; null when it is none.
    pub(super) fn json(&self) -> Value {
        let from = self.body.find('{').unwrap_or(self.body.len());
        let until = self.body.rfind('}').map_or(from, |at| at + 1);
        serde_json::from_str(self.body.get(from..until).unwrap_or_default()).unwrap_or(Value::Null)
    }

    /// The JSON-RPC error code; null when there is none.
    pub(super) fn code(&self) -> Value {
        self.json()["error"]["code"].clone()
    }
}

/// What whole chunks there are, joined.
pub(super) fn unchunk(mut bytes: &[u8]) -> String {
    let mut joined = Vec::new();
    while let Some(line) = bytes.windows(2).position(|pair| pair == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
        let Some(chunk) = bytes.get(line + 2..line + 2 + size) else { break };
        joined.extend_from_slice(chunk);
        bytes = bytes.get(line + 4 + size..).unwrap_or_default();
    }
    String::from_utf8_lossy(&joined).into_owned()
}

/// Envoy's public port.
pub(super) fn port(world: &World) -> u16 {
    world.origin.rsplit(':').next().unwrap().parse().unwrap()
}

/// The one message of an answer that carries an id.
pub(super) fn reply(answer: &Answer) -> Value {
    let messages = answer.messages().unwrap();
    let reply = messages.iter().find(|message| message.get("id").is_some());
    reply.unwrap_or_else(|| panic!("no reply in {}", answer.text())).clone()
}

/// All records of one request, once its completion is among them.
pub(super) async fn records(world: &World, request: &str) -> Vec<Value> {
    let own = || -> Vec<Value> {
        let lines = world.records("audit.jsonl").unwrap_or_default();
        let all = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.filter(|record| record["request_id"] == request).collect()
    };
    eventually("the completion is recorded", DEADLINE, || async {
        let own = own();
        if own.iter().any(|r| r["record"] == "completion") { Ok(()) } else { Err(format!("{own:?}")) }
    })
    .await;
    own()
}

/// Asks again until it is so; panics with what was last seen.
pub(super) async fn eventually<F>(what: &str, limit: Duration, mut probe: impl FnMut() -> F)
where
    F: Future<Output = Result<(), String>>,
{
    let deadline = Instant::now() + limit;
    loop {
        let Err(seen) = probe().await else { return };
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}; last seen: {seen}");
        sleep(Duration::from_millis(50)).await;
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..bytes.len().min(600)).unwrap_or_default()).into_owned()
}
