//! Is a Rego policy whole, and can this build run it? The compiled form, judged.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::{Findings, Place};
use super::obligations;
use super::raw::{RawCompiled, RawLabels, RawRego, RawServer, RawSize, RawToolLabels};
use super::units::parse_size;
use crate::policy::pattern::Pattern;
use crate::policy::rego::narrow::RULE;
use crate::policy::rego::opa;
use crate::policy::rego::packed::{Module, Packed};
use crate::policy::rego::reads::{Reads, hidden};
use crate::policy::rego::{Labels, Rego, Setting, ToolLabels};
use crate::policy::rule::{Effect, Rule, RuleId, Targets};
use crate::policy::who::Who;

const DEFAULT_ARGUMENT_BYTES: u64 = 64 << 10;
const MOST_ARGUMENT_BYTES: u64 = 1 << 20;
const DEFAULT_INSTRUCTIONS: u32 = 2000;
/// The most labels of a server or a tool, and the longest of them, bytes.
const MOST_LABELS: usize = 32;
const LONGEST_LABEL: usize = 256;

/// Compiles the policy of a server, if it has one.
pub(crate) fn compile(raw: &RawServer, place: &Place, found: &mut Findings) -> Option<Arc<Rego>> {
    obligations::judge(raw, place, found);
    let rego = raw.rego.as_ref()?;
    let before = found.errors.len();
    if let Some(at) = raw.rules.iter().position(|rule| rule.id == RULE) {
        let message = format!("`{RULE}` names the server's Rego policy in records; call the rule otherwise");
        found.error(&place.key("rules").index(at).key("id"), message);
    }
    let here = place.key("rego");
    let setting = setting(raw, rego, &here, found);
    let given =
        [("files", rego.files.is_some()), ("bundle", rego.bundle.is_some()), ("data", rego.data.is_some())];
    let given = given.into_iter().find_map(|(key, is)| is.then_some(key));
    let packed = match (given, &rego.compiled) {
        (None, Some(compiled)) => unpack(compiled, &here.key("compiled"), found)?,
        (Some(key), None) => {
            found.error(&here.key(key), "is compiled by `wicketgate render`, whose result is loaded here");
            return None;
        }
        (Some(key), Some(_)) => {
            found.error(&here, format!("has either `{key}` or `compiled`"));
            return None;
        }
        (None, None) => {
            found.error(&here, "names no `files`");
            return None;
        }
    };
    if found.errors.len() > before {
        return None;
    }
    Rego::load(packed, setting).map_err(|why| found.error(&here.key("compiled"), why)).ok().map(Arc::new)
}

/// What permits where a policy is all that a server has: whoever is known, whatever can be named.
pub(crate) fn candidates(server: &RawServer) -> Vec<Rule> {
    let policy = match (&server.rego, &server.opa) {
        (None, None) => return Vec::new(),
        (Some(_), _) => RULE,
        (None, Some(_)) => opa::RULE,
    };
    let any = || vec![Pattern::any()];
    let things = Targets { tools: any(), prompts: any(), resources: any(), tasks: any() };
    let rule = |methods, targets| Rule {
        id: RuleId::new(policy),
        effect: Effect::Allow { hide: false },
        who: Who::Authenticated,
        methods,
        targets,
        arguments: None,
        shadow: false,
        unless_read_only: false,
    };
    vec![rule(None, things), rule(Some(any()), Targets::default())]
}

fn setting(server: &RawServer, raw: &RawRego, place: &Place, found: &mut Findings) -> Setting {
    let tools = raw.tool_labels.iter().enumerate();
    Setting {
        server: server.name.clone(),
        obligable: obligations::of(server),
        labels: labels(&raw.labels, &place.key("labels"), found),
        tools: tools
            .map(|(at, entry)| tool_labels(entry, &place.key("tool_labels").index(at), found))
            .collect(),
        argument_bytes: argument_bytes(raw.argument_bytes.as_ref(), &place.key("argument_bytes"), found),
        instructions: match raw.instructions {
            None => DEFAULT_INSTRUCTIONS,
            Some(number) => {
                if !(100..=20_000).contains(&number) {
                    found.error(&place.key("instructions"), "is from 100 to 20000");
                }
                number
            }
        },
    }
}

/// How many bytes of arguments a policy may be given.
pub(super) fn argument_bytes(raw: Option<&RawSize>, place: &Place, found: &mut Findings) -> u64 {
    let Some(size) = raw else { return DEFAULT_ARGUMENT_BYTES };
    match parse_size(&size.0) {
        Ok(bytes) if (1..=MOST_ARGUMENT_BYTES).contains(&bytes) => return bytes,
        Ok(_) => found.error(place, "is from 1 to 1MiB"),
        Err(why) => found.error(place, why),
    }
    DEFAULT_ARGUMENT_BYTES
}

/// Names and values, of which there are not too many.
pub(super) fn labels(raw: &RawLabels, place: &Place, found: &mut Findings) -> Labels {
    if raw.0.len() > MOST_LABELS {
        found.error(place, format!("has {} labels, and {MOST_LABELS} are the most", raw.0.len()));
    }
    for (name, value) in &raw.0 {
        if name.is_empty() || name.len().max(value.len()) > LONGEST_LABEL {
            found.error(
                &place.key(name),
                format!("a name and its value have at most {LONGEST_LABEL} bytes each"),
            );
        }
    }
    raw.0.clone()
}

/// The same of some tools.
pub(super) fn tool_labels(raw: &RawToolLabels, place: &Place, found: &mut Findings) -> ToolLabels {
    if raw.names.is_empty() {
        found.error(&place.key("names"), "an empty list can never match");
    }
    let mut names = Vec::new();
    for (at, name) in raw.names.iter().enumerate() {
        match Pattern::parse(name) {
            Ok(pattern) => names.push(pattern),
            Err(why) => found.error(&place.key("names").index(at), why.explain()),
        }
    }
    ToolLabels { names, labels: labels(&raw.labels, &place.key("labels"), found) }
}

fn unpack(raw: &RawCompiled, place: &Place, found: &mut Findings) -> Option<Packed> {
    let program = STANDARD.decode(&raw.program);
    if program.is_err() {
        found.error(&place.key("program"), "is not base64: render the policy again");
    }
    let module = Module::parse(&raw.module);
    if module.is_none() {
        found.error(&place.key("module"), "is neither `rego` nor `rego-regex`: render the policy again");
    }
    for (at, name) in raw.headers.iter().enumerate() {
        if let Some(message) = hidden(name) {
            found.error(&place.key("headers").index(at), message);
        }
    }
    let reads = Reads {
        arguments: raw.arguments.clone(),
        headers: raw.headers.clone(),
        source: raw.source,
        time: raw.time,
    };
    Some(Packed {
        program: program.ok()?,
        reads: reads.reduced(),
        module: module?,
        visible: raw.visible,
        data: raw.data.clone(),
        digest: raw.digest.clone(),
    })
}
