//! Are the policies sound that stand in Kubernetes objects? Each is judged as the filter gets it there: whatever kind of object holds it,
//! as members or as a text of JSON.

use super::{servers, text};
use crate::document::{self, MOST_BYTES};
use crate::outcome::{Outcome, Unusable};
use crate::rego::Need;
use serde_json::{Value, json};
use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use wicketgate_core::config::compile;

/// A policy, and the object that holds it.
struct Held {
    by: String,
    policy: Value,
}

pub(super) fn run(file: &Path) -> Result<Outcome, Unusable> {
    let (name, objects) = match file == Path::new("-") {
        true => ("standard input".to_owned(), standard_input()?),
        false => (file.display().to_string(), document::read(file)?),
    };
    let mut held = Vec::new();
    for (at, object) in documents(&objects).enumerate() {
        let unsound = |why| Unusable(format!("{name}: object {}: {why}", at + 1));
        let object = document::plain(&object).map_err(unsound)?;
        collect(&object, &name_of(&object), &mut held);
    }
    if held.is_empty() {
        return Err(Unusable(format!("{name}: none of its objects holds a policy")));
    }
    let (mut said, mut results, mut good) = (String::new(), Vec::new(), true);
    for Held { by, policy } in held {
        let result = judge(&by, &policy, &mut said);
        good &= result.get("ok") == Some(&Value::Bool(true));
        results.push(result);
    }
    Ok(Outcome::Said { text: said, json: json!({"ok": good, "policies": results}), good })
}

fn judge(by: &str, policy: &Value, said: &mut String) -> Value {
    match compile(policy.to_string().as_bytes()) {
        Ok(compiled) => {
            let need = Need::of(policy);
            for warning in &compiled.warnings {
                let _ = writeln!(said, "{by}: warning: {warning}");
            }
            said.push_str(&text(by, &compiled.guard, &need));
            let warnings: Vec<_> =
                compiled.warnings.iter().map(|w| json!({"path": w.path, "message": w.message})).collect();
            json!({
                "ok": true, "object": by, "digest": compiled.guard.digest, "servers": servers(&compiled.guard),
                "module": need.file(), "why": need.why(), "warnings": warnings,
            })
        }
        Err(errors) => {
            for error in &errors {
                let _ = writeln!(said, "{by}: {error}");
            }
            let count = errors.len();
            let _ = writeln!(said, "{by}: refused, {count} error{}", if count == 1 { "" } else { "s" });
            let errors: Vec<_> =
                errors.iter().map(|e| json!({"path": e.path, "message": e.message})).collect();
            json!({"ok": false, "object": by, "errors": errors})
        }
    }
}

/// Whatever has a version and servers is a policy; where else it may stand no object says in one way.
fn collect(value: &Value, by: &str, held: &mut Vec<Held>) {
    match value {
        Value::Object(members) if members.contains_key("version") && members.contains_key("servers") => {
            held.push(Held { by: by.to_owned(), policy: value.clone() });
        }
        Value::Object(members) => members.values().for_each(|member| collect(member, by, held)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, by, held)),
        Value::String(text) if text.trim_start().starts_with('{') => {
            if let Ok(within) = serde_json::from_str::<Value>(text) {
                collect(&within, by, held);
            }
        }
        _ => {}
    }
}

/// Its kind and name.
fn name_of(object: &Value) -> String {
    let word = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or("?");
    format!("{} {}", word("/kind"), word("/metadata/name"))
}

/// The texts between lines of `---`; those without content are left out.
fn documents(text: &str) -> impl Iterator<Item = String> {
    let mut documents = vec![String::new()];
    for line in text.lines() {
        match documents.last_mut() {
            Some(last) if line.trim_end() != "---" => {
                last.push_str(line);
                last.push('\n');
            }
            _ => documents.push(String::new()),
        }
    }
    let holds = |text: &String| text.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#'));
    documents.into_iter().filter(holds)
}

fn standard_input() -> Result<String, Unusable> {
    let mut text = String::new();
    let read = std::io::stdin().take(MOST_BYTES + 1).read_to_string(&mut text);
    let cannot = |why: &dyn std::fmt::Display| Unusable(format!("cannot read standard input: {why}"));
    let size = read.map_err(|error| cannot(&error))?;
    if size as u64 > MOST_BYTES { Err(cannot(&"larger than 4MiB")) } else { Ok(text) }
}
