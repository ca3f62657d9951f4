//! Do Envoy, the filter and the authorization server tell one story? A collector that reads what they send (OTLP), and one request that
//! all three work on.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use prost::Message as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use wicketgate_e2e::client::http::Http;
use wicketgate_e2e::client::oauth;
use wicketgate_e2e::sidecar::{Listeners, Sidecar, User};
use wicketgate_e2e::world::wait_for;
use wicketgate_e2e::{files, layout};

use super::super::recorder::{Recorder, Script, Seen, json_answer};
use super::super::stage::{DEADLINE, eventually, tool_call};
use super::stage::{Drawn, Edge, envoy_minor, server, try_to_draw};
use super::tls::place;

/// A span as it came.
#[derive(Clone, Debug)]
struct Span {
    service: String,
    trace: String,
    id: String,
    parent: String,
    attributes: Vec<(String, String)>,
}

/// Whoever is sent spans.
#[derive(Clone, Debug, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

// === impl Collector ===

impl Collector {
    async fn start() -> (Self, u16) {
        let collector = Self::default();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().route("/v1/traces", post(take)).with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (collector, port)
    }

    fn of(&self, trace: &str) -> Vec<Span> {
        self.0.lock().unwrap().iter().filter(|span| span.trace == trace).cloned().collect()
    }
}

async fn take(State(collector): State<Collector>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for resource in request.resource_spans {
        let named = texts(&resource.resource.unwrap().attributes);
        let service = named.into_iter().find(|(key, _)| key == "service.name").map(|(_, name)| name);
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            collector.0.lock().unwrap().push(Span {
                service: service.clone().unwrap_or_default(),
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                attributes: texts(&span.attributes),
            });
        }
    }
}

fn texts(attributes: &[KeyValue]) -> Vec<(String, String)> {
    let text = |attribute: &KeyValue| match attribute.value.clone()?.value? {
        Any::StringValue(text) => Some((attribute.key.clone(), text)),
        _ => None,
    };
    attributes.iter().filter_map(text).collect()
}

