//! Is the document sound as a whole? The way from bytes to a [`Guard`].

use super::error::{ConfigError, ConfigWarning, Findings, Place};
use super::raw::RawConfig;
use super::{Sound, VERSION, digest, issuers, leases, limits, read, servers};
use crate::guard::Guard;
use crate::json;

/// A sound configuration, and what is doubtful about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// What exchanges are judged by.
    pub guard: Guard,
    /// In the order of the document.
    pub warnings: Vec<ConfigWarning>,
}

/// Compiles the JSON document `json`. It is all or nothing: with one error there is no guard.
///
/// # Errors
/// Everything that was found wrong: first the shape of the whole document, and if that is sound, its meaning.
pub fn compile(json: &[u8]) -> Result<Compiled, Vec<ConfigError>> {
    let mut found = Findings::default();
    let document = match json::parse(json) {
        Ok(document) => document,
        Err(fault) => {
            found.error(&read::locate(&fault), format!("not sound JSON: {}", fault.message));
            return Err(found.errors);
        }
    };
    let digest = digest::digest(&document);
    let Some(raw) = read::read(&document, &mut found) else { return Err(found.errors) };
    let (guard, warnings) = judge(&raw, digest, found)?;
    Ok(Compiled { guard, warnings })
}

fn judge(raw: &RawConfig, digest: String, mut found: Findings) -> Result<Sound, Vec<ConfigError>> {
    let root = Place::default();
    if raw.version != VERSION {
        found.error(&root.key("version"), format!("only version {VERSION} exists, found {}", raw.version));
    }
    let issuers = issuers::compile(&raw.issuers, &root.key("issuers"), &mut found);
    let servers =
        servers::compile(&raw.servers, &raw.issuers, raw.hold_headers, &root.key("servers"), &mut found);
    let leases = leases::compile(raw.leases.as_ref(), &raw.issuers, &root.key("leases"), &mut found);
    leases::judge(raw, &root, &mut found);
    let held_bytes = limits::held_bytes(raw.held_bytes.as_ref(), &root.key("held_bytes"), &mut found);
    let unknown_tokens =
        limits::unknown_tokens(raw.unknown_tokens.as_ref(), &root.key("unknown_tokens"), &mut found);
    if found.errors.is_empty() {
        let (hold_headers, traced) = (raw.hold_headers, raw.traced);
        let guard =
            Guard { servers, issuers, hold_headers, held_bytes, unknown_tokens, leases, traced, digest };
        return Ok((guard, found.warnings));
    }
    Err(found.errors)
}
