//! What does a policy answer to one request, and why?

mod contents;
mod dispatch;
mod opa;
mod pinned;
mod rego;

use crate::args::{Expected, Explain};
use crate::document::{Policy, read};
use crate::outcome::{Outcome, Unusable};
use crate::request::{Around, Asking, Request};
use serde_json::{Value, json};
use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use wicketgate_core::denial::Denial;
use wicketgate_core::identity::network::address_of;
use wicketgate_core::identity::principal::Principal;
use wicketgate_core::mcp::operation::Operation;
use wicketgate_core::policy::arguments::Arguments;
use wicketgate_core::policy::explain::Explanation;
use wicketgate_core::policy::rego::narrow;
use wicketgate_core::policy::{Caller, RuleId, Verdict, authorize};
use wicketgate_core::server::Server;

pub(crate) fn run(arguments: &Explain, _as_json: bool) -> Result<Outcome, Unusable> {
    let policy = match Policy::load(&arguments.file) {
        Ok(policy) => policy,
        Err(fault) => return Ok(fault.into()),
    };
    let guard = &policy.compiled.guard;
    let mut request = Request::parse(&request_text(&arguments.request)?)?;
    if arguments.server.is_some() {
        request.server.clone_from(&arguments.server);
    }
    if !arguments.certificate.is_empty() {
        request.certificate = Some(arguments.certificate.clone());
    }
    let asking = match &arguments.principal {
        Some(text) => Asking::parse(text)?,
        None => request.principal.take().ok_or_else(|| {
            Unusable(
                "who asks? name a principal in the request, or with --as, for example --as anonymous"
                    .to_owned(),
            )
        })?,
    };
    let server = request.server(guard)?;
    let principal = asking.principal(request.certificate(server)?, guard, server)?;
    let operation = request.operation()?;
    let around = request.around()?;
    let given = request.arguments()?;
    let given = Arguments::Given(given.as_bytes());
    let known = |_: &str| around.read_only;
    let address = address_of(around.address.as_deref());
    let caller = Caller { principal: &principal, address, read_only: Some(&known) };
    let at = guard.servers.iter().position(|one| std::ptr::eq(one, server));
    let upstream = at.and_then(|at| policy.edge.upstreams.get(at)).and_then(Option::as_ref);
    let way = dispatch::way(server, upstream, &operation);
    let decided = match authorize(&server.rules, caller, &operation, given) {
        Ok(permit) => {
            let rule = permit.rule().clone();
            let narrowed = rego::narrowed(server, permit, &principal, &operation, &request, &around)?;
            let asked = opa::asked(server, &principal, &operation, &request, &around)?;
            Decided { rules: Ok(rule), narrowed, asked, way }
        }
        Err(refused) => Decided { rules: Err(refused), narrowed: None, asked: None, way: None },
    };
    Ok(tell(arguments.expect, server, caller, (&operation, given), &around, &decided))
}

fn request_text(path: &Path) -> Result<String, Unusable> {
    if path != Path::new("-") {
        return read(path);
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|e| Unusable(format!("cannot read standard input: {e}")))?;
    Ok(text)
}

/// What the gateway decides, first by rules and then by the policy.
struct Decided {
    rules: Result<RuleId, (Denial, Option<RuleId>)>,
    narrowed: Option<rego::Narrowed>,
    /// What an OPA would be asked then.
    asked: Option<Value>,
    /// Where it would go then.
    way: Option<Value>,
}

