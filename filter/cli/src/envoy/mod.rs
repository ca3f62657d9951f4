//! What must Envoy be told besides the filter? Its whole configuration, with comments, from the policy's `edge` and
//! `servers[].upstream`. `parts/` holds the text; what users wrote gets into it by `template` alone.

mod canary;
pub(crate) mod certificates;
mod clusters;
mod credential;
mod listener;
mod production;
mod routes;
mod run;
mod secrets;
mod template;
mod tls;
mod traces;
mod versions;
mod write;

pub(crate) use run::run;

use crate::document::Policy;
use crate::outcome::Unusable;
use serde_json::Value;
use wicketgate_core::config::ConfigError;
use wicketgate_core::config::edge::{Edge, InjectedSecret, Upstream};
use wicketgate_core::guard::Guard;
use wicketgate_core::server::Server;

use self::secrets::Secrets;
use self::template::{fill, indented, item, scalar};

/// What is drawn: one policy.
struct Drawing<'a> {
    edge: &'a Edge,
    guard: &'a Guard,
    /// What each server of the policy is to Envoy, in their order.
    targets: Vec<Target<'a>>,
    /// Where routes come from, if not from the listener itself: the path of a file.
    routes_file: Option<String>,
}

/// A server of the policy, as Envoy sees it.
struct Target<'a> {
    server: &'a Server,
    upstream: &'a Upstream,
    /// What Envoy shows to it, and the filter never sees.
    secret: Option<&'a InjectedSecret>,
    cluster: String,
    route: String,
    /// Of pages that may call it, as browsers write them.
    origins: Vec<String>,
    /// Whether the policy speaks of callers without a credential.
    open: bool,
    /// Which branch of its server it is.
    branch: Option<&'a str>,
    /// Its branches.
    branches: Vec<Target<'a>>,
}

/// The configuration in its parts; each listener and cluster without the mark of a list.
struct Parts {
    listeners: Vec<String>,
    routes: String,
    clusters: Vec<String>,
    secrets: Secrets,
}

// === impl Drawing ===

impl<'a> Drawing<'a> {
    /// # Errors
    /// What the policy does not say, or says so that Envoy could not follow.
    fn new(policy: &'a Policy, routes_file: Option<String>) -> Result<Self, Vec<ConfigError>> {
        let (edge, guard) = (&policy.edge, &policy.compiled.guard);
        let mut errors = Vec::new();
        let mut targets = Vec::new();
        for (at, server) in guard.servers.iter().enumerate() {
            let Some(upstream) = edge.upstreams.get(at).and_then(Option::as_ref) else {
                errors.push(error(
                    format!("servers[{at}]"),
                    "the key `upstream` is missing: where does it live?",
                ));
                continue;
            };
            let written = policy.document.json.pointer(&format!("/servers/{at}")).unwrap_or(&Value::Null);
            let origins = server.origins.iter().map(ToString::to_string).collect();
            let secret = edge.secrets.get(at).and_then(Option::as_ref);
            targets.push(Target::new(server, upstream, secret, origins, says(written, "anonymous")));
        }
        let drawing = Self { edge, guard, targets, routes_file };
        if errors.is_empty() {
            routes::judge(&drawing, &mut errors);
            clusters::judge(&drawing, &policy.document.json, &mut errors);
            credential::judge(&drawing, &mut errors);
            listener::judge(&drawing, &mut errors);
            errors.extend(certificates::judge(edge, guard));
        }
        if errors.is_empty() { Ok(drawing) } else { Err(errors) }
    }

    /// All parts; secrets are read by Envoy from `secrets`, a folder.
    fn parts(&self, secrets: &str) -> Result<Parts, Unusable> {
        let mut secrets = Secrets::new(secrets);
        let routes = routes::draw(self)?;
        let listeners = listener::draw(self, &routes, &mut secrets)?;
        let clusters = clusters::draw(self, &mut secrets)?;
        Ok(Parts { listeners, routes, clusters, secrets })
    }

    /// What Envoy is started with; `resources` is its `static_resources` or `dynamic_resources`, a block.
    fn bootstrap(&self, resources: &str) -> Result<String, Unusable> {
        let (edge, limits) = (self.edge, &self.edge.limits);
        let (mut monitor, mut actions) = (String::new(), "");
        if let Some(bytes) = limits.memory {
            monitor = fill(include_str!("parts/memory_monitor.yaml"), &[("bytes", &bytes.to_string())])?;
            actions = include_str!("parts/memory_actions.yaml");
        }
        fill(
            include_str!("parts/bootstrap.yaml"),
            &[
                ("admin_address", &scalar(&edge.admin.host.to_string())),
                ("admin_port", &edge.admin.port.to_string()),
                ("resources", resources),
                ("connections", &limits.connections.to_string()),
                ("memory_monitor", &monitor),
                ("memory_actions", actions),
            ],
        )
    }
}

// === impl Target ===

impl<'a> Target<'a> {
    /// Its branches are shown the same secret: they are the same server elsewhere.
    fn new(
        server: &'a Server,
        upstream: &'a Upstream,
        secret: Option<&'a InjectedSecret>,
        origins: Vec<String>,
        open: bool,
    ) -> Self {
        let of = |branch: Option<&'a str>, upstream: &'a Upstream, branches| {
            let cluster = cluster_of(&server.name, upstream, branch);
            let (route, origins) = (server.route(branch), origins.clone());
            Target { server, upstream, secret, cluster, route, origins, open, branch, branches }
        };
        let branches = upstream.branches.iter().map(|(name, place)| of(Some(name), place, Vec::new()));
        of(None, upstream, branches.collect())
    }
}

// === impl Parts ===

impl Parts {
    /// Everything in one file.
    fn static_resources(&self) -> String {
        let list = |texts: &[String]| {
            let items: Vec<String> = texts.iter().map(|text| indented(&item(text, None), 4)).collect();
            items.join("\n")
        };
        format!(
            "static_resources:\n  listeners:\n{}\n  clusters:\n{}",
            list(&self.listeners),
            list(&self.clusters)
        )
    }
}

/// The name of the cluster of a server, or of one of its branches, which lives at `upstream`.
pub(crate) fn cluster_of(server: &str, upstream: &Upstream, branch: Option<&str>) -> String {
    let own = || branch.map_or(format!("mcp_{server}"), |branch| format!("mcp_{server}_{branch}"));
    upstream.cluster.clone().unwrap_or_else(own)
}

/// Whether `word` is a value anywhere in `value`.
fn says(value: &Value, word: &str) -> bool {
    match value {
        Value::String(text) => text == word,
        Value::Array(items) => items.iter().any(|item| says(item, word)),
        Value::Object(members) => members.values().any(|member| says(member, word)),
        _ => false,
    }
}

fn error(path: impl Into<String>, message: impl Into<String>) -> ConfigError {
    ConfigError { path: path.into(), message: message.into(), suggestion: None }
}
