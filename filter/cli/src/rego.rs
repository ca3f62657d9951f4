//! Which Rego files and data does a policy name, and what do they compile to? The filter is given the compiled form alone.

pub(crate) mod bundle;
pub(crate) mod data;

use crate::document::{Document, read};
use crate::rego::data::{Documents, is_data};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use wicketgate_core::config::ConfigError;
use wicketgate_core::policy::rego::compile::{Refusal, Source, compile_with};
use wicketgate_core::policy::rego::packed::{Module, Packed};

/// What a document names of one policy.
#[derive(Default)]
struct Named {
    files: Vec<String>,
    data: Vec<String>,
    bundle: Option<String>,
}

/// Puts the compiled form in the place of what it is compiled from. Files lie beside the document unless they are absolute.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn compile_all(document: &mut Document) -> Result<(), Vec<ConfigError>> {
    let folder = document.file.parent().unwrap_or(Path::new("")).to_owned();
    let mut errors = Vec::new();
    let servers = document.json.pointer_mut("/servers").and_then(Value::as_array_mut);
    for (at, server) in servers.into_iter().flatten().enumerate() {
        let Some(rego) = server.get_mut("rego").and_then(Value::as_object_mut) else { continue };
        let Some(named) = Named::of(rego) else { continue };
        let path = format!("servers[{at}].rego");
        match compile_one(&folder, &named, &path) {
            Ok(packed) => {
                rego.retain(|key, _| !["files", "data", "bundle"].contains(&key.as_str()));
                rego.insert("compiled".to_owned(), to_json(&packed));
            }
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// All files that the servers of a document name.
pub(crate) fn files_of(document: &Document) -> Vec<PathBuf> {
    let folder = document.file.parent().unwrap_or(Path::new(""));
    let servers = document.json.pointer("/servers").and_then(Value::as_array);
    let regos = servers.into_iter().flatten().filter_map(|server| server.get("rego")?.as_object());
    let mut files = Vec::new();
    for named in regos.filter_map(Named::of) {
        files.extend(named.files.iter().chain(&named.data).map(|name| folder.join(name)));
        files.extend(named.bundle.iter().flat_map(|name| bundle::files_of(&folder.join(name))));
    }
    files
}

fn compile_one(folder: &Path, named: &Named, path: &str) -> Result<Packed, Vec<ConfigError>> {
    let wrong = |key: &str, at: Option<usize>, message: String| ConfigError {
        path: at.map_or_else(|| format!("{path}.{key}"), |at| format!("{path}.{key}[{at}]")),
        message,
        suggestion: None,
    };
    if named.files.is_empty() && named.bundle.is_none() {
        return Err(vec![wrong("files", None, "an empty list holds no policy".to_owned())]);
    }
    let (mut sources, mut errors, mut data) = (Vec::new(), Vec::new(), Documents::default());
    for (at, name) in named.files.iter().enumerate() {
        if is_test(Path::new(name)) {
            let message = format!("`{name}` holds tests, which `wicketgate test` runs");
            errors.push(wrong("files", Some(at), message));
            continue;
        }
        match read(&folder.join(name)) {
            Ok(text) => sources.push(Source { name: name.clone(), text }),
            Err(why) => errors.push(wrong("files", Some(at), why.0)),
        }
    }
    for (at, name) in named.data.iter().enumerate() {
        let added = match read(&folder.join(name)) {
            Ok(_) if !is_data(Path::new(name)) => Err("is called neither .json nor .yaml".to_owned()),
            Ok(text) => data.add(&[], Path::new(name), &text),
            Err(why) => Err(why.0),
        };
        errors.extend(added.err().map(|why| wrong("data", Some(at), format!("{name}: {why}"))));
    }
    if let Some(name) = &named.bundle {
        match bundle::read(&folder.join(name), &mut data) {
            Ok(more) => sources.extend(more),
            Err(why) => errors.push(wrong("bundle", None, format!("{name}: {why}"))),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let key = |source: Option<usize>| match source {
        Some(at) if at < named.files.len() => ("files", Some(at)),
        Some(_) => ("bundle", None),
        None if named.files.is_empty() => ("bundle", None),
        None => ("files", None),
    };
    compile_with(&sources, &data.into_inner()).map_err(|list| {
        let one = |refusal: Refusal| {
            let (key, at) = key(refusal.source);
            wrong(key, at, refusal.message)
        };
        list.into_iter().map(one).collect()
    })
}

/// Whether a file holds tests by its name, as OPA has it.
pub(crate) fn is_test(file: &Path) -> bool {
    file.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with("_test.rego"))
}

fn to_json(packed: &Packed) -> Value {
    let mut compiled = json!({
        "program": STANDARD.encode(&packed.program),
        "digest": packed.digest,
        "module": packed.module.as_str(),
        "visible": packed.visible,
        "data": packed.data,
        "arguments": packed.reads.arguments,
        "headers": packed.reads.headers,
        "source": packed.reads.source,
        "time": packed.reads.time,
    });
    if let (None, Some(members)) = (&packed.data, compiled.as_object_mut()) {
        members.remove("data");
    }
    compiled
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

// === impl Named ===

impl Named {
    /// `None` where none is; what has another shape is for the compiler of the whole to refuse.
    fn of(rego: &Map<String, Value>) -> Option<Self> {
        let list = |key: &str| match rego.get(key) {
            None => Some(Vec::new()),
            Some(names) => names
                .as_array()?
                .iter()
                .map(|name| name.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>(),
        };
        let bundle = match rego.get("bundle") {
            None => None,
            Some(name) => Some(name.as_str()?.to_owned()),
        };
        if rego.get("files").is_none() && bundle.is_none() {
            return None;
        }
        Some(Self { files: list("files")?, data: list("data")?, bundle })
    }
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
