//! Is everything written down once, and nothing that must stay secret?

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wicketgate_e2e::files;
use wicketgate_e2e::world::World;

use super::stage::{self, eventually};

const ARGUMENT: &str = "argument-value-7d1f";
const QUERY: &str = "query-value-88ac";
const NOTE: &str = "note-body-51be";

#[tokio::test(flavor = "multi_thread")]
async fn every_exchange_leaves_two_records_and_no_secret() {
    let world = stage::world("audit", |_| {}).await;
    let session = stage::log_in(&world, Some("mcp:read mcp:write")).await;
    let token = session.tokens.access_token.clone();
    let statuses = send_one_of_each(&world, &token).await;
    let records = settled(&world, &statuses).await;
    for (request, (status, reason)) in &statuses {
        both_records(&records, request, *status, reason);
    }
    the_allowed_call_is_described(&records, &statuses, &session.registration.client_id);
    counters_agree(&world, &records).await;
    nothing_secret_is_kept(&world, &session.tokens.access_token, session.tokens.refresh_token.as_deref())
        .await;

    let status = world.http.get(&format!("{}/wicketgate/status", world.origin), &[]).await.unwrap();
    let document = status.json().unwrap();
    assert_eq!(status.status, 200, "{document}");
    assert_eq!(document["jwks"][0]["issuer"], world.origin, "{document}");
    let published = world.http.get(&format!("{}/jwks", world.origin), &[]).await.unwrap().json().unwrap();
    let keys = published["keys"].as_array().unwrap().len();
    assert!(keys > 0 && document["jwks"][0]["keys"] == keys, "{document} {published}");
    assert!(document["jwks"][0]["age_seconds"].is_u64(), "{document}");
    assert!(document["policy"].as_str().unwrap().len() == 64 && document["servers"] == 1, "{document}");
    world.discard().await;
}

type Sent = BTreeMap<String, (u16, &'static str)>;

/// Request ids with the status and reason that each must be recorded with.
async fn send_one_of_each(world: &World, token: &str) -> Sent {
    let mut sent = Sent::new();
    let mut client = stage::modern(world, token);
    let write = json!({"name": "write_note", "arguments": {"id": "n", "title": ARGUMENT, "body": NOTE}});
    let calls = [
        ("tools/call", write, 200, "allowed"),
        ("tools/call", json!({"name": "search_notes", "arguments": {"query": ARGUMENT}}), 200, "allowed"),
        (
            "tools/call",
            json!({"name": "drop_everything", "arguments": {"why": ARGUMENT}}),
            200,
            "not_allowed",
        ),
        ("resources/read", json!({"uri": format!("file:///etc/x?{QUERY}")}), 200, "not_allowed"),
        ("tools/list", json!({}), 200, "allowed"),
        ("no/such/method", json!({"why": ARGUMENT}), 404, "unknown_method"),
    ];
    let mut keep = |answer: wicketgate_e2e::client::http::Answer, status, reason| {
        assert_eq!(answer.status, status, "{reason}: {}", answer.text());
        sent.insert(answer.header("x-request-id").unwrap().to_owned(), (status, reason));
    };
    for (method, params, status, reason) in calls {
        keep(client.send(method, params).await.unwrap(), status, reason);
    }
    let forged = format!("{token}x");
    let answer = stage::modern(world, &forged).send("ping", json!({})).await.unwrap();
    keep(answer, 401, "invalid_credential");
    let url = format!("{}?token={QUERY}", world.mcp);
    keep(world.http.get(&url, &[]).await.unwrap(), 401, "missing_credential");
    let fields =
        [("authorization", &*format!("Bearer {token}")), ("accept", "application/json, text/event-stream")];
    let answer = world.http.post_json(&url, &fields, &json!([ARGUMENT])).await.unwrap();
    keep(answer, 400, "invalid_request");
    let answer = world.http.send("PUT", &world.mcp, &fields, Vec::new()).await.unwrap();
    keep(answer, 405, "method_not_allowed");
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp?{QUERY}", world.origin);
    keep(world.http.get(&metadata, &[]).await.unwrap(), 200, "public_document");
    sent
}

/// All records, once both of each request are there.
async fn settled(world: &World, sent: &Sent) -> Vec<Value> {
    let read = || -> Vec<Value> {
        let lines = world.records("audit.jsonl").unwrap_or_default();
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
            .collect()
    };
    eventually("both records of every request are written", stage::DEADLINE, || async {
        let records = read();
        let missing = sent.keys().filter(|id| of(&records, id).len() < 2).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} requests lack records")) }
    })
    .await;
    read()
}

fn of<'a>(records: &'a [Value], request: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["request_id"] == request).collect()
}

