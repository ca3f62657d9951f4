//! What may an organization, a client, an address do, and what would a rule have decided? Each on a server of its own.

use serde_json::{Value, json};
use wicketgate_e2e::world::World;

use super::recorder::{Recorder, Script, Seen, event_stream, json_answer, result};
use super::stage::{self, DEADLINE, Raw, eventually, exchange, request};
use super::stand_in::{self, Holder, Signer, StandIn, server};

const EVERYTHING: &str = "      - {id: all, allow: {who: any, tools: [\"*\"]}}\n";

/// Asked so often, on a connection each, that both workers are.
const ASKED: usize = 8;

struct Stage {
    world: World,
    recorder: Recorder,
    key: Signer,
    issuer: StandIn,
}

// === impl Stage ===

impl Stage {
    /// `claims` are settings of the issuer; `servers` lie below /mcp.
    async fn start(name: &str, recorder: Recorder, claims: &str, servers: &str) -> Self {
        let key = Signer::quick("k");
        let issuer = StandIn::start(std::slice::from_ref(&key)).await;
        let beside = if claims.is_empty() { String::new() } else { format!("}}\n    claims: {{{claims}") };
        let issuers = [("issuer", &issuer, beside.as_str())];
        let world = stand_in::world(name, &recorder, &issuers, servers, |_| {}).await;
        Self { world, recorder, key, issuer }
    }

    fn token(&self, path: &str, client: &'static str, organization: &'static str) -> String {
        let holder = Holder { subject: "alice", client, organization, grant: "g1" };
        let resource = self.world.mcp.replace("/mcp", path);
        self.key.token_of(holder, &self.issuer.url, &[resource])
    }

    async fn ask(&self, path: &str, token: Option<&str>, fields: &[(&str, &str)], body: &Value) -> Raw {
        let bytes = request(&self.world, &format!("POST {path}"), token, fields, body.to_string().as_bytes());
        exchange(&self.world, &bytes).await
    }

    /// The reason in the decision record of an answer, the rule, and what rules in shadow mode would do.
    async fn told(&self, answer: &Raw) -> Value {
        let records = stage::records(&self.world, answer.field("x-request-id").unwrap()).await;
        let decision = records.iter().find(|record| record["record"] == "decision").unwrap();
        json!([decision["reason"], decision["rule"], decision["shadow"]["verdict"]])
    }
}