/// The trace and the parent that a request names.
fn named(seen: &Seen) -> (String, String) {
    let parts: Vec<&str> = seen.field("traceparent").unwrap_or_default().split('-').collect();
    (parts[1].to_owned(), parts[2].to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_trace_through_envoy_the_filter_and_whom_it_asks() {
    if envoy_minor() < 38 {
        // `render --envoy-version 1.37` refuses it with a sentence, as the other test here shows.
        return;
    }
    let (collector, port) = Collector::start().await;
    let (upstream, asked) = (Recorder::echo().await, Recorder::start(allows).await);
    let at = format!("{{address: \"127.0.0.1:{}\"}}", upstream.upstream.port);
    let opa = "opa: {cluster: opa, path: /v1/data/x, timeout: 5s}";
    let broken = Recorder::start(|_| Script::Answer(json_answer("{"))).await;
    let broken_at = format!("{{address: \"127.0.0.1:{}\"}}", broken.upstream.port);
    let servers = [server("notes", "/notes", &at, &[opa]), server("broken", "/broken", &broken_at, &[])];
    let mut drawn = Drawn::of(&servers.concat());
    drawn.edge = format!(
        "  traces: {{collector: \"127.0.0.1:{port}\"}}\n  clusters: [{{name: opa, address: \"127.0.0.1:{}\"}}]\n",
        asked.upstream.port
    );
    let edge = Edge::start("traces", &drawn).await;
    let client = "0af7651916cd43dd8448eb211c80319c";
    let mut call = tool_call(5, "get_note", &json!({}));
    call["params"]["_meta"] = json!({"traceparent": format!("00-{client}-b7ad6b7169203331-01")});
    let strange = "00-11111111111111111111111111111111-2222222222222222-01";
    let fields = [("traceparent", strange), ("x-wicketgate-trace", "a-b")];
    let answer = edge.send("POST /notes?secret=1", &fields, &call.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");

    // Whoever is asked learns of one trace, Envoy's, and the server sees nothing of how.
    let (there, question) = (upstream.take().remove(0), asked.take().remove(0));
    let ((trace, parent), (of_question, parent_of_question)) = (named(&there), named(&question));
    assert_eq!(trace, of_question);
    assert!(!strange.contains(&trace), "a client's word for it is not believed");
    assert_eq!(there.field("x-wicketgate-trace"), None);
    assert_eq!(
        there.json()["params"]["_meta"],
        call["params"]["_meta"],
        "what a client says in its message stays"
    );
    let mut spans = Vec::new();
    eventually("both spans of Envoy come", DEADLINE, || {
        spans = collector.of(&trace);
        let seen = if spans.len() >= 2 { Ok(()) } else { Err(format!("{:?}", collector.0.lock().unwrap())) };
        async move { seen }
    })
    .await;
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    assert!(ids.contains(parent.as_str()) && ids.contains(parent_of_question.as_str()), "{spans:?}");
    assert!(spans.iter().all(|span| span.service == "wicketgate-envoy"), "{spans:?}");
    assert!(!format!("{spans:?}").contains("secret"), "{spans:?}");
    let root = spans.iter().find(|span| span.parent.is_empty()).unwrap();
    assert_eq!(root.id, parent_of_question, "the filter asks within the request");
    for (name, word) in [
        ("wicketgate.route", "mcp_notes"),
        ("wicketgate.verdict", "allow"),
        ("wicketgate.reason", "allowed"),
        ("wicketgate.rule", "all"),
        ("wicketgate.server", "notes"),
        ("mcp.method.name", "tools/call"),
        ("gen_ai.tool.name", "get_note"),
    ] {
        assert!(root.attributes.contains(&(name.to_owned(), word.to_owned())), "{name}: {root:?}");
    }

    let list = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/list"});
    // So do the spans of what was refused, on the way in or on the way back.
    for (path, body, verdict, reason) in [
        ("/notes", "{".to_owned(), "deny", "parse_error"),
        ("/broken", list.to_string(), "allow", "unsafe_response"),
    ] {
        edge.send(&format!("POST {path}"), &[], &body).await;
        let told = [("wicketgate.verdict", verdict), ("wicketgate.reason", reason)];
        let told = told.map(|(name, word)| (name.to_owned(), word.to_owned()));
        eventually(reason, DEADLINE, || async {
            let spans = collector.0.lock().unwrap();
            let says = |span: &Span| told.iter().all(|one| span.attributes.contains(one));
            if spans.iter().any(says) { Ok(()) } else { Err(format!("{spans:?}")) }
        })
        .await;
    }

    // The decision names both traces, so that who has one of them finds the other.
    let mut decision = Value::Null;
    eventually("it is recorded", DEADLINE, || {
        let text = std::fs::read_to_string(edge.state.join("audit.jsonl")).unwrap_or_default();
        let all = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        decision = all.into_iter().find(|r| r["record"] == "decision").unwrap_or_default();
        let seen = if decision.is_null() { Err(text) } else { Ok(()) };
        async move { seen }
    })
    .await;
    assert_eq!((&decision["trace"], &decision["client_trace"]), (&json!(trace), &json!(client)));
    edge.discard().await;
}

fn allows(_: &Seen) -> Script {
    Script::Answer(json_answer("{\"result\":true}"))
}

/// An opaque token is one that the authorization server is asked about.
#[tokio::test(flavor = "multi_thread")]
async fn the_authorization_server_works_on_the_same_trace() {
    if envoy_minor() < 38 {
        return;
    }
    let (collector, port) = Collector::start().await;
    let upstream = Recorder::echo().await;
    let (state, ports) = place("traces-all");
    let origin = format!("http://127.0.0.1:{}", ports[0]);
    let (user, listeners) = (User::demo(&state).unwrap(), Listeners::free(false).unwrap());
    let (login, url) = (user.login.clone(), format!("{origin}/notes"));
    let sidecar = Sidecar::generate(&state, &origin, &url, listeners, &[user]).unwrap();
    let text = files::read(&sidecar.configuration).unwrap();
    let text = text.replace("    scopes: [mcp:read", "    access_tokens: opaque\n    scopes: [mcp:read");
    let telemetry = format!("telemetry: {{otlp: {{endpoint: \"http://127.0.0.1:{port}/v1/traces\"}}}}\n");
    files::write_private(&sidecar.configuration, &(text + &telemetry)).unwrap();
    let mut authorization = sidecar.start(&state).unwrap();

    let at = format!("{{address: \"127.0.0.1:{}\"}}", upstream.upstream.port);
    let guarded = server("notes", "/notes", &at, &[]).replace("who: anonymous", "who: any");
    let mut drawn = Drawn::of(&guarded);
    drawn.edge = format!(
        "  traces: {{collector: \"127.0.0.1:{port}\"}}\n  authorization_server: {{public: \"{}\", internal: \"{}\"}}\nissuers:\n  - \
         {{issuer: \"{origin}\", algorithms: [ES256], jwks: {{cluster: auth_internal, path: /v1/jwks}}, validate: {{cluster: \
         auth_internal, path: /v1/validate}}}}\n",
        listeners.public, listeners.internal
    );
    let edge = Edge::start_in(state, ports, &drawn).await;
    let http = Http::new().unwrap();
    wait_for("the filter with its keys", Some(&mut authorization), || async {
        let answer =
            http.get(&format!("{origin}/wicketgate/status"), &[]).await.map_err(|failure| failure.0)?;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await
    .unwrap();
    let token = oauth::log_in(&http, &url, &login, None).await.unwrap().tokens.access_token;
    assert_ne!(token.matches('.').count(), 2, "it is opaque");
    upstream.take();
    let answer = edge.call("/notes", &[("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let (trace, _) = named(&upstream.take().remove(0));
    eventually("one trace of both", DEADLINE, || async {
        let spans = collector.of(&trace);
        let root = spans.iter().find(|span| span.service == "wicketgate-envoy" && span.parent.is_empty());
        let theirs = spans
            .iter()
            .find(|span| root.is_some_and(|root| span.parent == root.id && span.service != root.service));
        if theirs.is_some() { Ok(()) } else { Err(format!("{spans:?}")) }
    })
    .await;
    authorization.stop().await;
    edge.discard().await;
}

#[test]
fn what_an_envoy_cannot_do_is_refused() {
    let (state, ports) = place("traces-refused");
    let mut drawn = Drawn::of(&server("notes", "/notes", "{address: \"127.0.0.1:3001\"}", &[]));
    drawn.edge = "  traces: {collector: \"127.0.0.1:4318\", sample: 10}\n".to_owned();
    assert!(try_to_draw(&state, ports, &drawn).status.success());
    let render = |version: &str| {
        let mut command = std::process::Command::new(layout::binary("wicketgate").unwrap());
        command.args(["render", "envoy", "--envoy-version", version]).arg(state.join("policy.yaml"));
        command.arg("--out").arg(state.join("of-a-version.yaml")).output().unwrap()
    };
    assert!(render("1.38").status.success());
    let refused = render("1.37");
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains("`edge.traces` needs: 1.38 can"), "{words}");
    let _ = std::fs::remove_dir_all(state);
}
