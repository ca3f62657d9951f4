//! Is this policy sound?

mod rendered;

use crate::args::Check;
use crate::document::Policy;
use crate::outcome::{Outcome, Unusable, warnings_json, warnings_text};
use crate::rego::Need;
use serde_json::{Value, json};
use std::fmt::Write;
use wicketgate_core::guard::Guard;

pub(crate) fn run(arguments: &Check, as_json: bool) -> Result<Outcome, Unusable> {
    if arguments.rendered {
        return rendered::run(&arguments.file);
    }
    let policy = match Policy::load(&arguments.file) {
        Ok(policy) => policy,
        Err(fault) => return Ok(fault.into()),
    };
    let (guard, warnings) = (&policy.compiled.guard, &policy.compiled.warnings);
    if !as_json {
        eprint!("{}", warnings_text(&policy.document, warnings));
    }
    let name = arguments.file.display().to_string();
    let need = Need::of(&policy.document.json);
    let json = json!({
        "ok": true,
        "file": name,
        "digest": guard.digest,
        "servers": servers(guard),
        "module": need.file(),
        "why": need.why(),
        "warnings": warnings_json(&policy.document, warnings),
    });
    Ok(Outcome::Said { text: text(&name, guard, &need), json, good: true })
}

/// What a sound policy protects, and which module it needs, for people.
fn text(name: &str, guard: &Guard, need: &Need) -> String {
    let mut text = format!("{name}: sound, digest {}\n", guard.digest);
    for server in &guard.servers {
        let rules = server.rules.all().count();
        let issuers: Vec<&str> = guard.issuers_of(server).map(|i| i.issuer.as_str()).collect();
        let from = if issuers.is_empty() { "no issuer".to_owned() } else { issuers.join(", ") };
        let rego = server.rego.as_ref().map(|rego| rego.digest());
        let rego =
            rego.map_or_else(String::new, |digest| format!(", Rego {}", digest.get(..16).unwrap_or(digest)));
        // Writing to a String cannot fail.
        let _ =
            writeln!(text, "  {}: {}, {rules} rules{rego}, tokens of {from}", server.name, server.resource);
    }
    let _ = writeln!(text, "  module: {} ({})", need.file(), need.why());
    text
}

/// The servers, for programs.
fn servers(guard: &Guard) -> Vec<Value> {
    let one = |server: &wicketgate_core::server::Server| {
        let issuers: Vec<&str> = guard.issuers_of(server).map(|i| i.issuer.as_str()).collect();
        json!({
            "name": server.name, "url": server.resource, "rules": server.rules.all().count(), "issuers": issuers,
            "rego": server.rego.as_ref().map(|rego| rego.digest()),
        })
    };
    guard.servers.iter().map(one).collect()
}
