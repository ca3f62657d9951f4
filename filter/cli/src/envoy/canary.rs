//! Which request of our own must be answered with 401, always? One that asks for a server as a client without a token does. What
//! would be refused in another way, whether the filter is in the way or not, tells nothing.

use super::clusters::endpoint;
use super::listener::{host_of, own_address};
use super::template::{fill, scalar, seconds};
use super::{Drawing, Target, error};
use crate::outcome::Unusable;
use wicketgate_core::config::ConfigError;
use wicketgate_core::mcp::versions::{Era, Revision};
use wicketgate_core::server::{Host, Server};

/// What of the policy lets it be answered otherwise.
pub(super) fn judge(drawing: &Drawing, errors: &mut Vec<ConfigError>) {
    let Some(canary) = &drawing.edge.canary else { return };
    match drawing.targets.iter().find(|target| target.server.name == canary.server) {
        None => errors.push(error("edge.canary.server", format!("there is no server `{}`", canary.server))),
        Some(target) => {
            let why = never_401(drawing, target);
            let message = why.map(|why| format!("`{}` {why}", canary.server));
            errors.extend(message.map(|message| error("edge.canary.server", message)));
        }
    }
    let listen = &drawing.edge.listen;
    if listen.proxy_protocol {
        let message =
            "its requests have no PROXY protocol header, which the listener demands: leave out one of both";
        errors.push(error("edge.canary", message));
    }
    if listen.tls.as_ref().is_some_and(|tls| tls.clients.is_some()) {
        let message = "its requests have no certificate, which the listener demands: leave out one of both";
        errors.push(error("edge.canary", message));
    }
}

/// The cluster that asks it again and again.
pub(super) fn draw(drawing: &Drawing) -> Result<Option<String>, Unusable> {
    let Some(canary) = &drawing.edge.canary else { return Ok(None) };
    let Some(target) = drawing.targets.iter().find(|target| target.server.name == canary.server) else {
        return Ok(None);
    };
    let Some(revision) = revision(target.server) else { return Ok(None) };
    let host = host(drawing, target);
    let transport = if drawing.edge.listen.tls.is_some() {
        let sni = host.split(':').next().unwrap_or_default();
        fill(include_str!("parts/canary_tls.yaml"), &[("sni", &scalar(sni))])?
    } else {
        String::new()
    };
    let every = seconds(canary.every);
    fill(
        include_str!("parts/canary_cluster.yaml"),
        &[
            ("endpoint", &format!("- {}", endpoint(&own_address(drawing)))),
            ("every", &every),
            ("path", &scalar(&target.server.place.path)),
            ("host", &scalar(&host)),
            ("revision", &scalar(revision.as_str())),
            ("transport_socket", &transport),
        ],
    )
    .map(Some)
}

/// Why a sound gateway may answer it otherwise.
fn never_401(drawing: &Drawing, target: &Target) -> Option<String> {
    if target.open {
        return Some("has rules for `anonymous`, so that it need not be 401".to_owned());
    }
    let source = own_address(drawing).host.to_string();
    if target.server.addresses.admit(Some(&source)).is_err() {
        return Some(format!(
            "may not be asked from `{source}` by its `addresses`, so that it is 403, not 401"
        ));
    }
    let none = revision(target.server).is_none();
    none.then(|| "has no revision of MCP with GET in its `versions`, so that it is 405, not 401".to_owned())
}

/// The revision that it names, because one that names none is of 2025-03-26, which the server need not have; the newest with GET.
fn revision(server: &Server) -> Option<Revision> {
    server.versions.iter().rfind(|revision| revision.era() == Era::Legacy).copied()
}

/// The host that it asks for: that of the URL, or where the server is matched by others alone, one of those.
fn host(drawing: &Drawing, target: &Target) -> String {
    let server = target.server;
    let public = host_of(&server.resource).to_owned();
    let named = server.place.hosts.iter().filter_map(|host| match host {
        Host::Named { name, port: Some(port) } => Some(format!("{name}:{port}")),
        Host::Named { name, port: None } => Some(name.clone()),
        Host::Any => None,
    });
    let leads_here = |host: &String| {
        drawing.guard.route(host, &server.place.path).is_some_and(|found| std::ptr::eq(found, server))
    };
    std::iter::once(public.clone()).chain(named).find(leads_here).unwrap_or(public)
}
