//! Does what the chart renders for mode `standalone` run? Its envoy.yaml in a real Envoy, its authorization server's
//! configuration in the real one; nothing stands in between but other ports and folders.

mod pod;

use serde_json::json;
use wicketgate_e2e::client::mcp::McpClient;
use wicketgate_e2e::client::oauth;
use wicketgate_e2e::world::wait_for;

use self::pod::Pod;

const RULES: &str = "[{id: readers, allow: {who: {scopes: [mcp:read]}, tools: [get_note]}}]";
const WIDER: &str = "[{id: readers, allow: {who: {scopes: [mcp:read]}, tools: [get_note, search_notes]}}]";

#[tokio::test(flavor = "multi_thread")]
async fn the_rendered_pod_serves_and_refuses() {
    let mut pod = Pod::start("chart", RULES).await;
    let (http, mcp) = (pod.http.clone(), pod.mcp.clone());

    let anonymous = http.post_json(&mcp, &[], &json!({})).await.unwrap();
    assert_eq!(anonymous.status, 401, "{}", anonymous.text());
    let other_host = http.get(&mcp, &[("host", "other.example")]).await.unwrap();
    assert_eq!(other_host.status, 404, "{}", other_host.text());
    let nowhere = http.get(&format!("{}/nowhere", pod.origin), &[]).await.unwrap();
    assert_eq!(nowhere.status, 404, "{}", nowhere.text());

    let session = oauth::log_in(&http, &mcp, &pod.login, None).await.unwrap();
    let mut client = McpClient::modern(http.clone(), &mcp, Some(&session.tokens.access_token));
    let allowed = client.call_tool("get_note", json!({"id": "ideas"})).await.unwrap();
    assert_eq!(allowed["structuredContent"]["title"], "Ideas", "{allowed}");
    let search = json!({"query": "report"});
    let denied = client.call_tool("search_notes", search.clone()).await.unwrap_err().to_string();
    assert!(denied.contains("Unknown tool"), "{denied}");
    assert_eq!(client.names("tools/list", "tools").await.unwrap(), ["get_note"]);

    let reasons = pod.reasons().await;
    for reason in ["missing_credential", "unknown_server", "allowed", "not_allowed"] {
        assert!(reasons.contains(reason), "{reason} is not among {reasons:?}");
    }

    // As the kubelet does it: another folder, and a link that turns to it.
    pod.change_policy(WIDER).await;
    wait_for("the changed policy", None, || async {
        let mut client = McpClient::modern(http.clone(), &mcp, Some(&session.tokens.access_token));
        client.call_tool("search_notes", search.clone()).await.map(drop).map_err(|failure| failure.0)
    })
    .await
    .unwrap();
    pod.stop().await;
}

/// Of Envoy's admin interface probes and Prometheus reach what they need, and nobody anything else.
#[tokio::test(flavor = "multi_thread")]
async fn the_operations_listener_tells_and_does_nothing_else() {
    let pod = Pod::start("chart-operations", RULES).await;
    let at = |path: &str| format!("{}{path}", pod.operations);
    for path in ["/livez", "/ready"] {
        assert_eq!(pod.http.get(&at(path), &[]).await.unwrap().status, 200, "{path}");
    }
    let metrics = pod.http.get(&at("/stats/prometheus"), &[]).await.unwrap().text();
    for name in
        ["wicketgate_vms", "wicketgate_decisions_total{", "envoy_cluster_name=\"mcp_upstream_sample\""]
    {
        assert!(metrics.contains(name), "{name} is not among the metrics");
    }
    for path in ["/", "/config_dump", "/stats", "/certs", "/ready/../config_dump", "/clusters"] {
        assert_eq!(pod.http.get(&at(path), &[]).await.unwrap().status, 404, "{path}");
    }
    for path in ["/ready", "/quitquitquit", "/drain_listeners"] {
        assert_eq!(pod.http.send("POST", &at(path), &[], Vec::new()).await.unwrap().status, 404, "{path}");
    }
    pod.stop().await;
}