fn tell(
    expect: Option<Expected>,
    server: &Server,
    caller: Caller<'_>,
    (operation, arguments): (&Operation, Arguments<'_>),
    around: &Around,
    decided: &Decided,
) -> Outcome {
    let who = caller.principal;
    let told = server.rules.explain(caller, operation, arguments);
    let refusal = refused_beside_rules(server, who, around);
    let allowed = refusal.is_none() && matches!(told.verdict, Verdict::Allow { .. });
    let unpinned = pinned::unpinned(server, operation).filter(|_| allowed);
    let narrowed = decided.narrowed.as_ref().filter(|_| refusal.is_none() && unpinned.is_none());
    let denial = narrowed.and_then(|narrowed| narrowed.denial.as_ref());
    let past = server.history.iter().find(|rule| rule.refuses(operation, &around.after));
    let kind = match &told.verdict {
        _ if refusal.is_some() || unpinned.is_some() => Expected::Deny,
        _ if matches!(denial, Some(Denial::InsufficientScope(_))) => Expected::Challenge,
        _ if denial.is_some() => Expected::Deny,
        Verdict::Allow { .. } if past.is_some() => Expected::Deny,
        Verdict::Allow { .. } => Expected::Allow,
        Verdict::Challenge { .. } => Expected::Challenge,
        Verdict::Deny { .. } | Verdict::Refuse { .. } => Expected::Deny,
    };
    let (answer, by) = match (&refusal, &decided.rules) {
        (Some((denial, key)), _) => (denial.reason(), key.clone()),
        (None, Ok(rule)) if unpinned.is_some() => ("quarantined", Some(rule.clone())),
        (None, Ok(rule)) => match past {
            Some(past) => (Denial::HistoryRefused(past.refusal()).reason(), Some(past.id.clone())),
            None => ("forwarded", Some(rule.clone())),
        },
        (None, Err((denial, rule))) => (denial.reason(), rule.clone()),
    };
    let (answer, by) = match denial {
        Some(denial) => (denial.reason(), Some(narrow::rule())),
        None => (answer, by),
    };
    let said = Told { told, verdict: word(kind), answer, by, beside: refusal.is_some(), unpinned, narrowed };
    let good = expect.is_none_or(|e| e == kind);
    let counting =
        contents::counting(server, caller, operation, narrowed.map_or(&[], rego::Narrowed::redact));
    let asked = decided.asked.as_ref().filter(|_| kind == Expected::Allow);
    let way = decided.way.as_ref().filter(|_| kind == Expected::Allow);
    let mut json = json_of(&said, server, who, operation, good, &counting);
    if let Some(members) = json.as_object_mut() {
        members.extend(asked.map(|asked| ("opa".to_owned(), asked.clone())));
        members.extend(way.map(|way| ("dispatch".to_owned(), way.clone())));
    }
    let mut text = text_of(&said, server, who, operation);
    if let Some(why) = unpinned {
        text.push_str(&format!("whatever the rules say, because {why}\n"));
    }
    if let Some(narrowed) = narrowed {
        text.push_str(&narrowed.told());
    }
    text.push_str(&asked.map(opa::told).unwrap_or_default());
    text.push_str(&way.map(dispatch::told).unwrap_or_default());
    text.push_str(&contents::told(&counting));
    if !good {
        text.push_str("not the verdict that was expected\n");
    }
    Outcome::Said { text, json, good }
}

/// What is asked before the rules: where it comes from, and the settings of the caller's layers.
fn refused_beside_rules(
    server: &Server,
    who: &Principal,
    around: &Around,
) -> Option<(Denial, Option<RuleId>)> {
    if around.address.is_some()
        && let Err(denial) = server.addresses.admit(around.address.as_deref())
    {
        return Some((denial, None));
    }
    if around.origin.as_ref().is_some_and(|origin| !server.origins.contains(origin)) {
        return Some((Denial::OriginRefused, None));
    }
    let within = server.overlays(who).admit(around.origin.as_ref(), around.bytes);
    within.err().map(|(denial, key)| (denial, Some(key)))
}

/// All that there is to say.
struct Told<'a> {
    told: Explanation,
    verdict: &'static str,
    answer: &'static str,
    /// The rule, or the key, that decides.
    by: Option<RuleId>,
    /// That it was refused before the rules were asked.
    beside: bool,
    /// Why a tool may not be called, though the rules allow it.
    unpinned: Option<&'static str>,
    /// What the Rego policy said.
    narrowed: Option<&'a rego::Narrowed>,
}

// === impl Told ===

impl Told<'_> {
    /// What the Rego policy refuses.
    fn denial(&self) -> Option<&Denial> {
        self.narrowed.and_then(|narrowed| narrowed.denial.as_ref())
    }

    /// What to ask for, where that would do.
    fn scopes(&self) -> Option<&Vec<String>> {
        if let Some(Denial::InsufficientScope(scopes)) = self.denial() {
            return Some(scopes);
        }
        match &self.told.verdict {
            Verdict::Challenge { scopes, .. } if !self.beside => Some(scopes),
            _ => None,
        }
    }
}

