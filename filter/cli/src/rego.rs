//! Which Rego files does a policy name, and what do they compile to? The filter is given the compiled form alone.

use crate::document::{Document, read};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use wicketgate_core::config::ConfigError;
use wicketgate_core::policy::rego::compile::{Source, compile};
use wicketgate_core::policy::rego::packed::{Module, Packed};

/// Puts the compiled form in the place of every list of files. Files lie beside the document unless they are absolute.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn compile_all(document: &mut Document) -> Result<(), Vec<ConfigError>> {
    let folder = document.file.parent().unwrap_or(Path::new("")).to_owned();
    let mut errors = Vec::new();
    let servers = document.json.pointer_mut("/servers").and_then(Value::as_array_mut);
    for (at, server) in servers.into_iter().flatten().enumerate() {
        let Some(rego) = server.get_mut("rego").and_then(Value::as_object_mut) else { continue };
        let Some(files) = names(rego) else { continue };
        let path = format!("servers[{at}].rego.files");
        match compile_one(&folder, &files, &path) {
            Ok(packed) => {
                rego.remove("files");
                rego.insert("compiled".to_owned(), to_json(&packed));
            }
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The files that a document names; what has another shape is for the compiler of the whole to refuse.
fn names(rego: &Map<String, Value>) -> Option<Vec<String>> {
    let files = rego.get("files")?.as_array()?;
    files.iter().map(|file| file.as_str().map(str::to_owned)).collect()
}

/// All files that the servers of a document name.
pub(crate) fn files_of(document: &Document) -> Vec<PathBuf> {
    let folder = document.file.parent().unwrap_or(Path::new(""));
    let servers = document.json.pointer("/servers").and_then(Value::as_array);
    let regos = servers.into_iter().flatten().filter_map(|server| server.get("rego")?.as_object());
    regos.filter_map(names).flatten().map(|name| folder.join(name)).collect()
}

fn compile_one(folder: &Path, files: &[String], path: &str) -> Result<Packed, Vec<ConfigError>> {
    let wrong = |at: Option<usize>, message: String| ConfigError {
        path: at.map_or_else(|| path.to_owned(), |at| format!("{path}[{at}]")),
        message,
        suggestion: None,
    };
    if files.is_empty() {
        return Err(vec![wrong(None, "an empty list holds no policy".to_owned())]);
    }
    let (mut sources, mut errors) = (Vec::new(), Vec::new());
    for (at, name) in files.iter().enumerate() {
        if is_test(Path::new(name)) {
            errors.push(wrong(Some(at), format!("`{name}` holds tests, which `wicketgate test` runs")));
            continue;
        }
        match read(&folder.join(name)) {
            Ok(text) => sources.push(Source { name: name.clone(), text }),
            Err(why) => errors.push(wrong(Some(at), why.0)),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    compile(&sources)
        .map_err(|list| list.into_iter().map(|refusal| wrong(refusal.source, refusal.message)).collect())
}

/// Whether a file holds tests by its name, as OPA has it.
pub(crate) fn is_test(file: &Path) -> bool {
    file.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with("_test.rego"))
}

fn to_json(packed: &Packed) -> Value {
    json!({
        "program": STANDARD.encode(&packed.program),
        "digest": packed.digest,
        "module": packed.module.as_str(),
        "visible": packed.visible,
        "arguments": packed.reads.arguments,
        "headers": packed.reads.headers,
        "source": packed.reads.source,
        "time": packed.reads.time,
    })
}

/// Which of the three modules a compiled document needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// `None` for the one without Rego.
    module: Option<Module>,
    why: String,
}

/// Where a rule of `server`, or of a layer of it, demands that an argument matches a pattern.
fn pattern_in(server: &Value) -> Option<String> {
    let list = |of: &Value, key: &str| of.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let own = std::iter::once((String::new(), server.clone()));
    let layers = ["organizations", "groups", "clients"].into_iter().flat_map(|key| {
        let layers = list(server, key).into_iter().enumerate();
        layers.map(move |(at, layer)| (format!("{key}[{at}]."), layer))
    });
    own.chain(layers).find_map(|(place, holder)| {
        let at = list(&holder, "rules").iter().position(|rule| {
            let sides = ["allow", "deny"]
                .into_iter()
                .filter_map(|side| rule.get(side)?.get("arguments")?.as_object());
            sides.flatten().any(|(_, demanded)| demanded.get("pattern").is_some_and(|text| !text.is_null()))
        });
        at.map(|at| format!("{place}rules[{at}]"))
    })
}

// === impl Need ===

impl Need {
    /// Of a document that [`compile_all`] has been over.
    pub(crate) fn of(document: &Value) -> Self {
        let mut need =
            Self { module: None, why: "no server has a Rego policy or regular expressions".to_owned() };
        let servers = document.pointer("/servers").and_then(Value::as_array);
        for (at, server) in servers.into_iter().flatten().enumerate() {
            let module =
                server.pointer("/rego/compiled/module").and_then(Value::as_str).and_then(Module::parse);
            if module > need.module {
                let what = match module {
                    Some(Module::RegoRegex) => "uses regex.match or glob.match",
                    _ => "is a Rego policy",
                };
                need = Self { module, why: format!("servers[{at}].rego {what}") };
            }
            let regexes = |rule: &Value| rule.get("regexes").is_some_and(|list| !list.is_null());
            let content = server.get("content").and_then(Value::as_array);
            if content.is_some_and(|rules| rules.iter().any(regexes)) && need.module < Some(Module::RegoRegex)
            {
                let why = format!("servers[{at}].content has `regexes`");
                need = Self { module: Some(Module::RegoRegex), why };
            }
            if let Some(place) = pattern_in(server).filter(|_| need.module < Some(Module::RegoRegex)) {
                let why = format!("servers[{at}].{place} has a `pattern`");
                need = Self { module: Some(Module::RegoRegex), why };
            }
        }
        need
    }

    /// The module's file as it is built and shipped.
    pub(crate) fn file(&self) -> &'static str {
        self.module.map_or("wicketgate.wasm", Module::file)
    }

    /// Why it is that one.
    pub(crate) fn why(&self) -> &str {
        &self.why
    }

    /// Whether a module is called like one of ours that lacks something.
    pub(crate) fn exceeds(&self, wasm: &str) -> bool {
        let name = wasm.rsplit('/').next().unwrap_or_default();
        let has = match name {
            "wicketgate.wasm" => None,
            "wicketgate-rego.wasm" => Some(Module::Rego),
            _ => return false,
        };
        self.module > has
    }
}
