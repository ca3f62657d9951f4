//! Is a Rego policy whole, and can this build run it? The compiled form, judged.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::{Findings, Place};
use super::obligations;
use super::raw::{RawCompiled, RawLabels, RawRego, RawServer, RawToolLabels};
use super::units::parse_size;
use crate::policy::pattern::Pattern;
use crate::policy::rego::narrow::RULE;
use crate::policy::rego::packed::{Module, Packed};
use crate::policy::rego::reads::Reads;
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
    let packed = match (&rego.files, &rego.compiled) {
        (None, Some(compiled)) => unpack(compiled, &here.key("compiled"), found)?,
        (Some(_), None) => {
            found
                .error(&here.key("files"), "is compiled by `wicketgate render`, whose result is loaded here");
            return None;
        }
        (Some(_), Some(_)) => {
            found.error(&here, "has either `files` or `compiled`");
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

/// What permits where the policy is all that a server has: whoever is known, whatever can be named.
pub(crate) fn candidates() -> Vec<Rule> {
    let any = || vec![Pattern::any()];
    let things = Targets { tools: any(), prompts: any(), resources: any(), tasks: any() };
    let rule = |methods, targets| Rule {
        id: RuleId::new(RULE),
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
        argument_bytes: argument_bytes(raw, &place.key("argument_bytes"), found),
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

fn argument_bytes(raw: &RawRego, place: &Place, found: &mut Findings) -> u64 {
    let Some(size) = &raw.argument_bytes else { return DEFAULT_ARGUMENT_BYTES };
    match parse_size(&size.0) {
        Ok(bytes) if (1..=MOST_ARGUMENT_BYTES).contains(&bytes) => return bytes,
        Ok(_) => found.error(place, "is from 1 to 1MiB"),
        Err(why) => found.error(place, why),
    }
    DEFAULT_ARGUMENT_BYTES
}

fn labels(raw: &RawLabels, place: &Place, found: &mut Findings) -> Labels {
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

fn tool_labels(raw: &RawToolLabels, place: &Place, found: &mut Findings) -> ToolLabels {
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
        digest: raw.digest.clone(),
    })
}
