//! Which request goes where? Metadata and discovery first, then the authorization server, then the MCP servers, the longest
//! path first as in the filter, then nothing.

use super::template::{fill, item, scalar, seconds};
use super::{Drawing, Target, error};
use crate::outcome::Unusable;
use wicketgate_core::config::ConfigError;
use wicketgate_core::config::edge::Affinity;
use wicketgate_core::server::dispatch::{BRANCH, READING};
use wicketgate_core::server::{Host, Server};

/// Paths of the authorization server, each by itself: the route to it is made of them.
const ENDPOINTS: [&str; 13] = [
    "authorize",
    "par",
    "login",
    "logout",
    "consent",
    "account",
    "token",
    "revoke",
    "introspect",
    "userinfo",
    "jwks",
    "device",
    "device_authorization",
];
/// First segments of its other paths, which have routes of their own (`parts/routes.yaml`).
const BELOW: [&str; 5] = ["assets", "auth", "signin", "callback", "register"];

/// What of these servers could not be reached.
pub(super) fn judge(drawing: &Drawing, errors: &mut Vec<ConfigError>) {
    for (at, target) in drawing.targets.iter().enumerate() {
        let path = &target.server.place.path;
        let first = path.split('/').nth(1).unwrap_or_default();
        if ENDPOINTS.contains(&first) || BELOW.contains(&first) {
            let message =
                format!("`/{first}` leads to the authorization server: give this server another path");
            errors.push(error(format!("servers[{at}].match.path"), message));
        }
        let own = target.upstream.path.as_deref();
        if path == "/" && own.is_some_and(|own| own != "/") {
            let message = "cannot stand for `/`, at which the server is matched: give it a path in `match`";
            errors.push(error(format!("servers[{at}].upstream.path"), message));
        }
        if !target.upstream.params.is_empty() && target.origins.is_empty() {
            let message = "are for pages: no `origins` of this server names one";
            errors.push(error(format!("servers[{at}].upstream.params"), message));
        }
        branches(at, target, errors);
        let before = drawing.targets.iter().take(at).position(|other| other.route == target.route);
        if let Some(first) = before {
            let named = target.server.place.routes.is_some();
            let here = if named { "match.routes[0]" } else { "name" };
            let message = format!(
                "servers[{first}] has the route `{}`: it could not be told whose Envoy has chosen",
                target.route
            );
            errors.push(error(format!("servers[{at}].{here}"), message));
        }
        if target.route.starts_with("authorization_server") {
            let message = "is for routes to the authorization server, of which no decision is recorded";
            errors.push(error(format!("servers[{at}].match.routes[0]"), message));
        }
    }
}

/// Both sides must know a branch: where requests go, and which requests go there.
fn branches(at: usize, target: &Target, errors: &mut Vec<ConfigError>) {
    let known: Vec<&str> = target.branches.iter().filter_map(|branch| branch.branch).collect();
    let sent: Vec<&str> = target.server.dispatch.iter().filter_map(|entry| entry.branch.as_deref()).collect();
    for (entry, dispatch) in target.server.dispatch.iter().enumerate() {
        let Some(name) = dispatch.branch.as_deref().filter(|name| !known.contains(name)) else { continue };
        let there = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message =
            format!("there is no branch `{name}`: add it to `upstream.branches`; there are: {there}");
        errors.push(error(format!("servers[{at}].dispatch[{entry}].branch"), message));
    }
    for (branch, name) in known.iter().enumerate().filter(|(_, name)| !sent.contains(name)) {
        let message = format!("no entry of `dispatch` leads to `{name}`");
        errors.push(error(format!("servers[{at}].upstream.branches[{branch}]"), message));
    }
    for (branch, one) in target.branches.iter().enumerate() {
        if target.server.place.path == "/" && one.upstream.path.as_deref().is_some_and(|own| own != "/") {
            let message = "cannot stand for `/`, at which the server is matched: give it a path in `match`";
            errors.push(error(format!("servers[{at}].upstream.branches[{branch}].upstream.path"), message));
        }
    }
}

/// The `RouteConfiguration`, a block.
pub(super) fn draw(drawing: &Drawing) -> Result<String, Unusable> {
    let mut targets: Vec<&Target> = drawing.targets.iter().collect();
    targets.sort_by_key(|target| std::cmp::Reverse(target.server.place.path.len()));
    let mut servers = if targets.len() == 1 {
        "# The MCP server, behind the filter.\n".to_owned()
    } else {
        "# The MCP servers, behind the filter; the longest path first.\n".to_owned()
    };
    for target in targets.into_iter().flat_map(|target| target.branches.iter().chain([target])) {
        if target.upstream.retries > 0 {
            servers.push_str(&item(&route(target, true)?, None));
        }
        servers.push_str(&item(&route(target, false)?, None));
    }
    let by_source =
        "[{actions: [{masked_remote_address: {v4_prefix_mask_len: 32, v6_prefix_mask_len: 64}}]}]";
    let limited =
        drawing.edge.limits.oauth.map_or_else(String::new, |_| format!(", rate_limits: {by_source}"));
    let http3 = drawing.edge.listen.tls.as_ref().is_some_and(|tls| tls.http3);
    let port = drawing.edge.listen.at.port;
    let offer = if http3 {
        format!(
            "response_headers_to_add: [{{header: {{key: alt-svc, value: 'h3=\":{port}\"; ma=86400'}}}}]\n"
        )
    } else {
        String::new()
    };
    fill(
        include_str!("parts/routes.yaml"),
        &[
            ("route_headers", &offer),
            ("endpoints", &ENDPOINTS.join("|")),
            ("limited", &limited),
            ("servers", servers.trim_end()),
        ],
    )
}

