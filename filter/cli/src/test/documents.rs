//! Which data documents do the tests of a policy see? Those that are named, and in folders what a bundle would have there:
//! `data.json` and `data.yaml`, below the path of their folder.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::document::read;
use crate::outcome::Unusable;
use crate::rego::bundle;
use crate::rego::data::{Documents, is_data};

/// The documents of `paths`; without any, of this folder.
pub(super) fn of(paths: &[PathBuf]) -> Result<Map<String, Value>, Unusable> {
    let mut documents = Documents::default();
    let here = [PathBuf::from(".")];
    for path in if paths.is_empty() { &here[..] } else { paths } {
        let folder = path.is_dir();
        let files = if folder { bundle::files_of(path) } else { vec![path.clone()] };
        for file in files.iter().filter(|file| is_document(file, folder)) {
            let within = if folder { file.strip_prefix(path).unwrap_or(file) } else { Path::new("") };
            let said = |why| Unusable(format!("{}: {why}", file.display()));
            let steps = bundle::steps(within).map_err(said)?;
            documents.add(&steps, file, &read(file)?).map_err(said)?;
        }
    }
    Ok(documents.into_inner())
}

/// In a folder there may be other documents.
fn is_document(file: &Path, in_folder: bool) -> bool {
    let called_data = file.file_stem().is_some_and(|name| name == "data");
    is_data(file) && (called_data || !in_folder)
}
