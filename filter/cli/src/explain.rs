//! What does a policy answer to one request, and why?

use crate::args::{Expected, Explain};
use crate::document::{Policy, read};
use crate::outcome::{Outcome, Unusable};
use crate::request::{Asking, Request};
use serde_json::{Value, json};
use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use wicketgate_core::denial::Denial;
use wicketgate_core::identity::principal::Principal;
use wicketgate_core::mcp::operation::Operation;
use wicketgate_core::policy::explain::Explanation;
use wicketgate_core::policy::rego::narrow::{Circumstances, RULE, narrow};
use wicketgate_core::policy::rego::ruling::Ruling;
use wicketgate_core::policy::{Verdict, authorize};
use wicketgate_core::server::Server;
use wicketgate_core::time::Timestamp;

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
    let principal = asking.principal(guard, server)?;
    let operation = request.operation()?;
    let ruling = ruling(server, &principal, &operation, &request)?;
    Ok(tell(arguments.expect, server, &principal, &operation, ruling))
}

/// What the Rego policy said, and what the client reads where that is no.
struct Narrowed {
    ruling: Ruling,
    denial: Option<Denial>,
}

/// What the server's Rego policy says, where the rules let it.
fn ruling(
    server: &Server,
    who: &Principal,
    operation: &Operation,
    request: &Request,
) -> Result<Option<Narrowed>, Unusable> {
    let Some(rego) = &server.rego else { return Ok(None) };
    let Ok(permit) = authorize(&server.rules, who, operation) else { return Ok(None) };
    let arguments = request.arguments();
    let picked = rego.pick(arguments.as_bytes(), Some(0..arguments.len()));
    let headers: Vec<(String, String)> =
        request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    let now = match request.time {
        Some(seconds) => Timestamp::from_secs(seconds),
        None => now()?,
    };
    let source = request.source.as_deref();
    let around = Circumstances { picked: &picked, headers: Some(&headers), source, now };
    let (ruling, result) = narrow(permit, rego, &server.rules, who, operation, &around);
    Ok(Some(Narrowed { ruling, denial: result.err() }))
}

fn now() -> Result<Timestamp, Unusable> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since
        .map(|span| Timestamp::from_secs(span.as_secs()))
        .map_err(|_| Unusable("the clock is before 1970".to_owned()))
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

/// The verdict for people, and what the client reads.
struct Told {
    kind: Expected,
    verdict: &'static str,
    scopes: Option<Vec<String>>,
    answer: &'static str,
}

fn judged(
    told: &Explanation,
    ruling: Option<&Narrowed>,
    server: &Server,
    who: &Principal,
    operation: &Operation,
) -> Told {
    if let Some(denial) = ruling.and_then(|narrowed| narrowed.denial.as_ref()) {
        let (kind, verdict, scopes) = match denial {
            Denial::InsufficientScope(scopes) => (Expected::Challenge, "challenge", Some(scopes.clone())),
            _ => (Expected::Deny, "deny", None),
        };
        return Told { kind, verdict, scopes, answer: denial.reason() };
    }
    let (kind, verdict, scopes) = match &told.verdict {
        Verdict::Allow { .. } => (Expected::Allow, "allow", None),
        Verdict::Challenge { scopes, .. } => (Expected::Challenge, "challenge", Some(scopes.clone())),
        Verdict::Deny { .. } => (Expected::Deny, "deny", None),
    };
    let answer = match authorize(&server.rules, who, operation) {
        Ok(_) => "forwarded",
        Err((denial, _)) => denial.reason(),
    };
    Told { kind, verdict, scopes, answer }
}

fn tell(
    expect: Option<Expected>,
    server: &Server,
    who: &Principal,
    operation: &Operation,
    ruling: Option<Narrowed>,
) -> Outcome {
    let told = server.rules.explain(who, operation);
    let Told { kind, verdict, scopes, answer } = judged(&told, ruling.as_ref(), server, who, operation);
    let narrowed = ruling.as_ref().is_some_and(|narrowed| narrowed.denial.is_some());
    let rule = told.considered.iter().find(|c| c.decides && !narrowed).map(|c| c.rule.as_str());
    let rule = if narrowed { Some(RULE) } else { rule };
    let good = expect.is_none_or(|e| e == kind);
    let considered: Vec<Value> = told
        .considered
        .iter()
        .map(|c| {
            json!({"rule": c.rule.as_str(), "effect": c.effect, "says": c.outcome.to_text(), "decides": c.decides && !narrowed})
        })
        .collect();
    let targets: Vec<Value> =
        operation.targets.iter().map(|t| json!({"kind": t.kind(), "name": t.name()})).collect();
    let rego = ruling
        .as_ref()
        .map(|Narrowed { ruling: r, .. }| json!({"verdict": r.verdict(), "why": r.why, "reasons": r.reasons, "log": r.log}));
    let json = json!({
        "ok": good,
        "verdict": verdict,
        "rule": rule,
        "scopes": scopes,
        "answer": answer,
        "why": told.impossible,
        "server": server.name,
        "method": operation.method,
        "targets": targets,
        "considered": considered,
        "rego": rego,
    });
    let mut text = text_of(&told, verdict, answer, server, operation, scopes.as_deref(), rule);
    if let Some(Narrowed { ruling, .. }) = &ruling {
        let mark = if narrowed { "->" } else { "  " };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{mark} Rego policy: {}, {}", ruling.verdict(), ruling.why);
        for reason in &ruling.reasons {
            let _ = writeln!(text, "     reason: {reason}");
        }
    }
    if !good {
        text.push_str("not the verdict that was expected\n");
    }
    Outcome::Said { text, json, good }
}

fn text_of(
    told: &Explanation,
    verdict: &str,
    answer: &str,
    server: &Server,
    operation: &Operation,
    scopes: Option<&[String]>,
    rule: Option<&str>,
) -> String {
    let mut text = String::new();
    let names: Vec<String> =
        operation.targets.iter().map(|t| format!(" {} {}", t.kind(), t.name())).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}: {}{}", server.name, operation.method, names.join(","));
    let by = match (rule, told.impossible) {
        (Some(RULE), _) => "by the Rego policy".to_owned(),
        (Some(rule), _) => format!("by the rule {rule}"),
        (None, Some(why)) => format!("because {why}"),
        (None, None) => "because no rule allows it".to_owned(),
    };
    let _ = writeln!(text, "verdict: {verdict}, {by}");
    if let Some(scopes) = scopes {
        let _ = writeln!(text, "scopes to ask for: {}", scopes.join(" "));
    }
    let _ = writeln!(text, "answer: {answer}");
    for c in &told.considered {
        let mark = if c.decides && rule == Some(c.rule.as_str()) { "->" } else { "  " };
        let _ = writeln!(text, "{mark} {} ({}): {}", c.rule, c.effect, c.outcome.to_text());
    }
    text
}