/// The route to one server; `reading` is that of requests which may be tried again.
fn route(target: &Target, reading: bool) -> Result<String, Unusable> {
    let Target { server, upstream, cluster, .. } = target;
    let rewrite = rewrite(&server.place.path, upstream.path.as_deref());
    let host = upstream.host.as_ref().map_or_else(String::new, |host| {
        format!("host_rewrite_literal: {}       # MCP servers refuse a Host that is not theirs", scalar(host))
    });
    let retries = if reading {
        let on = "connect-failure,refused-stream,reset";
        format!("retry_policy: {{retry_on: \"{on}\", num_retries: {}}}", upstream.retries)
    } else {
        "# No retry_policy: a tool that ran must not run again. Envoy has no default one.".to_owned()
    };
    let by_source = upstream.affinity == Some(Affinity::Source);
    let hash = if by_source { "hash_policy: [{connection_properties: {source_ip: true}}]" } else { "" };
    fill(
        include_str!("parts/server_route.yaml"),
        &[
            ("route", &scalar(&target.route)),
            ("match", &matching(server, target.branch, reading)),
            ("cluster", &scalar(cluster)),
            ("rewrite", &rewrite),
            ("host", &host),
            ("silence", &seconds(upstream.silence)),
            ("retries", &retries),
            ("hash", hash),
            (
                "branch",
                if target.branch.is_some() {
                    "request_headers_to_remove: [x-wicketgate-branch]\n"
                } else {
                    ""
                },
            ),
            ("filters", &filters(target)?),
        ],
    )
}

/// What differs for this route in the filters before and behind ours.
fn filters(target: &Target) -> Result<String, Unusable> {
    let mut blocks = String::new();
    let origins: String =
        target.origins.iter().map(|origin| format!("- {{exact: {}}}\n", scalar(origin))).collect();
    // Envoy knows exact names only, and browsers take no `*` beside a token: so those of parameters are told.
    let params: String = target.upstream.params.iter().map(|name| format!(", mcp-param-{name}")).collect();
    if !origins.is_empty() {
        blocks
            .push_str(&fill(include_str!("parts/cors.yaml"), &[("origins", &origins), ("params", &params)])?);
    }
    if target.upstream.affinity == Some(Affinity::Session) {
        blocks.push_str(include_str!("parts/session.yaml"));
    }
    if blocks.is_empty() {
        return Ok(blocks);
    }
    Ok(format!("typed_per_filter_config:\n{}", super::indented(&blocks, 2)))
}

/// The path and the hosts of a server, in one line.
fn matching(server: &Server, branch: Option<&str>, reading: bool) -> String {
    let path = &server.place.path;
    let path =
        if path == "/" { "prefix: /".to_owned() } else { format!("path_separated_prefix: {}", scalar(path)) };
    let mut headers = Vec::new();
    if let Some(pattern) = hosts(&server.place.hosts) {
        headers.push(format!(
            "{{name: \":authority\", string_match: {{safe_regex: {{regex: {}}}}}}}",
            scalar(&pattern)
        ));
    }
    if let Some(branch) = branch {
        headers.push(format!("{{name: {BRANCH}, string_match: {{exact: {}}}}}", scalar(branch)));
    }
    if reading {
        // The filter refuses a request whose body says something else.
        let methods = scalar(&READING.join("|"));
        headers.push(format!("{{name: mcp-method, string_match: {{safe_regex: {{regex: {methods}}}}}}}"));
    }
    if headers.is_empty() {
        return format!("{{{path}}}");
    }
    format!("{{{path}, headers: [{}]}}", headers.join(", "))
}

/// A pattern that the whole `:authority` matches if it is one of `hosts`, as in the filter; `None` for every host.
fn hosts(hosts: &[Host]) -> Option<String> {
    let mut named = Vec::new();
    for host in hosts {
        let Host::Named { name, port } = host else { return None };
        let name: String = name
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':') {
                    c.to_string()
                } else {
                    format!("\\{c}")
                }
            })
            .collect();
        named.push(match port {
            Some(port) => format!("{name}:{port}"),
            None => format!("{name}(:[0-9]+)?"),
        });
    }
    Some(format!("(?i)({})", named.join("|")))
}

/// What becomes of the path.
fn rewrite(path: &str, own: Option<&str>) -> String {
    let comment = "   # the upstream's own path";
    match own.unwrap_or(path) {
        _ if path == "/" => String::new(),
        // A prefix would leave two slashes of `/mcp/x`.
        "/" => {
            let plain: String = path
                .chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_') {
                        c.to_string()
                    } else {
                        format!("\\{c}")
                    }
                })
                .collect();
            let pattern = scalar(&format!("^{plain}/?"));
            format!("regex_rewrite: {{pattern: {{regex: {pattern}}}, substitution: /}}{comment}")
        }
        own => format!("prefix_rewrite: {}                    {comment}", scalar(own)),
    }
}