const fn word(verdict: Expected) -> &'static str {
    match verdict {
        Expected::Allow => "allow",
        Expected::Challenge => "challenge",
        Expected::Deny => "deny",
    }
}

fn json_of(
    said: &Told<'_>,
    server: &Server,
    who: &Principal,
    operation: &Operation,
    good: bool,
    contents: &[Value],
) -> Value {
    let scopes = said.scopes();
    let considered: Vec<Value> = said
        .told
        .considered
        .iter()
        .map(|c| {
            json!({"rule": c.rule.as_str(), "layer": c.layer, "effect": c.effect, "shadow": c.shadow,
                "says": c.outcome.to_text(), "decides": c.decides && said.denial().is_none()})
        })
        .collect();
    let targets: Vec<Value> =
        operation.targets.iter().map(|t| json!({"kind": t.kind(), "name": t.name()})).collect();
    let shadow = said.told.shadow.as_ref().map(|s| json!({"verdict": s.verdict, "rule": s.rule.as_str()}));
    let history: Vec<&str> =
        server.history.iter().filter(|r| r.concerns(operation)).map(|r| r.id.as_str()).collect();
    let argument = match &said.told.verdict {
        Verdict::Refuse { refusal, .. } if !said.beside => {
            Some(json!({"path": refusal.path, "constraint": refusal.constraint}))
        }
        _ => None,
    };
    json!({
        "ok": good,
        "verdict": said.verdict,
        "rule": said.by.as_ref().map(RuleId::as_str),
        "scopes": scopes,
        "argument": argument,
        "answer": said.answer,
        "why": said.told.impossible.or(said.unpinned),
        "shadow": shadow,
        "server": server.name,
        "method": operation.method,
        "targets": targets,
        "layers": server.overlays(who).0.iter().map(|o| o.member.to_string()).collect::<Vec<_>>(),
        "considered": considered,
        "history": history,
        "content": contents,
        "rego": said.narrowed.map(rego::Narrowed::json),
    })
}

fn text_of(said: &Told<'_>, server: &Server, who: &Principal, operation: &Operation) -> String {
    let mut text = String::new();
    let names: Vec<String> =
        operation.targets.iter().map(|t| format!(" {} {}", t.kind(), t.name())).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}: {}{}", server.name, operation.method, names.join(","));
    let by = match (&said.by, said.told.impossible) {
        (Some(rule), _) if rule.as_str() == narrow::RULE => "by the Rego policy".to_owned(),
        (Some(key), _) if said.beside => format!("by the key {key}"),
        (None, _) if said.beside => "before the rules".to_owned(),
        (Some(rule), _) => format!("by the rule {rule}"),
        (None, Some(why)) => format!("because {why}"),
        (None, None) => "because no rule allows it".to_owned(),
    };
    let _ = writeln!(text, "verdict: {}, {by}", said.verdict);
    if let Some(scopes) = said.scopes() {
        let _ = writeln!(text, "scopes to ask for: {}", scopes.join(" "));
    }
    let _ = writeln!(text, "answer: {}", said.answer);
    if let Some(shadow) = &said.told.shadow {
        let _ = writeln!(text, "in shadow mode: {}, by the rule {}", shadow.verdict, shadow.rule);
    }
    for overlay in server.overlays(who).0 {
        let size = overlay.request_bytes.map(|(most, key)| format!(", {key} {most}"));
        let rate = overlay.rate.as_ref().map(|r| format!(", {} requests a minute", r.rate.tokens));
        let parts = [size, rate].into_iter().flatten().collect::<String>();
        let _ = writeln!(text, "layer: {}{parts}", overlay.member);
    }
    for c in &said.told.considered {
        let mark = if c.decides && !said.beside && said.denial().is_none() { "->" } else { "  " };
        let mode = if c.shadow { ", shadow" } else { "" };
        let _ = writeln!(text, "{mark} {} ({}{mode}): {}", c.rule, c.effect, c.outcome.to_text());
    }
    for rule in server.history.iter().filter(|rule| rule.concerns(operation)) {
        let mark = if said.by.as_ref() == Some(&rule.id) { "->" } else { "  " };
        let _ = writeln!(text, "{mark} {} (history): looks at what was done before", rule.id);
    }
    text
}
