//! Can a page in a real browser be a client, from another origin, and no other page? The TypeScript SDK in Debian's Chromium, before an
//! Envoy that is drawn from a policy with `origins`.

use std::time::Duration;

use wicketgate_e2e::client::oauth;
use wicketgate_e2e::world::{Plan, World};
use wicketgate_e2e::{layout, ports};

use super::super::recorder::Recorder;
use super::super::stage::Raw;
use super::stage::{Drawn, Edge, server};
use crate::clients::program::{install_node_packages, run, script};

const LIMIT: Duration = Duration::from_secs(120);

/// The world's own server and authorization server once more, behind another Envoy that lets a page call.
async fn before(world: &World, page: &str) -> Edge {
    let at = format!("{{address: \"{}\"}}", world.upstream.authority());
    let keys = format!("origins: [\"{page}\"]");
    let notes = server("notes", "/mcp", &at, &[&keys, "match: {hosts: [\"*\"], path: /mcp}"])
        .replace("http://127.0.0.1:@PORT@/mcp", &world.mcp)
        .replace("who: anonymous", "who: any");
    let mut drawn = Drawn::of(&notes);
    let listeners = world.sidecar.listeners;
    drawn.edge = format!(
        "  authorization_server: {{public: \"{}\", internal: \"{}\"}}\nissuers:\n  - {{issuer: \"{}\", algorithms: [ES256], jwks: \
         {{cluster: auth_internal, path: /v1/jwks}}}}\n",
        listeners.public, listeners.internal, world.origin
    );
    Edge::start("pages", &drawn).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_a_client_in_a_real_browser_and_no_other_page_is() {
    install_node_packages(&["browser"]).await;
    let chromium = layout::obtain("chromium").unwrap();
    let world = World::start(Plan::fresh("pages").unwrap(), |_| {}).await.unwrap();
    let port = ports::free().unwrap();
    let edge = before(&world, &format!("http://127.0.0.1:{port}")).await;
    let login = world.login.as_ref().unwrap();
    let token = oauth::log_in(&world.http, &world.mcp, login, None).await.unwrap().tokens.access_token;

    let mut command = script("node", "browser/page.mjs");
    command.arg("--url").arg(format!("http://127.0.0.1:{}/mcp", edge.port));
    command.args(["--port", &port.to_string()]).arg("--chromium").arg(&chromium).env("TOKEN", token);
    let steps = run(&world, "page", command, LIMIT).await;
    steps.one("refused");
    steps.one("oauth");
    steps.one("foreign");
    let calls = steps.all("call");
    assert_eq!(calls.len(), 3, "{steps:?}");
    edge.discard().await;
    world.discard().await;
}

/// A browser leaves out the port that a scheme has anyway, and writes the rest in lower case.
#[tokio::test(flavor = "multi_thread")]
async fn an_origin_is_the_same_however_the_policy_writes_it() {
    let recorder = Recorder::echo().await;
    let at = format!("{{address: \"127.0.0.1:{}\"}}", recorder.upstream.port);
    let written =
        "origins: [\"https://App.Example.com:443\", \"http://[::0:1]:8080\", \"http://b.example:80\"]";
    let at = at.replace('}', ", params: [Region, tenant-id]}");
    let edge = Edge::start("origins", &Drawn::of(&server("notes", "/notes", &at, &[written]))).await;
    let allowed = |answer: &Raw| answer.field("access-control-allow-origin").unwrap_or_default().to_owned();
    for (origin, allows) in [
        ("https://app.example.com", true),
        ("http://[::1]:8080", true),
        ("http://b.example", true),
        ("https://app.example.com:8443", false),
        ("http://app.example.com", false),
        ("null", false),
    ] {
        let preflight = [("origin", origin), ("access-control-request-method", "POST")];
        let answer = edge.send("OPTIONS /notes", &preflight, "").await;
        assert_eq!(allowed(&answer) == origin, allows, "preflight of {origin}: {answer:?}");
        let fields = answer.field("access-control-allow-headers").unwrap_or_default().to_owned();
        let may = |name: &str| fields.split(", ").any(|field| field == name);
        for name in ["authorization", "mcp-method", "mcp-param-region", "mcp-param-tenant-id"] {
            assert_eq!(may(name), allows, "{name} of {origin}: {answer:?}");
        }
        assert!(!may("mcp-param-other") && !fields.contains('*'), "{answer:?}");
        let answer = edge.call("/notes", &[("origin", origin)]).await;
        assert_eq!(
            (answer.status == 200, allowed(&answer) == origin),
            (allows, allows),
            "{origin}: {answer:?}"
        );
    }
    edge.discard().await;
}
