//! What does a policy answer to one request, and why?

use crate::args::{Expected, Explain};
use crate::document::{Policy, read};
use crate::outcome::{Outcome, Unusable};
use crate::request::{Asking, Request};
use serde_json::{Value, json};
use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use wicketgate_core::identity::principal::Principal;
use wicketgate_core::mcp::operation::Operation;
use wicketgate_core::policy::arguments::Arguments;
use wicketgate_core::policy::explain::Explanation;
use wicketgate_core::policy::{Verdict, authorize};
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
    let given = request.arguments()?;
    Ok(tell(arguments.expect, server, &principal, (&operation, Arguments::Given(given.as_bytes()))))
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

fn tell(
    expect: Option<Expected>,
    server: &Server,
    who: &Principal,
    (operation, arguments): (&Operation, Arguments<'_>),
) -> Outcome {
    let told = server.rules.explain(who, operation, arguments);
    let (kind, verdict, scopes) = match &told.verdict {
        Verdict::Allow { .. } => (Expected::Allow, "allow", None),
        Verdict::Challenge { scopes, .. } => (Expected::Challenge, "challenge", Some(scopes)),
        Verdict::Deny { .. } | Verdict::Refuse { .. } => (Expected::Deny, "deny", None),
    };
    let answer = match authorize(&server.rules, who, operation, arguments) {
        Ok(_) => "forwarded",
        Err((denial, _)) => denial.reason(),
    };
    let argument = match &told.verdict {
        Verdict::Refuse { refusal, .. } => {
            Some(json!({"path": refusal.path, "constraint": refusal.constraint}))
        }
        _ => None,
    };
    let rule = told.considered.iter().find(|c| c.decides).map(|c| c.rule.as_str());
    let good = expect.is_none_or(|e| e == kind);
    let considered: Vec<Value> = told
        .considered
        .iter()
        .map(|c| {
            json!({"rule": c.rule.as_str(), "effect": c.effect, "says": c.outcome.to_text(), "decides": c.decides})
        })
        .collect();
    let targets: Vec<Value> =
        operation.targets.iter().map(|t| json!({"kind": t.kind(), "name": t.name()})).collect();
    let json = json!({
        "ok": good,
        "verdict": verdict,
        "rule": rule,
        "scopes": scopes,
        "argument": argument,
        "answer": answer,
        "why": told.impossible,
        "server": server.name,
        "method": operation.method,
        "targets": targets,
        "considered": considered,
    });
    let mut text = text_of(&told, verdict, answer, server, operation);
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
) -> String {
    let mut text = String::new();
    let names: Vec<String> =
        operation.targets.iter().map(|t| format!(" {} {}", t.kind(), t.name())).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}: {}{}", server.name, operation.method, names.join(","));
    let by = match (told.considered.iter().find(|c| c.decides), told.impossible) {
        (Some(c), _) => format!("by the rule {}", c.rule),
        (None, Some(why)) => format!("because {why}"),
        (None, None) => "because no rule allows it".to_owned(),
    };
    let _ = writeln!(text, "verdict: {verdict}, {by}");
    if let Verdict::Challenge { scopes, .. } = &told.verdict {
        let _ = writeln!(text, "scopes to ask for: {}", scopes.join(" "));
    }
    let _ = writeln!(text, "answer: {answer}");
    for c in &told.considered {
        let mark = if c.decides { "->" } else { "  " };
        let _ = writeln!(text, "{mark} {} ({}): {}", c.rule, c.effect, c.outcome.to_text());
    }
    text
}