fn call(tool: &str) -> Value {
    stage::tool_call(5, tool, &json!({}))
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_narrow_and_the_record_names_their_keys() {
    const PATH: &str = "/mcp/one";
    const ORIGIN: &str = "https://one.example";
    let layers = [
        "origins: [\"https://one.example\", \"https://two.example\"]",
        "organizations: [{name: acme, allowed_tools: [\"get_*\", put_note]}]",
        "clients: [{name: cli, allowed_tools: [\"get_*\"], max_request_size: 300, \
         allowed_origins: [\"https://one.example\"]}, {name: slow, max_requests_per_minute: 1}, {name: anonymous, require_auth: false, allowed_tools: [public]}]",
    ];
    let rules = "      - {id: all, allow: {who: any, tools: [\"*\"]}}\n      \
                 - {id: open, delegable: {who: anonymous, tools: [public]}}\n      \
                 - {id: trial, deny: {who: any, tools: [get_old]}, mode: shadow}\n      \
                 - {id: ext, allow: {who: any, methods: [\"acme/*\"]}}\n";
    // Whoever waits for the gateway asks the first server, and wants to be sent to log in.
    let servers = [server("ready", "/mcp", &[], EVERYTHING), server("one", PATH, &layers, rules)];
    let stage = Stage::start("layers", Recorder::echo().await, "", &servers.concat()).await;
    let (cli, web) = (stage.token(PATH, "cli", "acme"), stage.token(PATH, "web", "acme"));
    let large = stage::tool_call(5, "get_note", &json!({"text": "x".repeat(300)}));
    let other = json!({"jsonrpc": "2.0", "id": 5, "method": "other/run", "params": {}});
    let extension = json!({"jsonrpc": "2.0", "id": 5, "method": "acme/run", "params": {}});
    let not = |rule: &str| json!(["not_allowed", rule, null]);
    let allowed = |rule: &str| json!(["allowed", rule, null]);
    // Token, origin, message, status, and what is told.
    type Case<'a> = (Option<&'a str>, Option<&'a str>, Value, u16, Value);
    let cases: Vec<Case<'_>> = vec![
        (Some(&web), None, call("put_note"), 200, allowed("organizations[acme].allowed_tools")),
        (Some(&web), None, call("drop"), 200, not("organizations[acme].allowed_tools")),
        (Some(&cli), None, call("get_note"), 200, allowed("clients[cli].allowed_tools")),
        (Some(&cli), None, call("put_note"), 200, not("clients[cli].allowed_tools")),
        (Some(&cli), None, call("drop"), 200, not("organizations[acme].allowed_tools")),
        (Some(&cli), None, large.clone(), 413, json!(["too_large", "clients[cli].max_request_size", null])),
        (Some(&web), None, large, 200, allowed("organizations[acme].allowed_tools")),
        (
            Some(&cli),
            Some("https://two.example"),
            call("get_note"),
            403,
            json!(["origin_refused", "clients[cli].allowed_origins", null]),
        ),
        (Some(&cli), Some(ORIGIN), call("get_note"), 200, allowed("clients[cli].allowed_tools")),
        (
            Some(&web),
            Some("https://two.example"),
            call("get_note"),
            200,
            allowed("organizations[acme].allowed_tools"),
        ),
        (None, None, call("public"), 200, allowed("clients[anonymous].allowed_tools")),
        (None, None, call("get_note"), 401, json!(["missing_credential", null, null])),
        (
            Some(&web),
            None,
            call("get_old"),
            200,
            json!(["allowed", "organizations[acme].allowed_tools", "would_deny"]),
        ),
        (Some(&web), None, extension, 200, allowed("ext")),
        (Some(&web), None, other, 200, json!(["unknown_method", null, null])),
    ];
    for (token, origin, message, status, told) in cases {
        stage.recorder.take();
        let fields: Vec<(&str, &str)> = origin.map(|origin| ("Origin", origin)).into_iter().collect();
        let answer = stage.ask(PATH, token, &fields, &message).await;
        assert_eq!(answer.status, status, "{message}: {answer:?}");
        assert_eq!(stage.told(&answer).await, told, "{message}: {answer:?}");
        let reached = stage.recorder.take().len();
        assert_eq!(reached, usize::from(told[0] == "allowed"), "{message}: {answer:?}");
    }
    // Whoever uses the client: it has one bucket, and others have theirs.
    let slow = stage.token(PATH, "slow", "acme");
    for (token, status) in [(&slow, 200), (&slow, 429), (&web, 200)] {
        assert_eq!(stage.ask(PATH, Some(token), &[], &call("get_note")).await.status, status);
    }
    let counted = stage.world.envoy.stat("wasmcustom.wicketgate.shadow_decisions_total.would_deny").await;
    assert_eq!(counted.unwrap(), Some(1));
    stage.world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_the_one_that_envoy_holds_for_true() {
    let here = "{who: {addresses: [127.0.0.0/8]}, tools: [get_here]}";
    let elsewhere = "{who: {addresses: [10.0.0.0/8]}, tools: [get_elsewhere]}";
    let rules =
        format!("      - {{id: here, allow: {here}}}\n      - {{id: elsewhere, allow: {elsewhere}}}\n");
    let servers = [
        server("open", "/mcp", &[], &rules),
        server("inside", "/mcp/inside", &["addresses: {allow: [10.0.0.0/8]}"], EVERYTHING),
        server(
            "outside",
            "/mcp/outside",
            &["addresses: {deny: [127.0.0.0/8, \"2001:db8::/32\"]}"],
            EVERYTHING,
        ),
        server("both", "/mcp/both", &["addresses: {allow: [127.0.0.0/8], deny: [127.9.0.0/16]}"], EVERYTHING),
    ];
    let stage = Stage::start("addresses", Recorder::echo().await, "", &servers.concat()).await;
    // Whoever writes himself another address is where he is.
    for fields in [&[][..], &[("x-forwarded-for", "10.0.0.1")], &[("x-envoy-external-address", "10.0.0.1")]] {
        for (path, tool, told) in [
            ("/mcp", "get_here", json!(["allowed", "here", null])),
            ("/mcp", "get_elsewhere", json!(["not_allowed", null, null])),
            ("/mcp/inside", "get_here", json!(["address_refused", null, null])),
            ("/mcp/outside", "get_here", json!(["address_refused", null, null])),
            ("/mcp/both", "get_here", json!(["allowed", "all", null])),
        ] {
            stage.recorder.take();
            let token = stage.token(path, "cli", "acme");
            let answer = stage.ask(path, Some(&token), fields, &call(tool)).await;
            assert_eq!(stage.told(&answer).await, told, "{path} {fields:?}: {answer:?}");
            let refused = told[0] == "address_refused";
            assert_eq!(answer.status, if refused { 403 } else { 200 }, "{path}: {answer:?}");
            assert_eq!(answer.code() == json!(-31010), refused, "{path}: {answer:?}");
            assert_eq!(stage.recorder.take().len(), usize::from(told[0] == "allowed"), "{path}");
        }
    }
    stage.world.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_stand_where_an_identity_provider_puts_them() {
    let rules = "      - {id: operators, allow: {who: {roles: [operator]}, tools: [run]}}\n      \
                 - {id: auditors, allow: {who: {roles: [auditor]}, tools: [read]}}\n      \
                 - {id: nobody, allow: {who: {roles: [admin]}, tools: [drop]}}\n";
    let claims = "roles: [resource_access.my.client.roles, \"https://example.com/roles\"]";
    let servers = server("one", "/mcp", &[], rules);
    let stage = Stage::start("roles", Recorder::echo().await, claims, &servers).await;
    let token = stage.token("/mcp", "cli", "acme");
    for (tool, told) in [
        ("run", json!(["allowed", "operators", null])),
        ("read", json!(["allowed", "auditors", null])),
        ("drop", json!(["not_allowed", null, null])),
    ] {
        let answer = stage.ask("/mcp", Some(&token), &[], &call(tool)).await;
        assert_eq!(stage.told(&answer).await, told, "{tool}: {answer:?}");
    }
    stage.world.discard().await;
}

/// Lists two tools, and asks the client for something with every call.
fn asking(seen: &Seen) -> Script {
    let message = seen.json();
    if message["method"] == "tools/list" {
        let tools = json!({"tools": [
            {"name": "read", "annotations": {"readOnlyHint": true}}, {"name": "write", "annotations": {"readOnlyHint": false}},
        ]});
        let list = json!({"jsonrpc": "2.0", "id": message["id"], "result": tools});
        return Script::Answer(json_answer(&list.to_string()));
    }
    let ask = json!({"jsonrpc": "2.0", "id": "s1", "method": "sampling/createMessage", "params": {}});
    let mut stream = event_stream(&format!("data: {ask}\n\ndata: {}\n\n", result(seen)));
    stream.extend_from_slice(b"0\r\n\r\n");
    Script::Answer(stream)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_in_the_sandbox_uses_what_was_listed_as_read_only() {
    let settings = ["clients: [{name: box, sandbox_mode: true, max_requests_per_minute: 1000}]"];
    let servers = server("one", "/mcp", &settings, EVERYTHING);
    let stage = Stage::start("sandbox", Recorder::start(asking).await, "", &servers).await;
    let (boxed, free) = (stage.token("/mcp", "box", "acme"), stage.token("/mcp", "web", "acme"));
    let unknown = stage.ask("/mcp", Some(&boxed), &[], &call("read")).await;
    assert_eq!(stage.told(&unknown).await, json!(["not_allowed", "clients[box].sandbox_mode", null]));
    assert_eq!(unknown.json()["error"]["message"], "Unknown tool: read");

    let list = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/list"});
    let listed = stage.ask("/mcp", Some(&boxed), &[], &list).await.json();
    assert_eq!(listed["result"]["tools"][0]["name"], "read", "{listed}");
    assert_eq!(listed["result"]["tools"].as_array().map(Vec::len), Some(1), "{listed}");
    // What one worker was told, all know.
    for _ in 0..ASKED {
        eventually("a place for a stream is free", DEADLINE, || async {
            let answer = stage.ask("/mcp", Some(&boxed), &[], &call("read")).await;
            let (text, told) = (answer.content(), stage.told(&answer).await);
            assert!(!text.contains("sampling"), "{text}");
            let passed = answer.status == 200 && text.contains("result") && told[0] == "allowed";
            if passed { Ok(()) } else { Err(format!("{answer:?}")) }
        })
        .await;
        let answer = stage.ask("/mcp", Some(&boxed), &[], &call("write")).await;
        assert_eq!(stage.told(&answer).await[0], "not_allowed", "{answer:?}");
    }
    let answer = stage.ask("/mcp", Some(&free), &[], &call("write")).await;
    assert!(answer.content().contains("sampling"), "{answer:?}");
    stage.world.discard().await;
}
