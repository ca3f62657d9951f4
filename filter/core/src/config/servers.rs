//! Is every protected server whole, and does each request belong to one at most? Servers, judged.

use super::error::{Findings, Place, nearest};
use super::layers::{self, Above};
use super::raw::{RawAddresses, RawIssuer, RawMatch, RawServer, RawSessions};
use super::url::Url;
use super::who::networks;
use super::{
    asks, calls, captures, certificates, content, credential, dispatch, dpop, history, limits, metadata, opa,
    rego, rules, tools,
};
use crate::guard::{METADATA_ROOT, normal_path};
use crate::history::rule::HistoryRule;
use crate::identity::certificate::ClientCertificates;
use crate::identity::network::Networks;
use crate::identity::origin::Origin;
use crate::identity::scope::is_scope;
use crate::mcp::versions::{Newer, Revision};
use crate::policy::rule_set::RuleSet;
use crate::server::{self, Authority, Host, Overlay, Server, Unknown};

/// Paths that the gateway answers itself.
const RESERVED: [&str; 2] = ["/.well-known", "/wicketgate"];

/// Compiles all servers.
pub(crate) fn compile(
    raw: &[RawServer],
    issuers: &[RawIssuer],
    held: bool,
    place: &Place,
    found: &mut Findings,
) -> Vec<Server> {
    if raw.is_empty() {
        found.error(place, "name at least one server");
    }
    let mut compiled: Vec<(Server, usize)> = Vec::new();
    for (at, server) in raw.iter().enumerate() {
        let here = place.index(at);
        rules::name(&server.name, &here.key("name"), found);
        let Some(server) = compile_one(server, issuers, held, &here, found) else { continue };
        for (other, first) in &compiled {
            refuse_rivals(&server, other, *first, &here, found);
            dispatch::refuse_namesakes(&server, other, *first, &here, found);
        }
        compiled.push((server, at));
    }
    compiled.into_iter().map(|(s, _)| s).collect()
}

