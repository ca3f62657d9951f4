//! What do all parts share? A product with two workers before a fast upstream, whose tokens are signed here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use wicketgate_e2e::upstream::Upstream;
use wicketgate_e2e::world::{HostMode, Plan, World};

use crate::issuer::{Asked, ISSUER, Key};
use crate::process::Memory;
use crate::upstream::Server;
use crate::wire::Wire;

/// Workers of every Envoy here.
pub(super) const WORKERS: u32 = 2;
/// Generous: what takes longer never happens.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// A running product.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) upstream: Server,
    pub(super) key: Key,
    pub(super) asked: Asked,
}

/// A protected server as YAML: its name, which is also its path below `/mcp`, and its limits on one line.
pub(super) type Protected<'a> = (&'a str, &'a str);

// === impl Stage ===

impl Stage {
    pub(super) async fn start(name: &str, upstream: Server, servers: &[Protected<'_>], held: &str) -> Self {
        Self::with(name, upstream, &policy(servers, held, RULES), |_| {}).await
    }

    /// With this policy; `change` may alter the plan.
    pub(super) async fn with(
        name: &str,
        upstream: Server,
        policy: &str,
        change: impl FnOnce(&mut Plan),
    ) -> Self {
        let key = Key::new();
        let (issuer, asked) = key.serve().await;
        let mut plan = Plan::fresh(&format!("load-{name}")).unwrap();
        plan.host_mode = HostMode::Hold;
        plan.workers = Some(WORKERS);
        plan.upstream = Some(Upstream { host: "127.0.0.1".into(), port: upstream.port, path: "/mcp".into() });
        plan.set_policy(policy).unwrap();
        let cluster = format!(
            "  clusters:\n    - name: issuer\n      type: STATIC\n      connect_timeout: 2s\n      load_assignment:\n        \
             cluster_name: issuer\n        endpoints:\n          - lb_endpoints:\n              - endpoint: {{address: \
             {{socket_address: {{address: 127.0.0.1, port_value: {}}}}}}}\n",
            issuer.port
        );
        plan.envoy_changes.push(("  clusters:\n".into(), cluster));
        change(&mut plan);
        let world = World::start(plan, |_| {}).await.unwrap();
        Self { world, upstream, key, asked }
    }

    pub(super) fn port(&self) -> u16 {
        self.world.origin.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// What tokens for a server must be meant for.
    pub(super) fn resource(&self, server: &str) -> String {
        format!("{}/{server}", self.world.mcp)
    }

    /// A token for a server.
    pub(super) fn token(&self, server: &str, subject: &str) -> String {
        self.key.token(&self.resource(server), subject)
    }

    pub(super) fn memory(&self) -> Memory {
        Memory::of(self.world.envoy.service.pid())
    }

    /// A modern call of a tool of a server, in bytes, on a connection that stays open.
    pub(super) fn call(&self, server: &str, token: &str, tool: &str) -> Vec<u8> {
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"id":"ideas"}},{meta}}}}}"#
        );
        let fields =
            [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", tool)];
        self.request("POST", server, token, &fields, body.as_bytes())
    }

    pub(super) fn request(
        &self,
        verb: &str,
        server: &str,
        token: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Vec<u8> {
        let host = self.world.origin.trim_start_matches("http://");
        let mut head = format!(
            "{verb} /mcp/{server} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json, text/event-stream\r\n\
             Authorization: Bearer {token}\r\n"
        );
        for (name, value) in fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if verb == "POST" {
            let _ = write!(head, "Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        head.push_str("\r\n");
        [head.as_bytes(), body].concat()
    }

    /// The status of one request on a connection of its own.
    pub(super) async fn status(&self, bytes: &[u8]) -> u16 {
        let mut wire = Wire::open(self.port(), crate::wire::HERE).await;
        wire.send(bytes).await;
        wire.answer().await.map_or(0, |answer| answer.status)
    }

    /// A counter or gauge of Envoy; 0 where it has none of that name.
    pub(super) async fn stat(&self, name: &str) -> u64 {
        self.world.envoy.stat(name).await.unwrap().unwrap_or_default()
    }

    /// Counters and gauges whose names begin so.
    pub(super) async fn stats(&self, prefix: &str) -> BTreeMap<String, u64> {
        let text =
            self.world.http.get(&format!("{}/stats", self.world.envoy.admin()), &[]).await.unwrap().text();
        let read = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.strip_prefix(prefix)?.to_owned(), value.parse().ok()?))
        };
        text.lines().filter_map(read).collect()
    }

    /// Decisions so far by reason, those that there were.
    pub(super) async fn decisions(&self) -> BTreeMap<String, u64> {
        let all = self.stats("wasmcustom.wicketgate.decisions_total.").await;
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// Waits until a gauge says so; the last value where it never does.
    pub(super) async fn settles(&self, name: &str, so: impl Fn(u64) -> bool) -> u64 {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let value = self.stat(name).await;
            if so(value) || Instant::now() >= deadline {
                return value;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// How often a VM has failed so far.
    pub(super) async fn vm_failures(&self) -> u64 {
        let reloads = self.stats("wasm.wicketgate.vm_reload").await;
        assert!(reloads.contains_key(""), "Envoy does not count them: {reloads:?}");
        reloads.values().sum()
    }
}

/// Rules that let whoever has a token do everything.
pub(super) const RULES: &str = "      - {id: all, allow: {who: any, tools: [\"*\"], resources: [\"*\"]}}\n";

/// A policy of these servers, and one at `/mcp` that only waits for the world to be up.
pub(super) fn policy(servers: &[Protected<'_>], held: &str, rules: &str) -> String {
    let mut text = format!(
        "version: 1\nhold_headers: true\nheld_bytes: {held}\nissuers:\n  - issuer: {ISSUER}\n    algorithms: [ES256]\n    \
         jwks: {{cluster: issuer, path: /jwks}}\n    validate: {{cluster: issuer, path: /v1/validate}}\nservers:\n  \
         - name: main\n    url: ${{WICKETGATE_URL}}/mcp\n    rules:\n{RULES}"
    );
    for (name, limits) in servers {
        let _ = write!(
            text,
            "  - name: {name}\n    url: ${{WICKETGATE_URL}}/mcp/{name}\n    limits: {limits}\n    rules:\n{rules}"
        );
    }
    text
}