fn both_records(records: &[Value], request: &str, status: u16, reason: &str) {
    let own = of(records, request);
    let kinds: Vec<_> = own.iter().map(|record| record["record"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["decision", "completion"], "{reason}: {own:?}");
    let verdict = if matches!(reason, "allowed" | "public_document") { "allow" } else { "deny" };
    for record in &own {
        assert_eq!((&record["reason"], &record["verdict"]), (&json!(reason), &json!(verdict)), "{record}");
        assert!(record["time_ms"].is_u64(), "{record}");
    }
    assert_eq!(own[1]["status"], status, "{reason}: {}", own[1]);
    let decision = own[0].as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>();
    for field in [
        "verb",
        "path",
        "source",
        "server",
        "principal",
        "operation",
        "revision",
        "detail",
        "rule",
        "policy",
        "request_bytes",
        "took_us",
    ] {
        assert!(decision.contains(&field), "{field} is missing: {}", own[0]);
    }
    for field in ["server", "request_bytes", "response_bytes", "removed", "took_ms"] {
        assert!(own[1].get(field).is_some(), "{field} is missing: {}", own[1]);
    }
    assert!(!own[0]["path"].as_str().unwrap().contains('?'), "{}", own[0]);
}

fn the_allowed_call_is_described(records: &[Value], sent: &Sent, client: &str) {
    let decisions: Vec<_> = records
        .iter()
        .filter(|r| r["record"] == "decision" && sent.contains_key(r["request_id"].as_str().unwrap()))
        .collect();
    let named = |name: &str| {
        decisions
            .iter()
            .find(|r| r["operation"]["targets"][0]["name"] == name)
            .unwrap_or_else(|| panic!("no decision names {name}"))
    };
    let write = named("write_note");
    assert_eq!(write["principal"]["kind"], "authenticated", "{write}");
    assert_eq!(
        (&write["principal"]["subject"], &write["principal"]["client"]),
        (&json!("demo"), &json!(client)),
        "{write}"
    );
    assert!(write["principal"]["grant"].is_string() && write["principal"]["issuer"].is_string(), "{write}");
    assert_eq!((&write["rule"], &write["server"]), (&json!("writers"), &json!("sample")), "{write}");
    assert_eq!(
        (&write["revision"], &write["operation"]["method"]),
        (&json!("2026-07-28"), &json!("tools/call"))
    );
    assert!(write["request_bytes"].as_u64().unwrap() > 50 && write["took_us"].is_u64(), "{write}");
    assert_eq!(
        (&write["verb"], &write["path"], &write["source"]),
        (&json!("POST"), &json!("/mcp"), &json!("127.0.0.1"))
    );
    assert_eq!(named("drop_everything")["rule"], "never");
    assert_eq!(named("file:///etc/x")["operation"]["targets"][0]["kind"], "resource");
    let list = decisions.iter().find(|r| r["operation"]["method"] == "tools/list").unwrap();
    let end = of(records, list["request_id"].as_str().unwrap())[1];
    assert_eq!(end["removed"], 1, "drop_everything was cut out: {end}");
    assert!(end["response_bytes"].as_u64().unwrap() > 100, "{end}");
}

/// As many requests as decisions, and as many of each reason.
async fn counters_agree(world: &World, records: &[Value]) {
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for record in records.iter().filter(|record| record["record"] == "decision") {
        *reasons.entry(record["reason"].as_str().unwrap()).or_default() += 1;
    }
    let counted = world.envoy.stat("wasmcustom.wicketgate.requests_total").await.unwrap();
    assert_eq!(counted, Some(reasons.values().sum()), "{reasons:?}");
    for (reason, times) in reasons {
        let name = format!("wasmcustom.wicketgate.decisions_total.{reason}");
        assert_eq!(world.envoy.stat(&name).await.unwrap(), Some(times), "{reason}");
    }
    let lines = world.records("access.log").unwrap();
    for record in records.iter().filter(|record| record["record"] == "completion") {
        let id = record["request_id"].as_str().unwrap();
        let logged: Vec<_> = lines.iter().filter(|line| line.ends_with(id)).collect();
        assert_eq!(logged.len(), 1, "{id}: {logged:?}");
        assert!(logged[0].contains(&format!(" {} ", record["status"])), "{record} and {logged:?}");
    }
}

async fn nothing_secret_is_kept(world: &World, token: &str, refresh: Option<&str>) {
    let signature = token.rsplit('.').next().unwrap();
    let payload = token.split('.').nth(1).unwrap();
    let password = &world.login.as_ref().unwrap().password;
    let secrets = [token, payload, signature, refresh.unwrap(), password, ARGUMENT, QUERY, NOTE];
    let mut places = Vec::new();
    for name in ["audit.jsonl", "access.log", "envoy.log", "sidecar.log", "render.log"] {
        places.push((name.to_owned(), files::read(&world.state.join(name)).unwrap()));
    }
    for page in ["/config_dump", "/stats", "/stats/prometheus", "/clusters"] {
        let answer = world.http.get(&format!("{}{page}", world.envoy.admin()), &[]).await.unwrap();
        assert_eq!(answer.status, 200, "{page}");
        places.push((page.to_owned(), answer.text()));
    }
    for (place, text) in places {
        for secret in secrets {
            let at = text.find(secret).map(|at| text.get(at.saturating_sub(80)..at).unwrap_or_default());
            assert!(at.is_none(), "{place} holds a secret ({} bytes of it) after: {at:?}", secret.len());
        }
    }
}
