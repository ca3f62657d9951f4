//! What is in a bundle? Sources and data of a policy as OPA lays them out: `*.rego`, and `data.json` or `data.yaml` in folders
//! whose names are the path of what they hold; a folder, or a `.tar.gz` of it (`opa build` without `--target wasm`).

use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;
use wicketgate_core::policy::rego::compile::Source;

use super::data::Documents;
use super::is_test;

/// The most files of a bundle, and the most bytes of all together.
const MOST_FILES: usize = 1000;
const MOST_BYTES: u64 = 8 << 20;

/// One file of a bundle: its path within, and its text.
type Entry = (PathBuf, String);

/// What a bundle holds: sources, and data that are added to those that are there.
///
/// # Errors
/// One phrase.
pub(crate) fn read(bundle: &Path, data: &mut Documents) -> Result<Vec<Source>, String> {
    let folder = std::fs::metadata(bundle).map_err(|e| cannot(bundle, &e))?.is_dir();
    let mut entries = if folder { of_folder(bundle)? } else { of_archive(bundle)? };
    entries.sort();
    let mut sources = Vec::new();
    for (path, text) in entries {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let shown = path.display().to_string();
        match name.as_str() {
            "data.json" | "data.yaml" | "data.yml" => {
                data.add(&steps(&path)?, &path, &text).map_err(|why| format!("{shown}: {why}"))?;
            }
            ".manifest" => judge_manifest(&text).map_err(|why| format!("{shown}: {why}"))?,
            ".signatures.json" => {
                return Err(format!(
                    "{shown}: signatures are not checked here; check them where the bundle is fetched, and leave them out"
                ));
            }
            "patch.json" => return Err(format!("{shown}: this is a part of a bundle; give it whole")),
            _ if name.ends_with(".wasm") => {
                return Err(format!(
                    "{shown}: built for Wasm; `opa build` without `--target wasm` keeps the sources"
                ));
            }
            _ if name.ends_with(".rego") && !is_test(&path) => sources.push(Source { name: shown, text }),
            _ => {}
        }
    }
    Ok(sources)
}

/// All files that are read of a bundle.
pub(crate) fn files_of(bundle: &Path) -> Vec<PathBuf> {
    if !bundle.is_dir() {
        return vec![bundle.to_owned()];
    }
    walk(bundle).unwrap_or_default()
}

/// The folders of a file within a bundle: where its data stand.
pub(crate) fn steps(path: &Path) -> Result<Vec<String>, String> {
    let folders = path.parent().into_iter().flat_map(Path::components);
    let named = folders.filter(|part| !matches!(part, Component::CurDir | Component::RootDir));
    named
        .map(|part| match part {
            Component::Normal(name) => {
                name.to_str().map(str::to_owned).ok_or_else(|| "a name that is no text".to_owned())
            }
            _ => Err(format!("{}: leads out of the bundle", path.display())),
        })
        .collect()
}

/// Which files count: those that OPA looks at.
fn is_read(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let named = ["data.json", "data.yaml", "data.yml", ".manifest", ".signatures.json", "patch.json"];
    named.contains(&name) || name.ends_with(".rego") || name.ends_with(".wasm")
}

fn judge_manifest(text: &str) -> Result<(), String> {
    let manifest: Value = serde_json::from_str(text).map_err(|error| format!("not sound JSON: {error}"))?;
    match manifest.get("rego_version") {
        None => Ok(()),
        Some(version) if version == 1 => Ok(()),
        Some(_) => Err("`rego_version` is 1 here".to_owned()),
    }
}

fn walk(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let (mut files, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|e| cannot(&folder, &e))? {
            let entry = entry.map_err(|e| cannot(&folder, &e))?;
            let kind = entry.file_type().map_err(|e| cannot(&folder, &e))?;
            // No links to folders, which may lead in circles; those to files are how ConfigMaps are mounted.
            let hidden = entry.file_name().to_str().is_none_or(|name| name.starts_with(".."));
            if kind.is_dir() && !hidden {
                open.push(entry.path());
            } else if !kind.is_dir() && is_read(&entry.path()) {
                files.push(entry.path());
            }
        }
        if files.len() > MOST_FILES {
            return Err(format!("more than {MOST_FILES} files"));
        }
    }
    Ok(files)
}

fn of_folder(bundle: &Path) -> Result<Vec<Entry>, String> {
    let mut total = 0;
    let mut entries = Vec::new();
    for file in walk(bundle)? {
        let within = file.strip_prefix(bundle).unwrap_or(&file).to_owned();
        let wasm = within.extension().is_some_and(|extension| extension == "wasm");
        let text = if wasm { String::new() } else { crate::document::read(&file).map_err(|why| why.0)? };
        total += text.len() as u64;
        if total > MOST_BYTES {
            return Err(format!("more than {} MiB", MOST_BYTES >> 20));
        }
        entries.push((within, text));
    }
    Ok(entries)
}

fn of_archive(bundle: &Path) -> Result<Vec<Entry>, String> {
    let file = std::fs::File::open(bundle).map_err(|e| cannot(bundle, &e))?;
    let wrong = |error: &dyn std::fmt::Display| format!("no .tar.gz of a bundle: {error}");
    // What it unpacks to is bounded, whatever it says of itself.
    let mut archive = tar::Archive::new(GzDecoder::new(file).take(MOST_BYTES));
    let mut entries: Vec<Entry> = Vec::new();
    for (at, entry) in archive.entries().map_err(|e| wrong(&e))?.enumerate() {
        let mut entry = entry.map_err(|e| wrong(&e))?;
        if at >= MOST_FILES {
            return Err(format!("more than {MOST_FILES} files"));
        }
        let path = entry.path().map_err(|e| wrong(&e))?.into_owned();
        let path: PathBuf = path
            .components()
            .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
            .collect();
        steps(&path)?;
        if !is_read(&path) {
            continue;
        }
        if !entry.header().entry_type().is_file() {
            return Err(format!("{}: no file, but a link or a folder", path.display()));
        }
        let mut text = String::new();
        if path.extension().is_none_or(|extension| extension != "wasm") {
            entry.read_to_string(&mut text).map_err(|e| wrong(&e))?;
        }
        if entries.iter().any(|(other, _)| *other == path) {
            return Err(format!("{}: stands twice", path.display()));
        }
        entries.push((path, text));
    }
    // Where it was cut off, what is missing may be what denies.
    if archive.into_inner().limit() == 0 {
        return Err(format!("more than {} MiB", MOST_BYTES >> 20));
    }
    Ok(entries)
}

fn cannot(path: &Path, why: &dyn std::fmt::Display) -> String {
    format!("cannot read {}: {why}", path.display())
}
