//! Is this policy sound?

use crate::args::Check;
use crate::document::Policy;
use crate::outcome::{Outcome, Unusable, warnings_json, warnings_text};
use crate::rego::Need;
use serde_json::{Value, json};
use std::fmt::Write;

pub(crate) fn run(arguments: &Check, as_json: bool) -> Result<Outcome, Unusable> {
    let policy = match Policy::load(&arguments.file) {
        Ok(policy) => policy,
        Err(fault) => return Ok(fault.into()),
    };
    let (guard, warnings) = (&policy.compiled.guard, &policy.compiled.warnings);
    if !as_json {
        eprint!("{}", warnings_text(&policy.document, warnings));
    }
    let mut text = format!("{}: sound, digest {}\n", arguments.file.display(), guard.digest);
    let mut servers: Vec<Value> = Vec::new();
    for server in &guard.servers {
        let rules = server.rules.all().count();
        let issuers: Vec<&str> = guard.issuers_of(server).map(|i| i.issuer.as_str()).collect();
        let from = if issuers.is_empty() { "no issuer".to_owned() } else { issuers.join(", ") };
        // Writing to a String cannot fail.
        let policy = server.rego.as_ref().map(|rego| rego.digest());
        let rego = policy
            .map_or_else(String::new, |digest| format!(", Rego {}", digest.get(..16).unwrap_or(digest)));
        let _ =
            writeln!(text, "  {}: {}, {rules} rules{rego}, tokens of {from}", server.name, server.resource);
        servers.push(json!({
            "name": server.name, "url": server.resource, "rules": rules, "issuers": issuers, "rego": policy,
        }));
    }
    let need = Need::of(&policy.document.json);
    let _ = writeln!(text, "  module: {} ({})", need.file(), need.why());
    let json = json!({
        "ok": true,
        "file": arguments.file.display().to_string(),
        "digest": guard.digest,
        "servers": servers,
        "module": need.file(),
        "why": need.why(),
        "warnings": warnings_json(&policy.document, warnings),
    });
    Ok(Outcome::Said { text, json, good: true })
}
