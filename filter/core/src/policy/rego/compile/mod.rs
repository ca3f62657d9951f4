//! From Rego sources to a program that may be run on requests, or to everything that speaks against it.
//!
//! Natively, in the command line: the module that Envoy loads has neither this nor a parser. What is refused here cannot
//! happen there: a built-in that input can make slow, a cycle of calls, values that OPA would call a conflict, a read of
//! input that is not there.

mod builtins;
mod calls;
mod documents;
mod flow;
mod operands;
mod shape;
mod surface;

use std::sync::Arc;

use regorus::Engine;
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::program::Program;
use serde_json::{Map, Value as Json};

use super::packed::{ALLOW, Module, PACKAGE, Packed, VISIBLE};
use super::reads::Reads;

/// One source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As messages shall call it.
    pub name: String,
    /// Rego v1.
    pub text: String,
}

/// Why sources are not compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The index of the source that it is about, where one is.
    pub source: Option<usize>,
    /// `name:line: what is wrong`, one phrase that says what is accepted.
    pub message: String,
}

/// What speaks against a program while it is being judged.
struct Faults<'a> {
    program: &'a Program,
    sources: &'a [Source],
    /// The data documents as one.
    data: &'a Map<String, Json>,
    list: Vec<Refusal>,
}

/// Compiles `sources` that read no data documents.
///
/// # Errors
/// Everything that was found.
pub fn compile(sources: &[Source]) -> Result<Packed, Vec<Refusal>> {
    compile_with(sources, &Map::new())
}

/// Compiles `sources`, which read `data`, into what a configuration carries.
///
/// # Errors
/// Everything that was found.
pub fn compile_with(sources: &[Source], data: &Map<String, Json>) -> Result<Packed, Vec<Refusal>> {
    let (program, visible, packages) = assemble(sources)?;
    let documents =
        documents::pack(data, &packages).map_err(|message| vec![Refusal { source: None, message }])?;
    let mut faults = Faults { program: &program, sources, data, list: Vec::new() };
    let calls = calls::judge(&mut faults);
    shape::judge(&mut faults);
    let flow = flow::judge(&mut faults);
    let reads = flow.reads(&calls.reached_from(ALLOW));
    if visible {
        let listed = calls.reached_from(VISIBLE);
        flow.refuse_circumstances(&listed, &mut faults);
    }
    let module = builtins::judge(&flow, &mut faults);
    if faults.list.is_empty() {
        pack(&program, reads, module, visible, documents)
            .map_err(|message| vec![Refusal { source: None, message }])
    } else {
        let mut list = faults.list;
        list.dedup();
        Err(list)
    }
}

/// The program with its one or two entry points, whether there are two, and the packages of all sources.
fn assemble(sources: &[Source]) -> Result<(Program, bool, Vec<String>), Vec<Refusal>> {
    let alone = |message: String| vec![Refusal { source: None, message }];
    let mut engine = Engine::new();
    let (mut faults, mut packages) = (Vec::new(), Vec::new());
    for (at, source) in sources.iter().enumerate() {
        match engine.add_policy(source.name.clone(), source.text.clone()) {
            Ok(package) => packages.push(package.trim_start_matches("data.").to_owned()),
            Err(error) => faults.push(Refusal { source: Some(at), message: in_one_line(&error.to_string()) }),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let refused = surface::judge(&mut engine, sources);
    if !refused.is_empty() {
        return Err(refused);
    }
    if !packages.iter().any(|package| package == PACKAGE) {
        return Err(alone(format!(
            "no file is of the package `{PACKAGE}`, whose rule `allow` is asked; there are: {}",
            packages.join(", ")
        )));
    }
    let policy = engine
        .compile_with_entrypoint(&Arc::from(ALLOW))
        .map_err(|error| alone(without_entry(&in_one_line(&error.to_string()))))?;
    let visible = policy.get_rules().contains_key(VISIBLE);
    if !policy.get_rules().contains_key(ALLOW) {
        return Err(alone(format!("no file has a rule `allow` in the package `{PACKAGE}`")));
    }
    let entries: &[&str] = if visible { &[ALLOW, VISIBLE] } else { &[ALLOW] };
    let program = Compiler::compile_from_policy(&policy, entries)
        .map_err(|error| alone(in_one_line(&error.to_string())))?;
    Ok((Arc::unwrap_or_clone(program), visible, packages))
}

/// The largest program, bytes.
const MOST_BYTES: usize = 512 << 10;

/// The bytes that travel: without the sources and their places, which say nothing to the machine.
fn pack(
    program: &Program,
    reads: Reads,
    module: Module,
    visible: bool,
    data: Option<String>,
) -> Result<Packed, String> {
    let mut bare = program.clone();
    bare.sources.clear();
    bare.instruction_spans = vec![None; bare.instructions.len()];
    bare.metadata.compiled_at.clear();
    let program = bare.serialize_binary()?;
    if program.len() > MOST_BYTES {
        return Err(format!("compiled it has {} bytes, and {MOST_BYTES} are the most", program.len()));
    }
    let mut packed = Packed { program, reads, module, visible, data, digest: String::new() };
    packed.digest = packed.computed_digest();
    Ok(packed)
}

/// The engine's words for a missing entry point speak of itself.
fn without_entry(message: &str) -> String {
    if message.contains("not a valid rule path") || message.contains("entry") {
        return format!("no file has a rule `allow` in the package `{PACKAGE}`");
    }
    message.to_owned()
}

/// The sentence of the engine without its picture of the source.
fn in_one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| {
        !line.is_empty() && !line.starts_with('|') && !line.starts_with(|c: char| c.is_ascii_digit())
    });
    lines.map(|line| line.trim_start_matches("--> ")).collect::<Vec<_>>().join(" ")
}

// === impl Faults ===

impl Faults<'_> {
    /// Adds one about the instruction at `at`.
    fn at(&mut self, at: usize, message: &str) {
        let span = self.program.instruction_spans.get(at).and_then(Option::as_ref);
        let source = span.and_then(|span| self.program.sources.get(span.source_index));
        let index = source.and_then(|file| self.sources.iter().position(|s| s.name == file.name));
        let place = match (span, source) {
            (Some(span), Some(file)) => format!("{}:{}: ", file.name, span.line),
            _ => String::new(),
        };
        self.list.push(Refusal { source: index, message: format!("{place}{message}") });
    }

    /// Adds one about the rule with this index.
    fn about_rule(&mut self, rule: usize, message: &str) {
        let info = self.program.rule_infos.get(rule);
        let name = info.map_or("", |info| short(&info.name)).to_owned();
        let first = info.and_then(|info| info.definitions.iter().flatten().next().copied());
        let at = first.and_then(|at| usize::try_from(at).ok()).unwrap_or(usize::MAX);
        self.at(at, &format!("the rule `{name}` {message}"));
    }
}

/// A rule's name as its own package writes it.
fn short(name: &str) -> &str {
    name.strip_prefix("data.mcp.authz.").unwrap_or(name)
}

#[cfg(test)]
mod tests;