fn compile_one(
    raw: &RawServer,
    issuers: &[RawIssuer],
    held: bool,
    place: &Place,
    found: &mut Findings,
) -> Option<Server> {
    let before = found.errors.len();
    let url = public_url(&raw.url, &place.key("url"), found);
    let indexes = issuer_indexes(raw.issuers.as_deref(), issuers, &place.key("issuers"), found);
    let accepted: Vec<&str> =
        indexes.iter().filter_map(|at| issuers.get(*at)).map(|i| i.issuer.as_str()).collect();
    let limits = limits::compile(raw.limits.as_ref(), &place.key("limits"), found);
    let origins = origins(&raw.origins, &place.key("origins"), found);
    let (rules, overlays, history) = rules_of(raw, &accepted, &limits, &origins, place, found);
    let (policy, opa) = (rego::compile(raw, place, found), opa::compile(raw, place, found));
    let certificates = certificates::compile(raw, place, found);
    let alone = certificates == ClientCertificates::Alone && !rules.expects_token();
    if rules.expects_credential() && !alone && accepted.is_empty() && found.errors.len() == before {
        found.error(
            &place.key("issuers"),
            "the rules ask for credentials, but no issuer is there to accept them from",
        );
    }
    judge_questions(&indexes, issuers, &place.key("issuers"), found);
    let asks = rules.all().next().is_none() || rules.expects_credential();
    let dpop = url.as_ref().and_then(|_| dpop::compile(raw, asks, place, found));
    judge_scopes(&raw.scopes, &place.key("scopes"), found);
    let versions = versions(raw.versions.as_deref(), &place.key("versions"), found);
    let (url, dpop) = (url?, dpop?);
    let metadata_path = format!("{METADATA_ROOT}{}", url.path);
    Some(Server {
        name: raw.name.clone(),
        place: home(raw.r#match.as_ref(), &url, &place.key("match"), found),
        metadata_url: format!("{}{metadata_path}", url.origin()),
        metadata_path,
        metadata: metadata::document(raw, &accepted, dpop.tokens),
        dpop,
        certificates,
        credential: credential::compile(raw, (rules.admits_anonymous(), held), place, found),
        resource: raw.url.clone(),
        scopes: raw.scopes.clone(),
        origins,
        addresses: addresses(raw.addresses.as_ref(), &place.key("addresses"), found),
        issuers: indexes,
        newer: newer(raw.newer_versions.as_deref(), &versions, &place.key("newer_versions"), found),
        versions,
        unknown: unknown(raw.sessions.as_ref(), &place.key("sessions"), found),
        tools: tools::compile(raw.tools.as_ref(), &place.key("tools"), found),
        asks: asks::compile(raw.asks.as_ref(), &place.key("asks"), found),
        limits,
        dispatch: dispatch::compile(&raw.dispatch, held, &place.key("dispatch"), found),
        content: content::compile(&raw.content, &accepted, &place.key("content"), found),
        calls: calls::compile(raw.tools.as_ref(), held, &place.key("tools"), found),
        rules,
        history,
        captures: captures::compile(raw, place, found),
        overlays,
        rego: policy,
        opa,
    })
}

/// The server's own rules and those of all layers.
fn rules_of(
    raw: &RawServer,
    issuers: &[&str],
    limits: &server::Limits,
    origins: &[Origin],
    place: &Place,
    found: &mut Findings,
) -> (RuleSet, Vec<Overlay>, Vec<HistoryRule>) {
    let mut ids = Vec::new();
    let mut own = rules::compile(&raw.rules, issuers, &mut ids, &place.key("rules"), found);
    if raw.rules.is_empty() {
        own = rego::candidates(raw);
    }
    let above = Above { issuers, limits, origins, rules: &own };
    let (layers, overlays) = layers::compile(raw, &above, &mut ids, place, found);
    if own.is_empty() {
        let nothing = layers.iter().all(|layer| layer.rules.is_empty());
        let unbounded =
            "no rules of the server's own: what the layers allow is bounded by nothing above them";
        let denied = "no rules: everything on this server is denied";
        found.warn(&place.key("rules"), if nothing { denied } else { unbounded });
    }
    let history = history::compile(&raw.history, &mut ids, &place.key("history"), found);
    (RuleSet::layered(own, layers), overlays, history)
}

fn addresses(raw: Option<&RawAddresses>, place: &Place, found: &mut Findings) -> Networks {
    let Some(raw) = raw else { return Networks::default() };
    if raw.allow.is_none() && raw.deny.is_none() {
        found.error(place, "says nothing: add `allow` or `deny`");
    }
    Networks {
        allow: networks(raw.allow.as_deref(), &place.key("allow"), found),
        deny: networks(raw.deny.as_deref(), &place.key("deny"), found),
    }
}

/// An opaque token does not say whose it is; asking one issuer after the other would show it to strangers.
fn judge_questions(accepted: &[usize], issuers: &[RawIssuer], place: &Place, found: &mut Findings) {
    let asked: Vec<&str> = accepted
        .iter()
        .filter_map(|at| issuers.get(*at))
        .filter(|issuer| issuer.validate.is_some())
        .map(|issuer| issuer.issuer.as_str())
        .collect();
    if asked.len() > 1 {
        let message = format!(
            "{} all have `validate`, but an opaque token does not say whom to ask: accept one of them on this server",
            asked.join(" and ")
        );
        found.error(place, message);
    }
}

fn unknown(raw: Option<&RawSessions>, place: &Place, found: &mut Findings) -> Unknown {
    match raw.and_then(|sessions| sessions.unknown.as_deref()) {
        None | Some("refuse") => {}
        Some("adopt") => return Unknown::Adopt,
        Some(other) => {
            let message = format!("`{other}` is neither `refuse` nor `adopt`");
            found.suggest(&place.key("unknown"), message, nearest(other, ["refuse", "adopt"]));
        }
    }
    Unknown::Refuse
}

fn public_url(text: &str, place: &Place, found: &mut Findings) -> Option<Url> {
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(why) => {
            found.error(place, format!("the public URL {why}"));
            return None;
        }
    };
    if let Some(without) = text.strip_suffix('/') {
        let message = "the public URL has no `/` at the end: clients compare it letter by letter";
        found.suggest(place, message, Some(without.to_owned()));
        return None;
    }
    if url.scheme == "http" && !url.is_loopback() {
        found.warn(place, "plain http beyond this machine: anyone on the way can take the tokens");
    }
    Some(url)
}

