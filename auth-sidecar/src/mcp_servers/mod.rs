//! Are the MCP servers well? Each is asked in its own protocol, again and again, by one task; what it said is kept for whoever looks:
//! `/status`, metrics, the log. Nothing is routed or decided by it.

mod answer;
mod ask;
mod health;

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Duration;

pub(crate) use self::ask::Prober;
pub(crate) use self::health::Health;
use crate::app::{Context, Served};
use crate::config::McpServer;
use crate::metrics::ServerProbeLabels;

/// How often the clock is looked at.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(1);

/// Asks every server that is due until `stopped`. Of each there is one question at a time.
pub(crate) async fn watch(serving: watch::Receiver<Arc<Served>>, mut stopped: watch::Receiver<bool>) {
    let mut tick = tokio::time::interval(LOOK_AT_CLOCK);
    let mut asked: JoinSet<McpServer> = JoinSet::new();
    let mut under_way: BTreeSet<String> = BTreeSet::new();
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            Some(done) = asked.join_next() => {
                match done {
                    Ok(server) => drop(under_way.remove(&server.name)),
                    // One that panicked does not say which it was: none is held back for it.
                    Err(_) => under_way.clear(),
                }
                continue;
            }
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        let context = Arc::clone(&serving.borrow().context);
        let now = context.clock.now();
        let policy = &context.config.mcp_servers;
        for gone in context.mcp_health.keep_only(&policy.servers) {
            context.metrics.forget_mcp_server(&gone);
        }
        for server in &policy.servers {
            if under_way.contains(&server.name) || !context.mcp_health.is_due(server, policy.every, now) {
                continue;
            }
            under_way.insert(server.name.clone());
            asked.spawn(ask(Arc::clone(&context), server.clone()));
        }
    }
}

async fn ask(context: Arc<Context>, server: McpServer) -> McpServer {
    let policy = &context.config.mcp_servers;
    let now = context.clock.now();
    context.mcp_health.asked(&server, now);
    let spoken = context.mcp_health.spoken(&server.name);
    let answer = context.prober.ask(&server.url, spoken, policy.timeout).await;
    let outcome = answer.as_ref().map_or_else(|fault| fault.as_str(), |_| "answered");
    let label = ServerProbeLabels { server: server.name.clone(), outcome };
    context.metrics.mcp_probes.get_or_create(&label).inc();
    let turned = context.mcp_health.told(&server, answer, [policy.ill, policy.well], context.clock.now());
    let Some(well) = turned else { return server };
    context.metrics.mcp_server_is(&server.name, well);
    match well {
        true => tracing::info!(event = "mcp_server_well", server = server.name),
        false => tracing::warn!(event = "mcp_server_ill", server = server.name, why = outcome),
    }
    server
}
