//! Which file holds the approved tools of a server? Read, checked against its signature, and put into the policy in place of
//! its path, because the filter reads no files.

use super::key::Verifier;
use super::signature_of;
use crate::document::read;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use wicketgate_core::config::ConfigError;
use wicketgate_core::tools::digest::Digest;

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    tools: BTreeMap<String, String>,
}

/// The file of these tools.
pub(super) fn write(digests: &BTreeMap<String, Digest>) -> String {
    let mut text = String::from(
        "# Approved tools: SHA-256 of each definition in canonical form (RFC 8785). Made by `wicketgate pins make`.\n\
         version: 1\ntools:",
    );
    if digests.is_empty() {
        text.push_str(" {}");
    }
    text.push('\n');
    for (name, digest) in digests {
        // A JSON text is one of YAML, too. Writing to a String cannot fail.
        let _ = writeln!(text, "  {}: {digest}", Value::from(name.as_str()));
    }
    text
}

/// Reads it.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, Digest>, String> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        with_snippet: false,
    };
    let file: File = serde_saphyr::from_str_with_options(text, options)
        .map_err(|e| format!("is no file of pins: {}", e.to_string().lines().next().unwrap_or_default()))?;
    if file.version != 1 {
        return Err(format!("only version 1 of pins exists, found {}", file.version));
    }
    let one = |(name, digest): (String, String)| match Digest::parse(&digest) {
        Some(digest) => Ok((name, digest)),
        None => Err(format!("what stands for {name:?} is no digest: 64 hexadecimal digits in lower case")),
    };
    file.tools.into_iter().map(one).collect()
}

/// The files that the baselines of a policy name, and their signatures.
pub(crate) fn files(policy: &Path, json: &Value) -> Vec<PathBuf> {
    let servers = json.get("servers").and_then(Value::as_array).into_iter().flatten();
    let named = servers.filter_map(|server| server.pointer("/tools/baseline")?.as_str());
    named.map(|path| beside(policy, path)).flat_map(|path| [signature_of(&path), path]).collect()
}

/// Puts the content of each file of `baseline` in its place, and takes `signed_by` out, which it has then served.
pub(crate) fn inline(policy: &Path, json: &mut Value) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    let servers = json.get_mut("servers").and_then(Value::as_array_mut).into_iter().flatten();
    for (at, server) in servers.enumerate() {
        let Some(Value::Object(tools)) = server.get_mut("tools") else { continue };
        let mut fault = |key: &str, message: String| {
            errors.push(ConfigError {
                path: format!("servers[{at}].tools.{key}"),
                message,
                suggestion: None,
            });
        };
        let verifier = match tools.get("signed_by").and_then(Value::as_str).map(Verifier::parse) {
            Some(Err(why)) => {
                fault("signed_by", why);
                continue;
            }
            Some(Ok(verifier)) => Some(verifier),
            None => None,
        };
        match tools.get("baseline") {
            Some(Value::String(path)) => match approved(&beside(policy, path), verifier.as_ref()) {
                Ok(digests) => {
                    tools.insert("baseline".to_owned(), Value::Object(digests));
                    tools.remove("signed_by");
                }
                Err(why) => fault("baseline", why),
            },
            Some(Value::Object(_)) if verifier.is_some() => {
                fault("signed_by", "a signature is one of a file: let `baseline` name it".to_owned());
            }
            _ => {}
        }
    }
    errors
}

fn approved(path: &Path, verifier: Option<&Verifier>) -> Result<Map<String, Value>, String> {
    let text = read(path).map_err(|why| why.0)?;
    if let Some(verifier) = verifier {
        let signature =
            read(&signature_of(path)).map_err(|why| format!("the signature is missing: {}", why.0))?;
        if !verifier.holds(text.as_bytes(), signature.trim()) {
            return Err(format!("{} does not have the signature of `signed_by`", path.display()));
        }
    }
    let digests = parse(&text).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(digests.into_iter().map(|(name, digest)| (name, digest.to_string().into())).collect())
}

fn beside(policy: &Path, path: &str) -> PathBuf {
    policy.parent().map_or_else(|| PathBuf::from(path), |folder| folder.join(path))
}