fn home(raw: Option<&RawMatch>, url: &Url, place: &Place, found: &mut Findings) -> server::Place {
    let default = RawMatch::default();
    let raw = raw.unwrap_or(&default);
    let hosts = match &raw.hosts {
        None => vec![Host::Named { name: url.host.clone(), port: None }],
        Some(hosts) => self::hosts(hosts, &place.key("hosts"), found),
    };
    let path =
        raw.path.clone().unwrap_or_else(|| if url.path.is_empty() { "/".into() } else { url.path.clone() });
    let here = place.key("path");
    if normal_path(&path) != Some(path.as_str()) {
        found.error(
            &here,
            "a path begins with `/` and is plain: no query, `//`, `..`, `;`, or encoded separator",
        );
    } else if let Some(without) = path.strip_suffix('/').filter(|p| !p.is_empty()) {
        found.suggest(
            &here,
            "no `/` at the end: everything below the path is meant anyway",
            Some(without.to_owned()),
        );
    }
    if RESERVED
        .iter()
        .any(|r| path.strip_prefix(r).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    {
        found.error(&here, format!("{} are answered by the gateway itself", RESERVED.join(" and ")));
    }
    server::Place { hosts, path, routes: routes(raw.routes.as_deref(), &place.key("routes"), found) }
}

fn routes(raw: Option<&[String]>, place: &Place, found: &mut Findings) -> Option<Vec<String>> {
    let names = raw?;
    if names.is_empty() {
        found.error(place, "an empty list matches no request; leave the key out for any route");
    }
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() {
            found.error(&place.index(at), "is the name of a route in Envoy's configuration");
        }
    }
    Some(names.to_vec())
}

fn hosts(raw: &[String], place: &Place, found: &mut Findings) -> Vec<Host> {
    if raw.is_empty() {
        found.error(place, "an empty list matches no request; leave the key out, or write [\"*\"]");
    }
    let compiled = raw.iter().enumerate().filter_map(|(at, text)| {
        if text == "*" {
            return Some(Host::Any);
        }
        match Authority::parse(text) {
            Some(a) => Some(Host::Named { name: a.name.to_ascii_lowercase(), port: a.port }),
            None => {
                found.error(&place.index(at), "is a host name with an optional port, or `*` for every host");
                None
            }
        }
    });
    compiled.collect()
}

fn issuer_indexes(
    chosen: Option<&[String]>,
    issuers: &[RawIssuer],
    place: &Place,
    found: &mut Findings,
) -> Vec<usize> {
    let Some(chosen) = chosen else { return (0..issuers.len()).collect() };
    if chosen.is_empty() {
        found.error(place, "an empty list accepts nobody's tokens; leave the key out for all issuers");
    }
    let mut indexes = Vec::new();
    for (at, name) in chosen.iter().enumerate() {
        match issuers.iter().position(|i| i.issuer == *name) {
            Some(index) if indexes.contains(&index) => {
                found.error(&place.index(at), format!("`{name}` stands twice"));
            }
            Some(index) => indexes.push(index),
            None => {
                let known: Vec<&str> = issuers.iter().map(|i| i.issuer.as_str()).collect();
                let message =
                    format!("`{name}` is no issuer of this configuration; there are: {}", known.join(", "));
                found.suggest(&place.index(at), message, nearest(name, known));
            }
        }
    }
    indexes
}

fn judge_scopes(scopes: &[String], place: &Place, found: &mut Findings) {
    for (at, scope) in scopes.iter().enumerate() {
        if !is_scope(scope) {
            found.error(&place.index(at), "a scope is printable ASCII without spaces, `\"` and `\\`");
        }
        if scope == "offline_access" {
            found.warn(&place.index(at), "is for the authorization server; a resource should not ask for it");
        }
    }
}

fn origins(raw: &[String], place: &Place, found: &mut Findings) -> Vec<Origin> {
    let mut compiled = Vec::new();
    for (at, text) in raw.iter().enumerate() {
        match Origin::parse(text) {
            Ok(origin) => compiled.push(origin),
            Err(why) => {
                let whole = Url::parse(text).ok().map(|url| url.origin()).filter(|origin| origin != text);
                found.suggest(&place.index(at), format!("`{text}`: {why}"), whole);
            }
        }
    }
    compiled
}

fn versions(chosen: Option<&[String]>, place: &Place, found: &mut Findings) -> Vec<Revision> {
    let Some(chosen) = chosen else { return Revision::ALL.to_vec() };
    if chosen.is_empty() {
        found.error(place, "an empty list accepts no request; leave the key out for all revisions");
    }
    let mut compiled = Vec::new();
    for (at, text) in chosen.iter().enumerate() {
        match Revision::parse(text) {
            Some(revision) => compiled.push(revision),
            None => {
                let known = Revision::ALL.map(Revision::as_str);
                let message =
                    format!("`{text}` is no revision that the gateway knows; it knows {}", known.join(", "));
                found.error(&place.index(at), message);
            }
        }
    }
    Revision::ALL.into_iter().filter(|revision| compiled.contains(revision)).collect()
}

fn newer(raw: Option<&str>, versions: &[Revision], place: &Place, found: &mut Findings) -> Newer {
    let newest = Revision::NEWEST.as_str();
    match raw {
        None | Some("refuse") => return Newer::Refuse,
        Some("inspect") if versions.contains(&Revision::NEWEST) => return Newer::Inspect,
        // Without any, that was said already.
        Some("inspect") if versions.is_empty() => {}
        Some("inspect") => {
            found.error(place, format!("they would be read as {newest}, which `versions` does not hold"));
        }
        Some(other) => {
            let message = format!("`{other}` is neither `refuse` nor `inspect`");
            found.suggest(place, message, nearest(other, ["refuse", "inspect"]));
        }
    }
    Newer::Refuse
}

/// Refuses two servers that claim one request, or that nobody could tell apart.
fn refuse_rivals(server: &Server, other: &Server, first: usize, place: &Place, found: &mut Findings) {
    if server.name == other.name {
        found.error(&place.key("name"), format!("the name `{}` stands twice", server.name));
    }
    if server.resource == other.resource {
        found.error(
            &place.key("url"),
            format!("the same as that of servers[{first}]: tokens for one would open the other"),
        );
    }
    let overlap = |a: &Host| other.place.hosts.iter().any(|b| a.overlaps(b));
    if !server.place.path.eq_ignore_ascii_case(&other.place.path) || !server.place.hosts.iter().any(overlap) {
        return;
    }
    if server.place.path == other.place.path {
        // An exact host beside `*` counts too: the caller chooses the Host header, so it would choose its rules.
        found.error(&place.key("match"), format!("a request could belong to this and to servers[{first}]"));
    } else {
        let message = format!(
            "differs from that of servers[{first}] in the case of letters alone: where the server behind does not tell them apart, \
             callers choose whose rules count"
        );
        found.warn(&place.key("match").key("path"), message);
    }
}

// === impl Host ===

impl Host {
    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Named { name: a, port: p }, Self::Named { name: b, port: q }) => {
                a == b && (p == q || p.is_none() || q.is_none())
            }
        }
    }
}
